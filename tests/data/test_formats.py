"""The IDX reader on true files, and on files that are not what they should be."""

from __future__ import annotations

import gzip
import struct

import numpy as np
import pytest

from gdjax.data import DataError, read_images, read_labels


IMAGES = np.arange(2 * 3 * 4).reshape(2, 3, 4)
LABELS = np.array([9, 0, 3])


def idx_bytes(array: np.ndarray) -> bytes:
    """An IDX file of 8-bit values, by the letter of the format."""
    header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    return header + array.astype(np.uint8).tobytes()


RAW = idx_bytes(IMAGES)
PACKED = gzip.compress(RAW, mtime=0)


@pytest.mark.parametrize("name", ["images", "images.gz"])
@pytest.mark.parametrize("packed", [False, True])
def test_packing_is_seen_from_the_bytes_not_from_the_name(tmp_path, name, packed):
    raw = idx_bytes(IMAGES)
    path = tmp_path / name
    path.write_bytes(gzip.compress(raw) if packed else raw)
    assert (read_images(path) == IMAGES).all()
    assert read_images(path).dtype == np.uint8


def test_labels(tmp_path):
    path = tmp_path / "labels"
    path.write_bytes(idx_bytes(LABELS))
    assert (read_labels(path) == LABELS).all()


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "cut short"),
        (RAW[:10], "ends within its IDX header"),
        (RAW[:-1], "is cut short: its header announces 2x3x4"),
        (RAW + b"0", "is too long"),
        (PACKED[:-12], "gzip stream ends too early"),
        (PACKED[:-8] + b"0" * 8, "is damaged"),
        (b"\x89PNG" + RAW, "begins with 89504e47, expected 00000803"),
        (b"\0\0\x0d\x03" + RAW[4:], "8-bit"),
        (idx_bytes(LABELS), r"holds labels \(1 dimensions\) where images"),
        (idx_bytes(IMAGES[..., None]), "4-dimensional"),
        (idx_bytes(IMAGES[:0]), "is empty"),
    ],
)
def test_wrong_image_files_are_named_with_the_remedy(tmp_path, raw, words):
    path = tmp_path / "some-images"
    path.write_bytes(raw)
    with pytest.raises(DataError, match=words) as caught:
        read_images(path, remedy="get it elsewhere")
    assert str(path) in str(caught.value)
    assert str(caught.value).endswith("get it elsewhere")
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such file.*nothing; ask"):
        read_labels(tmp_path / "nothing", remedy="ask")


def test_labels_out_of_range_are_refused(tmp_path):
    path = tmp_path / "labels"
    path.write_bytes(idx_bytes(np.array([1, 10, 2])))
    with pytest.raises(DataError, match=r"label 10, but labels are 0\.\.9"):
        read_labels(path)
    assert read_labels(path, classes=11).tolist() == [1, 10, 2]


def test_images_under_the_name_of_labels_are_refused(tmp_path):
    path = tmp_path / "labels"
    path.write_bytes(RAW)
    with pytest.raises(DataError, match="holds images .* where labels"):
        read_labels(path)
