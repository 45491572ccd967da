"""Files that claim more than they hold, other types of numbers, and hidden files."""

from __future__ import annotations

import gzip
import struct

import numpy as np
import pytest
from PIL import Image

from gdjax.data import DataError, from_folder, open_cityscapes
from gdjax.data.formats import read_images, unpack
from gdjax.data.hdf5 import find_parts


h5py = pytest.importorskip("h5py")

SPLITS = {"train": ("train", 1.0)}
SHAPES = {"train": (4, 4, 1)}


def parts(folder):
    return find_parts(folder, SPLITS, shapes=SHAPES, classes=10)


def write(folder, images, labels=None, name="set_scte1p000.h5"):
    with h5py.File(folder / name, "w") as file:
        file["x_train"] = images
        file["y_train"] = np.arange(len(images)) if labels is None else labels
    return folder / name


IMAGES = np.arange(48.0).reshape(3, 4, 4, 1)


@pytest.mark.parametrize(
    "kind", [">u2", "<u2", ">i8", ">f4", "<f8", ">f8", np.float16, np.longdouble]
)
def test_numbers_of_any_order_and_width_are_the_same(tmp_path, kind):
    label_kind = ">i4" if np.dtype(kind).kind in "iu" else kind
    write(tmp_path, IMAGES.astype(kind), np.arange(3).astype(label_kind))
    found = list(parts(tmp_path)["train"].examples())
    assert [label for _, label in found] == [0, 1, 2]
    assert np.stack([image for image, _ in found]).tolist() == IMAGES.tolist()


@pytest.mark.parametrize(
    ("images", "words"),
    [
        (
            IMAGES / 48,
            r"x_train has fractions up to 0\.97.*, but grey levels are 0\.\.",
        ),
        (IMAGES * 257, "has values from 0 to 12079"),
        ((IMAGES * 10).astype(np.uint16), "has values from 0 to 470"),
        ((IMAGES - 1).astype(np.int16), "has values from -1 to 46"),
        (np.where(IMAGES == 5, np.nan, IMAGES), "has values from nan"),
        (np.where(IMAGES == 5, np.inf, IMAGES), "to inf"),
    ],
)
def test_other_levels_than_those_of_eight_bits_are_refused(tmp_path, images, words):
    path = write(tmp_path, images)
    with pytest.raises(DataError, match=f"{path}: .*{words}"):
        list(parts(tmp_path)["train"].examples())


def test_overshoots_of_resampling_are_clipped(tmp_path):
    write(tmp_path, np.where(IMAGES < 24, -30.2, 270.1))
    found = [image for image, _ in parts(tmp_path)["train"].examples()]
    assert np.unique(found).tolist() == [0, 255]


def test_hdf5_that_claims_more_than_it_holds_is_refused(tmp_path):
    path = tmp_path / "a_scte1p000.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("x_train", (10**10, 4, 4, 1), "u1", chunks=(9, 4, 4, 1))
        file.create_dataset("y_train", (10**10,), "i8", chunks=(999,))
    with pytest.raises(DataError, match=f"{path}: x_train claims the shape .*0 bytes"):
        parts(tmp_path)


def test_hdf5_that_leads_elsewhere_is_refused(tmp_path):
    other = write(tmp_path, IMAGES, name="other.bin")
    path = tmp_path / "a_scte1p000.h5"
    with h5py.File(path, "w") as file:
        file["x_train"] = h5py.ExternalLink(other, "/x_train")
        file["y_train"] = np.arange(3)
    with pytest.raises(DataError, match=f"{path}: x_train is in another file"):
        parts(tmp_path)
    with h5py.File(path, "w") as file:
        file["x_train"] = h5py.SoftLink("/nowhere")
        file["y_train"] = np.arange(3)
    with pytest.raises(FileNotFoundError, match="lacks HDF5 data for train"):
        parts(tmp_path)


def test_hidden_files_beside_hdf5_are_no_data(tmp_path):
    path = write(tmp_path, IMAGES)
    path.with_name(f"._{path.name}").write_bytes(b"\0\5\x16\7\0\2\0\0Mac OS X")
    (tmp_path / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")
    assert parts(tmp_path)["train"].path == path


def test_hidden_files_in_cityscapes_are_no_photographs(tmp_path):
    endings = {"leftImg8bit": "leftImg8bit", "gtFine": "gtFine_labelIds"}
    for folder, ending in endings.items():
        for city in ("ulm", "__MACOSX", "._ulm"):
            place = tmp_path / folder / "val" / city
            place.mkdir(parents=True)
            pixels = np.zeros(
                (2, 4, 3) if folder == "leftImg8bit" else (2, 4), np.uint8
            )
            Image.fromarray(pixels).save(place / f"ulm_0_0_{ending}.png")
            (place / f"._ulm_0_0_{ending}.png").write_bytes(b"\0\5\x16\7")
    assert open_cityscapes(tmp_path, "val").names == ("ulm_0_0",)


def test_hidden_folders_are_no_classes(tmp_path):
    for name in ("cat", "dog", "__MACOSX", ".ipynb_checkpoints"):
        (tmp_path / name).mkdir()
        Image.new("L", (4, 4)).save(tmp_path / name / "a.png")
        (tmp_path / name / "._a.png").write_bytes(b"\0\5\x16\7")
    (tmp_path / ".DS_Store").write_bytes(b"Bud1")
    found = from_folder(tmp_path)
    assert found.classes == ("cat", "dog") and len(found.label) == 2


@pytest.mark.parametrize(
    "shape",
    [
        (2**31, 2**31, 4),  # 2^64 values: 0, if the product wraps
        (2**31 + 1, 2**31, 2**2),
        (10**9, 28, 28),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_idx_that_claims_more_than_it_holds_is_refused(tmp_path, shape, packed):
    raw = struct.pack(">HBB3I", 0, 8, 3, *shape) + bytes(100)
    path = tmp_path / "a"
    path.write_bytes(gzip.compress(raw) if packed else raw)
    with pytest.raises(DataError, match=f"{path} is cut short: its header announces"):
        read_images(path)


def test_gzip_bombs_are_not_unpacked(tmp_path):
    path = tmp_path / "a.gz"
    head = struct.pack(">HBB3I", 0, 8, 3, 2, 2, 2)
    path.write_bytes(gzip.compress(head + bytes(2**26), 1))
    assert len(unpack(path)) < 2**22  # As much as is announced, and a few blocks.
    with pytest.raises(DataError, match=f"{path} is too long"):
        read_images(path)
    path.write_bytes(gzip.compress(bytes(2**24), 1))
    with pytest.raises(DataError, match=f"{path} unpacks to more than 1,048,576 bytes"):
        unpack(path, most=2**20)
    with (tmp_path / "b").open("wb") as file:
        file.truncate(2**40)  # Of holes: nothing is on the disk.
    with pytest.raises(DataError, match="b has more than 1,048,576 bytes, which is"):
        unpack(tmp_path / "b", most=2**20)
