import jax
import numpy as np
import pytest

import gdjax
from gdjax.metrics import (
    accuracy_per_factor,
    assert_scale_covariant,
    enlarge,
    fourier_resample,
    scale_covariance_error,
    scale_selection_histogram,
)


def band_limited(size=64, seed=0):
    """A periodic image with a 1/f spectrum below a third of the sampling rate."""
    noise = np.random.default_rng(seed).standard_normal((size, size))
    f = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.fftfreq(size))
    weight = np.where((f > 0) & (f < 1 / 3), 1 / np.maximum(f, 1 / size), 0)
    return np.fft.ifft2(np.fft.fft2(noise) * weight).real.astype(np.float32)


def jet_at(discretisation, order=2):
    @jax.jit
    def compute(image, sigma):
        return gdjax.njet(
            image[..., None], sigma, order=order, discretisation=discretisation,
            padding="wrap",
        )  # fmt: skip

    return compute


@pytest.mark.parametrize("old", [8, 9])
@pytest.mark.parametrize("new", [12, 16, 17, 18])
def test_fourier_resampling_is_exact_on_trigonometric_polynomials(old, new):
    def signal(t):
        return 1 + np.cos(2 * np.pi * t) - 2 * np.sin(6 * np.pi * t)

    resampled = fourier_resample(signal(np.arange(old) / old), new, axis=0)
    np.testing.assert_allclose(resampled, signal(np.arange(new) / new), atol=1e-13)


def test_coinciding_points_keep_their_values_when_reducing():
    x = np.random.default_rng(0).standard_normal((12, 3))
    np.testing.assert_allclose(fourier_resample(x, 6, axis=0), x[::2], atol=1e-13)


@pytest.mark.parametrize("factor", [2, 1.5])
@pytest.mark.parametrize("sigma", [0.5, 1, 2, 4])
def test_spectral_jets_are_covariant_on_band_limited_images(sigma, factor):
    # float32 transforms and products of about 100 terms: 1e-4 is generous.
    assert_scale_covariant(
        jet_at(gdjax.SpectralGaussian()), band_limited(), sigma=sigma, factor=factor,
        tolerance=1e-4,
    )  # fmt: skip


def test_discrete_jets_get_covariant_with_sigma():
    # The table of relative errors at factor 2: .08-.2 at sigma 1, falling with sigma^2.
    compute, image = jet_at(gdjax.DiscreteGaussian()), band_limited()
    errors = [
        scale_covariance_error(compute, image, sigma=s, factor=2).max()
        for s in (1, 2, 4)
    ]
    assert 0.03 < errors[0] < 0.5
    assert errors[1] < errors[0] / 2 and errors[2] < errors[1] / 2


def test_errors_come_per_output_and_leave_out_the_border():
    image = band_limited()[..., None]

    def fn(image, sigma):
        out = np.concatenate([image, image + sigma], -1)
        out[0] = 100 * sigma  # wrong at the border only
        return out

    errors = scale_covariance_error(fn, image, sigma=1, factor=2, border=2)
    assert errors.shape == (2,)
    assert errors[0] < 1e-6 < errors[1]
    assert scale_covariance_error(fn, image, sigma=1, factor=2)[0] > 0.1


def test_assertion_names_the_worst_output_and_its_error():
    image = band_limited()
    with pytest.raises(AssertionError, match=r"sigma = 1 px.*output"):
        assert_scale_covariant(
            lambda image, sigma: np.stack([image, sigma * image], -1), image,
            sigma=1, factor=2, tolerance=0.5,
        )  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"factor": 2, "border": 32}, "border=32"),
        ({"factor": 2, "border": -1}, "border=-1"),
    ],
)
def test_bad_arguments_are_named(arguments, match):
    with pytest.raises(ValueError, match=match):
        scale_covariance_error(
            lambda image, sigma: image, band_limited(), sigma=1, **arguments
        )


def test_operators_that_crop_and_uneven_factors_are_refused():
    with pytest.raises(ValueError, match="height and width"):
        scale_covariance_error(
            lambda image, sigma: image[1:], band_limited(), sigma=1, factor=2
        )
    with pytest.raises(ValueError, match="same factor"):
        enlarge(np.zeros((10, 15)), 1.25)


def test_accuracy_per_factor_pads_the_last_batch():
    shapes = []

    def predict(images):
        shapes.append(images.shape)
        return images[:, 0, 0, 0]

    images = np.arange(5).reshape(5, 1, 1, 1)
    sets = [(images, np.arange(5)), (images, np.array([0, 1, 2, 0, 0]))]
    found = accuracy_per_factor(predict, sets, batch_size=3)
    np.testing.assert_allclose(found, [1.0, 0.6])
    assert set(shapes) == {(3, 1, 1, 1)}
    with pytest.raises(ValueError, match="5 images and 4 labels"):
        accuracy_per_factor(predict, [(images, np.arange(4))])


def test_scale_selection_histogram_counts_fractions():
    found = scale_selection_histogram([[0, 0, 2, 1], [2, 2]], num_scales=3)
    np.testing.assert_allclose(found, [[0.5, 0.25, 0.25], [0, 0, 1]])
    for bad in ([3], [-1], []):
        with pytest.raises(ValueError, match=r"selected\[0\]"):
            scale_selection_histogram([np.array(bad, int)], num_scales=3)
