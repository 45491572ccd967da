"""Scale convolutions beside loops over scales with dense filters."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree
from scipy.ndimage import correlate, gaussian_filter

import gdjax
from gdjax.layers import LearnedScales, ScaleConv
from gdjax.scalespace import HermiteA, HermiteB, hermite_basis_a, hermite_basis_b


SCALES = tuple(1.5 * 2 ** (k / 3) for k in range(4))  # 1.5 to 3 px
BASES = {"A": HermiteA(2), "B": HermiteB(2, 1.4, 9)}
every_basis = pytest.mark.parametrize("basis", BASES.values(), ids=BASES)


def noise(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def dense(basis, extent):
    size = 2 * math.ceil(extent * SCALES[-1] - 1e-9) + 1
    if isinstance(basis, HermiteA):
        made = functools.partial(hermite_basis_a, order=basis.order)
    else:
        fields = {name: getattr(basis, name) for name in ("order", "mult", "functions")}
        made = functools.partial(hermite_basis_b, **fields)
    return np.asarray(made(np.array(SCALES), size=size, extent=extent))


def twin(x, kernel, bias, basis, *, extent, more=()):
    """x [S, B, H, W, C] with the scales beyond the coarsest one in `more`."""
    filters, channels = dense(basis, extent), x.shape[-1]
    levels = [*x, *more]
    depth = kernel.shape[1] // channels
    y = np.zeros((len(x), *x.shape[1:-1], kernel.shape[-1])) + bias
    for s in range(len(x)):
        for i in range(depth):
            for c in range(channels):
                for o in range(kernel.shape[-1]):
                    own = np.tensordot(kernel[:, i * channels + c, o], filters[:, s], 1)
                    for b in range(x.shape[1]):
                        given = np.asarray(levels[s + i])[b, ..., c]
                        y[s, b, ..., o] += correlate(given, own, mode="constant")
    return y


@every_basis
def test_lifting_is_a_loop_over_scales(basis, x64):
    x, extent = noise(1, 12, 13, 2), 2.0
    layer = ScaleConv(2, SCALES, basis=basis, lift=True, extent=extent)
    kernel, bias = noise(basis.functions, 2, 2, seed=1), noise(2, seed=2)
    variables = {"params": {"kernel": jnp.asarray(kernel), "bias": jnp.asarray(bias)}}
    found = layer.apply(variables, jnp.asarray(x))
    given = np.broadcast_to(x, (4, *x.shape))
    wanted = twin(given, kernel, bias, basis, extent=extent)
    np.testing.assert_allclose(found, wanted, atol=1e-10 * abs(wanted).max())
    single = jax.tree.map(lambda a: a.astype(jnp.float32), (variables, jnp.asarray(x)))
    found = jax.jit(layer.apply)(*single)
    assert found.dtype == jnp.float32
    np.testing.assert_allclose(found, wanted, atol=1e-5 * abs(wanted).max())


@pytest.mark.parametrize("rule", ["truncate", "replicate", "continue", "extend"])
def test_scales_are_mixed_by_every_border_rule(rule, x64):
    basis, extent = BASES["A"], 2.0
    x = noise(4, 1, 9, 8, 2)
    layer = ScaleConv(
        3, SCALES, basis=basis, scale_dim=2, scale_axis=rule, extent=extent,
        discretisation=gdjax.SampledGaussianDerivatives(), use_bias=False,
    )  # fmt: skip
    kernel = noise(basis.functions, 4, 3, seed=1)
    found = layer.apply({"params": {"kernel": jnp.asarray(kernel)}}, jnp.asarray(x))
    more = {"truncate": [np.zeros_like(x[-1])], "replicate": [x[-1]]}.get(rule, [])
    if rule == "continue":
        ratio = SCALES[-1] / SCALES[-2]
        sigma = SCALES[-1] * math.sqrt(ratio**2 - 1)
        on = gaussian_filter(
            x[-1], (0, sigma, sigma, 0), mode="constant", truncate=12 / sigma
        )
        more = [on]
    wanted = twin(x[:3] if rule == "extend" else x, kernel, 0.0, basis, extent=extent,
                  more=[x[3]] if rule == "extend" else more)  # fmt: skip
    # scipy's Gaussian has sum 1, the sampled one 1 to a few parts in 1e8.
    tolerance = 1e-6 if rule == "continue" else 1e-10
    np.testing.assert_allclose(found, wanted, atol=tolerance * abs(wanted).max())


@pytest.mark.parametrize("learned", ["isr", "spacings", "direct"])
def test_gradients_of_learned_scales(learned, x64):
    module = LearnedScales(3, sigma=1.3, isr=2.2, learned=learned)
    params = module.init(jax.random.key(0))["params"]
    params = jax.tree.map(lambda p: p.astype(jnp.float64), params)
    layer = ScaleConv(2, basis=BASES["B"], lift=True, extent=None)
    x, target = jnp.asarray(noise(1, 9, 9, 1)), noise(3, 1, 9, 9, 2, seed=3)
    kernel = {"kernel": noise(9, 1, 2, seed=1), "bias": noise(2, seed=2)}

    @jax.jit
    def score(params):
        scales = module.apply({"params": params})
        return (layer.apply({"params": kernel}, x, scales=scales) * target).sum()

    found, step = jax.grad(score)(params), 1e-6
    flat, tree = ravel_pytree(params)
    slopes, _ = ravel_pytree(found)
    for k in range(flat.size):
        shift = step * np.eye(flat.size)[k]
        wanted = (score(tree(flat + shift)) - score(tree(flat - shift))) / (2 * step)
        np.testing.assert_allclose(slopes[k], wanted, rtol=1e-5)


def test_new_scales_compile_nothing():
    layer, x = ScaleConv(2, basis=BASES["A"], lift=True), jnp.ones((1, 24, 24, 1))
    variables = layer.init(jax.random.key(0), x, scales=SCALES)
    run = jax.jit(lambda scales: layer.apply(variables, x, scales=scales))
    for factor in (1.0, 1.1, 1.7):
        run(factor * jnp.array(SCALES))
    assert run._cache_size() == 1


def test_scales_that_passed_each_other_are_as_good():
    """As each by itself may have learned; filters are normalised at the finest."""
    layer, x = ScaleConv(2, basis=BASES["A"], lift=True), jnp.ones((1, 16, 16, 1))
    variables = layer.init(jax.random.key(0), x, scales=SCALES)
    wanted = layer.apply(variables, x, scales=jnp.array(SCALES))
    found = layer.apply(variables, x, scales=jnp.array(SCALES[::-1]))
    np.testing.assert_allclose(found[::-1], wanted, atol=1e-5)


def test_weights_start_as_in_the_code_of_sesn():
    layer = ScaleConv(64, SCALES, basis=HermiteA(4), scale_dim=2, extent=2.0)
    params = layer.init(jax.random.key(0), jnp.ones((4, 1, 8, 8, 16)))["params"]
    bound = 1 / math.sqrt(25 * 2 * 16)
    assert params["kernel"].shape == (25, 32, 64)
    assert 0.99 * bound < abs(params["kernel"]).max() <= bound


@pytest.mark.parametrize(
    ("fields", "shape", "message"),
    [
        ({"scales": ()}, (1, 9, 9, 1), "one or more"),
        ({"scales": (2.0, 1.0)}, (1, 9, 9, 1), "must increase"),
        ({"scales": (1.0, 5.0)}, (1, 9, 9, 1), "reach beyond images of 9 x 9"),
        ({"scales": None}, (1, 9, 9, 1), "neither as a field nor at the call"),
        ({"lift": False}, (2, 1, 9, 9, 1), "has not the 4 scales"),
        ({"lift": False, "scale_dim": 5}, (4, 1, 9, 9, 1), "number of scales"),
        ({"scale_dim": 2}, (1, 9, 9, 1), "no scales to mix"),
        ({"features": 0}, (1, 9, 9, 1), "features"),
    ],
)
def test_bad_layers(fields, shape, message):
    given = {"features": 2, "scales": SCALES, "lift": True, "extent": 2.0} | fields
    with pytest.raises(ValueError, match=message):
        ScaleConv(**given).init(jax.random.key(0), jnp.ones(shape))


def test_filters_do_not_depend_on_the_size_of_images(x64):
    """The response to one pixel, on 24 px and in the middle of 48 px of zeros."""
    layer = ScaleConv(
        2, (0.6, 0.9), basis=BASES["A"], lift=True, extent=None, use_bias=False,
        discretisation=gdjax.SpectralGaussian(),
    )  # fmt: skip
    small = np.zeros((1, 24, 24, 1))
    small[0, 12, 12] = 1.0
    wide = np.pad(small, ((0, 0), (12, 12), (12, 12), (0, 0)))
    variables = layer.init(jax.random.key(0), small)
    found = layer.apply(variables, wide)[:, :, 12:36, 12:36]
    np.testing.assert_allclose(found, layer.apply(variables, small), atol=1e-12)
