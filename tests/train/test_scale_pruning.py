"""Scales are taken out of use between epochs: once each, without compiling anew."""

import dataclasses

import numpy as np
import pytest

from gdjax.models import Pruning
from gdjax.models.network_loading import load_network
from gdjax.models.sesn import SESNToyConfig
from gdjax_train import data as data_module, evaluation, loop, step as steps
from gdjax_train.log import Log
from gdjax_train.recipe import DataConfig, Recipe
from gdjax_train.recipe_files import from_dict, to_dict
from gdjax_train.trials import trials
from gdjax_train.validation import validate


TRIAL = "sampled_derivatives-relu"


class Stop(Exception):
    """The machine goes down."""


@pytest.fixture
def pruned(monkeypatch, random_examples):
    """Four epochs of four steps; one of four scales goes before the 2nd, 3rd, 4th."""

    def load_split(source, *, data_dir, limit=None):
        return random_examples(limit or 20)

    monkeypatch.setattr(data_module, "load_split", load_split)
    monkeypatch.setattr(
        evaluation, "load_test", lambda *_, **__: random_examples(13, 1)
    )
    monkeypatch.setattr(evaluation, "test_factors", lambda source: ())
    model = SESNToyConfig(
        order=1, features=2, sigma=0.3, isr=1.5, count=4, learned="spacings", grid=2,
        prune=True, pruning=Pruning(start=1, merge_octaves=4.0),
    )  # fmt: skip
    return Recipe(
        epochs=4,
        batch_size=8,
        nets=("sampled_derivatives+relu",),
        data=DataConfig(name="stand_in", train_images=32),
        model=model,
        checkpoint_every=3,
        log_every=2,
    )


def in_use(session):
    return {
        row["step"]: sum(row["scale_use"]["active"]) for row in session.run.metrics()
    }


def weights(session):
    return session.run.weights(TRIAL, "single").read_bytes()


def test_scales_go_between_epochs_without_compiling_anew(pruned, open_run, monkeypatch):
    validate(pruned)
    assert from_dict(to_dict(pruned)) == pruned
    traces, compiled = [], []
    train_step, compile_step = steps.train_step, loop.compile_step

    def traced(*args, **kwargs):
        traces.append(1)
        return train_step(*args, **kwargs)

    def kept(*args, **kwargs):
        compiled.append(compile_step(*args, **kwargs))
        return compiled[-1]

    monkeypatch.setattr(steps, "train_step", traced)
    monkeypatch.setattr(loop, "compile_step", kept)
    session, _ = open_run(pruned)
    session.train()
    assert len(traces) == len(compiled) == 1
    found = in_use(session)
    assert [found[step] for step in (2, 4, 6, 8, 10, 12, 14, 16)] == [
        4, 4, 3, 3, 2, 2, 1, 1,
    ]  # fmt: skip
    for row in session.run.metrics():
        assert len(row["scales"]["scales"]) == found[row["step"]]
        assert len(row["scale_use"]["contributions"]) == 4


def test_what_is_evaluated_are_the_scales_in_use(pruned, open_run, random_examples):
    session, _ = open_run(dataclasses.replace(pruned, epochs=3))
    session.train()
    (row,) = session.evaluate()["rows"]
    last = session.run.metrics()[-1]["scales"]["scales"]
    np.testing.assert_allclose(row["sigmas"]["scales"], last, rtol=1e-6)
    assert len(last) == 2
    network = load_network(session.run.weights(TRIAL, "single"))
    small, variables = network.config.compacted(network.variables)
    images = random_examples(5, 2).image / np.float32(255)
    wanted, _ = network.module.apply(network.variables, images)
    found, _ = small.build().apply(variables, images)
    np.testing.assert_allclose(found, wanted, atol=1e-5)


# Before a checkpoint, after one at the end of an epoch and after one within an epoch.
@pytest.mark.parametrize(("count", "every"), [(6, 4), (9, 4), (11, 3)])
def test_a_resumed_run_prunes_once(count, every, pruned, open_run, monkeypatch):
    recipe = dataclasses.replace(pruned, checkpoint_every=every)
    unbroken, _ = open_run(recipe, "unbroken")
    unbroken.train()
    session, _ = open_run(recipe, "stopped")
    calls, add = [], Log.add

    def stopping(log, metrics):
        calls.append(1)
        if len(calls) > count:
            raise Stop
        add(log, metrics)

    with monkeypatch.context() as patch:
        patch.setattr(Log, "add", stopping)
        with pytest.raises(Stop):
            session.train()
    session, text = open_run(recipe, "stopped")
    session.train()
    assert f"continues after step {count // every * every}" in text()
    assert weights(session) == weights(unbroken)
    assert in_use(session) == in_use(unbroken)


def test_unpruned_is_an_ablation(pruned):
    nets = *pruned.nets, f"{pruned.nets[0]}+unpruned"
    recipe = dataclasses.replace(pruned, nets=nets)
    validate(recipe)
    assert [trial.recipe.model.prune for trial in trials(recipe)] == [True, False]
