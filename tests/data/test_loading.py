"""`load` and `load_at_factor` on real digits, real garments and small IDX files."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tensorflow_datasets as tfds
from sklearn.datasets import load_digits

from gdjax.data import (
    BUILDERS,
    DataError,
    factor_tag,
    load,
    load_at_factor,
    prepare,
    rescale,
    test_factors as factors_of,
)


@pytest.fixture(scope="module")
def shared_dir(tmp_path_factory):
    """Prepared sets that the tests of this file share."""
    return tmp_path_factory.mktemp("tfds")


@pytest.fixture
def digits_dir(shared_dir, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(shared_dir))
    return shared_dir


@pytest.mark.usefixtures("digits_dir")
def test_digits_are_the_published_ones_in_the_stated_split():
    order = np.random.default_rng(0).permutation(1797)
    digits = load_digits()
    train, test = load("rescaled_digits", "train"), load_at_factor("rescaled_digits", 1)
    assert train.image.shape == (1400, 40, 40, 1) and train.image.dtype == np.uint8
    assert test.image.shape == (397, 40, 40, 1) and test.label.dtype == np.int32
    assert (train.label == digits.target[order[:1400]]).all()
    assert (test.label == digits.target[order[1400:]]).all()
    original = np.rint(digits.images[order[3]] * 255 / 16).astype(np.uint8)
    assert (train.image[3, ..., 0] == rescale(original, 2.0, size=40)).all()


@pytest.mark.usefixtures("digits_dir")
def test_at_factor_one_half_the_digits_are_the_originals():
    digits = load_digits()
    row = np.random.default_rng(0).permutation(1797)[1400 + 7]
    small = load("rescaled_digits", "test_scale_0p500").image[7, ..., 0]
    assert (small[16:24, 16:24] == np.rint(digits.images[row] * 255 / 16)).all()
    assert small.sum(dtype=int) == small[16:24, 16:24].sum(dtype=int)


@pytest.mark.usefixtures("digits_dir")
def test_index_i_is_the_same_object_at_all_sizes():
    splits = {f: load_at_factor("rescaled_digits", f) for f in (0.5, 2**0.25, 1, 2)}
    for examples in splits.values():
        assert (examples.label == splits[1].label).all()
    mass = {f: x.image.sum((1, 2, 3), dtype=float) for f, x in splits.items()}
    for factor in (2**0.25, 2):
        # 8x8 digits reach the border of their image: overshoots are clipped there.
        np.testing.assert_allclose(mass[factor] / factor**2, mass[1], rtol=0.04)
    enlarged = splits[2].image[:, ::2, ::2] / 1.0
    flat = [x.reshape(397, -1) for x in (enlarged, _doubled_view(splits[1].image))]
    agree = [np.corrcoef(a, b)[0, 1] for a, b in zip(*flat, strict=True)]
    others = [
        np.corrcoef(a, b)[0, 1] for a, b in zip(flat[0], flat[1][1:], strict=False)
    ]
    assert min(agree) > max(0.9, np.mean(others) + 0.2)


def _doubled_view(images: np.ndarray) -> np.ndarray:
    """The middle of images at factor 1, doubled and sampled at every other px."""
    doubled = [rescale(image, 2.0, size=40)[::2, ::2] for image in images]
    return np.stack(doubled) / 1.0


@pytest.mark.usefixtures("digits_dir")
@pytest.mark.parametrize("factor", factors_of("rescaled_digits"))
def test_resampling_on_the_fly_equals_the_prepared_split(factor, monkeypatch):
    prepared = load_at_factor("rescaled_digits", factor, limit=20)
    split = f"test_scale_{factor_tag(factor)}"
    assert (load("rescaled_digits", split).image[:20] == prepared.image).all()
    monkeypatch.setattr("gdjax.data.loading.find_factor", lambda *_: None)
    resampled = load_at_factor("rescaled_digits", factor, limit=20)
    assert (resampled.image == prepared.image).all()
    assert (resampled.label == prepared.label).all()


@pytest.mark.usefixtures("digits_dir")
def test_factors_beyond_the_prepared_ones():
    examples = load_at_factor("rescaled_digits", 3.0, limit=5)
    assert examples.image.shape == (5, 40, 40, 1)
    base = load("rescaled_digits", "test_scale_0p500", limit=5).image
    expected = [rescale(image[16:24, 16:24], 6.0, size=40) for image in base]
    assert (examples.image == np.stack(expected)).all()


@pytest.mark.usefixtures("digits_dir")
def test_split_expressions_and_limits():
    both = load("rescaled_digits", "train[:30]+test_scale_1p000[:5]")
    assert len(both.label) == 35
    assert len(load("rescaled_digits", "train", limit=3).label) == 3
    assert len(load("rescaled_digits", "train[:2]", limit=3).label) == 2


def test_metadata_say_where_the_data_come_from(write_idx, tfds_dir):
    folder = write_idx()
    builder = prepare("mnist/tiny", data_dir=folder)
    metadata = json.loads((builder.data_path / "metadata.json").read_text())
    assert metadata["source"] == f"folder {folder}"
    assert len(metadata["digest"]) == 64 and len(metadata["sha256"]) == 4
    read_by_tfds = tfds.builder_from_directory(builder.data_path)
    assert read_by_tfds.info.splits["train"].num_examples == 50


@pytest.mark.parametrize("packed", [True, False])
def test_plain_sets_are_the_idx_files(write_idx, packed):
    folder = write_idx(packed=packed)
    sizes = {"train": 50, "validation": 10, "test": 20}
    for split, size in sizes.items():
        examples = load("mnist", split, data_dir=folder)
        assert examples.image.shape == (size, 28, 28, 1)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (60, 28, 28))
    assert (
        load("mnist", "validation", data_dir=folder).image[..., 0] == images[50:]
    ).all()
    at_one = load_at_factor("mnist", 1, data_dir=folder)
    assert (at_one.image == load("mnist", "test", data_dir=folder).image).all()
    with pytest.raises(ValueError, match="has only factor 1, not 2.*mnist_large_scale"):
        load_at_factor("mnist", 2, data_dir=folder)


def test_large_scale_set_from_a_folder(write_idx, capsys):
    folder = write_idx()
    name = "mnist_large_scale/tiny"
    train = load(name, "train_scale_4p000", data_dir=folder)
    assert train.image.shape == (50, 112, 112, 1)
    assert len(load(name, "validation_scale_2p000", data_dir=folder).label) == 10
    one = load_at_factor(name, 1, data_dir=folder)
    two = load_at_factor(name, 2.0, data_dir=folder)
    assert (one.label == two.label).all()
    middle = one.image[:, 42:70, 42:70, 0]
    expected = np.stack([rescale(image, 2.0, size=112) for image in middle])
    assert (two.image[..., 0] == expected).all()
    messages = capsys.readouterr()
    assert messages.err.count("preparing mnist_large_scale/tiny") == 1
    assert messages.out == ""
    assert load_at_factor(name, 11.0, data_dir=folder).image.shape == one.image.shape


def test_other_files_never_share_a_prepared_set(write_idx, tfds_dir):
    first, second = write_idx("a"), write_idx("b", seed=1)
    a = load("mnist", "test", data_dir=first)
    b = load("mnist", "test", data_dir=second)
    assert (a.image != b.image).any()
    assert (load("mnist", "test", data_dir=first).image == a.image).all()
    # Neither is MNIST: without a folder, neither is taken for it.
    with pytest.raises(FileNotFoundError, match="no source of MNIST works"):
        load("mnist", "test")


def test_a_folder_that_breaks_is_not_hidden_by_what_was_prepared(write_idx):
    folder = write_idx()
    load("mnist", "test", data_dir=folder)
    (folder / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(FileNotFoundError, match="lacks t10k-labels-idx1-ubyte"):
        load("mnist", "test", data_dir=folder)
    with pytest.raises(FileNotFoundError, match="does not exist"):
        load("rescaled_digits", "train", data_dir=folder / "none")


@pytest.mark.usefixtures("fashion_mnist_folder")
def test_published_files_share_the_ordinary_folder(fashion_mnist_folder, tfds_dir):
    name = "rescaled_fashion_mnist/tiny"
    found = load(name, "test_scale_2p000")
    assert found.image.shape == (64, 72, 72, 1)
    assert found.label[:3].tolist() == [9, 2, 1]
    named = load(name, "test_scale_2p000", data_dir=fashion_mnist_folder)
    assert (found.image == named.image).all()
    assert not (tfds_dir / "by_source").exists()
    assert len(load(name, "train+validation").label) == 256 + 64
    assert (load("fashion_mnist/tiny", "test").label == found.label).all()


@pytest.mark.parametrize(
    ("name", "split", "words"),
    [
        ("rescaled_digit", "train", "did you mean rescaled_digits"),
        ("mnist_large_scale/smal", "train", "did you mean small"),
        ("rescaled_digits", "test", r"unknown split of rescaled_digits 'test'.*known"),
        ("rescaled_digits", "test_scale_0.500", "did you mean test_scale_0p500"),
        ("mnist", "train+trian", "unknown split of mnist 'trian': did you mean train"),
    ],
)
def test_unknown_names_are_answered_with_the_nearest(name, split, words, tfds_dir):
    with pytest.raises(ValueError, match=words):
        load(name, split)
    assert not tfds_dir.exists()


@pytest.mark.parametrize("limit", [0, -1])
def test_limits_below_one_are_refused(limit):
    with pytest.raises(ValueError, match=f"limit={limit}"):
        load("rescaled_digits", "train", limit=limit)


def test_a_damaged_prepared_set_says_which_folder_to_delete():
    builder = prepare("rescaled_digits/tiny")
    path = next(builder.data_path.glob("*train.array_record*"))
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(DataError, match="delete that folder"):
        load("rescaled_digits/tiny", "train")


def test_tfds_prepares_and_reads_them_as_its_own(tfds_dir):
    source = tfds.data_source("rescaled_digits/tiny", split="train", data_dir=tfds_dir)
    ours = load("rescaled_digits/tiny", "train")
    assert len(source) == len(ours.label)
    assert (source[5]["image"] == ours.image[5]).all()


@pytest.mark.parametrize("name", BUILDERS)
def test_tfds_knows_the_builders(name, tfds_dir):
    cls = BUILDERS[name]
    builder = tfds.builder(f"{cls.name}/tiny", data_dir=tfds_dir)
    assert isinstance(builder, cls)
    assert str(builder.version) in builder.RELEASE_NOTES
    subsets = {subset for subset, _ in cls.SPLITS.values()}
    shapes = {cls.image_shape(subset, config="tiny") for subset in subsets}
    fixed = shapes.pop() if len(shapes) == 1 else (None, None, cls.CHANNELS)
    assert builder.info.features["image"].shape == fixed
    label = builder.info.features["label"]
    if cls.MASKS:
        assert label.shape == (*fixed[:2], 1)
    else:
        assert label.num_classes == len(cls.CLASSES)
