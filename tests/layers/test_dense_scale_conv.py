"""Scale convolutions with given filters beside loops over scales and channels."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.ndimage import correlate

from gdjax.layers import DenseScaleConv
from gdjax.scalespace import DiscoBasis, HermiteB


BASIS = DiscoBasis(order=2, functions=9, size=7)
SCALES = (0.8, 1.1, 1.6)
MODES = {"zero": "constant", "symmetric": "reflect", "edge": "nearest", "wrap": "wrap"}


def noise(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def twin(x, kernel, bias, padding):
    """x [S, B, H, W, C]; all 7 x 7 px of the filters, zeros and all."""
    filters = BASIS.filters(SCALES)
    y = np.zeros((*x.shape[:-1], kernel.shape[-1])) + bias
    for s, b, c, o in np.ndindex(*x.shape[:2], *kernel.shape[1:]):
        own = np.tensordot(kernel[:, c, o], filters[:, s], 1)
        y[s, b, ..., o] += correlate(x[s, b, ..., c], own, mode=MODES[padding])
    return y


@pytest.mark.parametrize("lift", [True, False])
@pytest.mark.parametrize("padding", MODES)
def test_it_is_a_loop_over_scales(lift, padding, x64):
    x = noise(2, 9, 8, 2) if lift else noise(3, 2, 9, 8, 2)
    kernel, bias = noise(9, 2, 3, seed=1), noise(3, seed=2)
    layer = DenseScaleConv(3, SCALES, BASIS, lift=lift, padding=padding)
    variables = {"params": {"kernel": jnp.asarray(kernel), "bias": jnp.asarray(bias)}}
    found = layer.apply(variables, jnp.asarray(x))
    given = np.broadcast_to(x, (3, *x.shape)) if lift else x
    wanted = twin(given, kernel, bias, padding)
    np.testing.assert_allclose(found, wanted, atol=1e-12 * abs(wanted).max())
    single = jax.tree.map(lambda a: a.astype(jnp.float32), (variables, jnp.asarray(x)))
    found = jax.jit(layer.apply)(*single)
    assert found.dtype == jnp.float32
    np.testing.assert_allclose(found, wanted, atol=1e-5 * abs(wanted).max())


def test_gradients_types_and_start():
    layer, x = DenseScaleConv(4, SCALES, BASIS, lift=True), jnp.ones((1, 8, 8, 16))
    variables = layer.init(jax.random.key(0), x)
    kernel = variables["params"]["kernel"]
    assert kernel.shape == (9, 16, 4) and not variables["params"]["bias"].any()
    assert 0.9 / 12 < abs(kernel).max() <= 1 / 12  # 1 / sqrt(9 x 16)
    gradient = jax.grad(lambda v: jnp.sin(layer.apply(v, x)).sum())(variables)
    assert all(jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient))
    half = layer.clone(dtype=jnp.bfloat16, use_bias=False)
    found = half.apply({"params": {"kernel": kernel}}, x)
    assert found.dtype == jnp.bfloat16 and found.shape == (3, 1, 8, 8, 4)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: DenseScaleConv(0, SCALES), ValueError, "features"),
        (lambda: DenseScaleConv(1, (2.0, 1.0)), ValueError, "must increase"),
        (
            lambda: DenseScaleConv(1, SCALES, HermiteB()),
            TypeError,
            "`basis=.*DiscoBasis",
        ),
        (lambda: DenseScaleConv(1, SCALES, padding="none"), ValueError, "padding"),
    ],
)
def test_bad_layers(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_bad_input():
    key = jax.random.key(0)
    with pytest.raises(ValueError, match="has not the 3 scales"):
        DenseScaleConv(1, SCALES, BASIS).init(key, jnp.ones((2, 1, 9, 9, 1)))
    with pytest.raises(ValueError, match="7 px reach beyond images of 3 x 3"):
        DenseScaleConv(1, SCALES, BASIS, lift=True).init(key, jnp.ones((1, 3, 3, 1)))
    with pytest.raises(TypeError, match="dtype int32"):
        DenseScaleConv(1, SCALES, BASIS, lift=True).init(
            key, jnp.ones((1, 9, 9, 1), jnp.int32)
        )
