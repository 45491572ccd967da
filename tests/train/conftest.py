"""A small network and random images, so that tests of the loop take a second each."""

import dataclasses
import functools
import io
import typing

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental.compilation_cache import (
    compilation_cache as compilation_cache_module,
)
from rich.console import Console

import gdjax.data
from gdjax.models import GaussDerNetConfig
from gdjax_train import data, evaluation, loop, phases, recipes, run_folder
from gdjax_train.recipe import DataConfig, Recipe
from gdjax_train.trials import trials
from gdjax_train.validation import validate


FACTORS = (0.5, 1.0, 2.0)


class Net(nn.Module):
    """Dense layer, normalisation, dropout; scale channels that differ by a factor."""

    sigmas: tuple[float, ...] = (1.0,)
    classes: int = 10

    @nn.compact
    def __call__(self, x, train=False):
        x = x.reshape(x.shape[0], -1)
        x = nn.Dense(8)(x)
        x = nn.BatchNorm(use_running_average=not train, momentum=0.9)(x)
        x = nn.Dropout(0.2, deterministic=not train)(nn.relu(x))
        logits = nn.Dense(self.classes)(x)
        per_scale = jnp.stack([logits * sigma for sigma in self.sigmas], axis=1)
        return per_scale.max(1), {"per_scale": per_scale}


class Examples(typing.NamedTuple):
    """Like `gdjax.data.Examples`."""

    image: np.ndarray
    label: np.ndarray


def _random_examples(count, seed=0):
    generator = np.random.default_rng(seed)
    image = generator.integers(0, 256, (count, 6, 6, 1), np.uint8)
    label = generator.integers(0, 10, count).astype(np.int32)
    return Examples(image, label)


@pytest.fixture
def make_examples():
    """Random images of 6x6 px and labels: `make_examples(count, seed=0)`."""
    return _random_examples


@pytest.fixture
def make_net():
    """`Net` with the scale channels of a configuration; with one, if there is none."""
    return lambda model=None: Net(model.sigmas if model else (1.0,))


@pytest.fixture(scope="session", autouse=True)
def compilation_cache(tmp_path_factory):
    """The loop jits anew in every run: let XLA compile the same step only once."""
    if jax.config.jax_compilation_cache_dir:
        yield
        return
    before = {
        name: getattr(jax.config, name)
        for name in (
            "jax_compilation_cache_dir",
            "jax_persistent_cache_min_compile_time_secs",
            "jax_persistent_cache_min_entry_size_bytes",
        )
    }
    folder = str(tmp_path_factory.mktemp("compiled"))
    for name, value in zip(before, (folder, 0.3, -1), strict=True):
        jax.config.update(name, value)
    compilation_cache_module.reset_cache()
    yield
    for name, value in before.items():
        jax.config.update(name, value)
    compilation_cache_module.reset_cache()


@pytest.fixture
def recipe():
    """Two trials, two phases, 8 + 4 steps each."""
    return Recipe(
        epochs=2,
        batch_size=8,
        nets=("discrete+relu", "spectral+silu"),
        multi_epochs=1,
        data=DataConfig(name="stand_in", train_images=35),
        model=GaussDerNetConfig(sigmas=(1.0, 2.0)),
        checkpoint_every=3,
        log_every=2,
    )


@pytest.fixture
def one_net(recipe):
    """The same with one trial."""
    return dataclasses.replace(recipe, nets=recipe.nets[:1])


@pytest.fixture
def stand_in(monkeypatch):
    """Replaces networks and data by small ones; returns the sizes that were loaded."""
    loaded = []

    def load_split(source, *, data_dir, limit=None):
        loaded.append(source.split)
        return _random_examples(limit or 20)

    @functools.cache
    def build(model, precision, plan=()):
        return Net(model.sigmas)

    monkeypatch.setattr(data, "load_split", load_split)
    monkeypatch.setattr(
        evaluation, "load_test", lambda *_, **__: _random_examples(13, 1)
    )
    monkeypatch.setattr(evaluation, "test_factors", lambda source: FACTORS)
    for module in (phases, evaluation):
        monkeypatch.setattr(module, "build", build)
    return loaded


@pytest.fixture
def small_digits(monkeypatch):
    """Images of 6x6 px in the place of data sets; returns the factors asked for."""
    asked = []

    def load(name, split, *, data_dir, limit, lazy):
        return _random_examples(limit or 20, seed=len(split))

    def load_at_factor(name, factor, *, data_dir, limit):
        asked.append(factor)
        return _random_examples(limit or 13, seed=1)

    monkeypatch.setattr(gdjax.data, "load", load)
    monkeypatch.setattr(gdjax.data, "load_at_factor", load_at_factor)
    return asked


@dataclasses.dataclass(frozen=True)
class Session:
    """A run with its recipe and a console."""

    run: run_folder.RunFolder
    recipe: Recipe
    console: Console

    def train(self):
        loop.train(self.run, self.recipe, self.console)

    def evaluate(self, choices=None, command=""):
        choices = evaluation.Choices() if choices is None else choices
        return evaluation.evaluate(
            self.run, self.recipe, choices, self.console, command=command
        )


@pytest.fixture
def open_run(tmp_path):
    """A session in a run folder, new or as it is; `.text()` is what it has said."""

    def open_it(recipe, name="run"):
        path = tmp_path / name
        if path.exists():
            run, _, recipe = run_folder.open_run(path)
        else:
            run = run_folder.create("test", recipe, command="x", out=str(path))
        output = io.StringIO()
        session = Session(run, recipe, Console(file=output, width=200))
        return session, output.getvalue

    return open_it


def _assert_same(left, right):
    """Bit for bit, typed keys as well."""
    left, right = jax.tree.leaves(left), jax.tree.leaves(right)
    assert len(left) == len(right)
    for a, b in zip(left, right, strict=True):
        if jax.dtypes.issubdtype(a.dtype, jax.dtypes.prng_key):
            a, b = jax.random.key_data(a), jax.random.key_data(b)
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(np.asarray(a), np.asarray(b))


# As fixtures, because test files cannot import each other.
@pytest.fixture
def net():
    """The class of the small network."""
    return Net


@pytest.fixture
def random_examples():
    """(count, seed) -> images and labels."""
    return _random_examples


@pytest.fixture
def assert_same():
    """Compares two trees bit for bit."""
    return _assert_same


@pytest.fixture
def assert_uniform():
    """(values, low, high): range, mean, variance within five standard deviations."""

    def check(values, low, high):
        values = np.asarray(values, np.float64).ravel()
        n, width = values.size, high - low
        assert low - 1e-6 <= values.min() and values.max() <= high + 1e-6
        unit = (values - low) / width - 0.5
        assert abs(unit.mean()) <= 5 * np.sqrt(1 / 12 / n)
        assert abs((unit**2).mean() - 1 / 12) <= 5 * np.sqrt(1 / 180 / n)

    return check


@pytest.fixture
def resolved_values():
    """(recipe, net, paths) -> {path: value} of the net's first trial.

    The net is the recipe's first whose first half is that name, or else a name of its
    own, with ablations, in a run of it alone.
    """

    def find(recipe, net, paths):
        base = recipes.find(recipe).recipe
        names = [name for name in base.nets if name.split("+")[0] == net]
        base = dataclasses.replace(base, nets=(names[0] if names else net,))
        validate(base)
        return {path: _value(trials(base)[0], path) for path in paths}

    return find


def _value(found, path):
    for name in path.split("."):
        is_number = name.lstrip("-").isdigit()
        found = found[int(name)] if is_number else getattr(found, name)
    return found
