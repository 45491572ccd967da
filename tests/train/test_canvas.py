"""Runs on canvases: factors belong to images, and placing is part of the step."""

import dataclasses
import functools
import json

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import gdjax.data
from gdjax.models.network_loading import read_arrays
from gdjax.models.preprocessing import Preprocessing
from gdjax.models.sesn import SESNToyConfig
from gdjax_train import data as data_module, evaluation, phases, predict, step as steps
from gdjax_train.augment_config import AugmentConfig
from gdjax_train.batch import Batch
from gdjax_train.command_line import as_typed
from gdjax_train.data import Source, load_split, load_test, source
from gdjax_train.drawn import has_drawn_sizes, load_drawn
from gdjax_train.errors import UserError
from gdjax_train.losses import make_loss
from gdjax_train.placing import on_canvas, place_scaled
from gdjax_train.recipe import (
    DataConfig,
    LossConfig,
    OptimizerConfig,
    Recipe,
    ScaleSchedule,
)
from gdjax_train.recipe_files import from_dict, to_dict
from gdjax_train.requirements import require
from gdjax_train.scale_distribution import ScaleDistribution, draw_factors
from gdjax_train.step import compile_step, initial_state
from gdjax_train.tables import print_scores
from gdjax_train.trials import trials
from gdjax_train.validation import validate


SCALES = ScaleDistribution("log_uniform", low=1.0, high=2.5)
CANVAS = 15


@pytest.fixture
def small_images(small_digits, monkeypatch, make_net):
    """Images of 6x6 px as data set and a small network; the test factors asked for."""
    for module in (phases, evaluation):
        build = functools.cache(lambda model, precision, plan=(): make_net(model))
        monkeypatch.setattr(module, "build", build)
    return small_digits


@pytest.fixture
def on_canvases(one_net):
    """A recipe of one trial."""
    data = DataConfig(
        name="mnist", train_images=35, canvas=CANVAS, scales=SCALES,
        validation_images=10,
    )  # fmt: skip
    return dataclasses.replace(
        one_net, data=data, multi_epochs=0, eval_factors=(0.5, 1.0, 2.0)
    )


def test_the_step_places_images_before_it_changes_them(make_examples, make_net):
    images, labels = make_examples(8)
    factors = draw_factors(SCALES, 8, seed=0)
    canvases = place_scaled(images / np.float32(255), factors, size=CANVAS)
    small = Batch(images, labels, factor=factors)
    placed = Batch(np.asarray(canvases), labels, factor=factors)
    model, optimizer = make_net(), optax.sgd(0.1)
    states = []
    for batch, canvas in ((small, CANVAS), (placed, None)):
        state = initial_state(
            model, optimizer, jax.random.key(0), image_shape=(CANVAS, CANVAS, 1)
        )
        step = compile_step(
            model, optimizer, make_loss(LossConfig()), canvas=canvas,
            augment=AugmentConfig(crop_padding=2), preprocessing=Preprocessing(0.1),
        )  # fmt: skip
        for _ in range(2):
            state, metrics = step(state, batch)
        states.append((state.params, metrics))
    close = functools.partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-6)
    jax.tree.map(close, *states)


def test_predictions_are_those_of_the_canvases(make_examples, make_net):
    images, _ = make_examples(13)
    factors = draw_factors(SCALES, 13, seed=0)
    canvases = np.asarray(place_scaled(images / np.float32(255), factors, size=CANVAS))
    model = make_net()
    variables = model.init(jax.random.key(1), jnp.asarray(canvases))
    found = predict.scores(
        model, variables, images, batch_size=5, factors=factors, canvas=CANVAS
    )
    expected = predict.scores(model, variables, canvases, batch_size=13)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_canvas_without_factors_is_refused():
    with pytest.raises(ValueError, match="`factors=None`"):
        on_canvas(np.zeros((1, 4, 4, 1), np.float32), None, 8)


def test_factors_belong_to_the_images_of_a_realisation(small_images, on_canvases):
    name = "mnist_scale/unscaled_{realisation}"
    data = dataclasses.replace(on_canvases.data, name=name, realisations=(0, 2))
    recipe = dataclasses.replace(on_canvases, data=data, seed=0, seeds=(1, 2))

    def factors(trial, kind, limit=20):
        return load_split(source(trial, kind), data_dir=None, limit=limit).factor

    first, other_seed, second, _ = trials(recipe)
    assert second.realisation == 2 and other_seed.seed == 2
    drawn = factors(first, "train")
    expected = draw_factors(SCALES, 20, seed=(0, 0))
    np.testing.assert_array_equal(drawn, expected)
    np.testing.assert_array_equal(factors(first, "train", 7), drawn[:7])
    np.testing.assert_array_equal(factors(other_seed, "train"), drawn)
    assert (factors(first, "validation") != drawn).all()
    assert (factors(second, "train") != drawn).all()


def test_joined_images_keep_their_factors(
    small_images, on_canvases, open_run, monkeypatch
):
    data = dataclasses.replace(
        on_canvases.data, train_images=25, with_validation=True, validation_images=0
    )
    session, _ = open_run(dataclasses.replace(on_canvases, data=data))
    trial = trials(session.recipe)[0]

    def load(own, *, data_dir, limit):  # There are 20 images in each split.
        return load_split(own, data_dir=data_dir, limit=min(limit, 20))

    monkeypatch.setattr(data_module, "load_split", load)
    joined = data_module.TrainingData(session.run, session.recipe).train(trial)
    rest = draw_factors(SCALES, 5, seed=(0, 1))
    expected = np.concatenate([draw_factors(SCALES, 20, seed=(0, 0)), rest])
    np.testing.assert_array_equal(joined.factor, expected)


def test_test_images_have_the_factor_that_is_asked_for(small_images):
    own = Source("mnist", "test", canvas=CANVAS, scales=SCALES)
    examples = load_test(own, 0.5, data_dir=None, limit=3)
    np.testing.assert_array_equal(examples.factor, np.float32([0.5] * 3))
    # The small images are always the same.
    assert small_images == [1.0] and examples.image.shape == (3, 6, 6, 1)
    assert not hasattr(load_test(Source("mnist", "test"), 2.0, data_dir=None), "factor")
    assert small_images == [1.0, 2.0]


def test_a_run_is_trained_and_evaluated_on_canvases(
    small_images, on_canvases, open_run
):
    validate(on_canvases)
    require(on_canvases, usual=on_canvases)
    session, said = open_run(on_canvases)
    session.train()
    result = session.evaluate()
    print_scores(session.console, result)
    assert "drawn sizes" in said()
    assert result["factors"] == [0.5, 1.0, 2.0]
    row = result["rows"][0]
    assert row["images"] == [13] * 3
    drawn = row["drawn"]
    assert drawn["images"] == 13 and drawn["scales"] == "log-uniform [1, 2.5]"
    notes = json.loads((session.run.path / "data.json").read_text())
    assert notes["train"]["shape"] == [6, 6, 1]
    path = session.run.weights(trials(session.recipe)[0].slug, "single")
    described, variables = read_arrays(path)
    assert list(described["facts"]["image_shape"]) == [CANVAS, CANVAS, 1]
    assert variables["params"]["Dense_0"]["kernel"].shape[0] == CANVAS**2
    # As if the canvases were the test set.
    test = gdjax.data.load_at_factor("mnist", 1.0, data_dir=None, limit=None)
    (candidate,) = evaluation.find_candidates(
        session.run, session.recipe, evaluation.Choices()
    )[:1]
    each = [np.full(13, factor, np.float32) for factor in result["factors"]]
    each.append(draw_factors(SCALES, 13, seed=(0, 2)))
    accuracies = [*row["accuracy"], drawn["accuracy"]]
    for factors, accuracy in zip(each, accuracies, strict=True):
        canvases = place_scaled(test.image / np.float32(255), factors, size=CANVAS)
        logits, _ = candidate.model.apply(candidate.variables, canvases)
        assert accuracy == pytest.approx((logits.argmax(-1) == test.label).mean())


def test_a_training_that_learns_scales_compiles_one_step(
    monkeypatch, make_examples, on_canvases, open_run
):
    """Over two epochs, warm-up and drop of the scales' rate, and canvases."""
    monkeypatch.setattr(gdjax.data, "load", lambda *a, **k: make_examples(35))
    traced = []
    original = steps.as_floats
    monkeypatch.setattr(steps, "as_floats", lambda x: traced.append(1) or original(x))
    model = SESNToyConfig(
        features=2, order=1, count=2, sigma=0.8, isr=1.5, extent=2.0, learned="isr"
    )
    schedule = ScaleSchedule(learning_rate=0.1, warmup_epochs=1, drops=(1,))
    recipe = dataclasses.replace(
        on_canvases, model=model, nets=("sampled_derivatives+relu",), epochs=2,
        optimizer=OptimizerConfig(learning_rate=0.1, scales=schedule),
    )  # fmt: skip
    session, _ = open_run(recipe)
    session.train()
    assert len(traced) == 1
    rows = (session.run.path / "metrics.jsonl").read_text().splitlines()
    steps_taken = [row for row in map(json.loads, rows) if "scales" in row]
    learned = {tuple(row["scales"]["scales"]) for row in steps_taken}
    assert len(learned) == len(steps_taken) > 1


def test_sizes_of_test_images_are_drawn_once(small_images):
    own = Source("mnist", "test", canvas=CANVAS, scales=SCALES, realisation=2)
    drawn = load_drawn(own, data_dir=None)
    np.testing.assert_array_equal(drawn.factor, draw_factors(SCALES, 13, seed=(2, 2)))
    first = load_drawn(own, data_dir=None, limit=4)
    np.testing.assert_array_equal(first.factor, drawn.factor[:4])
    images = load_test(own, 1.0, data_dir=None).image
    np.testing.assert_array_equal(drawn.image, images)
    assert has_drawn_sizes(own)
    assert not has_drawn_sizes(own._replace(scales=ScaleDistribution()))
    assert not has_drawn_sizes(own._replace(canvas=None))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"scales": SCALES}, "give --data.canvas"),
        ({"canvas": 0}, "data.canvas=0"),
        ({"canvas": 8, "scales": ScaleDistribution("log_normal")}, "std=0.0"),
    ],
)
def test_what_does_not_fit_together_is_refused(fields, words):
    with pytest.raises(UserError, match=words):
        validate(Recipe(data=DataConfig(**fields)))


def test_masks_are_not_placed(on_canvases):
    from gdjax.models import FAMILIES

    model = next(kind for kind in FAMILIES.values() if kind.segments)()
    recipe = dataclasses.replace(
        on_canvases, model=model, nets=("njet+relu",), poolings=("max",)
    )
    with pytest.raises(UserError, match="`data.canvas=15`: the classes of pixels"):
        validate(recipe)


def test_a_recipe_keeps_its_canvas_in_files(on_canvases):
    stored = json.loads(json.dumps(to_dict(on_canvases)))
    assert from_dict(stored) == on_canvases
    del stored["data"]["canvas"], stored["data"]["scales"]
    assert from_dict(stored).data.canvas is None


def test_scales_are_given_on_the_command_line():
    import tyro

    typed = "--data.canvas 168 --data.scales.kind log_uniform --data.scales.low 1"
    typed += " --data.scales.high 2.83"
    recipe = tyro.cli(Recipe, args=typed.split())
    assert recipe.data.canvas == 168
    assert recipe.data.scales == ScaleDistribution("log_uniform", low=1.0, high=2.83)
    assert "2.83" in as_typed("gdjax-train", typed.split())
