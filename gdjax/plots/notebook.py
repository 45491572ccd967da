"""Figures that notebooks show by themselves."""

from __future__ import annotations

import io

from matplotlib.figure import Figure


class NotebookFigure(Figure):
    """A figure that is not pyplot's, and shows itself at the end of a notebook's cell.

    pyplot would keep every figure, and may want a display; without it a `Figure` is
    shown as text.
    """

    def _repr_png_(self) -> bytes:
        """The figure as PNG, at its own resolution; IPython asks for it."""
        content = io.BytesIO()
        self.savefig(content, format="png", dpi="figure")
        return content.getvalue()
