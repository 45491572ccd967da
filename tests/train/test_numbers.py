"""Every number of a recipe has a range, and each end of it is held to."""

import dataclasses
import re

import pytest

from gdjax_train.errors import UserError
from gdjax_train.idle import check_idle
from gdjax_train.number_checks import RANGES, check_numbers
from gdjax_train.recipe import OptimizerConfig, Recipe, ScaleSchedule
from gdjax_train.validation import validate


def changed(recipe, name, value):
    first, _, rest = name.partition(".")
    if rest:
        value = changed(getattr(recipe, first), rest, value)
    return dataclasses.replace(recipe, **{first: value})


def numbers(config, where=""):
    """Names of all fields that hold numbers."""
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if dataclasses.is_dataclass(value):
            yield from numbers(value, f"{where}{field.name}.")
        elif re.search(r"\b(int|float)\b", str(field.type)):
            yield where + field.name


def test_no_number_is_without_a_range():
    # Those of networks, images and distributions of sizes are checked by their own.
    others = "model.", "preprocessing.", "augment.", "data.scales."
    names = [name for name in numbers(Recipe()) if not name.startswith(others)]
    assert sorted(names) == sorted(RANGES)


@pytest.mark.parametrize("name", RANGES)
def test_what_is_out_of_range_is_named(name):
    several = name in ("seeds", "eval_factors", "multi_sigmas") or name.endswith(
        ("train_sizes", "realisations", "drops")
    )
    words = RANGES[name].words
    bad = [-1, float("nan")]
    if words.startswith("at least 1") or words == "a positive number":
        bad.append(0)
    if words.startswith("a part"):
        bad.append(2)
    for value in bad:
        given = (value,) if several else value
        said = re.escape(f"`{name}={value}`: expected {words}")
        with pytest.raises(UserError, match=said):
            check_numbers(changed(Recipe(), name, given))
    check_numbers(Recipe())


@pytest.mark.parametrize(
    ("optimizer", "words"),
    [
        (OptimizerConfig(learning_rate=0.01, min_learning_rate=0.1), "below"),
        (OptimizerConfig(drops=(3.0, 8.0)), "ends before the last one"),
        (
            OptimizerConfig(
                scales=ScaleSchedule(learning_rate=0.1, min_learning_rate=0.2)
            ),
            "scales.learning_rate=0.1. is below",
        ),
    ],
)
def test_schedules_that_make_no_sense_are_refused(optimizer, words):
    with pytest.raises(UserError, match=words):
        validate(dataclasses.replace(Recipe(), optimizer=optimizer))


def test_ablations_are_checked_as_the_recipe_is(monkeypatch):
    from gdjax_train import ablations

    def apply(recipe, names):
        loss = dataclasses.replace(recipe.loss, label_smoothing=2.0)
        return dataclasses.replace(recipe, loss=loss) if names else recipe

    monkeypatch.setattr(ablations, "apply", apply)
    with pytest.raises(UserError, match="label_smoothing=2.0"):
        validate(dataclasses.replace(Recipe(), nets=("discrete+relu+odd",)))


@pytest.mark.parametrize(
    ("sigmas", "poolings"),
    [((1.0,), ("max", "mean")), ((1.0, 2.0), ("max", "max")), ((1.0, 2.0), ())],
)
def test_poolings_without_a_meaning_are_refused(sigmas, poolings):
    recipe = changed(Recipe(), "model.sigmas", sigmas)
    with pytest.raises(UserError, match="`poolings="):
        validate(dataclasses.replace(recipe, poolings=poolings))


IDLE = {
    "multi_batch_size": 4,
    "multi_learning_rate": 0.1,
    "multi_from": "scratch",
    "multi_sigmas": (1.0, 2.0),
    "optimizer.sigma_rate": 5.0,
    "optimizer.momentum": 0.5,
    "optimizer.weight_decay": 0.1,
    "optimizer.drop_factor": 0.5,
    "optimizer.warmup_fraction": 0.5,
    "data.enlarge": True,
    "loss.class_weights": "inverse_frequency",
    "model.scale_dropout": 0.5,
}


@pytest.mark.parametrize("name", IDLE)
def test_options_that_would_do_nothing_are_refused(name):
    usual = Recipe()
    with pytest.raises(UserError, match=f"`{name}=.*does nothing here"):
        check_idle(changed(usual, name, IDLE[name]), usual)
    # What a recipe has of itself is no mistake of the user's.
    check_idle(changed(usual, name, IDLE[name]), changed(usual, name, IDLE[name]))


def test_options_that_do_something_are_taken():
    usual = Recipe()
    check_idle(dataclasses.replace(usual, single_pyramid=0.5), usual)
    scratch = dataclasses.replace(usual, epochs=0, single_pyramid=0.5)
    with pytest.raises(UserError, match="single_pyramid=.*no first phase"):
        check_idle(scratch, usual)
    sgd = OptimizerConfig(name="sgd", momentum=0.5, drops=(3.0,), drop_factor=0.5)
    check_idle(dataclasses.replace(usual, optimizer=sgd), usual)
    with pytest.raises(UserError, match="min_learning_rate=.*does nothing"):
        recipe = changed(
            usual, "optimizer", dataclasses.replace(sgd, min_learning_rate=1e-4)
        )
        check_idle(recipe, usual)
