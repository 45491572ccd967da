"""What the user sees of a stage: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time

from rich import progress as bars
from rich.console import Console


LINE_SECONDS = 5.0


class Progress:
    """Progress of one stage; use as a context manager."""

    def __init__(self, console: Console, title: str, *, start: int, steps: int):
        """A bar from step `start` to `steps`.

        Args:
          console: to print on.
          title: of the stage.
          start: steps done before.
          steps: of the whole stage.
        """
        self._console = console
        self._title = title
        self._start, self._steps = start, steps
        self._began = self._said = time.monotonic()
        self._bar: bars.Progress | None = None
        if console.is_terminal:
            self._bar = bars.Progress(
                bars.TextColumn("{task.description}"),
                bars.BarColumn(),
                bars.MofNCompleteColumn(),
                bars.TextColumn("{task.fields[text]}"),
                bars.TimeRemainingColumn(),
                console=console,
            )
            self._task = self._bar.add_task(
                title, total=steps, completed=start, text=""
            )

    def __enter__(self) -> Progress:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar:
            self._bar.stop()

    def update(self, step: int, *, loss: float, accuracy: float, speed: float) -> None:
        """Show the state after a step.

        Args:
          step: steps done.
          loss: mean since the last call.
          accuracy: mean since the last call, 0..1.
          speed: examples per second.
        """
        text = f"loss {loss:.4f}  accuracy {accuracy:6.1%}  {speed:,.0f} images/s"
        if self._bar:
            self._bar.update(self._task, completed=step, text=text)
            return
        now = time.monotonic()
        if step < self._steps and now - self._said < LINE_SECONDS:
            return
        self._said = now
        left = (now - self._began) / (step - self._start) * (self._steps - step)
        self._console.print(
            f"{self._title}  step {step}/{self._steps}  {text}  {left:.0f} s left",
            highlight=False,
            soft_wrap=True,
        )
