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
        ({"factor": 0}, "`factor=0` must be finite and > 0"),
        ({"factor": -2}, "`factor=-2` must be finite and > 0"),
        ({"factor": np.nan}, "`factor=nan` must be finite and > 0"),
        ({"factor": np.inf}, "`factor=inf` must be finite and > 0"),
        ({"factor": 1e-3}, "`factor=0.001` leaves nothing of .* 64 x 64 px"),
        ({"factor": 2, "sigma": -1}, "`sigma=-1`"),
        ({"factor": 2, "sigma": np.nan}, "`sigma=nan`"),
        ({"factor": 2, "ndim": 0}, "`ndim=0`"),
        ({"factor": 2, "ndim": 4}, "`ndim=4`"),
        ({"factor": 2, "ndim": 3}, r"shape \(64, 64\), but `ndim=3` .*D, H, W"),
        ({"factor": 2, "image": np.zeros((0, 4))}, r"empty: its shape is \(0, 4\)"),
        ({"factor": 2, "image": np.zeros((4, 4, 0))}, "empty"),
        ({"factor": 2, "image": np.zeros(4)}, "`ndim=2` spatial axes are needed"),
    ],
)
def test_bad_arguments_are_named(arguments, match):
    defaults = {"image": band_limited(), "sigma": 1}
    for function in (scale_covariance_error, assert_scale_covariant):
        tolerance = {} if function is scale_covariance_error else {"tolerance": 1}
        with pytest.raises(ValueError, match=match):
            function(
                lambda image, sigma: image, **defaults | arguments, **tolerance
            )  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"factor": "2"}, "`factor='2'` is not a number"),
        ({"factor": (2, 2)}, r"`factor` has shape \(2,\); give one"),
        ({"factor": 2, "border": 1.5}, "`border=1.5` must be an int"),
        ({"factor": 2, "ndim": 2.0}, "`ndim=2.0` must be an int"),
        ({"factor": 2, "image": np.zeros((4, 4), int)}, "dtype int64; convert it"),
    ],
)
def test_arguments_of_other_types_are_named(arguments, match):
    defaults = {"image": band_limited(), "sigma": 1}
    with pytest.raises(TypeError, match=match):
        scale_covariance_error(lambda image, sigma: image, **defaults | arguments)


@pytest.mark.parametrize("factor", [0, -1.0, np.nan, np.inf])
def test_images_are_not_enlarged_by_impossible_factors(factor):
    with pytest.raises(ValueError, match="`factor="):
        enlarge(band_limited(8), factor)


@pytest.mark.parametrize("centred", [jax.numpy.ones(2), "no", None])
def test_whether_the_middle_stays_is_a_bool(centred):
    with pytest.raises(TypeError, match="`centred=.*must be True or False"):
        enlarge(band_limited(8), 2, centred=centred)
    with pytest.raises(TypeError, match="`centred=.*must be True or False"):
        fourier_resample(np.ones(4), 8, axis=0, centred=centred)


@pytest.mark.parametrize("size", [0, -3])
def test_axes_are_not_resampled_to_impossible_sizes(size):
    with pytest.raises(ValueError, match=f"`size={size}` must be >= 1"):
        fourier_resample(np.ones(4), size, axis=0)
    with pytest.raises(ValueError, match=r"`x` is empty: its shape is \(4, 0\)"):
        fourier_resample(np.ones((4, 0)), 4, axis=0)
    with pytest.raises(TypeError, match="`size=nan` must be an int"):
        fourier_resample(np.ones(4), np.nan, axis=0)


@pytest.mark.parametrize("ndim", [1, 2, 3])
@pytest.mark.parametrize("factor", [2, 5 / 3])
def test_spectral_jets_are_covariant_in_one_to_three_dimensions(x64, ndim, factor):
    # Rounding of sums over 30 px per axis, in float64: 30 ndim 1e-16, times the size of
    # Hermite polynomials of order 2.
    shape = (9, 12, 15)[-ndim:]
    f = np.meshgrid(*[np.fft.fftfreq(n, 1 / n) for n in shape], indexing="ij")
    noise = np.random.default_rng(0).standard_normal(shape)
    image = np.fft.ifftn(np.fft.fftn(noise) * (sum(k**2 for k in f) < 16)).real

    @jax.jit
    def jets(image, sigma):
        return gdjax.njet(
            image[..., None], sigma, padding="wrap", ndim=ndim,
            discretisation=gdjax.SpectralGaussian(),
        )  # fmt: skip

    arguments = {"sigma": 0.8, "factor": factor, "ndim": ndim}
    errors = scale_covariance_error(jets, image, **arguments)
    orders = gdjax.derivative_orders(2, ndim=ndim)
    assert errors.shape == (len(orders), 1)
    assert_scale_covariant(jets, image, tolerance=1e-13, **arguments)
    inside = scale_covariance_error(jets, image, border=2, **arguments)
    assert inside.max() <= 1e-12
    with pytest.raises(AssertionError, match="output"):
        assert_scale_covariant(
            lambda image, sigma: jets(image, 0.8), image, tolerance=0.1, **arguments
        )


def test_axes_beyond_space_are_kept_apart():
    signals = np.stack([band_limited()[0], band_limited()[1]], -1)
    errors = scale_covariance_error(
        lambda x, sigma: x * np.float32((1, sigma)), signals, sigma=1, factor=2, ndim=1
    )
    np.testing.assert_allclose(errors, [0, 1], atol=1e-6)  # float32


def test_operators_must_keep_all_axes_of_space():
    with pytest.raises(ValueError, match="it must keep the axes D, H, W"):
        scale_covariance_error(
            lambda x, sigma: x[..., ::2], np.ones((4, 4, 4)), sigma=1, factor=2, ndim=3
        )


def test_long_signals_take_little_memory():
    # As matrices of old x new x frequencies, this would be 2^30 numbers.
    wave = np.cos(2 * np.pi * 5 * np.arange(1024) / 1024)
    found = enlarge(wave, 2, ndim=1)
    expected = np.cos(2 * np.pi * 5 * np.arange(2048) / 2048)
    np.testing.assert_allclose(found, expected, atol=1e-11)


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
    with pytest.raises(ValueError, match="`selected=array.*must be a list"):
        scale_selection_histogram(np.array(2.0), num_scales=3)
