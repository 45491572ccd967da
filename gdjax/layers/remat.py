"""Rematerialisation that XLA doesn't undo (gdjax)."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax.core import lift
from flax.linen import transforms


def recompute(target: Callable[..., Any]) -> Callable[..., Any]:
    """Computes `target` again in the backward pass instead of keeping its inside.

    What `flax.linen.remat` is for, but that is undone on CPUs: XLA removes the
    barriers of `jax.checkpoint` and then merges both computations. Here the second one
    depends on the gradient that comes in, so it can't be merged, nor run too early.

    Args:
      target: a function of a Linen module and of arrays; what else it needs is static.

    Returns:
      The same function. Reverse mode only, since it has a gradient of its own.
    """
    return transforms.lift_transform(_lifted, target)


def _lifted(fn: Callable[..., Any]) -> Callable[..., Any]:
    def inner(scope_fn, repack_fn, variable_groups, rng_groups, *args):
        def pure(variable_groups, rng_groups, *args):
            scope = scope_fn(variable_groups, rng_groups)
            y = fn(scope, *args)
            return y, repack_fn(scope)

        return recomputed(pure)(variable_groups, rng_groups, *args)

    return lift.pack(inner, (True,), (True,), (True,), name="recompute")


def recomputed(fn: Callable[..., Any]) -> Callable[..., Any]:
    """`recompute` for a pure function of pytrees."""

    def backward(args, gradient):
        _, pull_back = jax.vjp(fn, *_after(args, gradient))
        return pull_back(gradient)

    run = jax.custom_vjp(fn)
    run.defvjp(lambda *args: (fn(*args), args), backward)
    return run


def _after(args: Any, gradient: Any) -> Any:
    """The same values, known to XLA only after (part of) the gradient is."""
    first = next(
        g for g in jax.tree.leaves(gradient) if jnp.issubdtype(g.dtype, jnp.floating)
    )
    # 0 for every gradient but NaN; XLA can't know.
    zero = jnp.minimum(jnp.abs(first.ravel()[0]), 1) * 0

    def tie(x: Any) -> Any:
        if x.size and jnp.issubdtype(x.dtype, jnp.floating):
            return x + zero.astype(x.dtype)
        return x

    return jax.tree.map(tie, args)
