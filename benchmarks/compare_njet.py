"""Runs of N-Jet networks side by side: means over seeds, learned sigmas.

    python benchmarks/compare_njet.py FILE [FILE ...] --out DIR

FILE is a run's evaluation.json. Rows of the same name (other seeds) are averaged, with
their standard deviation. Where networks were trained at several sizes, the last column
tells how the first layer's sigma follows the size ([njet] 1.2(A)): relative to that of
the size before, over the ratio of the sizes; 1 if it grows as much. Writes
comparison.md and scores.png.
"""

from __future__ import annotations

import argparse
import json
import pathlib
from typing import Any

import numpy as np

from gdjax.plots.layers import scores


def averaged(files: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows by name: scores and sigmas of all runs, in %, px."""
    kind = "mean_iou" if "mean_iou" in files[0]["rows"][0] else "accuracy"
    groups: dict[str, list[dict[str, Any]]] = {}
    for found in files:
        for row in found["rows"]:
            groups.setdefault(row["name"], []).append(row)
    return [
        {
            "name": name,
            "size": same[0]["train_size"],
            "parameters": same[0]["parameters"],
            "scores": [100 * float(np.ravel(row[kind])[0]) for row in same],
            "sigmas": [
                [float(np.median(sigma)) for sigma in row["sigmas"].values()]
                for row in same
            ],
        }
        for name, same in groups.items()
    ]


def follows(rows: list[dict[str, Any]]) -> dict[str, float]:
    """By name: the growth of the first sigma over that of the size."""
    found, before = {}, {}
    for row in rows:
        flavour = row["name"].rsplit(", size", 1)[0]
        if row["sigmas"][0]:
            first = np.mean([sigmas[0] for sigmas in row["sigmas"]])
            if flavour in before:
                size, sigma = before[flavour]
                found[row["name"]] = (first / sigma) / (row["size"] / size)
            before[flavour] = row["size"], first
    return found


def markdown(rows: list[dict[str, Any]]) -> str:
    """One line a network."""
    grows = follows(rows)
    lines = [
        "| network | score in % | parameters | sigma of the layers, px | sigma's growth"
        " over the size's | seeds |",
        "|---" * 6 + "|",
    ]
    for row in rows:
        middle, spread = np.mean(row["scores"]), np.std(row["scores"])
        columns = zip(*row["sigmas"], strict=True)
        sigmas = ", ".join(f"{np.mean(c):.2f} ± {np.std(c):.2f}" for c in columns)
        ratio = f"{grows[row['name']]:.3f}" if row["name"] in grows else ""
        lines.append(
            f"| {row['name']} | {middle:.2f} ± {spread:.2f} | {row['parameters']:,} |"
            f" {sigmas} | {ratio} | {len(row['scores'])} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", type=pathlib.Path, nargs="+")
    parser.add_argument("--out", type=pathlib.Path, required=True)
    options = parser.parse_args()
    files = [json.loads(path.read_text()) for path in options.files]
    rows = averaged(files)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "comparison.md").write_text(markdown(rows))
    bars = [(row["name"], float(np.mean(row["scores"]))) for row in rows]
    title = "mean IoU" if "mean_iou" in files[0]["rows"][0] else "test accuracy"
    scores(bars, f"{title}, mean of seeds").savefig(options.out / "scores.png", dpi=120)
    print(markdown(rows))


if __name__ == "__main__":
    main()
