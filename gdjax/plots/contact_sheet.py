"""Many small images on one sheet."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from gdjax.plots.checks import check_list, check_pictures
from gdjax.plots.notebook import NotebookFigure


_GAP = 2
_INCHES_PER_ROW = 0.9


def contact_sheet(rows: Sequence[np.ndarray], labels: Sequence[str]) -> Figure:
    """Draws one row of images for each array, with its label at the left (gdjax).

    Args:
      rows: each [N, H, W, C] with C = 1 (grey) or 3 (RGB); integers in 0..255 or
        floating-point values in 0..1, which are the same for all rows' contrast. Rows
        may differ in N, H and W.
      labels: one for each row.

    Returns:
      The figure; the caller saves it.

    Raises:
      TypeError: for what is of another type.
      ValueError: if there are no rows, a row is not [N, H, W, 1 or 3] with N >= 1, or
        there is not one label for each row.
    """
    rows = check_list(rows, name="rows", of="arrays [N, H, W, 1 or 3]")
    labels = [str(text) for text in check_list(labels, name="labels", of="strings")]
    if len(rows) == 0 or len(rows) != len(labels):
        raise ValueError(
            f"`labels` must have one text for each of at least one row; got "
            f"{len(rows)} rows and {len(labels)} labels."
        )
    rows = [check_pictures(row, name=f"rows[{i}]") for i, row in enumerate(rows)]
    strips = [_strip(row) for row in rows]
    widest = max(strip.shape[1] / strip.shape[0] for strip in strips)
    size = (_INCHES_PER_ROW * widest + 0.8, _INCHES_PER_ROW * len(strips))
    figure = NotebookFigure(figsize=size, layout="constrained")
    grid = figure.subplots(len(strips), 1, squeeze=False)[:, 0]
    for axes, strip, label in zip(grid, strips, labels, strict=True):
        axes.imshow(strip, cmap="gray", vmin=0.0, vmax=1.0, interpolation="nearest")
        axes.set_ylabel(label, rotation=0, ha="right", va="center", fontsize=9)
        axes.set_xticks([])
        axes.set_yticks([])
        axes.set_anchor("W")
        for spine in axes.spines.values():
            spine.set_visible(False)
    return figure


def _strip(row: np.ndarray) -> np.ndarray:
    """The images of a row side by side, values in 0..1; [H, W'] or [H, W', 3]."""
    values = row / 255 if np.issubdtype(row.dtype, np.integer) else row
    gap = np.ones((row.shape[1], _GAP, row.shape[3]))
    pieces = [piece for image in values for piece in (image, gap)][:-1]
    strip = np.clip(np.concatenate(pieces, axis=1), 0.0, 1.0)
    return strip[..., 0] if strip.shape[-1] == 1 else strip
