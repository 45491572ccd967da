import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special

from gdjax.layers import (
    centre_pixel,
    keep_scales,
    logsumexp_over_scales,
    max_over_scales,
    mean_over_scales,
    spatial_max,
    spatial_mean,
)


POOLINGS = [
    (max_over_scales, np.max),
    (logsumexp_over_scales, scipy.special.logsumexp),
    (mean_over_scales, np.mean),
]


def noise(*shape):
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


def test_centre_of_odd_and_even_axes():
    x = noise(2, 5, 6, 3)
    np.testing.assert_allclose(centre_pixel(x), x[:, 2, 2:4].mean(1), atol=1e-6)
    x = noise(2, 4, 4, 3)
    np.testing.assert_allclose(centre_pixel(x), x[:, 1:3, 1:3].mean((1, 2)), atol=1e-6)
    np.testing.assert_array_equal(centre_pixel(x[:, :1, :1]), x[:, 0, 0])
    x = noise(7, 3)
    np.testing.assert_array_equal(centre_pixel(x, ndim=1), x[3])
    x = noise(2, 3, 4, 5, 1)
    expected = x[:, 1, 1:3, 2].mean(1)
    np.testing.assert_allclose(centre_pixel(x, ndim=3), expected, atol=1e-6)


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_maximum_and_mean_over_space(ndim):
    x = noise(2, *(3, 4, 5)[:ndim], 2)
    axes = tuple(range(1, ndim + 1))
    np.testing.assert_array_equal(spatial_max(x, ndim=ndim), x.max(axes))
    np.testing.assert_allclose(spatial_mean(x, ndim=ndim), x.mean(axes), atol=1e-6)


@pytest.mark.parametrize("ndim", [np.uint8(1), np.uint8(2), np.int8(2)])
def test_numbers_of_axes_are_those_of_any_ints(ndim):
    x = noise(2, 3, 4, 2)
    for pool in (centre_pixel, spatial_max, spatial_mean):
        np.testing.assert_array_equal(pool(x, ndim=ndim), pool(x, ndim=int(ndim)))


@pytest.mark.parametrize(("pool", "expected"), POOLINGS)
def test_pooling_over_the_kept_channels(pool, expected):
    per_scale = noise(4, 5, 3) - 10  # below 0: a zero would win the maximum
    rows = ["11111", "01011", "00001", "10000"]
    keep = np.array([[int(digit) for digit in row] for row in rows])
    pooled = pool(per_scale, jnp.asarray(keep, bool))
    assert pooled.shape == (4, 3)
    for b in range(4):
        for k in range(3):
            kept = per_scale[b, keep[b] == 1, k]
            assert pooled[b, k] == pytest.approx(expected(kept), abs=1e-5)


@pytest.mark.parametrize(("pool", "_"), POOLINGS)
def test_dropped_channels_never_decide_and_get_no_gradient(pool, _):
    per_scale = noise(2, 3, 4)
    keep = jnp.array([[True, False, True], [False, True, False]])
    changed = np.where(keep[..., None], per_scale, 1e3)
    np.testing.assert_array_equal(pool(changed, keep), pool(per_scale, keep))
    slope = jax.grad(lambda v: pool(v, keep).sum())(per_scale)
    assert np.isfinite(slope).all()
    np.testing.assert_array_equal(slope[~np.asarray(keep)], 0)
    # Adding 1 to all channels adds 1 to every logit.
    np.testing.assert_allclose(slope.sum(1), 1, atol=1e-6)


def some_kept(*shape):
    """At least one scale channel, of those along axis 0."""
    keep = np.random.default_rng(1).random(shape) < 0.5
    keep[0] |= ~keep.any(0)
    return keep


@pytest.mark.parametrize(("pool", "expected"), POOLINGS)
@pytest.mark.parametrize("axes", [2, 3, 4, 5])
def test_pooling_of_maps_behind_their_scale_channels(pool, expected, axes):
    maps = noise(3, 2, 4, 5, 2) - 10
    keep = some_kept(*maps.shape[:axes])
    pooled = jax.jit(pool, static_argnames="axis")(maps, jnp.asarray(keep), axis=0)
    assert pooled.shape == (2, 4, 5, 2)
    rest = (1,) * (maps.ndim - axes)
    everywhere = np.broadcast_to(keep.reshape(*keep.shape, *rest), maps.shape)
    for place in np.ndindex(pooled.shape):
        kept = maps[:, *place][everywhere[:, *place]]
        assert pooled[place] == pytest.approx(expected(kept), abs=1e-5)


@pytest.mark.parametrize(("pool", "expected"), POOLINGS)
@pytest.mark.parametrize("axis", [-2, 0, 1])
def test_without_keep_all_channels_take_part(pool, expected, axis):
    per_scale = noise(4, 5, 3)
    pooled = pool(jnp.asarray(per_scale), axis=axis)
    np.testing.assert_allclose(pooled, expected(per_scale, axis=axis), atol=1e-6)
    every = jnp.ones(per_scale.shape[: 1 if axis == 0 else 2], bool)
    again = pool(jnp.asarray(per_scale), every, axis=axis)
    np.testing.assert_allclose(pooled, again, atol=1e-6)


def test_the_axis_of_logits_is_the_last_but_one():
    per_scale, keep = noise(4, 5, 3), jnp.asarray(some_kept(5, 4).T)
    for pool, _ in POOLINGS:
        np.testing.assert_array_equal(
            pool(per_scale, keep), pool(per_scale, keep, axis=1)
        )


@pytest.mark.parametrize(("pool", "_"), POOLINGS)
@pytest.mark.parametrize("value", [0.0, 1e30, -1e30, np.inf, np.nan])
def test_gradients_of_maps_are_finite_whatever_is_left_out(pool, _, value):
    keep = some_kept(3, 2)
    where = keep[..., None, None, None]
    maps = np.where(where, noise(3, 2, 4, 5, 2), np.float32(value))

    def total(maps):
        return pool(maps, jnp.asarray(keep), axis=0).sum()

    found, slope = jax.value_and_grad(total)(maps)
    assert np.isfinite(found) and np.isfinite(slope).all()
    np.testing.assert_array_equal(slope[~keep], 0)
    np.testing.assert_allclose(slope.sum(0), 1, atol=1e-6)


def test_largest_channels_share_the_gradient():
    maps = np.zeros((4, 1, 1, 1, 2), np.float32)
    maps[:, 0, 0, 0, 0] = [7, 7, 3, 7]
    keep = jnp.array([True, True, True, False])[:, None]

    def total(maps):
        return max_over_scales(maps, keep, axis=0).sum()

    found, slope = jax.value_and_grad(total)(maps)
    assert found == 7
    np.testing.assert_allclose(slope[:, 0, 0, 0, 0], [1 / 2, 1 / 2, 0, 0])
    np.testing.assert_allclose(slope[:, 0, 0, 0, 1], [1 / 3, 1 / 3, 1 / 3, 0])


@pytest.mark.parametrize(("pool", "_"), POOLINGS)
def test_pooling_of_maps_mapped_equals_the_loop(pool, _):
    maps, keep = noise(6, 3, 2, 4, 4, 2), some_kept(3, 6, 2).swapaxes(0, 1)

    def of_maps(maps, keep):
        return pool(maps, keep, axis=0)

    mapped = jax.vmap(of_maps)(maps, jnp.asarray(keep))
    for n in range(6):
        alone = of_maps(maps[n], jnp.asarray(keep[n]))
        np.testing.assert_allclose(mapped[n], alone, atol=1e-6)


@pytest.mark.parametrize(("pool", "_"), POOLINGS)
@pytest.mark.parametrize(
    ("shape", "axis"), [((4,), -2), ((5, 4), -2), ((4, 5, 3, 1), -2), ((3,), 0)]
)
def test_what_does_not_say_which_channels_are_kept_is_refused(pool, _, shape, axis):
    with pytest.raises(ValueError, match=r"`keep` has the shape .*leading axes"):
        pool(jnp.asarray(noise(4, 5, 3)), jnp.ones(shape, bool), axis=axis)


@pytest.mark.parametrize("rate", [0.0, 0.3, 0.9, 0.999])
def test_scale_dropout_has_its_rate_and_keeps_one_channel(rate):
    count, scales = 40_000, 4
    keep = np.asarray(keep_scales(jax.random.key(0), (count, scales), rate=rate))
    assert keep.dtype == bool and keep.shape == (count, scales)
    assert keep.any(-1).all()
    # All would be dropped with probability rate^S; then one is brought back.
    dropped = rate - rate**scales / scales
    # Four standard deviations of a mean of correlated Bernoulli variables at most.
    assert abs((~keep).mean() - dropped) <= 4 * 0.5 / np.sqrt(count)
    assert abs((~keep).mean(0) - dropped).max() <= 4 * 0.5 / np.sqrt(count)


def test_scale_dropout_over_many_keys():
    keys = jax.random.split(jax.random.key(1), 2000)
    draw = jax.jit(jax.vmap(lambda key: keep_scales(key, (3, 2), rate=0.5)))
    keep = np.asarray(draw(keys))
    assert keep.any(-1).all()
    assert len(np.unique(keep.reshape(2000, -1), axis=0)) == 27


def test_max_over_scales_shares_the_gradient_of_ties_and_has_all_derivatives():
    """As `jnp.max`: three equal channels get a third each, infinities nothing."""
    x = jnp.asarray([[[1.0, 2.0], [1.0, 3.0], [1.0, -jnp.inf], [0.0, 3.0]]])
    weights = jnp.asarray([[2.0, 5.0]])

    def weighted(function, x):
        return (weights * function(x) ** 2).sum()

    ours = functools.partial(weighted, max_over_scales)
    jax_s = functools.partial(weighted, lambda x: x.max(-2))
    gradient = jax.grad(ours)(x)
    np.testing.assert_array_equal(gradient, jax.grad(jax_s)(x))
    np.testing.assert_allclose(gradient[0, :3, 0], 4 / 3, rtol=1e-6)
    tangent = jnp.cos(jnp.arange(8.0)).reshape(x.shape)
    found = jax.jvp(ours, (x,), (tangent,))[1]
    np.testing.assert_allclose(found, (gradient * tangent).sum(), rtol=1e-6)


def test_masks_that_are_known_serve_within_programs():
    keep = jnp.array([[True, False, True]])
    x = jnp.arange(12.0).reshape(1, 3, 4)
    found = jax.jit(lambda x: max_over_scales(x, keep))(x)
    np.testing.assert_array_equal(found, x[:, 2])


def test_masks_that_keep_nothing_are_refused():
    with pytest.raises(ValueError, match="`keep` leaves out all"):
        mean_over_scales(jnp.ones((1, 2, 3)), np.zeros((1, 2), bool))


@pytest.mark.parametrize(("pool", "_"), POOLINGS)
def test_ragged_masks_are_named(pool, _):
    with pytest.raises(ValueError, match="`keep` is no array"):
        pool(jnp.ones((2, 2, 3)), [[True, False], [True]])
