"""Products with gradients of their own, where those of JAX are slow on CPUs (gdjax)."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.core import ShapedArray
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir


HIGHEST = jax.lax.Precision.HIGHEST


def bilinear(
    apply: Callable[..., jax.Array],
    gradient_in_first: Callable[..., jax.Array],
    gradient_in_second: Callable[..., jax.Array],
) -> Callable[..., jax.Array]:
    """A function, linear in each of its two arrays, with its gradients.

    A primitive and not a `jax.custom_vjp`, which has no forward mode.

    Args:
      apply: (a, b, **static) -> c.
      gradient_in_first: (gradient in c, b, **static) -> gradient in a.
      gradient_in_second: (gradient in c, a, **static) -> gradient in b.

    Returns:
      `apply`, to be differentiated in both arguments, forward and backward, any number
      of times; under `vmap` its gradients are those of JAX.
    """
    primitive = Primitive(f"gdjax_{apply.__name__}")

    def shape(*arrays: Any, **static: Any) -> Any:
        kinds = tuple((a.shape, a.dtype) for a in arrays)
        return _shape(apply, kinds, tuple(static.items()))

    def batch(arrays: Any, axes: Any, **static: Any) -> Any:
        return jax.vmap(functools.partial(apply, **static), axes)(*arrays), 0

    primitive.def_impl(
        lambda *arrays, **static: jax.jit(functools.partial(apply, **static))(*arrays)
    )
    primitive.def_abstract_eval(shape)
    mlir.register_lowering(primitive, mlir.lower_fun(apply, multiple_results=False))
    ad.defbilinear(
        primitive,
        lambda gradient, a, b, **static: gradient_in_first(gradient, b, **static),
        lambda gradient, a, b, **static: gradient_in_second(gradient, a, **static),
    )
    batching.primitive_batchers[primitive] = batch
    return primitive.bind


@functools.lru_cache(maxsize=4096)
def _shape(apply: Callable[..., jax.Array], kinds: Any, static: Any) -> ShapedArray:
    # Asked for several times per call: tracing took a third of all the time otherwise.
    arrays = [jax.ShapeDtypeStruct(*kind) for kind in kinds]
    result = jax.eval_shape(functools.partial(apply, **dict(static)), *arrays)
    return ShapedArray(result.shape, result.dtype)


def matmul(a: jax.Array, b: jax.Array) -> jax.Array:
    """[..., M, N] times [N, R] in the precision of their dtype."""
    return jnp.matmul(a, b, precision=HIGHEST)


# JAX differentiates A x in x as (g^T A)^T: the transpositions cost what the product
# does. Here it is A^T g.
multiply = bilinear(
    matmul,
    lambda gradient, x: matmul(gradient, x.T),
    lambda gradient, matrix: multiply(matrix.T, gradient),
)


def multiply_channels(
    x: jax.Array, kernel: jax.Array, dimension_numbers: Any = None, **options: Any
) -> jax.Array:
    """[..., C] times [C, C_out], as the `dot_general` of `flax.linen.Dense`."""
    del dimension_numbers, options
    return multiply(x.reshape(-1, x.shape[-1]), kernel).reshape(*x.shape[:-1], -1)


@functools.lru_cache(maxsize=64)
def contraction(axes: str) -> Callable[..., jax.Array]:
    """`jnp.einsum(axes, a, b)`, whose gradients are such products too.

    JAX's are products in another order of the axes, and transpositions.
    """
    first, second, result = axes.replace("->", ",").split(",")

    def einsum(a: jax.Array, b: jax.Array) -> jax.Array:
        return jnp.einsum(axes, a, b, precision=HIGHEST)

    return bilinear(
        einsum,
        lambda gradient, b: contraction(f"{result},{second}->{first}")(gradient, b),
        lambda gradient, a: contraction(f"{result},{first}->{second}")(gradient, a),
    )
