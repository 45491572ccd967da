"""Recipes that are made in Python: what is not of its type is named by its place."""

import dataclasses

import numpy as np
import pytest

from gdjax.models import GaussDerNetConfig
from gdjax_train.recipe import DataConfig, Recipe
from gdjax_train.recipe_types import checked_recipe
from gdjax_train.recipes import RECIPES


def changed(config, path, value):
    first, _, rest = path.partition(".")
    if rest:
        value = changed(getattr(config, first), rest, value)
    return dataclasses.replace(config, **{first: value})


def test_recipes_stay_as_they_are():
    for name, entry in RECIPES.items():
        assert checked_recipe(entry.recipe) == entry.recipe, name


def test_lists_and_numbers_of_numpy_become_those_of_recipes():
    """So that recipes have hashes, and can be written."""
    model = GaussDerNetConfig(sigmas=[1, 2.0], widths=np.array([2, 3]))
    recipe = Recipe(
        nets=["discrete+relu"], seeds=[1, 2**40], eval_factors=np.array([0.5, 2.0]),
        batch_size=np.int64(4), model=model,
    )  # fmt: skip
    found = checked_recipe(changed(recipe, "data.train_sizes", [1, 2]))
    assert found.nets == ("discrete+relu",) and found.seeds == (1, 2**40)
    assert found.eval_factors == (0.5, 2.0) and type(found.batch_size) is int
    assert found.data.train_sizes == (1.0, 2.0)
    assert found.model.sigmas == (1.0, 2.0) and found.model.widths == (2, 3)
    hash(found)


@pytest.mark.parametrize(
    ("path", "values"),
    [
        ("batch_size", [None, "a", 2.5, 10**30]),
        ("nets", [None, [1, 2], "discrete+relu", [[]]]),
        ("data", [None, "a", DataConfig]),
        ("model", [None, "a", GaussDerNetConfig]),
        ("optimizer", [None, {}]),
        ("preprocessing", [None, "a"]),
        ("seed", [None, 1.0, -1, 2**64]),
        ("seeds", [None, 3, [1.0]]),
        ("precision", [None, "float16"]),
        ("poolings", ["max", ["a"]]),
        ("eval_factors", [1.0, ["a"], [np.nan]]),
        ("tensorboard", [None, "a"]),
        ("data.name", [None, 1]),
        ("data.train_images", ["a", [1]]),
        ("data.scales", [None]),
        ("data.scales.low", ["a"]),
        ("optimizer.name", ["a", None]),
        ("optimizer.scales.drops", ["a", 3]),
        ("augment.scale", [3, (1.0,)]),
        ("model.widths", ["a", None, 3]),
        ("model.single_sigma", ["a", None]),
        ("model.spatial_selection", [[], None]),
    ],
)
def test_a_field_of_another_type_is_named_by_its_place(path, values):
    recipe = Recipe()
    for value in values:
        with pytest.raises((TypeError, ValueError), match=f"`{path}="):
            checked_recipe(changed(recipe, path, value))
