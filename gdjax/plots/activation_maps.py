"""Activation maps of the scale channels over the image ([gaussderresnet] Fig. 13)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure


_INCHES = 1.7


def activation_maps(
    images: np.ndarray,
    maps: Sequence[np.ndarray],
    sigmas: Sequence[float],
    *,
    labels: Sequence[str] | None = None,
) -> Figure:
    """Images, and beside each the response of every scale channel with a colour bar.

    Args:
      images: [N, H, W, 1 or 3], integers in 0..255 or floating point in 0..1.
      maps: one array [N, H, W] per scale channel: the last layer's response for the
        class in question.
      sigmas: base scales of the channels, px.
      labels: a text for each image.

    Returns:
      The figure, one row per image.

    Raises:
      ValueError: if images, maps, sigmas and labels do not fit together.
    """
    labels = [""] * len(images) if labels is None else labels
    _check(images, maps, sigmas, labels)
    size = _INCHES * np.array([1.25 * len(sigmas) + 1.3, len(images)])
    figure = Figure(figsize=(float(size[0]), float(size[1])), layout="constrained")
    grid = figure.subplots(len(images), len(sigmas) + 1, squeeze=False)
    for i, (image, label) in enumerate(zip(images, labels, strict=True)):
        grey = _grey(image)
        _picture(grid[i, 0], image)
        grid[i, 0].set_ylabel(label, fontsize=8)
        for s, sigma in enumerate(sigmas):
            axes, response = grid[i, s + 1], np.asarray(maps[s][i], float)
            axes.imshow(grey, cmap="gray", vmin=0, vmax=1)
            shown = axes.imshow(response, cmap="inferno", alpha=0.75)
            bar = figure.colorbar(shown, ax=axes, shrink=0.8)
            bar.ax.tick_params(labelsize=6)
            axes.set_xticks([])
            axes.set_yticks([])
            if i == 0:
                axes.set_title(rf"$\sigma_0$ = {sigma:.3g} px", fontsize=8)
    return figure


def _check(images, maps, sigmas, labels) -> None:
    if images.ndim != 4 or images.shape[-1] not in (1, 3) or 0 in images.shape:
        raise ValueError(f"`images` of shape {images.shape} must be [N, H, W, 1 or 3]")
    if len(maps) != len(sigmas) or len(labels) != len(images):
        raise ValueError(
            f"{len(maps)} maps for {len(sigmas)} sigmas, {len(labels)} labels for "
            f"{len(images)} images: give one map per sigma and one label per image"
        )
    for response in maps:
        if response.shape != images.shape[:3]:
            raise ValueError(
                f"a map of shape {response.shape} doesn't fit the images: expected "
                f"{images.shape[:3]} (evaluate the network with `windowed=False`)"
            )


def _grey(image: np.ndarray) -> np.ndarray:
    values = image / 255 if np.issubdtype(image.dtype, np.integer) else image
    return np.clip(values.mean(-1), 0, 1)


def _picture(axes: Axes, image: np.ndarray) -> None:
    values = image / 255 if np.issubdtype(image.dtype, np.integer) else image
    values = np.clip(values, 0, 1)
    if values.shape[-1] == 1:
        axes.imshow(values[..., 0], cmap="gray", vmin=0, vmax=1)
    else:
        axes.imshow(values)
    axes.set_xticks([])
    axes.set_yticks([])
