"""The table of internal scales. [scale_learning] Tables 2-4 and 6."""

from __future__ import annotations

from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from .internal_scales import error_of
from .tables import averaged, print_whole


# px where nothing else is said.
COLUMNS = (
    "network", "sizes", "sigma_basis at start", "ISR at start", "number", "sigma_basis",
    "ISR", "spacings", "scales", "error %",
)  # fmt: skip


def print_ranges(console: Console, result: dict[str, Any]) -> None:
    """Print the table, where there are internal scales.

    Args:
      console: to print on.
      result: what evaluation.json holds.
    """
    rows = cells(result)
    if not rows:
        return
    table = Table(title="internal scales, px", box=None, title_style="")
    for head in COLUMNS:
        left = head in ("network", "sizes")
        table.add_column(head, justify="left" if left else "right", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    print_whole(console, table)


def markdown(result: dict[str, Any]) -> str:
    """The table in Markdown; "" where there are no internal scales.

    Args:
      result: what evaluation.json holds.
    """
    rows = cells(result)
    if not rows:
        return ""
    lines = [COLUMNS, ["---"] * len(COLUMNS), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def cells(result: dict[str, Any]) -> list[list[str]]:
    """Cells of the table, a list for each network with internal scales.

    Means and standard deviations over seeds and realisations where there are several.

    Args:
      result: what evaluation.json holds.
    """
    return [_line(row) for row in averaged(result) if row.get("internal_scales")]


def _line(row: dict[str, Any]) -> list[str]:
    own, error = row["internal_scales"], error_of(row)
    several = "runs" in row
    names = "sigma_basis", "isr", "spacings", "px"
    return [
        row["name"],
        row.get("drawn", {}).get("scales", ""),
        *(f"{own['start'][name]:.3g}" for name in names[:2]),
        _count(own),
        *(_numbers(own, name, spread=several and own["learned"]) for name in names),
        "" if error is None else _number(*error, spread=several),
    ]


def _count(own: dict[str, Any]) -> str:
    """How many scales are in use; results of before did not say it."""
    found = f"{own['count']:.3g}" if "count" in own else ""
    spread = own.get("count_std", 0)
    return f"{found} ± {spread:.2g}" if spread else found


def _numbers(own: dict[str, Any], name: str, *, spread: bool) -> str:
    if name not in own:  # the networks of a mean have other numbers of scales
        return ""
    values = np.atleast_1d(own[name])
    stds = np.atleast_1d(own.get(f"{name}_std", np.zeros(len(values))))
    pairs = zip(values, stds, strict=True)
    return ", ".join(_number(value, std, spread=spread) for value, std in pairs)


def _number(value: float, std: float, *, spread: bool) -> str:
    return f"{value:.3f}" + (f" ± {std:.3f}" if spread else "")
