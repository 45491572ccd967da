"""Jets at factor * sigma of an enlarged image are the jets at sigma."""

import numpy as np
import pytest

import gdjax


SIZE = 48


def band_limited(seed=0):
    """Periodic, 1/f spectrum below a third of the sampling rate."""
    rng = np.random.default_rng(seed)
    f = np.hypot(np.fft.fftfreq(SIZE)[:, None], np.fft.fftfreq(SIZE))
    weight = np.where((f > 0) & (f < 1 / 3), 1 / np.maximum(f, 1 / SIZE), 0)
    return np.fft.ifft2(np.fft.fft2(rng.standard_normal((SIZE, SIZE))) * weight).real


def enlarged(image, size):
    """Zeros around the centred spectrum: nothing of it is at or beyond Nyquist."""
    margin = (size - SIZE) // 2
    spectrum = np.pad(np.fft.fftshift(np.fft.fft2(image)), margin)
    return np.fft.ifft2(np.fft.ifftshift(spectrum)).real * (size / SIZE) ** 2


def covariance_error(discretisation, sigma, numerator, denominator=1):
    """Relative L2 difference at coinciding points, per derivative up to order 2."""
    factor = numerator / denominator
    image = band_limited()
    pairs = [(image, sigma), (enlarged(image, int(SIZE * factor)), factor * sigma)]
    small, large = (
        np.asarray(
            gdjax.njet(
                x[..., None].astype(np.float32), s, discretisation=discretisation,
                padding="wrap",
            )[..., 0]
        )
        for x, s in pairs
    )  # fmt: skip
    small = small[::denominator, ::denominator]
    large = large[::numerator, ::numerator]
    error = np.sqrt(((large - small) ** 2).sum((0, 1)) / (small**2).sum((0, 1)))
    return error.max()


@pytest.mark.parametrize("factor", [(2, 1), (3, 2)])
@pytest.mark.parametrize("sigma", [0.5, 1, 2, 4])
def test_spectral_jets_are_covariant_on_band_limited_images(sigma, factor):
    # Exact but for float32.
    assert covariance_error(gdjax.SpectralGaussian(), sigma, *factor) <= 1e-4


def test_discrete_jets_become_covariant_with_sigma():
    errors = [covariance_error(gdjax.DiscreteGaussian(), s, 2) for s in (1, 2, 4)]
    assert 0.03 <= errors[0] <= 0.5
    assert errors[1] <= errors[0] / 2 and errors[2] <= errors[1] / 2
