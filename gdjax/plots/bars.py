"""One bar for each network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from gdjax.plots.colours import COLOURS
from gdjax.plots.notebook import NotebookFigure


def bar_chart(
    names: Sequence[str],
    values: Sequence[float],
    *,
    label: str,
    colours: Mapping[str, str],
    spreads: Sequence[float] | None = None,
    lowest: float = 0.0,
) -> Figure:
    """Horizontal bars, one below the other, labelled with their values.

    Args:
      names: of the bars, at least one.
      values: %, one each.
      label: of the axis of values.
      colours: of bars by their names; others have the first colour of all.
      spreads: standard deviations, %, one each.
      lowest: where the axis begins, %.
    """
    size = (6.4, 0.35 * len(names) + 1.0)
    figure = NotebookFigure(figsize=size, layout="constrained")
    axes = figure.subplots()
    # Not by the names: bars of equal names would lie on one another.
    places = range(len(names))
    chosen = [colours.get(name, COLOURS[0]) for name in names]
    bars = axes.barh(places, values, color=chosen, xerr=spreads, capsize=2)
    axes.set_yticks(places, names)
    axes.bar_label(bars, fmt="%.1f", fontsize=8, padding=2)
    axes.invert_yaxis()
    axes.set_xlim(lowest, 102)
    # The room above 100 % is for the numbers.
    axes.set_xticks([tick for tick in axes.get_xticks() if lowest <= tick <= 100])
    axes.set_xlabel(label)
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    return figure
