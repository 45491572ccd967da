"""Shared batch normalisation against pooled statistics in float64."""

import jax
import numpy as np
import pytest

from gdjax.layers import SharedBatchNorm


def noise(*shape, seed=0):
    values = np.random.default_rng(seed).standard_normal(shape)
    return (2 * values + seed).astype(np.float32)


@pytest.fixture
def channels():
    """Three scale channels with windows of their own."""
    return [noise(2, 3, 3, 4), noise(2, 5, 5, 4, seed=1), noise(2, 7, 4, 4, seed=2)]


def pooled(xs):
    flat = np.concatenate([x.reshape(-1, x.shape[-1]) for x in xs]).astype(np.float64)
    return flat.mean(0), flat.var(0)


def test_statistics_are_pooled_over_channels_and_pixels(channels):
    norm = SharedBatchNorm(momentum=0.75)
    variables = norm.init(jax.random.key(0), channels, train=False)
    ys, updated = norm.apply(variables, channels, train=True, mutable=["batch_stats"])
    mean, variance = pooled(channels)
    for x, y in zip(channels, ys, strict=True):
        assert y.shape == x.shape
        expected = (x - mean) / np.sqrt(variance + 1e-5)
        np.testing.assert_allclose(y, expected, atol=1e-5)
    statistics = updated["batch_stats"]
    # One update, not one per channel.
    np.testing.assert_allclose(statistics["mean"], 0.25 * mean, atol=1e-5)
    np.testing.assert_allclose(statistics["var"], 0.75 + 0.25 * variance, atol=1e-5)
    updated = {**variables, **updated}
    again, _ = norm.apply(updated, channels, train=True, mutable=["batch_stats"])
    np.testing.assert_array_equal(again[0], ys[0])


def test_statistics_of_the_channels_that_are_kept(channels):
    """All are normalised, by what the kept ones say."""
    norm, keep = SharedBatchNorm(momentum=0.75), np.array([True, False, True])
    variables = norm.init(jax.random.key(0), channels, train=False)
    ys, updated = norm.apply(
        variables, channels, train=True, keep=keep, mutable=["batch_stats"]
    )
    mean, variance = pooled([channels[0], channels[2]])
    for x, y in zip(channels, ys, strict=True):
        expected = (x - mean) / np.sqrt(variance + 1e-5)
        np.testing.assert_allclose(y, expected, atol=1e-5)
    statistics = updated["batch_stats"]
    np.testing.assert_allclose(statistics["mean"], 0.25 * mean, atol=1e-5)
    every, _ = norm.apply(
        variables, channels, train=True, keep=keep | True, mutable=["batch_stats"]
    )
    wanted, _ = norm.apply(variables, channels, train=True, mutable=["batch_stats"])
    for a, b in zip(every, wanted, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_running_statistics_serve_any_number_of_channels(channels):
    norm = SharedBatchNorm()
    variables = norm.init(jax.random.key(0), channels, train=False)
    mean, variance = noise(4, seed=3), 1 + abs(noise(4))
    variables["batch_stats"] = {"mean": mean, "var": variance}
    expected = (channels[1] - mean) / np.sqrt(variance + 1e-5)
    for xs, index in [(channels, 1), (channels[1:2], 0)]:
        y = norm.apply(variables, xs, train=False)[index]
        np.testing.assert_allclose(y, expected, atol=1e-5)


def test_frozen_normalisation_is_that_of_the_running_statistics(channels):
    norm = SharedBatchNorm(frozen=True)
    variables = norm.init(jax.random.key(0), channels, train=False)
    variables["batch_stats"] = {"mean": noise(4, seed=3), "var": 1 + abs(noise(4))}
    expected = norm.apply(variables, channels, train=False)
    found, updated = norm.apply(
        variables, channels, train=True, mutable=["batch_stats"]
    )
    for x, y in zip(expected, found, strict=True):
        np.testing.assert_array_equal(x, y)
    for name, value in updated["batch_stats"].items():
        np.testing.assert_array_equal(value, variables["batch_stats"][name])


def test_mapped_statistics_are_pooled_over_the_scale_axis():
    xs = np.stack([noise(2, 3, 3, 4), noise(2, 3, 3, 4, seed=1)])
    norm = SharedBatchNorm(axis_name="scale")
    variables = SharedBatchNorm().init(jax.random.key(0), [xs[0]], train=False)

    def channel(x):
        return norm.apply(variables, [x], train=True, mutable=["batch_stats"])

    (ys,), updated = jax.vmap(channel, axis_name="scale")(xs)
    mean, variance = pooled(xs)
    expected = (xs - mean) / np.sqrt(variance + 1e-5)
    np.testing.assert_allclose(ys, expected, atol=1e-5)
    for s in range(2):
        statistics = updated["batch_stats"]
        np.testing.assert_allclose(statistics["mean"][s], 0.1 * mean, atol=1e-5)


def far_off(*shape, seed=0):
    """Standard deviation 1, mean 1000: float32 squares tell 0.06 from 0, at best."""
    values = np.random.default_rng(seed).standard_normal(shape)
    return (values + 1e3).astype(np.float32)


# float32 holds values about 1000 to 3e-5, their sums to the same share of the mean.
EXACT = 1e-3


@pytest.mark.parametrize("kind", ["one", "keep", "pixels", "stacked"])
def test_a_large_mean_costs_no_digits(kind):
    xs, options = [far_off(4, 6, 6, 3), far_off(4, 8, 8, 3, seed=1)], {}
    counted = xs
    if kind == "keep":
        options, counted = {"keep": np.array([False, True])}, xs[1:]
    elif kind == "pixels":
        mask = np.arange(64).reshape(1, 8, 8, 1) < 9
        options = {"pixels": [None, mask]}
        counted = [xs[0], xs[1].reshape(4, 64, 3)[:, :9]]
    elif kind == "stacked":
        # What an array holds where a channel has no pixels may be anything.
        mask = np.ones((2, 1, 8, 8, 1), bool)
        mask[0, :, 6:], mask[0, :, :, 6:] = False, False
        x = np.zeros((2, 4, 8, 8, 3), np.float32)
        x[0, :, :6, :6], x[1] = xs
        xs, options = [x], {"pixels": [mask]}
    norm = SharedBatchNorm(momentum=0.0)
    variables = norm.init(jax.random.key(0), xs, train=False)
    ys, updated = norm.apply(
        variables, xs, train=True, mutable=["batch_stats"], **options
    )
    mean, variance = pooled(counted)
    statistics = updated["batch_stats"]
    np.testing.assert_allclose(statistics["mean"], mean, rtol=1e-6)
    np.testing.assert_allclose(statistics["var"], variance, rtol=EXACT)
    expected = (xs[-1].astype(np.float64) - mean) / np.sqrt(variance + 1e-5)
    np.testing.assert_allclose(ys[-1], expected, atol=EXACT * (1 + abs(expected).max()))


@pytest.mark.parametrize("axes", [("scale",), ("batch",), ("scale", "batch")])
def test_a_large_mean_of_mapped_parts_costs_no_digits(axes):
    # The parts' own means differ: what lies between them counts in the variance.
    x = far_off(2, 2, 3, 3, 4) + 10 * np.arange(4, dtype=np.float32).reshape(
        2, 2, 1, 1, 1
    )
    names = {"scale": "axis_name", "batch": "batch_axis"}
    norm = SharedBatchNorm(momentum=0.0, **{names[axis]: axis for axis in axes})
    variables = SharedBatchNorm().init(jax.random.key(0), [x[0, 0]], train=False)

    def part(x):
        return norm.apply(variables, [x], train=True, mutable=["batch_stats"])[1]

    run, x = part, x if len(axes) == 2 else x.reshape(4, 3, 3, 4)
    for axis in reversed(axes):
        run = jax.vmap(run, axis_name=axis)
    statistics = run(x)["batch_stats"]
    mean, variance = pooled([x])
    for name, wanted in (("mean", mean), ("var", variance)):
        found = statistics[name].reshape(-1, 4)
        np.testing.assert_allclose(found, np.broadcast_to(wanted, found.shape), EXACT)


def test_gradients_of_values_about_a_large_mean():
    x = far_off(3, 4, 4, 2)
    weights = noise(3, 4, 4, 2)
    norm = SharedBatchNorm()
    variables = norm.init(jax.random.key(0), [x], train=False)

    def total(x):
        (y,), _ = norm.apply(variables, [x], train=True, mutable=["batch_stats"])
        return (y * weights).sum()

    found = np.asarray(jax.grad(total)(x), np.float64)
    flat, w = (v.reshape(-1, 2).astype(np.float64) for v in (x, weights))
    u = (flat - flat.mean(0)) / np.sqrt(flat.var(0) + 1e-5)
    expected = (w - w.mean(0) - u * (u * w).mean(0)) / np.sqrt(flat.var(0) + 1e-5)
    np.testing.assert_allclose(found.reshape(-1, 2), expected, atol=5 * EXACT)


@pytest.mark.parametrize(
    ("options", "xs", "error", "name"),
    [
        ({"epsilon": -1.0}, None, ValueError, "epsilon=-1.0"),
        ({"epsilon": "1"}, None, TypeError, "epsilon='1'"),
        ({"momentum": float("nan")}, None, ValueError, "momentum=nan"),
        ({"momentum": 1.5}, None, ValueError, "momentum=1.5"),
        ({}, [], ValueError, "xs="),
        ({}, "ab", ValueError, "xs='ab'"),
        ({}, [None], TypeError, "xs"),
        ({}, [np.ones((2, 3), int)], TypeError, "xs"),
        ({}, [noise(2, 3), noise(2, 4)], ValueError, "xs"),
        ({}, [noise(0, 3)], ValueError, "xs"),
    ],
)
def test_what_normalisation_can_not_be_is_named(options, xs, error, name):
    with pytest.raises(error, match=f"`{name}"):
        SharedBatchNorm(**options).init(jax.random.key(0), xs, train=False)
