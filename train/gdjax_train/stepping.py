"""The one loop over training steps, of recipes and of `fit`."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Protocol

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
        if done % rhythm.epoch == 0 or done == rhythm.steps:
            watcher.end_epoch(done, state)
        if save:
            watcher.save(done, state, last=last)
        if last:
            break
    return state


class Window:
    """The metrics of the steps since the last row, and how fast they were."""

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        """A window that opens now.

        Args:
          clock: in seconds.
        """
        self._clock = clock
        self._open()

    def _open(self) -> None:
        self._pending: list[Metrics] = []
        self._began, self._paused, self._compiled = self._clock(), 0.0, 0

    def add(self, metrics: Metrics) -> None:
        """Metrics of a step, still on the device."""
        self._pending.append(metrics)

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """While something else than steps is done, such as a validation."""
        jax.block_until_ready(self._pending[-1:])
        began = self._clock()
        try:
            yield
        finally:
            self._paused += self._clock() - began

    def compile(self, step: Callable[..., Any], *arguments: Any) -> Any:
        """Take a step that is compiled first, and so says nothing of the speed."""
        with self.paused():
            found = jax.block_until_ready(step(*arguments))
        self._compiled += 1
        return found

    def close(self, batch_size: int) -> tuple[dict[str, float], int | None]:
        """The row, and open the next window.

        Args:
          batch_size: images a step.

        Returns:
          Means, with "images_per_second", and how many steps ago, counted from 0, the
          first one was taken whose loss or gradient is not finite; None: none was.
        """
        row, bad = mean_metrics(self._pending)
        count, seconds = len(self._pending), self._clock() - self._began
        if count > self._compiled:
            count, seconds = count - self._compiled, seconds - self._paused
        row["images_per_second"] = count * batch_size / max(seconds, 1e-9)
        ago = None if bad is None else len(self._pending) - 1 - bad
        self._open()
        return row, ago


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
