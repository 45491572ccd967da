"""The bar of a notebook: one output of the cell, which is written anew."""

from __future__ import annotations

import dataclasses
import html
import sys
import time
from collections.abc import Callable
from typing import Any


# Between two pictures: every one is a message to the browser, and to the file.
SECONDS = 0.25


def in_notebook() -> bool:
    """Whether this runs in a kernel of Jupyter, whose outputs can be overwritten."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return getattr(shell, "kernel", None) is not None


@dataclasses.dataclass(frozen=True)
class Picture:
    """How far a command is, as HTML and as text.

    Attributes:
      title: of what is done.
      share: that is done, 0..1.
      count: such as "step 20/372".
      text: what is being done, or what it gave.
      left: such as "2 min left"; "" where it is not known.
    """

    title: str
    share: float
    count: str
    text: str
    left: str

    def __repr__(self) -> str:
        said = "  ".join(filter(None, (self.count, self.text, self.left)))
        return f"{self.title}: {said}"

    def _repr_html_(self) -> str:
        said = html.escape("  ".join(filter(None, (self.text, self.left))))
        return (
            f'<div style="white-space: pre">'
            f"{html.escape(self.title)}: {html.escape(self.count)}  "
            f'<progress value="{self.share:.4f}" max="1"></progress>  {said}</div>'
        )


class NotebookBar:
    """An output of a cell that shows a picture, then others in its place."""

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        """Nothing is shown yet.

        Args:
          clock: in seconds.
        """
        self._clock, self._shown, self._handle = clock, -float("inf"), None

    def show(self, picture: Picture, *, must: bool = False) -> None:
        """Show it in place of the last one.

        Args:
          picture: what to show.
          must: also if the last one was shown just now.
        """
        now = self._clock()
        if not must and now - self._shown < SECONDS:
            return
        self._shown = now
        if self._handle is None:
            self._handle = _display(picture)
        else:
            self._handle.update(picture)


def _display(picture: Picture) -> Any:
    from IPython.display import display  # notebooks have it

    return display(picture, display_id=True)
