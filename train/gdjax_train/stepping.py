"""The one loop over training steps, of recipes and of `fit`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

import jax
import numpy as np

from .batch import Batch
from .step import Metrics, State


@dataclasses.dataclass(frozen=True)
class Rhythm:
    """When what happens, in steps.

    Attributes:
      steps: of the whole training.
      epoch: steps in it.
      report: between two reports.
      save: between two checkpoints; None: there are none.
    """

    steps: int
    epoch: int
    report: int
    save: int | None


class Watcher(Protocol):
    """What follows a training; each with the number of steps done and the state."""

    def add(self, metrics: Metrics) -> None:
        """Metrics of a step, still on the device: reading them would wait for it."""

    def report(self, done: int, state: State) -> None:
        """A row of the log, of the steps since the last one."""

    def end_epoch(self, done: int, state: State) -> None:
        """An epoch is over."""

    def save(self, done: int, state: State, *, last: bool) -> None:
        """A checkpoint is due."""


def run_steps(
    take_step: Callable[[State, Batch, int], tuple[State, Metrics]],
    state: State,
    coming: Iterable[Batch],
    watcher: Watcher,
    *,
    start: int,
    rhythm: Rhythm,
    stopped: Callable[[], bool] = lambda: False,
) -> State:
    """Take the steps from `start` to the last.

    A row is due at each checkpoint, too: so rows after a resume average the same steps.

    Args:
      take_step: state, batch and number of steps done before -> state and metrics.
      state: after `start` steps.
      coming: the batches of the steps that follow.
      watcher: logs, validates and saves.
      start: steps done before.
      rhythm: when.
      stopped: whether the user wants no more; then the step that was taken is the last.

    Returns:
      The state after the last step that was taken.
    """
    for done, batch in enumerate(coming, start=start + 1):
        state, metrics = take_step(state, batch, done - 1)
        watcher.add(metrics)
        last = done == rhythm.steps or stopped()
        save = rhythm.save is not None and (last or done % rhythm.save == 0)
        if last or save or done % rhythm.report == 0:
            watcher.report(done, state)
        if done % rhythm.epoch == 0:
            watcher.end_epoch(done, state)
        if save:
            watcher.save(done, state, last=last)
        if last:
            break
    return state


def mean_metrics(pending: Sequence[Metrics]) -> tuple[dict[str, float], int | None]:
    """Means of loss, accuracy and norm of the gradient over steps.

    Args:
      pending: metrics of the steps, on the device; at least one.

    Returns:
      The means, and which step is the first whose loss or gradient is not finite, if
      any.
    """
    steps = jax.device_get(list(pending))
    values = {
        name: np.array([step[name] for step in steps], np.float64)
        for name in ("loss", "accuracy", "gradient_norm")
    }
    # A finite loss with a gradient that is not spoils the parameters all the same.
    finite = np.isfinite(values["loss"]) & np.isfinite(values["gradient_norm"])
    bad = None if finite.all() else int(np.argmin(finite))
    return {name: float(each.mean()) for name, each in values.items()}, bad
