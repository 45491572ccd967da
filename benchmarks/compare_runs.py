"""Runs side by side: one table and one plot from their evaluation.json files.

    python benchmarks/compare_runs.py FILE [FILE ...] --out DIR

Rows of the same name (other seeds) are averaged. Writes comparison.md and
comparison.png; of networks with several scale channels also scale_selection.png, which
channel decided.
"""

from __future__ import annotations

import argparse
import json
import pathlib
from typing import Any

import numpy as np

from gdjax.plots.colours import net_colours
from gdjax.plots.generalisation import generalisation_curve
from gdjax.plots.scale_selection import scale_selection_maps


def averaged(files: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows by name: mean accuracy over the runs, and how many there are."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for found in files:
        for row in found["rows"]:
            groups.setdefault(row["name"], []).append(row)
    rows = []
    for same in groups.values():
        accuracy = np.mean([row["accuracy"] for row in same], axis=0)
        rows.append({**same[0], "accuracy": accuracy.tolist(), "seeds": len(same)})
    return rows


def markdown(factors: list[float], rows: list[dict[str, Any]]) -> str:
    """Accuracy in %, and the largest drop from the best factor."""
    head = " | ".join(f"{factor:.2f}" for factor in factors)
    lines = [f"| size factor | {head} | drop | seeds |"]
    lines.append("|---" * (len(factors) + 3) + "|")
    for row in rows:
        values = 100 * np.asarray(row["accuracy"])
        cells = " | ".join(f"{value:.1f}" for value in values)
        drop = f"{values.max() - values.min():.1f}"
        lines.append(f"| {row['name']} | {cells} | {drop} | {row['seeds']} |")
    return "\n".join(lines) + "\n"


def selection_panels(rows: list[dict[str, Any]]) -> list[tuple[str, Any, Any]]:
    """Name, histograms [F, S] and base scales of networks in scale channels."""
    return [
        (row["name"], np.array(row["selected"]), row["sigmas"])
        for row in rows
        if "selected" in row and len(row["sigmas"]) > 1
    ]


def main() -> None:
    """Compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", type=pathlib.Path, nargs="+")
    parser.add_argument("--out", type=pathlib.Path, required=True)
    options = parser.parse_args()
    files = [json.loads(path.read_text()) for path in options.files]
    factors = files[0]["factors"]
    for path, found in zip(options.files, files, strict=True):
        if found["factors"] != factors:
            raise SystemExit(f"{path} has other size factors than {options.files[0]}")
    rows = averaged(files)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "comparison.md").write_text(markdown(factors, rows))
    generalisation_curve(factors, rows).savefig(options.out / "comparison.png", dpi=120)
    if panels := selection_panels(rows):
        colours = net_colours(rows)
        figure = scale_selection_maps(panels, factors, colours=colours)
        figure.savefig(options.out / "scale_selection.png", dpi=120)
    print(markdown(factors, rows))


if __name__ == "__main__":
    main()
