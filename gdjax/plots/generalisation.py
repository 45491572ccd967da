"""Accuracy, or error, over the size factor of the test images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator


# Okabe and Ito's colours, told apart by colour-blind readers as well.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")


def generalisation_curve(
    factors: Sequence[float],
    rows: Sequence[Mapping[str, Any]],
    *,
    title: str | None = None,
    label: str = "test accuracy (%)",
) -> Figure:
    """Accuracy over log2 of the size factor, one curve a network.

    Networks that differ only in their scale channels or pooling share a colour; those
    with one scale channel are dashed. Networks without scale channels have a colour
    each.

    Args:
      factors: size factors of the test images, F of them, ascending.
      rows: mappings with "name" and "accuracy" (F values in 0..1); "sigmas" (base
        scales of the scale channels, px), "discretisation", "activation" and
        "train_size" choose colour and dash where given; "std" (F values), the
        standard deviation over seeds or realisations, is a band around the curve.
      title: above the axes.
      label: of the vertical axis, where "accuracy" is another score.

    Returns:
      The figure; save it with `figure.savefig(path)`.

    Raises:
      ValueError: if a row has another number of accuracies than there are factors.
    """
    _check(factors, rows)
    # A long legend takes no room from the curves.
    legend = max(0, -(-len(rows) // 2) - 4)
    figure = Figure(figsize=(6.4, 4.2 + 0.2 * legend), layout="constrained")
    axes = figure.add_subplot()
    families = list(dict.fromkeys(_family(row) for row in rows))
    for number, row in enumerate(rows):
        colour = COLOURS[families.index(_family(row)) % len(COLOURS)]
        _draw(axes, factors, row, colour, MARKERS[number % len(MARKERS)])
    _label_factors(axes, factors)
    _label_accuracy(axes, label, columns=min(2, len(rows)))
    if title:
        axes.set_title(title, fontsize=10)
    return figure


def error_panels(
    factors: Sequence[float], panels: Sequence[tuple[str, Sequence[Mapping[str, Any]]]]
) -> Figure:
    """Test error over log2 of the size factor, a panel for each training distribution.

    The axis of the error is linear up to 1 %, logarithmic above: so errors of known
    sizes and of unknown ones can both be read.

    Args:
      factors: size factors of the test images, F of them, ascending.
      panels: (title, rows), the rows as those of `generalisation_curve`; colours go
        from the first to the last of them, dark to bright.

    Returns:
      The figure.

    Raises:
      ValueError: if there are no panels, or a row has another number of accuracies than
        there are factors.

    [scale_learning] Fig. 4.
    """
    if not panels:
        raise ValueError("`panels` needs at least one (title, rows).")
    size = (4.6 * len(panels) + 0.4, 3.6 + 0.2 * max(len(r) for _, r in panels))
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(1, len(panels), squeeze=False, sharey=True)[0]
    for axes, (title, rows) in zip(grid, panels, strict=True):
        _check(factors, rows)
        colours = colormaps["viridis"](np.linspace(0.0, 0.9, len(rows)))
        for number, row in enumerate(rows):
            wrong = {"accuracy": 1 - np.asarray(row["accuracy"], float)}
            marker = MARKERS[number % len(MARKERS)]
            _draw(axes, factors, {**row, **wrong}, colours[number], marker)
        _label_factors(axes, factors)
        _label_accuracy(axes, "test error (%)", columns=1)
        axes.set_yscale("symlog", linthresh=1.0)
        axes.set_yticks([0, 1, 2, 5, 10, 20, 50, 100])
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.set_title(title, fontsize=9)
    return figure


def _check(factors: Sequence[float], rows: Sequence[Mapping[str, Any]]) -> None:
    for row in rows:
        if len(row["accuracy"]) != len(factors):
            raise ValueError(
                f"row {row['name']!r} has {len(row['accuracy'])} accuracies for "
                f"{len(factors)} factors; expected one for each"
            )


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
        linestyle="--" if len(row.get("sigmas", ())) == 1 else "-",
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
            loc="upper center",
            bbox_to_anchor=(0.5, -0.16),
        )


def _family(row: Mapping[str, Any]) -> tuple[Any, ...]:
    if "sigmas" in row and not len(row["sigmas"]):
        return (row["name"],)
    keys = ("discretisation", "activation", "train_size")
    family = tuple(row.get(key) for key in keys)
    return family if any(part is not None for part in family) else (row["name"],)


def _label_factors(axes: Axes, factors: Sequence[float]) -> None:
    """Ticks at log2 of the factors, labelled with the factors themselves."""
    # More than ten labels run into each other: then every second one.
    stride = 1 if len(factors) <= 10 else 2
    shown = list(factors)[::stride]
    axes.xaxis.set_major_locator(FixedLocator([float(np.log2(f)) for f in shown]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticklabels([f"{factor:.3g}" for factor in shown])
    axes.set_xlabel("size factor of the test images (log scale)")
