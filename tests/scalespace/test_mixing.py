"""Both ways to mix the N-jet, and the chunks of images of one of them."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gdjax
from gdjax.layers import GaussianDerivative, NJetConv
from gdjax.scalespace import channelwise, chunks, mixing
from gdjax.scalespace.axes import matrix_filter
from gdjax.scalespace.jets import make_filter
from gdjax.scalespace.stencil import combine, combine_by_products
from gdjax.scalespace.windows import full_window


def noise(*shape, seed=0, dtype=np.float32):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


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


@pytest.mark.parametrize("count", [1, 4, 6, 7])
def test_every_image_is_seen_once_and_in_its_place(monkeypatch, count):
    monkeypatch.setattr(chunks, "chunk_size", lambda count, *_: min(count, 3))
    x = noise(count, 2, 5, 3)
    y = chunks.over_images(lambda some: 2 * some[:, 0], x)
    np.testing.assert_array_equal(y, 2 * x[:, 0])


@pytest.mark.parametrize("features", [2, 3, 4])
@pytest.mark.parametrize(
    ("ndim", "order"), [(1, 4), (2, 1), (2, 2), (2, 3), (2, 4), (3, 2)]
)
def test_products_are_the_convolution_with_its_gradients(x64, ndim, order, features):
    orders = gdjax.derivative_orders(order, zero_order=order % 2 == 0, ndim=ndim)
    x = noise(2, *(8, 7, 6)[:ndim], 3, dtype=np.float64)
    kernel = noise(len(orders), 3, features, seed=1, dtype=np.float64)
    bias = noise(features, seed=3, dtype=np.float64)

    @functools.partial(jax.jit, static_argnums=0)
    def values(way, *inputs):
        run = lambda x, kernel, bias: way(x, kernel, orders, bias)  # noqa: E731
        y, pull_back = jax.vjp(run, *inputs)
        return y, *pull_back(noise(*y.shape, seed=2, dtype=np.float64))

    one, other = (
        values(way, x, kernel, bias) for way in (combine_by_products, combine)
    )
    # Sums of up to 375 products of numbers of order 10.
    for a, b in zip(one, other, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-11)


def mix(how, discretisation, x, kernel, sigma, *, bias=None, ndim=2):
    """`mix_njet` without its choice of the way."""
    filter_ = make_filter(
        discretisation, padding="zero", eps=0.01, ndim=ndim, max_order=2
    )
    windows = tuple(full_window(n) for n in x.shape[1:-1])
    prepare = mixing.prepare_separable
    if discretisation.shared_smoothing:
        prepare = mixing.prepare_smoothing
    orders = gdjax.derivative_orders(2, ndim=ndim)
    run, weights = prepare(
        kernel, sigma, filter_, orders, windows, windows, jnp.dtype(x.dtype)
    )
    return how(run, weights, bias, x)


@pytest.mark.parametrize(
    ("discretisation", "depthwise"),
    [
        (gdjax.DiscreteGaussian(), False),
        (gdjax.DiscreteGaussian(), True),
        (gdjax.SpectralGaussian(), False),
    ],
    ids=str,
)
def test_both_ways_agree_in_value_and_gradient(
    x64, monkeypatch, discretisation, depthwise
):
    monkeypatch.setattr(chunks, "chunk_size", lambda count, *_: 2)
    x = noise(5, 9, 8, 3, dtype=np.float64)
    kernel = noise(*((5, 3) if depthwise else (5, 3, 4)), dtype=np.float64)

    bias = noise(kernel.shape[-1], seed=4, dtype=np.float64)

    def loss(how, x, kernel, sigma, bias):
        y = mix(how, discretisation, x, kernel, sigma, bias=bias)
        return (jnp.sin(y)).sum(), y

    results = []
    for how in (mixing.mix_at_once, mixing.mix_in_chunks):
        run = functools.partial(loss, how)
        run = jax.jit(jax.value_and_grad(run, (0, 1, 2, 3), has_aux=True))
        results.append(run(x, kernel, 1.3, bias))
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-10), *results
    )


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_the_jet_may_be_filtered_before_or_while_it_is_mixed(x64, ndim):
    orders = gdjax.derivative_orders(2, ndim=ndim)
    x = noise(2, *(7, 6, 5)[:ndim], 2, dtype=np.float64)
    kernel = noise(len(orders), 2, 3, seed=1, dtype=np.float64)
    filters = {
        (depth, n): matrix_filter(noise(4, x.shape[-1 - depth], seed=depth + 10 * n))
        for depth in range(1, ndim + 1)
        for n in range(3)
    }
    results = []
    for way in (mixing.jet_order, mixing.separable_order):
        run = way(filters, orders, x.dtype)

        def values(x, kernel, run=run):
            y, pull_back = jax.vjp(lambda x, k: run(x, k, None, None), x, kernel)
            return y, *pull_back(jnp.cos(y))

        results.append(jax.jit(values)(x, kernel))
    for one, other in zip(*results, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-8)


def test_few_channels_are_filtered_first():
    orders = gdjax.derivative_orders(3, zero_order=True)
    # Along y 10 maps per input channel, or 4 per output channel.
    assert mixing.worth_jet((10, 3, 8), orders)
    assert not mixing.worth_jet((10, 4, 10), orders)


@pytest.mark.parametrize(
    ("sharing", "groups"), [("input", 1), ("output", 2), ("input", 4), ("output", 4)]
)
def test_chunks_of_channelwise_layers_are_the_whole(x64, monkeypatch, sharing, groups):
    monkeypatch.setattr(chunks, "chunk_size", lambda count, *_: 2)
    layer = NJetConv(4, order=1, sharing=sharing, groups=groups, use_bias=False)
    x = noise(5, 6, 7, 4, dtype=np.float64)
    shapes = jax.eval_shape(layer.init, jax.random.key(0), x)
    variables = jax.tree.map(lambda a: noise(*a.shape, dtype=np.float64), shapes)

    def loss(chunked, variables, x):
        monkeypatch.setattr(channelwise, "worth_chunks", lambda *_: chunked)
        y = layer.apply(variables, x)
        return jnp.sin(y).sum(), y

    def run(chunked):
        way = functools.partial(loss, chunked)
        return jax.jit(jax.value_and_grad(way, (0, 1), has_aux=True))(variables, x)

    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-10),
        run(True), run(False),
    )  # fmt: skip


def test_forward_mode_and_vmap_work_in_chunks(x64, monkeypatch):
    monkeypatch.setattr(chunks, "chunk_size", lambda count, *_: 2)
    x, kernel = noise(4, 9, 8, 3, dtype=np.float64), noise(5, 3, 4, dtype=np.float64)

    @functools.partial(jax.jit, static_argnums=0)
    def run(how, sigma):
        return mix(how, gdjax.DiscreteGaussian(), x, kernel, sigma)

    one, other = (
        jax.jvp(functools.partial(run, how), (1.3,), (1.0,))
        for how in (mixing.mix_in_chunks, mixing.mix_at_once)
    )
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-12), one, other)
    sigmas = jnp.array([0.8, 1.3])
    mapped = jax.vmap(functools.partial(run, mixing.mix_in_chunks))(sigmas)
    for sigma, y in zip(sigmas, mapped, strict=True):
        np.testing.assert_allclose(y, run(mixing.mix_at_once, sigma), atol=1e-12)


def test_large_layers_take_chunks_on_cpus_and_small_ones_do_not():
    assert chunks.worth_chunks((16, 72, 72, 32), 32)
    assert not chunks.worth_chunks((8, 72, 72, 12), 16)
    assert chunks.worth_chunks((64, 72, 72, 16), 24)


def test_one_product_of_large_layers_takes_12_mib_at_a_time():
    assert chunks.product_pixels((4, 72, 72, 32), (5, 32, 32)) is None
    pixels = chunks.product_pixels((16, 72, 72, 32), (5, 32, 64))
    assert 4 * pixels * 5 * 32 <= 12 * 2**20 < 4 * (pixels + 1) * 5 * 32
    assert chunks.product_pixels((64, 72, 72, 32), (5, 32)) is None
    assert chunks.product_pixels((64, 72, 72, 10**7), (5, 10**7, 10**7)) == 1


def test_one_product_in_chunks_is_the_whole(x64, monkeypatch):
    layer = GaussianDerivative(4, sigma=1.3)
    x = noise(10, 9, 8, 3, dtype=np.float64)
    variables = layer.init(jax.random.key(0), x)

    def run(values):
        monkeypatch.setattr(chunks, "MAP_VALUES", values)

        def loss(variables, x):
            y = layer.apply(variables, x)
            return jnp.sin(y).sum(), y

        step = jax.value_and_grad(loss, (0, 1), has_aux=True)
        chunked = values < 9000 and chunks.on_cpu()
        assert ("scan" in str(jax.make_jaxpr(step)(variables, x))) == chunked
        return jax.jit(step)(variables, x)

    # 2 of 10 images at a time; all as a whole.
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-10),
        run(2250), run(10000),
    )  # fmt: skip


def test_calls_outside_of_jit_compile_once(caplog):
    kind = gdjax.SpectralGaussian()  # in chunks
    layer = GaussianDerivative(32, sigma=1.0, discretisation=kind)
    x = noise(2, 11, 13, 32)
    variables = layer.init(jax.random.key(0), x[:, :5])
    with jax.log_compiles():
        for _ in range(2):
            layer.apply(variables, x)
    found = [m for m in caplog.messages if "Compiling" in m and "_mix_large" in m]
    assert len(found) == chunks.on_cpu()
