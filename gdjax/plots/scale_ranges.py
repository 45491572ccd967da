"""Internal scale ranges, chosen and learned. [scale_learning] Figs. 3 and 6."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from gdjax.plots.checks import check_list, check_mapping
from gdjax.plots.colours import COLOURS, MARKERS, net_colours
from gdjax.plots.notebook import NotebookFigure
from gdjax.scalespace.arrays import check_numbers
from gdjax.scalespace.checks import shown


_OF = "`ScaleLine`s"


class RangePoint(NamedTuple):
    """A network, or the mean of several, in `error_over_range`.

    Attributes:
      isr: coarsest over finest internal scale.
      error: of the test, %.
      isr_std: standard deviation of the first.
      error_std: of the second, %.
    """

    isr: float
    error: float
    isr_std: float = 0.0
    error_std: float = 0.0


class ScaleLine(NamedTuple):
    """The internal scales of a training in `scales_over_training`.

    Attributes:
      label: lines of one label are of one network, and have one colour.
      epochs: [T].
      isr: coarsest over finest scale, [T].
      sigma_basis: finest scale, px, [T].
      colour: of the network in other figures; None: chosen by the label.
    """

    label: str
    epochs: Sequence[float]
    isr: Sequence[float]
    sigma_basis: Sequence[float]
    colour: str | None = None


def error_over_range(
    fixed: Mapping[str, Sequence[RangePoint]],
    *,
    learned: Mapping[str, Sequence[RangePoint]] | None = None,
) -> Figure:
    """Test error over the internal scale range, a curve for each distribution of sizes.

    Args:
      fixed: networks with fixed scales, by the distribution; a curve with a marker at
        each of them.
      learned: networks with learned scales, likewise; hollow markers alone.

    Returns:
      The figure, its ISR on a log2 axis, bars of one standard deviation. Each point is
      a network of its own: colours tell the distributions apart.

    Raises:
      TypeError: for what is of another type.
      ValueError: if there are no points.

    [scale_learning] Fig. 3.
    """
    fixed, learned = (
        _points(fixed, "fixed"),
        _points({} if learned is None else learned, "learned"),
    )
    if not any([*fixed.values(), *learned.values()]):
        raise ValueError("`fixed` and `learned` are empty: give at least one point.")
    figure = NotebookFigure(figsize=(5.6, 3.8), layout="constrained")
    axes = figure.subplots()
    for number, name in enumerate(dict.fromkeys([*fixed, *learned])):
        style = {"color": COLOURS[number % len(COLOURS)], "capsize": 2}
        marker = MARKERS[number % len(MARKERS)]
        for points, text, more in (
            (sorted(fixed.get(name, ())), name, {"marker": marker, "markersize": 4}),
            (learned.get(name, ()), f"{name}, learned",
             {"marker": marker, "markersize": 8, "fillstyle": "none", "ls": "none"}),
        ):  # fmt: skip
            if points:
                x, y, dx, dy = np.array(points, float).T
                axes.errorbar(x, y, dy, dx, label=text, **style, **more)
    _label_range(axes)
    axes.legend(fontsize=8, frameon=False)
    return figure


def _points(given: Any, name: str) -> dict[str, list[RangePoint]]:
    """Points of every distribution, their range > 0, standard deviations >= 0."""
    found = {}
    for title, points in check_mapping(given, name=name, of="points").items():
        each = check_list(points, name=name, of="RangePoint")
        if not all(isinstance(p, tuple | list) and 2 <= len(p) <= 4 for p in each):
            raise ValueError(f"`{name}` holds {shown(points)}; give `RangePoint`s.")
        each = [RangePoint(*point) for point in each]
        values = np.zeros((0, 4))
        if each:
            values = check_numbers(each, name=name, unit="numbers of `RangePoint`")
        if values.ndim != 2 or (values[:, 0] <= 0).any() or (values[:, 2:] < 0).any():
            raise ValueError(
                f"`{name}` holds {shown(points)}; ranges must be > 0, standard"
                " deviations >= 0."
            )
        found[str(title)] = each
    return found


def _label_range(axes: Axes) -> None:
    axes.set_xscale("log", base=2)
    # Powers of 2 alone would be too few.
    axes.xaxis.set_major_locator(FixedLocator([1, 1.5, 2, 3, 4, 6, 8, 12, 16, 24, 32]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.set_xlabel("internal scale range (ISR)")
    axes.set_ylabel("test error (%)")
    axes.grid(alpha=0.25, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)


def scales_over_training(
    panels: Mapping[str, Sequence[ScaleLine]],
    *,
    best: Mapping[str, float] | None = None,
) -> Figure:
    """ISR and sigma_basis over the epochs, a column for each distribution of sizes.

    Args:
      panels: by the distribution, a line for each training.
      best: the ISR of the best network with fixed scales, by the distribution; drawn
        dashed.

    Returns:
      The figure.

    Raises:
      TypeError: for what is of another type.
      ValueError: if there are no trainings.

    [scale_learning] Fig. 6, there of one distribution, and of the ISR alone.
    """
    panels = {
        str(title): [_line(line) for line in check_list(lines, name="panels", of=_OF)]
        for title, lines in check_mapping(panels, name="panels", of=_OF).items()
    }
    if best is not None:
        check_mapping(best, name="best", of="ranges")
        check_numbers(list(best.values()) or [1.0], name="best", unit="ranges")
    if not panels or not all(panels.values()):
        raise ValueError("`panels` needs at least one training in each panel.")
    labels = list(
        dict.fromkeys(line.label for lines in panels.values() for line in lines)
    )
    colours = net_colours({"name": label} for label in labels)
    size = (4.2 * len(panels) + 0.6, 5.2 + 0.2 * (len(labels) // 2))
    figure = NotebookFigure(figsize=size, layout="constrained")
    grid = figure.subplots(2, len(panels), squeeze=False, sharex="col", sharey="row")
    for (upper, lower), (title, lines) in zip(grid.T, panels.items(), strict=True):
        for line in lines:
            colour = line.colour or colours[line.label]
            style = {"color": colour, "linewidth": 1.1}
            upper.plot(line.epochs, line.isr, label=line.label, **style)
            lower.plot(line.epochs, line.sigma_basis, **style)
        if best and title in best:
            upper.axhline(best[title], color="0.4", ls="--", label="best fixed ISR")
        upper.set_title(title, fontsize=9)
        lower.set_xlabel("epoch")
    grid[0, 0].set_ylabel("ISR")
    grid[1, 0].set_ylabel(r"$\sigma_{basis}$ (px)")
    _legend_of(figure, grid[0])
    return figure


def _line(line: Any) -> ScaleLine:
    """A line whose numbers are as many as its epochs."""
    if not isinstance(line, ScaleLine):
        raise ValueError(f"`panels` holds {shown(line)}; give `ScaleLine`s.")
    series = [
        check_numbers(getattr(line, name), name="panels", unit=name, axes="T")
        for name in ("epochs", "isr", "sigma_basis")
    ]
    if len({len(each) for each in series}) > 1:
        raise ValueError(
            f"`panels`: the line {line.label!r} has"
            f" {', '.join(str(len(each)) for each in series)} epochs, ranges and"
            " sigmas; give as many of each."
        )
    return line._replace(label=str(line.label))


def _legend_of(figure: Figure, grid: Sequence[Axes] | np.ndarray) -> None:
    """A legend below all axes, each label once."""
    found = {}
    for axes in grid:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    place = {"loc": "outside lower center", "ncols": 2}
    figure.legend(list(found.values()), list(found), fontsize=8, **place)
