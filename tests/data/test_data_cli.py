"""The console script `gdjax-data`."""

from __future__ import annotations

import io

import numpy as np
import pytest
from matplotlib.image import imread
from rich.console import Console

import gdjax
from gdjax.data import BUILDERS
from gdjax.data.cli import _grey, main
from gdjax.data.listing import print_sets
from gdjax.data.preparing import prepared_root


def test_list_names_all_sets_and_what_is_prepared(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")  # a table; narrower ones are lists
    assert main(["list"]) == 0
    table = capsys.readouterr().out
    assert all(name in table for name in BUILDERS)
    assert "tiny" in table and table.count(" no ") == len(BUILDERS)
    assert main(["prepare", "rescaled_digits/tiny"]) == 0
    assert "rescaled_digits/tiny/1.0.0" in capsys.readouterr().out
    main(["list"])
    assert capsys.readouterr().out.count(" no ") == len(BUILDERS) - 1


@pytest.mark.parametrize("width", [20, 40, 80, 139, 140, 200])
def test_names_are_never_cut(width):
    console = Console(file=io.StringIO(), width=width)
    print_sets(console)
    words = console.file.getvalue().split()
    for name, builder in BUILDERS.items():
        assert name in words
        configs = [f"/{c}" for c in builder.builder_configs if c != "default"]
        assert set(configs) <= set(words)
    assert "\N{HORIZONTAL ELLIPSIS}" not in console.file.getvalue()


@pytest.mark.parametrize("width", ["40", "80"])
def test_list_is_as_narrow_as_asked_for(width, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", width)
    assert main(["list"]) == 0
    *lines, where = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= int(width)
    assert "TFDS_DATA_DIR" in where and str(prepared_root()) in where


def test_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"gdjax-data {gdjax.__version__}\n"


def test_show_writes_a_sheet_and_leaves_nothing_else(tmp_path, capsys, write_idx):
    folder, out = write_idx(), tmp_path / "out" / "sheet.png"
    out.parent.mkdir()
    arguments = ["--data-dir", str(folder), "--factors", "0.5", "1", "9.5"]
    name = "mnist_large_scale/tiny"
    assert main(["show", name, "--out", str(out), *arguments]) == 0
    assert capsys.readouterr().out.strip() == str(out)
    assert [path.name for path in out.parent.iterdir()] == ["sheet.png"]
    picture = imread(out)
    assert picture.shape[1] > picture.shape[0] and picture.std() > 0.1


def test_list_shows_sides_and_colour(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    assert main(["list"]) == 0
    table = capsys.readouterr().out
    for size in ("28x28 ", "64x64 RGB", "train 96x96 RGB", "test 192x192 RGB"):
        assert size in table


def test_show_draws_colour_images(tmp_path, capsys, write_stl10):
    folder, out = write_stl10(layout="archive"), tmp_path / "sheet.png"
    arguments = ["--data-dir", str(folder), "--factors", "0.5", "1", "3"]
    name = "rescaled_stl10/tiny"
    assert main(["prepare", name, "--data-dir", str(folder)]) == 0
    assert main(["show", name, "--out", str(out), "--columns", "2", *arguments]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == str(out)
    picture = imread(out)
    assert picture.std() > 0.1
    assert np.abs(picture[..., 0] - picture[..., 2]).max() > 0.2


@pytest.mark.parametrize("classes", [2, 11, 19])
def test_each_class_of_a_mask_has_its_shade(classes):
    mask = np.array([*range(classes), 255], np.uint8).reshape(1, 1, -1)
    shades = _grey(mask, classes).ravel()
    assert shades[0] == 0 and shades[-1] == 255 and shades.dtype == np.uint8
    assert (np.diff(shades.astype(int)) >= 10).all()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["prepare", "mnst"], "did you mean mnist"),
        (["prepare", "mnist", "--data-dir", "/nowhere"], "/nowhere does not exist"),
        (["prepare", "mnist"], "--data-dir"),
        (["prepare", "rescaled_cifar10"], "no source of CIFAR-10"),
        (["prepare", "rescaled_stl10", "--data-dir", "."], "lacks STL-10"),
        (["show", "rescaled_digits/tiny", "--out", "/nowhere/x.png"], "/nowhere"),
        (["show", "mnist", "--out", "x.png", "--factors", "2"], "only factor 1"),
        (["show", "mnist", "--out", "x.png", "--columns", "0"], "limit=0"),
        (["show", "mnist", "--out", "x.png", "--factors", "-1"], "positive"),
    ],
)
def test_mistakes_get_one_line_and_code_2(
    arguments, words, capsys, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert words in lines[-1] and lines[-1].startswith("gdjax-data: ")
    assert not any("Traceback" in line for line in lines)
    assert not (tmp_path / "x.png").exists()


def test_help_and_wrong_flags(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    with pytest.raises(SystemExit) as caught:
        main(["prepare"])
    assert caught.value.code == 2


@pytest.mark.parametrize("place", [0, 1, 2])
def test_debug_anywhere_shows_the_traceback(place, capsys):
    arguments = ["prepare", "mnst"]
    arguments.insert(place, "--debug")
    assert main(arguments) == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("Traceback") and "did you mean mnist" in lines[-1]


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (KeyError("x"), 1, "unforeseen KeyError: 'x' (--debug shows where)"),
        (MemoryError(), 2, "the memory is too small (out of memory)"),
        (KeyboardInterrupt(), 130, "interrupted; nothing half made is kept"),
        (OSError(28, "a sentence\nof ours"), 2, "a sentence of ours"),
    ],
)
def test_no_error_is_a_traceback(error, code, words, capsys, monkeypatch):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr("gdjax.data.cli.prepare", fail)
    assert main(["prepare", "mnist"]) == code
    assert capsys.readouterr().err == f"gdjax-data: {words}\n"


@pytest.mark.parametrize("out", ["", ".", "/proc/1/x.png"])
def test_sheets_that_can_not_be_written_are_refused_at_once(out, capsys):
    assert main(["show", "rescaled_digits/tiny", "--out", out]) == 2
    assert capsys.readouterr().err.startswith("gdjax-data: ")


def test_letters_that_stdout_has_not_are_escaped(tmp_path, monkeypatch):
    stdout = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr("sys.stdout", stdout)
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "größe"))
    assert main(["list"]) == 0
    stdout.flush()
    assert rb"gr\xf6\xdfe" in stdout.buffer.getvalue()


def test_no_home_folder_is_one_line(capsys, monkeypatch):
    def fail(self):
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr("pathlib.Path.expanduser", fail)
    monkeypatch.delenv("TFDS_DATA_DIR")
    assert main(["list"]) == 2
    assert "set TFDS_DATA_DIR" in capsys.readouterr().err
