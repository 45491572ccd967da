"""The files of a run: damaged ones get a line, full disks lose nothing."""

import errno
import json
import os

import pytest

from gdjax import files
from gdjax_train import __main__ as command, evaluate, run_folder, versions
from gdjax_train.choices import Choices
from gdjax_train.data import TrainingData
from gdjax_train.errors import UserError
from gdjax_train.recipe import Recipe
from gdjax_train.trials import trials


DAMAGE = {
    "empty": b"",
    "cut": b'{"name": "rescaled_di',
    "not UTF-8": b'{"name": "\xff"}',
    "a list": b"[1, 2]",
    "a number": b"7",
    "null": b"null",
    "deep": b"[" * 100_000,
    "a folder": None,
}


@pytest.fixture
def run(tmp_path):
    out = str(tmp_path / "run")
    return run_folder.create("rescaled_digits", Recipe(), command="c", out=out)


def damage(path, content):
    path.unlink(missing_ok=True)
    path.mkdir() if content is None else path.write_bytes(content)


NAMES = "recipe.json", "versions.json", "data.json", "evaluation.json", "metrics.jsonl"


@pytest.mark.parametrize("kind", DAMAGE)
@pytest.mark.parametrize("name", NAMES)
def test_a_damaged_file_is_named_with_a_remedy(name, kind, run):
    content = DAMAGE[kind]
    if name == "metrics.jsonl" and kind != "a folder":
        # Before a whole row: what is torn at the end is no damage.
        content = (content or b"{") + b'\n{"step": 1}\n'
    damage(run.path / name, content)

    with pytest.raises(UserError) as error:
        {
            "recipe.json": lambda: run_folder.open_run(run.path),
            "versions.json": lambda: versions.compare_versions(run, "float32"),
            "data.json": lambda: TrainingData(run, Recipe()).facts(trials(Recipe())[0]),
            "evaluation.json": lambda: run.read_json("evaluation.json"),
            "metrics.jsonl": run.metrics,
        }[name]()
    words = str(error.value)
    assert words.startswith(str(run.path / name)) and "; " in words
    assert "\n" not in words
    if content is None:
        assert (run.path / name).is_dir()
    else:
        assert (run.path / name).read_bytes() == content


@pytest.mark.parametrize(
    "note",
    [
        3,
        {"images": -1, "shape": [1, 1, 1], "sha256": ""},
        {"images": "many"},
        {"images": 3, "shape": [1], "sha256": ""},
        {"images": 3},
    ],
)
def test_notes_of_data_without_their_fields_are_refused(note, run):
    run.write_json("data.json", {"train": note})
    with pytest.raises(UserError, match="data.json .*take it away"):
        TrainingData(run, Recipe()).facts(trials(Recipe())[0])


def test_rows_without_their_fields_are_refused(run):
    for row in ({"step": "3"}, {"loss": 1.0}, {"step": 3, "loss": "low"}, [3]):
        text = f"{json.dumps(row)}\n"
        (run.path / "metrics.jsonl").write_text(text)
        with pytest.raises(UserError, match="line 1"):
            run.metrics()


def test_results_that_are_none_are_refused(run):
    from rich.console import Console

    from gdjax_train.evaluation import show

    for result in ({}, {"rows": [], "factors": 3}, {"rows": [{}], "factors": [1.0]}):
        with pytest.raises(UserError, match="evaluation.json holds no results"):
            show(run, result, Console(quiet=True))


@pytest.mark.parametrize("code", files.FULL)
def test_a_full_disk_loses_nothing(code, run, monkeypatch):
    before = (run.path / "recipe.json").read_bytes()

    def fail(descriptor):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(files.os, "fsync", fail)
    with pytest.raises(UserError, match=r"no room for .*recipe.json .*--resume"):
        run.write_json("recipe.json", {"new": 1})
    assert (run.path / "recipe.json").read_bytes() == before
    assert len(list(run.path.iterdir())) == 2
    out = run.path.parent / "other"
    with pytest.raises(UserError, match="can't be made"):
        run_folder.create("x", Recipe(), command="c", out=str(out))
    assert [path.name for path in run.path.parent.iterdir()] == ["run"]


def test_the_content_is_on_the_disk_before_the_name(tmp_path, monkeypatch):
    done = []
    monkeypatch.setattr(files.os, "fsync", lambda number: done.append("sync"))
    replace = os.replace
    monkeypatch.setattr(
        files.os, "replace", lambda *paths: (done.append("name"), replace(*paths))
    )
    files.write_whole(tmp_path / ("n" * 250), b"content")
    assert done == ["sync", "name", "sync"]
    assert (tmp_path / ("n" * 250)).read_bytes() == b"content"


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP])
def test_file_systems_without_locks_are_warned_of(code, run, monkeypatch):
    import fcntl

    def refuse(*_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.warns(UserWarning, match="has no locks"), run_folder.locked(run):
        pass


def test_a_run_of_64_bits_needs_them(run):
    noted = run.read_json("versions.json")
    run.write_json("versions.json", noted | {"x64": not noted["x64"]})
    with pytest.raises(UserError, match="JAX_ENABLE_X64"):
        versions.require_same_types(run)
    del noted["x64"]  # an older run doesn't say
    run.write_json("versions.json", noted)
    versions.require_same_types(run)


def test_default_names_are_given_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(run_folder.time, "strftime", lambda _: "now")
    names = [run_folder.create("x", Recipe(), command="").path.name for _ in range(3)]
    assert names == ["x-now", "x-now-2", "x-now-3"]


def test_a_name_that_is_taken_meanwhile_is_refused(tmp_path, monkeypatch):
    out = tmp_path / "run"

    def made_by_another(*_):
        (out / "full").mkdir(parents=True)
        raise OSError(errno.ENOTEMPTY, "not empty")

    monkeypatch.setattr(run_folder.pathlib.Path, "rename", made_by_another)
    with pytest.raises(UserError, match="exists already"):
        run_folder.create("x", Recipe(), command="", out=str(out))
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


@pytest.mark.parametrize("begun", [False, True])
def test_a_run_that_holds_nothing_leaves_its_place(begun, run):
    if begun:
        run.append_metrics({"step": 1})
    with pytest.raises(UserError), run_folder.kept_if_begun(run):
        raise UserError("too late")
    assert run.path.exists() == begun


def test_what_the_machine_refused_is_kept(run):
    with pytest.raises(UserError), run_folder.kept_if_begun(run):
        raise UserError("no room") from OSError(errno.ENOSPC, "no space")
    with pytest.raises(KeyboardInterrupt), run_folder.kept_if_begun(run):
        raise KeyboardInterrupt
    assert run.path.exists()


def test_a_result_does_not_take_the_name_of_a_file_of_the_run(run, capsys):
    before = sorted((path.name, path.read_bytes()) for path in run.path.iterdir())
    for name in ("recipe", "DATA", "checkpoints"):
        assert evaluate.main([str(run.path), "--name", name]) == 2
        assert "of the run" in capsys.readouterr().err
    after = sorted((path.name, path.read_bytes()) for path in run.path.iterdir())
    assert after == before


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        ({"factors": (0.0,)}, "`factors=0.0`"),
        ({"sigmas": (-1.0,)}, "`sigmas=-1.0`"),
        ({"sigmas": (float("nan"),)}, "`sigmas=nan`"),
        ({"test_images": 0}, "`test_images=0`"),
        ({"poolings": ("max", "max")}, "each once"),
        ({"sigmas": (1.0, 1.0)}, "each once"),
        ({"poolings": ("mean",), "sigmas": (1.0,)}, "of which there is one"),
    ],
)
def test_choices_without_a_meaning_are_refused(choices, words):
    from gdjax_train.choices import check_choices

    with pytest.raises(UserError, match=words):
        check_choices(Choices(**choices), Recipe())


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ({"per_octave": 10**11}, "`per_octave=100000000000`"),
        ({"up_to": 1e300}, "`up_to=1e[+]300`"),
    ],
)
def test_channels_without_end_are_refused(request_, words):
    with pytest.raises(UserError, match=words):
        evaluate.dense_sigmas(evaluate.Request("run", **request_), (1.0, 2.0))


def test_what_is_no_file_is_left_as_it_is(tmp_path):
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_bytes(b"old")
    link.symlink_to(target)
    files.write_whole(link, b"new")
    assert link.is_symlink() and target.read_bytes() == b"new"
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (pipe, tmp_path):
        with pytest.raises(OSError, match="no file"):
            files.write_whole(path, b"new")
    assert pipe.is_fifo()


@pytest.mark.parametrize(
    ("path", "words"),
    [("no/such", "doesn't exist"), ("file", "is no folder"), ("", "no run folder")],
)
def test_what_is_resumed_must_be_there(path, words, tmp_path, capsys):
    (tmp_path / "file").touch()
    assert command.main(["--resume", str(tmp_path / path)]) == 2
    assert words in capsys.readouterr().err


def test_a_checkpoint_of_another_step_or_phase_is_put_aside(tmp_path):
    import shutil

    import numpy as np

    from gdjax_train.checkpoints import Checkpoints

    said, state = [], {"w": np.ones(3, np.float32)}

    def restored(phase):
        opened = Checkpoints(tmp_path / phase, say=said.append, phase=phase)
        with opened as checkpoints:
            found = checkpoints.restore(state)
        return found and found[0]

    with Checkpoints(tmp_path / "a", say=said.append, phase="a") as checkpoints:
        for step in (1, 2):
            checkpoints.save(step, state, wait=True)
    shutil.copytree(tmp_path / "a" / "1", tmp_path / "a" / "3")
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    assert restored("a") == 2 and "it is that of step 1" in said[0]
    assert restored("b") is None and "it is that of phase a" in said[-1]


@pytest.mark.parametrize("way", ["flipped", "cut", "gone", "more"])
def test_damage_is_seen_before_a_checkpoint_is_read(way, tmp_path, monkeypatch):
    import numpy as np

    from gdjax_train.checkpoints import Checkpoints

    said, state = [], {"w": np.ones(3, np.float32)}
    with Checkpoints(tmp_path / "a", say=said.append) as checkpoints:
        for step in (1, 2):
            checkpoints.save(step, state, wait=True)
    path = max((tmp_path / "a" / "2").rglob("*"), key=lambda path: path.stat().st_size)
    path = path if path.is_file() else next((tmp_path / "a" / "2").rglob("_METADATA"))
    content = bytearray(path.read_bytes())
    if way == "flipped":
        content[-1] ^= 1
    path.write_bytes(content[:-1] if way == "cut" else content)
    if way == "gone":
        path.unlink()
    if way == "more":
        path.with_name("more").touch()
    with Checkpoints(tmp_path / "a", say=said.append) as checkpoints:
        assert checkpoints.restore(state)[0] == 1
    assert "is not what was written" in said[0] and len(said) == 1


def test_damaged_metadata_are_no_matter_for_orbax(tmp_path):
    import numpy as np

    from gdjax_train.checkpoints import Checkpoints

    said, state = [], {"w": np.ones(3, np.float32)}
    with Checkpoints(tmp_path / "a", say=said.append) as checkpoints:
        for step in (1, 2):
            checkpoints.save(step, state, wait=True)
    (tmp_path / "a" / "2" / "_CHECKPOINT_METADATA").write_text("[1, null]")
    with Checkpoints(tmp_path / "a", say=said.append) as checkpoints:
        assert checkpoints.restore(state)[0] == 1
    assert "_CHECKPOINT_METADATA is not what was written" in said[0]
