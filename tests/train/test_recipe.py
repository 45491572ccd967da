import dataclasses
import json

import jax
import jax.numpy as jnp
import pytest

from gdjax.models import GaussDerNetConfig
from gdjax.models.names import DISCRETISATIONS
from gdjax_train import recipes
from gdjax_train.errors import UserError
from gdjax_train.recipe import (
    DataConfig,
    OptimizerConfig,
    Recipe,
    ScaleSchedule,
)
from gdjax_train.recipe_files import differences, from_dict, to_dict
from gdjax_train.trials import build, parse_net, trials
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
    assert type(from_dict(values | {"epochs": 0.5}).epochs) is float


def test_a_recipe_of_another_version_is_refused():
    values = to_dict(Recipe()) | {"colour": "red"}
    with pytest.raises(UserError, match="another version.*colour"):
        from_dict(values)


def test_differences_are_named_with_their_path():
    new = dataclasses.replace(Recipe(), epochs=3, model=GaussDerNetConfig(order=3))
    assert differences(Recipe(), new) == ["epochs=3 (was 8)", "model.order=3 (was 2)"]


def test_default_recipe_is_the_digits_with_four_networks():
    recipe = recipes.find(recipes.DEFAULT).recipe
    assert recipe.data.name == "rescaled_digits"
    rows = [net for trial in trials(recipe) for net in trial.networks()]
    assert [len(net.sigmas) for net in rows] == [1, 5, 1, 5]
    assert {net.phase for net in rows} == {"single"}


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
        (
            {"model": GaussDerNetConfig(sigmas=(1.0, -1.0))},
            "model.sigmas=.1.0, -1.0.*positive",
        ),
        ({"model": GaussDerNetConfig(discretisation="spectral")}, "named by --nets"),
        ({"model": GaussDerNetConfig(sigmas=(0.0, 1.0))}, "positive"),
        ({"model": GaussDerNetConfig(single_sigma=-1.0)}, "model.single_sigma=-1.0"),
        (
            {"initial_weights": "a", "backbone_weights": "b"},
            "initial_weights=a.*leave `backbone_weights=b` out",
        ),
        ({"single_pyramid": 0.0}, "single_pyramid=0.0.*positive"),
        ({"multi_sigmas": (1.0, 1.0)}, "multi_sigmas=.1.0, 1.0.*each once"),
        ({"seeds": (1, 1)}, "each seed once"),
        ({"seeds": (0, -1)}, "seeds=-1"),
        ({"data": DataConfig(test_images=0)}, "data.test_images=0"),
        ({"data": DataConfig(train_sizes=(0.0,))}, "data.train_sizes=0.0"),
        ({"eval_factors": (-1.0,)}, "eval_factors=-1.0"),
        ({"multi_batch_size": 0}, "multi_batch_size=0"),
        ({"optimizer": OptimizerConfig(learning_rate=0.0)}, "learning_rate=0.0"),
        ({"optimizer": OptimizerConfig(clip_norm=-1.0)}, "clip_norm=-1.0"),
        ({"optimizer": OptimizerConfig(ema_decay=2.0)}, "ema_decay=2.0"),
        ({"optimizer": OptimizerConfig(warmup_epochs=8)}, "warmup_epochs=8"),
        ({"optimizer": OptimizerConfig(drops=(5, 1))}, "ascending"),
        ({"optimizer": OptimizerConfig(drops=(1,), warmup_epochs=2)}, "after the warm"),
        (
            {"optimizer": OptimizerConfig(scales=ScaleSchedule(learning_rate=0.1))},
            "no net learns scales",
        ),
        ({"seeds": (1,), "seed": 2}, "not both"),
        ({"data": DataConfig(realisations=(1, 2))}, "realisation"),
        ({"data": DataConfig("x{realisation}")}, "needs them"),
        ({"evaluated": "best"}, "validation-images"),
        ({"optimizer": OptimizerConfig(drop_factor=2.0)}, "drop_factor=2.0"),
        (
            {"optimizer": OptimizerConfig(scales=ScaleSchedule(drops=(1,)))},
            "without a learning rate",
        ),
        (
            {
                "optimizer": OptimizerConfig(
                    sigma_rate=2.0, scales=ScaleSchedule(learning_rate=0.1)
                )
            },
            "leave one",
        ),
    ],
)
def test_impossible_recipes_are_refused(changes, words):
    with pytest.raises(UserError, match=words):
        validate(dataclasses.replace(Recipe(), **changes))


def test_training_sizes_scale_the_single_channel_and_name_the_trials():
    recipe = recipes.find("gaussdernet_mnist_large_scale").recipe
    found = trials(recipe)
    assert [trial.slug for trial in found] == [
        f"discrete-relu-size{size}p000" for size in (1, 2, 4)
    ]
    sigmas = [trial.phases[0].model.sigmas for trial in found]
    assert sigmas == [(1.0,), (2.0,), (4.0,)]
    assert all(trial.phases[1].start == "single" for trial in found)
    assert all(len(trial.phases[1].model.sigmas) == 8 for trial in found)
    wider = trials(dataclasses.replace(recipe, multi_sigmas=(0.5, 1.0)))
    sigmas = [trial.phases[1].model.sigmas for trial in wider]
    assert sigmas == [(0.5, 1.0), (1.0, 2.0), (2.0, 4.0)]
    assert all(trial.phases[1].saved == trial.networks()[1].model for trial in wider)


def test_from_scratch_without_a_single_phase():
    recipe = dataclasses.replace(
        recipes.find("gaussdernet_mnist_large_scale").recipe,
        epochs=0,
        multi_from="scratch",
    )
    validate(recipe)
    (phase,) = trials(recipe)[0].phases
    assert (phase.name, phase.start) == ("multi", None)


@pytest.mark.parametrize("name", DISCRETISATIONS)
def test_every_flavour_builds_a_network(name):
    (trial,) = trials(Recipe(nets=(f"{name}+silu",)))
    model = build(trial.recipe.model, "float32")
    assert model.discretisation == DISCRETISATIONS[name]
    assert model.activation is jax.nn.silu


def test_scale_dropout_and_precision_reach_the_network():
    model = GaussDerNetConfig(scale_dropout=0.3, sigmas=(1.0, 2.0))
    assert build(model, "bfloat16").scale_dropout == 0.3
    alone = build(model.at_scales((1.0,)), "bfloat16")
    assert alone.scale_dropout == 0.0 and alone.dtype == jnp.bfloat16
