"""All discretisations: closed forms in float64, pyscsp, moments, gradients."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pyscsp.discscsp as discscsp
import pyscsp.gaussders as gaussders
import pytest

import gdjax


ALL = [
    gdjax.DiscreteGaussian(),
    gdjax.SampledGaussian(),
    gdjax.NormalizedSampledGaussian(),
    gdjax.IntegratedGaussian(),
    gdjax.LinearlyIntegratedGaussian(),
    gdjax.SampledGaussianDerivatives(),
    gdjax.IntegratedGaussianDerivatives(),
    gdjax.NormalizedSampledGaussianDerivatives(),
    gdjax.SpectralGaussian(),
]
NO_LIMIT = [
    gdjax.SampledGaussian(),
    gdjax.SampledGaussianDerivatives(),
    gdjax.IntegratedGaussianDerivatives(),
    gdjax.NormalizedSampledGaussianDerivatives(),
]
PYSCSP = [
    (gdjax.DiscreteGaussian(), discscsp.make1Ddiscgaussderfilter),
    (gdjax.SampledGaussian(), discscsp.make1Dsamplgaussdifffilter),
    (gdjax.NormalizedSampledGaussian(), discscsp.make1Dnormsamplgaussdifffilter),
    (gdjax.IntegratedGaussian(), discscsp.make1Dintgaussdifffilter),
    (gdjax.SampledGaussianDerivatives(), gaussders.make1Dsamplgaussderfilter),
    (gdjax.IntegratedGaussianDerivatives(), gaussders.make1Dintgaussderfilter),
]
every = pytest.mark.parametrize("discretisation", ALL, ids=lambda d: type(d).__name__)


def peak_error(actual, expected):
    return abs(np.asarray(actual) - expected).max() / abs(expected).max()


@every
@pytest.mark.parametrize("order", range(7))
def test_kernels_match_their_closed_forms(x64, taps_oracle, discretisation, order):
    for sigma in (0.4, 0.8, 1, 2.3, 5):
        # Wide, so that a sum over the kernel is the sum over all pixels.
        radius = math.ceil(12 * sigma)
        expected = taps_oracle(discretisation, sigma, order, radius)
        kernel = discretisation.kernel(sigma, order, radius=radius)
        assert kernel.shape == (2 * radius + 1,)
        # Differences of order a of a float64 kernel: 1e-16 (2 sigma)^a of the peak;
        # (x Phi loses another factor sigma / |x|).
        tolerance = 1e-14 * (2 * max(sigma, 1)) ** order + 1e-12
        assert peak_error(kernel, expected) <= tolerance


@pytest.mark.parametrize(
    ("discretisation", "make"), PYSCSP, ids=lambda x: getattr(x, "__name__", str(x))
)
@pytest.mark.parametrize("order", range(5))
def test_kernels_are_the_flip_of_those_of_pyscsp(x64, discretisation, make, order):
    for sigma in (0.5, 1.0, 2.0, 4.0):
        radius = math.ceil(5 * sigma) + 3
        expected = make(order, sigma, radius)[::-1]
        kernel = np.asarray(discretisation.kernel(sigma, order, radius=radius))
        # pyscsp differences the cropped kernel: its two outermost taps differ.
        error = abs(kernel - expected)[2:-2].max() / abs(expected).max()
        assert error <= 1e-11


@pytest.mark.parametrize("sigma", [0.5, 1.0, 3.0])
def test_linearly_integrated_smoothing_is_that_of_pyscsp(x64, sigma):
    expected = discscsp.make1Dlinintgaussfilter(sigma, 0.01)
    kernel = gdjax.LinearlyIntegratedGaussian().kernel(
        sigma, 0, radius=len(expected) // 2
    )
    np.testing.assert_allclose(kernel, expected, atol=1e-13)


@every
@pytest.mark.parametrize("order", range(7))
def test_moments_are_those_of_a_derivative(x64, discretisation, order):
    # sum_n n^a k_a / a! = 1 and lower moments vanish: polynomials are differentiated
    # exactly. At sigma = 3 aliasing (exp(-2 pi^2 s)) and ringing (exp(-pi^2 s / 2) =
    # 5e-20, times n^a) lie below rounding: 36^a times that of a tap of size sigma^-a.
    sigma, radius = 3.0, 36
    kernel = np.asarray(discretisation.kernel(sigma, order, radius=radius))
    n, atol = np.arange(-radius, radius + 1), 1e-12 + 2e-15 * radius**order
    moments = [(n**j * kernel).sum() / math.factorial(j) for j in range(order + 1)]
    np.testing.assert_allclose(moments, np.eye(order + 1)[order], rtol=0, atol=atol)
    parity = (-1) ** order
    # Differences of order a (+ 2 for linear integration) of numbers below 1.
    rounding = 2.0 ** (order + 2) * np.finfo(float).eps
    np.testing.assert_allclose(kernel, parity * kernel[::-1], rtol=0, atol=rounding)


@every
def test_first_order_is_positive_on_the_right(discretisation):
    kernel = np.asarray(discretisation.kernel(1.5, 1, radius=4))
    assert kernel[5] > 0 > kernel[3]


@every
def test_smoothing_kernels_have_the_declared_variance(x64, discretisation):
    kernel = np.asarray(discretisation.kernel(2.5, 0, radius=40))
    variance = (np.arange(-40, 41) ** 2 * kernel).sum()
    assert variance == pytest.approx(2.5**2 + discretisation.variance_offset, abs=1e-9)


@every
def test_dtype_is_that_of_sigma(x64, discretisation):
    for dtype in (jnp.float32, jnp.float64):
        for order in (0, 1, 2):
            sigma = jnp.asarray(1.5, dtype)
            kernel = discretisation.kernel(sigma, order, radius=3)
            jitted = jax.jit(
                lambda s, order=order: discretisation.kernel(s, order, radius=3)
            )(sigma)
            assert kernel.dtype == jitted.dtype == dtype
            np.testing.assert_allclose(kernel, jitted, atol=1e-6)


@every
def test_traced_kernels_and_gradients_match_concrete_ones(x64, discretisation):
    # Concrete kernels come from NumPy; their difference quotient has an error of
    # step^2 and of 1e-16 / step.
    sigmas, radius, step = np.array([0.6, 1.0, 2.2]), 7, 1e-5

    @jax.jit
    def every_order(sigma):
        return jnp.stack(
            [discretisation.kernel(sigma, a, radius=radius) for a in range(7)]
        )

    def concrete(sigma):
        return np.stack(
            [discretisation.kernel(sigma, a, radius=radius) for a in range(7)]
        )

    for sigma in sigmas:
        value, slope = jax.jvp(every_order, (sigma,), (1.0,))
        expected = concrete(sigma)
        scale = abs(expected).max(-1, keepdims=True)
        # Differences of order 6 cancel: 1e-16 (2 sigma)^6.
        assert (abs(value - expected) / scale).max() <= 1e-11
        quotient = (concrete(sigma + step) - concrete(sigma - step)) / (2 * step)
        scale = abs(quotient).max(-1, keepdims=True)
        assert (abs(slope - quotient) / scale).max() <= 1e-7


@every
def test_traced_kernels_in_float32(discretisation):
    @jax.jit
    def every_order(sigma):
        return [discretisation.kernel(sigma, a, radius=12) for a in range(5)]

    for sigma in (0.5, 1.0, 4.0):
        for order, kernel in enumerate(every_order(np.float32(sigma))):
            expected = np.asarray(discretisation.kernel(sigma, order, radius=12))
            # Differences of order a of rounded taps: (2 sigma)^a roundings; taps that
            # are themselves differences of values of size 1 or sigma lose a further
            # factor sigma or sigma^2.
            lost = {
                gdjax.IntegratedGaussian: sigma,
                gdjax.LinearlyIntegratedGaussian: sigma**2,
            }.get(type(discretisation), 1)
            tolerance = 1e-6 + 3e-7 * max(lost, 1) * (2 * sigma) ** order
            assert peak_error(kernel, expected) <= tolerance


@every
def test_impulse_limit(discretisation):
    if discretisation in NO_LIMIT:
        assert not discretisation.impulse_limit
        with pytest.raises(ValueError, match="sigma > 0"):
            discretisation.kernel(0, 0, radius=2)
    else:
        for sigma in (0, 1e-6):
            kernel = discretisation.kernel(sigma, 0, radius=2)
            np.testing.assert_allclose(kernel, [0, 0, 1, 0, 0], atol=1e-6)


@pytest.mark.parametrize(
    "discretisation", [d for d in ALL if d not in NO_LIMIT], ids=str
)
def test_kernels_and_gradients_are_finite_at_traced_zero(discretisation):
    value, slope = jax.jit(
        lambda s: jax.jvp(
            lambda s: jnp.stack(
                [discretisation.kernel(s, a, radius=3) for a in range(3)]
            ),
            (s,),
            (1.0,),
        )  # fmt: skip
    )(0.0)
    assert np.isfinite(value).all() and np.isfinite(slope).all()


@every
@pytest.mark.parametrize(
    ("sigma", "order", "radius", "error"),
    [
        (-1.0, 0, 3, ValueError),
        (np.nan, 0, 3, ValueError),
        (np.inf, 0, 3, ValueError),
        ("1", 0, 3, TypeError),
        (True, 0, 3, TypeError),
        (None, 0, 3, TypeError),
        (1.0, -1, 3, ValueError),
        (1.0, 1.5, 3, TypeError),
        (1.0, True, 3, TypeError),
        (1.0, 0, -1, ValueError),
    ],
)
def test_impossible_arguments_raise(discretisation, sigma, order, radius, error):
    with pytest.raises(error):
        discretisation.kernel(sigma, order, radius=radius)


@every
def test_objects_are_hashable_and_equal_by_value(discretisation):
    assert discretisation == type(discretisation)()
    assert hash(discretisation) == hash(type(discretisation)())
    with pytest.raises(AttributeError):
        discretisation.fresh = 1


@pytest.mark.parametrize("sigma", [0.35, 0.5, 1.0, 3.0])
def test_spectral_kernels_without_truncation_are_exact_on_waves(x64, sigma):
    # On a wrapped axis a wave of frequency w is an eigenvector of eigenvalue
    # (i w)^a exp(-s w^2 / 2).
    size, turns = 24, 5
    w = 2 * np.pi * turns / size
    wave = np.cos(w * np.arange(size) + 0.3)[:, None]
    phase = [np.cos, lambda t: -np.sin(t), lambda t: -np.cos(t), np.sin]
    jet = gdjax.njet(
        wave, sigma, order=3, discretisation=gdjax.SpectralGaussian(), padding="wrap",
        ndim=1,
    )  # fmt: skip
    for a in (1, 2, 3):
        response = phase[a](w * np.arange(size) + 0.3)
        expected = (sigma * w) ** a * np.exp(-((sigma * w) ** 2) / 2) * response
        np.testing.assert_allclose(jet[:, a - 1, 0], expected, atol=1e-12)
