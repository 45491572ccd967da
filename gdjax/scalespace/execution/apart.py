"""Functions of the compiled program that XLA does not merge with others on CPUs."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

from jax.experimental.scheduling_groups import xla_metadata_call

from gdjax.scalespace.execution.routines import Arrays, Chosen, Routine, vjp


def apart(run: Callable[..., Any]) -> Callable[..., Any]:
    """`run` as a function of the compiled program, never inlined; for CPUs.

    XLA merges neighbouring loops over pixels there, and computes again what several
    neighbours of a pixel need: normalisation and differences, say, at every tap of the
    next layer's smoothing, which took longer than all matrix products. It removes
    optimisation barriers before it merges; a call that isn't inlined stays.
    """

    @functools.wraps(run)
    def kept(*arrays: Any, **static: Any) -> Any:
        made = functools.partial(run, **static)
        return xla_metadata_call(made, inlineable="false")(*arrays)

    return kept


def kept_apart(run: Callable[..., Any]) -> Callable[..., Any]:
    """`run`, of arrays and static keyword arguments, `apart` on CPUs."""
    return lambda *arrays, **static: _Apart(run, tuple(static.items()))(*arrays)


@dataclasses.dataclass(frozen=True)
class _Apart(Routine):
    run: Callable[..., Any]
    static: tuple[tuple[str, Any], ...]

    def plain(self, *arrays: Any) -> Any:
        return self.run(*arrays, **dict(self.static))

    def cpu(self, *arrays: Any) -> Any:
        return apart(self.plain)(*arrays)

    def backward(self, arrays: Arrays, gradients: Arrays, moved: Chosen) -> Arrays:
        # One function, too: nothing is kept between two of them.
        def run(*given: Any) -> Any:
            known, rest = given[: len(arrays)], given[len(arrays) :]
            return vjp(self.on(False), known, rest, moved)

        return apart(run)(*arrays, *gradients)
