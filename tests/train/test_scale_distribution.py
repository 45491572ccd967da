"""Distributions of size factors: their statistics, and what has no meaning."""

import math

import numpy as np
import pytest
from scipy.stats import kstest, truncnorm

from gdjax_train.errors import UserError
from gdjax_train.scale_distribution import (
    ScaleDistribution,
    describe,
    draw_factors,
    validate_scales,
)


COUNT = 20_000
LOG_UNIFORM = ScaleDistribution("log_uniform", low=1.0, high=2**2.25)
LOG_NORMAL = ScaleDistribution("log_normal", mean=1.5, std=0.5)
VALUES = ScaleDistribution(values=(1.0, 2.0, 4.0), weights=(3.0, 0.0, 1.0))
CUT = ScaleDistribution("log_normal", mean=0.5, std=1.0, low=1.0, high=6.0)
ALL = [LOG_UNIFORM, LOG_NORMAL, VALUES, CUT, ScaleDistribution()]


def drawn(distribution, seed=0):
    factors = draw_factors(distribution, COUNT, seed=seed)
    assert factors.dtype == np.float32 and factors.shape == (COUNT,)
    return factors.astype(np.float64)


def test_all_are_one_by_default():
    assert (drawn(ScaleDistribution()) == 1).all()


def test_logarithms_are_uniform():
    octaves = np.log2(drawn(LOG_UNIFORM))
    # float32 rounds the ends.
    assert -1e-7 <= octaves.min() and octaves.max() <= 2.25 + 1e-6
    assert kstest(octaves, "uniform", (0, 2.25)).pvalue > 1e-3


def test_logarithms_are_normal_in_octaves():
    octaves = np.log2(drawn(LOG_NORMAL))
    assert kstest((octaves - 1.5) / 0.5, "norm").pvalue > 1e-3


def test_what_is_beyond_the_bounds_is_left_out():
    octaves = np.log2(drawn(CUT))
    bounds = -0.5, math.log2(6) - 0.5  # in deviations from the mean
    assert -1e-7 <= octaves.min() and octaves.max() <= math.log2(6) + 1e-6
    assert kstest(octaves, truncnorm(*bounds, loc=0.5).cdf).pvalue > 1e-3


def test_one_bound_is_enough():
    octaves = np.log2(drawn(ScaleDistribution("log_normal", std=1.0, low=1.0)))
    assert kstest(octaves, "halfnorm").pvalue > 1e-3


def test_values_occur_by_their_weights():
    factors = drawn(VALUES)
    assert set(factors) == {1.0, 4.0}
    deviation = 4 * math.sqrt(3 / 16 / COUNT)
    assert (factors == 1).mean() == pytest.approx(3 / 4, abs=deviation)
    even = drawn(ScaleDistribution(values=(0.5, 3.0)))
    assert (even == 3).mean() == pytest.approx(1 / 2, abs=4 / math.sqrt(4 * COUNT))


@pytest.mark.parametrize("distribution", ALL)
def test_a_factor_belongs_to_its_image_and_seed(distribution):
    whole = drawn(distribution)
    for count in (0, 1, 7, 1000):
        first = draw_factors(distribution, count, seed=0)
        np.testing.assert_array_equal(first, whole[:count])
    np.testing.assert_array_equal(drawn(distribution), whole)


def test_seeds_are_independent():
    rows = [drawn(LOG_UNIFORM, seed) for seed in (0, 1, (1, 0), (0, 1), (0, 0, 1))]
    # (1, 0) would be 1 for some generators of seeds.
    correlations = np.corrcoef([*rows[:2], *rows[3:]])[np.triu_indices(4, 1)]
    assert abs(correlations).max() < 4.5 / math.sqrt(COUNT)


def test_distributions_are_named():
    assert describe(LOG_UNIFORM) == "log-uniform [1, 4.76]"
    assert describe(LOG_NORMAL) == "log-normal [0, inf], 1.5 +- 0.5 octaves"
    assert describe(CUT) == "log-normal [1, 6], 0.5 +- 1 octaves"
    assert describe(VALUES) == "1 (3), 2 (0), 4 (1)"
    assert describe(ScaleDistribution()) == "1"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"kind": "normal"}, "`kind='normal'`: expected one of values, log_uniform"),
        ({"kind": "log_uniform"}, "needs both"),
        ({"kind": "log_uniform", "low": 1.0}, "`high=None`: 'log_uniform' needs both"),
        ({"kind": "log_uniform", "low": 2.0, "high": 1.0}, "0 < low <= high"),
        ({"kind": "log_uniform", "low": 0.0, "high": 1.0}, "low=0.0"),
        ({"kind": "log_uniform", "low": 1.0, "high": math.inf}, "high=inf"),
        ({"kind": "log_uniform", "low": math.nan, "high": 1.0}, "low=nan"),
        ({"kind": "log_uniform", "low": 1.0, "high": 2.0, "std": 1.0}, "`std=1.0`"),
        ({"kind": "log_uniform", "low": 1.0, "high": 2.0, "values": (2.0,)}, "values"),
        ({"low": 1.0, "high": 2.0}, "`low=1.0`: 'values' has only values, weights"),
        ({"values": ()}, "at least one"),
        ({"values": (1.0, -2.0)}, "positive factors"),
        ({"values": (1.0,), "weights": (1.0, 2.0)}, "one for each of the 1 values"),
        ({"values": (1.0, 2.0), "weights": (0.0, 0.0)}, "not all 0"),
        ({"values": (1.0, 2.0), "weights": (-1.0, 2.0)}, "none negative"),
        ({"kind": "log_normal"}, "std=0.0"),
        ({"kind": "log_normal", "std": -1.0}, "std=-1.0"),
        ({"kind": "log_normal", "std": 1.0, "mean": math.nan}, "mean=nan"),
        ({"kind": "log_normal", "std": 1.0, "low": 3.0, "high": 2.0}, "low <= high"),
        ({"kind": "log_normal", "std": 1.0, "low": 2.0, "high": 2.0}, "nothing of"),
        ({"kind": "log_normal", "std": 0.1, "low": 1e3}, "nothing of the log-normal"),
    ],
)
def test_what_has_no_meaning_is_refused(fields, words):
    distribution = ScaleDistribution(**fields)
    with pytest.raises(UserError, match=words):
        validate_scales(distribution)
    with pytest.raises(UserError, match=words):
        draw_factors(distribution, 3, seed=0)


@pytest.mark.parametrize(("count", "seed"), [(-1, 0), (1, -1)])
def test_negative_numbers_are_refused(count, seed):
    with pytest.raises(ValueError):
        draw_factors(ScaleDistribution(), count, seed=seed)
