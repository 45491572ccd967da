"""Differences of a smoothed map and the mixing of its channels, in one step (gdjax)."""

import itertools

import jax
import jax.numpy as jnp

from gdjax.scalespace.derivatives import Orders, difference_stencils
from gdjax.scalespace.execution.products import DifferenceProducts


def combine(
    x: jax.Array, kernel: jax.Array, *bias: jax.Array, orders: Orders
) -> jax.Array:
    """Weighted sum of differences of the channels, and a bias.

    Args:
      x: [B, (D,) (H,) W, C_in], with a margin of `stencil_reach(orders)` px.
      kernel: [J, C_in, C_out], J as `orders`; or [J, C], each channel by itself.
      *bias: [C_out], if there is one.
      orders: the multi-indices of the J terms.

    Returns:
      [B, (D,) (H,) W, C_out] without the margin.
    """
    bias = tuple(b.astype(x.dtype) for b in bias)
    if kernel.ndim == 3:
        return DifferenceProducts(orders)(x, kernel, *bias)
    stencils = jnp.asarray(difference_stencils(orders), kernel.dtype)
    combined = jnp.tensordot(
        jnp.moveaxis(stencils, 0, -1), kernel, axes=1, precision="highest"
    )
    return add_bias(convolve_depthwise(x, combined), *bias)


def add_bias(y: jax.Array, *bias: jax.Array) -> jax.Array:
    """[..., C] + [C], in the dtype of `y`; no bias: `y`."""
    return y + bias[0].astype(y.dtype) if bias else y


def convolve_depthwise(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """Correlation of every channel with a kernel of its own, without padding.

    [B, (D,) (H,) W, C] by [(size,) (size,) size, C], `size` odd. Shifted copies are
    added up, which XLA can fuse into one pass.
    """
    size, shape = kernel.shape[0], x.shape[1:-1]
    total = 0.0
    for shift in itertools.product(range(size), repeat=len(shape)):
        cut = [slice(k, k + n - size + 1) for k, n in zip(shift, shape, strict=True)]
        total = total + x[(slice(None), *cut)] * kernel[shift]
    return jnp.asarray(total)
