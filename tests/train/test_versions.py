"""Runs outlive versions: what older ones wrote is read, what belongs apart is told."""

import json
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest

from gdjax.models.network_loading import read_arrays
from gdjax_train import __main__ as command, evaluate, recipes, run_folder
from gdjax_train.checkpoints import Checkpoints
from gdjax_train.errors import UserError
from gdjax_train.recipe import Recipe
from gdjax_train.recipe_files import from_dict, to_dict


# Made by version 0.1.0: `gdjax-train rescaled_digits --epochs 1 --nets discrete+relu
# --model.widths 4 --model.sigmas 1 2 --batch-size 16 --data.train-images 64
# --data.test-images 10 --eval-factors 1 --checkpoint-every 2 --log-every 1`.
OLD = Path(__file__).with_name("run_of_0_1.tar.gz")


@pytest.fixture
def old(tmp_path):
    with tarfile.open(OLD) as archive:
        archive.extractall(tmp_path, filter="data")
    return tmp_path / "tiny"


def arrays(path):
    _, variables = read_arrays(path)
    return variables


def losses(path):
    lines = (path / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line)["loss"] for line in lines]


def test_an_older_run_is_resumed_and_evaluated(old, capsys):
    weights = old / "weights" / "discrete-relu.single.safetensors"
    expected = arrays(weights)
    rows = json.loads((old / "evaluation.json").read_text())["rows"]
    before = losses(old)
    shutil.rmtree(old / "weights")
    shutil.rmtree(old / "checkpoints" / "discrete-relu" / "single" / "4")
    (old / "evaluation.json").unlink()
    assert command.main(["--resume", str(old)]) == 0
    text = capsys.readouterr().out
    assert "made by an older version" in text
    assert "continues after step 2 of 4" in text
    # Two steps of Adam with the rounding of another machine: not for biases before a
    # normalisation, whose gradient is nothing but rounding.
    for layer, leaves in expected["params"].items():
        if "layer" in layer:
            found = arrays(weights)["params"][layer]["kernel"]
            np.testing.assert_allclose(found, leaves["kernel"], rtol=1e-3, atol=1e-4)
    for row, was in zip(losses(old), before, strict=True):
        assert row == pytest.approx(was, rel=1e-4)
    found = json.loads((old / "evaluation.json").read_text())["rows"]
    assert [row["name"] for row in found] == [row["name"] for row in rows]
    assert [set(row) - set(new) for row, new in zip(rows, found, strict=True)] == [
        set()
    ] * 2


def test_the_weights_of_an_older_run_are_evaluated(old, capsys):
    before = json.loads((old / "evaluation.json").read_text())["rows"]
    assert evaluate.main([str(old), "--name", "again"]) == 0
    after = json.loads((old / "again.json").read_text())["rows"]
    for one, other in zip(before, after, strict=True):
        assert one["accuracy"] == other["accuracy"]
        np.testing.assert_allclose(one["selected"], other["selected"])
    assert capsys.readouterr().out.count("made by an older version") == 1


@pytest.fixture
def run(tmp_path):
    return run_folder.create("x", Recipe(), command="", out=str(tmp_path / "run"))


def change(run, **values):
    stored = run.read_json("recipe.json")
    run.write_json("recipe.json", stored | values)


def test_missing_fields_have_their_defaults(run):
    stored = run.read_json("recipe.json")["recipe"]
    del stored["augment"], stored["model"]["ratio"]
    assert from_dict(stored) == Recipe()


def test_blocks_of_runs_without_the_field_activate_the_sum():
    # What they were trained with, whatever the default of new runs may become.
    stored = to_dict(recipes.find("gaussderresnet_digits").recipe)
    del stored["model"]["activate"]
    assert from_dict(stored).model.activate == "sum"


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("epohcs",), 3, "'epohcs': did you mean 'epochs'"),
        (("model", "family"), "gausdernet", "did you mean 'gaussdernet'"),
        (("model", "width"), [3], "'model.width': did you mean 'model.widths'"),
        (("optimizer", "name"), "adamm", "did you mean 'adam'"),
        (("batch_size",), "many", "batch_size='many'.*int"),
        (("data",), 3, "`data` must have fields"),
        (("nets",), [], "nets.* expected at least one"),
        (("multi_learning_rate",), 10**400, "multi_learning_rate.* beyond the range"),
        (("model", "sigmas"), [10**400], "model.sigmas.* beyond the range"),
    ],
)
def test_unknown_fields_and_values_are_refused(path, value, words):
    values = to_dict(Recipe())
    inner = values
    for name in path[:-1]:
        inner = inner[name]
    inner[path[-1]] = value
    with pytest.raises(UserError, match=f"another version.*{words}"):
        from_dict(values)


def test_a_later_format_is_refused(run):
    change(run, format=7)
    with pytest.raises(UserError, match="format 7.*update gdjax"):
        run_folder.open_run(run.path)


def test_a_recipe_that_was_changed_is_refused(run):
    stored = run.read_json("recipe.json")["recipe"]
    change(run, recipe=stored | {"epochs": 9})
    with pytest.raises(UserError, match="was changed since the run began"):
        run_folder.open_run(run.path)
    # But for the place of the data.
    change(run, recipe=stored | {"data_dir": "elsewhere"})
    assert run_folder.open_run(run.path)[2].data_dir == "elsewhere"


def test_what_holds_no_recipe_is_refused(run):
    run.write_json("recipe.json", [1])
    with pytest.raises(UserError, match="holds no mapping"):
        run_folder.open_run(run.path)


def test_checkpoints_of_another_recipe_are_refused(tmp_path):
    state = {"w": np.ones(3, np.float32)}
    with Checkpoints(tmp_path / "a", say=print, recipe="one") as checkpoints:
        checkpoints.save(1, state, wait=True)
    for recipe in ("one", None):
        with Checkpoints(tmp_path / "a", say=print, recipe=recipe) as checkpoints:
            assert checkpoints.restore(state)[0] == 1
    with Checkpoints(tmp_path / "a", say=print, recipe="two") as checkpoints:
        with pytest.raises(UserError, match="does not belong to the run's recipe"):
            checkpoints.restore(state)


def test_weights_of_another_recipe_are_refused(stand_in, one_net, open_run):
    session, _ = open_run(one_net)
    session.train()
    change(session.run, digest="another")
    with pytest.raises(UserError, match="of another recipe; take it away"):
        session.evaluate()


def test_weights_of_another_trial_or_phase_are_refused(stand_in, recipe, open_run):
    session, _ = open_run(recipe)
    session.train()
    one, other = (
        session.run.weights(f"{net}", "single")
        for net in ("discrete-relu", "spectral-silu")
    )
    kept = one.read_bytes()
    one.write_bytes(other.read_bytes())
    with pytest.raises(UserError, match="of another trial; take it away"):
        session.evaluate()
    one.write_bytes(session.run.weights("discrete-relu", "multi").read_bytes())
    with pytest.raises(UserError, match="of another phase"):
        session.evaluate()
    one.write_bytes(kept)
    session.evaluate()


def test_flipped_bytes_in_weights_are_noticed(stand_in, one_net, open_run):
    session, _ = open_run(one_net)
    session.train()
    path = session.run.weights("discrete-relu", "single")
    content = bytearray(path.read_bytes())
    content[-3] ^= 255
    path.write_bytes(content)
    with pytest.raises(UserError, match="damaged.*take it away and continue"):
        session.evaluate()
    path.unlink()
    session.train()  # they are written again
    session.evaluate()


def test_older_results_of_networks_without_channels_are_made_again(
    old, capsys, monkeypatch
):
    path = old / "evaluation.json"
    path.write_text(json.dumps({"kind": "njet", "rows": [{"accuracy": 0.5}]}))
    assert command.main(["--resume", str(old)]) == 0
    assert "factors" in json.loads(path.read_text())
    assert "2 channels" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["data.json", "evaluation.json", "recipe.json"])
def test_damaged_files_of_a_run_are_named(old, name, capsys):
    (old / name).write_bytes(b"\xff{")
    assert command.main(["--resume", str(old)]) == 2
    assert f"{name} cannot be read" in capsys.readouterr().err


@pytest.mark.parametrize("values", [3, {"model": [1]}, {"model": {"family": 3}}])
def test_recipes_that_are_none_are_refused(old, values, capsys):
    stored = json.loads((old / "recipe.json").read_text())
    (old / "recipe.json").write_text(json.dumps(stored | {"recipe": values}))
    assert command.main(["--resume", str(old)]) == 2
    assert "another version of gdjax, or by hand" in capsys.readouterr().err


def test_damaged_weights_are_written_anew(stand_in, one_net, open_run):
    session, text = open_run(one_net)
    session.train()
    path = session.run.weights("discrete-relu", "single")
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    session.train()
    assert path.read_bytes() == whole
    assert "written anew from the last checkpoint" in text()
