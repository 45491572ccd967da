"""The config `hdf5` on small files in the authors' layout."""

from __future__ import annotations

import numpy as np
import pytest

from gdjax.data import DataError, load, load_at_factor, quarter_octaves
from gdjax.data.rescaling import factor_tag


h5py = pytest.importorskip("h5py")

NAME = "rescaled_fashion_mnist/hdf5"
STEM = "fashionmnist_with_scale_variations"


def write(path, side=72, **counts):
    """Images of one grey level for each index, as floating-point numbers."""
    write_shaped(path, (side, side, 1), **counts)


def write_shaped(path, shape, **counts):
    with h5py.File(path, "a") as file:
        for subset, count in counts.items():
            values = np.arange(count, dtype=np.float32)[:, None, None, None]
            file[f"x_{subset}"] = np.broadcast_to(values, (count, *shape))
            file[f"y_{subset}"] = np.arange(count) % 10


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "hdf5"
    path.mkdir()
    main = f"{STEM}_tr50000_vl10000_te10000_outsize72-72_scte1p000_scte1p000.h5"
    write(path / main, train=25, val=5, test=7)
    for factor in quarter_octaves(-4, 4):
        if factor != 1:
            name = f"{STEM}_te10000_outsize72-72_scte{factor_tag(factor)}.h5"
            write(path / name, test=7)
    return path


def test_every_split_is_found_by_keys_and_factor(folder):
    assert len(load(NAME, "train", data_dir=folder).label) == 25
    assert len(load(NAME, "validation", data_dir=folder).label) == 5
    for factor in (0.5, 1.0, 2.0):
        examples = load_at_factor(NAME, factor, data_dir=folder)
        assert examples.label.tolist() == list(range(7))
        assert (examples.image[:, 3, 4, 0] == range(7)).all()
        assert examples.image.dtype == np.uint8


def test_files_lie_in_tfds_manual_folder_without_a_data_dir(folder, tfds_dir):
    (tfds_dir / "downloads").mkdir(parents=True)
    folder.rename(tfds_dir / "downloads" / "manual")
    assert len(load(NAME, "train").label) == 25


def test_other_sizes_cannot_be_made(folder):
    with pytest.raises(ValueError, match="take rescaled_fashion_mnist without /hdf5"):
        load_at_factor(NAME, 3.0, data_dir=folder)


def test_missing_files_are_named_with_those_found(folder):
    next(folder.glob("*scte0p500*")).unlink()
    with pytest.raises(FileNotFoundError, match="lacks .*test_scale_0p500; found fash"):
        load(NAME, "train", data_dir=folder)


def test_no_files_at_all(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"found no \*\.h5 file"):
        load(NAME, "train")


def test_wrong_shapes_and_unreadable_files_are_refused(folder):
    path = next(folder.glob("*scte0p500*"))
    path.unlink()
    write(path, side=64, test=7)
    with pytest.raises(
        DataError, match=r"\(7, 64, 64, 1\), expected N images of 72x72"
    ):
        load(NAME, "train", data_dir=folder)
    path.write_bytes(b"nothing")
    with pytest.raises(DataError, match="not a readable HDF5 file"):
        load(NAME, "train", data_dir=folder)


def test_large_scale_training_files_have_their_own_factor(tmp_path):
    for tag in ("1p000", "2p000", "4p000"):
        name = f"mnist_large_scale_tr50000_vl10000_te10000_outsize112-112_sctr{tag}_"
        write(
            tmp_path / f"{name}scte{tag}.h5", side=112, train=int(tag[0]), val=1, test=2
        )
    for factor in quarter_octaves(-4, 12):
        name = f"mnist_large_scale_te10000_outsize112-112_scte{factor_tag(factor)}.h5"
        write(tmp_path / name, side=112, test=3)
    examples = load("mnist_large_scale/hdf5", "train_scale_4p000", data_dir=tmp_path)
    assert examples.image.shape == (4, 112, 112, 1)
    # The file of its own, with three images, and not the training file's copy.
    at_two = load_at_factor("mnist_large_scale/hdf5", 2.0, data_dir=tmp_path)
    assert len(at_two.label) == 3


@pytest.mark.parametrize("channels_first", [False, True])
def test_colour_files_with_channels_last_or_first(tmp_path, channels_first):
    images = np.zeros((4, 64, 64, 3)) + np.arange(3) * 10
    images[2, 5, 6] = [1, 2, 3]
    stored = np.moveaxis(images, -1, 1) if channels_first else images
    for factor in quarter_octaves(-4, 4):
        path = tmp_path / f"cifar10_te10000_outsize64-64_scte{factor_tag(factor)}.h5"
        with h5py.File(path, "w") as file:
            for key in ("train", "val", "test") if factor == 1 else ("test",):
                file[f"x_{key}"], file[f"y_{key}"] = stored, np.arange(4)[:, None]
    for split in ("train", "test_scale_0p500"):
        examples = load("rescaled_cifar10/hdf5", split, data_dir=tmp_path)
        assert examples.image.shape == (4, 64, 64, 3)
        assert examples.image[2, 5, 6].tolist() == [1, 2, 3]
        assert examples.image[0, 9, 1].tolist() == [0, 10, 20]
        assert examples.label.tolist() == [0, 1, 2, 3]


def write_stl10(folder, side=192):
    for factor in quarter_octaves(-4, 4):
        path = folder / f"stl10_te3600_outsize192-192_scte{factor_tag(factor)}.h5"
        write_shaped(path, (side, side, 3), test=3)
        if factor == 1:
            write_shaped(path, (96, 96, 3), train=7, val=2)


def test_sides_may_differ_between_subsets(tmp_path):
    write_stl10(tmp_path)
    name = "rescaled_stl10/hdf5"
    assert load(name, "train", data_dir=tmp_path).image.shape == (7, 96, 96, 3)
    assert load_at_factor(name, 2, data_dir=tmp_path).image.shape == (3, 192, 192, 3)


def test_colour_files_of_other_shapes_are_refused(tmp_path):
    write_stl10(tmp_path, side=96)
    with pytest.raises(DataError, match="expected N images of 192x192 px with 3 chan"):
        load("rescaled_stl10/hdf5", "train", data_dir=tmp_path)


def test_channels_in_the_middle_are_refused(tmp_path):
    write_shaped(tmp_path / "cifar10_scte1p000.h5", (64, 3, 64), train=2)
    with pytest.raises(DataError, match=r"x_train has the shape \(2, 64, 3, 64\)"):
        load("rescaled_cifar10/hdf5", "train", data_dir=tmp_path)


def test_wrong_labels_are_refused(folder):
    path = next(folder.glob("*scte0p500*"))
    with h5py.File(path, "a") as file:
        file["y_test"][3] = 10
    with pytest.raises(DataError, match=r"y_test holds the label 10, but .* 0\.\.9"):
        load(NAME, "train", data_dir=folder)
    with h5py.File(path, "a") as file:
        del file["y_test"]
        file["y_test"] = np.arange(6)
    with pytest.raises(DataError, match=r"y_test has the shape \(6,\), expected .* 7"):
        load(NAME, "train", data_dir=folder)
    with h5py.File(path, "a") as file:
        del file["y_test"]
    with pytest.raises(DataError, match="y_test is missing"):
        load(NAME, "train", data_dir=folder)
