"""Learned combinations of the N-jet with a sigma of its own for every channel (gdjax).

Smoothing acts on each channel by itself, so a sigma per channel only makes the matrix
of an axis a matrix per channel.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from gdjax.scalespace.axes import filter_axis
from gdjax.scalespace.derivatives import Orders, stencil_reach
from gdjax.scalespace.jets import partial_derivatives, spatial_windows
from gdjax.scalespace.mixing import mix_maps
from gdjax.scalespace.operators import HIGHEST, Filter
from gdjax.scalespace.stencil import difference_maps
from gdjax.scalespace.windows import full_window


def mix_per_input(
    x: jax.Array,
    kernel: jax.Array,
    sigma: Any,
    *,
    filter_: Filter,
    orders: Orders,
    groups: int = 1,
) -> jax.Array:
    """Every input channel is smoothed at its own scale.

      y_o = sum_c sum_a w[a, c, o] sigma_c^|a| d_a (g(.; sigma_c) * x_c)

    Args:
      x: [..., (D,) (H,) W, C].
      kernel: [J, C / groups, C_out], J as `orders`.
      sigma: [C], px; traced and differentiable.
      filter_: kernels, border rule and truncation.
      orders: the multi-indices of the J terms.
      groups: channels are mixed within so many groups.

    Returns:
      [..., (D,) (H,) W, C_out].
    """
    if filter_.discretisation.shared_smoothing:
        maps = _differences(x, sigma, filter_, orders)
    else:
        maps = partial_derivatives(x, sigma, filter_, orders)
    return _mix(maps, kernel, groups)


def mix_per_output(
    x: jax.Array,
    kernel: jax.Array,
    sigma: Any,
    *,
    filter_: Filter,
    orders: Orders,
    groups: int = 1,
) -> jax.Array:
    """Every output channel sees the input at its own scale.

      y_o = sum_a sigma_o^|a| d_a (g(.; sigma_o) * sum_c w[a, c, o] x_c)

    Channels are mixed first, one map per term and output: J C_out maps are filtered
    along the first axis, where `mix_per_input` has J C_in along the last.

    Args and returns:
      as `mix_per_input`, with `sigma` [C_out].
    """
    ndim = filter_.ndim
    maps = {a: _mix([x], kernel[j : j + 1], groups) for j, a in enumerate(orders)}
    for depth in range(1, ndim + 1):
        merged: dict[tuple[int, ...], jax.Array] = {}
        window = full_window(x.shape[-1 - depth])
        for rest, z in maps.items():
            z = filter_axis(
                z, sigma, filter_=filter_, order=rest[0], axis=-1 - depth,
                source=window, start=0, stop=window.size,
            )  # fmt: skip
            merged[rest[1:]] = merged[rest[1:]] + z if rest[1:] in merged else z
        maps = merged
    return maps[()]


def _differences(x, sigma, filter_: Filter, orders: Orders) -> list[jax.Array]:
    """One smoothing, then differences; all in at least float32, since they cancel."""
    dtype, reach = x.dtype, stencil_reach(orders)
    x = x.astype(jnp.promote_types(dtype, jnp.float32))
    windows = spatial_windows(x, filter_.ndim)
    for axis, window in enumerate(windows, start=-filter_.ndim - 1):
        x = filter_axis(
            x, sigma, filter_=filter_, order=0, axis=axis,
            source=window, start=-reach, stop=window.size + reach,
        )  # fmt: skip
    batched = x.reshape(-1, *x.shape[-filter_.ndim - 1 :])
    maps = difference_maps(batched, orders)
    sigma = jnp.asarray(sigma, x.dtype)
    lead = x.shape[: -filter_.ndim - 1]
    return [
        (sigma ** sum(a) * y).astype(dtype).reshape(*lead, *y.shape[1:])
        for a, y in zip(orders, maps, strict=True)
    ]


def _mix(maps: Sequence[jax.Array], kernel: jax.Array, groups: int) -> jax.Array:
    """Sum over j and the channels of a group: J of [..., C] -> [..., C_out]."""
    terms, channels, features = kernel.shape
    dtype = maps[0].dtype
    kernel = kernel.astype(dtype)
    if groups == 1:
        return mix_maps(maps, kernel)
    if channels == 1 and features == groups:
        return mix_maps(maps, kernel[:, 0])
    stacked = jnp.stack(maps, axis=-2)
    stacked = stacked.reshape(*stacked.shape[:-1], groups, channels)
    grouped = kernel.reshape(terms, channels, groups, features // groups)
    y = jnp.einsum("...jgc,jcgo->...go", stacked, grouped, precision=HIGHEST)
    return y.reshape(*y.shape[:-2], features)
