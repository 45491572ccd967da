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
