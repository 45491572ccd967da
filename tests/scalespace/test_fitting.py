"""Fits of filters by N-jets, against NumPy's least squares and known combinations."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gdjax


ORDERS = gdjax.derivative_orders(3, zero_order=True)


def basis(order, sigma, size):
    discretisation = gdjax.NormalizedSampledGaussianDerivatives()
    lines = [
        sigma**n * np.float64(discretisation.kernel(sigma, n, radius=size // 2))
        for n in range(order + 1)
    ]
    orders = gdjax.derivative_orders(order, zero_order=True)
    return np.stack([np.outer(lines[y], lines[x]) for x, y in orders], -1)


def test_combinations_are_found_again(x64):
    alphas = np.random.default_rng(0).normal(size=(len(ORDERS), 2))
    patch = np.tensordot(basis(3, 2.0, 11), alphas, 1)
    fit = gdjax.fit_njet(patch, 3, 2.0)
    np.testing.assert_allclose(fit.coefficients, alphas, atol=1e-9)
    np.testing.assert_allclose(fit.approximation, patch, atol=1e-12)
    np.testing.assert_allclose(fit.residual, 0, atol=1e-12)


@pytest.mark.parametrize("margin", [0, 2])
def test_photographs_are_fitted_as_by_numpy(margin):
    data = pytest.importorskip("skimage.data")
    patch = data.astronaut()[100:111, 200:211] / 255
    fit = gdjax.fit_njet(patch.astype(np.float32), 3, 5.0, margin=margin)
    rows = slice(margin, 11 - margin)
    columns = basis(3, 5.0, 11)[rows, rows].reshape(-1, len(ORDERS))
    wanted = patch[rows, rows].reshape(-1, 3)
    alphas, *_ = np.linalg.lstsq(columns, wanted, rcond=None)
    expected = (basis(3, 5.0, 11) @ alphas)[rows, rows].reshape(-1, 3)
    residual = np.linalg.norm(wanted - expected, axis=0)
    residual /= np.linalg.norm(wanted, axis=0)
    # float32, and a condition of some hundreds of the scaled columns.
    np.testing.assert_allclose(
        fit.approximation[rows, rows].reshape(-1, 3), expected, atol=2e-4
    )
    np.testing.assert_allclose(fit.residual, residual, atol=2e-4)


def test_higher_orders_leave_less():
    y, x = np.mgrid[-5:6, -5:6] / 5
    patch = np.sin(3 * x + y) * np.cos(2 * y)
    left = [float(gdjax.fit_njet(patch, n, 2.5).residual[0]) for n in range(5)]
    assert left == sorted(left, reverse=True)
    assert left[-1] < 0.5 * left[0]


def test_the_best_sigma_has_no_slope(x64):
    patch = basis(2, 1.7, 13)[..., 3]

    def missed(sigma):
        fit = gdjax.fit_njet(patch, 1, sigma)
        return jnp.sum((fit.approximation - patch) ** 2)

    sigma, step = 1.4, 1e-6
    slope = jax.jit(jax.grad(missed))(sigma)
    difference = (missed(sigma + step) - missed(sigma - step)) / (2 * step)
    np.testing.assert_allclose(slope, difference, rtol=1e-5)


@pytest.mark.parametrize(
    ("shape", "fields", "message"),
    [
        ((5, 7), {}, r"`patch` has shape \(5, 7\); a square"),
        ((6, 6, 1), {}, "has no middle pixel"),
        ((3, 3), {}, "3 x 3 px of `patch` count, too few for the 10"),
        ((11, 11), {"margin": 5}, "1 x 1 px of `patch` count"),
        ((11, 11), {"margin": -1}, "`margin=-1` must be >= 0"),
    ],
)
def test_bad_patches_are_named(shape, fields, message):
    with pytest.raises(ValueError, match=message):
        gdjax.fit_njet(np.zeros(shape), 3, 2.0, **fields)
