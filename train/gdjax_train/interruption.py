"""Ctrl-C: a training stops between two steps, and says where it will go on."""

from __future__ import annotations

import contextlib
import shlex
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

from .checkpoints import whole_steps
from .recipe import Recipe
from .run_files import RunFolder
from .trials import trials


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, with a message for the user."""


class Wish:
    """Whether the user wants to stop.

    Attributes:
      made: it was said.
    """

    made = False


@contextlib.contextmanager
def between_steps(heard: Callable[[], None]) -> Iterator[Wish]:
    """Ctrl-C becomes a wish; a second one raises at once.

    A step uses up the state that it is given, so that only between two steps there is a
    whole one to be written. In other threads than the main one, and where somebody else
    listens to Ctrl-C, nothing is changed.

    Args:
      heard: called at the first Ctrl-C.

    Yields:
      The wish, to be looked at after each step.

    Raises:
      KeyboardInterrupt: at the end, if the wish was made.
    """
    wish = Wish()

    def listen(*_: Any) -> None:
        if wish.made:
            raise KeyboardInterrupt
        wish.made = True
        heard()

    ours = threading.current_thread() is threading.main_thread()
    if not ours or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield wish
        return
    signal.signal(signal.SIGINT, listen)
    try:
        yield wish
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if wish.made:
        raise KeyboardInterrupt


def place(run: RunFolder, recipe: Recipe) -> str:
    """Where a run will go on, in words."""
    for trial in trials(recipe):
        for phase in trial.phases:
            if run.weights(trial.slug, phase.name).exists():
                continue
            title = f"{trial.name} ({phase.name})"
            steps = whole_steps(run.checkpoints(trial.slug, phase.name))
            return f"after step {steps[-1]} of {title}" if steps else f"with {title}"
    return "with the evaluation"


@contextlib.contextmanager
def resumable(
    run: RunFolder, recipe: Recipe, *, data_dir: str | None = None
) -> Iterator[None]:
    """Ctrl-C gets the whole command that goes on, and from where.

    Args:
      run: folder of the run.
      recipe: of the run.
      data_dir: where the data are, if that is not what the run's recipe says.

    Raises:
      Interrupted: in the place of a KeyboardInterrupt.
    """
    try:
        yield
    except KeyboardInterrupt:
        command = ["gdjax-train", "--resume", str(run.path)]
        command += ["--data-dir", data_dir] if data_dir is not None else []
        raise Interrupted(
            f"interrupted; to go on {place(run, recipe)}:\n  {shlex.join(command)}"
        ) from None
