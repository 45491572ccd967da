"""Prepared sets that are read record by record."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from gdjax.data import DataError, LazyArray, load, prepare
from gdjax.data.lazy import SplitReader


DIGITS, MASKS = "rescaled_digits/tiny", "multi_scale_fashion_mnist/tiny"


@pytest.fixture(scope="module")
def shared_dir(tmp_path_factory):
    """Prepared sets that are only read."""
    return tmp_path_factory.mktemp("tfds")


@pytest.fixture(params=[DIGITS, MASKS])
def both(request, write_idx, shared_dir, monkeypatch):
    """The same split of a set for classification or segmentation, eager and lazy."""
    monkeypatch.setenv("TFDS_DATA_DIR", str(shared_dir))
    folder = write_idx() if request.param == MASKS else None
    return tuple(
        load(request.param, "train", data_dir=folder, lazy=lazy)
        for lazy in (False, True)
    )


@pytest.fixture
def read_rows(monkeypatch):
    """What is read from the disk: names of features, and numbers of records."""
    log, read = [], SplitReader.read

    def logged(self, rows):
        log.append(([feature.name for feature in self.features], list(rows)))
        return read(self, rows)

    monkeypatch.setattr(SplitReader, "read", logged)
    return log


def same(found, expected):
    assert isinstance(found, np.ndarray | np.generic)
    assert found.dtype == expected.dtype and found.shape == expected.shape
    assert (found == expected).all()


def test_shapes_types_and_values_are_those_of_the_eager_set(both):
    for eager, lazy in zip(*both, strict=True):
        assert isinstance(lazy, LazyArray)
        assert lazy.shape == eager.shape and lazy.dtype == eager.dtype
        assert len(lazy) == len(eager) and lazy.ndim == eager.ndim
        same(np.asarray(lazy), eager)
        same(np.asarray(lazy, np.float32), eager.astype(np.float32))
        same(np.stack(list(lazy)), eager)
        assert repr(lazy) == f"<LazyArray {eager.dtype} {eager.shape}>"


@pytest.mark.parametrize(
    "index",
    [
        0,
        -1,
        np.int64(5),
        np.array(5),
        slice(3, 7),
        slice(None, None, -2),
        slice(5, 100),
        slice(4, 4),
        [2, 0, 2, -1, 2],
        np.array([9, 3, 3, 0], np.uint8),
        np.array([[1, 2], [3, 1]]),
        np.arange(12)[::-5],
        np.zeros(0, int),
        [],
    ],
)
def test_an_index_chooses_what_it_chooses_from_an_array(both, index):
    for eager, lazy in zip(*both, strict=True):
        same(lazy[index], eager[index])


def test_an_array_of_truth_values_chooses(both):
    chosen = np.arange(len(both[0].label)) % 3 == 1
    for eager, lazy in zip(*both, strict=True):
        same(lazy[chosen], eager[chosen])


@pytest.mark.parametrize("row", [12, -13, [0, 12], np.array([[-13]])])
def test_a_record_that_is_not_there(both, row):
    for lazy in both[1]:
        short = LazyArray(lazy._reader, limit=12)
        wrong = np.ravel(row)[-1]
        with pytest.raises(IndexError, match=f"no example {wrong}: there are 12"):
            short[row]


@pytest.mark.parametrize("index", ["a", 1.0, [0.5], None, (0, 1), ..., [True], True])
def test_what_is_no_index(both, index):
    for lazy in both[1]:
        with pytest.raises(IndexError, match=f"among {len(lazy)} examples: take a wh"):
            lazy[index]


def test_images_are_read_when_indexed_and_class_labels_once(read_rows):
    examples = load(DIGITS, "train", lazy=True)
    assert examples.image.shape == (64, 40, 40, 1) and len(examples.label) == 64
    assert read_rows == []
    examples.image[[7, 3]], examples.image[7]
    assert read_rows == [(["image"], [7, 3]), (["image"], [7])]
    del read_rows[:]
    assert examples.label[5] == examples.label[[5]][0]
    assert read_rows == [(["label"], list(range(64)))]


def test_masks_are_read_when_indexed(write_idx, read_rows):
    examples = load(MASKS, "train", data_dir=write_idx(), lazy=True)
    examples.label[4], examples.label[4]
    assert read_rows == [(["label"], [4])] * 2


def test_what_is_returned_may_be_changed(both):
    for eager, lazy in zip(*both, strict=True):
        lazy[:2][...] = 9
        same(lazy[:2], eager[:2])
        with pytest.raises(TypeError, match="item assignment"):
            lazy[0] = 1
        with pytest.raises(ValueError, match="copy=False"):
            np.asarray(lazy, copy=False)


def test_splits_and_limits():
    name, split = "rescaled_digits/tiny", "train[:10]+test_scale_1p000[5:9]"
    for limit, count in ((None, 14), (12, 12), (99, 14)):
        lazy = load(name, split, limit=limit, lazy=True)
        eager = load(name, split, limit=limit)
        assert len(lazy.image) == len(lazy.label) == count
        same(np.asarray(lazy.image), eager.image)
        same(lazy.label[-4:], eager.label[-4:])
    with pytest.raises(ValueError, match="limit=0"):
        load(name, split, limit=0, lazy=True)
    with pytest.raises(ValueError, match="did you mean train"):
        load(name, "trian", lazy=True)


def test_more_records_than_are_decoded_at_a_time(monkeypatch, both):
    monkeypatch.setattr("gdjax.data.lazy._BLOCK", 5)
    for eager, lazy in zip(*both, strict=True):
        same(lazy[::-1], eager[::-1])


def test_several_threads_read_at_once(both):
    eager, lazy = both
    rows = np.random.default_rng(0).integers(0, len(eager.label), 300).tolist()
    with ThreadPoolExecutor(8) as threads:
        images = threads.map(lazy.image.__getitem__, rows)
        labels = threads.map(lazy.label.__getitem__, rows)
        same(np.stack(list(images)), eager.image[rows])
        same(np.stack(list(labels)), eager.label[rows])


def test_other_processes_can_read(both):
    eager, lazy = both
    lazy.image[0]
    same(pickle.loads(pickle.dumps(lazy)).image[3], eager.image[3])


def test_a_damaged_record_says_which_folder_to_delete():
    builder = prepare(DIGITS)
    path = next(builder.data_path.glob("*train.array_record*"))
    raw = bytearray(path.read_bytes())
    # Within the records: what is needed to open the file is at either end.
    raw[20_000:20_060] = bytes(60)
    path.write_bytes(raw)
    examples = load(DIGITS, "train", lazy=True)
    same(examples.image[0], load(DIGITS, "train[:1]").image[0])
    words = f"can't read train of the prepared set {builder.data_path} .*delete that"
    for array in examples:
        with pytest.raises(DataError, match=words) as caught:
            np.asarray(array)
        assert "\n" not in str(caught.value)


def test_a_file_cut_short_says_which_folder_to_delete():
    path = next(prepare(DIGITS).data_path.glob("*train.array_record*"))
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(DataError, match="delete that folder"):
        load(DIGITS, "train", lazy=True).image[0]
