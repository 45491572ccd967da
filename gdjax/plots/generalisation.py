"""Accuracy, or error, over the size factor of the test images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from gdjax.plots.bars import bar_chart
from gdjax.plots.checks import check_positive, check_rows, check_text, check_tuples
from gdjax.plots.colours import MARKERS, line_of, net_colours
from gdjax.plots.notebook import NotebookFigure
from gdjax.scalespace.checks import real_array


# Scores of evaluation.json: their axis, and what their standard deviations are called.
_SCORES = {
    "accuracy": ("test accuracy (%)", "std"),
    "mean_iou": ("mean IoU (%)", "mean_iou_std"),
}


def generalisation_curve(
    factors: Sequence[float],
    rows: Sequence[Mapping[str, Any]],
    *,
    title: str | None = None,
    label: str | None = None,
    score: str = "accuracy",
) -> Figure:
    """Accuracy over log2 of the size factor, one curve a network (gdjax).

    Draws what evaluation.json of a run holds::

        result = json.loads(Path("runs/RUN/evaluation.json").read_text())
        figure = generalisation_curve(result["factors"], result["rows"])
        figure.savefig("generalisation.png")

    A network has one colour (`net_colours`), whatever its scale channels and its
    pooling: the line is dashed for one channel, solid for "max" (and where nothing is
    said), dash-dotted for "logsumexp", dotted for "mean". Rows that share a "group",
    which differ in seed or realisation alone, are drawn as their mean. Over a single
    factor there is no curve: then each row is a bar.

    Args:
      factors: size factors of the test images, F of them, ascending.
      rows: mappings with "name" and the score (F values in 0..1), as "rows" or
        "summary" of evaluation.json. Where given, "net" and "train_size" choose the
        colour, "sigmas" (base scales of the scale channels, px) and "pooling" the
        line; "std" (F values), the standard deviation over seeds or realisations, is a
        band around the curve.
      title: above the axes.
      label: of the axis of the score; None: what the score is called.
      score: "accuracy", or "mean_iou" (with "mean_iou_std") of segmentations.

    Returns:
      The figure; save it with `figure.savefig(path)`.

    Raises:
      TypeError: for what is of another type.
      ValueError: if there are no rows, for another score, or if a row has another
        number of values than there are factors.
    """
    rows = check_rows(rows)
    factors = check_positive(factors, name="factors", unit="size factors").tolist()
    check_text(title, name="title")
    check_text(label, name="label")
    if not isinstance(score, str) or score not in _SCORES:
        raise ValueError(f"`score={score!r}`: give one of {', '.join(_SCORES)}")
    colours = net_colours(rows)
    shown = _means([_checked(row, factors, score) for row in rows])
    if not shown:
        raise ValueError("`rows` is empty: give at least one network")
    label = label or _SCORES[score][0]
    if len(factors) == 1:
        return _bars(shown, colours, f"{label}, size factor {factors[0]:.3g}", title)
    # A long legend takes no room from the curves, and long names no more than there is.
    columns = 2 if len(shown) > 1 and max(len(r["name"]) for r in shown) < 40 else 1
    size = (6.4, 4.2 + 0.2 * max(0, -(-len(shown) // columns) - 4))
    figure = NotebookFigure(figsize=size, layout="constrained")
    axes = figure.add_subplot()
    for number, row in enumerate(shown):
        marker = MARKERS[number % len(MARKERS)]
        _draw(axes, factors, row, colours[row["name"]], marker)
    _label_factors(axes, factors)
    _label_accuracy(axes, label, columns=columns)
    if title:
        axes.set_title(title, fontsize=10)
    return figure


def _checked(
    row: Mapping[str, Any], factors: Sequence[float], score: str
) -> dict[str, Any]:
    """A row with its score as "accuracy", whose standard deviation is "std"."""
    if score not in row:
        raise ValueError(f"`rows`: row {row['name']!r} has no {score!r}")
    values = _numbers(row, score, len(factors))
    spread = row.get(_SCORES[score][1])
    if spread is not None:
        spread = _numbers(row, _SCORES[score][1], len(factors))
    found = {key: value for key, value in row.items() if key != "std"}
    return found | {"accuracy": values} | ({} if spread is None else {"std": spread})


def _numbers(row: Mapping[str, Any], name: str, count: int) -> np.ndarray:
    """Of a row, one for each factor; NaN where there is no score."""
    found = real_array(row[name], name="rows", unit=f"{name} in 0..1")
    if found.shape != (count,):
        given = len(found) if found.ndim == 1 else found.shape
        raise ValueError(
            f"`rows`: row {row['name']!r} has {given} accuracies for {count} factors;"
            " expected one for each"
        )
    return found


def _means(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Rows of one group as their mean, with its standard deviation; others as are."""
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for number, row in enumerate(rows):
        groups.setdefault(row.get("group", f"row {number}"), []).append(row)
    found = []
    for name, same in groups.items():
        if len(same) > 1:
            values = np.array([row["accuracy"] for row in same], float)
            mean = {"name": name, "accuracy": values.mean(0), "std": values.std(0)}
            same = [{**same[0], **mean}]
        found += same
    return found


def _bars(
    rows: Sequence[Mapping[str, Any]],
    colours: Mapping[str, str],
    label: str,
    title: str | None,
) -> Figure:
    """A bar for each row, over a single factor."""
    spreads = None
    if any("std" in row for row in rows):
        spreads = [100 * float(row.get("std", (0.0,))[0]) for row in rows]
    figure = bar_chart(
        [row["name"] for row in rows],
        [100 * float(row["accuracy"][0]) for row in rows],
        label=label,
        colours=colours,
        spreads=spreads,
    )
    if title:
        figure.axes[0].set_title(title, fontsize=10)
    return figure


def error_panels(
    factors: Sequence[float], panels: Sequence[tuple[str, Sequence[Mapping[str, Any]]]]
) -> Figure:
    """Test error over log2 of the size factor, a panel for each training distribution.

    The axis of the error is linear up to 1 %, logarithmic above: so errors of known
    sizes and of unknown ones can both be read.

    Args:
      factors: size factors of the test images, F of them, ascending.
      panels: (title, rows), the rows with "name", "accuracy" and perhaps "std" as
        those of `generalisation_curve`; "colour" of a row is its colour, others go from
        the first to the last row, dark to bright.

    Returns:
      The figure.

    Raises:
      TypeError: for what is of another type.
      ValueError: if there are no panels or less than two factors, or a row has another
        number of accuracies than there are factors.

    [scale_learning] Fig. 4.
    """
    panels = check_tuples(panels, name="panels", of=("title", "rows"))
    panels = [(str(title), check_rows(rows, name="panels")) for title, rows in panels]
    if not panels:
        raise ValueError("`panels` needs at least one (title, rows).")
    factors = check_positive(factors, name="factors", unit="size factors").tolist()
    if len(factors) < 2:
        raise ValueError(
            f"`factors` has {len(factors)}: a curve needs at least two; for one, use "
            "`generalisation_curve`, which draws bars"
        )
    size = (4.6 * len(panels) + 0.4, 3.6 + 0.2 * max(len(r) for _, r in panels))
    figure = NotebookFigure(figsize=size, layout="constrained")
    grid = figure.subplots(1, len(panels), squeeze=False, sharey=True)[0]
    for axes, (title, rows) in zip(grid, panels, strict=True):
        colours = colormaps["viridis"](np.linspace(0.0, 0.9, len(rows)))
        for number, row in enumerate(rows):
            row = _checked(row, factors, "accuracy")
            row["accuracy"] = 1 - np.asarray(row["accuracy"], float)
            colour = row.get("colour", colours[number])
            _draw(axes, factors, row, colour, MARKERS[number % len(MARKERS)])
        _label_factors(axes, factors)
        _label_accuracy(axes, "test error (%)", columns=1)
        axes.set_yscale("symlog", linthresh=1.0)
        axes.set_yticks([0, 1, 2, 5, 10, 20, 50, 100])
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.set_title(title, fontsize=9)
    return figure


def _draw(
    axes: Axes,
    factors: Sequence[float],
    row: Mapping[str, Any],
    colour: Any,
    marker: str,
) -> None:
    accuracy = 100 * np.asarray(row["accuracy"], float)
    if "std" in row:
        spread = 100 * np.asarray(row["std"], float)
        band = accuracy - spread, accuracy + spread
        axes.fill_between(np.log2(factors), *band, color=colour, alpha=0.15, lw=0)
    axes.plot(
        np.log2(factors),
        accuracy,
        color=colour,
        linestyle=line_of(row),
        marker=marker,
        markersize=4,
        linewidth=1.4,
        label=row["name"],
    )


def _label_accuracy(axes: Axes, label: str, columns: int) -> None:
    axes.set_ylabel(label)
    axes.set_ylim(0, 102)
    axes.grid(alpha=0.25, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    if columns:
        # Below the axes: inside, it would cover the fall at small and large sizes.
        axes.legend(
            frameon=False,
            fontsize=8,
            ncols=columns,
            # Long enough to tell dots from dashes.
            handlelength=3.2,
            loc="upper center",
            bbox_to_anchor=(0.5, -0.16),
        )


def _label_factors(axes: Axes, factors: Sequence[float]) -> None:
    """Ticks at log2 of the factors, labelled with the factors themselves."""
    # More than ten labels run into each other: then every second one.
    stride = 1 if len(factors) <= 10 else 2
    shown = list(factors)[::stride]
    axes.xaxis.set_major_locator(FixedLocator([float(np.log2(f)) for f in shown]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticklabels([f"{factor:.3g}" for factor in shown])
    axes.set_xlabel("size factor of the test images (log scale)")
