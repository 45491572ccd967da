import dataclasses
import shutil

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gdjax.models import GaussDerNet, save_network
from gdjax.models.network_loading import read_arrays
from gdjax_train import loop, phases, predict, step as steps
from gdjax_train.checkpoints import Checkpoints, whole_steps
from gdjax_train.data import TrainingData
from gdjax_train.errors import UserError
from gdjax_train.evaluation import trained_network
from gdjax_train.initial_weights import with_weights
from gdjax_train.recipe import DataConfig, OptimizerConfig
from gdjax_train.trials import trials


TRIALS = ("discrete-relu", "spectral-silu")


@pytest.fixture
def finished(stand_in, recipe, open_run):
    session, _ = open_run(recipe, "finished")
    session.train()
    return session


def weights(session):
    folder = session.run.path / "weights"
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def without_speed(session):
    rows = session.run.metrics()
    return [{k: v for k, v in row.items() if "second" not in k} for row in rows]


def test_all_trials_and_phases_are_trained(finished):
    assert list(weights(finished)) == [
        f"{trial}.{phase}.safetensors"
        for trial in TRIALS
        for phase in ("multi", "single")
    ]
    rows = [r for r in finished.run.metrics() if r["member"] == TRIALS[0]]
    # 35 images make 4 batches of 8; rows every 2 steps and at checkpoints (every 3).
    assert [(r["stage"], r["step"]) for r in rows] == [
        ("single", step) for step in (2, 3, 4, 6, 8)
    ] + [("multi", step) for step in (2, 3, 4)]
    assert rows[-1]["epoch"] == 1.0


def test_trials_start_from_the_same_weights_and_see_the_same_data(
    finished, assert_same
):
    # The stand-in network ignores the flavour: so both trials come out the same.
    for phase in ("single", "multi"):
        paths = [finished.run.weights(trial, phase) for trial in TRIALS]
        (_, one), (_, other) = (read_arrays(path) for path in paths)
        assert_same(one, other)


def test_another_seed_gives_other_weights(finished, recipe, open_run):
    session, _ = open_run(dataclasses.replace(recipe, seed=1), "other")
    session.train()
    assert weights(session) != weights(finished)


def test_exported_weights_are_those_of_the_last_checkpoint(finished, assert_same):
    trial = trials(finished.recipe)[0]
    work = phases.PhaseTraining.of(
        finished.run,
        TrainingData(finished.run, finished.recipe),
        trial,
        trial.phases[1],
    )
    folder = finished.run.checkpoints(trial.slug, "multi")
    digest = finished.run.digest()
    with Checkpoints(folder, say=print, recipe=digest) as checkpoints:
        _, state = checkpoints.restore(work.template())
    read = trained_network(finished.run, trial, "multi")[1]
    assert_same(read, steps.evaluated_variables(state))
    assert set(read) == {"params", "batch_stats"}


def test_a_finished_run_is_not_trained_again(finished, open_run, stand_in, monkeypatch):
    rows = finished.run.metrics()
    stand_in.clear()
    monkeypatch.setattr(loop, "_advance", None)  # calling it would raise
    session, text = open_run(None, "finished")
    session.train()
    assert text().count("finished before") == 4
    assert session.run.metrics() == rows
    assert not stand_in  # no data were read


class Stop(Exception):
    pass


@pytest.fixture
def stopped_after(stand_in, recipe, open_run, monkeypatch):
    """(steps, recipe) -> a run that died after so many steps, counted over all."""

    def run_until(count, recipe=recipe):
        session, _ = open_run(recipe, "stopped")
        calls = []
        original = loop.Log.add

        def add(log, metrics):
            calls.append(1)
            if len(calls) > count:
                raise Stop
            original(log, metrics)

        with monkeypatch.context() as patch:
            patch.setattr(loop.Log, "add", add)
            with pytest.raises(Stop):
                session.train()
        return open_run(recipe, "stopped")

    return run_until


# Before the first checkpoint; between two; in the second phase; in the second trial.
@pytest.mark.parametrize("count", [2, 7, 10, 23])
def test_a_resumed_run_ends_bit_for_bit_as_if_unbroken(count, finished, stopped_after):
    session, text = stopped_after(count)
    session.train()
    assert weights(session) == weights(finished)
    assert without_speed(session) == without_speed(finished)
    if count == 2:
        assert "no usable checkpoint, starts anew" in text()
    if count == 7:
        assert "continues after step 6 of 8" in text()


def test_a_resume_with_running_mean_and_validation(
    stand_in, one_net, open_run, stopped_after
):
    recipe = dataclasses.replace(
        one_net,
        optimizer=OptimizerConfig(ema_decay=0.9),
        data=dataclasses.replace(one_net.data, validation_images=15),
    )
    unbroken, _ = open_run(recipe, "unbroken")
    unbroken.train()
    session, _ = stopped_after(7, recipe)
    session.train()
    assert weights(session) == weights(unbroken)
    assert without_speed(session) == without_speed(unbroken)
    rows = [row for row in session.run.metrics() if "validation_accuracy" in row]
    assert [row["step"] for row in rows] == [4, 8, 4]


def test_a_damaged_last_checkpoint_is_trained_again(finished, open_run):
    expected = weights(finished)
    folder = finished.run.checkpoints(TRIALS[0], "single")
    shutil.rmtree(folder / "8" / "state")
    shutil.rmtree(finished.run.path / "weights")
    session, text = open_run(None, "finished")
    session.train()
    assert "damaged" in text() and "continues after step 6 of 8" in text()
    assert weights(session) == expected


def test_a_checkpoint_of_another_network_is_refused(finished, open_run, monkeypatch):
    build = phases.build
    other = lambda *args: build(*args).clone(classes=7)  # noqa: E731
    monkeypatch.setattr(phases, "build", other)
    session, _ = open_run(None, "finished")
    with pytest.raises(UserError, match="another network.*expected float32"):
        session.train()


def test_the_multi_phase_starts_from_the_single_weights(stand_in, one_net, open_run):
    frozen = OptimizerConfig(learning_rate=1e-12, min_learning_rate=0.0)
    session, _ = open_run(dataclasses.replace(one_net, optimizer=frozen))
    session.train()
    read = [
        read_arrays(session.run.weights(TRIALS[0], stage))[1]["params"]["Dense_0"]
        for stage in ("single", "multi")
    ]
    np.testing.assert_allclose(read[0]["kernel"], read[1]["kernel"], atol=1e-9)
    scratch = dataclasses.replace(one_net, optimizer=frozen, multi_from="scratch")
    session, _ = open_run(scratch, "scratch")
    session.train()
    other = read_arrays(session.run.weights(TRIALS[0], "multi"))[1]["params"]["Dense_0"]
    assert np.abs(other["kernel"] - read[0]["kernel"]).max() > 0.1


def test_channels_of_the_training_need_not_be_the_evaluated_ones(
    stand_in, one_net, open_run
):
    recipe = dataclasses.replace(one_net, multi_sigmas=(0.5, 1.0, 4.0))
    session, _ = open_run(recipe)
    session.train()
    described, own = read_arrays(session.run.weights(TRIALS[0], "multi"))
    assert tuple(described["network"]["sigmas"]) == one_net.model.sigmas
    session, _ = open_run(one_net, "usual")
    session.train()
    _, usual = read_arrays(session.run.weights(TRIALS[0], "multi"))
    kernels = [each["params"]["Dense_0"]["kernel"] for each in (own, usual)]
    assert np.abs(kernels[0] - kernels[1]).max() > 1e-4


def test_phases_may_be_parts_of_an_epoch_and_the_first_on_coarser_grids(
    stand_in, one_net, open_run
):
    data = dataclasses.replace(one_net.data, validation_images=20)
    recipe = dataclasses.replace(
        one_net, data=data, epochs=1.5, multi_epochs=0.5, single_pyramid=0.5
    )
    session, _ = open_run(recipe)
    session.train()
    trial = trials(recipe)[0]
    assert [phase.model.pyramid for phase in trial.phases] == [0.5, None]
    rows = session.run.metrics()
    for stage, count in (("single", 6), ("multi", 2)):
        last = [row for row in rows if row["stage"] == stage][-1]
        assert last["step"] == count
        assert "validation_accuracy" in last


def test_a_second_phase_may_start_from_the_weights_of_another_run(
    stand_in, one_net, open_run
):
    whole, _ = open_run(one_net, "whole")
    whole.train()
    path = str(whole.run.weights(TRIALS[0], "single"))
    recipe = dataclasses.replace(
        one_net, epochs=0, multi_from="scratch", initial_weights=path
    )
    second, _ = open_run(recipe, "second")
    second.train()
    found, wanted = (
        read_arrays(session.run.weights(TRIALS[0], "multi"))[1]
        for session in (second, whole)
    )
    chex.assert_trees_all_equal(found, wanted)


def test_weights_to_start_from_must_be_those_of_the_network(tmp_path):
    def initial(net):
        return net.init(jax.random.key(0), jnp.zeros((1, 8, 8, 1)))

    net = GaussDerNet(widths=(3,), sigmas=(1.0,))
    variables = initial(net)
    path = str(tmp_path / "weights.safetensors")
    save_network(path, net, variables)
    chex.assert_trees_all_equal(with_weights(path, variables), variables)
    others = ((net.clone(widths=(4,)), "shape"), (net.clone(widths=(3, 3)), "no"))
    for other, name in others:
        with pytest.raises(UserError, match=f"initial_weights=.* has {name} "):
            with_weights(path, initial(other))
    with pytest.raises(UserError, match="initial_weights=.*missing"):
        with_weights(str(tmp_path / "missing"), variables)


def test_each_phase_is_compiled_once(stand_in, one_net, open_run, monkeypatch):
    traces = []
    original = steps.train_step

    def traced(*args, **kwargs):
        traces.append(1)
        return original(*args, **kwargs)

    monkeypatch.setattr(steps, "train_step", traced)
    open_run(one_net)[0].train()
    assert len(traces) == 2


@pytest.mark.parametrize("name", ["loss", "gradient_norm"])
def test_a_loss_that_is_not_finite_stops_the_run(
    stand_in, one_net, open_run, monkeypatch, name
):
    compile_step = loop.compile_step

    def compile_broken(*args, **kwargs):
        step = compile_step(*args, **kwargs)

        def wrapped(state, batch):
            number = int(state.step) + 1
            state, metrics = step(state, batch)
            if number == 5:
                metrics = metrics | {name: jnp.asarray(jnp.nan)}
            return state, metrics

        return wrapped

    monkeypatch.setattr(loop, "compile_step", compile_broken)
    session, _ = open_run(one_net)
    with pytest.raises(UserError, match="not finite at step 5; the last good.*/3;"):
        session.train()
    assert whole_steps(session.run.checkpoints(TRIALS[0], "single")) == [3]
    assert max(row["step"] for row in session.run.metrics()) == 4


def test_a_full_disk_leaves_a_run_that_can_be_resumed(
    finished, recipe, open_run, monkeypatch
):
    save = Checkpoints.save

    def fail(self, step, state, *, wait=False):
        if step == 6:
            raise self._not_saved(OSError(28, "No space left on device"))
        save(self, step, state, wait=wait)

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoints, "save", fail)
        session, _ = open_run(recipe, "full")
        with pytest.raises(UserError, match="no space left on the disk.*--resume"):
            session.train()
    session, _ = open_run(None, "full")
    session.train()
    assert weights(session) == weights(finished)


def test_metrics_on_a_full_disk_name_the_last_good_checkpoint(
    stand_in, one_net, open_run, monkeypatch
):
    session, _ = open_run(one_net)
    append = type(session.run).append_metrics

    def fail(run, row):
        if row["step"] == 6:
            raise OSError(28, "No space left on device")
        append(run, row)

    monkeypatch.setattr(type(session.run), "append_metrics", fail)
    with pytest.raises(UserError, match="no space left.*checkpoint.*--resume"):
        session.train()


def test_other_data_on_resume_are_refused(stand_in, recipe, stopped_after, monkeypatch):
    session, _ = stopped_after(7)
    data = TrainingData(session.run, session.recipe)
    examples = data.train(trials(recipe)[0])
    changed = examples._replace(image=examples.image ^ 1)
    monkeypatch.setattr("gdjax_train.data.load_split", lambda *_, **__: changed)
    with pytest.raises(UserError, match="has changed since the run began"):
        session.train()


def test_each_training_size_reads_its_own_split(stand_in, recipe, open_run):
    data = DataConfig(name="stand_in", train_images=35, train_sizes=(1.0, 2.0))
    recipe = dataclasses.replace(recipe, nets=("discrete+relu",), data=data, epochs=1)
    open_run(recipe)[0].train()
    assert stand_in == ["train_scale_1p000", "train_scale_2p000"]


def test_tensorboard_files_are_written(stand_in, one_net, open_run):
    pytest.importorskip("tensorboardX")
    session, _ = open_run(dataclasses.replace(one_net, tensorboard=True, epochs=1))
    session.train()
    assert len(list((session.run.path / "tensorboard").rglob("events.*"))) == 2


def images_of(session):
    data = TrainingData(session.run, session.recipe)
    return len(data.train(trials(session.recipe)[0]).label)


def test_training_and_validation_images_are_joined(stand_in, recipe, open_run):
    data = DataConfig(name="stand_in", train_images=35, with_validation=True)
    session, _ = open_run(dataclasses.replace(recipe, data=data))
    assert (
        len(TrainingData(session.run, session.recipe).train(trials(recipe)[0]).label)
        == 35
    )
    assert stand_in == ["train"]  # enough without
    data = dataclasses.replace(data, train_images=None)
    session, _ = open_run(dataclasses.replace(recipe, data=data), name="all")
    assert (
        len(TrainingData(session.run, session.recipe).train(trials(recipe)[0]).label)
        == 20 + 20
    )
    assert stand_in[1:] == ["train", "validation"]


def test_labels_outside_the_classes_are_refused(stand_in, recipe, open_run):
    model = dataclasses.replace(recipe.model, num_classes=7)
    session, _ = open_run(dataclasses.replace(recipe, model=model))
    with pytest.raises(UserError, match=r"`num_classes=7`.*label [789] .*num-classes"):
        session.train()


def test_an_ablation_is_validated_with_its_own_pooling(
    stand_in, recipe, open_run, monkeypatch
):
    data = dataclasses.replace(recipe.data, validation_images=5)
    recipe = dataclasses.replace(recipe, data=data, nets=("discrete+relu+mean",))
    used, pooled = [], predict.pooled

    def spy(per_scale, pooling):
        used.append(pooling)
        return pooled(per_scale, pooling)

    monkeypatch.setattr(predict, "pooled", spy)
    open_run(recipe)[0].train()
    assert set(used) == {"mean"}
