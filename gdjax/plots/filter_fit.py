"""A patch of an image and its approximations by N-jets. [njet] Figs. 2-3."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from gdjax.plots.checks import check_tuples
from gdjax.plots.notebook import NotebookFigure
from gdjax.scalespace.arrays import check_numbers


def filter_fits(
    patch: np.ndarray, fits: Sequence[tuple[str, np.ndarray, np.ndarray]]
) -> Figure:
    """The patch, its approximations, and what they leave out below.

    Args:
      patch: [size, size], or [size, size, C] with C = 1 or 3; any range.
      fits: (title, approximation of the patch's shape, residual [C]) for each order
        or sigma; the last two from `gdjax.scalespace.fit_njet`.

    Returns:
      The figure.

    Raises:
      TypeError: for what is of another type.
      ValueError: if there are no fits, or one of another shape.
    """
    patch = check_numbers(patch, name="patch", unit="grey levels")
    if patch.ndim not in (2, 3) or (patch.ndim == 3 and patch.shape[-1] not in (1, 3)):
        raise ValueError(
            f"`patch` of shape {patch.shape} must be [size, size] or [size, size, C]"
            " with C = 1 or 3."
        )
    parts = "title", "approximation", "residual"
    fits = check_tuples(fits, name="fits", of=parts)
    approximations, residuals = (
        [check_numbers(each[k], name="fits", unit=parts[k] + "s") for each in fits]
        for k in (1, 2)
    )
    if not fits or any(found.shape != patch.shape for found in approximations):
        raise ValueError(
            f"`fits` needs at least one approximation, of the patch's shape"
            f" {patch.shape}."
        )
    low, high = float(patch.min()), float(patch.max())
    span = max(high - low, 1e-12)
    figure = NotebookFigure(figsize=(1.8 * (len(fits) + 1), 3.9), layout="constrained")
    grid = figure.subplots(2, len(fits) + 1, squeeze=False)
    colour = {"cmap": "gray", "vmin": 0.0, "vmax": 1.0}
    grid[0, 0].imshow(_shown((patch - low) / span), **colour)
    grid[0, 0].set_title("patch", fontsize=9)
    for k, (title, _, _) in enumerate(fits, start=1):
        found = approximations[k - 1]
        grid[0, k].imshow(_shown((found - low) / span), **colour)
        grid[1, k].imshow(_shown(0.5 + (patch - found) / (2 * span)), **colour)
        grid[0, k].set_title(str(title), fontsize=9)
        worst = float(residuals[k - 1].max())
        grid[1, k].set_xlabel(f"residual {100 * worst:.0f} %", fontsize=9)
    grid[1, 0].set_visible(False)
    for axes in grid.flat:
        axes.set_xticks([])
        axes.set_yticks([])
    return figure


def _shown(values: np.ndarray) -> np.ndarray:
    values = np.clip(values, 0.0, 1.0)
    return values[..., 0] if values.ndim == 3 and values.shape[-1] == 1 else values
