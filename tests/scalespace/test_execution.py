"""What changes only speed: beside the same without it, under `plain`."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

import gdjax
from gdjax.layers import GaussianDerivative, NJetConv
from gdjax.models import GaussDerResNet
from gdjax.scalespace import combine as combining, plain
from gdjax.scalespace.derivatives import difference_stencils
from gdjax.scalespace.execution import routines
from gdjax.scalespace.execution.along import along_axes
from gdjax.scalespace.execution.apart import kept_apart
from gdjax.scalespace.execution.products import DifferenceProducts, mix_channels
from gdjax.scalespace.execution.recompute import recomputed
from gdjax.scalespace.stencil import combine


def noise(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


@pytest.mark.parametrize("features", [2, 3, 4])
@pytest.mark.parametrize(
    ("ndim", "order"), [(1, 4), (2, 1), (2, 2), (2, 3), (2, 4), (3, 2)]
)
def test_products_are_the_convolution_with_its_gradients(x64, ndim, order, features):
    orders = gdjax.derivative_orders(order, zero_order=order % 2 == 0, ndim=ndim)
    x = jnp.asarray(noise(2, *(8, 7, 6)[:ndim], 3))
    kernel = jnp.asarray(noise(len(orders), 3, features, seed=1))
    arrays = x, kernel, jnp.asarray(noise(features, seed=3))

    def convolution(x, kernel, bias):
        stencils = jnp.moveaxis(jnp.asarray(difference_stencils(orders)), 0, -1)
        axes = "DHW"[-ndim:]
        y = jax.lax.conv_general_dilated(
            x, jnp.tensordot(stencils, kernel, axes=1), (1,) * ndim, "VALID",
            dimension_numbers=(f"N{axes}C", f"{axes}IO", f"N{axes}C"),
        )  # fmt: skip
        return y + bias

    @jax.jit
    def both(*arrays):
        y, pull_back = jax.vjp(convolution, *arrays)
        gradient = jnp.asarray(noise(*y.shape, seed=2))
        products = DifferenceProducts(orders)
        found = products.backward(arrays, (gradient,), (True,) * 3)
        product = products.cpu(*arrays)
        return (y, *pull_back(gradient)), (product, *found)

    # Sums of up to 375 products of numbers of order 10.
    for a, b in zip(*both(*arrays), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-11)


@pytest.mark.parametrize(
    ("discretisation", "x_axis"),
    [("DiscreteGaussian", None), ("SpectralGaussian", 0), ("DiscreteGaussian", 1)],
)
def test_scale_channels_in_chunks_with_their_gradients(
    x64, monkeypatch, discretisation, x_axis
):
    """Sigmas mapped, images mapped along any axis or shared, weights shared."""
    monkeypatch.setattr(combining, "worth_chunks", lambda *_: True)
    monkeypatch.setattr(combining.Separable, "pixels", 42)
    filter_ = gdjax.scalespace.Filter(
        getattr(gdjax, discretisation)(), "zero", None, 2, 2
    )
    x = noise(4, 3, 7, 6, 2) if x_axis is None else noise(4, 3, 7, 6, 2)[:3]
    x, kernel = jnp.asarray(x), jnp.asarray(noise(6, 2, 3, seed=1))
    sigmas = jnp.asarray([0.8, 1.3, 2.1])

    def mixed(x, kernel, sigmas):
        def run(x, sigma):
            return combining.mix_njet(
                x, kernel, sigma, filter_=filter_,
                orders=gdjax.derivative_orders(2, zero_order=True),
            )  # fmt: skip

        return jax.vmap(run, (x_axis, 0))(x, sigmas)

    def both(*given):
        y, pull_back = jax.vjp(mixed, *given)
        return y, *pull_back(jnp.cos(y)), jax.jvp(mixed, given, given)[1]

    found = jax.jit(both)(x, kernel, sigmas)
    with plain():
        wanted = jax.jit(both)(x, kernel, sigmas)
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-10 * abs(b).max())


@pytest.mark.parametrize("features", [2, 4])  # fewer or more than channels
def test_derivatives_of_products_are_those_of_finite_differences(x64, features):
    run = functools.partial(combine, orders=gdjax.derivative_orders(2))
    arrays = noise(2, 7, 6, 3), noise(5, 3, features, seed=1), noise(features, seed=2)
    # Bilinear: finite differences are exact but for rounding.
    check_grads(
        jax.jit(run), arrays, order=2, modes=("fwd", "rev"), atol=1e-5, rtol=1e-5
    )


@pytest.mark.parametrize("moved", [(True, False), (False, True)])
@pytest.mark.parametrize("features", [2, 4])
def test_only_the_gradients_that_are_wanted_are_worked_out(features, moved):
    orders = gdjax.derivative_orders(2)
    x, kernel = jnp.ones((1, 7, 6, 3)), jnp.ones((5, 3, features))
    gradient = jnp.ones((1, 5, 4, features))
    products = DifferenceProducts(orders)
    (found,) = products.backward((x, kernel), (gradient,), moved)
    assert found.shape == (x if moved[0] else kernel).shape


@pytest.mark.parametrize("precision", [None, jax.lax.Precision.HIGHEST])
def test_dense_products_are_those_of_flax(precision):
    x, kernel = noise(2, 4, 3, 5).astype("f"), noise(5, 2, seed=1).astype("f")
    where = (((3,), (0,)), ((), ()))
    run = functools.partial(mix_channels, dimension_numbers=where, precision=precision)
    np.testing.assert_allclose(run(x, kernel), x @ kernel, rtol=1e-5)
    program = str(jax.make_jaxpr(run)(x, kernel))
    assert ("HIGHEST" in program) == (precision is not None)


def differences(x, *, reach):
    return x[reach:] - x[:-reach]


def test_what_is_apart_stays_a_function_of_the_program_and_nothing_else_does():
    def run(x):
        # `clip` is a jitted function of JAX.
        y = kept_apart(differences)(jnp.clip(x, 0.1, 5), reach=2)
        return jnp.sin(jnp.clip(y, -1, 1)).sum()

    x = noise(8, 3).astype(np.float32)
    compiled = jax.jit(run).lower(x).compile()
    on_cpu = jax.default_backend() == "cpu"
    assert compiled.as_text().count(" call(") == on_cpu
    y = np.clip(x, 0.1, 5)
    expected = np.sin(np.clip(y[2:] - y[:-2], -1, 1)).sum()
    np.testing.assert_allclose(compiled(x), expected, rtol=1e-5)
    # Its gradient is one function, too.
    backward = jax.jit(jax.grad(run)).lower(x).compile()
    assert backward.as_text().count(" call(") == 2 * on_cpu


def test_plain_leaves_out_everything_and_is_part_of_what_is_compiled():
    layer, x = GaussianDerivative(3, sigma=1.0), jnp.ones((1, 6, 5, 2))
    variables = layer.init(jax.random.key(0), x)
    run = jax.jit(layer.apply)
    text = run.lower(variables, x).as_text()
    assert ("inlineable" in text) == (jax.default_backend() == "cpu")
    with plain():
        text = run.lower(variables, x).as_text()
        assert "inlineable" not in text
        assert "gdjax_routine" not in str(jax.make_jaxpr(layer.apply)(variables, x))
    assert "gdjax_routine" in str(jax.make_jaxpr(layer.apply)(variables, x))


def test_nothing_is_compiled_where_that_is_switched_off():
    layer, x = GaussianDerivative(3, sigma=1.0), jnp.ones((1, 4, 3, 2))
    variables = layer.init(jax.random.key(0), x)
    expected = layer.apply(variables, x)
    with jax.disable_jit():
        found = layer.apply(variables, x)
        slope = jax.grad(lambda x: layer.apply(variables, x).sum())(x)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    assert slope.shape == x.shape


def chain(weights, x):
    """Three products whose inside is four times as large as input and output."""
    for w in weights:
        x = jnp.tanh(jnp.tanh(x @ w) @ w.T)
    return x, {"count": jnp.arange(2)}


def test_recomputation_changes_no_gradient_and_saves_memory():
    rng = np.random.default_rng(0)
    weights = [rng.standard_normal((16, 64)).astype(np.float32) / 8 for _ in range(3)]
    x = rng.standard_normal((512, 16)).astype(np.float32)

    def loss(run):
        def total(weights, x):
            for _ in range(4):
                x, _ = run(weights, x)
            return (x * x).sum()

        return jax.jit(jax.grad(total, (0, 1))).lower(weights, x).compile()

    kept, again = loss(chain), loss(recomputed(chain))
    # Sums of up to 512 terms, in another order: float32's rounding of the largest.
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(
            a, b, rtol=1e-5, atol=1e-6 * np.abs(b).max()
        ),
        kept(weights, x),
        again(weights, x),
    )
    sizes = [run.memory_analysis().temp_size_in_bytes for run in (kept, again)]
    assert sizes[1] <= 0.6 * sizes[0]


def test_recomputation_is_for_forward_mode_too():
    weights, x = [noise(3, 4).astype("f")], noise(5, 3).astype("f")
    found, expected = (
        jax.jvp(lambda x, run=run: run(weights, x)[0], (x,), (x,))
        for run in (recomputed(chain), chain)
    )
    jax.tree.map(
        functools.partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-6),
        found,
        expected,
    )


def test_keys_and_integers_pass_through():
    def draw(key, index, x):
        return x[index] * jax.random.normal(key, x.shape)

    key, x = jax.random.key(0), jnp.arange(3.0)
    args = (key, jnp.array(2), x)
    expected = jax.grad(lambda x: draw(key, args[1], x).sum())(x)
    found = jax.grad(lambda x: recomputed(draw)(key, args[1], x).sum())(x)
    np.testing.assert_array_equal(found, expected)


# One smoothing kernel for all orders, one kernel per order, kernels of any length: the
# others differ from these by numbers only.
DISCRETISATIONS = [
    gdjax.DiscreteGaussian(),
    gdjax.NormalizedSampledGaussianDerivatives(),
    gdjax.SpectralGaussian(),
]


@pytest.mark.parametrize(
    ("kind", "dtype"),
    [*((kind, np.float64) for kind in DISCRETISATIONS),
     (DISCRETISATIONS[0], jnp.bfloat16)],
    ids=lambda value: getattr(value, "__name__", str(value)),
)  # fmt: skip
def test_the_path_of_accelerators_is_that_of_cpus(x64, monkeypatch, kind, dtype):
    x = jnp.asarray(noise(2, 9, 8, 3), dtype)
    layers = [
        GaussianDerivative(5, sigma=1.2, discretisation=kind),
        GaussianDerivative(2, sigma=1.2, discretisation=kind, eps=None),
        GaussianDerivative(3, sigma=1.2, discretisation=kind, depthwise=True),
        NJetConv(4, order=1, discretisation=kind, sharing="input"),
        NJetConv(3, order=1, discretisation=kind, sharing="output", groups=3),
    ]
    variables = jax.jit(lambda x: [y.init(jax.random.key(0), x) for y in layers])(x)

    def results(variables, x):
        def loss(variables, x):
            ys = [y.apply(v, x) for y, v in zip(layers, variables, strict=True)]
            return sum(jnp.sin(y.astype(float)).sum() for y in ys), ys

        return jax.value_and_grad(loss, (0, 1), has_aux=True)(variables, x)

    # float32 weights; bfloat16 maps are rounded to 2^-9 some times on the way.
    rounding = 1e-6 if dtype == np.float64 else 2.0**-6
    on_every_path(monkeypatch, results, variables, x, rounding=rounding)


def on_every_path(monkeypatch, run, *arguments, rounding):
    """Plainly, on CPUs, and what accelerators get, gradients included, run on a CPU."""

    def plainly(*arguments):
        with plain():
            return run(*arguments)

    expected = jax.jit(plainly)(*arguments)
    found = [jax.jit(lambda *some: run(*some))(*arguments)]
    for kind in routines.Routine, routines._Jvp, routines._Transposed, routines._Mapped:
        monkeypatch.setattr(kind, "on", lambda own, _, on=kind.on: on(own, False))
    found.append(jax.jit(lambda *some: run(*some))(*arguments))
    for results in found:
        leaves = map(jax.tree.leaves, (results, expected))
        for a, b in zip(*leaves, strict=True):
            a, b = (np.asarray(y, np.float64) for y in (a, b))
            scale = np.abs(b).max(initial=1e-6)  # a bias before a norm has none
            np.testing.assert_allclose(a, b, rtol=0, atol=rounding * scale)


@pytest.mark.parametrize("shape", [(9, 2), (2, 9, 2), (9, 8, 2), (2, 9, 8, 2)], ids=str)
@pytest.mark.parametrize("sigma", [1.2, (1.2, 0.8)], ids=str)
def test_sigmas_are_learned_alike_on_every_path(x64, monkeypatch, shape, sigma):
    ndim = 1 if shape in [(9, 2), (2, 9, 2)] else 2
    x = jnp.asarray(noise(*shape))

    def results(sigma, x):
        def loss(sigma, x):
            return jnp.sin(gdjax.njet(x, sigma, ndim=ndim)).sum()

        return jax.value_and_grad(loss, (0, 1))(sigma, x)

    on_every_path(monkeypatch, results, jnp.asarray(sigma), x, rounding=1e-6)


@pytest.mark.parametrize(
    ("shape", "axes"),
    [((2, 6, 3), [-2]), ((2, 5, 6, 3), [-3, -2]), ((5, 6, 3), [-2, -3]),
     ((2, 4, 5, 6, 3), [-4, -3, -2]), ((1, 4, 5, 6, 1), [-2, -4]),
     ((0, 5, 6, 3), [-3, -2])],
)  # fmt: skip
def test_matrices_along_axes_are_einsums_on_every_path(x64, monkeypatch, shape, axes):
    x = jnp.asarray(noise(*shape))
    matrices = [jnp.asarray(noise(3, shape[axis], seed=-axis)) for axis in axes]
    expected = x
    for matrix, axis in zip(matrices, axes, strict=True):
        expected = jnp.moveaxis(jnp.tensordot(matrix, expected, (1, axis)), 0, axis)
    np.testing.assert_allclose(along_axes(matrices, x, axes=axes), expected, atol=1e-12)

    def results(x, matrices):
        def loss(x, matrices):
            return jnp.sin(along_axes(matrices, x, axes=axes)).sum()

        return jax.value_and_grad(loss, (0, 1))(x, matrices)

    on_every_path(monkeypatch, results, x, matrices, rounding=1e-12)


@pytest.mark.parametrize("kind", [gdjax.DiscreteGaussian, gdjax.SpectralGaussian])
def test_networks_are_alike_on_every_path(x64, monkeypatch, kind):
    # Two channels in one vmap and one by itself; layers with more pixels than values
    # per pixel and with fewer.
    net = GaussDerResNet(
        widths=(3, 4, 4), sigmas=(0.8, 1.0, 2.0), num_classes=3, discretisation=kind(),
        pyramid=0.8, dtype=jnp.float64,
    )  # fmt: skip
    x = jnp.asarray(noise(2, 15, 15, 1))
    variables = jax.jit(lambda x: net.init(jax.random.key(0), x))(x)

    def results(parameters, x):
        def loss(parameters, x):
            given = variables | {"params": parameters}
            (y, _), _ = net.apply(given, x, train=True, mutable=["batch_stats"])
            return jnp.sin(y).sum()

        return jax.value_and_grad(loss, (0, 1))(parameters, x)

    on_every_path(monkeypatch, results, variables["params"], x, rounding=1e-6)
