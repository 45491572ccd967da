"""Differences of a smoothed map and the mixing of its channels, in one step (gdjax)."""

import dataclasses
import itertools

import jax
import jax.numpy as jnp

from gdjax.scalespace.derivatives import Orders, difference_stencils
from gdjax.scalespace.execution.products import (
    HIGHEST,
    DifferenceProducts,
    difference_product,
)


@dataclasses.dataclass(frozen=True)
class _Combine(DifferenceProducts):
    def plain(self, x, kernel, *bias):
        stencils = jnp.asarray(difference_stencils(self.orders), kernel.dtype)
        stencils = jnp.moveaxis(stencils, 0, -1)
        combined = jnp.tensordot(stencils, kernel, axes=1, precision=HIGHEST)
        run = convolve if kernel.ndim == 3 else convolve_depthwise
        return add_bias(run(x, combined), *bias)


@dataclasses.dataclass(frozen=True)
class _CombineMapped(DifferenceProducts):
    """`vmap` over kernels: products are batched, convolutions become grouped ones."""

    def plain(self, x, kernel, *bias):
        return difference_product(x, kernel, *bias, orders=self.orders)


def combine(
    x: jax.Array,
    kernel: jax.Array,
    *bias: jax.Array,
    orders: Orders,
    mapped: bool = False,
) -> jax.Array:
    """Weighted sum of differences, as one small convolution, and a bias.

    Args:
      x: [B, (D,) (H,) W, C_in], with a margin of `stencil_reach(orders)` px.
      kernel: [J, C_in, C_out], J as `orders`; or [J, C], each channel by itself.
      *bias: [C_out], if there is one.
      orders: the multi-indices of the J terms.
      mapped: whether it is mapped over kernels: one product then, on all platforms.

    Returns:
      [B, (D,) (H,) W, C_out] without the margin.
    """
    made = _CombineMapped(orders) if mapped else _Combine(orders)
    run = made if kernel.ndim == 3 else _Combine(orders).plain
    return run(x, kernel, *(b.astype(x.dtype) for b in bias))


def add_bias(y: jax.Array, *bias: jax.Array) -> jax.Array:
    """[..., C] + [C], in the dtype of `y`; no bias: `y`."""
    return y + bias[0].astype(y.dtype) if bias else y


def convolve(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """Correlation without padding.

    [B, (D,) (H,) W, C_in] by [(size,) (size,) size, C_in, C_out], `size` odd.
    """
    ndim = x.ndim - 2
    axes = "DHW"[-ndim:]
    return jax.lax.conv_general_dilated(
        x,
        kernel,
        window_strides=(1,) * ndim,
        padding="VALID",
        dimension_numbers=(f"N{axes}C", f"{axes}IO", f"N{axes}C"),
        precision=HIGHEST,  # the stencil takes differences
    )


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
