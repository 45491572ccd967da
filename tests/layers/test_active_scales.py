"""Contributions to the maximum over scales, against loops; scales that are computed."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gdjax.layers import ActiveScales
from gdjax.layers.active_scales import computed_scales, lost_without


def values(count=4, seed=0):
    found = np.random.default_rng(seed).standard_normal((count, 3, 5, 2))
    return np.maximum(found, 0).astype(np.float32)


def test_what_is_lost_is_what_a_maximum_without_the_scale_lacks():
    x, active = values(), np.array([True, True, False, True])
    found = lost_without(jnp.asarray(x), jnp.asarray(active))
    whole = x[active].max(0).sum()
    for i in range(4):
        others = active & (np.arange(4) != i)
        wanted = (whole - x[others].max(0).sum()) / whole
        np.testing.assert_allclose(found[i], wanted, atol=1e-6)
    assert found[2] == 0


def test_twins_contribute_nothing_and_a_single_scale_everything():
    x = values(2)
    twins = jnp.asarray(np.concatenate([x, x[1:]]))
    assert (lost_without(twins, jnp.ones(3, bool))[1:] == 0).all()
    alone = lost_without(twins, jnp.array([True, False, False]))
    np.testing.assert_allclose(alone, [1, 0, 0], rtol=1e-6)
    assert (lost_without(0 * twins, jnp.ones(3, bool)) == 0).all()


def test_a_batch_that_is_spread_is_whole():
    x, active = jnp.asarray(values()), jnp.ones(4, bool)
    parts = x[:, :, None].swapaxes(0, 1)  # [3, 4, 1, 5, 2]
    spread = jax.vmap(
        lambda part: lost_without(part, active, batch_axis="batch"), axis_name="batch"
    )(parts)
    for each in spread:
        np.testing.assert_allclose(each, lost_without(x, active), atol=1e-6)


def test_the_finest_scale_in_use_stands_for_those_that_are_not():
    scales = jnp.array([1.0, 2.0, 3.0, 5.0])
    active = jnp.array([False, True, False, True])
    assert computed_scales(scales, active).tolist() == [2, 2, 2, 5]
    gradient = jax.grad(lambda s: (computed_scales(s, active) ** 2).sum())(scales)
    assert gradient.tolist() == [0, 12, 0, 10]


def test_the_running_mean():
    module, x = ActiveScales(4, momentum=0.75), jnp.asarray(values())
    state = module.init(jax.random.key(0))
    assert state["batch_stats"]["active"].dtype == bool
    now = lost_without(x, jnp.ones(4, bool))
    _, new = module.apply(state, x, method="observe", mutable=["batch_stats"])
    np.testing.assert_allclose(
        new["batch_stats"]["contributions"], 0.75 + 0.25 * now, rtol=1e-6
    )
    for fields in ({"count": 0}, {"count": 2, "momentum": 1.0}):
        with pytest.raises(ValueError, match="count|momentum"):
            ActiveScales(**fields)
