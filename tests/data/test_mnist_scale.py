"""MNIST-Scale: split, factors and sampling, against loops over the definitions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.datasets import load_digits

from gdjax.data import (
    MnistScale,
    load,
    load_at_factor,
    mnist_scale_factors,
    prepare,
    rescale,
)
from gdjax.data.mnist_scale import shrink, split_rows


SIZES = {"train": 11, "validation": 2, "test": 57}  # Of 80 images in place of 70,000.


def keys_cubic(x: float, a: float) -> float:
    x = abs(x)
    if x <= 1:
        return (a + 2) * x**3 - (a + 3) * x**2 + 1
    return a * (x**3 - 5 * x**2 + 8 * x - 4) if x < 2 else 0.0


def sampled(image: np.ndarray, factor: float, a: float = -1.0) -> np.ndarray:
    """Float64, pixel by pixel: places outside are black, the border is repeated."""
    height, width = image.shape
    found = np.zeros(image.shape)
    for i, j in np.ndindex(image.shape):
        y = (i + 0.5 - height / 2) / factor + height / 2
        x = (j + 0.5 - width / 2) / factor + width / 2
        if not (0 <= y < height and 0 <= x < width):
            continue
        top, left = math.floor(y - 0.5) - 1, math.floor(x - 0.5) - 1
        for u, v in np.ndindex(4, 4):
            grey = image[
                min(max(top + u, 0), height - 1), min(max(left + v, 0), width - 1)
            ]
            weight = keys_cubic(y - 0.5 - top - u, a) * keys_cubic(
                x - 0.5 - left - v, a
            )
            found[i, j] += weight * grey
    return found


@pytest.fixture(scope="module")
def digit() -> np.ndarray:
    """A digit of 16x16 px in the middle of 28x28, uint8."""
    small = np.rint(load_digits().images[5] * 255 / 16).astype(np.uint8)
    return np.pad(small.repeat(2, 0).repeat(2, 1), 6)


@pytest.fixture(scope="module")
def noise() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (28, 23), dtype=np.uint8)


@pytest.fixture
def mnist(write_idx, tmp_path):
    """80 images in the order of the files, their labels, and their folder."""
    rng, images, labels = np.random.default_rng(0), [], []
    for count in (60, 20):  # As `write_idx` draws them.
        images.append(rng.integers(0, 256, (count, 28, 28)))
        labels.append(rng.integers(0, 10, count))
    return np.concatenate(images), np.concatenate(labels), write_idx()


@pytest.mark.parametrize("factor", [0.3, 0.41, 0.5, 0.83, 0.999, 1.0, 1.7])
@pytest.mark.parametrize("name", ["digit", "noise"])
def test_shrink_is_keys_cubic_without_antialiasing(name, factor, request):
    image = request.getfixturevalue(name)
    found = shrink(image, factor)
    assert found.dtype == np.uint8 and found.shape == image.shape
    rest = np.clip(sampled(image, factor), 0, 255) - found
    # Cut to whole numbers, by sums in another order.
    assert -1e-9 <= rest.min() and rest.max() < 1 + 1e-9


def test_keys_cubic_has_the_stated_parameter(digit):
    rest = np.clip(sampled(digit, 0.7, a=-0.5), 0, 255) - shrink(digit, 0.7)
    assert abs(rest).max() > 5


def test_factor_one_changes_nothing(digit, noise):
    assert (shrink(digit, 1.0) == digit).all() and (shrink(noise, 1.0) == noise).all()


def test_thin_lines_alias_in_published_images_only():
    stripes = np.zeros((28, 28), np.uint8)
    stripes[:, ::2] = 200
    inside = slice(12, 16), slice(12, 16)
    assert np.ptp(shrink(stripes, 1 / 3)[inside].astype(int)) > 100
    assert np.ptp(rescale(stripes, 1 / 3, size=28)[inside].astype(int)) < 40


@pytest.mark.parametrize("subset", ["train", "validation", "test"])
def test_factors_are_uniform_in_their_range(subset):
    count = {"train": 10_000, "validation": 2_000, "test": 50_000}[subset]
    for n in range(6):
        factors = mnist_scale_factors(n, subset)
        assert factors.shape == (count,) and factors.dtype == np.float64
        assert 0.3 <= factors.min() and factors.max() < 1
        # Four standard deviations of a mean, and of a share of a tenth.
        deviation = 4 * 0.7 / math.sqrt(12 * count)
        assert factors.mean() == pytest.approx(0.65, abs=deviation)
        shares = np.histogram(factors, 10, (0.3, 1))[0] / count
        np.testing.assert_allclose(shares, 0.1, atol=4 * math.sqrt(0.09 / count))
        assert (factors == mnist_scale_factors(n, subset)).all()


def test_factors_of_realisations_and_subsets_are_independent():
    subsets = ("train", "validation", "test")
    rows = [mnist_scale_factors(n, s)[:2000] for n in range(6) for s in subsets]
    correlations = np.corrcoef(rows)[np.triu_indices(18, 1)]
    assert abs(correlations).max() < 4.5 / math.sqrt(2000)


def test_the_split_of_the_whole_set_is_stratified():
    counts = [6903, 7877, 6990, 7141, 6824, 6313, 6876, 7293, 6825, 6958]  # MNIST's.
    labels = np.random.default_rng(3).permutation(np.repeat(np.arange(10), counts))
    sizes = [10_000, 2_000, 50_000]
    splits = [split_rows(labels, sizes, realisation=n) for n in range(6)]
    for split in splits:
        assert [len(rows) for rows in split] == sizes
        assert len(np.unique(np.concatenate(split))) == 62_000
        for rows, size in zip(split, sizes, strict=True):
            shares = np.bincount(labels[rows]) - size * np.array(counts) / 70_000
            # One at each rounding, and what earlier ones leave of it.
            assert abs(shares).max() < 2
            # The first rows are a sample as any other: within 5 standard deviations.
            share = np.array(counts) / 70_000
            first = np.bincount(labels[rows[:500]], minlength=10) - 500 * share
            assert (abs(first) < 5 * np.sqrt(500 * share * (1 - share))).all()
    for a in range(6):
        again = split_rows(labels, sizes, realisation=a)
        assert all((x == y).all() for x, y in zip(splits[a], again, strict=True))
        for b in range(a):
            # A seventh of them in common, as of independent ones.
            common = np.isin(splits[a][0], splits[b][0]).mean()
            assert common == pytest.approx(1 / 7, abs=0.02)


def test_small_classes_are_never_short():
    labels = np.array([0] * 5 + [1] * 2 + [7])
    train, test = split_rows(labels, [3, 5], realisation=0)
    assert sorted([*train, *test]) == list(range(8))
    assert np.bincount(labels[train], minlength=2)[:2].tolist() == [2, 1]
    with pytest.raises(ValueError, match=r"`sizes=\[3, 6\]` are more than the 8 rows"):
        split_rows(labels, [3, 6], realisation=0)


@pytest.mark.parametrize("kind", ["published", "antialiased"])
def test_each_image_is_once_at_its_own_factor(kind, mnist):
    images, labels, folder = mnist
    sizes = list(SIZES.values())
    rows = split_rows(labels, sizes, realisation=2)
    for (subset, size), chosen in zip(SIZES.items(), rows, strict=True):
        found = load(f"mnist_scale/{kind}_2", subset, data_dir=folder)
        assert found.image.shape == (size, 28, 28, 1)
        assert (found.label == labels[chosen]).all()
        factors = mnist_scale_factors(2, subset)
        for i in range(0, size, 5):
            image = images[chosen[i]].astype(np.uint8)
            small = shrink(image, factors[i])
            if kind == "antialiased":
                small = rescale(image, factors[i], size=28)
            assert (found.image[i, ..., 0] == small).all()


def test_digits_that_scale_on_the_fly_are_those_of_the_files(mnist):
    images, labels, folder = mnist
    known, splits = images.reshape(80, -1).astype(np.uint8), []
    for n in range(2):
        seen = []
        for subset, size in {"train": 11, "validation": 5, "test": 57}.items():
            found = load(f"mnist_scale/unscaled_{n}", subset, data_dir=folder)
            assert len(found.label) == size
            flat = found.image.reshape(size, 1, -1)
            rows = (flat == known).all(-1).argmax(1)
            assert (flat[:, 0] == known[rows]).all()
            assert (labels[rows] == found.label).all()
            seen += rows.tolist()
        assert len(set(seen)) == 73  # None is in two subsets.
        splits.append(seen)
    assert splits[0] != splits[1]


def test_tiny_begins_the_first_realisation(mnist):
    _, _, folder = mnist
    # Fewer than its limits: all of them.
    tiny = load("mnist_scale/tiny", "test", data_dir=folder)
    first = load("mnist_scale/published_0", "test", data_dir=folder)
    assert len(tiny.label) == 32
    assert (tiny.image == first.image[:32]).all()
    by_default = load_at_factor("mnist_scale", 1.0, data_dir=folder)
    assert (by_default.image == first.image).all()
    facts = prepare("mnist_scale/antialiased_5", data_dir=folder).provenance
    assert facts["realisation"] == 5 and facts["factors"] == [0.3, 1.0]
    assert facts["sampling"] == "antialiased"
    with pytest.raises(ValueError, match="has only factor 1, not 0.5"):
        load_at_factor("mnist_scale", 0.5, data_dir=folder)


def test_configs_fit_the_realisations_of_recipes():
    names = set(MnistScale.builder_configs)
    for kind, count in {"published": 6, "antialiased": 6, "unscaled": 3}.items():
        name = f"{kind}_{{realisation}}"
        wanted = {name.replace("{realisation}", str(n)) for n in range(count)}
        assert wanted <= names
        names -= wanted
    assert names == {"tiny"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((6, "test"), "`realisation=6` must be from 0 to 5"),
        ((-1, "test"), "realisation=-1"),
        ((0, "tset"), "subset='tset'.* train, validation, test"),
    ],
)
def test_unknown_factors_are_named(arguments, words):
    with pytest.raises(ValueError, match=words):
        mnist_scale_factors(*arguments)


@pytest.mark.parametrize(
    ("image", "factor", "words"),
    [
        (np.zeros((4, 4)), 1.0, "uint8"),
        (np.zeros((4, 4, 1), np.uint8), 1.0, r"\(4, 4, 1\)"),
        (np.zeros((0, 4), np.uint8), 1.0, "at least one pixel"),
        (np.zeros((4, 4), np.uint8), 0.0, "factor=0.0"),
        (np.zeros((4, 4), np.uint8), float("nan"), "factor=nan"),
    ],
)
def test_wrong_arguments_are_named(image, factor, words):
    with pytest.raises(ValueError, match=words):
        shrink(image, factor)
