import dataclasses

import pytest

from gdjax_train import recipes, variants
from gdjax_train.errors import UserError
from gdjax_train.members import build_model, member_recipe, members, networks, stages
from gdjax_train.recipe import DataConfig, Recipe
from gdjax_train.validation import validate


BASE = recipes.find("gaussderresnet_fashion_mnist_pretrained").recipe
# Of networks without scale channels.
UNET = recipes.find("njet_multi_scale_fashion_mnist").recipe
LEVELS = {name for name in variants.VARIANTS if name.startswith("levels")}
OTHERS = LEVELS | set(variants.NJET_VARIANTS)


def member_of(*names, base=BASE):
    recipe = dataclasses.replace(base, nets=("+".join(("discrete", "relu", *names)),))
    validate(recipe)
    member = members(recipe)[0]  # of the first training size
    return recipe, member


@pytest.mark.parametrize("name", sorted(set(variants.VARIANTS) - OTHERS))
def test_every_variant_builds_and_is_named(name):
    recipe, member = member_of(name)
    slug = f"-{name}".replace(".", "p")
    assert member.name.endswith(f"+{name}") and member.slug.endswith(slug)
    assert build_model(recipe, member, (1.0, 2.0)).sigmas == (1.0, 2.0)
    assert variants.VARIANTS[name].__doc__


@pytest.mark.parametrize("name", sorted(OTHERS))
def test_every_variant_of_njets_builds(name):
    recipe, member = member_of(name, base=UNET)
    changed = member_recipe(recipe, member)
    assert variants.VARIANTS[name].__doc__
    assert build_model(recipe, member, ()).widths == changed.model.widths


def test_variants_change_the_network():
    recipe, member = member_of("separable", "zero-order")
    model = build_model(recipe, member, (1.0,))
    assert model.separable_from == 5 and model.zero_order
    assert type(model).__name__ == "GaussDerResNet"
    recipe, member = member_of("plain")
    assert type(build_model(recipe, member, (1.0,))).__name__ == "GaussDerNet"
    assert not build_model(*member_of("zero-order", "no-zero-order"), (1.0,)).zero_order


def test_scratch_trains_as_many_epochs_in_all_channels():
    recipe, member = member_of("scratch")
    (stage,) = stages(recipe, member)
    assert (stage.name, stage.start, stage.epochs) == ("multi", None, 32)
    assert (stage.batch_size, stage.learning_rate) == (64, 0.01)
    assert [network.label for network in networks(recipe, member)] == ["6 channels"]


def test_a_pooling_is_trained_and_evaluated_with():
    recipe, member = member_of("logsumexp", "hard-labels")
    own = member_recipe(recipe, member)
    assert own.poolings == ("logsumexp",) and own.model.scale_pooling == "logsumexp"
    assert own.loss.label_smoothing == 0 and recipe.loss.label_smoothing == 0.1


def test_published_stages_of_the_pretraining():
    recipe, member = member_of()
    first, second = stages(recipe, member)
    assert (first.epochs, first.batch_size, first.learning_rate) == (16, 128, 0.01)
    assert (second.epochs, second.batch_size, second.learning_rate) == (16, 64, 0.005)
    assert second.start == "single" and len(second.sigmas) == 6


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"nets": ("discrete+relu+seperable",)}, "'separable'"),
        ({"nets": ("discrete+relu+separable",), "model": Recipe().model}, "residual"),
        ({"model": {"separable_from": 9}}, "separable_from=9.*1 to 8"),
        ({"model": {"separable_from": 0}}, "separable_from=0"),
        ({"model": {"widths": (8,)}}, "widths=.8,."),
        ({"model": {"family": "gaussdernet", "separable_from": 1}}, "residual blocks"),
        ({"data": DataConfig(with_validation=True, validation_images=5)}, "validat"),
        ({"augment": {"hue": 0.7}}, "hue=0.7"),
    ],
)
def test_impossible_combinations_are_refused(changes, words):
    for name, value in changes.items():
        if isinstance(value, dict):
            value = dataclasses.replace(getattr(BASE, name), **value)
        changes = {**changes, name: value}
    with pytest.raises(UserError, match=words):
        validate(dataclasses.replace(BASE, **changes))
