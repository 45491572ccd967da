"""PatchCamelyon from small HDF5 files of the true layout, and from wrong ones."""

from __future__ import annotations

import gzip
import importlib.util
import shutil

import h5py
import numpy as np
import pytest

from gdjax.data import (
    BUILDERS,
    DataError,
    GdjaxPatchCamelyon,
    LazyArray,
    class_names,
    load,
    load_at_factor,
    prepare,
)
from gdjax.data.cli import main
from gdjax.data.patch_camelyon import PatchPart


NAME = "patch_camelyon"
WORDS = {"train": "train", "validation": "valid", "test": "test"}
COUNTS = {"train": 70, "validation": 40, "test": 33}


def arrays(split):
    """Images [N, 96, 96, 3] and labels [N, 1, 1, 1], whose chance order is kept."""
    rng = np.random.default_rng(COUNTS[split])
    images = np.zeros((COUNTS[split], 96, 96, 3), np.uint8)
    images += rng.integers(0, 200, (len(images), 1, 1, 3), dtype=np.uint8)
    images += np.arange(96, dtype=np.uint8)[:, None, None] // 2
    images[:, 3, 5] = [1, 2, 3]
    return images, rng.integers(0, 2, (len(images), 1, 1, 1), dtype=np.uint8)


def path_of(folder, split, key):
    return folder / f"camelyonpatch_level_2_split_{WORDS[split]}_{key}.h5"


def write(path, key, array, **options):
    with h5py.File(path, "w") as file:
        file.create_dataset(key, data=array, **options)


@pytest.fixture(scope="module")
def pristine(tmp_path_factory):
    """The six files, as they are unpacked from the published ones."""
    folder = tmp_path_factory.mktemp("pcam")
    for split in WORDS:
        for key, array in zip("xy", arrays(split), strict=True):
            options = {"chunks": (9, 96, 96, 3), "compression": 1} if key == "x" else {}
            write(path_of(folder, split, key), key, array, **options)
    return folder


@pytest.fixture
def folder(pristine, tmp_path):
    """A copy that a test may spoil."""
    return shutil.copytree(pristine, tmp_path / "pcam")


def no_download(urls):
    raise AssertionError("nothing is to be downloaded")


def read(folder):
    return GdjaxPatchCamelyon().originals(folder, download=no_download)


def refuse(folder, path, words, error=DataError):
    """The file is named in one line, for the command line as well."""
    with pytest.raises(error, match=words) as caught:
        read(folder)
    assert path.name in str(caught.value) and "\n" not in str(caught.value)
    with pytest.raises(error, match=words):
        load(f"{NAME}/tiny", "train", data_dir=folder)


@pytest.mark.parametrize("split", WORDS)
def test_the_set_is_the_files(pristine, split):
    images, labels = arrays(split)
    eager = load(NAME, split, data_dir=pristine)
    assert eager.image.dtype == np.uint8 and eager.label.dtype == np.int32
    assert eager.image.shape == images.shape and (eager.image == images).all()
    assert (eager.label == labels.ravel()).all() and len(set(eager.label)) == 2
    lazy = load(NAME, split, data_dir=pristine, lazy=True)
    for found, expected in zip(lazy, eager, strict=True):
        assert isinstance(found, LazyArray)
        assert (np.asarray(found) == expected).all()
    assert (lazy.image[[30, 2]] == images[[30, 2]]).all()


def test_names_shapes_and_the_small_config(pristine):
    assert BUILDERS[NAME] is GdjaxPatchCamelyon
    assert class_names(NAME) == ("normal", "tumour")
    assert GdjaxPatchCamelyon.image_shape("train") == (96, 96, 3)
    for split, count in {"train": 64, "validation": 32, "test": 32}.items():
        found = load("gdjax_patch_camelyon/tiny", split, data_dir=pristine)
        assert (found.image == arrays(split)[0][:count]).all()
        assert (found.label == arrays(split)[1].ravel()[:count]).all()
    at_one = load_at_factor(f"{NAME}/tiny", 1, data_dir=pristine)
    assert (at_one.image == found.image).all()
    with pytest.raises(ValueError, match="only factor 1, not 2; no set has these im"):
        load_at_factor(NAME, 2, data_dir=pristine)
    # Prepared once, it needs no files.
    assert len(load(f"{NAME}/tiny", "test").label) == 32


@pytest.mark.parametrize(
    ("chunks", "sizes"),
    [
        (None, [256, 44]),
        ((7, 96, 96, 3), [252, 48]),
        ((290, 8, 8, 3), [290, 10]),
        ((300, 96, 1, 1), [300]),
    ],
)
def test_images_are_read_in_blocks_of_whole_chunks(
    tmp_path, monkeypatch, chunks, sizes
):
    images = np.zeros((300, 96, 96, 3), np.uint8)
    images[:, 4, 5, 1] = np.arange(300) % 256
    write(tmp_path / "x.h5", "x", images, chunks=chunks)
    asked, get = [], h5py.Dataset.__getitem__

    def logged(self, index, *more):
        found = get(self, index, *more)
        asked.append(len(found))
        return found

    monkeypatch.setattr(h5py.Dataset, "__getitem__", logged)
    labels = np.arange(300) % 2
    examples = list(PatchPart(tmp_path / "x.h5", labels).examples())
    assert asked == sizes
    assert [label for _, label in examples] == labels.tolist()
    assert (np.stack([image for image, _ in examples]) == images).all()
    # Those beyond the limit are not read.
    del asked[:]
    assert len(list(PatchPart(tmp_path / "x.h5", labels[:3]).examples())) == 3
    assert asked == [3]


@pytest.mark.parametrize("dtype", [bool, np.int64, np.float32])
@pytest.mark.parametrize("shape", [(-1,), (-1, 1), (1, -1)])
def test_labels_may_have_any_shape_and_type_of_number(folder, dtype, shape):
    before = read(folder)
    labels = arrays("test")[1].astype(dtype).reshape(shape)
    write(path_of(folder, "test", "y"), "y", labels)
    after = read(folder)
    assert after.labels["test"].tolist() == before.labels["test"].tolist()
    assert after.digest == before.digest


def test_the_digest_is_of_labels_and_of_images_at_both_ends(folder, tfds_dir):
    name, before = f"{NAME}/tiny", read(folder)
    assert sorted(before.sha256) == [
        f"camelyonpatch_level_2_split_{word}" for word in sorted(WORDS.values())
    ]
    first = prepare(name, data_dir=folder)
    assert first.provenance["digest"] == before.digest
    assert first.provenance["source"] == f"folder {folder}"
    assert prepare(name, data_dir=folder).data_path == first.data_path
    digests = {before.digest}
    for split, key, row in (
        ("train", "x", 0),
        ("test", "x", -1),
        ("validation", "y", 20),
    ):
        with h5py.File(path_of(folder, split, key), "a") as file:
            array = file[key][:]
            array[row] = array[row] ^ 1
            file[key][:] = array
        digests.add(read(folder).digest)
    assert len(digests) == 4
    other = prepare(name, data_dir=folder)
    assert tfds_dir / "by_source" in other.data_path.parents
    assert load(name, "train", data_dir=folder).image[0, 3, 5].tolist() == [0, 3, 2]


def test_missing_files_are_named_with_where_they_come_from(folder):
    with pytest.raises(FileNotFoundError, match="not downloaded: .*Zenodo .*2546921"):
        load(NAME, "train")
    path = path_of(folder, "validation", "y")
    path.unlink()
    words = rf"lacks {path.name} of PatchCamelyon; .*Zenodo record 2546921, CC0.*data-"
    refuse(folder, path, words, FileNotFoundError)
    for other in folder.glob("*.h5"):
        other.unlink()
    refuse(folder, path, "train_x.h5, .*train_y.h5, .*test_y.h5 of", FileNotFoundError)


def test_packed_files_are_to_be_unpacked(folder):
    path = path_of(folder, "train", "x")
    path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes(), 1))
    read(folder)  # A packed copy beside them does no harm.
    path.unlink()
    words = rf"has {path.name}.gz, but not unpacked, .*: gunzip {path.name}.gz"
    refuse(folder, path, words, FileNotFoundError)


@pytest.mark.parametrize("key", "xy")
def test_missing_arrays_are_named_with_those_found(folder, key):
    path = path_of(folder, "test", key)
    with h5py.File(path, "a") as file:
        file.move(key, "image")
        file.create_group("more")
    words = f"lacks the array '{key}': its keys are 'image', 'more'; unpack it anew"
    refuse(folder, path, words)
    with h5py.File(path, "w") as file:
        file.create_group(key)
    refuse(folder, path, f"lacks the array '{key}': its keys are '{key}'")
    h5py.File(path, "w").close()
    refuse(folder, path, "its keys are none; unpack it anew from the published")


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (
            np.zeros((33, 96, 96), np.uint8),
            r"x of uint8 \(33, 96, 96\), expected uint8",
        ),
        (np.zeros((33, 3, 96, 96), np.uint8), r"\(33, 3, 96, 96\), .*\(N, 96, 96, 3\)"),
        (np.zeros((33, 96, 96, 3), np.float32), r"x of float32 \(33, 96, 96, 3\)"),
        (np.zeros((0, 96, 96, 3), np.uint8), r"x of uint8 \(0, 96, 96, 3\)"),
        (np.uint8(3), r"x of uint8 \(\)"),
        (h5py.Empty("uint8"), "x of uint8 None"),
    ],
)
def test_images_of_other_shapes_and_types_are_refused(folder, array, words):
    path = path_of(folder, "test", "x")
    write(path, "x", array)
    refuse(folder, path, words)


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (np.zeros(32), r"holds 32 labels, y of \(32,\), but .*_x.h5 33 images; take b"),
        (np.zeros((33, 2)), r"holds 66 labels, y of \(33, 2\)"),
        (h5py.Empty("uint8"), "holds 0 labels, y of None"),
        (
            np.arange(33) // 32 * 2,
            r"holds the label 2 \(image 32\), but labels are 0 a",
        ),
        (np.full(33, -1), r"holds the label -1 \(image 0\)"),
        (np.full((33, 1, 1, 1), 0.5), r"holds the label 0\.5"),
        (np.full(33, np.nan), "holds the label nan"),
        ([b"tumour"] * 33, "holds the label b'tumour'"),
    ],
)
def test_wrong_labels_are_refused(folder, labels, words):
    path = path_of(folder, "test", "y")
    write(path, "y", labels)
    refuse(folder, path, words)


@pytest.mark.parametrize("key", "xy")
def test_what_is_no_whole_hdf5_file_is_refused(folder, key):
    path = path_of(folder, "validation", key)
    raw = path.read_bytes()
    words = f"cut short or damaged .*; unpack it anew from the published {path.name}.gz"
    for wrong in (raw[:-7], raw[:1000], b"", b"nothing", gzip.compress(raw, 1)):
        path.write_bytes(wrong)
        refuse(folder, path, words)


def test_damage_within_is_found_when_it_is_read(folder, tfds_dir):
    path = path_of(folder, "train", "x")
    with h5py.File(path, "r") as file:
        place, size = file["x"].id.get_chunk_info(3)[2:]
    raw = bytearray(path.read_bytes())
    raw[place : place + size] = bytes(size)
    path.write_bytes(raw)
    read(folder)
    with pytest.raises(DataError, match=f"{path.name} is .*damaged .*unpack it anew"):
        prepare(NAME, data_dir=folder)
    assert not list(tfds_dir.glob("**/*.array_record*"))


def test_without_h5py(pristine, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DataError, match="PatchCamelyon are HDF5, .*: install h5py"):
        read(pristine)


def test_the_command_line_lists_prepares_and_draws_them(pristine, tmp_path, capsys):
    assert main(["prepare", NAME]) == 2
    assert "Zenodo record 2546921" in capsys.readouterr().err
    arguments = ["--data-dir", str(pristine), "--columns", "3"]
    out = tmp_path / "sheet.png"
    assert main(["show", f"{NAME}/tiny", "--out", str(out), *arguments]) == 0
    assert out.is_file()
    main(["list"])
    table = capsys.readouterr().out
    assert NAME in table and "96x96 RGB" in table
