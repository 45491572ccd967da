"""Means over seeds and realisations, and tables of scores."""

from __future__ import annotations

from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from .internal_scales import mean_facts, mean_of


# Scores of evaluation.json, and what their standard deviations are called.
SPREADS = {
    "accuracy": "std",
    "mean_iou": "mean_iou_std",
    "mean_average_precision": "mean_average_precision_std",
}

# Accuracies that are no list over size factors, and the heads of their columns.
ONCE = {"drawn": "drawn sizes", "training": "training"}


def summary(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Means and standard deviations over seeds and realisations.

    Args:
      rows: of evaluation.json.

    Returns:
      A row for each group of several rows that differ in seed or realisation alone,
      "std" (of the population) beside each mean; none where there is one of each.
    """
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(row["group"], []).append(row)
    kept = "sigmas", "pooling", "discretisation", "activation", "train_size", "stage"
    found = []
    for name, same in groups.items():
        if len(same) == 1:
            continue
        mean: dict[str, Any] = {"name": name, "runs": len(same)}
        for score, spread in SPREADS.items():
            if score in same[0]:
                values = np.array([row[score] for row in same], float)
                mean[score] = values.mean(0).tolist()
                mean[spread] = values.std(0).tolist()
        mean |= {key: same[0][key] for key in (*kept, "net") if key in same[0]}
        if isinstance(mean["sigmas"], dict):
            layers = [list(row["sigmas"].values()) for row in same]
            means = [
                np.mean([np.median(s) for s in each])
                for each in zip(*layers, strict=True)
            ]
            mean["sigmas"] = dict(zip(mean["sigmas"], map(float, means), strict=True))
        more = {key: mean_of(same, key) for key in ONCE}
        more["internal_scales"] = mean_facts(same)
        mean |= {key: value for key, value in more.items() if value is not None}
        found.append(mean)
    return found


def averaged(result: dict[str, Any]) -> list[dict[str, Any]]:
    """Means where there are several seeds, and the rows of networks without others.

    Args:
      result: what evaluation.json holds.
    """
    means = list(result.get("summary", ()))
    names = {mean["name"] for mean in means}
    return [*means, *(row for row in result["rows"] if row.get("group") not in names)]


def print_scores(console: Console, result: dict[str, Any]) -> None:
    """Scores in per cent, one row a network; means with standard deviations below.

    Networks that learn scales have these and more in columns of their own.

    Args:
      console: to print on.
      result: what evaluation.json holds.
    """
    rows, factors = result["rows"], result["factors"]
    learned = any(isinstance(row["sigmas"], dict) for row in rows)
    once = [key for key in ONCE if any(key in row for row in rows)]
    score = "mean_iou" if any("mean_iou" in row for row in rows) else "accuracy"
    named = {"mean_iou": "mean IoU", "accuracy": "test accuracy"}[score]
    several = len(factors) > 1
    title = f"{named} in % by size factor" if several or not learned else None
    table = Table(title=title, box=None, title_style="")
    table.add_column("", no_wrap=True)
    heads = [f"{factor:.2f}" for factor in factors]
    if learned and not several:
        heads = ["mean IoU %"] if score == "mean_iou" else []
        heads += ["accuracy %"]
    heads += [ONCE[key] for key in once]
    # Internal scales have a table of their own.
    sigmas = any(
        isinstance(row["sigmas"], dict) and row["sigmas"]
        and not row.get("internal_scales")
        for row in rows
    )  # fmt: skip
    if learned:
        heads += ["parameters", "compilations"]
    if sigmas:
        heads += ["sigma of each layer, px"]
    for head in heads:
        table.add_column(head, justify="right", no_wrap=True)
    scores = ["mean_iou", "accuracy"] if learned and not several else [score]
    scores = [name for name in scores if name in rows[0]]
    for row in (*rows, *result.get("summary", ())):
        cells = _cells(row, scores, learned, several, once)
        table.add_row(row["name"], *(cells if sigmas or not learned else cells[:-1]))
    print_whole(console, table)


def print_whole(console: Console, table: Table) -> None:
    """Print a table as wide as it needs to be."""
    # A cut column helps nobody, a wrapped line is still readable: so measure the table.
    needed = table.__rich_measure__(console, console.options.update(max_width=10_000))
    wide = Console(
        file=console.file,
        width=max(console.width, needed.maximum),
        force_terminal=console.is_terminal,
    )
    wide.print(table)


def _cells(
    row: dict[str, Any],
    scores: list[str],
    learned: bool,
    several: bool,
    once: list[str],
) -> list[str]:
    digits = 2 if learned and not several else 1
    cells = []
    for score in scores:
        spreads = row.get(SPREADS[score])
        for k, value in enumerate(row[score]):
            text = f"{100 * value:.{digits if score == 'accuracy' else 1}f}"
            cells.append(text + (f" ± {100 * spreads[k]:.1f}" if spreads else ""))
    cells += [_once_cell(row.get(key)) for key in once]
    if learned:
        sigmas = row["sigmas"].values() if isinstance(row["sigmas"], dict) else ()
        cells += [
            f"{row['parameters']:,}" if "parameters" in row else "",
            str(row.get("compilations", "")),
            " ".join(f"{np.median(sigma):.2f}" for sigma in sigmas),
        ]
    return cells


def _once_cell(own: dict[str, Any] | None) -> str:
    if own is None:
        return ""
    spread = f" ± {100 * own['std']:.2f}" if "std" in own else ""
    return f"{100 * own['accuracy']:.2f}{spread}"
