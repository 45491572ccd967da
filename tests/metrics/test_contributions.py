"""What scale channels contribute to a decision, against the pooled logit itself."""

import jax
import numpy as np
import pytest

from gdjax.layers import logsumexp_over_scales, max_over_scales
from gdjax.metrics import scale_contributions, scale_selection_histogram


LOGITS = np.random.default_rng(0).standard_normal((20, 4, 3)).astype(np.float32) * 3


@pytest.mark.parametrize(
    ("name", "pooling"),
    [("max", max_over_scales), ("logsumexp", logsumexp_over_scales)],
)
def test_contributions_are_derivatives_of_the_winning_logit(name, pooling):
    keep = np.ones((20, 4), bool)
    found = scale_contributions(LOGITS, pooling=name)
    assert found.shape == (20, 4)
    slopes = jax.grad(lambda x: pooling(x, keep).max(-1).sum())(LOGITS)
    np.testing.assert_allclose(found, slopes.sum(-1), atol=1e-6)


def test_contributions_of_max_average_to_the_histogram():
    classes = LOGITS.max(1).argmax(-1)
    selected = LOGITS[np.arange(20), :, classes].argmax(-1)
    (histogram,) = scale_selection_histogram([selected], num_scales=4)
    found = scale_contributions(LOGITS, pooling="max").mean(0)
    np.testing.assert_allclose(found, histogram)


def test_contributions_to_a_mean_are_shares_of_the_positive_logits():
    logits = np.array(
        [[[3.0, 0], [1.0, 0], [-2.0, 0]], [[-1.0, -9], [-2, -9], [-3, -9]]]
    )
    found = scale_contributions(logits, pooling="mean")
    np.testing.assert_allclose(found, [[3 / 4, 1 / 4, 0], [1 / 3, 1 / 3, 1 / 3]])


def test_large_logits_do_not_overflow():
    found = scale_contributions(LOGITS * 1e4, pooling="logsumexp")
    assert np.isfinite(found).all()


def test_impossible_arguments_raise():
    with pytest.raises(ValueError, match="pooling='sum'"):
        scale_contributions(LOGITS, pooling="sum")
    with pytest.raises(ValueError, match="per_scale"):
        scale_contributions(LOGITS[0], pooling="max")
