import dataclasses
import json

import jax.numpy as jnp
import pytest

from gdjax_train import recipes
from gdjax_train.errors import UserError
from gdjax_train.members import (
    ACTIVATIONS,
    DISCRETISATIONS,
    build_model,
    members,
    networks,
    parse_net,
    stages,
)
from gdjax_train.recipe import ModelConfig, Recipe, differences, from_dict, to_dict
from gdjax_train.validation import validate


@pytest.mark.parametrize("name", recipes.RECIPES)
def test_every_recipe_is_valid_and_survives_json(name):
    entry = recipes.find(name)
    validate(entry.recipe)
    text = json.dumps(to_dict(entry.recipe))
    assert from_dict(json.loads(text)) == entry.recipe
    assert f"gdjax-train {name}" in entry.description


def test_whole_numbers_read_back_as_the_type_that_is_declared():
    values = to_dict(Recipe())
    values["optimizer"]["weight_decay"] = 1
    values["model"]["eps"] = 0
    recipe = from_dict(values)
    assert type(recipe.optimizer.weight_decay) is float
    assert type(recipe.model.eps) is float
    assert type(recipe.epochs) is int


def test_a_recipe_of_another_version_is_refused():
    values = to_dict(Recipe()) | {"colour": "red"}
    with pytest.raises(UserError, match="another version.*colour"):
        from_dict(values)


def test_differences_are_named_with_their_path():
    new = dataclasses.replace(Recipe(), epochs=3, model=ModelConfig(order=3))
    assert differences(Recipe(), new) == ["epochs=3 (was 8)", "model.order=3 (was 2)"]


def test_default_recipe_is_the_digits_with_four_networks():
    recipe = recipes.find(recipes.DEFAULT).recipe
    assert recipe.data.name == "rescaled_digits"
    rows = [net for member in members(recipe) for net in networks(recipe, member)]
    assert [len(net.sigmas) for net in rows] == [1, 5, 1, 5]
    assert {net.stage for net in rows} == {"single"}


@pytest.mark.parametrize(
    "text, hint",
    [
        ("spectrl+relu", "'spectral'"),
        ("discrete+rely", "'relu'"),
        ("discrete", "discretisation.activation"),
    ],
)
def test_mistyped_nets_get_a_hint(text, hint):
    with pytest.raises(UserError, match=hint):
        parse_net(text)


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"epochs": -1}, "epochs=-1"),
        ({"batch_size": 0}, "batch_size=0"),
        ({"nets": ()}, "at least one net"),
        ({"nets": ("discrete+relu",) * 2}, "each once"),
        ({"epochs": 0}, "nothing to train"),
        ({"epochs": 0, "multi_epochs": 1}, "scale channels"),
        ({"poolings": ()}, "poolings"),
        ({"model": ModelConfig(sigmas=(1.0, -1.0))}, "positive"),
    ],
)
def test_impossible_recipes_are_refused(changes, words):
    with pytest.raises(UserError, match=words):
        validate(dataclasses.replace(Recipe(), **changes))


def test_training_sizes_scale_the_single_channel_and_name_the_members():
    recipe = recipes.find("gaussdernet_mnist_large_scale").recipe
    found = members(recipe)
    assert [member.slug for member in found] == [
        f"discrete-relu-size{size}p000" for size in (1, 2, 4)
    ]
    sigmas = [stages(recipe, member)[0].sigmas for member in found]
    assert sigmas == [(1.0,), (2.0,), (4.0,)]
    assert all(stages(recipe, member)[1].start == "single" for member in found)
    assert all(len(stages(recipe, member)[1].sigmas) == 8 for member in found)


def test_from_scratch_without_a_single_stage():
    recipe = dataclasses.replace(
        recipes.find("gaussdernet_mnist_large_scale").recipe,
        epochs=0,
        multi_from="scratch",
    )
    validate(recipe)
    (stage,) = stages(recipe, members(recipe)[0])
    assert (stage.name, stage.start) == ("multi", None)


@pytest.mark.parametrize("name", DISCRETISATIONS)
@pytest.mark.parametrize("activation", ACTIVATIONS[:1])
def test_every_flavour_builds_a_network(name, activation):
    recipe = Recipe(nets=(f"{name}+{activation}",))
    (member,) = members(recipe)
    model = build_model(recipe, member, (1.0,))
    assert type(model.discretisation).__name__ == DISCRETISATIONS[name]


def test_every_activation_exists():
    import flax.linen

    assert all(hasattr(flax.linen, name) for name in ACTIVATIONS)


def test_scale_dropout_and_precision_reach_the_network():
    model = ModelConfig(scale_dropout=0.3, sigmas=(1.0, 2.0))
    recipe = Recipe(model=model, precision="bfloat16")
    (member,) = members(recipe)
    assert build_model(recipe, member, (1.0, 2.0)).scale_dropout == 0.3
    assert build_model(recipe, member, (1.0,)).scale_dropout == 0.0
    assert build_model(recipe, member, (1.0,)).dtype is jnp.bfloat16
