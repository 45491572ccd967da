"""Prepared sets that are damaged, that can't be written, and splits asked of them."""

from __future__ import annotations

import errno
import os
import resource
import shutil

import pytest

from gdjax.data import DataError, class_names, load, prepare
from gdjax.data.cli import main
from gdjax.data.preparing import prepared_root
from gdjax.data.sources import check_folder


NAME = "rescaled_digits/tiny"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A prepared set, once; damaged are only copies."""
    folder = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TFDS_DATA_DIR", str(folder))
        prepare(NAME)
    return folder


@pytest.fixture
def prepared(made, tfds_dir):
    """The folder of a prepared set."""
    shutil.copytree(made, tfds_dir)
    return tfds_dir / "rescaled_digits" / "tiny" / "1.0.0"


@pytest.mark.parametrize("name", ["dataset_info.json", "metadata.json"])
@pytest.mark.parametrize("content", [b"", b'{"na', b"[1]", b"{}", b"\xff\xfe", None])
def test_damaged_descriptions_name_the_folder(prepared, name, content):
    path = prepared / name
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    if name == "metadata.json" and content in (None, b"{}"):
        return  # Nothing in it is needed to read.
    with pytest.raises(DataError, match=f"{prepared} is damaged: .*delete that") as e:
        load(NAME, "train")
    assert "\n" not in str(e.value)
    if content is not None:
        with pytest.raises(DataError, match=f"{prepared} is damaged"):
            class_names(NAME)


@pytest.mark.parametrize("damage", ["fewer", "empty", "gone", "cut", "folder"])
@pytest.mark.parametrize("lazy", [False, True])
def test_damaged_records_name_the_file_or_folder(prepared, damage, lazy):
    (path,) = prepared.glob("*-train.array_record-*")
    raw = path.read_bytes()
    if damage == "fewer":
        info = prepared / "dataset_info.json"
        info.write_text(info.read_text().replace('"64"', '"32"', 1))
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "cut":
        path.write_bytes(raw[:-100])
    else:
        path.unlink()
        if damage == "folder":
            path.mkdir()
    with pytest.raises(DataError, match=f"{prepared}.*delete") as caught:
        load(NAME, "train", lazy=lazy)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("split", "count"),
    [("train", 64), (" train [: 10 ] ", 10), ("train[-4:] + train[:50%]", 36)],
)
def test_spaces_in_splits_do_not_matter(prepared, split, count):
    assert len(load(NAME, split).label) == count


@pytest.mark.parametrize(
    ("split", "words"),
    [
        (
            "train[:1000]",
            r"train of .* has 64 examples, so that there is no bound 1000",
        ),
        ("train[-65:]", "no bound -65: take train or a slice within it"),
        ("train[5:2]", r"has no example in it; a slice is \[FROM:TO\]"),
        ("train[:0]", "has no example in it"),
        ("train[7]", r"\[7\] is no slice; a slice is"),
        ("train[:1.5]", r"\[:1\.5\] is no slice"),
        ("train[:101%]", "101% is more than all"),
        ("train[:1", "is no split; a slice is"),
        ("trian[:1]", "did you mean train"),
    ],
)
def test_wrong_slices_do_not_blame_the_set(prepared, split, words):
    with pytest.raises(ValueError, match=words) as caught:
        load(NAME, split, lazy=True)
    assert "delete" not in str(caught.value)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (errno.ENOSPC, "too full for rescaled_digits"),
        (errno.EDQUOT, "quota at .* is too small for rescaled_digits"),
        (errno.EFBIG, r"largest size of a file at .* \(ulimit -f\) is too small"),
    ],
)
def test_no_room_is_one_line(code, words, monkeypatch, tfds_dir):
    from gdjax.data.rescaling import RescaledPart

    def examples(self):
        raise OSError(code, os.strerror(code), "/some/file")

    monkeypatch.setattr(RescaledPart, "examples", examples)
    with pytest.raises(OSError, match=words) as caught:
        prepare(NAME)
    assert caught.value.errno == code and str(tfds_dir) in str(caught.value)
    assert not tfds_dir.exists()


@pytest.mark.parametrize("limit", [3000, 6000])
def test_a_limit_of_file_sizes_is_one_line(limit, tfds_dir, capsys):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        assert main(["prepare", NAME]) == 2
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("gdjax-data: the largest size of a file at")
    assert not tfds_dir.exists()


def test_files_are_on_the_disk_before_they_get_their_name(monkeypatch, tfds_dir):
    from gdjax.data import builder

    seen = []
    monkeypatch.setattr(builder, "sync_files", seen.append)
    prepare(NAME)
    (folder,) = seen
    assert folder.name.startswith("incomplete.") and not folder.exists()


def test_no_home_folder_is_one_line(monkeypatch):
    def fail(self):
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr("pathlib.Path.expanduser", fail)
    monkeypatch.delenv("TFDS_DATA_DIR")
    with pytest.raises(DataError, match="set TFDS_DATA_DIR to a folder .* or set HOME"):
        prepared_root()
    with pytest.raises(DataError, match="~/x is in a home folder, and there is none"):
        check_folder("~/x")
