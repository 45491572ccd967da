"""Input, truth and prediction of a segmentation, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from gdjax.plots.checks import check_list, check_pictures, check_tuples
from gdjax.plots.notebook import NotebookFigure
from gdjax.scalespace.arrays import check_integers
from gdjax.scalespace.checks import LARGEST_INT, check_order


# As many colours as there are.
MOST_CLASSES = 2**16


def segmentation_sheet(
    images: np.ndarray,
    labels: np.ndarray,
    predictions: Sequence[tuple[str, np.ndarray]],
    *,
    num_classes: int,
    names: Sequence[str] = (),
    ignore_index: int = 255,
) -> Figure:
    """One row per image: the image, its true classes, those that networks gave it.

    Args:
      images: uint8 [N, H, W, 1 or 3].
      labels: integers [N, H, W], 0 the background.
      predictions: (title, integers [N, H, W]) of each network.
      num_classes: K, with the background.
      names: of the classes, for a legend; empty: none.
      ignore_index: label of pixels that don't count, drawn in grey.

    Returns:
      The figure.

    Raises:
      TypeError: for what is of another type.
      ValueError: if shapes or the number of names don't fit.

    [njet] Fig. 9.
    """
    images = check_pictures(images, name="images")
    check_order(num_classes, name="num_classes", lowest=1, highest=MOST_CLASSES)
    check_order(ignore_index, name="ignore_index", lowest=-LARGEST_INT)
    names = [str(name) for name in check_list(names, name="names", of="strings")]
    given = check_tuples(predictions, name="predictions", of=("title", "classes"))
    panels = [("truth", check_integers(labels, name="labels"))]
    panels += [(str(t), check_integers(p, name="predictions")) for t, p in given]
    for title, classes in panels:
        if classes.shape != images.shape[:3]:
            raise ValueError(
                f"`{'labels' if classes is panels[0][1] else 'predictions'}`: the"
                f" classes of {title!r} have shape {classes.shape}; images of shape"
                f" {images.shape} need {images.shape[:3]}."
            )
    if len(names) not in (0, num_classes):
        raise ValueError(
            f"`names` has {len(names)} names; there are {num_classes} classes."
        )
    columns = len(panels) + 1
    size = (2.2 * columns, 2.2 * len(images))
    figure = NotebookFigure(figsize=size, layout="constrained")
    grid = figure.subplots(len(images), columns, squeeze=False)
    colours = _colours(num_classes)
    for line, image in zip(grid, images, strict=True):
        line[0].imshow(image.squeeze(), cmap="gray", vmin=0, vmax=255)
    for column, (title, classes) in enumerate(panels, start=1):
        for line, each in zip(grid, classes, strict=True):
            shown = np.where(each == ignore_index, num_classes, each)
            line[column].imshow(
                shown, cmap=colours, vmin=0, vmax=num_classes, interpolation="nearest"
            )
        grid[0, column].set_title(title, fontsize=9)
    grid[0, 0].set_title("image", fontsize=9)
    for axes in grid.flat:
        axes.set_xticks([])
        axes.set_yticks([])
    if names:
        patches = [Patch(color=colours(k), label=name) for k, name in enumerate(names)]
        figure.legend(handles=patches, loc="outside lower center", ncols=6, fontsize=7)
    return figure


def _colours(num_classes: int) -> ListedColormap:
    """The background black, a colour for each class, what isn't counted grey."""
    wheel: Any = matplotlib.colormaps["tab20"]
    colours = [(0.0, 0.0, 0.0, 1.0)]
    colours += [wheel(k % 20) for k in range(num_classes - 1)]
    return ListedColormap([*colours, (0.5, 0.5, 0.5, 1.0)])
