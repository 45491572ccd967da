"""Standardised canvases have the mean 0 and the deviation 1."""

import math

import numpy as np
import pytest

from gdjax_train.grey_levels import standardised
from gdjax_train.placing import place_scaled
from gdjax_train.scale_distribution import (
    ScaleDistribution,
    draw_factors,
    mean_square,
)


OCTAVES = ScaleDistribution("log_uniform", low=1.0, high=4.0)


@pytest.mark.parametrize(
    ("scales", "expected"),
    [
        (OCTAVES, (16 - 1) / (2 * math.log(4))),
        (ScaleDistribution(values=(1.0, 3.0), weights=(3.0, 1.0)), 3.0),
        # exp of twice the variance of log s.
        (
            ScaleDistribution("log_normal", std=0.3),
            math.exp(2 * (0.3 * math.log(2)) ** 2),
        ),
    ],
)
def test_mean_square_of_factors(scales, expected):
    # Midpoints of 10,000 quantiles.
    assert mean_square(scales) == pytest.approx(expected, rel=1e-3)


def test_canvases_are_standardised():
    # Blobs inside of 12 px, so that 4 times as large they fit on 60 px.
    y, x = np.mgrid[:12, :12] - 5.5
    blob = np.exp(-(x**2 + y**2) / 8).astype(np.float32)
    factors = draw_factors(OCTAVES, 200, seed=0)
    images = np.broadcast_to(blob[None, ..., None], (200, 12, 12, 1))
    canvases = np.asarray(place_scaled(images, factors, size=60))
    seen = standardised(60, OCTAVES, mean=blob.mean(), std=blob.std(), side=12)
    found = np.asarray(seen(canvases))
    # 200 squares of factors: a deviation of 80 % of their mean over sqrt(200); the
    # cubic itself changes squares by a percent.
    share = seen.mean[0] / seen.std[0]
    assert found.mean() == pytest.approx(0, abs=4 * 0.8 / 200**0.5 * share)
    assert found.std() == pytest.approx(1, abs=2 * 0.8 / 200**0.5 + 0.01)


def test_those_of_the_published_toy():
    # MNIST on 168 px, factors log-uniform from 1 to 8: E[s^2] = 63 / (2 log 8).
    share = 63 / (2 * math.log(8)) * (28 / 168) ** 2
    seen = standardised(168, ScaleDistribution("log_uniform", low=1.0, high=8.0))
    assert seen.mean == pytest.approx((share * 0.1307,), abs=1e-4)
    std = math.sqrt(share * (0.1307**2 + 0.3081**2) - (share * 0.1307) ** 2)
    assert seen.std == pytest.approx((std,), abs=1e-4)
