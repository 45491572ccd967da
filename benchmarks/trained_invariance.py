"""Scale invariance of trained networks: the theorem on test images of many sizes.

    python benchmarks/trained_invariance.py RUN_DIR --out DIR [--images 1000]
    python benchmarks/trained_invariance.py RUN_DIR --out DIR --moved 3 --images 100
    python benchmarks/trained_invariance.py RUN_DIR --out DIR --pyramid 1.4 --enlarge 1

For every network of a finished run with scale channels, at every size factor S of its
test data, beside the same images at factor 1:

- "channels": the scores of the channel at S sigma_0 on the image enlarged S times
  should be those at sigma_0 on the image; relative L2 error, median over channels.
- "pooled": the maximum over all channels, and the share of images that keep their
  class; what a boundary channel decides has no counterpart at the other size.
- "matched": the maximum over those channels alone that have one: the theorem itself.
- "interior": images of which neither decision came from the finest or the coarsest
  channel, how many they are, and the share of them that keep their class.

Channels have a counterpart where S is a power of their ratio. With `--moved`, the
spatial maximum in place of the centre pixel, weights as they are, and the images at S
moved by so many px to the right and up, where nothing leaves the image: translation
and rescaling together.

`--pyramid` and `--enlarge` give the channels other grids than those of the run, weights
as they are.

[gaussdernet] (7)-(10), sec. 5; measures: gdjax. Writes trained_invariance.json and
trained_invariance.md.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import pathlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from outputs import write

from gdjax_train import predict, run_folder
from gdjax_train.data import factors as test_factors, load_test, source
from gdjax_train.evaluation import trained_network
from gdjax_train.trials import build, trials
from gdjax_train.versions import versions


Row = dict[str, Any]


def relative(found: np.ndarray, wanted: np.ndarray) -> float:
    """L2 error of scores, relative to those wanted."""
    return float(np.linalg.norm(found - wanted) / np.linalg.norm(wanted))


def kept(found: np.ndarray, wanted: np.ndarray) -> float:
    """Share of images [N, K] with the same class, in %."""
    return 100 * float((found.argmax(-1) == wanted.argmax(-1)).mean())


def steps_between(factor: float, sigmas: tuple[float, ...]) -> int | None:
    """By how many channels a size factor moves scores; None: by no whole number."""
    octaves = np.log2(sigmas[-1] / sigmas[0]) / (len(sigmas) - 1)
    steps = np.log2(factor) / octaves
    return round(steps) if abs(steps - round(steps)) < 1e-3 else None


def deciding(per_scale: np.ndarray) -> np.ndarray:
    """The channel of the largest score, [N, S, K] -> [N]."""
    return per_scale.max(-1).argmax(-1)


def compare(found: np.ndarray, wanted: np.ndarray, steps: int | None) -> Row:
    """One size factor beside factor 1, both [N, S, K]; see the top of the file."""
    last = found.shape[1] - 1
    both = [x.max(1) for x in (found, wanted)]
    inside = ~np.isin([deciding(found), deciding(wanted)], (0, last)).any(0)
    row: Row = {
        "pooled": relative(*both), "pooled_kept": kept(*both),
        "interior_share": 100 * float(inside.mean()),
        "interior_kept": kept(*(x[inside] for x in both)) if inside.any() else None,
    }  # fmt: skip
    if steps is None or abs(steps) > last:
        return row
    there = found[:, max(steps, 0) : last + 1 + min(steps, 0)]
    here = wanted[:, max(-steps, 0) : last + 1 - max(steps, 0)]
    each = [relative(there[:, s], here[:, s]) for s in range(there.shape[1])]
    matched = there.max(1), here.max(1)
    return row | {
        "channels": float(np.median(each)),
        "matched": relative(*matched), "matched_kept": kept(*matched),
    }  # fmt: skip


def moved(images: np.ndarray, pixels: int) -> np.ndarray | None:
    """To the right and up, [N, H, W, C]; None where something would leave."""
    if not pixels:
        return images
    if images[:, :pixels].any() or images[:, :, -pixels:].any():
        return None
    return np.roll(images, (-pixels, pixels), (1, 2))


Scores = Callable[[float, int], np.ndarray | None]


def evaluated(config: Any, options: argparse.Namespace) -> Any:
    """The network as it is measured."""
    changes: dict[str, Any] = {}
    if options.moved:
        changes["spatial_selection"] = "max"
    if options.pyramid is not None:
        changes |= {"pyramid": options.pyramid, "enlarge": options.enlarge}
    return dataclasses.replace(config, **changes)


def networks(options: argparse.Namespace) -> Iterator[tuple[str, Any, Any, Scores]]:
    """Name, images, base scales, and scores [N, S, K] of a factor and px moved."""
    run, _, recipe = run_folder.open_run(options.run_dir)
    for trial in trials(recipe):
        images = source(trial, "test")
        for network in trial.networks():
            if len(network.sigmas) < 3:
                continue
            config = evaluated(network.model, options)
            variables = trained_network(run, trial, network.phase)[1]
            scores = functools.partial(
                scores_of, build(config, recipe.precision), variables, images, recipe,
                options.images,
            )  # fmt: skip
            yield trial.name, images, network.sigmas, scores


def scores_of(
    model: Any, variables: Any, images: Any, recipe: Any, limit: int,
    factor: float, pixels: int,
) -> np.ndarray | None:  # fmt: skip
    """Of all channels, [N, S, K]; None where images can't be moved."""
    data = load_test(images, factor, data_dir=recipe.data_dir, limit=limit)
    given = moved(data.image, pixels)
    if given is None:
        return None
    return predict.scores(
        model, variables, given, batch_size=recipe.eval_batch_size,
        preprocessing=recipe.preprocessing,
    )  # fmt: skip


def rows(options: argparse.Namespace) -> Iterator[Row]:
    """A row per network and size factor."""
    for name, images, sigmas, scores in networks(options):
        wanted = scores(1.0, 0)
        assert wanted is not None
        for factor in test_factors(images):
            if factor == 1 and not options.moved:
                continue
            found = scores(factor, options.moved)
            if found is None:
                continue
            compared = compare(found, wanted, steps_between(factor, sigmas))
            yield {"name": name, "factor": factor, "images": len(found), **compared}


COLUMNS = {
    "channels": "channels", "matched": "matched", "matched_kept": "matched, kept %",
    "pooled": "pooled", "pooled_kept": "pooled, kept %",
    "interior_share": "interior, %", "interior_kept": "interior, kept %",
}  # fmt: skip


def markdown(result: dict[str, Any]) -> str:
    """All rows."""
    lines = [
        "| network | factor | " + " | ".join(COLUMNS.values()) + " |",
        "|---|---|" + "---|" * len(COLUMNS),
    ]
    for row in result["rows"]:
        cells = []
        for key in COLUMNS:
            value = row.get(key)
            percent = key.endswith(("kept", "share"))
            text = (
                "" if value is None else f"{value:.1f}" if percent else f"{value:.2g}"
            )
            cells.append(text)
        lines.append(
            f"| {row['name']} | {row['factor']:.3g} | " + " | ".join(cells) + " |"
        )
    where = f"{result['device']}, {result['precision']}, jax {result['jax']}"
    count = max((row["images"] for row in result["rows"]), default=0)
    shift = f", moved by {result['moved']} px" if result["moved"] else ""
    note = f"{count} images{shift}; {where}, commit {result['commit']}."
    return "\n".join([*lines, "", note, ""])


def main() -> None:
    """Measure every network of a run, and write after every row."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run_dir")
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--moved", type=int, default=0, help="px")
    parser.add_argument("--pyramid", type=float)
    parser.add_argument("--enlarge", type=int, default=0)
    options = parser.parse_args()
    given = {name: getattr(options, name) for name in ("moved", "pyramid", "enlarge")}
    result: dict[str, Any] = {**given, "rows": [], **versions("float32")}
    for row in rows(options):
        result["rows"].append(row)
        write(options.out, "trained_invariance", result, markdown(result))
    print(markdown(result))


if __name__ == "__main__":
    main()
