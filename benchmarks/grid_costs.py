"""What grids that fit the scale cost on rescaled digits: time and memory.

    python benchmarks/grid_costs.py --out benchmarks/results/rescaled_digits

Of the recipe `rescaled_digits`, with its grids, with grids of 1 to 2 px, and with all
channels on the images' own: the training step of one channel, the evaluation and the
training step of all five, as `recipe_costs.py` measures them, in processor seconds; and
the temporary memory of a batch in training, which XLA gives.

Writes grid_costs.json and grid_costs.md.
"""

from __future__ import annotations

import argparse
import dataclasses
import pathlib
from typing import Any

from outputs import write
from recipe_costs import image_shape, measure

from gdjax_train import recipes
from gdjax_train.trials import trials
from gdjax_train.versions import versions


NETS = "spectral+silu", "discrete+relu"
# Least base scale on its grid, px, and doublings at most.
GRIDS = {
    "the images'": (None, 0),
    "from 1 px": (1.0, 1),
    "from 1.4 px": (1.4, 2),
}


def rows() -> list[dict[str, Any]]:
    """A row per net and grid."""
    base, found = recipes.find("rescaled_digits").recipe, []
    for net in NETS:
        for grids, (pyramid, enlarge) in GRIDS.items():
            model = dataclasses.replace(base.model, pyramid=pyramid, enlarge=enlarge)
            recipe = dataclasses.replace(base, nets=(net,), model=model)
            (trial,) = trials(recipe)
            (phase,), shape = trial.phases, image_shape(trial)
            every = dataclasses.replace(phase, model=trial.recipe.model)
            one, five = (measure(trial.recipe, p, shape) for p in (phase, every))
            found.append(
                {
                    "net": net, "grids": grids,
                    "training, one channel, ms": 1e3 * one.step,
                    "its memory, MiB": one.temporary * recipe.batch_size / 2**20,
                    "evaluation, five channels, ms": 1e3 * five.forward,
                    "training, five channels, ms": 1e3 * five.step,
                    "memory of that, MiB": five.temporary * recipe.batch_size / 2**20,
                }
            )  # fmt: skip
            print(found[-1], flush=True)
    return found


def markdown(found: list[dict[str, Any]]) -> str:
    """The table; times are those of an image, memory that of a batch."""
    lines = ["| " + " | ".join(found[0]) + " |", "|---" * len(found[0]) + "|"]
    for row in found:
        cells = (v if isinstance(v, str) else f"{v:.2g}" if v < 10 else f"{v:.0f}"
                 for v in row.values())  # fmt: skip
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure every net on every grid."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    options = parser.parse_args()
    found = rows()
    result = {"rows": found, **versions("float32")}
    write(options.out, "grid_costs", result, markdown(found))
    print(markdown(found))


if __name__ == "__main__":
    main()
