"""Images in axes without ticks, whatever their type."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes


def grey_levels(image: np.ndarray) -> np.ndarray:
    """Values in 0..1 of integers in 0..255, or of floating-point values in 0..1."""
    values = image / 255 if np.issubdtype(image.dtype, np.integer) else image
    return np.clip(values, 0.0, 1.0)


def draw_picture(axes: Axes, image: np.ndarray) -> None:
    """Draw an image [H, W, 1 or 3], grey or RGB."""
    values = grey_levels(image)
    if values.shape[-1] == 1:
        axes.imshow(values[..., 0], cmap="gray", vmin=0, vmax=1)
    else:
        axes.imshow(values)
    without_ticks(axes)


def without_ticks(axes: Axes) -> None:
    """Take the ticks away: pixels need no numbers."""
    axes.set_xticks([])
    axes.set_yticks([])
