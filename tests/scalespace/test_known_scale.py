"""Large layers of known sigma: chunks with gradients of their own."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gdjax
from gdjax.scalespace import chunks, known_scale, mixing
from gdjax.scalespace.jets import make_filter
from gdjax.scalespace.windows import Window


SIGMA = 1.3
WAYS = {
    "smoothing": (gdjax.DiscreteGaussian(), mixing.prepare_smoothing),
    "separable": (gdjax.SpectralGaussian(), mixing.prepare_separable),
    "low rank": (gdjax.SpectralGaussian(), mixing.prepare_low_rank),
}


@pytest.fixture(autouse=True)
def two_images_a_chunk(monkeypatch):
    def size(count, pixels, limit=0):
        return min(count, 2)

    monkeypatch.setattr(chunks, "chunk_size", size)
    monkeypatch.setattr(known_scale, "chunk_size", size)


def noise(*shape, seed=0, dtype=np.float64):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def layers(name, *, shape=(9, 8), depthwise=False, dtype=np.float64):
    """The layer as a whole and in chunks: (x, kernel, bias) -> y; and these arrays."""
    discretisation, prepare = WAYS[name]
    filter_ = make_filter(
        discretisation, padding="zero", eps=None, ndim=len(shape), max_order=2
    )
    sources = tuple(Window(n, 1, n) for n in shape)
    targets = tuple(Window(n, 2, n - 1) for n in shape)
    orders = gdjax.derivative_orders(2, ndim=len(shape))
    terms = (len(orders), 3) if depthwise else (len(orders), 3, 4)
    x = noise(5, *(w.length for w in sources), 3, dtype=dtype)
    kernel = noise(*terms, seed=1, dtype=np.promote_types(dtype, np.float32))
    bias = noise(terms[-1], seed=2, dtype=kernel.dtype)
    where = filter_, orders, sources, targets
    layer = known_scale.Layer(
        prepare, SIGMA, *where, x.dtype, jnp.dtype(dtype), terms, maps=1
    )

    def whole(x, kernel, bias):
        run, weights = prepare(kernel, np.float64(SIGMA), *where, jnp.dtype(dtype))
        return mixing.mix_at_once(run, weights, bias, x)

    def chunked(x, kernel, bias):
        return known_scale.mix_known(x, kernel, bias, layer)

    return whole, chunked, (x, kernel, bias)


def agree(one, other, tolerance=1e-11):
    """Up to rounding of sums of up to 500 products of numbers of order 10."""
    jax.tree.map(
        functools.partial(np.testing.assert_allclose, rtol=tolerance, atol=tolerance),
        one,
        other,
    )


@pytest.mark.parametrize("depthwise", [False, True], ids=["mixed", "depthwise"])
@pytest.mark.parametrize("name", list(WAYS))
def test_values_and_gradients_are_those_of_the_whole(x64, name, depthwise):
    *ways, arrays = layers(name, depthwise=depthwise)

    def values(way, *arrays):
        y, pull_back = jax.vjp(way, *arrays)
        return y, *pull_back(jnp.cos(y))

    agree(*(jax.jit(functools.partial(values, way))(*arrays) for way in ways))


@pytest.mark.parametrize("shape", [(12,), (6, 7, 5)], ids=["1-D", "3-D"])
def test_other_dimensions(x64, shape):
    *ways, arrays = layers("smoothing", shape=shape)
    losses = [lambda *a, way=way: jnp.sin(way(*a)).sum() for way in ways]
    agree(*(jax.jit(jax.grad(loss, (0, 1, 2)))(*arrays) for loss in losses))


def test_forward_mode_and_gradients_of_gradients(x64):
    *ways, (x, kernel, bias) = layers("smoothing")

    def hessian_product(way):
        def loss(kernel):
            return (way(x, kernel, bias) ** 3).sum()

        return jax.jit(lambda v: jax.jvp(jax.grad(loss), (kernel,), (v,)))(kernel)

    agree(*map(hessian_product, ways), tolerance=1e-9)  # of numbers of order 1e4


def test_gradients_of_images_alone_and_without_bias(x64):
    *ways, (x, kernel, _) = layers("smoothing")
    losses = [lambda x, way=way: jnp.sin(way(x, kernel, None)).sum() for way in ways]
    agree(*(jax.jit(jax.grad(loss))(x) for loss in losses))


def test_mapped(x64):
    whole, chunked, (x, kernel, bias) = layers("smoothing")
    many = jnp.stack([kernel, 2 * kernel])

    def loss(kernel):
        return jnp.sin(chunked(x, kernel, bias)).sum()

    mapped = jax.jit(jax.vmap(jax.value_and_grad(loss)))(many)
    for k, one in enumerate(many):
        found = jax.tree.map(lambda a, k=k: a[k], mapped)
        agree(found, jax.jit(jax.value_and_grad(loss))(one))
    agree(chunked(x, kernel, bias), whole(x, kernel, bias))


def test_reduced_precision_is_kept():
    _, chunked, (x, kernel, bias) = layers("smoothing", dtype=jnp.bfloat16)
    gradients = jax.grad(
        lambda x, k: chunked(x, k, bias).astype(jnp.float32).sum(), (0, 1)
    )(x, kernel)
    assert chunked(x, kernel, bias).dtype == gradients[0].dtype == jnp.bfloat16
    assert gradients[1].dtype == jnp.float32
