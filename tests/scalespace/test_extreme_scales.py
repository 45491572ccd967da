"""Kernels of very large and very small sigma."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import ive

import gdjax
from gdjax.scalespace.checks import LEAST_SIGMA
from gdjax.scalespace.discretisation import LARGEST_SUMMED, mass_to_lose


@pytest.mark.parametrize("sigma", [1.0001 * LARGEST_SUMMED, 12345.6])
def test_radii_of_large_scales_are_those_of_sums(sigma):
    """Beyond the largest sigma for which they are summed, where scipy still can."""
    assert sigma > LARGEST_SUMMED
    reach = int(9 * sigma)
    tails = 2 * np.cumsum(ive(np.arange(1, reach + 1), sigma**2)[::-1])[::-1]
    for eps in (1e-12, 1e-5, 0.005, 0.3, 0.99):
        wanted = np.count_nonzero(tails > mass_to_lose(eps, 2))
        assert gdjax.truncation_radius(sigma, eps=eps) == wanted


def test_radii_grow_with_sigma_where_scipy_ends():
    # The kernel is the normal density there: radius / sigma is its quantile, 3.02296.
    for sigma in (32_760.0, 32_770.0, 4e4, 1e5, 1e6, 1e9):
        radius = gdjax.truncation_radius(sigma)
        assert abs(radius / sigma - 3.0229625) < 2 / sigma + 1e-6


@pytest.mark.parametrize("padding", ["wrap", "symmetric", "edge"])
def test_large_kernels_keep_their_mass(padding):
    ones = np.ones((4, 5, 1), np.float32)
    found = gdjax.smooth(ones, 4e4, eps=0.005, padding=padding)
    assert 0.995 - 1e-6 <= found.min() <= found.max() <= 0.995 + 1e-4
    found = gdjax.smooth(ones, 4e4, padding=padding)
    np.testing.assert_allclose(found, 1, atol=1e-6)


@pytest.mark.parametrize("padding", ["wrap", "symmetric", "edge"])
@pytest.mark.parametrize("eps", [0.005, None])
def test_large_traced_kernels_keep_their_mass(padding, eps):
    """Also where they are wider than what is computed of them."""
    x = np.random.default_rng(0).uniform(size=(4, 5, 1)).astype(np.float32)
    smooth = jax.jit(jax.vmap(lambda s: gdjax.smooth(x, s, eps=eps, padding=padding)))
    sigmas = [3.0, 8.0, 20.0, 300.0, 4e4]
    for sigma, found in zip(sigmas, smooth(jnp.float32(sigmas)), strict=True):
        wanted = gdjax.smooth(x, sigma, eps=eps, padding=padding)
        # Where the cut falls on another pixel there is one tap more or less.
        atol = 1e-5 if eps is None else 5e-4
        np.testing.assert_allclose(found, wanted, atol=atol, err_msg=str(sigma))


NO_LIMIT = [
    gdjax.SampledGaussian(),
    gdjax.SampledGaussianDerivatives(),
    gdjax.IntegratedGaussianDerivatives(),
    gdjax.NormalizedSampledGaussianDerivatives(),
]
no_limit = pytest.mark.parametrize(
    "discretisation", NO_LIMIT, ids=lambda d: type(d).__name__
)


@no_limit
def test_small_traced_scales_have_kernels_and_gradients(discretisation):
    """Those of the least sigma; there the gradient is that of the formula."""

    @jax.jit
    def kernels(sigma):
        return jnp.stack(
            [sigma**n * discretisation.kernel(sigma, n, radius=3) for n in range(3)]
        )

    for sigma in (0.0, 1e-30, 1e-20, 1e-12, 1e-10, 1e-6, 1e-3, 0.02, 0.1):
        value, slope = jax.jvp(kernels, (jnp.float32(sigma),), (jnp.float32(1),))
        assert np.all(np.isfinite(value)) and np.all(np.isfinite(slope)), sigma
    for sigma in (LEAST_SIGMA * 1.01, 0.3):
        step = sigma / 100
        slope = np.asarray(jax.jacfwd(kernels)(jnp.float32(sigma)))
        above, below = (np.asarray(kernels(sigma + s), float) for s in (step, -step))
        if sigma > 0.1:
            # Central differences: (step / sigma)^2 of the third derivative.
            np.testing.assert_allclose(
                slope, (above - below) / (2 * step), atol=5e-3 * abs(slope).max()
            )
        # All that is not in the middle is 0 where sigma is small.
        if sigma < 0.01:
            assert not np.any(slope[0, :3]) and not np.any(slope[0, 4:])


@no_limit
def test_small_known_scales_are_refused(discretisation):
    with pytest.raises(ValueError, match="`sigma=1e-05`.* at least 0.0001 px"):
        discretisation.kernel(1e-5, 1, radius=2)
    kernel = discretisation.kernel(LEAST_SIGMA, 2, radius=2)
    assert np.all(np.isfinite(kernel))


def test_fits_and_filters_of_small_scales_are_finite():
    patch = np.random.default_rng(0).uniform(size=(5, 5)).astype(np.float32)
    for sigma in (LEAST_SIGMA, 0.05):
        fit = gdjax.fit_njet(patch, 2, sigma)
        assert all(np.all(np.isfinite(found)) for found in fit)
    basis = gdjax.scalespace.hermite_basis_a([LEAST_SIGMA, 1.0], size=5, order=1)
    assert np.all(np.isfinite(basis))
    slope = jax.grad(lambda s: gdjax.fit_njet(patch, 2, s).residual[0])(0.05)
    assert np.isfinite(slope)
