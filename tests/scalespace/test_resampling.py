"""Subsampled grids: where their pixels lie, and what the low-pass keeps."""

import numpy as np
import pytest

from gdjax.scalespace.resampling import coarse_size, subsample, subsample_to


@pytest.mark.parametrize(("size", "octaves"), [(72, 1), (73, 2), (10, 2)])
def test_coarse_pixels_are_centred(size, octaves):
    coarse = coarse_size(size, octaves)
    assert coarse % 2 == 1 and 0 <= 2**octaves * coarse - size < 2 ** (octaves + 1)
    # A ramp away from the border: the low-pass keeps it, so values are positions.
    ramp = (np.arange(size, dtype=np.float32) - (size - 1) / 2)[:, None]
    found = np.asarray(subsample(ramp, octaves, ndim=1))[:, 0]
    assert found.shape == (coarse,)
    expected = 2**octaves * (np.arange(coarse) - (coarse - 1) / 2)
    # Lanczos' kernel reaches 5 coarse px.
    inside = abs(expected) + 5 * 2**octaves <= (size - 1) / 2
    # Lanczos' interpolation reproduces a ramp to about 1 % of a pixel.
    np.testing.assert_allclose(found[inside], expected[inside], atol=0.02 * 2**octaves)


def test_low_frequencies_stay_and_high_ones_go():
    n = np.arange(128)

    def gain(frequency):  # of a wave, in cycles per coarse px
        wave = np.cos(np.pi * frequency * (n - 63.5)).astype(np.float32)
        coarse = np.asarray(subsample(wave[:, None], 1, ndim=1))[8:-8, 0]
        return np.sqrt((coarse**2).mean() * 2)

    # Choice of jax.image, not ours: the transition of Lanczos' kernel of 5 lobes.
    for frequency in (0.05, 0.2, 0.35):
        assert abs(gain(frequency) - 1) <= 0.03
    for frequency in (0.7, 0.8, 0.95):
        assert gain(frequency) <= 0.03


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_axes_are_independent_and_channels_apart(ndim):
    x = np.random.default_rng(0).standard_normal((2, *[12] * ndim, 3))
    x = x.astype(np.float32)
    y = np.asarray(subsample(x, 1, ndim=ndim))
    assert y.shape == (2, *[7] * ndim, 3)
    one = np.asarray(subsample(x[1, ..., 2:], 1, ndim=ndim))
    np.testing.assert_allclose(y[1, ..., 2:], one, atol=1e-6)
    np.testing.assert_allclose(subsample(x * 0 + 2, 1, ndim=ndim), 2, atol=1e-5)
    assert subsample(x, 0, ndim=ndim) is x


@pytest.mark.parametrize("ndim", [np.uint8(2), np.int64(2)])
def test_numbers_of_axes_are_those_of_any_ints(ndim):
    x = np.random.default_rng(0).random((1, 6, 6, 1), np.float32)
    found, expected = subsample_to(x, 4, ndim=ndim), subsample_to(x, 4)
    np.testing.assert_array_equal(found, expected)
