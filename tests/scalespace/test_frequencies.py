"""Mixed jets by frequencies beside those of the matrices along each axis."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gdjax
from gdjax.scalespace import derivative_orders, plain
from gdjax.scalespace.combine import mix_njet
from gdjax.scalespace.frequencies import (
    circles,
    jet_transfers,
    mix_by_frequencies,
    worth_frequencies,
)
from gdjax.scalespace.matrices import Filter


SCALES = np.array([0.8, 1.7])
ORDERS = derivative_orders(3, zero_order=True)
DISCRETISATIONS = [
    gdjax.DiscreteGaussian(),
    gdjax.SpectralGaussian(),
    gdjax.SampledGaussianDerivatives(),
]


def noise(*shape, seed=0):
    return jnp.asarray(np.random.default_rng(seed).standard_normal(shape))


def by_frequencies(x, kernel, scales, filter_, reach, bias):
    around = circles(x.shape[-3:-1], filter_.padding, reach)
    transfers = [
        jnp.stack(jet_transfers(s, filter_, ORDERS, around), -1) for s in scales
    ]
    return mix_by_frequencies(
        x, kernel, jnp.stack(transfers), ORDERS, around, bias=bias
    )  # fmt: skip


def by_matrices(x, kernel, scales, filter_, bias):
    fields = {"filter_": filter_, "orders": ORDERS, "taylor": False, "bias": bias}
    found = [mix_njet(x[k], kernel, scales[k], **fields) for k in range(len(x))]
    return jnp.stack(found)


@pytest.mark.parametrize("extent", [2.5, None], ids=["cut", "whole"])
@pytest.mark.parametrize("padding", ["zero", "wrap"])
@pytest.mark.parametrize(
    "discretisation", DISCRETISATIONS, ids=lambda d: type(d).__name__
)
def test_values_and_gradients(discretisation, padding, extent, x64):
    filter_ = Filter(discretisation, padding, None, 2, 3, extent)
    # Odd and even sides, of which a cut filter reaches a part.
    x, bias = noise(2, 3, 9, 14, 2), noise(3, seed=2)
    kernel, target = noise(len(ORDERS), 2, 3, seed=1), noise(2, 3, 9, 14, 3, seed=3)
    reach = None if extent is None else filter_.reach(SCALES[-1])
    found = by_frequencies(x, kernel, SCALES, filter_, reach, bias)
    wanted = by_matrices(x, kernel, SCALES, filter_, bias)
    np.testing.assert_allclose(found, wanted, atol=1e-11 * abs(wanted).max())

    def score(run, *reach):
        return jax.jit(jax.grad(
            lambda *a: (run(*a[:3], filter_, *reach, a[3]) * target).sum(), (0, 1, 2, 3)
        ))(x, kernel, jnp.asarray(SCALES), bias)  # fmt: skip

    pairs = zip(score(by_frequencies, None), score(by_matrices), strict=True)
    for found, wanted in pairs:
        np.testing.assert_allclose(found, wanted, atol=1e-10 * abs(wanted).max())


def test_many_images_run_in_chunks():
    filter_ = Filter(gdjax.DiscreteGaussian(), "zero", None, 2, 3, 2.5)
    x, kernel = noise(1, 70, 28, 28, 1), noise(len(ORDERS), 1, 2, seed=1)
    run = jax.jit(lambda x: by_frequencies(x, kernel, np.ones(1), filter_, 3, None))
    parts = [run(x[:, start : start + 10]) for start in range(0, 70, 10)]
    np.testing.assert_allclose(run(x), jnp.concatenate(parts, 1), atol=1e-5)


def test_values_in_float32():
    """Sums of some hundred products each, four times over: 1e-6 of the largest."""
    filter_ = Filter(gdjax.DiscreteGaussian(), "zero", None, 2, 3, 2.5)
    x, kernel = noise(1, 2, 28, 28, 8), noise(len(ORDERS), 8, 8, seed=1)
    found = by_frequencies(x, kernel, np.full(1, 2.0), filter_, 5, None)
    with jax.enable_x64():
        exact = (jnp.asarray(np.asarray(a), jnp.float64) for a in (x, kernel))
        wanted = np.asarray(by_frequencies(*exact, np.full(1, 2.0), filter_, 5, None))
    assert found.dtype == jnp.float32
    np.testing.assert_allclose(found, wanted, atol=2e-6 * abs(wanted).max())


@pytest.mark.parametrize(
    ("side", "shape", "padding", "dtype", "worth"),
    [
        (28, (49, 32, 63), "zero", "f4", True),
        (56, (49, 1, 32), "zero", "f4", True),
        (6, (16, 2, 2), "zero", "f4", True),
        (28, (9, 32, 63), "zero", "f4", False),  # few terms
        (28, (49, 32, 63), "edge", "f4", False),  # no circle
        (28, (49, 32, 63), "zero", "bfloat16", False),
        (600, (49, 1, 4), "zero", "f4", False),  # tiles instead
    ],
)
def test_the_way_depends_on_shapes(side, shape, padding, dtype, worth):
    filter_ = Filter(gdjax.DiscreteGaussian(), padding, None, 2, 4, 4.0)
    x = jnp.zeros((32, side, side, shape[1]), dtype)
    assert worth_frequencies(x, shape, filter_, 12) is worth
    with plain():
        assert not worth_frequencies(x, shape, filter_, 12)
