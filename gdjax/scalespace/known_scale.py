"""Large layers of known sigma, a few images at a time on CPUs (gdjax).

  y = M(x, w) + b    is linear in the images x and in the weights w,

so either gradient needs the other of the two and nothing else, and is a loop over
chunks of its own. JAX's gradient of a loop keeps a copy of all that it has read.
"""

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.custom_derivatives import SymbolicZero

from gdjax.scalespace.chunks import chunk_size, over_images, sum_over_images
from gdjax.scalespace.derivatives import Orders
from gdjax.scalespace.jets import Windows
from gdjax.scalespace.operators import Filter
from gdjax.scalespace.products import bilinear
from gdjax.scalespace.stencil import combine_by_products


class Layer(NamedTuple):
    """A layer without its arrays; hashable.

    Attributes:
      prepare: (kernel, sigma, filter_, orders, sources, targets, dtype) -> how to mix,
        weights.
      sigma: px.
      filter_: kernels, border rule and truncation.
      orders: the multi-indices of the terms.
      sources: which pixels of each spatial axis the input holds.
      targets: which pixels are computed.
      given: dtype of the input.
      dtype: of the result.
      kernel_shape: [J, C_in, C_out] or [J, C].
      maps: what a pixel counts for in chunks.
    """

    prepare: Callable[..., Any]
    sigma: float
    filter_: Filter
    orders: Orders
    sources: Windows
    targets: Windows
    given: Any
    dtype: Any
    kernel_shape: tuple[int, ...]
    maps: int

    def mixing(self, kernel: jax.Array) -> Callable[[jax.Array], jax.Array]:
        """[B, ..., C_in] -> [B, ..., C_out], all images at once."""
        run, weights = self.prepare(
            kernel, np.float64(self.sigma), self.filter_, self.orders,
            self.sources, self.targets, self.dtype,
        )  # fmt: skip
        terms = tuple(weights)  # cut here, and not in every pass of a loop
        return lambda x: run(x, terms, combine_by_products)


def mix_known(
    x: jax.Array, kernel: jax.Array, bias: jax.Array | None, layer: Layer
) -> jax.Array:
    """The layer on [B, (D,) (H,) W, C_in], a few images at a time."""
    return _with_bias(layer, x, kernel, bias)


@functools.partial(jax.custom_jvp, nondiff_argnums=(0,))
def _with_bias(layer: Layer, x, kernel, bias):
    mix = layer.mixing(kernel)

    def run(some: jax.Array) -> jax.Array:
        y = mix(some)
        return y if bias is None else y + bias.astype(y.dtype)

    return over_images(run, x, recompute=False, maps=layer.maps)


def _tangent(layer: Layer, values, tangents):
    x, kernel, bias = values
    dx, dkernel, dbias = tangents
    y = _with_bias(layer, x, kernel, bias)
    terms = []
    if _changes(dx):
        terms.append(_linear(dx, kernel, layer=layer))
    if _changes(dkernel):
        terms.append(_linear(x, dkernel, layer=layer))
    if dbias is not None and _changes(dbias):
        terms.append(jnp.broadcast_to(dbias.astype(y.dtype), y.shape))
    return y, functools.reduce(jnp.add, terms) if terms else jnp.zeros_like(y)


def _changes(tangent: Any) -> bool:
    return not isinstance(tangent, SymbolicZero)


_with_bias.defjvp(_tangent, symbolic_zeros=True)


def _apply(x: jax.Array, kernel: jax.Array, *, layer: Layer) -> jax.Array:
    return _with_bias(layer, x, kernel, None)


def _gradient_in_x(gradient: jax.Array, kernel: jax.Array, *, layer: Layer):
    mix = layer.mixing(kernel)
    shape = *(w.length for w in layer.sources), layer.kernel_shape[1]

    def back(some: jax.Array) -> jax.Array:
        x = jax.ShapeDtypeStruct((some.shape[0], *shape), layer.given)
        return jax.linear_transpose(mix, x)(some)[0]

    return over_images(back, gradient, recompute=False, maps=layer.maps)


def _gradient_in_kernel(gradient: jax.Array, x: jax.Array, *, layer: Layer):
    kernel = jax.ShapeDtypeStruct(
        layer.kernel_shape, jnp.promote_types(x.dtype, jnp.float32)
    )

    def back(some: jax.Array, gradient: jax.Array) -> jax.Array:
        pull_back = jax.linear_transpose(lambda k: layer.mixing(k)(some), kernel)
        return pull_back(gradient)[0]

    pixels = layer.maps * math.prod(x.shape[1:-1])
    size = chunk_size(x.shape[0], pixels)
    return sum_over_images(back, x, gradient, size=size)


_linear = bilinear(_apply, _gradient_in_x, _gradient_in_kernel)
