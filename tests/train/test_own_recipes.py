"""`train_recipe`: recipes on images, and with networks, that are given in Python."""

import dataclasses
import json

import flax.linen as nn
import numpy as np
import pytest

import gdjax_train
from gdjax.data import Examples
from gdjax.models import GaussDerNetConfig
from gdjax.models.configuration import NetworkConfig, configures
from gdjax.models.families import FAMILIES
from gdjax_train import own_networks, own_sets, trials
from gdjax_train.__main__ import main
from gdjax_train.errors import UserError


class Linear(nn.Module):
    """Pixels, weighed."""

    num_classes: int = 10

    @nn.compact
    def __call__(self, x, train=False):
        del train
        return nn.Dense(self.num_classes)(x.reshape(len(x), -1)), {}


@configures(Linear)
class LinearConfig(NetworkConfig):
    """Pixels, weighed."""


@pytest.fixture
def given(recipe, make_examples, tmp_path, monkeypatch):
    """A recipe with a network of its own, on images of its own."""
    monkeypatch.setattr(own_sets, "SETS", {})
    before = dict(FAMILIES)
    images, labels = make_examples(30)
    recipe = dataclasses.replace(
        recipe, nets=("discrete+relu",), model=LinearConfig(), multi_epochs=0,
        eval_factors=(0.5, 1.0),
    )  # fmt: skip
    yield {
        "recipe": recipe, "train": (images, labels), "validation": make_examples(9, 1),
        "test": make_examples(13, 2), "out": tmp_path / "run",
    }  # fmt: skip
    FAMILIES.clear()
    FAMILIES.update(before)


def test_own_images_and_an_own_network(given, monkeypatch, capsys, assert_same):
    run = gdjax_train.train_recipe(**given)
    images, labels = given["test"]
    stored = json.loads((given["out"] / "recipe.json").read_text())
    assert set(stored["own"]) == {"data", "model"}
    assert all("can't repeat" in text for text in stored["own"].values())
    result = json.loads((given["out"] / "evaluation.json").read_text())
    right = (run.predict(images) == labels).mean()
    assert result["factors"] == [0.5, 1.0]
    assert result["rows"][0]["accuracy"][1] == pytest.approx(right)
    assert sum("validation_accuracy" in row for row in run.history) == 2
    # The same again is finished; other images are another run's.
    again = gdjax_train.train_recipe(**given)
    assert_same(again.network().variables, run.network().variables)
    other = {"train": (images[:9], labels[:9])}
    with pytest.raises(UserError, match="other images: data.name"):
        gdjax_train.train_recipe(**given | other)
    # A process that was not given them says so.
    own_sets.SETS.clear()
    (given["out"] / "evaluation.json").unlink()
    capsys.readouterr()
    assert main(["--resume", str(given["out"])]) == 2
    assert "were given in Python: go on by" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"test": None}, UserError, "only train, validation given"),
        ({"train": None}, UserError, "only validation, test given"),
        ({"train": (np.zeros((9, 6, 6)), np.zeros(9, int))}, ValueError, "`train`"),
        ({"test": (np.zeros((9, 4, 4, 1), np.uint8), np.zeros(9, int))}, UserError,
         "several shapes"),
        ({"test": (np.zeros((9, 6, 6, 1)), np.zeros(9, int))}, UserError,
         "images of 8 bits"),
    ],
)  # fmt: skip
def test_bad_input_writes_nothing(change, error, message, given):
    with pytest.raises(error, match=message):
        gdjax_train.train_recipe(**given | change)
    assert not given["out"].exists()


def test_no_family_is_left_of_what_is_no_configuration(given):
    """Its networks were asked for their names by every later call."""
    before = dict(FAMILIES)
    for model in (None, "a", GaussDerNetConfig, NetworkConfig(), Linear()):
        recipe = dataclasses.replace(given["recipe"], model=model)
        with pytest.raises(TypeError, match="`model=.* must be the configuration"):
            gdjax_train.train_recipe(**given | {"recipe": recipe})
    assert before == FAMILIES
    assert not given["out"].exists()


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"recipe": None}, TypeError, "`recipe=None` must be a recipe"),
        ({"out": None}, TypeError, "`out=None` must be a path"),
        ({"out": []}, TypeError, r"`out=\[\]` must be a path"),
        ({"out": ""}, UserError, "`out=''` is empty"),
        ({"out": "a\0"}, UserError, "`out=.* null character"),
        ({"train": np.array(2)}, TypeError, "`train` is a ndarray"),
        ({"test": np.array(2)}, TypeError, "`test` is a ndarray"),
    ],
)
def test_arguments_of_other_types_are_named(change, error, message, given):
    with pytest.raises(error, match=message):
        gdjax_train.train_recipe(**given | change)


class Plain(nn.Module):
    """A network that gdjax never saw: logits alone, no argument `train`."""

    num_classes: int = 10

    @nn.compact
    def __call__(self, x):
        return nn.Dense(self.num_classes)(x.reshape(len(x), -1))


def test_a_bare_module(given, monkeypatch, capsys, assert_same):
    """It trains by a recipe of ours, goes on, and is read by a process that has it."""
    monkeypatch.setattr(own_networks, "MODULES", {})
    given["recipe"] = dataclasses.replace(given["recipe"], model=GaussDerNetConfig())
    run = gdjax_train.train_recipe(**given, model=Plain())
    images, labels = given["test"]
    stored = json.loads((given["out"] / "recipe.json").read_text())
    assert stored["recipe"]["model"] == {
        "family": "own", "num_classes": 10, "segments": False,
        "described": f"{__name__}.Plain( num_classes = 10 )",
    }  # fmt: skip
    result = json.loads((given["out"] / "evaluation.json").read_text())
    assert result["rows"][0]["accuracy"][1] == pytest.approx(
        (run.predict(images) == labels).mean()
    )
    # Another module is another run; nothing goes on without it.
    with pytest.raises(UserError, match="another recipe.*num_classes = 11"):
        gdjax_train.train_recipe(**given, model=Plain(11))
    own_networks.MODULES.clear()
    trials.build.cache_clear()
    with pytest.raises(UserError, match=r"was given in Python.*`model`"):
        gdjax_train.load_run(given["out"])
    again = gdjax_train.load_run(given["out"], model=Plain())
    assert_same(again.network().variables, run.network().variables)
    own_networks.MODULES.clear()
    trials.build.cache_clear()
    assert main(["--resume", str(given["out"])]) == 2
    assert "was given in Python" in " ".join(capsys.readouterr().err.split())


def test_a_class_that_is_defined_anew(given, monkeypatch):
    """As in a notebook, where a cell runs again: the old class is forgotten."""
    monkeypatch.setattr(own_networks, "MODULES", {})
    first = gdjax_train.train_recipe(**given, model=Plain())

    def call(self, x):
        return nn.Dense(self.num_classes)(x.reshape(len(x), -1)) + 5.0

    anew = type("Plain", (nn.Module,), {
        "__annotations__": {"num_classes": int}, "num_classes": 10,
        "__call__": nn.compact(call), "__module__": __name__,
    })  # fmt: skip
    second = gdjax_train.train_recipe(
        **given | {"out": given["out"].with_name("other")}, model=anew()
    )
    images, _ = given["test"]
    difference = second.scores(images) - first.scores(images)
    np.testing.assert_allclose(difference, 5.0, atol=1e-3)


@pytest.mark.parametrize(
    ("model", "error", "message"),
    [
        (Plain, TypeError, "not its class"),
        (Plain(3), UserError, "num_classes=3.*has the label"),
        (nn.Conv(4, (3, 3)), UserError, "logits"),
        (nn.Embed(3, 4), ValueError, "can't take images"),
    ],
)  # fmt: skip
def test_modules_that_do_not_fit(model, error, message, given):
    with pytest.raises(error, match=message):
        gdjax_train.train_recipe(**given, model=model)


def test_names_of_classes_come_from_the_weights(given, tmp_path, monkeypatch):
    """Wherever the images are by now, and whatever has their place."""
    images, labels = given["train"]
    names = tuple("abcdefghij")
    given["train"] = Examples(images, labels, classes=names)
    gdjax_train.train_recipe(**given)
    own_sets.SETS.clear()  # as in another process
    run = gdjax_train.load_run(given["out"])
    assert run.class_names == names
    assert run.predict(images[:2]).shape == (2,)
    # Sets whose labels mean other classes are refused.
    other = Examples(*given["test"], classes=names[::-1])
    with pytest.raises(ValueError, match="`test` has the classes j, i"):
        gdjax_train.train_recipe(**given | {"test": other, "out": tmp_path / "new"})


def test_a_folder_of_fit_is_no_run(tmp_path, make_examples):
    gdjax_train.fit(
        Plain(), make_examples(8), epochs=1, batch_size=4, out=tmp_path / "fit",
        progress=False,
    )  # fmt: skip
    with pytest.raises(UserError, match="is a folder of `fit`: call `fit` again"):
        gdjax_train.load_run(tmp_path / "fit")
