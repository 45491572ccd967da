import dataclasses
import functools

import jax
import jax.numpy as jnp
import pytest

from gdjax.models import FAMILIES
from gdjax_train import ablations, recipes
from gdjax_train.data import source
from gdjax_train.errors import UserError
from gdjax_train.recipe import DataConfig, Recipe
from gdjax_train.scale_distribution import ScaleDistribution
from gdjax_train.trials import build, trials
from gdjax_train.validation import validate


BASE = recipes.find("gaussderresnet_fashion_mnist_pretrained").recipe
# Of networks without scale channels.
UNET = recipes.find("njet_multi_scale_fashion_mnist").recipe
TOY = recipes.find("scale_learning_ranges").recipe
LEVELS = {name for name in ablations.ABLATIONS if name.startswith("levels")}
SCALE_SPACES = {"no-interaction", "same-parameters", "same-channels"}
ROWS = {"dss": "s_convnet", "disco": "disco"}
# Tested with rows of their own below, or in values_of_njets.py.
ELSEWHERE = {*ROWS, "untied"}
STEERABLE = {
    "fixed-scales",
    "range-form",
    "unpruned",
    *(f"learned-{name}" for name in ablations.LEARNED),
}
OTHERS = LEVELS | set(ablations.LAYERS)


def trial_of(*names, base=BASE):
    recipe = dataclasses.replace(base, nets=("+".join(("discrete", "relu", *names)),))
    validate(recipe)
    return trials(recipe)[0]  # of the first training size


def network_of(*names, sigmas=(1.0,)):
    return build(trial_of(*names).recipe.model.at_scales(sigmas), "float32")


@pytest.mark.parametrize(
    "name",
    sorted(set(ablations.ABLATIONS) - OTHERS - SCALE_SPACES - STEERABLE - ELSEWHERE),
)
def test_every_ablation_builds_and_is_named(name):
    trial = trial_of(name)
    slug = f"-{name}".replace(".", "p")
    assert trial.name.endswith(f"+{name}") and trial.slug.endswith(slug)
    assert network_of(name, sigmas=(1.0, 2.0)).sigmas == (1.0, 2.0)
    assert ablations.ABLATIONS[name].__doc__


# The U-Net is never subsampled: network in network has what it lacks.
SUBSAMPLED = {"full-size", "published", "safe", "r2", "r4", "r6"}
NIN = recipes.find("njet_cifar10").recipe


@pytest.mark.parametrize("name", sorted(OTHERS))
def test_every_ablation_of_njets_builds(name):
    base = NIN if name in SUBSAMPLED else UNET
    model = trial_of(name, base=base).recipe.model
    assert ablations.ABLATIONS[name].__doc__
    plan = model.plan(None, side=32, previous=None)
    assert build(model, "float32", plan).num_classes == model.num_classes


def test_baselines_of_deep_scale_spaces():
    base = recipes.find("dss_cityscapes").recipe
    own, plain = trial_of(base=base), trial_of("same-channels", base=base)
    assert not trial_of("no-interaction", base=base).recipe.model.interaction
    assert plain.recipe.model.levels == 1
    counts = [
        sum(leaf.size for leaf in jax.tree.leaves(parameters(trial.recipe.model)))
        for trial in (own, trial_of("same-parameters", base=base))
    ]
    assert counts[1] == pytest.approx(counts[0], rel=0.02)


@pytest.mark.parametrize("name", sorted(STEERABLE))
def test_scales_of_steerable_networks(name):
    recipe = "number_small" if name == "unpruned" else "mnist_scale"
    base = recipes.find(f"scale_learning_{recipe}").recipe
    model = trial_of(name, base=base).recipe.model
    if name == "unpruned":
        assert base.model.prune and not model.prune
    elif name == "range-form":
        assert model.form == "range" and model.learned == "isr"
    else:
        learned = model.learned
        assert name == (f"learned-{learned}" if learned else "fixed-scales")


def test_names_that_end_in_a_number():
    trial = trial_of("up-to-2.83", "sigma-basis-1", "isr-4.76", base=TOY)
    assert trial.slug.startswith("discrete-relu-up-to-2p83-sigma-basis-1-isr-4p76")
    model, data = trial.recipe.model, trial.recipe.data
    assert (model.sigma, model.isr) == (1.0, 4.76)
    assert data.scales == ScaleDistribution("log_uniform", low=1.0, high=2.83)
    # E[s^2] = (2.83^2 - 1) / (2 log 2.83) = 3.37 times 28^2 / 168^2 of the canvas.
    assert trial.recipe.preprocessing.mean == pytest.approx((0.0122,), abs=1e-4)
    # What is loaded differs in these sizes.
    assert source(trial, "train").scales == data.scales


def test_training_by_numbers():
    own = trial_of("batch-24", "l2-0.5", "warmup-1.5", "channel-loss-0.25")
    assert own.recipe.loss.channels == 0.25
    assert [phase.batch_size for phase in own.phases] == [24, 24]
    assert (own.recipe.loss.l2, own.recipe.optimizer.warmup_epochs) == (0.5, 1.5)


@pytest.mark.parametrize(
    ("name", "base", "words"),
    [
        ("batch-0", BASE, "`batch-0`: give a whole number"),
        ("batch-1.5", BASE, "`batch-1.5`: give a whole number"),
        ("isr-x", BASE, "ablation 'isr-x'.*'isr-2'"),
        ("isr-1e3", BASE, "ablation 'isr-1e3'"),
        ("isr-2", BASE, "`isr-2` needs a network with `isr`"),
        ("up-to-2", BASE, "`up-to-2` needs images on a canvas"),
        ("isr-1", TOY, "`isr=1.0` must be greater"),
        ("up-to-0.5", TOY, "high=0.5"),
    ],
)
def test_numbers_that_cannot_be(name, base, words):
    with pytest.raises(UserError, match=words):
        trial_of(name, base=base)


@pytest.mark.parametrize("name", sorted(ROWS))
def test_rows_beside_steerable_networks(name):
    base = recipes.find("scale_learning_mnist_scale").recipe
    model = dataclasses.replace(base.model, widths=(4, 5), sigma=1.7, mult=1.2)
    own = trial_of(name, base=dataclasses.replace(base, model=model)).recipe.model
    assert own == FAMILIES[ROWS[name]](widths=(4, 5), discretisation="discrete")
    with pytest.raises(UserError, match="needs a network with `hidden`"):
        trial_of(name)


def parameters(model):
    image = jax.ShapeDtypeStruct((1, 96, 96, 3), jnp.float32)
    run = functools.partial(model.build().init, jax.random.key(0))
    return jax.eval_shape(run, image)["params"]


def test_what_a_network_lacks_is_not_ablated():
    with pytest.raises(UserError, match="`same-channels` needs a network with"):
        trial_of("same-channels")
    with pytest.raises(UserError, match="`safe` needs a network with `subsampling`"):
        trial_of("safe", base=UNET)


def test_ablations_change_the_network():
    for place in ("sum", "branch"):
        assert network_of(f"activate-{place}").activate == place
    model = network_of("separable", "zero-order")
    assert model.separable_from == 5 and model.zero_order
    assert type(model).__name__ == "GaussDerResNet"
    assert type(network_of("plain")).__name__ == "GaussDerNet"
    assert not network_of("zero-order", "no-zero-order").zero_order


def test_scratch_trains_as_many_epochs_in_all_channels():
    trial = trial_of("scratch")
    (phase,) = trial.phases
    assert (phase.name, phase.start, phase.epochs) == ("multi", None, 32)
    assert (phase.batch_size, phase.learning_rate) == (64, 0.01)
    assert [network.label for network in trial.networks()] == ["6 channels"]


def test_a_pooling_is_trained_and_evaluated_with():
    own = trial_of("logsumexp", "hard-labels").recipe
    assert own.poolings == ("logsumexp",) and own.model.scale_pooling == "logsumexp"
    assert own.loss.label_smoothing == 0 and BASE.loss.label_smoothing == 0.1


STL = recipes.find("gaussderresnet_stl10").recipe


def test_settings_that_go_along_with_ablations_yield_to_what_is_given():
    def optimizer(*names, base=BASE, **given):
        own = dataclasses.replace(base.optimizer, **given)
        return trial_of(*names, base=dataclasses.replace(base, optimizer=own)).recipe

    assert optimizer("hard-labels").optimizer.weight_decay == 0.05
    given = optimizer("hard-labels", weight_decay=0.1)
    assert given.optimizer.weight_decay == 0.1
    assert trial_of("hard-labels", base=STL).recipe.optimizer == STL.optimizer
    folder = dataclasses.replace(BASE, data=DataConfig(folder="pictures"))
    assert trial_of("hard-labels", base=folder).recipe.optimizer == BASE.optimizer
    # A rate that is named, too, holds; so does a length.
    for names in (("separable", "rate0.01"), ("rate0.01", "separable")):
        assert trial_of(*names, base=STL).phases[-1].learning_rate == 0.01
    shorter = dataclasses.replace(STL, multi_epochs=50)
    (phase,) = trial_of("separable", base=shorter).phases
    assert (phase.epochs, phase.learning_rate) == (50, 0.01)


def test_one_channel_is_trained_as_long_as_all():
    (phase,) = trial_of("one-channel").phases
    assert (phase.name, phase.start, phase.epochs) == ("single", None, 32)
    assert (phase.batch_size, phase.learning_rate) == (64, 0.01)
    rows = trial_of("one-channel", base=STL).networks()
    assert [row.label for row in rows] == ["one channel"]
    with pytest.raises(UserError, match="`one-channel` needs a network with `sigmas`"):
        trial_of("one-channel", base=UNET)


def test_published_phases_of_the_pretraining():
    first, second = trial_of().phases
    assert (first.epochs, first.batch_size, first.learning_rate) == (16, 128, 0.01)
    assert (second.epochs, second.batch_size, second.learning_rate) == (16, 64, 0.005)
    assert second.start == "single" and len(second.model.sigmas) == 6


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"nets": ("discrete+relu+seperable",)}, "'separable'"),
        (
            {"nets": ("discrete+relu+separable",), "model": Recipe().model},
            "separable_from.*gaussdernet has not",
        ),
        ({"model": {"separable_from": 9}}, "separable_from=9.*1 to 8"),
        ({"model": {"separable_from": 0}}, "separable_from=0"),
        ({"model": {"widths": (8,)}}, "widths=.8,."),
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
