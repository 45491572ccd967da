"""Products with gradients of their own, beside those of JAX."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

import gdjax
from gdjax.scalespace.products import matmul, multiply
from gdjax.scalespace.stencil import combine, combine_by_products


ORDERS = gdjax.derivative_orders(2)
BY_PRODUCTS = functools.partial(combine_by_products, orders=ORDERS)
BY_CONVOLUTION = functools.partial(combine, orders=ORDERS)


def noise(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


CASES = [
    (multiply, matmul, noise(4, 5), noise(5, 3, seed=1)),
    (BY_PRODUCTS, BY_CONVOLUTION, noise(2, 7, 6, 3), noise(5, 3, 4, seed=1)),
]


@pytest.mark.parametrize(("own", "plain", "a", "b"), CASES, ids=["matrix", "stencil"])
def test_all_derivatives_are_right(x64, own, plain, a, b):
    np.testing.assert_allclose(own(a, b), plain(a, b), atol=1e-12)
    # Bilinear: finite differences are exact but for rounding.
    check_grads(
        jax.jit(own), (a, b), order=2, modes=("fwd", "rev"), atol=1e-5, rtol=1e-5
    )


@pytest.mark.parametrize(("own", "plain", "a", "b"), CASES, ids=["matrix", "stencil"])
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
