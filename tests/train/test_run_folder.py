import json

import pytest

from gdjax import files
from gdjax_train import run_folder, versions
from gdjax_train.errors import UserError
from gdjax_train.recipe import Recipe


@pytest.fixture
def run(tmp_path):
    out = str(tmp_path / "runs" / "one")
    return run_folder.create("some", Recipe(seed=3, out=out), command="c", out=out)


def test_a_new_folder_has_recipe_and_versions(run):
    assert sorted(path.name for path in run.path.iterdir()) == [
        "recipe.json",
        "versions.json",
    ]
    noted = run.read_json("versions.json")
    assert {"commit", "gdjax", "jax", "flax", "optax"} <= set(noted)
    assert {"python", "device", "precision", "x64"} <= set(noted)
    # Nothing unfinished beside it.
    assert [path.name for path in run.path.parent.iterdir()] == ["one"]


def test_the_recipe_reads_back_without_its_place(run):
    found, name, recipe = run_folder.open_run(run.path)
    assert (found.path, name, recipe) == (run.path, "some", Recipe(seed=3))


def test_an_existing_folder_is_refused(run):
    before = (run.path / "recipe.json").read_text()
    with pytest.raises(UserError, match="exists already.*--resume.*--out"):
        run_folder.create("other", Recipe(), command="c", out=str(run.path))
    assert (run.path / "recipe.json").read_text() == before


def test_default_folder_is_named_after_recipe_and_time(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = run_folder.create("some", Recipe(), command="c")
    assert run.path.parent.name == "runs"
    assert run.path.name.startswith("some-2")


@pytest.mark.parametrize("content", [None, "{torn"])
def test_what_is_no_run_folder_is_refused(tmp_path, content):
    if content:
        (tmp_path / "recipe.json").write_text(content)
    with pytest.raises(UserError, match="recipe.json"):
        run_folder.open_run(tmp_path)


def row(member, stage, step):
    return {"member": member, "stage": stage, "step": step}


def test_rewinding_drops_later_rows_of_the_stage_and_a_torn_line(run):
    rows = [row("a", "single", step) for step in (2, 4, 6)]
    rows += [row("a", "multi", 5), row("b", "single", 5)]
    for each in rows:
        run.append_metrics(each)
    with (run.path / "metrics.jsonl").open("a") as file:
        file.write('{"member": "b", "st')
    run.rewind_metrics("a", "single", 4)
    text = (run.path / "metrics.jsonl").read_text()
    assert text.endswith("\n")
    assert [json.loads(line) for line in text.splitlines()] == rows[:2] + rows[3:]


def test_a_failed_write_leaves_the_old_file(run, monkeypatch):
    before = (run.path / "recipe.json").read_bytes()

    def fail(*_):
        raise OSError("disk")

    monkeypatch.setattr(files.os, "replace", fail)
    with pytest.raises(OSError, match="disk"):
        run.write_json("recipe.json", {"new": 1})
    assert (run.path / "recipe.json").read_bytes() == before
    assert len(list(run.path.iterdir())) == 2


def test_two_processes_do_not_train_in_one_folder(run):
    with run_folder.locked(run):
        with pytest.raises(UserError, match="another process"):
            with run_folder.locked(run):
                pass
    with run_folder.locked(run):
        pass


def test_a_resume_with_other_versions_is_noted(run):
    assert versions.compare_versions(run, "float32") == []
    before = run.read_json("versions.json")
    run.write_json("versions.json", before | {"jax": "0.1"})
    (change,) = versions.compare_versions(run, "float32")
    assert change.startswith("jax=") and "(was 0.1)" in change
    noted = run.read_json("versions.json")
    assert noted["jax"] == "0.1" and noted["resumed"] == [before]
