"""Effective filters are what a layer answers to an impulse."""

import numpy as np
import pytest

import gdjax
from gdjax.layers import GaussianDerivative


@pytest.mark.parametrize(
    "discretisation", [gdjax.DiscreteGaussian(), gdjax.SpectralGaussian()], ids=str
)
@pytest.mark.parametrize(
    ("order", "zero_order", "ndim", "depthwise"),
    [
        (2, False, 2, False), (3, True, 2, False), (2, True, 2, True),
        (2, False, 1, False), (1, True, 3, False),
    ],
)  # fmt: skip
def test_filters_are_mirrored_impulse_responses(
    discretisation, order, zero_order, ndim, depthwise
):
    radius, sigma, channels = 4, 0.9, 2
    x = np.zeros((1, *[2 * radius + 1] * ndim, channels), np.float32)
    x[(0, *[radius] * ndim)] = np.eye(channels)[0]
    layer = GaussianDerivative(
        2, sigma=sigma, order=order, zero_order=zero_order, ndim=ndim, eps=None,
        discretisation=discretisation, depthwise=depthwise, use_bias=False,
    )  # fmt: skip
    terms = len(gdjax.derivative_orders(order, zero_order=zero_order, ndim=ndim))
    shape = (terms, 2) if depthwise else (terms, 2, 2)
    kernel = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    response = np.asarray(layer.apply({"params": {"kernel": kernel}}, x))[0]
    filters = gdjax.effective_filters(
        kernel, sigma, radius=radius, order=order, zero_order=zero_order, ndim=ndim,
        discretisation=discretisation,
    )  # fmt: skip
    mirrored = np.flip(np.asarray(filters), range(ndim))
    expected = mirrored * np.eye(2)[0] if depthwise else mirrored[..., 0, :]
    # float32 differences of a smoothed map: design.md 3.2, 1e-4 of order 3 here.
    np.testing.assert_allclose(response, expected, atol=2e-5)


def test_impossible_filters_raise():
    with pytest.raises(ValueError, match="J = 5 terms"):
        gdjax.effective_filters(np.zeros((4, 1, 1)), 1.0, radius=3)
    with pytest.raises(ValueError, match="radius"):
        gdjax.effective_filters(np.zeros((5, 1, 1)), 1.0, radius=-1)
    with pytest.raises(ValueError, match="sigma"):
        gdjax.effective_filters(np.zeros((5, 1, 1)), -1.0, radius=3)
