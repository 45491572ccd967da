"""Directional derivatives of images whose derivatives are known."""

import math

import jax
import numpy as np
import pytest
from numpy.polynomial import hermite_e

import gdjax


SIZE = 48


def blob(order, angle, *, variance):
    """Derivative of order m of a Gaussian blob of this variance along `angle`."""
    y, x = np.mgrid[:SIZE, :SIZE] - SIZE // 2
    along = math.cos(angle) * x + math.sin(angle) * y
    spread = math.sqrt(variance)
    gauss = np.exp(-(x**2 + y**2) / (2 * variance)) / (2 * np.pi * variance)
    hermite = hermite_e.hermeval(along / spread, [0] * order + [1])
    return (-1 / spread) ** order * hermite * gauss


@pytest.mark.parametrize("order", [0, 1, 2, 3, 4, 5])
def test_directional_derivatives_are_those_of_the_turned_blob(x64, order):
    # Blob of variance 4: nothing beyond Nyquist (exp(-20)), so spectral jets are
    # exact; smoothing by sigma = 2 makes it a blob of variance 8.
    orders = gdjax.derivative_orders(max(order, 1), zero_order=True)
    jet = gdjax.njet(
        blob(0, 0, variance=4.0)[..., None], 2.0, order=max(order, 1), zero_order=True,
        discretisation=gdjax.SpectralGaussian(), padding="wrap",
    )  # fmt: skip
    for angle in (0.0, 0.7, math.pi / 2, 2.5, -1.0):
        steered = gdjax.directional_derivative(jet, angle, order=order, orders=orders)
        expected = 2.0**order * blob(order, angle, variance=8.0)
        assert steered.shape == (SIZE, SIZE, 1)
        np.testing.assert_allclose(steered[..., 0], expected, rtol=0, atol=1e-10)


def test_central_differences_steer_quadratic_polynomials_exactly(x64):
    y, x = np.mgrid[:15, :15] - 7.0
    image = (0.5 * x**2 - 2 * x * y + 1.5 * y**2 + 3 * x - y)[..., None]
    orders = gdjax.derivative_orders(2)
    jet = gdjax.njet(image, 0.8, eps=1e-3)
    angle = 0.4
    c, s = math.cos(angle), math.sin(angle)
    second = gdjax.directional_derivative(jet, angle, order=2, orders=orders)[7, 7, 0]
    first = gdjax.directional_derivative(jet, angle, order=1, orders=orders)[7, 7, 0]
    # The truncated kernel has lost at most 1e-3 of its mass.
    assert second == pytest.approx(0.64 * (c**2 - 4 * c * s + 3 * s**2), rel=3e-3)
    assert first == pytest.approx(0.8 * (3 * c - s), rel=3e-3)


def test_angles_may_vary_over_the_image_and_have_gradients():
    rng = np.random.default_rng(0)
    jet = rng.standard_normal((4, 5, 5, 2)).astype(np.float32)
    angles = rng.uniform(0, 6, (4, 5, 1)).astype(np.float32)
    orders = gdjax.derivative_orders(2)
    steered = gdjax.directional_derivative(jet, angles, order=2, orders=orders)
    for i, j in [(0, 0), (3, 4), (2, 1)]:
        one = gdjax.directional_derivative(
            jet, float(angles[i, j, 0]), order=2, orders=orders
        )
        np.testing.assert_allclose(steered[i, j], one[i, j], atol=1e-5)
    slope = jax.grad(
        lambda a: gdjax.directional_derivative(jet, a, order=1, orders=orders).sum()
    )(0.3)
    expected = (-math.sin(0.3) * jet[..., 0, :] + math.cos(0.3) * jet[..., 1, :]).sum()
    assert slope == pytest.approx(expected, abs=1e-4)


def test_missing_derivatives_raise():
    jet, orders = np.zeros((3, 3, 5, 1), np.float32), gdjax.derivative_orders(2)
    with pytest.raises(ValueError, match="lacks"):
        gdjax.directional_derivative(jet, 0.0, order=3, orders=orders)
    with pytest.raises(ValueError, match="holds 5"):
        gdjax.directional_derivative(jet, 0.0, order=1, orders=orders[:4])
    with pytest.raises(ValueError, match="order"):
        gdjax.directional_derivative(jet, 0.0, order=-1, orders=orders)


@pytest.mark.parametrize(
    ("order", "taps"),
    [
        (0, [1]), (1, [-0.5, 0, 0.5]), (2, [1, -2, 1]), (3, [-0.5, 1, 0, -1, 0.5]),
        (4, [1, -4, 6, -4, 1]), (5, [-0.5, 2, -2.5, 0, 2.5, -2, 0.5]),
    ],
)  # fmt: skip
def test_central_differences(order, taps):
    np.testing.assert_array_equal(gdjax.central_difference(order), taps)
