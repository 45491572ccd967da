"""The discrete Gaussian against `scipy.special.ive` in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special

import gdjax


# Radius and the largest sigma with radius >= 2 sigma, up to sigma = 64.
NEAR = [1, 2, 5, 16, 64, 128]


def oracle(sigma, radius):
    return scipy.special.ive(abs(np.arange(-radius, radius + 1)), sigma**2)


def slope_oracle(sigma, radius):
    """dT/dsigma = 2 sigma dT/ds, by the semi-discrete diffusion equation."""
    wide = oracle(sigma, radius + 1)
    return sigma * (wide[2:] - 2 * wide[1:-1] + wide[:-2])


def traced(sigmas, radius):
    """Kernels of all `sigmas`, traced: one program."""
    fn = jax.vmap(lambda s: gdjax.discrete_gaussian(s, radius=radius))
    return np.asarray(jax.jit(fn)(sigmas))


def peak_error(actual, expected):
    return (abs(actual - expected).max(-1) / abs(expected).max(-1)).max()


@pytest.mark.parametrize("radius", NEAR)
def test_traced_kernel_matches_ive_in_float32(radius):
    # float32 rounding is 6e-8; a sum of 6 radius terms gathers a few of them.
    sigmas = np.linspace(0, radius / 2, 41, dtype=np.float32)
    expected = np.stack([oracle(float(s), radius) for s in sigmas])
    assert traced(sigmas, radius).dtype == np.float32
    assert peak_error(traced(sigmas, radius), expected) <= 3e-7


@pytest.mark.parametrize("radius", [2, 16, 128])
def test_traced_kernel_matches_ive_in_float64(x64, radius):
    sigmas = np.linspace(0, radius / 2, 41)
    expected = np.stack([oracle(s, radius) for s in sigmas])
    assert traced(sigmas, radius).dtype == np.float64
    assert peak_error(traced(sigmas, radius), expected) <= 1e-13


@pytest.mark.parametrize("sigma", [0, 0.01, 0.3, 0.5, 1, 2.0, 7.3, 24, 64])
@pytest.mark.parametrize("radius", [0, 1, 10, 130])
def test_concrete_kernel_matches_ive_at_any_radius(x64, sigma, radius):
    taps = gdjax.discrete_gaussian(sigma, radius=radius)
    assert taps.shape == (2 * radius + 1,)
    assert peak_error(taps, oracle(sigma, radius)) <= 1e-13


@pytest.mark.parametrize("radius", [0, 1, 3, 10, 28])
def test_traced_kernel_far_wider_than_its_radius_matches_ive(radius):
    # exp of -2 s sin^2(w / 2) down to exp(-72): the argument's rounding decides.
    sigmas = np.geomspace(0.01, 64, 60, dtype=np.float32)
    expected = np.stack([oracle(float(s), radius) for s in sigmas])
    assert peak_error(traced(sigmas, radius), expected) <= 3e-6


@pytest.mark.parametrize("radius", NEAR)
def test_derivative_in_sigma_obeys_the_diffusion_equation(radius):
    sigmas = np.linspace(0, radius / 2, 21, dtype=np.float32)[1:]
    slope = jax.jit(
        jax.vmap(jax.jacfwd(lambda s: gdjax.discrete_gaussian(s, radius=radius)))
    )(sigmas)
    expected = np.stack([slope_oracle(float(s), radius) for s in sigmas])
    assert peak_error(np.asarray(slope), expected) <= 1e-6


@pytest.mark.parametrize("radius", [3, 10])
def test_derivative_far_below_the_radius_of_the_kernel(radius):
    # Same integrand with a factor of size 1: float32 as for the values, times ten.
    sigmas = np.geomspace(radius / 2 + 0.1, 40, 20, dtype=np.float32)
    slope = jax.jit(
        jax.vmap(jax.jacfwd(lambda s: gdjax.discrete_gaussian(s, radius=radius)))
    )(sigmas)
    expected = np.stack([slope_oracle(float(s), radius) for s in sigmas])
    assert peak_error(np.asarray(slope), expected) <= 3e-5


@pytest.mark.parametrize("radius", [0, 1, 4])
def test_zero_sigma_is_the_impulse_with_gradient_zero(radius):
    impulse = np.eye(2 * radius + 1)[radius]
    value, slope = jax.jvp(
        lambda s: gdjax.discrete_gaussian(s, radius=radius), (0.0,), (1.0,)
    )
    np.testing.assert_allclose(value, impulse, atol=1e-7)
    np.testing.assert_array_equal(slope, 0)
    concrete = gdjax.discrete_gaussian(0, radius=radius)
    np.testing.assert_allclose(concrete, impulse, atol=1e-7)


@pytest.mark.parametrize("sigma", [0.2, 0.5, 1, 3, 12.5])
def test_taps_sum_to_one_and_have_variance_sigma_squared(x64, sigma):
    radius = gdjax.truncation_radius(sigma, eps=1e-15, ndim=1) + 2
    taps = np.asarray(gdjax.discrete_gaussian(sigma, radius=radius))
    n = np.arange(-radius, radius + 1)
    assert taps.sum() == pytest.approx(1, abs=1e-13)
    # What is beyond the radius has at most 1e-15 of the mass.
    assert (n**2 * taps).sum() == pytest.approx(sigma**2, rel=1e-12)
    np.testing.assert_array_equal(taps, taps[::-1])


@pytest.mark.parametrize("sigmas", [(0.5, 0.7), (1, 2), (3, 4)])
def test_cascade_smoothing_is_a_semigroup_on_a_wrapped_axis(sigmas):
    x = np.random.default_rng(0).standard_normal((23, 20, 2)).astype(np.float32)
    twice = x
    for sigma in sigmas:
        twice = gdjax.smooth(twice, sigma, padding="wrap")
    once = gdjax.smooth(x, np.hypot(*sigmas), padding="wrap")
    np.testing.assert_allclose(twice, once, atol=1e-6)


@pytest.mark.parametrize("s", [0.0, 1e-3, 0.5, 4.0, 30.0, 4000.0])
def test_scaled_bessel_and_its_gradient(x64, s):
    order = 12
    wide = scipy.special.ive(np.arange(order + 2), s)
    left = np.concatenate([wide[1:2], wide[:-2]])
    slope = (left - 2 * wide[:-1] + wide[1:]) / 2
    value, gradient = jax.jvp(
        lambda s: gdjax.scaled_bessel(s, max_order=order), (s,), (1.0,)
    )
    np.testing.assert_allclose(value, wide[:-1], atol=1e-13)
    np.testing.assert_allclose(gradient, slope, atol=1e-13)
    concrete = gdjax.scaled_bessel(s, max_order=order)
    np.testing.assert_allclose(concrete, wide[:-1], atol=1e-14)


def test_vmap_equals_loop_and_jit_equals_eager():
    sigmas = np.array([0.0, 0.4, 1.0, 3.0, 17.0], np.float32)
    loop = [gdjax.discrete_gaussian(s, radius=8) for s in sigmas]
    # Concrete kernels are made in float64, traced ones in float32.
    np.testing.assert_allclose(traced(sigmas, 8), loop, rtol=0, atol=3e-7)
    one = jax.jit(lambda s: gdjax.discrete_gaussian(s, radius=8))
    each = np.stack([one(s) for s in sigmas])
    np.testing.assert_allclose(each, traced(sigmas, 8), rtol=0, atol=1e-7)


def test_dtype_is_that_of_the_argument(x64):
    for dtype in (jnp.float32, jnp.float64):
        for fn in (
            lambda v: gdjax.discrete_gaussian(v, radius=3),
            lambda v: gdjax.scaled_bessel(v, max_order=3),
        ):
            assert fn(jnp.asarray(1.5, dtype)).dtype == dtype
            assert jax.jit(fn)(jnp.asarray(1.5, dtype)).dtype == dtype


@pytest.mark.parametrize("sigma", [-1, np.nan, np.inf])
def test_impossible_sigmas_raise(sigma):
    with pytest.raises(ValueError, match="finite and >= 0"):
        gdjax.discrete_gaussian(sigma, radius=3)
    with pytest.raises(ValueError, match="finite and >= 0"):
        gdjax.scaled_bessel(sigma, max_order=3)


@pytest.mark.parametrize("sigma", ["1", None, True, 1j, [1, "a"]])
def test_what_is_no_number_raises(sigma):
    with pytest.raises(TypeError, match="is not a number"):
        gdjax.discrete_gaussian(sigma, radius=3)


def test_impossible_radii_raise():
    with pytest.raises(ValueError, match="radius=-1"):
        gdjax.discrete_gaussian(1.0, radius=-1)
    with pytest.raises(TypeError, match="radius=1.5"):
        gdjax.discrete_gaussian(1.0, radius=1.5)
    with pytest.raises(ValueError, match="max_order=-1"):
        gdjax.scaled_bessel(1.0, max_order=-1)
