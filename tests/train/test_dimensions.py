"""Seeds, realisations, best weights, lazy data, what batches carry."""

import dataclasses
import functools
import threading
import typing

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from gdjax.plots.generalisation import generalisation_curve
from gdjax_train import (
    checkpoints as checkpoints_module,
    data as data_module,
    loop,
    phases,
)
from gdjax_train.augment_config import AugmentConfig
from gdjax_train.batch import Batch, batches
from gdjax_train.data import source
from gdjax_train.errors import UserError
from gdjax_train.evaluation import Choices, trained_network
from gdjax_train.log import best_before
from gdjax_train.recipe import DataConfig, Recipe
from gdjax_train.step import initial_state, train_step
from gdjax_train.tables import print_scores, summary
from gdjax_train.trials import trials


def test_seeds_are_trials_and_have_a_mean(stand_in, one_net, open_run, assert_same):
    session, text = open_run(dataclasses.replace(one_net, seeds=(3, 4), multi_epochs=0))
    session.train()
    result = session.evaluate()
    names = [row["name"] for row in result["rows"]]
    assert names[0] == "discrete+relu, seed 3, one channel"
    assert [row["seed"] for row in result["rows"]] == [3, 3, 4, 4]
    one, many = result["summary"]
    assert one["name"] == "discrete+relu, one channel" and one["runs"] == 2
    accuracies = np.array([result["rows"][k]["accuracy"] for k in (0, 2)])
    np.testing.assert_allclose(one["accuracy"], accuracies.mean(0))
    np.testing.assert_allclose(one["std"], accuracies.std(0))
    print_scores(session.console, result)
    line = f"{100 * one['accuracy'][0]:.1f} ± {100 * one['std'][0]:.1f}"
    assert line in text()
    # Each seed is trained as by itself.
    alone, _ = open_run(dataclasses.replace(one_net, seed=4, multi_epochs=0), "alone")
    alone.train()
    trial, lone = trials(session.recipe)[1], trials(alone.recipe)[0]
    assert_same(
        trained_network(session.run, trial, "single")[1],
        trained_network(alone.run, lone, "single")[1],
    )


def test_a_band_is_drawn_around_means():
    row = {"name": "a", "accuracy": [0.5, 0.6], "std": [0.1, 0.2]}
    (band,) = generalisation_curve((1.0, 2.0), [row]).axes[0].collections
    low, high = band.get_paths()[0].vertices[:, 1].min(), 80.0
    assert low == pytest.approx(40) and high == pytest.approx(
        band.get_paths()[0].vertices[:, 1].max()
    )


def test_single_rows_have_no_mean():
    assert summary([{"group": "a"}, {"group": "b"}]) == []


def test_realisations_name_their_data():
    data = DataConfig(name="digits{realisation}", realisations=(1, 5))
    first, second = trials(Recipe(data=data))
    assert source(first, "train").name == "digits1"
    assert source(second, "train").key == "digits5/train"
    assert second.name == "discrete+relu, realisation 5"
    sized = dataclasses.replace(data, train_sizes=(1.0, 2.0), enlarge=True)
    keys = {source(trial, "train").key for trial in trials(Recipe(data=sized))}
    assert len(keys) == 4


def test_the_best_weights_are_kept_beside_the_last(
    stand_in, one_net, open_run, monkeypatch, assert_same
):
    data = dataclasses.replace(one_net.data, validation_images=15)
    recipe = dataclasses.replace(one_net, data=data, epochs=4, multi_epochs=0)
    scores = iter([0.2, 0.7, 0.7, 0.3])
    seen = []

    def accuracy(found, labels, pooling):
        return next(scores)

    monkeypatch.setattr(loop.predict, "accuracy", accuracy)
    write = phases.PhaseTraining.write_weights

    def spy(work, name, variables):
        seen.append((name, jax.device_get(variables)))
        write(work, name, variables)

    monkeypatch.setattr(phases.PhaseTraining, "write_weights", spy)
    session, _ = open_run(recipe)
    session.train()
    names = [name for name, _ in seen]
    best = "discrete-relu.single.best.safetensors"
    assert names == [best, best, "discrete-relu.single.safetensors"]
    monkeypatch.undo()
    (trial,) = trials(recipe)
    assert_same(trained_network(session.run, trial, "single", "best")[1], seen[1][1])
    assert_same(trained_network(session.run, trial, "single")[1], seen[2][1])


def test_best_weights_that_are_lost_are_kept_anew(stand_in, one_net, open_run):
    data = dataclasses.replace(one_net.data, validation_images=15)
    recipe = dataclasses.replace(one_net, data=data)
    session, _ = open_run(recipe)
    row = {"member": "discrete-relu", "stage": "single", "step": 4}
    session.run.append_metrics(row | {"validation_accuracy": 1.0})
    (trial,) = trials(recipe)
    assert best_before(session.run, trial, trial.phases[0]) == -1
    path = session.run.weights("discrete-relu", "single", best=True)
    path.parent.mkdir()
    path.write_bytes(b"")
    assert best_before(session.run, trial, trial.phases[0]) == 1


def test_best_weights_need_a_validation(stand_in, one_net, open_run):
    session, _ = open_run(one_net)
    session.train()
    with pytest.raises(UserError, match="no best weights"):
        session.evaluate(Choices(weights="best"))


class Lazy:
    """Rows that are read when they are asked for."""

    def __init__(self, rows):
        self.rows, self.asked = rows, []
        self.shape, self.dtype = rows.shape, rows.dtype

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, index):
        self.asked.append(np.size(index))
        return self.rows[index]


def test_lazily_read_images_train_to_the_same_weights(
    stand_in, one_net, open_run, monkeypatch, assert_same
):
    eager, _ = open_run(one_net, "eager")
    eager.train()
    load_split, lazy = data_module.load_split, []

    def load_lazily(own, **options):
        assert own.lazy
        examples = load_split(own, **options)
        lazy.append(Lazy(examples.image))
        return examples._replace(image=lazy[-1])

    monkeypatch.setattr(data_module, "load_split", load_lazily)
    data = dataclasses.replace(one_net.data, lazy=True)
    session, _ = open_run(dataclasses.replace(one_net, data=data), "lazy")
    session.train()
    for phase in ("single", "multi"):
        found = [
            trained_network(each.run, trials(each.recipe)[0], phase)[1]
            for each in (eager, session)
        ]
        assert_same(*found)
    # After the digest, batches only.
    assert max(lazy[0].asked[1:]) == one_net.batch_size


class Sized(typing.NamedTuple):
    image: np.ndarray
    label: np.ndarray
    factor: np.ndarray


def test_batches_say_which_images_they_have_and_their_factors():
    examples = Sized(np.zeros((6, 2, 2, 1), np.uint8), np.arange(6), np.arange(6) / 2)
    order = np.array([[0, 1], [4, 2], [5, 3]])
    found = list(batches(examples, lambda step: order[step], start=1, stop=3))
    assert [batch.index.tolist() for batch in found] == [[4, 2], [5, 3]]
    assert [batch.label.tolist() for batch in found] == [[4, 2], [5, 3]]
    np.testing.assert_array_equal(found[0].factor, np.float32([2.0, 1.0]))


def test_losses_may_use_the_index_and_the_factor_of_an_image(net):
    model = net()
    optimizer = optax.sgd(0.1)
    state = initial_state(model, optimizer, jax.random.key(0), image_shape=(6, 6, 1))
    images = np.full((3, 6, 6, 1), 128, np.uint8)
    batch = Batch(
        images, np.zeros(3, np.int32), np.array([7, 8, 9], np.int32),
        np.float32([1, 2, 4]),
    )  # fmt: skip

    def loss(logits, batch):
        return (batch.index * batch.factor).sum() + 0 * logits.sum()

    step = functools.partial(
        train_step, model=model, optimizer=optimizer, loss=loss,
        augment=AugmentConfig(scale=(2.0, 2.0)),
    )  # fmt: skip
    _, metrics = jax.jit(step)(state, batch)
    # Enlarging doubles the factors.
    np.testing.assert_allclose(metrics["loss"], 2 * (7 + 16 + 36), rtol=1e-6)


def test_checkpoints_are_hashed_by_another_thread(tmp_path, monkeypatch):
    threads, digests = [], checkpoints_module.digests

    def spy(tree):
        threads.append(threading.current_thread())
        return digests(tree)

    monkeypatch.setattr(checkpoints_module, "digests", spy)
    with checkpoints_module.Checkpoints(tmp_path, say=print) as checkpoints:
        checkpoints.save(1, {"w": jnp.ones(3)}, wait=True)
    assert threads and threading.main_thread() not in threads
