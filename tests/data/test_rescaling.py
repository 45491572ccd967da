"""`rescale` against MATLAB's imresize, written out slowly in float64."""

from __future__ import annotations

import numpy as np
import pytest

from gdjax.data import rescale


def keys_cubic(x: np.ndarray) -> np.ndarray:
    """Keys' cubic with a = -1/2."""
    x = np.abs(x)
    near = 1.5 * x**3 - 2.5 * x**2 + 1
    far = -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return np.where(x <= 1, near, np.where(x <= 2, far, 0.0))


def imresize_matrix(n: int, size: int, factor: float, mirrored: bool) -> np.ndarray:
    """[size, n]: weights of the source pixels in every pixel of the canvas."""
    stretch = min(1.0, factor)
    matrix = np.zeros((size, n))
    for i in range(size):
        centre = (i - (size - 1) / 2) / factor + (n - 1) / 2
        reach = int(np.ceil(2 / stretch)) + 1
        sources = np.arange(int(centre) - reach, int(centre) + reach + 1)
        weights = keys_cubic(stretch * (centre - sources))
        weights /= weights.sum()
        for source, weight in zip(sources, weights, strict=True):
            if mirrored:
                source = source % (2 * n)
                source = min(source, 2 * n - 1 - source)
            if 0 <= source < n:
                matrix[i, source] += weight
    return matrix


def imresize(image: np.ndarray, factor: float, size: int, background: str):
    """Float64 [size, size], neither rounded nor clipped."""
    mirrored = background == "mirror"
    rows = imresize_matrix(image.shape[0], size, factor, mirrored)
    columns = imresize_matrix(image.shape[1], size, factor, mirrored)
    return rows @ image.astype(np.float64) @ columns.T


@pytest.fixture(scope="module")
def noise() -> np.ndarray:
    """Uint8 [28, 28]: white noise, with values up to all four borders."""
    return np.random.default_rng(1).integers(0, 256, (28, 28), dtype=np.uint8)


@pytest.mark.parametrize("background", ["black", "mirror"])
@pytest.mark.parametrize("size", [31, 72])
@pytest.mark.parametrize("factor", [0.3, 0.5, 2**-0.25, 1.0, 2**0.25, 2.0, 8.0, 20.0])
def test_rescale_matches_imresize(noise, factor, size, background):
    expected = np.clip(imresize(noise, factor, size, background), 0, 255)
    actual = rescale(noise, factor, size=size, background=background)
    assert actual.shape == (size, size) and actual.dtype == np.uint8
    # Half a grey level of rounding, and the float32 of Pillow.
    assert np.abs(actual - expected).max() <= 0.5 + 2e-3


def test_rescale_matches_imresize_on_oblong_colour_images():
    image = np.random.default_rng(2).integers(0, 256, (9, 14, 3), dtype=np.uint8)
    actual = rescale(image, 1.3, size=20, background="mirror")
    assert actual.shape == (20, 20, 3)
    for c in range(3):
        expected = np.clip(imresize(image[..., c], 1.3, 20, "mirror"), 0, 255)
        assert np.abs(actual[..., c] - expected).max() <= 0.5 + 2e-3


@pytest.mark.parametrize("size", [8, 28, 72])
def test_factor_one_with_matching_parity_copies(noise, size):
    actual = rescale(noise, 1.0, size=size)
    if size < 28:
        start = (28 - size) // 2
        assert (actual == noise[start:-start, start:-start]).all()
    else:
        margin = (size - 28) // 2
        assert (actual[margin : margin + 28, margin : margin + 28] == noise).all()
        assert actual.sum(dtype=int) == noise.sum(dtype=int)


@pytest.mark.parametrize("factor", [0.5, 2**0.25, 2.0])
def test_the_centre_stays_and_the_mass_grows_by_the_square(factor):
    y, x = np.mgrid[:28, :28]
    blob = 200 * np.exp(-((x - 15.5) ** 2 + (y - 12.0) ** 2) / 18)
    blob = np.rint(blob).astype(np.uint8)
    scaled = rescale(blob, factor, size=72).astype(float)
    mass = scaled.sum()
    assert mass == pytest.approx(blob.sum() * factor**2, rel=5e-3)
    rows, columns = np.mgrid[:72, :72]
    # Away from the centre of the canvas, (35.5, 35.5), by factor times as much.
    centroid = (scaled * rows).sum() / mass, (scaled * columns).sum() / mass
    expected = 35.5 + factor * (12.0 - 13.5), 35.5 + factor * (15.5 - 13.5)
    assert centroid == pytest.approx(expected, abs=0.02)


def test_mirror_of_a_constant_image_is_constant():
    image = np.full((5, 5), 77, np.uint8)
    assert (rescale(image, 0.31, size=64, background="mirror") == 77).all()


@pytest.mark.parametrize(
    ("image", "options", "words"),
    [
        (np.zeros((4, 4)), {}, "uint8"),
        (np.zeros((4, 4, 1, 1), np.uint8), {}, r"\(4, 4, 1, 1\)"),
        (np.zeros((0, 4), np.uint8), {}, "at least one pixel"),
        (np.zeros((4, 4), np.uint8), {"factor": 0.0}, "factor=0.0"),
        (np.zeros((4, 4), np.uint8), {"factor": float("nan")}, "factor=nan"),
        (np.zeros((4, 4), np.uint8), {"size": 0}, "size=0"),
        (np.zeros((4, 4), np.uint8), {"size": (8, 0)}, r"size=\(8, 0\)"),
        (np.zeros((4, 4), np.uint8), {"background": "white"}, "white"),
    ],
)
def test_wrong_arguments_are_named(image, options, words):
    options = {"factor": 1.0, "size": 8} | options
    with pytest.raises(ValueError, match=words):
        rescale(image, options.pop("factor"), **options)


@pytest.mark.parametrize("factor", [0.5, 1.0, 1.3])
def test_canvases_that_are_not_square(factor):
    """The middle rows of a larger square canvas."""
    image = np.random.default_rng(0).integers(0, 256, (12, 20), np.uint8)
    square = rescale(image, factor, size=20)
    np.testing.assert_array_equal(rescale(image, factor, size=(12, 20)), square[4:-4])
