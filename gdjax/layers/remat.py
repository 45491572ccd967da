"""Rematerialisation of modules that XLA doesn't undo (gdjax)."""

from collections.abc import Callable
from typing import Any

from flax.core import lift
from flax.linen import transforms

from gdjax.scalespace.execution.recompute import recomputed


def recompute(target: Callable[..., Any]) -> Callable[..., Any]:
    """Computes `target` again in the backward pass instead of keeping its inside.

    What `flax.linen.remat` is for, but that is undone on CPUs (`recomputed`).

    Args:
      target: a function of a Linen module and of arrays; what else it needs is static.
        It reduces over no mapped axis.
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
