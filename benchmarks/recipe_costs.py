"""About how long each recipe takes and how much memory, from single steps.

    python benchmarks/recipe_costs.py --out benchmarks/results/recipe_costs [RECIPE ...]

Of every recipe, for each size of the training images, the first net's training step and
its evaluation are compiled for a few random images and timed; the rest is counting:
epochs, images, nets, seeds, size factors. Times are those of the processor (all threads
of the process), so that other work beside it hardly counts, and are given for two
cores. Memory is that of the process, with the temporary memory of whole batches and the
data set.

What was measured before is kept: recipes can be done in several calls. Writes
recipe_costs.json and recipe_costs.md.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import pathlib
import resource
import time
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from outputs import write

from gdjax.data.preparing import parse_name
from gdjax_train.batch import Batch
from gdjax_train.losses import make_loss
from gdjax_train.recipe import Recipe
from gdjax_train.recipes import RECIPES
from gdjax_train.step import compile_step, initial_state
from gdjax_train.trials import Phase, Trial, build, trials
from gdjax_train.versions import versions


# Training, validation and test images (at each size factor) of the data sets.
COUNTS = {
    "rescaled_digits": (1_400, 0, 397),
    "mnist": (50_000, 10_000, 10_000),
    "fashion_mnist": (50_000, 10_000, 10_000),
    "mnist_large_scale": (50_000, 10_000, 10_000),
    "mnist_large_scale/small": (10_000, 1_000, 1_000),
    "rescaled_fashion_mnist": (50_000, 10_000, 10_000),
    "mnist_scale/published": (10_000, 2_000, 50_000),
    "mnist_scale/unscaled": (10_000, 5_000, 50_000),
    "multi_scale_fashion_mnist/scale": (12_500, 2_500, 2_500),
    "multi_scale_fashion_mnist/small": (2_000, 500, 500),
    "garments_on_textures/small": (10_000, 1_000, 1_000),
    "textures": (2_691, 483, 2_115),
    "cifar10": (40_000, 10_000, 10_000),
    "rescaled_cifar10": (40_000, 10_000, 10_000),
    "stl10": (4_000, 1_000, 8_000),
    "rescaled_stl10": (7_845, 1_121, 4_034),
    "patch_camelyon": (262_144, 32_768, 32_768),
    "cityscapes/half": (2_975, 0, 500),
    "pascal_voc": (10_582, 0, 1_449),
}
# Pixels and images of a batch that is timed, seconds that are timed at least.
PIXELS, IMAGES, SECONDS = 30_000, 8, 1.0
# Share of two cores that trainings use.
BUSY = 0.85


class Timed(NamedTuple):
    """Processor seconds of compiling; an image, of steps, of evaluation; its bytes."""

    compiled: float
    step: float
    forward: float
    temporary: float


def counts(recipe: Recipe) -> tuple[int, int, int]:
    """Images that are trained on, validated on, and tested at each size factor."""
    data = recipe.data
    key = max((k for k in COUNTS if data.name.startswith(k)), key=len)
    train, validation, test = COUNTS[key]
    if data.train_images:
        train = min(train, data.train_images)
    train += validation if data.with_validation else 0
    wanted = data.validation_images
    checked = validation if wanted is None else min(validation, wanted)
    return train, checked, min(test, data.test_images or test)


def image_shape(trial: Trial) -> tuple[int, int, int]:
    """[H, W, C] of its training images, before preprocessing."""
    data = trial.recipe.data
    name = data.name.replace("{size}", f"{trial.size:g}")
    kind, config = parse_name(name)
    height, width, channels = kind.image_shape("train", config=config)
    if data.canvas is not None:
        return data.canvas, data.canvas, channels
    if data.enlarge:
        height, width = round(height * trial.size), round(width * trial.size)
    return height, width, channels


def timed(run: Any) -> float:
    """Processor seconds of a call; the first one is not counted."""
    run()
    calls, before = 0, time.process_time()
    while calls == 0 or time.process_time() - before < SECONDS:
        run()
        calls += 1
    return (time.process_time() - before) / calls


def measure(recipe: Recipe, phase: Phase, shape: tuple[int, int, int]) -> Timed:
    """A phase's training step and evaluation."""
    seen = recipe.preprocessing.shape(shape)
    count = min(phase.batch_size, IMAGES, max(1, PIXELS // (seen[0] * seen[1])))
    config = phase.model
    plan = config.plan(None, side=max(seen[:2]), previous=None)
    model, optimizer = build(config, recipe.precision, plan), optax.adam(1e-3)
    began = time.process_time()
    state = initial_state(model, optimizer, jax.random.key(0), image_shape=seen)
    random, labels = np.random.default_rng(0), (count,)
    if config.segments:
        labels = (count, *shape[:2])
    batch = Batch(
        random.integers(0, 256, (count, *shape)).astype(np.uint8),
        random.integers(0, config.num_classes, labels).astype(np.int32),
        np.arange(count, dtype=np.int32),
    )
    step = compile_step(
        model, optimizer, make_loss(recipe.loss), augment=recipe.augment,
        preprocessing=recipe.preprocessing, l2=recipe.loss.l2,
    ).lower(state, batch).compile()  # fmt: skip
    kept = {"state": state}

    def train() -> None:
        kept["state"], metrics = step(kept["state"], batch)
        jax.block_until_ready(metrics)

    forward = jax.jit(
        lambda state, x: model.apply(
            {"params": state.params, "batch_stats": state.batch_stats}, x, train=False
        )[0]
    )
    images = jnp.zeros((count, *seen))
    forward(state, images)
    compiled = time.process_time() - began
    seconds = timed(train)
    evaluated = timed(lambda: jax.block_until_ready(forward(kept["state"], images)))
    temporary = step.memory_analysis().temp_size_in_bytes
    return Timed(compiled, seconds / count, evaluated / count, temporary / count)


def cost(name: str) -> dict[str, Any]:
    """Core seconds of the whole recipe, and bytes."""
    recipe = RECIPES[name].recipe
    train, checked, test = counts(recipe)
    found, memory, by_size = 0.0, 0.0, {}
    for trial in trials(recipe):
        shape = image_shape(trial)
        if trial.size not in by_size:
            by_size[trial.size] = sum_of_phases(trial, shape, train, checked, test)
        seconds, most = by_size[trial.size]
        size = 0 if recipe.data.lazy else int(np.prod(shape)) * (train + checked + test)
        found, memory = found + seconds, max(memory, most + size)
    process = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"core_seconds": found, "bytes": memory + process}


def sum_of_phases(
    trial: Trial, shape: tuple[int, int, int], train: int, checked: int, test: int
) -> tuple[float, float]:
    """Core seconds of a trial's trainings and evaluations, bytes of its batches."""
    recipe, seconds, most, found = trial.recipe, 0.0, 0.0, {}
    for phase in trial.phases:
        each = found[phase.name] = measure(recipe, phase, shape)
        per_epoch = train * each.step + checked * each.forward
        seconds += each.compiled + phase.epochs * per_epoch
        most = max(most, each.temporary * phase.batch_size)
    kind, config = parse_name(recipe.data.name.replace("{size}", f"{trial.size:g}"))
    factors = len(recipe.eval_factors) or len(kind.test_factors()) or 1
    for network in trial.networks():
        each = found.get(network.phase)
        channels = max(1, len(network.sigmas))
        trained = [phase for phase in trial.phases if phase.name == network.phase]
        sigmas = getattr(trained[0].model, "sigmas", ()) if trained else ()
        share = channels / max(1, len(sigmas))
        seconds += test * factors * each.forward * share if each else 0.0
    return seconds, most


def in_words(row: dict[str, Any]) -> tuple[str, str]:
    """Such as ("35 min", "1.2 GB")."""
    minutes = row["core_seconds"] / 2 / BUSY / 60
    for unit, length in (("days", 24 * 60), ("h", 60), ("min", 1)):
        if minutes >= 1.5 * length or unit == "min":
            value = minutes / length
            break
    rounded = float(f"{value:.2g}")
    return f"{rounded:,.0f} {unit}" if rounded >= 10 else f"{rounded:g} {unit}", (
        f"{row['bytes'] / 1e9:.2g} GB"
    )


def markdown(result: dict[str, Any]) -> str:
    """One table."""
    lines = ["| recipe | two cores | memory |", "|---|---|---|"]
    for name in RECIPES:
        if name in result["rows"]:
            lines.append(
                "| {} | {} | {} |".format(name, *in_words(result["rows"][name]))
            )
    return "\n".join([*lines, ""])


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipes", nargs="*", metavar="RECIPE")
    parser.add_argument("--out", type=pathlib.Path, required=True)
    options = parser.parse_args()
    stored = options.out / "recipe_costs.json"
    rows = json.loads(stored.read_text())["rows"] if stored.exists() else {}
    for name in options.recipes or [name for name in RECIPES if name not in rows]:
        # A process each: its memory is that recipe's.
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            rows[name] = pool.apply(cost, (name,)) | {"versions": versions("float32")}
        print(name, *in_words(rows[name]), flush=True)
        result = {"rows": rows}
        write(options.out, "recipe_costs", result, markdown(result))


if __name__ == "__main__":
    main()
