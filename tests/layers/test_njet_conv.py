"""The N-Jet layer beside dense filters of Hermite functions."""

import functools
import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.polynomial import hermite as physicists
from scipy.ndimage import correlate

import gdjax
from gdjax.layers import LearnedSigma, NJetConv


def noise(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def basis(order, sigma, extent):
    """[njet] (2)-(3): (-1 / sqrt 2)^n H_n(x / (sqrt 2 sigma)) times a sampled Gaussian.

    {(n_x, n_y): filter}, as it is convolved with, times sigma^(n_x + n_y).
    """
    n = np.arange(-math.ceil(extent * sigma), math.ceil(extent * sigma) + 1)
    g = np.exp(-(n**2) / (2 * sigma**2))
    g = g / g.sum()
    lines = [
        (-1 / math.sqrt(2)) ** k
        * physicists.hermval(n / (math.sqrt(2) * sigma), [0] * k + [1])
        * g
        for k in range(order + 1)
    ]
    pairs = itertools.product(range(order + 1), repeat=2)
    return {(i, j): np.outer(lines[j], lines[i]) for i, j in pairs if i + j <= order}


def twin(x, kernel, bias, sigmas, *, order, extent, groups=1):
    """The layer by dense filters; `sigmas` [C_in, C_out], a sigma for every pair."""
    orders = gdjax.derivative_orders(order, zero_order=True)
    inputs, features = x.shape[-1], kernel.shape[-1]
    y = np.zeros((*x.shape[:-1], features)) + bias
    per_in, per_out = inputs // groups, features // groups
    for c, o in itertools.product(range(inputs), range(features)):
        if c // per_in != o // per_out:
            continue
        filters = basis(order, sigmas[c, o], extent)
        dense = sum(kernel[j, c % per_in, o] * filters[a] for j, a in enumerate(orders))
        for b in range(len(x)):
            flipped = dense[::-1, ::-1]  # convolution
            y[b, ..., o] += correlate(x[b, ..., c], flipped, mode="constant")
    return y


def parameters(layer, channels, seed=0):
    """Random parameters; the sigmas differ where there are several."""
    shapes = jax.eval_shape(
        layer.init, jax.random.key(0), jnp.zeros((1, 4, 4, channels))
    )
    leaves, tree = jax.tree.flatten(shapes)
    arrays = [noise(*leaf.shape, seed=seed + k) for k, leaf in enumerate(leaves)]
    return jax.tree.unflatten(tree, arrays)


def sigma_of(layer, variables):
    low, high = np.log2(layer.bounds)
    q = variables["params"]["sigma"]["logit"]
    return 2 ** (low + (high - low) / (1 + np.exp(-q)))


def pairs(layer, sigma, channels):
    """The sigma of every pair of channels."""
    shape = channels, layer.features
    if layer.sharing == "output":
        return np.broadcast_to(sigma, shape)
    if layer.sharing == "group":
        sigma = np.repeat(sigma, channels // layer.groups)
    return np.broadcast_to(np.reshape(sigma, (-1, 1)), shape)


@pytest.mark.parametrize("order", [0, 1, 4])
def test_layers_are_dense_filters(order):
    layer = NJetConv(3, order=order)
    x = noise(2, 15, 14, 2).astype(np.float32)
    variables = jax.jit(layer.init)(jax.random.key(1), x)
    params = jax.tree.map(np.float64, variables["params"])
    run = jax.jit(layer.apply)
    low, high = np.log2(layer.bounds)
    for sigma in (0.5, 1.0, 1.7, 3.0, 6.0):
        share = (np.log2(sigma) - low) / (high - low)
        variables["params"]["sigma"]["logit"] = np.float32(np.log(share / (1 - share)))
        expected = twin(
            x.astype(float), params["kernel"], params["bias"], np.full((2, 3), sigma),
            order=order, extent=2.0,
        )  # fmt: skip
        np.testing.assert_allclose(run(variables, x), expected, atol=1e-5)
    np.testing.assert_allclose(layer.apply(variables, x), expected, atol=1e-5)


@pytest.mark.parametrize("sharing", ["layer", "input", "output", "group"])
@pytest.mark.parametrize(("groups", "features"), [(1, 3), (2, 6), (4, 8)])
def test_every_sharing_and_grouping_is_dense_filters(x64, sharing, groups, features):
    layer = NJetConv(features, order=2, groups=groups, sharing=sharing, sigma=1.5)
    x, variables = noise(1, 9, 11, 4), parameters(layer, 4)
    params = variables["params"]
    sigmas = pairs(layer, sigma_of(layer, variables), 4)
    expected = twin(
        x, params["kernel"], params["bias"], sigmas, order=2, extent=2.0, groups=groups
    )
    np.testing.assert_allclose(jax.jit(layer.apply)(variables, x), expected, atol=1e-11)


@pytest.mark.parametrize(
    ("kind", "sharing"),
    [
        (gdjax.DiscreteGaussian(), "output"),
        (gdjax.SpectralGaussian(), "input"),
        (gdjax.NormalizedSampledGaussianDerivatives(), "layer"),
        (gdjax.NormalizedSampledGaussianDerivatives(), "output"),
    ],
    ids=str,
)
def test_gradients_are_finite_differences(x64, sharing, kind):
    layer = NJetConv(
        2, order=2, sharing=sharing, discretisation=kind, bounds=(0.5, 4.0), sigma=1.2
    )
    x, variables = noise(1, 8, 7, 2), parameters(layer, 2)

    @jax.jit
    def loss(variables):
        return jnp.sin(layer.apply(variables, x)).sum()

    slopes, step = jax.grad(loss)(variables), 1e-6
    for (path, leaf), slope in zip(
        jax.tree_util.tree_leaves_with_path(variables),
        jax.tree.leaves(slopes),
        strict=True,
    ):
        direction = noise(*leaf.shape, seed=7)

        def moved(size, path=path, direction=direction):
            return jax.tree_util.tree_map_with_path(
                lambda p, v: v + size * direction if p == path else v, variables
            )

        found = (loss(moved(step)) - loss(moved(-step))) / (2 * step)
        np.testing.assert_allclose(
            (slope * direction).sum(), found, rtol=1e-5, atol=1e-7
        )
    assert np.abs(slopes["params"]["sigma"]["logit"]).min() > 0


def test_sigma_stays_within_its_bounds_whatever_the_parameter_is():
    sigma = LearnedSigma(2.0, bounds=(0.5, 8.0), shape=(3,))
    start = sigma.init(jax.random.key(0))
    np.testing.assert_allclose(sigma.apply(start), 2.0, rtol=1e-6)
    far = {"params": {"logit": jnp.array([-1e3, 0.0, 1e3])}}
    np.testing.assert_allclose(sigma.apply(far), [0.5, 2.0, 8.0], rtol=1e-6)


def test_nothing_is_compiled_again_whatever_sigma_does():
    layer, x = NJetConv(2, sigma=1.0), noise(1, 12, 12, 1).astype(np.float32)
    variables = layer.init(jax.random.key(0), x)
    count = 0

    @jax.jit
    def run(variables):
        nonlocal count
        count += 1
        return layer.apply(variables, x)

    for logit in (-3.0, 0.0, 3.0):
        variables["params"]["sigma"]["logit"] = jnp.float32(logit)
        assert np.isfinite(run(variables)).all()
    assert count == 1


def test_a_sigma_from_outside_ties_layers():
    layer, x = NJetConv(2, sharing="input"), noise(1, 9, 9, 3).astype(np.float32)
    sigma = jnp.array([0.7, 1.0, 2.0])
    variables = layer.init(jax.random.key(0), x, sigma=sigma)
    assert "sigma" not in variables["params"]
    fixed = NJetConv(2, sharing="input", learn_sigma=False, sigma=1.0)
    both = [layer.apply(variables, x, sigma=1.0), fixed.apply(variables, x)]
    np.testing.assert_allclose(*both, atol=1e-6)
    with pytest.raises(ValueError, match=r"`sigma` has shape \(2,\).*\(3,\)"):
        layer.apply(variables, x, sigma=sigma[:2])


@pytest.mark.parametrize("ndim", [1, 3])
def test_other_dimensions_and_vmap(ndim):
    layer = NJetConv(2, order=2, ndim=ndim, sharing="input")
    x = noise(2, *(6, 7, 5)[:ndim], 2).astype(np.float32)
    variables = layer.init(jax.random.key(0), x)
    y = layer.apply(variables, x)
    assert y.shape == (*x.shape[:-1], 2)
    mapped = jax.vmap(functools.partial(layer.apply, variables))(x)
    np.testing.assert_allclose(mapped, y, atol=1e-5)


def test_gain_scales_the_initial_weights():
    x = jnp.zeros((1, 4, 4, 3))
    one, two = (
        NJetConv(5, gain=gain).init(jax.random.key(0), x)["params"]["kernel"]
        for gain in (1.0, 2.0)
    )
    np.testing.assert_allclose(two, 2 * one, rtol=1e-6)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"order": -1}, "`order=-1` must be >= 0"),
        ({"order": 0, "zero_order": False}, "`order=0` must be >= 1"),
        ({"sigma": 0.1}, r"`sigma=0.1` must lie between the bounds \(0.25, 16.0\)"),
        ({"sigma": float("nan")}, "`sigma=nan` must be a finite"),
        ({"bounds": (2.0,)}, "`bounds=.*must be a tuple of 2"),
        ({"bounds": (0.0, 4.0)}, "`bounds=.*must be the lowest and the highest"),
        ({"bounds": (0.25, 1e300)}, "`bounds=.*from 0.0001 to 100000"),
        ({"sigma": 1e19, "learn_sigma": False}, "`sigma=1e.19` must be at most 100000"),
        ({"groups": 3}, "`groups=3` must divide `features=4`"),
        ({"sharing": "filter"}, "`sharing='filter'` must be"),
        ({"extent": 0.0}, "`extent=0.0`"),
        ({"padding": "reflect"}, "`padding='reflect'`"),
        ({"gain": 0.0}, "`gain=0.0` must be positive"),
        ({"gain": float("nan")}, "`gain=nan` must be a finite"),
    ],
)
def test_bad_fields_are_named(fields, message):
    with pytest.raises(ValueError, match=message):
        NJetConv(4, **fields)


def test_sigmas_without_a_kernel_are_refused_at_the_call():
    with pytest.raises(ValueError, match="`sigma=1e.19` must be at most 100000 px"):
        NJetConv(2).init(jax.random.key(0), jnp.zeros((1, 4, 4, 3)), sigma=1e19)


@pytest.mark.parametrize("bounds", [(0.25, 1e300), (1e-300, 1.0)])
def test_bounds_are_those_of_kernels(bounds):
    with pytest.raises(ValueError, match="`bounds=.*from 0.0001 to 100000"):
        gdjax.layers.sigma_of(0.0, bounds)


def test_a_gain_that_is_no_number():
    with pytest.raises(TypeError, match="`gain='he'` must be a finite number"):
        NJetConv(4, gain="he")


def test_groups_must_divide_the_input():
    layer = NJetConv(4, groups=2)
    with pytest.raises(ValueError, match="3 channels, which `groups=2` doesn't divide"):
        layer.init(jax.random.key(0), jnp.zeros((1, 4, 4, 3)))
