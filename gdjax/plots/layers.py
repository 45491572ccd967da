"""What an N-Jet network has learned, layer by layer. [njet] Figs. 5b, 7, 8."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gdjax.plots.bars import bar_chart
from gdjax.plots.checks import (
    check_colours,
    check_list,
    check_mapping,
    check_positive,
    check_text,
    check_tuples,
)
from gdjax.plots.colours import MARKERS, net_colours
from gdjax.plots.notebook import NotebookFigure
from gdjax.scalespace.arrays import check_integers
from gdjax.scalespace.checks import real_array, shown


def learned_sigmas(
    rows: Sequence[tuple[str, Mapping[str, Any]]],
    *,
    bounds: tuple[float, float] | None = None,
    colours: Mapping[str, str] | None = None,
) -> Figure:
    """Sigma of every layer of one or more networks. [njet] Fig. 5b.

    Args:
      rows: (name of the network, {layer: sigma in px}); a layer with several sigmas
        gives them all, and is drawn as their median with bars from the least to the
        largest.
      bounds: lowest and highest sigma that could have been learned, px.
      colours: of networks by their names, as from `net_colours`; None: one each.

    Returns:
      The figure.

    Raises:
      TypeError: for what is of another type.
      ValueError: if there are no networks, or one without layers.
    """
    rows = [
        (str(name), {str(layer): _sigmas(s) for layer, s in _layers(given).items()})
        for name, given in check_tuples(rows, name="rows", of=("name", "sigmas"))
    ]
    if not rows or not all(sigmas for _, sigmas in rows):
        raise ValueError("`rows` needs at least one network with at least one layer.")
    if bounds is not None:
        check_positive(bounds, name="bounds", unit="px")
    names = max((list(sigmas) for _, sigmas in rows), key=len)
    figure, axes = _layer_axes(names)
    colours = check_colours(colours) or {}
    colours = {**net_colours({"name": name} for name, _ in rows), **colours}
    for number, (name, sigmas) in enumerate(rows):
        style: Any = {"color": colours[name], "marker": MARKERS[number % len(MARKERS)]}
        values = list(sigmas.values())
        middle = np.array([np.median(value) for value in values])
        low = middle - [value.min() for value in values]
        high = np.array([value.max() for value in values]) - middle
        places = range(len(values))
        axes.errorbar(places, middle, [low, high], capsize=3, label=name, **style)
    for bound in () if bounds is None else bounds:
        axes.axhline(bound, color="0.6", linestyle=":")
    axes.set_yscale("log", base=2)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.set_ylabel(r"$\sigma$ (px)")
    axes.legend(fontsize=8)
    return figure


def feature_map_sizes(
    rows: Sequence[tuple[str, Sequence[Sequence[int]]]],
    *,
    colours: Mapping[str, str] | None = None,
) -> Figure:
    """Side of the feature maps after every layer. [njet] Figs. 7-8.

    Args:
      rows: (name of the network, [(height, width), ...] in px, one per layer);
        the longer side is drawn.
      colours: of networks by their names, as from `net_colours`; None: one each.

    Returns:
      The figure.

    Raises:
      TypeError: for what is of another type.
      ValueError: if there are no networks, or one without layers.
    """
    rows = [
        (str(name), _sides(sizes))
        for name, sizes in check_tuples(rows, name="rows", of=("name", "sizes"))
    ]
    if not rows or not all(len(sizes) for _, sizes in rows):
        raise ValueError("`rows` needs at least one network with at least one layer.")
    deepest = max(len(sizes) for _, sizes in rows)
    figure, axes = _layer_axes([str(k + 1) for k in range(deepest)])
    colours = check_colours(colours) or {}
    colours = {**net_colours({"name": name} for name, _ in rows), **colours}
    for number, (name, sizes) in enumerate(rows):
        style: Any = {"color": colours[name], "marker": MARKERS[number % len(MARKERS)]}
        sides = [max(size) for size in sizes]
        axes.step(range(len(sides)), sides, where="mid", label=name, **style)
    axes.set_ylim(bottom=0)
    axes.set_ylabel("side of the feature maps (px)")
    axes.legend(fontsize=8)
    return figure


def _layers(given: Any) -> Mapping[Any, Any]:
    return check_mapping(given, name="rows", of="sigmas by layers")


def _sigmas(values: Any) -> np.ndarray:
    """Of a layer, px [N]."""
    found = np.ravel(real_array(values, name="rows", unit="sigmas in px"))
    return check_positive(found, name="rows", unit="sigmas in px")


def _sides(sizes: Any) -> list[tuple[int, ...]]:
    found = check_list(sizes, name="rows", of="(height, width)")
    sides = [np.ravel(check_integers(size, name="rows")) for size in found]
    if not all(side.size for side in sides):
        raise ValueError(f"`rows` holds {shown(sizes)}; give (height, width) in px.")
    return [tuple(side.tolist()) for side in sides]


def _layer_axes(names: Sequence[str]) -> tuple[Figure, Axes]:
    width = min(12.0, max(4.5, 0.45 * len(names) + 2.0))
    figure = NotebookFigure(figsize=(width, 3.4), layout="constrained")
    axes = figure.subplots()
    stride = -(-len(names) // 30)
    axes.set_xticks(range(0, len(names), stride), names[::stride])
    if max(map(len, names)) > 3:
        axes.tick_params(axis="x", labelrotation=60, labelsize=8)
    axes.set_xlabel("layer")
    return figure, axes


def scores(
    rows: Sequence[tuple[str, float]],
    title: str,
    *,
    colours: Mapping[str, str] | None = None,
) -> Figure:
    """One bar per network. [njet] Fig. 6.

    Args:
      rows: (name of the network, score in %).
      title: what the score is.
      colours: of networks by their names, as from `net_colours`; None: one for all.

    Returns:
      The figure; the axis begins where differences can be seen.

    Raises:
      TypeError: for what is of another type.
      ValueError: if there are no networks.
    """
    rows = check_tuples(rows, name="rows", of=("name", "score"))
    if not rows:
        raise ValueError("`rows` is empty: give at least one (name, score).")
    check_text(title, name="title")
    names = [str(name) for name, _ in rows]
    values = real_array([score for _, score in rows], name="rows", unit="scores in %")
    if values.ndim != 1:
        raise ValueError("`rows` must have one score each, in %.")
    return bar_chart(
        names,
        values.tolist(),
        label=f"{title} (%)",
        colours=check_colours(colours) or {},
        lowest=max(0.0, 2 * float(np.nan_to_num(values).min()) - 100),
    )
