"""Activation maps of the scale channels over the image ([gaussderresnet] Fig. 13)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gdjax.plots.checks import (
    check_list,
    check_pictures,
    check_positive,
    check_text,
)
from gdjax.plots.notebook import NotebookFigure
from gdjax.plots.pictures import draw_picture, grey_levels, without_ticks
from gdjax.scalespace.arrays import check_integers
from gdjax.scalespace.checks import real_array


_INCHES = 1.7
_MARK = "#009E73"


def activation_maps(
    images: np.ndarray,
    maps: Sequence[np.ndarray],
    sigmas: Sequence[float],
    *,
    labels: Sequence[str] | None = None,
    selected: Sequence[int] | np.ndarray | None = None,
    title: str | None = None,
) -> Figure:
    """Images, and beside each the response of every scale channel, in one colour range.

    The channels of an image share one range of colours, that of their smallest and
    largest response, so that they can be compared; each image has its own.

    Args:
      images: [N, H, W, 1 or 3], integers in 0..255 or floating point in 0..1.
      maps: one array [N, H, W] per scale channel: the last layer's response for the
        class in question.
      sigmas: base scales of the channels, px.
      labels: a text for each image.
      selected: [N], index into `sigmas` of the channel that each image's class comes
        from, which has a frame; None: none has.
      title: above all of them.

    Returns:
      The figure, one row per image.

    Raises:
      TypeError: for what is of another type.
      ValueError: if images, maps, sigmas, labels and selected do not fit together.
    """
    images = check_pictures(images, name="images")
    sigmas = check_positive(sigmas, name="sigmas", unit="px").tolist()
    maps = check_list(maps, name="maps", of="arrays [N, H, W]")
    maps = [real_array(each, name="maps", unit="responses") for each in maps]
    if labels is not None:
        labels = check_list(labels, name="labels", of="strings")
    labels = [""] * len(images) if labels is None else [str(text) for text in labels]
    check_text(title, name="title")
    _check(images, maps, sigmas, labels)
    marked = _checked_selection(selected, len(images), len(sigmas))
    size = (_INCHES * (len(sigmas) + 1.5), _INCHES * len(images) + 0.3)
    figure = NotebookFigure(figsize=size, layout="constrained")
    grid = figure.subplots(len(images), len(sigmas) + 1, squeeze=False)
    for i, (image, label) in enumerate(zip(images, labels, strict=True)):
        draw_picture(grid[i, 0], image)
        grid[i, 0].set_ylabel(label, fontsize=8)
        responses = [np.asarray(each[i], float) for each in maps]
        _draw_row(grid[i, 1:], image, responses)
        if (channel := marked[i]) is not None:
            _mark(grid[i, 1 + channel])
    for axes, sigma in zip(grid[0, 1:], sigmas, strict=True):
        axes.set_title(rf"$\sigma_0$ = {sigma:.3g} px", fontsize=8)
    if title:
        figure.suptitle(title, fontsize=9)
    return figure


def _draw_row(
    row: Sequence[Axes] | np.ndarray, image: np.ndarray, responses: list[np.ndarray]
) -> None:
    """The responses of all channels to an image, with one bar for their colours."""
    grey = grey_levels(image).mean(-1)
    limits = {"vmin": np.min(responses), "vmax": np.max(responses)}
    shown = None
    for axes, response in zip(row, responses, strict=True):
        axes.imshow(grey, cmap="gray", vmin=0, vmax=1)
        shown = axes.imshow(response, cmap="inferno", alpha=0.75, **limits)
        without_ticks(axes)
    if shown is not None:
        bar = row[-1].figure.colorbar(shown, ax=list(row), shrink=0.8, aspect=12)
        bar.ax.tick_params(labelsize=6)


def _mark(axes: Axes) -> None:
    """A frame around the channel that is selected, and the word for it."""
    for spine in axes.spines.values():
        spine.set(edgecolor=_MARK, linewidth=3)
    axes.set_xlabel("selected", fontsize=7, color=_MARK, labelpad=3)


def _check(images, maps, sigmas, labels) -> None:
    if len(maps) != len(sigmas) or len(labels) != len(images):
        raise ValueError(
            f"{len(maps)} `maps` for {len(sigmas)} `sigmas`, {len(labels)} `labels` for"
            f" {len(images)} `images`: give one map per sigma and one label per image"
        )
    for response in maps:
        if response.shape != images.shape[:3]:
            raise ValueError(
                f"a map of `maps` of shape {response.shape} doesn't fit the images:"
                f" expected {images.shape[:3]} (evaluate the network with"
                " `windowed=False`)"
            )


def _checked_selection(selected, images: int, channels: int) -> list[int | None]:
    if selected is None:
        return [None] * images
    chosen = check_integers(selected, name="selected")
    if chosen.shape != (images,):
        raise ValueError(
            f"`selected` of shape {chosen.shape} must be one index of a channel for"
            f" each of {images} images"
        )
    if chosen.min() < 0 or chosen.max() >= channels:
        raise ValueError(
            f"`selected` has {chosen.tolist()}; the channels are 0..{channels - 1}"
        )
    return chosen.tolist()
