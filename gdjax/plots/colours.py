"""One colour for each network in all figures of a run, one line for each pooling."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, ValuesView
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import to_hex

from gdjax.plots.checks import check_rows


# Okabe and Ito's colours, told apart by colour-blind readers as well.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
# Of poolings over several scale channels; one channel is dashed.
LINES = {"max": "-", "logsumexp": "-.", "mean": ":"}


def net_colours(rows: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """A colour for each network of a run, the same one in all of its figures (gdjax).

    Rows that differ in scale channels, pooling, seed or realisation alone are of one
    network, and share its colour.

    Args:
      rows: of evaluation.json, or other mappings with "name"; "net" and "train_size"
        say which rows are of one network.

    Returns:
      Colour ("#rrggbb") by the rows' names, and by their groups where they have one.
      Seven networks have Okabe and Ito's colours, more are spread over a rainbow.

    Raises:
      ValueError: for rows without a name.
    """
    if isinstance(rows, Iterator | ValuesView):
        rows = list(rows)
    rows = check_rows(rows)
    nets = list(dict.fromkeys(_net(row) for row in rows))
    palette = COLOURS
    if len(nets) > len(COLOURS):
        # Its ends are too dark to be told apart.
        places = np.linspace(0.04, 0.96, len(nets))
        palette = tuple(to_hex(colour) for colour in colormaps["turbo"](places))
    found = {}
    for row in rows:
        colour = palette[nets.index(_net(row))]
        found |= {row["name"]: colour, row.get("group", row["name"]): colour}
    return found


def line_of(row: Mapping[str, Any]) -> str:
    """Line style of a row of evaluation.json, by its pooling over scale channels."""
    if len(channels(row)) == 1:
        return "--"
    return LINES.get(row.get("pooling") or "", "-")


def channels(row: Mapping[str, Any]) -> list[float]:
    """Base scales of a row's scale channels, px; [] where there are none."""
    sigmas = row.get("sigmas", ())
    # Learned scales are called sigmas, too, by their layers: they are no channels.
    return [] if isinstance(sigmas, Mapping) else list(sigmas)


def _net(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """What rows of one network have in common."""
    name = row["name"]
    if "discretisation" in row:
        # evaluation.json of older versions has the net in front of the name alone.
        name = name.split(", ")[0]
    return row.get("net", name), row.get("train_size")
