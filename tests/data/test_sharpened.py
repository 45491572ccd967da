"""`sharpened` against its formula, written out in float64 with SciPy's functions."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from gdjax.data import load_at_factor, rescale
from gdjax.data.digits import MnistLargeScale
from gdjax.data.originals import Originals
from gdjax.data.sharpened import sharpened


@pytest.fixture(scope="module")
def digit() -> np.ndarray:
    """Uint8 [28, 28]: a ring with a hole, in grey levels from 0 to 255."""
    y, x = np.mgrid[:28, :28] - 13.5
    levels = 255 * np.exp(-((np.hypot(y, 1.3 * x) - 6) ** 2) / 4)
    return np.rint(levels).astype(np.uint8)


def by_hand(image: np.ndarray, factor: float, side: int) -> np.ndarray:
    """Float64: bicubic, Gaussian of 7/8 px times the factor, arctan, 0 to 255."""
    sigma = 7 / 8 * factor
    wide = side + 2 * int(np.ceil(6 * sigma))
    levels = rescale(image, factor, size=wide).astype(float)
    n = np.arange(wide)
    kernel = stats.norm.pdf(n[:, None] - n, scale=sigma)
    kernel /= stats.norm.pdf(np.arange(-wide, wide + 1), scale=sigma).sum()
    start = (wide - side) // 2
    smooth = (kernel @ levels @ kernel.T)[start : start + side, start : start + side]
    bent = 2 / np.pi * np.arctan(0.02 * (smooth - 128))
    return 255 * (bent - bent.min()) / (bent.max() - bent.min())


@pytest.mark.parametrize("factor", [0.5, 2**-0.25, 1.0, 2.0, 8.0])
def test_sharpened_is_its_formula(digit, factor):
    found = sharpened(digit, factor, side=112)
    assert found.shape == (112, 112) and found.dtype == np.uint8
    assert (found.min(), found.max()) == (0, 255)
    # Half a grey level is rounded before the arctan, whose steepest slope, 0.02 over
    # the half of its range (about 1.2 each way), is 255 * 0.02 / 2.4 = 2.1; another
    # half after it. Cut at 4 standard deviations, the Gaussian loses 6e-5 of its mass.
    expected = by_hand(digit, factor, 112)
    assert np.abs(found - expected).max() <= 0.5 * 2.2 + 0.5 + 255 * 2.2 * 1.3e-4


def test_what_is_constant_is_black_and_colours_are_apart(digit):
    assert not sharpened(np.zeros((28, 28), np.uint8), 2.0, side=40).any()
    several = np.stack([digit, digit.T, digit], axis=-1)
    found = sharpened(several, 1.5, side=40)
    assert found.shape == (40, 40, 3) and (found[..., 0] == found[..., 2]).all()
    assert (found[..., 1] == found[..., 0].T).all()


def test_factors_without_a_split_are_sharpened_too(write_idx):
    name, folder = "mnist_large_scale", write_idx()
    plain = load_at_factor(name, 1.1, data_dir=folder, limit=1).image[0]
    sharp = load_at_factor(f"{name}/sharpened", 1.1, data_dir=folder, limit=1).image[0]
    assert sharp.shape == plain.shape and sharp.max() == 255
    # White noise of 28 px is all but gone, and the threshold brings it back.
    assert (sharp != plain).mean() > 0.05


def test_configs_of_mnist_large_scale(digit, tmp_path):
    def part(name):
        built = MnistLargeScale(config=name, data_dir=tmp_path)
        return built.part(originals, "test", 2.0), built.parameters()

    images, labels = np.stack([digit[..., None]] * 2), np.array([3, 4])
    originals = Originals({"test": images}, {"test": labels}, "here", {})
    for name in ("sharpened", "small_sharpened"):
        found, facts = part(name)
        (image, label), _ = found.examples()
        np.testing.assert_array_equal(image, sharpened(images[0], 2.0, side=112))
        assert label == 3 and facts["sharpened"]["sigma"] == 7 / 8
    (image, _), _ = part("small")[0].examples()
    np.testing.assert_array_equal(image, rescale(images[0], 2.0, size=112))
    assert part("small")[1] == {}
