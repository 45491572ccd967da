"""A family of one's own: a module, its configuration, a line of the registry."""

import dataclasses
import functools
from typing import ClassVar

import flax.linen as nn
import numpy as np
import pytest

from gdjax.models import FAMILIES, NetworkConfig, load_network
from gdjax.models.configuration import configures
from gdjax_train import __main__ as command, data as data_module, evaluation, tables
from gdjax_train.errors import UserError
from gdjax_train.recipe import (
    DataConfig,
    OptimizerConfig,
    Preprocessing,
    Recipe,
    ScaleSchedule,
)
from gdjax_train.recipe_files import from_dict, to_dict
from gdjax_train.validation import validate


class Toy(nn.Module):
    """Means of the image times a learned spacing, a dense layer.

    Attributes:
      width: of the hidden layer.
      num_classes: K.
      activation: pointwise nonlinearity.
    """

    width: int = 4
    num_classes: int = 10
    activation: object = nn.relu

    def __post_init__(self):
        super().__post_init__()
        if self.width < 1:
            raise ValueError(f"`width={self.width}` must be at least 1.")

    @nn.compact
    def __call__(self, x, train=False):
        spacing = self.param("spacing", nn.initializers.constant(2.0), ())
        x = self.activation(nn.Dense(self.width)(spacing * x.mean((1, 2))))
        return nn.Dense(self.num_classes)(x), {"sizes": [(1, 1)]}


@configures(Toy)
class ToyConfig(NetworkConfig):
    """A toy."""

    scale_parameters: ClassVar[tuple[str, ...]] = ("spacing",)
    figures: ClassVar[tuple[str, ...]] = (
        "scores", "learned_sigmas", "feature_map_sizes",
    )  # fmt: skip

    @property
    def scale_bounds(self):
        return 1.0, 4.0

    def learned_scales(self, params, *, batch_stats=None):
        return {"all": np.asarray(params["spacing"])} if params else {}


@pytest.fixture
def toy(monkeypatch, random_examples):
    """Registered; trained on random images."""
    monkeypatch.setitem(FAMILIES, "toy", ToyConfig)

    def load_split(source, *, data_dir, limit=None):
        return random_examples(limit or 20)

    monkeypatch.setattr(data_module, "load_split", load_split)
    monkeypatch.setattr(
        evaluation, "load_test", lambda *_, **__: random_examples(13, 1)
    )
    monkeypatch.setattr(evaluation, "test_factors", lambda source: ())
    return Recipe(
        epochs=2,
        batch_size=8,
        data=DataConfig(name="stand_in", train_images=32),
        preprocessing=Preprocessing(mean=(0.5,), std=(0.25,), enlarge=2.0, padding=1),
        model=ToyConfig(width=3),
        optimizer=OptimizerConfig(
            scales=ScaleSchedule(learning_rate=0.1, drops=(1,), drop_factor=0.5)
        ),
        log_every=2,
    )


def test_a_family_is_trained_evaluated_and_loaded(toy, open_run, random_examples):
    validate(toy)
    assert from_dict(to_dict(toy)) == toy
    session, text = open_run(toy)
    session.train()
    rows = session.run.metrics()
    assert [row["scale_learning_rate"] for row in rows] == pytest.approx(
        [0.1, 0.1, 0.05, 0.05]
    )
    learned = [row["scales"]["all"] for row in rows]
    # Adam moves a number by about the rate in every step.
    assert learned[0] != 2.0 and len(set(learned)) == 4

    result = session.evaluate()
    (row,) = result["rows"]
    assert row["sigmas"] == {"all": learned[-1]} and row["sizes"] == [[1, 1]]
    for name in ("scores.png", "learned_sigmas.png"):
        assert (session.run.path / name).exists()
    tables.print_scores(session.console, result)
    assert f"{learned[-1]:.2f}" in text()

    # Also at size factors, though it has no scale channels.
    several = session.evaluate(evaluation.Choices(factors=(0.5, 2.0), name="sizes"))
    assert several["factors"] == [0.5, 2.0]
    assert several["rows"][0]["accuracy"] == row["accuracy"] * 2  # the same images
    assert (session.run.path / "sizes_generalisation.png").exists()

    network = load_network(session.run.weights("discrete-relu", "single"))
    assert network.config == toy.model.with_net("discrete", "relu")
    assert network.image_shape == (6, 6, 1)
    assert network.preprocessing == toy.preprocessing
    images, labels = random_examples(13, 1)
    share = (network.predict(images) == labels).mean()
    assert [share] == row["accuracy"]


def test_what_the_module_refuses_the_recipe_refuses(toy):
    with pytest.raises(UserError, match="width=0"):
        validate(dataclasses.replace(toy, model=ToyConfig(width=0)))


def test_the_command_line_has_its_fields(toy):
    parse = functools.partial(command.parse, name="x", description="")
    recipe = parse(Recipe(), ["--model.family", "toy", "--model.width", "7"])
    assert recipe.model == ToyConfig(width=7)
    recipe = parse(toy, ["--model.family=gaussdernet", "--model.order", "3"])
    assert recipe.model == FAMILIES["gaussdernet"](order=3)
    with pytest.raises(UserError, match="did you mean 'gaussdernet'"):
        parse(toy, ["--model.family", "gausdernet"])
    with pytest.raises(UserError, match="`--model.family` needs"):
        parse(toy, ["--model.family"])
