"""Learned filters of a layer in every scale channel ([gaussderresnet] Fig. 23)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from gdjax.plots.checks import check_list, check_mapping, check_text
from gdjax.plots.notebook import NotebookFigure
from gdjax.scalespace.arrays import check_numbers


def filter_sheet(
    filters: Mapping[str, Sequence[np.ndarray]], *, title: str | None = None
) -> Figure:
    """The first filters of layers, a row for each layer and scale channel.

    Args:
      filters: label of the row -> 2-D filters [h, w] (any sizes), each with a colour
        range of its own, symmetric about zero: red positive, blue negative. Rows may
        differ in length.
      title: above all of them.

    Returns:
      The figure.

    Raises:
      TypeError: for what is of another type.
      ValueError: if there are no filters, or one is not 2-D.
    """
    filters = check_mapping(filters, name="filters", of="lists of 2-D filters")
    filters = {str(label): _checked(label, row) for label, row in filters.items()}
    check_text(title, name="title")
    columns = max((len(row) for row in filters.values()), default=0)
    if columns == 0:
        raise ValueError("`filters` is empty: give at least one filter")
    size = (0.55 * columns + 1.6, 0.55 * len(filters) + 0.2)
    figure = NotebookFigure(figsize=size, layout="constrained")
    grid = figure.subplots(len(filters), columns, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    for line, (label, row) in zip(grid, filters.items(), strict=True):
        line[0].text(
            -0.3, 0.5, label, ha="right", va="center", fontsize=7,
            transform=line[0].transAxes,
        )  # fmt: skip
        for axes, values in zip(line, row, strict=False):
            largest = float(np.abs(values).max()) or 1.0
            axes.imshow(values, cmap="RdBu_r", vmin=-largest, vmax=largest)
    if title:
        figure.suptitle(title, fontsize=9)
    return figure


def _checked(label: object, row: object) -> list[np.ndarray]:
    name = f"filters[{label!r}]"
    found = []
    for values in check_list(row, name=name, of="2-D filters"):
        values = check_numbers(values, name=name, unit="weights")
        if values.ndim != 2:
            raise ValueError(
                f"`{name}` holds an array of shape {values.shape}; give 2-D filters"
            )
        found.append(values)
    return found
