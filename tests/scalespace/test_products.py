"""Products with gradients of their own, beside those of JAX."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

import gdjax
from gdjax.scalespace.apart import apart
from gdjax.scalespace.chunks import on_cpu
from gdjax.scalespace.products import matmul, multiply, multiply_channels
from gdjax.scalespace.stencil import combine, combine_by_products


ORDERS = gdjax.derivative_orders(2)
BY_PRODUCTS = functools.partial(combine_by_products, orders=ORDERS)
BY_CONVOLUTION = functools.partial(combine, orders=ORDERS)


def noise(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


CASES = [
    (multiply, matmul, noise(4, 5), noise(5, 3, seed=1)),
    (BY_PRODUCTS, BY_CONVOLUTION, noise(2, 7, 6, 3), noise(5, 3, 4, seed=1)),
    (BY_PRODUCTS, BY_CONVOLUTION, noise(2, 7, 6, 3), noise(5, 3, 3, seed=1)),
    (
        functools.partial(BY_PRODUCTS, bias=np.ones(2)),
        functools.partial(BY_CONVOLUTION, bias=np.ones(2)),
        noise(2, 7, 6, 3), noise(5, 3, 2, seed=1),
    ),
]  # fmt: skip
NAMES = ["matrix", "more features", "as many", "fewer and a bias"]


@pytest.mark.parametrize(("own", "plain", "a", "b"), CASES, ids=NAMES)
def test_all_derivatives_are_right(x64, own, plain, a, b):
    np.testing.assert_allclose(own(a, b), plain(a, b), atol=1e-12)
    # Bilinear: finite differences are exact but for rounding.
    check_grads(
        jax.jit(own), (a, b), order=2, modes=("fwd", "rev"), atol=1e-5, rtol=1e-5
    )


@pytest.mark.parametrize(("own", "plain", "a", "b"), CASES, ids=NAMES)
@pytest.mark.parametrize("axes", [(0, None), (None, 0), (1, 0)])
def test_vmap_is_a_loop(x64, own, plain, a, b, axes):
    a, b = (
        y if axis is None else np.stack([y, 2 * y, y[::-1]], axis)
        for y, axis in zip((a, b), axes, strict=True)
    )

    def loss(f, a, b):
        return jnp.sin(jax.vmap(f, axes)(a, b)).sum()

    slopes = jax.jit(jax.grad(loss, (1, 2)), static_argnums=0)
    jax.tree.map(
        functools.partial(np.testing.assert_allclose, atol=1e-10),
        slopes(own, a, b),
        slopes(plain, a, b),
    )


def test_dense_products_are_those_of_flax():
    x, kernel = noise(2, 4, 3, 5), noise(5, 2, seed=1)
    np.testing.assert_allclose(multiply_channels(x, kernel), x @ kernel, rtol=1e-5)


def test_what_is_apart_stays_a_function_of_the_program():
    @apart
    def differences(x, *, reach):
        return x[reach:] - x[:-reach]

    def run(x):
        return jnp.sin(differences(jnp.maximum(x, 0.1), reach=2)).sum()

    x = noise(8, 3).astype(np.float32)
    compiled = jax.jit(run).lower(x).compile()
    assert (" call(" in compiled.as_text()) == on_cpu()
    y = np.maximum(x, 0.1)
    np.testing.assert_allclose(compiled(x), np.sin(y[2:] - y[:-2]).sum(), rtol=1e-5)
    check_grads(run, (x + 5,), order=1, modes=("fwd", "rev"), atol=0.02, rtol=0.02)
