"""Parts of a program that XLA compiles by themselves (gdjax)."""

import functools
import inspect
from collections.abc import Callable
from typing import Any

import jax
from jax.experimental.xla_metadata import set_xla_metadata

from gdjax.scalespace.chunks import on_cpu


def apart(run: Callable[..., Any]) -> Callable[..., Any]:
    """`run`, whose arrays and results exist as such in memory on CPUs.

    XLA merges neighbouring loops over pixels there, and computes again what several
    neighbours of a pixel need: normalisation and differences, say, at every tap of the
    next layer's smoothing, which took longer than all matrix products. Barriers are
    taken out before it merges; a function that must not be inlined stays.
    Loops inside of it have buffers of their own; else XLA makes those of all loops of a
    program at its start.

    Args:
      run: arrays and hashable keyword arguments -> arrays; without side effects.
    """

    @functools.wraps(run)
    def kept(*arrays: jax.Array, **static: Any) -> Any:
        if not on_cpu():
            return run(*arrays, **static)
        with set_xla_metadata(inlineable="false"):
            return compiled(*arrays, **static)

    static = inspect.getfullargspec(run).kwonlyargs
    compiled = jax.jit(run, static_argnames=static)
    return kept
