"""CIFAR-10, plain and rescaled, from small files of the true format."""

from __future__ import annotations

import numpy as np
import pytest

from gdjax.data import DataError, factor_tag, load, load_at_factor, prepare, rescale


FACTORS = (0.5, 2**-0.25, 1.0, 2**0.5, 2.0)


@pytest.mark.parametrize("layout", ["plain", "archive"])
def test_the_plain_set_is_the_files(layout, write_cifar10, cifar10_arrays):
    folder = write_cifar10(layout=layout)
    images, labels = cifar10_arrays()
    for split, rows in {"train": [0, 1, 2, 3], "validation": [4], "test": [5]}.items():
        examples = load("cifar10", split, data_dir=folder)
        assert examples.image.dtype == np.uint8 and examples.label.dtype == np.int32
        assert (examples.image == images[rows].reshape(-1, 32, 32, 3)).all()
        assert (examples.label == labels[rows].ravel()).all()
    assert len(load("gdjax_cifar10", "train+validation", data_dir=folder).label) == 50
    with pytest.raises(ValueError, match="only factor 1, not 2.*take rescaled_cifar10"):
        load_at_factor("cifar10", 2, data_dir=folder)


def test_metadata_say_where_the_data_come_from(write_cifar10):
    folder = write_cifar10(layout="nested")
    provenance = prepare("cifar10/tiny", data_dir=folder).provenance
    assert provenance["source"] == f"folder {folder}"
    assert sorted(provenance["sha256"])[0] == "data_batch_1.bin"


def test_training_images_are_mirrored_at_their_borders(write_cifar10, cifar10_arrays):
    train = load("rescaled_cifar10", "train", data_dir=write_cifar10())
    images, labels = cifar10_arrays()
    margins = ((0, 0), (16, 16), (16, 16), (0, 0))
    expected = np.pad(images[:4].reshape(-1, 32, 32, 3), margins, mode="symmetric")
    assert (train.image == expected).all() and train.image.shape == (40, 64, 64, 3)
    assert (train.label == labels[:4].ravel()).all()


def test_index_i_is_the_same_object_at_all_factors(write_cifar10, cifar10_arrays):
    folder = write_cifar10()
    images, labels = cifar10_arrays()
    for factor in FACTORS:
        found = load_at_factor("rescaled_cifar10", factor, data_dir=folder)
        split = f"test_scale_{factor_tag(factor)}"
        prepared = load("rescaled_cifar10", split, data_dir=folder)
        assert (found.image == prepared.image).all()
        assert (found.label == labels[5]).all()
        for original, image in zip(images[5], found.image, strict=True):
            expected = rescale(original, factor, size=64, background="mirror")
            assert (image == expected).all()


@pytest.mark.parametrize("factor", [0.3, 1.1, 3.0])
def test_other_factors_are_made_from_the_originals(
    factor, write_cifar10, cifar10_arrays
):
    folder = write_cifar10(layout="archive")
    found = load_at_factor("rescaled_cifar10", factor, data_dir=folder, limit=3)
    assert found.image.shape == (3, 64, 64, 3)
    images, labels = cifar10_arrays()
    expected = rescale(images[5, 2], factor, size=64, background="mirror")
    assert (found.image[2] == expected).all()
    assert (found.label == labels[5, :3]).all()


def test_what_is_seen_first_is_found_again_and_other_files_lie_apart(
    write_cifar10, tfds_dir
):
    first = load("cifar10", "test", data_dir=write_cifar10("a"))
    assert (load("cifar10", "test").image == first.image).all()
    assert not (tfds_dir / "by_source").exists()
    second = load("cifar10", "test", data_dir=write_cifar10("b", seed=1))
    assert (second.image != first.image).any()
    assert (load("cifar10", "test").image == first.image).all()


def test_a_folder_that_breaks_is_not_hidden_by_what_was_prepared(write_cifar10):
    folder = write_cifar10(layout="nested")
    load("rescaled_cifar10/tiny", "test_scale_1p000", data_dir=folder)
    path = folder / "cifar-10-batches-bin" / "data_batch_2.bin"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError, match="data_batch_2.bin is cut short"):
        load("rescaled_cifar10/tiny", "test_scale_1p000", data_dir=folder)


def test_broken_links_beside_the_files_do_no_harm(write_cifar10):
    folder = write_cifar10()
    (folder / "gone").symlink_to(folder / "nothing")
    assert len(load("cifar10/tiny", "train", data_dir=folder).label) == 40
