"""Rematerialisation that XLA doesn't undo."""

import dataclasses
from collections.abc import Callable
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jax.extend.core import jaxpr_as_fun

from gdjax.scalespace.execution.routines import (
    Routine,
    is_real,
    plainly,
    vary_alike,
    vjp,
)


def recomputed(run: Callable[..., Any]) -> Callable[..., Any]:
    """`run` on pytrees, computed again in the backward pass.

    What `jax.checkpoint` is for, but that is undone on CPUs: XLA removes its barriers
    and then merges both computations. Here the second one depends on the gradient that
    comes in, so it can't be merged, nor run too early. `run` closes over no traced
    value and reduces over no mapped axis.
    """

    def recomputing(*args: Any) -> Any:
        leaves, tree = jax.tree.flatten(args)
        if plainly(*leaves):
            return jax.checkpoint(run)(*args)
        leaves = vary_alike(leaves)
        program, out = jax.make_jaxpr(
            lambda *some: run(*jax.tree.unflatten(tree, some)), return_shape=True
        )(*leaves)
        made = _Recomputed(jaxpr_as_fun(program), tuple(program.out_avals))
        results = made(*leaves)
        results = results if len(made.avals) > 1 else (results,)
        return jax.tree.unflatten(jax.tree.structure(out), results)

    return recomputing


@dataclasses.dataclass(frozen=True)
class _Recomputed(Routine):
    by_value: ClassVar[bool] = False
    run: Callable[..., list[Any]]
    avals: tuple[Any, ...]

    def plain(self, *arrays):
        return self.run(*arrays)

    def backward(self, arrays, gradients, moved):
        # 0 for every gradient but NaN; XLA can't know.
        zero = jnp.minimum(jnp.abs(gradients[0].ravel()[0]), 1) * 0
        after = [
            x + zero.astype(x.dtype) if x.size and is_real(x) else x for x in arrays
        ]
        return vjp(self.run, after, gradients, moved)

    plain_backward = backward
