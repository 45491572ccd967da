"""The tolerance model: the figures of the paper, identities, and what is refused."""

import math

import numpy as np
import pytest
from scipy import stats

from gdjax.metrics import (
    ScaleDensity,
    density_of_samples,
    fit_tolerance,
    internal_scales,
    log_normal,
    log_uniform,
    suggest_scales,
    tolerance_components,
    tolerance_mixture,
)


PAPER = [log_uniform(1, 2**width) for width in (1.5, 2.25, 3)]
GRID = (0.5, 17.0)
# Far enough from each other that each takes another way.
STARTS = [
    None,
    (1, 3, 0.5),
    (0.6, 1.6, 0.15),
    ([1, 2, 0.7], [2, 5, 3], 0.3),
    (1, 6, 0.2),
    (3, 2, 2),
]


def octaves(low, high, points=20_001):
    """Scales, and the integral over their log2."""
    x = np.linspace(low, high, points)
    return 2.0**x, lambda y: np.trapezoid(y, x)


def reference_divergence(density, reference, isr, tau, *, count, grid, points):
    """KL by scipy, from the formulas: a sum over Gaussians, and log-uniform data."""
    x = np.linspace(*np.log2(grid), points)
    mixture = sum(
        np.exp(-((x - np.log2(reference * isr ** (i / (count - 1)))) ** 2) / 2 / tau**2)
        for i in range(count)
    )
    low, high = np.log2(density.borders)
    tails = np.minimum(x - low, 0), np.maximum(x - high, 0)
    data = math.prod(np.exp(-(tail**2) / 2 / 0.4**2) for tail in tails)
    return stats.entropy(mixture, data)


def test_wide_kernels_are_flat():
    found = density_of_samples([1.0, 1.001, 1.002], bandwidth=1000.0).values
    # Cut at 6 standard deviations, which holds 1 - 2e-9 of the kernel.
    np.testing.assert_allclose(found, found.mean(), rtol=1e-8)


@pytest.mark.parametrize("start", STARTS)
def test_the_joint_fit_has_the_figures_of_the_paper(start):
    fit = fit_tolerance(PAPER, 3, grid=GRID, start=start, points=1000)
    assert fit.tau == pytest.approx(0.459, abs=0.002)
    np.testing.assert_allclose(fit.isr, [2.89, 4.32, 6.32], atol=0.02)
    np.testing.assert_allclose(fit.reference, [0.981, 1.045, 1.125], atol=0.002)
    for row, scales in enumerate(fit.scales):
        wanted = internal_scales(fit.reference[row], fit.isr[row], 3)
        np.testing.assert_allclose(scales, wanted, rtol=1e-14)


def test_ten_thousand_points_and_a_thousand_give_the_same():
    fine, coarse = (
        fit_tolerance(PAPER, 3, grid=GRID, points=n) for n in (10_000, 1000)
    )
    assert fine.tau == pytest.approx(coarse.tau, abs=2e-4)
    np.testing.assert_allclose(fine.scales, coarse.scales, rtol=2e-4)


@pytest.mark.parametrize(("count", "tau"), [(2, 0.608), (4, 0.388), (5, 0.350)])
def test_tau_of_other_numbers_of_scales(count, tau):
    fit = fit_tolerance(PAPER, count, grid=GRID, points=2000)
    assert fit.tau == pytest.approx(tau, abs=0.001)


@pytest.mark.parametrize(("width", "tau"), [(0.3, 0.396), (0.5, 0.522)])
def test_tau_of_other_extensions(width, tau):
    data = [density.extended(width=width) for density in PAPER]
    fit = fit_tolerance(data, 3, grid=GRID, points=2000)
    assert fit.tau == pytest.approx(tau, abs=0.001)


@pytest.mark.parametrize(("row", "tau"), [(0, 0.378), (1, 0.437), (2, 0.514)])
def test_single_fits(row, tau):
    fit = fit_tolerance(PAPER[row], 3, grid=GRID)
    assert fit.tau == pytest.approx(tau, abs=0.001)
    assert fit.scales.shape == (1, 3) and fit.kl.shape == (1,)


def test_the_example_of_figure_2():
    fit = fit_tolerance(log_uniform(0.6, 2), 4, isr=2, grid=(0.2, 9))
    assert fit.reference[0] == pytest.approx(0.770, abs=0.001)
    assert fit.tau == pytest.approx(0.692, abs=0.001)
    assert fit.isr[0] == 2


def test_divergences_are_those_of_scipy_at_a_minimum():
    options = {"grid": GRID, "points": 500}
    fit = fit_tolerance(PAPER, 3, **options)

    def divergences(references, isrs, tau):
        return [
            reference_divergence(one, reference, isr, tau, count=3, **options)
            for one, reference, isr in zip(PAPER, references, isrs, strict=True)
        ]

    wanted = divergences(fit.reference, fit.isr, fit.tau)
    np.testing.assert_allclose(fit.kl, wanted, rtol=1e-8)
    for change in (0.99, 1.01):
        for index in range(3):
            at = [fit.reference, fit.isr, fit.tau]
            at[index] = at[index] * change
            assert sum(divergences(*at)) > sum(wanted)


def test_what_is_held_fixed_stays():
    fit = fit_tolerance(PAPER, 3, reference=1, isr=[3, 4, 6], tau=0.4, points=500)
    assert (fit.tau, fit.reference.tolist(), fit.isr.tolist()) == (
        0.4,
        [1] * 3,
        [3, 4, 6],
    )
    free = fit_tolerance(PAPER, 3, tau=0.4, points=500)
    assert np.all(free.kl <= fit.kl + 1e-9)


def test_a_normal_mixture_fits_itself():
    fit = fit_tolerance(log_normal(2.0, 0.7), 1, points=2000)
    np.testing.assert_allclose(fit.scales, [[4.0]], rtol=1e-4)
    assert fit.tau == pytest.approx(0.7, rel=1e-4) and fit.isr[0] == 1
    # Three of them, far enough apart to be told from one.
    wanted = internal_scales(1.5, 20.0, 3)
    scales, _ = octaves(-3, 8)
    data = ScaleDensity(scales, tolerance_mixture(scales, wanted, tau=0.6))
    fit = fit_tolerance(data, 3, points=2000)
    np.testing.assert_allclose(fit.scales[0], wanted, rtol=1e-3)
    assert fit.tau == pytest.approx(0.6, rel=1e-3) and fit.kl[0] < 1e-6


def test_internal_scales_and_their_mixture():
    np.testing.assert_allclose(internal_scales(2, 4, 3), [2, 4, 8])
    np.testing.assert_allclose(internal_scales(2, 4, 1), [2])
    scales, integral = octaves(-6, 10)
    parts = tolerance_components(scales, [2, 4, 8], tau=0.5)
    assert parts.shape == (3, len(scales)) and parts.dtype == np.float64
    np.testing.assert_allclose(scales[parts.argmax(1)], [2, 4, 8], rtol=1e-3)
    np.testing.assert_allclose(parts.max(1), 1, rtol=1e-5)
    wanted = stats.norm.pdf(np.log2(scales)[:, None], [1, 2, 3], 0.5).mean(1)
    mixture = tolerance_mixture(scales, [2, 4, 8], tau=0.5)
    np.testing.assert_allclose(mixture, wanted, rtol=1e-12)
    assert integral(mixture) == pytest.approx(1)


@pytest.mark.parametrize(
    "density",
    [
        log_uniform(0.5, 3),
        log_normal(1, 0.5),
        ScaleDensity([1, 2, 3, 8], [1, 3, 0, 2]),
        density_of_samples([1, 1.5, 2, 2.5, 7]),
    ],
)
def test_densities_integrate_to_one_and_are_continued_at_their_borders(density):
    scales, integral = octaves(-8, 9, 400_001)
    assert integral(density.density(scales)) == pytest.approx(1, abs=1e-4)
    wide = density.extended(width=0.3)
    assert integral(wide.density(scales)) == pytest.approx(1, abs=1e-5)
    for border, outwards in zip(density.borders, (-1, 1), strict=True):
        at = border * 2.0 ** (outwards * np.array([0, 1e-9, 0.3, 0.6]))
        found = wide.density(at)
        wanted = found[0] * np.exp([0, 0, -0.5, -2])
        np.testing.assert_allclose(found, wanted, rtol=1e-6)
        np.testing.assert_array_equal(density.density(at[1:]), 0)
    assert wide.borders == density.borders


def test_densities_are_those_of_scipy():
    scales, _ = octaves(-2, 4)
    x = np.log2(scales)
    found = log_normal(1, 0.5).density(scales)
    np.testing.assert_allclose(found, stats.norm.pdf(x, 1, 0.5), rtol=1e-3)
    found = log_uniform(1, 8).density(scales)
    inside = (x >= 0) & (x <= 3)
    np.testing.assert_allclose(found, np.where(inside, 1 / 3, 0))


def test_samples_of_a_range_keep_its_borders():
    drawn = 2 ** np.random.default_rng(0).uniform(0, 3, 20_000)
    density = density_of_samples(drawn)
    at = 2 ** np.linspace(0.01, 2.99, 50)
    np.testing.assert_allclose(density.density(at), 1 / 3, rtol=0.1)
    np.testing.assert_allclose(density.borders, [1, 8], rtol=1e-3)
    drawn = 2 ** np.random.default_rng(0).normal(1, 0.5, 20_000)
    at = 2 ** np.linspace(0, 2, 50)
    wanted = stats.norm.pdf(np.log2(at), 1, 0.5)
    np.testing.assert_allclose(density_of_samples(drawn).density(at), wanted, rtol=0.1)


def test_suggestions_are_internal_scales_in_the_unit_of_sigma():
    data = log_uniform(1, 8)
    found = suggest_scales(data, 3)
    # The joint fit's, on a grid without borders.
    np.testing.assert_allclose(found, internal_scales(1.125, 6.32, 3), rtol=0.005)
    assert found.dtype == np.float64
    np.testing.assert_allclose(suggest_scales(data, 3, sigma=1.5), 1.5 * found)
    np.testing.assert_allclose(found, fit_tolerance(data, 3, tau=0.459).scales[0])
    assert suggest_scales(data, 3, tau=0.3)[0] != found[0]
    drawn = 2 ** np.random.default_rng(1).uniform(0, 3, 5000)
    np.testing.assert_allclose(suggest_scales(drawn, 3), found, rtol=0.02)
    ten = suggest_scales(data, 10)
    np.testing.assert_allclose(ten, fit_tolerance(data, 10).scales[0])
    np.testing.assert_allclose(suggest_scales(data, 1), [math.sqrt(8)], rtol=1e-3)


@pytest.mark.parametrize("factor", [0.01, 100])
def test_suggestions_follow_the_unit_of_the_data(factor):
    found = suggest_scales(log_uniform(1, 8), 3)
    moved = suggest_scales(log_uniform(factor, 8 * factor), 3)
    np.testing.assert_allclose(moved, factor * found, rtol=1e-3)


DATA = log_uniform(1, 8)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: fit_tolerance(DATA, 0), ValueError, "`count=0` must be >= 1"),
        (lambda: suggest_scales(DATA, 0), ValueError, "`count=0` must be >= 1"),
        (lambda: suggest_scales(DATA, 2.0), TypeError, "`count=2.0` must be an int"),
        (lambda: internal_scales(1, 1, 3), ValueError, "`isr=1` .* give a ratio > 1"),
        (lambda: internal_scales(0, 2, 3), ValueError, "`reference=0` .* scale > 0"),
        (lambda: fit_tolerance(DATA, 3, isr=1.0), ValueError, "`isr=1` .* > 1"),
        (lambda: fit_tolerance(DATA, 3, isr=[2, 3]), ValueError, r"number or \[1\]"),
        (lambda: fit_tolerance(DATA, 3, tau=0), ValueError, "`tau=0` .* > 0"),
        (lambda: fit_tolerance(DATA, 3, tau="wide"), TypeError, "`tau='wide'`"),
        (lambda: suggest_scales(DATA, 3, tau=-1), ValueError, "`tau=-1` .* > 0"),
        (lambda: suggest_scales(DATA, 3, sigma=[1, 2]), TypeError, "give one sigma"),
        (lambda: suggest_scales(DATA, 3, sigma=0), ValueError, "`sigma=0` .* px > 0"),
        (lambda: suggest_scales([1, 0, 2], 3), ValueError, "`samples` holds 0"),
        (lambda: suggest_scales([1, np.nan], 3), ValueError, "`samples` holds nan"),
        (lambda: suggest_scales([2, 2], 3), ValueError, "none different.*log_normal"),
        (lambda: suggest_scales([], 3), ValueError, "`samples` holds 0 scales"),
        (lambda: tolerance_mixture([-1], [1], tau=1), ValueError, "`scales` holds -1"),
        (lambda: tolerance_mixture([1], [0], tau=1), ValueError, "`internal` holds 0"),
        (
            lambda: tolerance_mixture([1], [[1]], tau=1),
            ValueError,
            "must be .P. and .N.",
        ),
        (lambda: tolerance_components([1], [1], tau=0), ValueError, "`tau=0`"),
        (lambda: log_uniform(2, 2), ValueError, "`high=2` must be > `low=2`"),
        (lambda: log_uniform(-1, 2), ValueError, "`low=-1` .* > 0"),
        (lambda: log_normal(0, 0), ValueError, "`std=0` .* octaves > 1e-06"),
        (lambda: log_normal(np.inf, 1), ValueError, "`mean=inf` must be finite:"),
        (lambda: ScaleDensity([2, 1], [1, 1]), ValueError, "`scales`.*ascending"),
        (lambda: ScaleDensity([1], [1]), ValueError, "`scales`.*support"),
        (lambda: ScaleDensity([1, 2], [1, -1]), ValueError, "`values`.*from -1"),
        (lambda: ScaleDensity([1, 2], [0, 0]), ValueError, "`values`.*0 everywhere"),
        (lambda: ScaleDensity([1, 2], [1, np.inf]), ValueError, "`values` holds inf"),
        (lambda: ScaleDensity([1, 2], [1]), ValueError, "each of the 2"),
        (lambda: ScaleDensity([1, 2], [1, 1], 0), ValueError, "`extension=0`"),
        (lambda: DATA.extended(width=-1), ValueError, "`width=-1`"),
        (lambda: fit_tolerance([], 3), TypeError, "`distributions=.*log_uniform"),
        (lambda: fit_tolerance([1, 8], 3), TypeError, "`distributions=.*log_uniform"),
        (lambda: fit_tolerance(DATA, 3, grid=(2, 1)), ValueError, "`grid=.2, 1.`"),
        (lambda: fit_tolerance(DATA, 3, points=1), ValueError, "`points=1`"),
        (
            lambda: fit_tolerance(DATA, 3, grid=(1e9, 2e9)),
            ValueError,
            "none of the data.*from 1 to 8",
        ),
        (
            lambda: fit_tolerance(DATA, 3, start=(1, 1.2, 0.3)),
            ValueError,
            "`start` within",
        ),
        (
            lambda: fit_tolerance(DATA, 3, start=(1, None, 0.3)),
            ValueError,
            "all of `start`",
        ),
        (
            lambda: fit_tolerance(DATA, 3, reference=1, isr=1e6),
            ValueError,
            "larger `grid`",
        ),
        (lambda: fit_tolerance(DATA, 3, start=1), TypeError, "`start=1` must be"),
        (lambda: fit_tolerance(DATA, 3, start=[]), ValueError, r"`start=\[\]` has 0"),
        (lambda: fit_tolerance(DATA, 3, start="abc"), TypeError, "`start='abc'`"),
        *(
            (lambda w=w: density_of_samples([1, 2], bandwidth=w), ValueError, "`bandw")
            for w in (1e30, 1e-300)
        ),
        (lambda: DATA.extended(width=1e30), ValueError, "`width=1e.30`"),
        (lambda: DATA.extended(width=900), ValueError, "`extension=900` reaches"),
    ],
)
def test_errors_name_the_argument_and_the_remedy(call, error, message):
    with pytest.raises(error, match=message):
        call()
