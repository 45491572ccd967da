"""Average precision over pixels against scikit-learn."""

import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from gdjax.metrics import (
    average_precision,
    mean_average_precision,
    score_histograms,
)


def scores(classes=5, count=4000, seed=0, ignored=0.1):
    """Labels [N] of all classes but the last, and probabilities [N, K] that know them.

    Classes are of unequal frequency, and one is rare.
    """
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet(np.ones(classes - 1)) + 0.02
    labels = rng.choice(classes - 1, count, p=shares / shares.sum())
    logits = rng.normal(size=(count, classes))
    logits[np.arange(count), labels] += rng.uniform(0, 3, count)
    labels = np.where(rng.uniform(size=count) < ignored, 255, labels)
    exponentials = np.exp(logits)
    return labels, exponentials / exponentials.sum(-1, keepdims=True)


def expected(labels, probabilities):
    """Scikit-learn's, [K]."""
    counted = labels.ravel() != 255
    labels = labels.ravel()[counted]
    probabilities = probabilities.reshape(-1, probabilities.shape[-1])[counted]
    return np.array(
        [
            average_precision_score(labels == k, p) if (labels == k).any() else np.nan
            for k, p in enumerate(probabilities.T)
        ]
    )


def bounds(histograms):
    """Least and most [K] that the order within bins may make of the precision.

    A pixel of the class that comes at any place of its bin: all of the class in higher
    bins, itself, and none to all of the rest of its bin come before it.
    """
    inside, outside = np.cumsum(histograms[..., ::-1], axis=-1, dtype=float)
    counts, others = histograms[..., ::-1]
    first = inside - counts + 1
    low = np.where(counts, first / (first + outside), 0)
    high = np.where(counts, inside / np.maximum(inside + outside - others, 1), 0)
    total = np.where(inside[:, -1], inside[:, -1], np.nan)
    return (counts * low).sum(-1) / total, (counts * high).sum(-1) / total


@pytest.mark.parametrize("bins", [1, 2, 7, 64, 1000, 1024])
def test_it_is_that_of_scikit_learn_on_quantised_scores(bins):
    labels, probabilities = scores()
    found = average_precision(score_histograms(labels, probabilities, bins=bins))
    assert found.shape == (5,) and found.dtype == np.float64
    quantised = np.minimum(np.floor(probabilities * bins), bins - 1)
    np.testing.assert_allclose(found, expected(labels, quantised), rtol=0, atol=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_quantisation_changes_it_within_bounds_and_little(seed):
    labels, probabilities = scores(seed=seed)
    exact, errors = expected(labels, probabilities)[:-1], {}
    for bins in (16, 128, 1024, 8192):
        histograms = score_histograms(labels, probabilities, bins=bins)
        low, high = (bound[:-1] for bound in bounds(histograms))
        found = average_precision(histograms)[:-1]
        for value in (exact, found):
            assert (value >= low - 1e-12).all() and (value <= high + 1e-12).all()
        errors[bins] = np.abs(found - exact).max()
    # Measured: 0.0007 at most.
    assert errors[1024] < 1e-3
    assert errors[8192] < errors[1024] < errors[128] < errors[16]


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("sharpness", [1, 3, 10])
def test_an_eighth_of_the_log_odds_keeps_the_order_of_sure_networks(seed, sharpness):
    labels, probabilities = scores(count=40_000, seed=seed)
    probabilities = probabilities**sharpness
    probabilities /= probabilities.sum(-1, keepdims=True)
    exact = expected(labels, probabilities)[:-1]
    plain = average_precision(score_histograms(labels, probabilities))[:-1]
    q, r = probabilities ** (1 / 8), np.clip(1 - probabilities, 0, 1) ** (1 / 8)
    spread = average_precision(score_histograms(labels, q / (q + r), bins=4096))[:-1]
    assert np.abs(spread - exact).max() < 1e-3
    if sharpness == 10:
        assert (probabilities.max(-1) > 1 - 1 / 1024).mean() > 0.5
        assert 0.1 < np.abs(plain - exact).max() < 0.2


def test_every_pixel_is_in_one_bin_for_each_class():
    labels, probabilities = scores()
    histograms = score_histograms(labels, probabilities, bins=10)
    assert histograms.shape == (2, 5, 10) and histograms.dtype == np.int64
    assert (histograms.sum((0, 2)) == (labels != 255).sum()).all()
    assert histograms[0].sum(-1).tolist() == [(labels == k).sum() for k in range(5)]
    # The lower edge belongs to a bin, and 1 to the last.
    edges = np.array([0, 0.25, 0.5, 0.75, 1.0, np.nextafter(0.25, 0)])[:, None]
    found = score_histograms(np.zeros(6, int), edges, bins=4)
    assert found[0, 0].tolist() == [2, 1, 1, 2] and not found[1].any()


def test_batches_add_up_and_any_shape_will_do():
    labels, probabilities = scores(count=3 * 8 * 7)
    whole = score_histograms(labels, probabilities)
    labels, probabilities = labels.reshape(3, 8, 7), probabilities.reshape(3, 8, 7, 5)
    pairs = zip(labels, probabilities, strict=True)
    parts = [score_histograms(one, two) for one, two in pairs]
    np.testing.assert_array_equal(sum(parts), whole)
    np.testing.assert_array_equal(score_histograms(labels, probabilities), whole)
    assert average_precision(sum(parts))[0] == average_precision(whole)[0]


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_arrays_of_jax_are_read_as_they_are(dtype):
    labels, probabilities = scores(count=300)
    rounded = jnp.asarray(probabilities, dtype)
    histograms = score_histograms(jnp.asarray(labels), rounded, bins=1000)
    same = score_histograms(labels, np.asarray(rounded, np.float64), bins=1000)
    np.testing.assert_array_equal(histograms, same)


def test_ignored_pixels_do_not_count():
    labels, probabilities = scores(ignored=0.3)
    kept = labels != 255
    probabilities[~kept] = np.nan
    np.testing.assert_array_equal(
        score_histograms(labels, probabilities),
        score_histograms(labels[kept], probabilities[kept]),
    )
    other = np.where(kept, labels, -1)
    np.testing.assert_array_equal(
        score_histograms(other, probabilities, ignore_index=-1),
        score_histograms(labels, probabilities),
    )


def test_the_mean_is_over_classes_that_occur():
    labels, probabilities = scores()
    histograms = score_histograms(labels, probabilities)
    values = average_precision(histograms)
    assert np.isnan(values[4]) and not np.isnan(values[:4]).any()
    # All alike, whatever their frequency.
    np.testing.assert_allclose(mean_average_precision(histograms), values[:4].mean())
    nothing = score_histograms(np.full(3, 255), np.zeros((3, 2)))
    assert not nothing.any() and np.isnan(mean_average_precision(nothing))


def test_perfect_and_constant_scores():
    labels = np.repeat([0, 1, 2], [50, 30, 20])
    perfect = score_histograms(labels, np.eye(3)[labels])
    assert average_precision(perfect).tolist() == [1, 1, 1]
    assert mean_average_precision(perfect) == 1
    # With one threshold, precision is the share of the class.
    constant = average_precision(score_histograms(labels, np.full((100, 3), 1 / 3)))
    np.testing.assert_allclose(constant, [0.5, 0.3, 0.2], rtol=1e-15)
    alone = average_precision(score_histograms(labels * 0, np.full((100, 1), 0.4)))
    assert alone.tolist() == [1]


@pytest.mark.parametrize(
    ("labels", "probabilities", "error", "message"),
    [
        ([0.0], [[1, 0]], TypeError, "`labels` has dtype float64"),
        ([0, 1], [[1, 0]], ValueError, r"shape \(1, 2\), but `labels` \(2,\)"),
        ([0, 1], [1, 0], ValueError, r"shape \(2,\), but `labels` \(2,\); give one pr"),
        (0, 0.5, ValueError, r"`probabilities` has shape \(\)"),
        ([2], [[1, 0]], ValueError, r"the classes \[2\]; known are 0 to 1, and 255"),
        ([-1], [[1, 0]], ValueError, r"`labels` holds the classes \[-1\]"),
        ([0], [[1.5, 0]], ValueError, r"`probabilities` holds 1\.5, outside \[0, 1\]"),
        ([0], [[1, -0.1]], ValueError, r"`probabilities` holds -0\.1"),
        ([0], [[1, np.nan]], ValueError, "`probabilities` holds nan"),
    ],
)
def test_bad_input_is_named(labels, probabilities, error, message):
    with pytest.raises(error, match=message):
        score_histograms(labels, probabilities)


def test_bad_bins_and_histograms_are_named():
    with pytest.raises(ValueError, match="`bins=0` must be >= 1"):
        score_histograms([0], [[1.0]], bins=0)
    for shape in ((2, 3), (3, 2, 4), (1, 2, 3, 4)):
        with pytest.raises(ValueError, match=r"expected \[2, K, bins\]"):
            mean_average_precision(np.zeros(shape))
