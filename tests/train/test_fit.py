"""`fit` on modules and images that gdjax never saw."""

from typing import Any

import flax.linen as nn
import jax
import jax.export
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

import gdjax_train
from gdjax.data import Examples
from gdjax.models import GaussDerNet, Preprocessing, load_network
from gdjax_train.errors import UserError
from gdjax_train.own_data import check_data


NAMES = "a", "b", "c"


class CNN(nn.Module):
    """With batch statistics and dropout."""

    classes: int = 3
    rate: float = 0.2

    @nn.compact
    def __call__(self, x, train=False):
        x = nn.relu(nn.Conv(4, (3, 3))(x))
        x = nn.BatchNorm(use_running_average=not train, momentum=0.9)(x)
        x = nn.Dropout(self.rate, deterministic=not train)(x.mean((1, 2)))
        return nn.Dense(self.classes)(x)


class Plain(nn.Module):
    """A module that is told nothing, and gives a pair."""

    @nn.compact
    def __call__(self, x):
        return nn.Dense(3)(x.reshape(len(x), -1)), "something"


class Reversed(nn.Module):
    """A module that is told the opposite."""

    @nn.compact
    def __call__(self, x, *, deterministic):
        x = nn.Dropout(0.5, deterministic=deterministic)(x.reshape(len(x), -1))
        return nn.Dense(3)(x)


class Pixels(nn.Module):
    """A class for every pixel."""

    @nn.compact
    def __call__(self, x):
        return nn.Conv(2, (3, 3))(x)


def images(count=20, side=6, seed=0):
    """Images whose grey level tells their class."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, count)
    noise = rng.integers(0, 60, (count, side, side, 1))
    return (noise + 90 * labels[:, None, None, None]).astype(np.uint8), labels


X, Y = images()


def halved(logits, labels):
    """A loss."""
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels) / 2


def mirrored(key, images):
    """A change of images."""
    del key
    return images[:, ::-1]


# Of every training here, so that each module is compiled once.
SHORT = {"epochs": 2, "batch_size": 8, "progress": False}


@pytest.fixture(scope="module")
def fitted():
    """One that others are compared with."""
    rows = []
    found = gdjax_train.fit(
        CNN(), (X, Y), validation=(X[:9], Y[:9]), on_row=rows.append,
        class_names=NAMES, **SHORT,
    )  # fmt: skip
    assert rows == found.history
    return found


def test_rows_are_those_of_steps_and_epochs(fitted):
    assert [row["step"] for row in fitted.history] == [2, 2, 4, 4]
    first, validated = fitted.history[:2]
    assert set(first) == {
        "step", "epoch", "loss", "accuracy", "gradient_norm", "images_per_second",
    }  # fmt: skip
    assert set(validated) == {
        "step", "epoch", "validation_accuracy", "validation_loss",
    }  # fmt: skip
    assert fitted.history[-1]["epoch"] == 2.0
    last = fitted.evaluate(X[:9], Y[:9])
    assert fitted.history[-1]["validation_loss"] == pytest.approx(last["loss"])


def test_scores_are_those_of_the_module(fitted, assert_same):
    scores = fitted.scores(X)
    wanted = CNN().apply(fitted.variables, jnp.asarray(X / 255, jnp.float32))
    # Sums of some 50 float32 of size 1.
    np.testing.assert_allclose(scores, wanted, atol=1e-5)
    assert scores.dtype == np.float32
    assert_same(fitted.predict(X), scores.argmax(-1))
    found = fitted.evaluate(X, Y)
    each = optax.softmax_cross_entropy_with_integer_labels(wanted, Y)
    assert found["loss"] == pytest.approx(float(each.mean()), abs=1e-5)
    assert found["accuracy"] == pytest.approx((scores.argmax(-1) == Y).mean())


@pytest.mark.parametrize(
    "given",
    [
        (X / 255, Y),
        (X.astype(np.uint16) * 257, Y),
        [(x, y) for x, y in zip(X, Y, strict=True)],
        [{"image": x / np.float32(255), "label": y} for x, y in zip(X, Y, strict=True)],
        (jnp.asarray(X), jnp.asarray(Y)),
    ],
    ids=["float64", "uint16", "pairs", "mappings", "jax"],
)
def test_the_same_images_train_to_the_same_weights(given, fitted, assert_same):
    found = gdjax_train.fit(CNN(), given, **SHORT)
    assert_same(found.variables, fitted.variables)


@pytest.mark.parametrize("model", [Plain(), Reversed()])
def test_modules_are_told_what_they_ask_for(model):
    found = gdjax_train.fit(model, (X, Y), **SHORT)
    assert set(found.variables) == {"params"}
    assert found.scores(X[:5]).shape == (5, 3)


class NNX(nnx.Module):
    """Has no argument that says whether it is trained."""

    def __init__(self, rngs):
        self.conv = nnx.Conv(1, 4, (3, 3), rngs=rngs)
        self.norm = nnx.BatchNorm(4, rngs=rngs)
        self.dropout = nnx.Dropout(0.5, rngs=rngs)
        self.dense = nnx.Linear(4, 3, rngs=rngs)

    def __call__(self, x):
        return self.dense(self.dropout(self.norm(self.conv(x)).mean((1, 2))))


def test_modules_of_flax_nnx():
    found = gdjax_train.fit(nnx.bridge.to_linen(NNX), (X, Y), **SHORT)
    assert set(found.variables) == {"params", "batch_stats"}
    # By the running statistics, whatever else is in the batch, and without dropout.
    alone = np.concatenate([found.scores(X[row : row + 1]) for row in range(5)])
    np.testing.assert_allclose(found.scores(X)[:5], alone, atol=1e-6)
    running = found.variables["batch_stats"]["norm"]["mean"]
    assert abs(np.asarray(running)).max() > 0


class Listed(nn.Module):
    """A field that has no hash."""

    widths: Any

    @nn.compact
    def __call__(self, x):
        for width in self.widths:
            x = nn.Dense(width)(x.reshape(len(x), -1))
        return x


def test_fields_without_a_hash(tmp_path):
    found = gdjax_train.fit(Listed([4, 3]), (X, Y), **SHORT)
    scores = found.scores(X)
    found.save(tmp_path / "net")
    loaded = load_network(tmp_path / "net", model=Listed([4, 3]))
    np.testing.assert_allclose(loaded.scores(X), scores, atol=1e-5)
    sizes = gdjax_train.evaluate_scales(
        found.model, found.variables, X, Y, factors=(1.0,)
    )
    assert sizes["rows"][0]["accuracy"] == [found.evaluate(X, Y)["accuracy"]]


def test_validations_are_compiled_once(caplog):
    with jax.log_compiles():
        gdjax_train.fit(
            Plain(), (X, Y), validation=(X[:9], Y[:9]), **SHORT | {"epochs": 3}
        )
    compiled = [line for line in caplog.messages if "Compiling jit(apply)" in line]
    assert len(compiled) <= 1  # none where another test had such images


def test_masks(tmp_path):
    masks = (X[..., 0] > 100).astype(np.uint8)
    masks[:, 0] = 255  # doesn't count
    found = gdjax_train.fit(
        Pixels(), (X, masks), validation=(X, masks), out=tmp_path / "run", **SHORT
    )
    scores = found.scores(X)
    assert scores.shape == (20, 6, 6, 2)
    right = (scores.argmax(-1) == masks)[:, 1:].mean()
    assert found.evaluate(X, masks)["accuracy"] == pytest.approx(right, abs=1e-6)


def test_own_optimizer_loss_and_changes():
    seen = []

    def loss(logits, labels):
        seen.append(labels.shape)
        return optax.softmax_cross_entropy_with_integer_labels(logits, labels)

    def augment(key, images):
        return images[:, ::-1] + 0 * jax.random.uniform(key)

    found = gdjax_train.fit(
        Plain(), (X, Y), optimizer=optax.sgd(0.0), loss=loss, augment=augment, **SHORT
    )
    assert seen == [(8,)] * 2  # checked, and compiled
    # Of a rate of 0 the start is left: the mean loss of its first row is that of
    # mirrored images.
    again = gdjax_train.fit(Plain(), (X[:, ::-1], Y), optimizer=optax.sgd(0.0), **SHORT)
    assert found.history[0]["loss"] == pytest.approx(again.history[0]["loss"], rel=1e-5)


# Interrupted, saved, exported.


def rows_without_speed(found):
    return [
        {name: value for name, value in row.items() if "second" not in name}
        for row in found.history
    ]


@pytest.mark.parametrize("stopped_at", [2, 4])
def test_an_interrupted_training_ends_in_the_same_bits(
    stopped_at, fitted, tmp_path, assert_same
):
    def stop(row):
        if row["step"] == stopped_at and "validation_loss" in row:
            raise KeyboardInterrupt

    given = {"validation": (X[:9], Y[:9]), "out": tmp_path / "run", **SHORT}
    with pytest.raises(KeyboardInterrupt):
        gdjax_train.fit(CNN(), (X, Y), on_row=stop, **given)
    found = gdjax_train.fit(CNN(), (X, Y), **given)
    assert_same(found.variables, fitted.variables)
    assert rows_without_speed(found) == rows_without_speed(fitted)
    # A finished one is read, not trained.
    again = gdjax_train.fit(CNN(), (X, Y), on_row=stop, **given)
    assert_same(again.variables, fitted.variables)
    assert again.history == found.history


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """What was trained into a folder, which no test changes."""
    out = tmp_path_factory.mktemp("kept") / "run"
    given = {"model": CNN(), "train": (X, Y), "out": out, **SHORT}
    gdjax_train.fit(**given)
    return given


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochs": 3}, "`epochs=2`, not 3"),
        ({"seed": 1}, "`seed=0`, not 1"),
        ({"train": (X[::-1], Y)}, "other images or labels"),
        ({"model": Plain()}, "CNN.*not .*Plain"),
        # The same shapes, that do something else.
        ({"model": CNN(rate=0.3)}, "rate = 0.2 .*not .*rate = 0.3 "),
        ({"optimizer": optax.adam(0.1)}, "with another optimizer"),
        ({"loss": halved}, "with another loss"),
        ({"augment": mirrored}, "with another augment"),
    ],
)
def test_a_folder_keeps_its_training(change, message, kept):
    before = {p: p.read_bytes() for p in kept["out"].glob("*.json*")}
    with pytest.raises(UserError, match=message):
        gdjax_train.fit(**kept | change)
    assert before == {p: p.read_bytes() for p in kept["out"].glob("*.json*")}
    with pytest.raises(UserError, match="no folder of `fit`"):
        gdjax_train.fit(**kept | {"out": kept["out"].parent})


def test_own_modules_are_saved_and_loaded(fitted, tmp_path, assert_same):
    path = tmp_path / "net.safetensors"
    fitted.save(path)
    with pytest.raises(ValueError, match=r"CNN.*load_network\(path, model=...\)"):
        load_network(path)
    with pytest.raises(ValueError, match="has not the arrays"):
        load_network(path, model=CNN(classes=4))
    network = load_network(path, model=CNN())
    assert network.class_names == NAMES and network.image_shape == (6, 6, 1)
    assert_same(network.variables, fitted.variables)
    np.testing.assert_allclose(network.scores(X), fitted.scores(X), atol=1e-6)


def test_own_modules_are_exported(fitted):
    def scores(x):
        return CNN().apply(fitted.variables, x)

    (batch,) = jax.export.symbolic_shape("batch")
    shape = jax.ShapeDtypeStruct((batch, 6, 6, 1), jnp.float32)
    exported = jax.export.export(jax.jit(scores))(shape)
    x = (X / 255).astype(np.float32)
    np.testing.assert_allclose(exported.call(x), fitted.scores(X), atol=1e-5)


def test_networks_of_gdjax_need_no_module(tmp_path):
    net = GaussDerNet(widths=(2, 2), num_classes=3, sigmas=(0.5, 1.0), order=1)
    grey = Preprocessing(mean=0.4, std=0.3)
    found = gdjax_train.fit(net, (X, Y), preprocessing=grey, **SHORT)
    found.save(tmp_path / "net")
    network = load_network(tmp_path / "net")
    assert network.preprocessing == grey
    np.testing.assert_allclose(network.scores(X), found.scores(X), atol=1e-5)


# Errors.


class Odd(nn.Module):
    """Stores what is neither parameter nor statistic."""

    @nn.compact
    def __call__(self, x):
        self.variable("memory", "last", lambda: jnp.zeros(()))
        return nn.Dense(3)(x.mean((1, 2)))


class Large(nn.Module):
    """Needs more than 6 px."""

    @nn.compact
    def __call__(self, x):
        if x.shape[1] < 8:
            raise ValueError("at least 8 px")
        return nn.Dense(3)(x.mean((1, 2)))


class Reduced(nn.Module):
    """Leaves nothing of 6 px, and then takes a mean of it or weighs it."""

    mean: bool

    @nn.compact
    def __call__(self, x):
        for _ in range(2):
            x = nn.max_pool(nn.Conv(3, (3, 3), padding="VALID")(x), (2, 2), (2, 2))
        return nn.Dense(3)(x.mean((1, 2)) if self.mean else x.reshape(len(x), -1))


class Still(nn.Module):
    """Nothing to train."""

    @nn.compact
    def __call__(self, x):
        return x.mean((1, 2)) * jnp.arange(3.0)


ABC, BCD = (Examples(X, Y, classes=tuple(names)) for names in ("abc", "bcd"))


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"model": Reduced(True)}, ValueError, "leaves nothing of.*larger images"),
        ({"model": Reduced(False)}, ValueError, r"shape \[6, 6, 1\]"),
        ({"model": Still()}, ValueError, "no parameters"),
        ({"model": CNN(4), "train": ABC}, ValueError, r"4 scores.*3 classes \(a, b, c"),
        ({"train": ABC, "validation": BCD}, ValueError, "classes b, c, d, `train` a"),
        ({"optimizer": "adam"}, TypeError, "must be an Optax transformation"),
        ({"loss": lambda logits, labels: None}, ValueError, "`loss` gives NoneType"),
        ({"augment": lambda key, x: None}, ValueError, "`augment` gives NoneType"),
        ({"augment": lambda key, x: x[:, 1:]}, ValueError, "images as they came"),
        ({"train": (X[..., 0], Y)}, ValueError, r"`train`.*images\[..., None\]"),
        ({"train": (X / 1.0, Y)}, ValueError, "`train`.*must lie in 0..1"),
        ({"train": (X / 255 - 0.5, Y)}, ValueError, "`train`.*must lie in 0..1"),
        ({"train": (X.astype(int), Y)}, TypeError, "give uint8, uint16 or floats"),
        ({"train": (X * np.nan, Y)}, ValueError, "must lie in 0..1"),
        ({"train": (X, Y[:-1])}, ValueError, r"\(19,\) don't fit images"),
        ({"train": (X, Y / 1.0)}, TypeError, "labels are float64"),
        ({"train": (X, Y - 1)}, ValueError, "label -1 .*is negative"),
        ({"train": (X, Y + 1)}, ValueError, r"label 3 \(image \d+\).*3 scores"),
        ({"train": (X,)}, ValueError, "tuple of 1"),
        ({"train": []}, ValueError, "`train` is empty"),
        ({"train": [X[0]]}, TypeError, r"`train\[0\]` is no pair"),
        ({"train": [(X[0], 0), (X[0][:4], 1)]}, ValueError, r"`train\[1\]` is an im"),
        ({"train": [(X[0], 0), (X[0] / 1.0, 1)]}, ValueError, r"`train\[1\]`.*float"),
        ({"train": 3}, TypeError, "`train` is a int"),
        ({"validation": (X[:, :5], Y)}, ValueError, r"`validation` has images \[5, 6"),
        ({"validation": (X, X[..., 0])}, ValueError, "`validation`.*labels of 2 axes"),
        ({"validation": (X, Y + 1)}, ValueError, "`validation` has the label 3"),
        ({"train": (X, X[..., 0] // 200)}, ValueError, "`train` has masks"),
        ({"model": Pixels()}, ValueError, "a class each"),
        ({"model": CNN}, TypeError, "not its class"),
        ({"model": Odd()}, ValueError, r"\['memory'\]"),
        ({"model": Large()}, ValueError, r"shape \[6, 6, 1\]: at least 8 px"),
        ({"batch_size": 21}, ValueError, "`batch_size=21` does not fit 20"),
        ({"batch_size": 0}, ValueError, "`batch_size=0`"),
        ({"epochs": 0}, ValueError, "`epochs=0`"),
        ({"epochs": 1.5}, TypeError, "`epochs=1.5`"),
        ({"class_names": ("a",)}, ValueError, "`class_names` are 1"),
        ({"loss": lambda logits, labels: logits.mean()}, ValueError, "`loss` gives"),
    ],
)  # fmt: skip
def test_bad_input_is_refused_and_nothing_is_written(change, error, message, tmp_path):
    given = {"model": CNN(), "train": (X, Y), "out": tmp_path / "run", **SHORT}
    with pytest.raises(error, match=message):
        gdjax_train.fit(**given | change)
    assert not list(tmp_path.iterdir())


def test_a_loss_that_is_not_finite_is_an_error(tmp_path):
    def loss(logits, labels):
        return jnp.log(logits[:, 0] * 0) + labels

    with pytest.raises(UserError, match="not finite at step 1"):
        gdjax_train.fit(Plain(), (X, Y), loss=loss, out=tmp_path / "a", **SHORT)


def test_examples_are_read_when_they_are_needed():
    read = []

    class Lazy:
        def __len__(self):
            return len(X)

        def __getitem__(self, row):
            read.append(row)
            return X[row], Y[row]

    data = check_data(Lazy())
    assert read == list(range(20))
    np.testing.assert_array_equal(data.image[np.array([3, 1])], X[[3, 1]])
    assert read[20:] == [3, 1]
