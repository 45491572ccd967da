"""Recipes on images, and with networks, that are given in Python."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from typing import Any

import numpy as np

from gdjax.models.families import FAMILIES

from . import own_sets, recipe_files, run_folder
from .data import load_split, source
from .data_checks import seen_shape
from .errors import UserError
from .folders import with_whole_paths
from .own_data import check_data, check_same_classes, classes_of
from .own_networks import FAMILY, OwnNetworkConfig, logits_shape
from .paths import checked_path
from .recipe import Recipe
from .recipe_types import checked_recipe
from .requirements import require
from .trained_run import TrainedRun, load_run
from .trials import give_network, trials
from .validation import validate


KINDS = "train", "validation", "test"
NOTE = (
    "given in Python: this recipe alone can't repeat the run, and it goes on by"
    " `gdjax_train.train_recipe` with the same"
)


def train_recipe(
    recipe: Recipe,
    *,
    out: str | os.PathLike[str],
    model: Any = None,
    train: Any = None,
    validation: Any = None,
    test: Any = None,
) -> TrainedRun:
    """Train and evaluate a recipe as `gdjax-train` does, also on one's own images.

    A run that was interrupted goes on when the same is called again. recipe.json says
    what was given in Python, so that the recipe alone can't repeat the run.

    Args:
      recipe: such as `dataclasses.replace(recipes.find("dss_textures").recipe, ...)`.
        Its model may be a configuration of one's own, made by
        `gdjax.models.configuration.configures`, whose fields then are in recipe.json.
      out: folder of the run.
      model: Linen module in place of the recipe's network, as of `fit`; it is trained
        once, without scale channels of the recipe's.
      train: images and labels in place of those of the data set, as of `fit`.
      validation: likewise; None: nothing is validated.
      test: likewise; needed with `train`. At size factors other than 1 they are
        rescaled about their centres.

    Returns:
      The finished run.

    Raises:
      TypeError, ValueError: for images and labels that can't be read, or what is no
        module, see `fit`; for what is no recipe, or a field of it of another type.
      UserError: for a recipe that doesn't fit them, and what `gdjax-train` refuses.

    gdjax.
    """
    from .__main__ import train_and_evaluate

    recipe, path = checked_recipe(recipe), checked_path(out, name="out")
    recipe = with_whole_paths(dataclasses.replace(recipe, out=None))
    given = {"train": train, "validation": validation, "test": test}
    given = {kind: data for kind, data in given.items() if data is not None}
    recipe, own = _with_own(recipe, given)
    if model is not None:
        recipe, own = _with_module(recipe, model), {**own, "model": NOTE}
    validate(recipe)
    require(recipe, usual=recipe)
    command = "gdjax_train.train_recipe(...)"
    if os.path.lexists(path):
        run, _, before = run_folder.open_run(path)
        changed = recipe_files.differences(before, recipe)
        # The same function either way; older runs have the other default.
        changed = [text for text in changed if not text.startswith("model.mapped=")]
        if changed:
            raise UserError(
                f"`out={out}` holds a run of another recipe or of other images:"
                f" {', '.join(changed)}; call it as before, or give another `out`"
            )
    else:
        run = run_folder.create(
            "own", recipe, command=command, out=str(path), own=own or None
        )
    with run_folder.kept_if_begun(run):
        train_and_evaluate(run, recipe, command)
    return load_run(path)


def _with_module(recipe: Recipe, model: Any) -> Recipe:
    """The recipe with a module in place of its network.

    Raises:
      UserError: if the module can't take its images.
    """
    config = OwnNetworkConfig(give_network(model))
    recipe = dataclasses.replace(
        recipe, model=config, nets=(FAMILY,), multi_epochs=0, multi_from="single",
        single_pyramid=None, multi_sigmas=(), multi_batch_size=None,
        multi_learning_rate=None, poolings=("max",),
    )  # fmt: skip
    trial = trials(recipe)[0]
    example = load_split(source(trial, "train"), data_dir=recipe.data_dir, limit=1)
    classes = logits_shape(config.given, seen_shape(recipe, example)[1:])[-1]
    segments = np.ndim(example.label) > 1
    config = dataclasses.replace(config, num_classes=classes, segments=segments)
    return dataclasses.replace(recipe, model=config)


def _with_own(recipe: Recipe, given: dict[str, Any]) -> tuple[Recipe, dict[str, str]]:
    """The recipe on its own images, and a note of what is not in it."""
    own = {}
    if type(recipe.model) not in FAMILIES.values():
        kind = type(recipe.model)
        FAMILIES.setdefault(f"{kind.__module__}.{kind.__qualname__}", kind)
        own["model"] = NOTE
    if not given:
        return recipe, own
    if not {"train", "test"} <= set(given):
        raise UserError(
            f"only {', '.join(given)} given: give `train` and `test`, or neither"
        )
    check_same_classes(given)
    sets = {kind: check_data(data, kind) for kind, data in given.items()}
    shapes = {kind: tuple(data.image.shape[1:]) for kind, data in sets.items()}
    if len(set(shapes.values())) > 1:
        raise UserError(f"images are of several shapes, {shapes}: give one")
    digest = hashlib.sha256("".join(d.digest() for d in sets.values()).encode())
    name = f"own-{digest.hexdigest()[:12]}"
    own_sets.SETS[name] = own_sets.OwnSet(sets, classes_of(given["train"]))
    data = dataclasses.replace(
        recipe.data, name=name, folder=None, train_sizes=(), realisations=(),
        validation_images=recipe.data.validation_images if "validation" in sets else 0,
    )  # fmt: skip
    if "validation" in sets and data.validation_images == 0:
        data = dataclasses.replace(data, validation_images=None)
    own["data"] = NOTE
    return dataclasses.replace(recipe, data=data, data_dir=None), own
