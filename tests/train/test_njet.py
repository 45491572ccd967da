"""Networks of [njet] in the loop: sizes between epochs, rates, penalties, results."""

import dataclasses
import json
import typing

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from gdjax.layers import LearnedSigma
from gdjax_train import evaluation, loop, njet, njet_evaluation, recipes, splits
from gdjax_train.augment_config import AugmentConfig
from gdjax_train.errors import UserError
from gdjax_train.losses import make_loss, penalty
from gdjax_train.members import Member, build_model, members, parse_net
from gdjax_train.njet import NJetConfig
from gdjax_train.optimizer import make_optimizer, make_schedule
from gdjax_train.recipe import (
    DataConfig,
    LossConfig,
    ModelConfig,
    OptimizerConfig,
    Recipe,
    from_dict,
    to_dict,
)
from gdjax_train.resolution import Resolution
from gdjax_train.splits import Source, source
from gdjax_train.step import accuracy
from gdjax_train.validation import validate


class Examples(typing.NamedTuple):
    """Like `gdjax.data.Examples`."""

    image: np.ndarray
    label: np.ndarray


def _images(count, labels=None, side=12):
    generator = np.random.default_rng(count)
    image = generator.integers(0, 256, (count, side, side, 1), np.uint8)
    if labels is None:
        labels = generator.integers(0, 3, count).astype(np.int32)
    return Examples(image, labels)


def _masks(count, side=12):
    masks = np.random.default_rng(count).integers(0, 3, (count, side, side), np.uint8)
    masks[:, 0] = 255
    return masks


@pytest.fixture
def small():
    """One epoch is four steps."""
    return Recipe(
        epochs=3,
        batch_size=4,
        nets=("njet+relu", "3x3+relu"),
        data=DataConfig(name="stand_in", train_images=16),
        model=ModelConfig(family="njet_toy", widths=(2, 3), num_classes=3, order=2),
        checkpoint_every=2,
        log_every=2,
    )


@pytest.fixture
def data(monkeypatch):
    """Sets what every split is, but its size."""

    def use(make):
        def load(source, *, data_dir, limit=None):
            return splits.enlarged(make(limit or 8), source.enlarged)

        monkeypatch.setattr(splits, "load_split", load)
        monkeypatch.setattr(splits, "load_factor", lambda *_, **__: make(8))

    use(_images)
    return use


def test_a_run_is_trained_and_evaluated(small, data, open_run):
    sized = dataclasses.replace(small.data, train_sizes=(1.5,), enlarge=True)
    validate(small := dataclasses.replace(small, data=sized, epochs=1))
    session, _ = open_run(small)
    loop.train(session)
    result = evaluation.evaluate(session, evaluation.Choices(), command="x")
    names = [row["name"] for row in result["rows"]]
    assert names == ["njet+relu, size 1.5", "3x3+relu, size 1.5"]
    first = result["rows"][0]
    assert list(first["sigmas"]) == ["conv_1", "conv_2"]
    assert all(0.25 < sigma < 16 for sigma in first["sigmas"].values())
    assert first["sizes"] == [[18, 18]] * 2  # 1.5 times 12
    assert result["rows"][1]["sigmas"] == {}
    assert json.loads((session.run.path / "evaluation.json").read_text()) == result
    for name in ("scores", "learned_sigmas", "feature_map_sizes"):
        assert (session.run.path / f"{name}.png").stat().st_size > 1000
    with pytest.raises(UserError, match="no scale channels"):
        choices = evaluation.Choices(factors=(2.0,))
        evaluation.evaluate(session, choices, command="x")


def test_initial_weights_and_sigmas_are_those_of_the_recipe(small):
    def start(**values):
        model = dataclasses.replace(small.model, njet=NJetConfig(**values))
        recipe = dataclasses.replace(small, model=model)
        net = build_model(recipe, members(recipe)[0], ())
        params = net.init(jax.random.key(0), np.zeros((1, 12, 12, 1)))["params"]
        return params, njet.learned_sigmas(params, model.njet.bounds)

    (he, _), (wide, sigmas) = start(), start(gain=2.0, sigma=3.0)
    for layer in ("conv_1", "conv_2"):
        np.testing.assert_allclose(
            wide[layer]["kernel"], 2 * he[layer]["kernel"], rtol=1e-6
        )
        np.testing.assert_allclose(sigmas[layer], 3.0, rtol=1e-5)


def test_segmentations_are_trained_and_evaluated(small, data, open_run):
    data(lambda count: _images(count, _masks(count)))
    model = dataclasses.replace(small.model, family="njet_unet")
    loss = LossConfig(class_weights="inverse_frequency")
    small = dataclasses.replace(
        small, model=model, loss=loss, epochs=1, nets=("3x3+relu",)
    )
    augment = AugmentConfig(horizontal_flip=0.5, scale=(0.8, 1.25), crop_padding=1)
    small = dataclasses.replace(small, augment=augment)
    small = dataclasses.replace(
        small, data=dataclasses.replace(small.data, validation_images=4)
    )
    validate(small)
    session, text = open_run(small)
    loop.train(session)
    result = evaluation.evaluate(session, evaluation.Choices(), command="x")
    assert len(result["rows"][0]["iou"]) == 3
    assert 0 <= result["rows"][0]["mean_iou"] <= 1
    assert (session.run.path / "segmentation_size1.png").exists()
    assert any("validation_accuracy" in row for row in session.run.metrics())
    evaluation.print_table(session.console, result)
    assert "mean IoU %" in text()


def _safe(small):
    model = dataclasses.replace(
        small.model, family="njet_allcnn", njet=NJetConfig(subsampling="safe", r=8.0)
    )
    return dataclasses.replace(small, model=model, nets=("njet+relu",))


def test_sizes_are_planned_before_every_epoch_and_kept(
    small, data, open_run, monkeypatch
):
    small = _safe(small)
    plans = [(10, 8, 8, 6, 4), (10, 8, 8, 6, 4), (10, 8, 6, 4, 4)]
    asked = []

    def plan_sizes(model, member, params, side, previous):
        if params is None:  # before there is a plan
            return plans[0]
        asked.append(previous)
        return plans[len(asked) - 1]

    monkeypatch.setattr(njet, "plan_sizes", plan_sizes)
    compiled = []
    compile_step = loop.compile_step

    def stand_in(model, *arguments, **fields):
        compiled.append(model.sizes)
        return compile_step(_Small(), *arguments, **fields)

    monkeypatch.setattr(loop, "compile_step", stand_in)
    monkeypatch.setattr(loop, "_fresh_state", _small_state(loop._fresh_state))
    session, _ = open_run(small)
    stop = RuntimeError("stopped")
    _fail_at(monkeypatch, 10, stop)
    with pytest.raises(RuntimeError):
        loop.train(session)
    assert compiled == [(10, 8, 8, 6, 4), (10, 8, 6, 4, 4)]
    assert asked == [None, *plans[:2]]
    stored = json.loads(
        (session.run.path / "resolution" / "njet-relu.json").read_text()
    )
    assert [tuple(sizes) for sizes in stored] == plans
    # A resumed run goes on with the plan of the epoch that it stopped in.
    resolution = Resolution(session.run, small, Member("njet", "relu"), 12)
    assert resolution.before(1, None) == plans[1]
    assert resolution.now() == plans[1] and resolution.compilations() == 1


def _fail_at(monkeypatch, step, error):
    advance = loop.Journal.add
    count = [0]

    def add(journal, metrics):
        count[0] += 1
        if count[0] == step:
            raise error
        advance(journal, metrics)

    monkeypatch.setattr(loop.Journal, "add", add)


class _Small:
    """Stands in for a network that would take long to compile."""

    def apply(self, variables, x, *, train, mutable, rngs):
        logits = x.mean((1, 2)) @ variables["params"]["kernel"]
        return (logits, {}), {"batch_stats": {}}


def _small_state(fresh):
    def make(plan, variables=None):
        start = {"params": {"kernel": jnp.ones((1, 3))}}
        return fresh(plan, start)

    return make


def test_safe_plans_follow_the_sigmas(small):
    small = _safe(small)
    member = Member("njet", "relu")
    start = njet.plan_sizes(small.model, member, None, 32, None)
    assert start == (30, 26, 24, 22, 20)  # 32 2^(-k / 8), to even sides
    # A logit of 0 is the middle of the bounds on a log scale: 2 px.
    params = {f"conv_{k}": {"sigma": {"logit": np.zeros(())}} for k in range(1, 6)}
    assert njet.plan_sizes(small.model, member, params, 32, start) == (
        26,
        22,
        20,
        16,
        14,
    )
    assert njet.plan_sizes(small.model, member, None, 32, start) == start
    tiny = dataclasses.replace(small.model, njet=NJetConfig(subsampling="safe", r=0.1))
    with pytest.raises(UserError, match="below 1 px.*larger `r`"):
        njet.plan_sizes(tiny, member, None, 32, None)
    full = dataclasses.replace(small.model, njet=NJetConfig())
    assert njet.plan_sizes(full, member, None, 32, None) == ()


def test_learned_sigmas_are_those_of_the_layers(small):
    model = build_model(small, Member("njet", "relu"), ())
    params = model.init(jax.random.key(0), jnp.zeros((1, 8, 8, 1)))["params"]
    params["conv_2"]["sigma"]["logit"] = jnp.array(0.7)
    found = njet.learned_sigmas(params, (0.25, 16.0))
    expected = LearnedSigma().apply({"params": {"logit": jnp.array(0.7)}})
    np.testing.assert_allclose(found["conv_1"], 1.0, rtol=1e-6)
    np.testing.assert_allclose(found["conv_2"], expected)
    many = {f"conv_{k}": {"sigma": {"logit": np.zeros(())}} for k in (10, 2, 1)}
    assert list(njet.learned_sigmas(many, (0.25, 16.0))) == [
        "conv_1",
        "conv_2",
        "conv_10",
    ]


def test_sigmas_have_a_rate_of_their_own_and_no_decay():
    params = {"kernel": jnp.ones((2, 3, 4)), "sigma": {"logit": jnp.array(1.0)}}
    gradient = jax.tree.map(jnp.ones_like, params)
    schedule = optax.constant_schedule(0.1)
    for name in ("sgd", "adam", "adamw"):
        steps = {}
        for rate in (1.0, 5.0):
            config = OptimizerConfig(name=name, sigma_rate=rate, weight_decay=0.5)
            optimizer = make_optimizer(config, schedule)
            steps[rate], _ = optimizer.update(gradient, optimizer.init(params), params)
        logit = {rate: step["sigma"]["logit"] for rate, step in steps.items()}
        np.testing.assert_allclose(logit[5.0], 5 * logit[1.0], rtol=1e-6)
        # Adam divides by the root of a mean of squares, in float32.
        np.testing.assert_allclose(logit[1.0], -0.1, rtol=1e-5)
        np.testing.assert_array_equal(steps[1.0]["kernel"], steps[5.0]["kernel"])


def test_the_rate_falls_in_steps():
    config = OptimizerConfig(name="sgd", drops=(2, 3))
    rate = make_schedule(config, learning_rate=0.5, steps=40, steps_per_epoch=10)
    found = [float(rate(step)) for step in (0, 19, 21, 29, 31, 39)]
    np.testing.assert_allclose(found, [0.5, 0.5, 0.05, 0.05, 0.005, 0.005], rtol=1e-6)
    both = dataclasses.replace(config, warmup_epochs=1)
    with pytest.raises(UserError, match="`drops` and `warmup_epochs`"):
        make_schedule(both, learning_rate=0.5, steps=40, steps_per_epoch=10)


def test_the_penalty_is_on_convolutions_and_has_a_gradient():
    params = {
        "conv": {
            "kernel": jnp.full((2, 3, 4), 2.0),
            "sigma": {"logit": jnp.array(3.0)},
        },
        "dense": {"kernel": jnp.ones((3, 4))},
        "norm": {"scale": jnp.ones(4)},
    }
    value, gradient = jax.value_and_grad(penalty)(params, 0.1)
    np.testing.assert_allclose(value, 0.05 * 24 * 4, rtol=1e-6)
    np.testing.assert_allclose(gradient["conv"]["kernel"], 0.2, rtol=1e-6)
    assert not any(np.any(leaf) for leaf in jax.tree.leaves(gradient["dense"]))
    assert not np.any(gradient["conv"]["sigma"]["logit"])


def test_the_loss_of_pixels_is_weighted_and_leaves_the_ignored_out():
    generator = np.random.default_rng(0)
    logits = generator.normal(size=(2, 4, 5, 3)).astype(np.float32)
    labels = generator.integers(0, 3, (2, 4, 5)).astype(np.uint8)
    labels[0, :2] = 255
    weights = np.array([0.5, 1.0, 4.0], np.float32)
    total = norm = 0.0
    for place in np.ndindex(labels.shape):
        if labels[place] != 255:
            row = np.float64(logits[place])
            each = np.log(np.exp(row).sum()) - row[labels[place]]
            total += weights[labels[place]] * each
            norm += weights[labels[place]]
    found = make_loss(LossConfig(), weights)(jnp.asarray(logits), jnp.asarray(labels))
    np.testing.assert_allclose(found, total / norm, rtol=1e-5)
    nothing = np.full(labels.shape, 255, np.uint8)
    assert make_loss(LossConfig())(jnp.asarray(logits), jnp.asarray(nothing)) == 0
    right = (logits.argmax(-1) == labels)[labels != 255].mean()
    np.testing.assert_allclose(accuracy(jnp.asarray(logits), labels), right, rtol=1e-6)


def test_images_are_enlarged_as_pillow_does():
    row = np.arange(0, 160, 40, dtype=np.uint8)
    images = np.broadcast_to(row[None, None, :, None], (1, 4, 4, 1))
    found = splits.enlarged(Examples(images, np.zeros(1)), 2.0).image
    assert found.shape == (1, 8, 8, 1)
    # Half-pixel centres: 10 px and 30 px between 0 and 40.
    np.testing.assert_array_equal(found[0, 4, :, 0], [0, 10, 30, 50, 70, 90, 110, 120])


def test_sources_of_training_sizes():
    member = Member("njet", "relu", (), 2.0)
    data = DataConfig(name="mnist", train_sizes=(2.0,), enlarge=True)
    assert source(data, "train", member) == Source("mnist", "train", 2.0)
    data = DataConfig(name="garments/scale{size}", train_sizes=(2.0,))
    assert source(data, "train", member) == Source("garments/scale2", "train")
    data = DataConfig(name="rescaled", train_sizes=(2.0,))
    assert source(data, "train", member).split == "train_scale_2p000"


@pytest.mark.parametrize(
    "name", [name for name in recipes.RECIPES if name.startswith("njet_")]
)
def test_recipes_build_their_networks(name):
    recipe = recipes.RECIPES[name].recipe
    validate(recipe)
    assert from_dict(json.loads(json.dumps(to_dict(recipe)))) == recipe
    for member in members(recipe):
        sizes = njet.plan_sizes(_model_of(recipe, member), member, None, 64, None)
        assert build_model(recipe, member, (), sizes).num_classes in (10, 11)


def _model_of(recipe, member):
    from gdjax_train.members import member_recipe

    return member_recipe(recipe, member).model


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"nets": ("3x+relu",)}, "3x3"),
        ({"multi_epochs": 2}, "no scale channels"),
        ({"nets": ("njet+relu+safe", "3x3+relu+safe")}, "goes by learned sigmas"),
        ({"model": ModelConfig(), "nets": ("3x3+relu",)}, r"\[njet\] alone know"),
        ({"model": ModelConfig(), "nets": ("discrete+relu+safe",)}, "needs a network"),
        ({"nets": ("njet+relu+levels5",), "model": ModelConfig(
            family="njet_unet", widths=(1, 2, 4, 8, 16))}, "has 5 already"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(small, changes, message):
    with pytest.raises(UserError, match=message):
        validate(dataclasses.replace(small, **changes))


def test_variants_and_names():
    assert parse_net("11x11+relu") == ("11x11", "relu", ())
    assert Member("njet", "relu", ("sigma0.5",)).slug == "njet-relu-sigma0p5"
    recipe = recipes.RECIPES["njet_receptive_fields"].recipe
    widths = [_model_of(recipe, member).widths for member in members(recipe)]
    assert widths[-2:] == [(32, 64, 128, 256), (16, 32, 64, 128, 256)]
    fixed = recipes.RECIPES["njet_fixed_sigmas"].recipe
    kinds = [_model_of(fixed, member).njet for member in members(fixed)]
    assert [k.sigma for k in kinds] == [0.5, 1, 2] * 2
    assert [k.subsampling for k in kinds] == ["published"] * 3 + ["safe"] * 3
    assert not any(k.learn_sigma for k in kinds)


def test_tables_show_scores_and_sigmas(open_run, small):
    row = {
        "name": "njet+relu", "accuracy": 0.875, "parameters": 1234, "compilations": 2,
        "sigmas": {"conv_1": 1.5, "conv_2": [1.0, 2.0, 4.0]},
    }  # fmt: skip
    session, text = open_run(small)
    njet_evaluation.print_table(session.console, {"rows": [row]})
    assert "87.50" in text() and "1,234" in text() and "1.50 2.00" in text()
