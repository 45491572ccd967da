"""Scores over the number of parameters, and receptive fields. [njet] Fig. 11."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from matplotlib.figure import Figure

from gdjax.plots.checks import (
    check_colours,
    check_list,
    check_positive,
    check_text,
)
from gdjax.plots.colours import net_colours
from gdjax.plots.notebook import NotebookFigure
from gdjax.scalespace.arrays import check_numbers


class FieldPoint(NamedTuple):
    """A network in such a figure.

    Attributes:
      name: of it.
      parameters: their number.
      receptive_field: side in px, at the end of the encoder.
      score: in %.
      std: of the score; 0: no bar.
      learned: whether the receptive field was learned: a square, else a disc.
    """

    name: str
    parameters: int
    receptive_field: float
    score: float
    std: float = 0.0
    learned: bool = False


def score_over_parameters(
    points: Sequence[FieldPoint],
    title: str,
    *,
    colours: Mapping[str, str] | None = None,
) -> Figure:
    """Score against parameters, and against the receptive field beside it.

    Args:
      points: one for each network; the area of a marker grows with the receptive field.
      title: what the score is.
      colours: of networks by their names, as from `net_colours`; None: one each.

    Returns:
      The figure.

    Raises:
      TypeError: for what is of another type.
      ValueError: if there are no networks, or one without parameters or a receptive
        field.
    """
    points = check_list(points, name="points", of="`FieldPoint`s")
    check_text(title, name="title")
    if not points or not all(isinstance(point, FieldPoint) for point in points):
        raise ValueError("`points` needs at least one `FieldPoint`.")
    check_positive([p.parameters for p in points], name="points", unit="parameters")
    fields = [point.receptive_field for point in points]
    check_positive(fields, name="points", unit="receptive fields in px")
    scores = [(point.score, point.std) for point in points]
    check_numbers(scores, name="points", unit="scores in %")
    own = net_colours({"name": point.name} for point in points)
    colours = {**own, **(check_colours(colours) or {})}
    figure = NotebookFigure(figsize=(8.5, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    widest = max(point.receptive_field for point in points)
    for point in points:
        label = f"{point.name}: {point.receptive_field:.0f} px"
        size = 4.0 + 12.0 * (point.receptive_field / widest) ** 0.5
        marker = "s" if point.learned else "o"
        for axes, place in (
            (left, point.parameters),
            (right, point.receptive_field),
        ):
            axes.errorbar(
                place, point.score, point.std or None, color=colours[point.name],
                marker=marker, markersize=size, linestyle="none", capsize=3,
                alpha=0.8, label=label,
            )  # fmt: skip
    left.set_xscale("log")
    left.set_xlabel("parameters")
    right.set_xlabel("receptive field at the end of the encoder (px)")
    left.set_ylabel(f"{title} (%)")
    figure.legend(
        *left.get_legend_handles_labels(), fontsize=8, loc="outside lower left"
    )
    return figure
