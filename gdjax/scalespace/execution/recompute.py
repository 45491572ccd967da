"""Rematerialisation that XLA doesn't undo."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import jaxpr_as_fun

from gdjax.scalespace.execution.routines import Routine, plainly, vary_alike


def recomputed(run: Callable[..., Any]) -> Callable[..., Any]:
    """`run` on pytrees, computed again in the backward pass.

    What `jax.checkpoint` is for, but that is undone on CPUs: XLA removes its barriers
    and then merges both computations. Here the second one depends on the gradient that
    comes in, so it can't be merged, nor run too early.

    Args:
      run: a function of pytrees of arrays that closes over no traced value and
        reduces over no mapped axis.
    """

    def recomputing(*args: Any) -> Any:
        leaves, tree = jax.tree.flatten(args)
        if plainly(*leaves):
            return jax.checkpoint(run)(*args)
        leaves = vary_alike(leaves)
        program, out = jax.make_jaxpr(
            lambda *some: run(*jax.tree.unflatten(tree, some)), return_shape=True
        )(*leaves)
        whole = _Program(jaxpr_as_fun(program))
        avals = tuple(program.out_avals)
        results = Routine(whole, whole, whole.backward, avals=avals)(*leaves)
        results = results if len(avals) > 1 else (results,)
        return jax.tree.unflatten(jax.tree.structure(out), results)

    return recomputing


@dataclasses.dataclass(frozen=True)
class _Program:
    """A list of arrays -> a list of arrays."""

    run: Callable[..., list[jax.Array]]

    def __call__(self, *arrays: jax.Array) -> list[jax.Array]:
        return self.run(*arrays)

    def backward(self, arrays, gradients, moved) -> tuple[jax.Array, ...]:
        arrays = _after(arrays, gradients)

        def of_moved(*given):
            rest = iter(given)
            pairs = zip(arrays, moved, strict=True)
            every = (next(rest) if one else a for a, one in pairs)
            return [y for y in self.run(*every) if _is_real(y)]

        moving = [a for a, one in zip(arrays, moved, strict=True) if one]
        return jax.vjp(of_moved, *moving)[1](list(gradients))


def _is_real(x: Any) -> bool:
    return jnp.issubdtype(x.dtype, jnp.floating)


def _after(arrays: Any, gradients: Any) -> list[Any]:
    """The same arrays, known to XLA only after (part of) the gradient is."""
    first = gradients[0]
    # 0 for every gradient but NaN; XLA can't know.
    zero = jnp.minimum(jnp.abs(first.ravel()[0]), 1) * 0
    return [x + zero.astype(x.dtype) if x.size and _is_real(x) else x for x in arrays]
