"""The ways to combine the N-jet, beside each other."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gdjax
from gdjax.layers import GaussianDerivative, NJetConv
from gdjax.scalespace import formulations, plain, separable
from gdjax.scalespace.execution import chunks
from gdjax.scalespace.low_rank import expected_rank


def noise(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def step_of(layer):
    """Values and gradients of a layer."""

    def loss(variables, x):
        y = layer.apply(variables, x)
        return jnp.sin(y).sum(), y

    return jax.value_and_grad(loss, (0, 1), has_aux=True)


def alike(one, other):
    # Sums of some thousand products of numbers of order 1.
    close = functools.partial(np.testing.assert_allclose, rtol=1e-10, atol=1e-10)
    jax.tree.map(close, one, other)


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_axes_may_be_filtered_before_after_or_while_channels_are_mixed(x64, ndim):
    orders = gdjax.derivative_orders(2, ndim=ndim)
    x = jnp.asarray(noise(2, *(7, 6, 5)[:ndim], 2))
    kernel = jnp.asarray(noise(len(orders), 2, 3, seed=1))
    matrices = {
        (depth, n): noise(4, x.shape[-1 - depth], seed=depth + 10 * n)
        for depth in range(1, ndim + 1)
        for n in range(3)
    }

    def along(y, n, depth):
        axis = y.ndim - 1 - depth
        y = jnp.tensordot(matrices[depth, n], y, axes=(1, axis))
        return jnp.moveaxis(y, 0, axis)

    found = [
        run(x, kernel, orders, along, formulations.mix_maps)
        for run in (
            separable.filter_then_mix,
            separable.mix_between,
            separable.mix_then_filter,
        )
    ]
    for other in found[1:]:
        np.testing.assert_allclose(other, found[0], rtol=1e-10, atol=1e-8)


def test_few_channels_are_filtered_first():
    orders = gdjax.derivative_orders(3, zero_order=True)
    # Along y 10 maps per input channel, or 4 per output channel.
    assert separable.filters_fewer(orders, 3, 8)
    assert not separable.filters_fewer(orders, 4, 10)


LAYERS = {
    "spectral": GaussianDerivative(
        4, sigma=1.3, discretisation=gdjax.SpectralGaussian()
    ),
    "whole": GaussianDerivative(4, sigma=8.0, eps=None),
    "input": NJetConv(4, order=1, sharing="input"),
    "output": NJetConv(4, order=1, sharing="output", groups=2),
    "depthwise": NJetConv(4, order=1, sharing="input", groups=4),
    "one product, more features": GaussianDerivative(5, sigma=1.3, padding="wrap"),
    "one product, fewer": GaussianDerivative(3, sigma=1.3),
}


@pytest.mark.parametrize(
    ("name", "count"),
    [(name, 7) for name in LAYERS] + [("spectral", 6), ("one product, fewer", 6)],
)
def test_chunks_are_the_whole(x64, monkeypatch, name, count):
    # The last chunk is smaller where there are 7 images: 4 and 3.
    size = (40, 40) if name == "whole" else (9, 8)  # coarse enough for a subspace
    layer, x, pixels = LAYERS[name], noise(count, *size, 4), size[0] * size[1]
    variables = jax.tree.map(
        lambda a: noise(*a.shape),
        jax.eval_shape(layer.init, jax.random.key(0), x),
    )
    with plain():
        whole = jax.jit(step_of(layer))(variables, x)
    monkeypatch.setattr(formulations.Separable, "pixels", 4 * pixels)
    inner = expected_rank(40, 40, 8.0, 2) ** 2
    monkeypatch.setattr(formulations.LowRank, "pixels", 4 * inner)
    monkeypatch.setattr(chunks, "LEAST_VALUES", 1)
    terms = 5 * min(4, layer.features)
    monkeypatch.setattr(chunks, "MAP_VALUES", terms * (count * pixels - 1) // 4)
    run = jax.jit(step_of(layer)).lower(variables, x)
    if jax.default_backend() == "cpu":
        assert "while" in run.as_text()
    alike(run.compile()(variables, x), whole)


@pytest.mark.parametrize(
    ("count", "pixels", "size"),
    [
        (64, 72 * 72, 1),
        (64, 22 * 22, 16),
        (64, 10 * 10, 64),
        (60, 1000, 6),
        (7, 2000, 4),
        (5, 10**6, 1),
        (1, 3, 1),
    ],
)
def test_chunks_fit_and_divide_the_batch_where_that_costs_little(count, pixels, size):
    assert chunks.chunk_size(count, pixels) == size


def test_large_layers_take_chunks_and_small_ones_do_not():
    assert chunks.worth_chunks((16, 72, 72, 32), 32)
    assert not chunks.worth_chunks((8, 72, 72, 12), 16)
    assert chunks.worth_chunks((64, 72, 72, 16), 24)


def test_one_product_of_large_layers_takes_12_mib_at_a_time():
    assert chunks.product_pixels((4, 72, 72, 32), 5, 32) is None
    pixels = chunks.product_pixels((16, 72, 72, 32), 5, 32)
    assert 4 * pixels * 5 * 32 <= 12 * 2**20 < 4 * (pixels + 1) * 5 * 32
    assert chunks.product_pixels((64, 72, 72, 10**7), 5, 10**7) == 1
