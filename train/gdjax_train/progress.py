"""How far a command is: a bar on terminals and in notebooks, lines elsewhere.

Bar and lines fit 80 columns. The time left is worked out from the reports alone,
however rare they are, and without the time that compiling took.
"""

from __future__ import annotations

import contextlib
import math
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from .notebook_bar import NotebookBar, Picture, in_notebook
from .time_left import Estimate, duration


# Between two lines where there is no bar: a 20th of the time until now, within these.
LINE_SECONDS = 5.0, 60.0
# What takes longer than this is said also where there is no bar.
PATIENCE = 2.0


def say(console: Console, text: str) -> None:
    """A line for the user."""
    console.print(text, highlight=False, markup=False, soft_wrap=True)


def open_console() -> Console:
    """A console for stdout; a file stays one, also where FORCE_COLOR is set."""
    return Console(force_terminal=None if sys.stdout.isatty() else False)


def has_bar(console: Console) -> bool:
    """Whether lines can be overwritten there."""
    return console.is_terminal and not console.is_dumb_terminal


class Bar:
    """The way from `start` to `total`; use as a context manager."""

    def __init__(
        self,
        console: Console,
        title: str,
        *,
        unit: str,
        start: float = 0,
        total: float,
        clock: Callable[[], float] = time.monotonic,
    ):
        """Nothing is shown before the context is entered.

        Args:
          console: to print on.
          title: a line above it all.
          unit: of what is counted, such as "step".
          start: done before.
          total: to be done.
          clock: in seconds.
        """
        self._console, self._title, self._unit = console, title, unit
        self._done, self._total, self._clock = start, total, clock
        self._began, self._said = clock(), -float("inf")
        self._estimate = Estimate(start, total, now=self._began)
        self._text = self._notice = ""
        self._doing: tuple[str, float] | None = None
        self._live: Live | None = None
        self._notebook: NotebookBar | None = None
        if in_notebook() and not console.quiet:
            self._notebook = NotebookBar(clock)
        elif has_bar(console):
            self._live = Live(
                console=console, refresh_per_second=4, get_renderable=self._picture
            )

    def __enter__(self) -> Self:
        if self._notebook:
            self._draw(must=True)
            return self
        say(self._console, self._title)
        if self._live:
            self._live.start(refresh=True)
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()
        self._draw(must=True)

    def stopping(self) -> None:
        """Say that Ctrl-C was heard; called by a signal handler."""
        self._notice = "stops after this step; Ctrl-C again: at once"
        self._draw(must=True)
        if not self._live and not self._notebook:
            print(self._notice, file=sys.stderr)

    @contextlib.contextmanager
    def during(self, text: str, *, counts: bool = True) -> Iterator[None]:
        """Show what is being done, such as "compiling", until it is done.

        Args:
          text: shown with the seconds that it takes; where there is no bar only if it
            takes more than a few.
          counts: whether its time says something about the time left.
        """
        began, before = self._clock(), self._doing
        self._doing = text, began
        self._draw(must=True)
        line = contextlib.nullcontext()
        if not self._live and not self._notebook:
            line = _line_if_slow(self._console, f"  {text} ...")
        try:
            with line:
                yield
        finally:
            self._doing = before
            if not counts:
                self._estimate.skip(self._clock() - began)

    def move(self, done: float, text: str) -> None:
        """Show that so much is done.

        Args:
          done: of `total`.
          text: about it.
        """
        now = self._clock()
        self._done, self._text = done, text
        self._estimate.report(done, now=now)
        self._draw(must=done >= self._total)
        if self._live or self._notebook:
            return
        if done < self._total and now - self._said < self._pause(now):
            return
        self._said = now
        say(self._console, "  ".join(["", *self._count(), text, *self._left(now)]))

    def _pause(self, now: float) -> float:
        """Seconds between two lines: more and more, so that logs stay readable."""
        shortest, longest = LINE_SECONDS
        return min(max(shortest, (now - self._began) / 20), longest)

    def _count(self) -> list[str]:
        return [f"{self._unit} {int(self._done)}/{int(self._total)}"]

    def _left(self, now: float) -> list[str]:
        if self._done >= self._total:
            return [f"took {duration(now - self._began)}"]
        left = self._estimate.left(now=now)
        return [] if left is None else [f"{duration(left)} left"]

    def _draw(self, *, must: bool) -> None:
        """The bar of a notebook; that of a terminal draws itself."""
        if self._notebook is None:
            return
        text = f"{self._doing[0]} ..." if self._doing else self._text
        left = " ".join(self._left(self._clock()))
        share = self._done / self._total if self._total else 1.0
        count = " ".join(self._count())
        picture = Picture(self._title, share, count, self._notice or text, left)
        self._notebook.show(picture, must=must)

    def _picture(self) -> RenderableType:
        now = self._clock()
        row = Table.grid(padding=(0, 1), expand=True)
        row.add_column(no_wrap=True)
        row.add_column(ratio=1)
        row.add_column(no_wrap=True, justify="right")
        bar = ProgressBar(total=self._total, completed=self._done)
        row.add_row(*self._count(), bar, *(self._left(now) or [""]))
        text = self._text
        if self._doing:
            doing, began = self._doing
            text = f"{doing} ... {duration(now - began)}"
        text = self._notice or text
        return Group(row, Text(text, no_wrap=True, overflow="ellipsis"))


class Progress(Bar):
    """Progress of one phase of a training."""

    def __init__(self, console: Console, title: str, *, start: int, steps: int):
        """A bar from step `start` to `steps`.

        Args:
          console: to print on.
          title: of the phase.
          start: steps done before.
          steps: of the whole phase.
        """
        super().__init__(console, title, unit="step", start=start, total=steps)

    def compiling(self) -> contextlib.AbstractContextManager[None]:
        """While the step is compiled."""
        return self.during("compiling the step", counts=False)

    def update(self, step: int, *, loss: float, accuracy: float, speed: float) -> None:
        """Show the state after a step.

        Args:
          step: steps done.
          loss: mean since the last call.
          accuracy: mean since the last call, 0..1.
          speed: examples per second.
        """
        rate = f"{speed:,.0f}" if speed >= 10 else f"{speed:.2g}"
        self.move(step, f"loss {loss:.4f}  accuracy {accuracy:.1%}  {rate} images/s")


class EvaluationProgress(Bar):
    """Progress of an evaluation: networks that have seen the images of a size.

    Attributes:
      size: that is tested, in words.
    """

    size = ""

    def __init__(self, console: Console, title: str, *, total: int):
        """A bar over networks and sizes.

        Args:
          console: to print on.
          title: of the evaluation.
          total: number of pairs of a network and a size.
        """
        super().__init__(console, title, unit="test", total=total)
        self._compiled: set[int] = set()

    def begin(self, network: int, name: str) -> Callable[[float], None]:
        """Show which network comes.

        Args:
          network: its identity; a new one is compiled first.
          name: its name.

        Returns:
          To be called with the share of the images that it has seen.
        """
        before, new = math.floor(self._done), network not in self._compiled
        self._compiled.add(network)
        text, began = f"{self.size}, {name}", self._clock()
        self.move(before, f"{text}, compiling" if new else text)

        def seen(share: float) -> None:
            nonlocal new
            if new:
                # Most of it was compiling.
                self._estimate.skip(self._clock() - began, share)
                new = False
            self.move(before + share, text)

        return seen


@contextlib.contextmanager
def waiting(console: Console, text: str) -> Iterator[None]:
    """Say what the user waits for; outside terminals only if it takes long."""
    if not has_bar(console):
        with _line_if_slow(console, f"{text} ..."):
            yield
        return
    began = time.monotonic()

    def picture() -> Text:
        seconds = duration(time.monotonic() - began)
        return Text(f"{text} ... {seconds}", no_wrap=True, overflow="ellipsis")

    with Live(
        console=console, refresh_per_second=4, transient=True, get_renderable=picture
    ):
        yield


@contextlib.contextmanager
def _line_if_slow(console: Console, text: str) -> Iterator[None]:
    timer = threading.Timer(PATIENCE, say, (console, text))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
