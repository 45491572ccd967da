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
from gdjax.models import GaussDerNetConfig
from gdjax.models.njet_classifiers import NJetAllCNNConfig
from gdjax.models.njet_configuration import NJetLayers, SubsampledLayers
from gdjax.models.njet_segmentation import NJetUNetConfig
from gdjax.models.njet_toy import NJetToyConfig
from gdjax_train import (
    data as data_module,
    evaluation,
    loop,
    phases,
    recipes,
    scoring,
    tables,
)
from gdjax_train.augment_config import AugmentConfig
from gdjax_train.batch import Batch
from gdjax_train.data import Source, enlarged, source
from gdjax_train.errors import UserError
from gdjax_train.losses import make_loss, penalty
from gdjax_train.optimizer import make_optimizer, make_schedule
from gdjax_train.recipe import (
    DataConfig,
    LossConfig,
    OptimizerConfig,
    Recipe,
    ScaleSchedule,
)
from gdjax_train.resolution import Plans
from gdjax_train.step import accuracy
from gdjax_train.trials import Trial, build, parse_net, trials
from gdjax_train.validation import validate


SIGMAS = NJetToyConfig.scale_parameters


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
        model=NJetToyConfig(widths=(2, 3), num_classes=3, order=2),
        checkpoint_every=2,
        log_every=2,
    )


@pytest.fixture
def data(monkeypatch):
    """Sets what every split is, but its size."""

    def use(make):
        def load(source, *, data_dir, limit=None):
            return enlarged(make(limit or 8), source.enlarged)

        def load_test(source, factor, *, data_dir, limit=None):
            return enlarged(make(8), source.enlarged)

        monkeypatch.setattr(data_module, "load_split", load)
        monkeypatch.setattr(evaluation, "load_test", load_test)
        monkeypatch.setattr(evaluation, "test_factors", lambda source: ())

    use(_images)
    return use


def test_a_run_is_trained_and_evaluated(small, data, open_run):
    sized = dataclasses.replace(small.data, train_sizes=(1.5,), enlarge=True)
    validate(small := dataclasses.replace(small, data=sized, epochs=1))
    session, _ = open_run(small)
    session.train()
    result = session.evaluate()
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
        session.evaluate(evaluation.Choices(poolings=("mean",)))


def test_initial_weights_and_sigmas_are_those_of_the_recipe(small):
    def start(**values):
        model = dataclasses.replace(small.model, njet=NJetLayers(**values))
        recipe = dataclasses.replace(small, model=model)
        net = build(trials(recipe)[0].recipe.model, "float32")
        params = net.init(jax.random.key(0), np.zeros((1, 12, 12, 1)))["params"]
        return params, model.learned_scales(params)

    (he, _), (wide, sigmas) = start(), start(gain=2.0, sigma=3.0)
    for layer in ("conv_1", "conv_2"):
        np.testing.assert_allclose(
            wide[layer]["kernel"], 2 * he[layer]["kernel"], rtol=1e-6
        )
        np.testing.assert_allclose(sigmas[layer], 3.0, rtol=1e-5)


def test_segmentations_are_trained_and_evaluated(small, data, open_run):
    data(lambda count: _images(count, _masks(count)))
    model = NJetUNetConfig(widths=(2, 3), num_classes=3, order=2)
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
    session.train()
    result = session.evaluate()
    assert len(result["rows"][0]["iou"][0]) == 3
    assert 0 <= result["rows"][0]["mean_iou"][0] <= 1
    assert result["rows"][0]["receptive_field"] == 14
    for name in ("segmentation_size1", "receptive_fields"):
        assert (session.run.path / f"{name}.png").exists()
    assert any("validation_accuracy" in row for row in session.run.metrics())
    tables.print_scores(session.console, result)
    assert "mean IoU %" in text()


def _safe(small):
    layers = SubsampledLayers(subsampling="safe", r=8.0)
    model = NJetAllCNNConfig(num_classes=3, order=2, njet=layers)
    return dataclasses.replace(small, model=model, nets=("njet+relu",))


def test_sizes_are_planned_before_every_epoch_and_kept(
    small, data, open_run, monkeypatch
):
    small = _safe(small)
    plans = [(10, 8, 8, 6, 4), (10, 8, 8, 6, 4), (10, 8, 6, 4, 4)]
    asked = []

    def plan(model, params, *, side, previous):
        if params is None:  # before there is a plan
            return plans[0]
        asked.append(previous)
        return plans[len(asked) - 1]

    monkeypatch.setattr(NJetAllCNNConfig, "plan", plan)
    compiled = []
    compile_step = loop.compile_step

    def stand_in(model, *arguments, **fields):
        compiled.append(model.sizes)
        return compile_step(_Small(), *arguments, **fields)

    monkeypatch.setattr(loop, "compile_step", stand_in)
    monkeypatch.setattr(phases.PhaseTraining, "fresh_state", _small_state)
    session, _ = open_run(small)
    stop = RuntimeError("stopped")
    _fail_at(monkeypatch, 10, stop)
    with pytest.raises(RuntimeError):
        session.train()
    assert compiled == [(10, 8, 8, 6, 4), (10, 8, 6, 4, 4)]
    assert asked == [None, *plans[:2]]
    stored = json.loads(
        (session.run.path / "resolution" / "njet-relu.json").read_text()
    )
    assert [tuple(sizes) for sizes in stored] == plans
    # A resumed run goes on with the plan of the epoch that it stopped in.
    (trial,) = trials(small)
    kept = Plans(session.run, trial, trial.phases[0], side=12)
    assert kept.before(1, None) == plans[1]
    assert kept.now() == plans[1] and kept.compilations() == 1


def _fail_at(monkeypatch, step, error):
    advance = loop.Log.add
    count = [0]

    def add(log, metrics):
        count[0] += 1
        if count[0] == step:
            raise error
        advance(log, metrics)

    monkeypatch.setattr(loop.Log, "add", add)


class _Small:
    """Stands in for a network that would take long to compile."""

    def apply(self, variables, x, *, train, mutable=(), rngs=None):
        logits = x.mean((1, 2)) @ variables["params"]["kernel"]
        return ((logits, {}), {"batch_stats": {}}) if mutable else (logits, {})


def _small_state(work, variables=None):
    start = {"params": {"kernel": jnp.ones((1, 3))}}
    return phases.initial_state(
        None, work.optimizer, jax.random.key(0), image_shape=(), variables=start
    )


def test_safe_plans_follow_the_sigmas(small):
    model = _safe(small).model
    start = model.plan(None, side=32, previous=None)
    assert start == (30, 26, 24, 22, 20)  # 32 2^(-k / 8), to even sides
    # A logit of 0 is the middle of the bounds on a log scale: 2 px.
    params = {f"conv_{k}": {"sigma": {"logit": np.zeros(())}} for k in range(1, 6)}
    grown = model.plan(params, side=32, previous=start)
    assert grown == (26, 22, 20, 16, 14)
    assert model.plan(None, side=32, previous=start) == start
    tiny = dataclasses.replace(model, njet=SubsampledLayers(subsampling="safe", r=0.1))
    with pytest.raises(ValueError, match="below 1 px.*larger `r`"):
        tiny.plan(None, side=32, previous=None)
    full = dataclasses.replace(model, njet=SubsampledLayers())
    assert full.plan(None, side=32, previous=None) == ()


def test_the_best_weights_are_evaluated_with_their_own_plan(
    small, data, open_run, monkeypatch
):
    plans = iter([(10, 8, 8, 6, 4), (10, 8, 8, 6, 4), (8, 6, 4, 4, 2)])

    def plan(model, params, *, side, previous):
        return (10, 8, 8, 6, 4) if params is None else next(plans)

    monkeypatch.setattr(NJetAllCNNConfig, "plan", plan)
    used = []

    def build(model, precision, plan=()):
        used.append(plan)
        return _Small()

    for module in (phases, evaluation):
        monkeypatch.setattr(module, "build", build)
    monkeypatch.setattr(phases.PhaseTraining, "fresh_state", _small_state)
    monkeypatch.setattr(
        evaluation, "_fitted", lambda model, variables, shape: variables
    )
    monkeypatch.setattr(scoring, "feature_maps", lambda candidate, shape: [[4, 4]])
    scores = iter([0.5, 0.2, 0.1])
    monkeypatch.setattr(loop.predict, "accuracy", lambda *_: next(scores, 0.3))
    safe = _safe(small)
    safe = dataclasses.replace(
        safe, data=dataclasses.replace(safe.data, validation_images=4)
    )
    session, _ = open_run(safe)
    session.train()
    for which, expected in (("best", (10, 8, 8, 6, 4)), ("last", (8, 6, 4, 4, 2))):
        used.clear()
        session.evaluate(evaluation.Choices(weights=which))
        assert used == [expected]


def test_an_impossible_plan_is_an_error_for_the_user(small, open_run):
    safe = _safe(small)
    layers = SubsampledLayers(subsampling="safe", r=0.1)
    model = dataclasses.replace(safe.model, njet=layers)
    (trial,) = trials(dataclasses.replace(safe, model=model))
    session, _ = open_run(safe)
    with pytest.raises(UserError, match="safe subsampling.*below 1 px"):
        Plans(session.run, trial, trial.phases[0], side=12).now()


def test_learned_sigmas_are_those_of_the_layers(small):
    model = small.model
    params = build(model, "float32").init(jax.random.key(0), jnp.zeros((1, 8, 8, 1)))[
        "params"
    ]
    params["conv_2"]["sigma"]["logit"] = jnp.array(0.7)
    found = model.learned_scales(params)
    expected = LearnedSigma().apply({"params": {"logit": jnp.array(0.7)}})
    np.testing.assert_allclose(found["conv_1"], 1.0, rtol=1e-6)
    np.testing.assert_allclose(found["conv_2"], expected)
    many = {f"conv_{k}": {"sigma": {"logit": np.zeros(())}} for k in (10, 2, 1)}
    assert list(model.learned_scales(many)) == [
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
            optimizer = make_optimizer(config, schedule, scales=SIGMAS)
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
    both = dataclasses.replace(config, warmup_epochs=1, drop_factor=0.5)
    rate = make_schedule(both, learning_rate=0.5, steps=40, steps_per_epoch=10)
    found = [float(rate(step)) for step in (0, 5, 10, 19, 21, 31)]
    np.testing.assert_allclose(found, [0.05, 0.275, 0.5, 0.5, 0.25, 0.125], rtol=1e-6)
    late = dataclasses.replace(config, warmup_epochs=2.5)
    with pytest.raises(UserError, match="begin within the warm-up"):
        make_schedule(late, learning_rate=0.5, steps=40, steps_per_epoch=10)


def test_scales_have_a_schedule_of_their_own():
    """Found by the pattern that the family declares, not by a name."""
    own = ScaleSchedule(learning_rate=0.3, warmup_epochs=1, drops=(2,), drop_factor=0.5)
    length = {"steps": 30, "steps_per_epoch": 10}
    slow = make_schedule(own, learning_rate=0.3, **length)
    np.testing.assert_allclose(
        [float(slow(step)) for step in (0, 5, 10, 21)], [0, 0.15, 0.3, 0.15], rtol=1e-6
    )
    config = OptimizerConfig(name="adamw", weight_decay=0.5, scales=own)
    fast = optax.constant_schedule(0.1)
    optimizer = make_optimizer(config, fast, scales=("*/spacing",), scale_schedule=slow)
    params = {
        "a": {"kernel": jnp.ones((2, 3, 4)), "spacing": jnp.array(2.0)},
        "b": {"sigma": {"logit": jnp.array(1.0)}},
    }
    gradient = jax.tree.map(jnp.ones_like, params)
    state = optimizer.init(params)
    for step in range(12):
        updates, state = optimizer.update(gradient, state, params)
        # A constant gradient is one step of Adam at the learning rate, but for the
        # rounding of its bias corrections, 1 - 0.999^t in float32.
        expected = -float(slow(step))
        np.testing.assert_allclose(updates["a"]["spacing"], expected, rtol=1e-4)
        np.testing.assert_allclose(updates["b"]["sigma"]["logit"], -0.1, rtol=1e-4)
    np.testing.assert_allclose(updates["a"]["kernel"], -0.1 - 0.05, rtol=1e-4)


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


def _batch(labels):
    return Batch(np.zeros((*labels.shape, 1)), labels)


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
    found = make_loss(LossConfig(), weights)(jnp.asarray(logits), _batch(labels))
    np.testing.assert_allclose(found, total / norm, rtol=1e-5)
    nothing = np.full(labels.shape, 255, np.uint8)
    assert make_loss(LossConfig())(jnp.asarray(logits), _batch(nothing)) == 0
    right = (logits.argmax(-1) == labels)[labels != 255].mean()
    np.testing.assert_allclose(accuracy(jnp.asarray(logits), labels), right, rtol=1e-6)


def test_images_are_enlarged_as_pillow_does():
    row = np.arange(0, 160, 40, dtype=np.uint8)
    images = np.broadcast_to(row[None, None, :, None], (1, 4, 4, 1))
    found = enlarged(Examples(images, np.zeros(1)), 2.0).image
    assert found.shape == (1, 8, 8, 1)
    # Half-pixel centres: 10 px and 30 px between 0 and 40.
    np.testing.assert_array_equal(found[0, 4, :, 0], [0, 10, 30, 50, 70, 90, 110, 120])


def test_sources_of_training_sizes():
    def of(kind="train", **fields):
        recipe = Recipe(data=DataConfig(**fields))
        return source(Trial("njet+relu", recipe, 2.0), kind)

    found = of(name="mnist", train_sizes=(2.0,), enlarge=True)
    assert found == Source("mnist", "train", 2.0, "train enlarged 2")
    found = of(name="garments/scale{size}", train_sizes=(2.0,))
    assert found == Source("garments/scale2", "train", 1.0, "garments/scale2/train")
    assert of(name="rescaled", train_sizes=(2.0,)).split == "train_scale_2p000"
    assert of("test", name="rescaled", train_sizes=(2.0,)).split == "test"


@pytest.mark.parametrize(
    "name", [name for name in recipes.RECIPES if name.startswith("njet_")]
)
def test_recipes_build_their_networks(name):
    recipe = recipes.RECIPES[name].recipe
    for trial in trials(recipe):
        plan = trial.recipe.model.plan(None, side=64, previous=None)
        assert build(trial.recipe.model, "float32", plan).num_classes in (10, 11, 21)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"nets": ("3x+relu",)}, "3x3"),
        ({"multi_epochs": 2}, "no scale channels"),
        ({"model": NJetAllCNNConfig(), "nets": ("njet+relu+safe", "3x3+relu+safe")},
         "goes by learned sigmas"),
        ({"model": GaussDerNetConfig(), "nets": ("3x3+relu",)},
         "gaussdernet does not have"),
        ({"model": GaussDerNetConfig(), "nets": ("discrete+relu+safe",)},
         "needs a network with `njet`"),
        ({"nets": ("njet+silu",)}, "njet_toy does not have: take one of relu"),
        ({"model": NJetAllCNNConfig(), "nets": ("5x5+relu",)}, "does not have"),
        ({"nets": ("njet+relu+levels5",),
          "model": NJetUNetConfig(widths=(1, 2, 4, 8, 16))}, "has 5 already"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(small, changes, message):
    with pytest.raises(UserError, match=message):
        validate(dataclasses.replace(small, **changes))


def test_ablations_and_names():
    assert parse_net("11x11+relu") == ("11x11", "relu", ())
    assert Trial("njet+relu+sigma0.5", Recipe()).slug == "njet-relu-sigma0p5"
    several = Trial("njet+relu", Recipe(), 2.0, 3, 1)
    assert several.name == "njet+relu, size 2, realisation 3, seed 1"
    assert several.slug == "njet-relu-size2p000-realisation3-seed1"
    recipe = recipes.RECIPES["njet_receptive_fields"].recipe
    widths = [trial.recipe.model.widths for trial in trials(recipe)]
    assert widths[-2:] == [(32, 64, 128, 256), (16, 32, 64, 128, 256)]
    fixed = recipes.RECIPES["njet_fixed_sigmas"].recipe
    kinds = [trial.recipe.model.njet for trial in trials(fixed)]
    assert [k.sigma for k in kinds] == [0.5, 1, 2] * 2
    assert [k.subsampling for k in kinds] == ["published"] * 3 + ["safe"] * 3
    assert not any(k.learn_sigma for k in kinds)


def test_tables_show_scores_and_sigmas(open_run, small):
    row = {
        "name": "njet+relu", "accuracy": [0.875], "parameters": 1234, "compilations": 2,
        "sigmas": {"conv_1": 1.5, "conv_2": [1.0, 2.0, 4.0]},
    }  # fmt: skip
    session, text = open_run(small)
    tables.print_scores(session.console, {"rows": [row], "factors": [1.0]})
    assert "87.50" in text() and "1,234" in text() and "1.50 2.00" in text()
    other, text = open_run(small)
    fixed = {"rows": [row | {"sigmas": {}}], "factors": [1.0]}
    tables.print_scores(other.console, fixed)
    assert "1,234" in text() and "sigma" not in text()
