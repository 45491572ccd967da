"""Coarse N-jets on the coefficients of a subspace, beside the direct way."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gdjax
from gdjax.layers import GaussianDerivative
from gdjax.models import GaussDerNet
from gdjax.scalespace import formulations, low_rank, matrices
from gdjax.scalespace.low_rank import expected_rank, factorised, worth_low_rank
from gdjax.scalespace.matrices import Filter, Span
from gdjax.scalespace.windows import Window, full_window


KINDS = [
    gdjax.DiscreteGaussian(),
    gdjax.SpectralGaussian(),
    gdjax.NormalizedSampledGaussianDerivatives(),
]


def noise(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def place(kind, shape, *, order=2, eps=None, windows=None):
    """Filter, orders, sources and targets, as `mix_njet` hands them on."""
    ndim = len(shape)
    filter_ = Filter(kind, "zero", eps, ndim, order)
    orders = gdjax.derivative_orders(order, ndim=ndim)
    full = tuple(full_window(n) for n in shape)
    sources, targets = windows or (full, full)
    return filter_, orders, sources, targets


@pytest.mark.parametrize(
    ("kind", "padding"),
    [
        *zip(KINDS, ["zero", "symmetric", "edge"], strict=True),
        *zip(KINDS, ["wrap", "edge", "zero"], strict=True),
    ],
    ids=str,
)
def test_layers_equal_dense_filters(x64, monkeypatch, layer_oracle, kind, padding):
    monkeypatch.setattr(low_rank, "WORTH", np.inf)
    x, kernel, bias = noise(1, 24, 20, 2), noise(5, 2, 3, seed=1), noise(3, seed=2)
    layer = GaussianDerivative(
        3, sigma=5.0, discretisation=kind, padding=padding, eps=None
    )
    variables = {"params": {"kernel": kernel, "bias": bias}}
    expected = layer_oracle(
        x, kernel, bias, 5.0, order=2, discretisation=kind, padding=padding
    )
    # 8 roundings of float64 per filter, times sums of 10 terms of order 1.
    apply = jax.jit(layer.apply)
    np.testing.assert_allclose(apply(variables, x), expected, atol=1e-12)
    single = apply(
        jax.tree.map(lambda a: a.astype(np.float32), variables), x.astype(np.float32)
    )
    np.testing.assert_allclose(single, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("shape", "order", "depthwise"),
    [
        ((30,), 4, False),
        ((20, 26), 3, False),
        ((20, 26), 3, True),
        ((16,) * 3, 2, True),
    ],
)
def test_values_and_gradients_are_those_of_the_direct_way(x64, shape, order, depthwise):
    sources = tuple(Window(n, 1, n) for n in shape)
    targets = tuple(Window(n, 3, n - 2) for n in shape)
    filter_, orders, *windows = place(
        KINDS[1], shape, order=order, windows=(sources, targets)
    )
    x = noise(2, *(w.length for w in sources), 2)
    kernel = noise(*((len(orders), 2) if depthwise else (len(orders), 2, 3)))

    def loss(way, x, kernel):
        filters = way.filters(np.float64(6.0), filter_, *windows)
        weights = way.weights(kernel, 6.0)
        return jnp.sin(way(way.before(x, filters), weights, (), filters)).sum()

    one, other = (
        jax.jit(jax.value_and_grad(functools.partial(loss, way), (0, 1)))(x, kernel)
        for way in (
            formulations.Separable(orders, jnp.dtype(float)),
            formulations.LowRank(orders, jnp.dtype(float)),
        )
    )
    jax.tree.map(
        functools.partial(np.testing.assert_allclose, rtol=1e-11, atol=1e-11),
        one,
        other,
    )


def test_ranks_fall_with_sigma():
    ranks = []
    for sigma in (3.0, 6.0, 12.0):
        span = Span(full_window(112), 0, 112)
        filter_ = place(KINDS[1], (112,))[0]
        part = factorised(filter_, sigma, (1, 2), span, jnp.dtype("float32"))
        down, up = part.down.matrix, part.up.matrix
        close = functools.partial(np.testing.assert_allclose, atol=1e-12)
        close(down @ down.T, np.eye(len(down)))
        close(up.T @ up, np.eye(up.shape[1]))
        assert list(part.jets) == [1, 2]
        ranks.append(len(down))
        # u^2 exp(-u^2 / 2) is 1e-6 at u = sigma w = 6; some for the two ends.
        assert len(down) <= 112 * 6 / np.pi / sigma + 10
        assert abs(len(down) - expected_rank(112, 112, sigma, 2)) <= 6
    assert ranks == sorted(ranks, reverse=True)


def test_only_known_coarse_kernels_that_are_not_cut_take_it():
    def worth(sigma, **fields):
        return worth_low_rank((5, 8, 8), sigma, *place(KINDS[0], (72, 72), **fields))

    assert worth(8.0)
    assert not worth(8.0, eps=0.01)
    assert not worth(1.0)
    assert not worth(0.0)

    jax.jit(lambda s: None if not worth(s) else 1 / 0)(8.0)


def test_jit_eager_chunks_and_vmap_agree():
    layer = GaussianDerivative(32, sigma=6.0, eps=None)
    x = noise(3, 40, 40, 32).astype(np.float32)
    variables = layer.init(jax.random.key(0), x)
    eager = layer.apply(variables, x)
    close = functools.partial(np.testing.assert_allclose, atol=1e-5)
    close(jax.jit(layer.apply)(variables, x), eager)
    close(jax.vmap(layer.apply, (None, 0))(variables, x), eager)
    traced = jax.jit(lambda s: layer.apply(variables, x, sigma=s))(6.0)
    # The direct way in float32 takes differences of a smoothed map: 36 times rounding.
    close(traced, eager, atol=1e-4)


@pytest.mark.parametrize("sigma", [1.0, 3.0])
def test_networks_with_whole_kernels_keep_their_windows(sigma):
    y, x = np.mgrid[:48, :48] / 48
    x = np.stack([np.sin(9 * x * (1 + y)), np.cos(5 * y) * x])[..., None]
    x = x.astype(np.float32)
    net = GaussDerNet(widths=(4, 5), num_classes=3, sigmas=(sigma,), truncated=False)
    cut, whole = net.clone(truncated=True), net.clone(windowed=False, eps=None)
    assert net.windows(sigma, (48, 48)) == cut.windows(sigma, (48, 48))
    variables = jax.jit(whole.init)(jax.random.key(0), x)
    expected = jax.jit(whole.apply)(variables, x)[0]
    found = jax.jit(net.apply)(variables, x)[0]
    published = jax.jit(cut.apply)(variables, x)[0]
    # What the windows leave out is what truncation cuts from the outermost pixels.
    assert abs(found - expected).max() <= 2 * abs(published - expected).max()
    full = net.clone(windowed=False)
    np.testing.assert_array_equal(jax.jit(full.apply)(variables, x)[0], expected)


def test_axes_longer_than_a_dense_matrix(x64, monkeypatch, layer_oracle):
    """Whose filters are tiles elsewhere: here the matrix is that of the whole axis."""
    monkeypatch.setattr(low_rank, "WORTH", np.inf)
    monkeypatch.setattr(matrices, "LONGEST_DENSE_AXIS", 64)
    kind = gdjax.DiscreteGaussian()
    x, kernel, bias = noise(1, 4, 83, 2), noise(2, 2, 3, seed=1), noise(3, seed=2)
    layer = GaussianDerivative(
        3, order=1, sigma=1.7, discretisation=kind, padding="symmetric", eps=None
    )
    expected = layer_oracle(
        x, kernel, bias, 1.7, order=1, discretisation=kind, padding="symmetric"
    )
    variables = {"params": {"kernel": kernel, "bias": bias}}
    np.testing.assert_allclose(layer.apply(variables, x), expected, atol=1e-12)
