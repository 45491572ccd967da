"""Learned combinations of the N-jet, of one scale or of scale channels."""

import functools
from collections.abc import Sequence
from typing import Any, Literal

import jax
import jax.numpy as jnp

from gdjax.scalespace.derivatives import Orders, taylor_factors
from gdjax.scalespace.execution.chunks import in_chunks, worth_chunks
from gdjax.scalespace.execution.routines import plainly
from gdjax.scalespace.formulations import (
    LowRank,
    Separable,
    Stencil,
    scale_terms,
    stencil_serves,
)
from gdjax.scalespace.low_rank import worth_low_rank
from gdjax.scalespace.matrices import Filter
from gdjax.scalespace.stacked import (
    StackedWindows,
    full_stack,
    local,
    unstacked,
    whole_stack,
)
from gdjax.scalespace.windows import Windows, full_window, spatial_windows


def mix_njet(
    x: jax.Array,
    kernel: jax.Array,
    sigma: Any,
    *,
    filter_: Filter,
    orders: Orders,
    taylor: bool = True,
    sources: Windows | None = None,
    targets: Windows | None = None,
    dtype: Any = None,
    bias: jax.Array | None = None,
    per: Literal["input", "output"] | None = None,
    groups: int = 1,
) -> jax.Array:
    """Learned combinations of the N-jet, without storing the jet.

      y_o = b_o + sum_c sum_a w[a, c, o] / a! sigma^|a| d_a L_c

    Equals `njet` followed by the mixing. Where it's large and a kernel of its own
    belongs to every order, nothing between input and output is kept for the gradient.

    Args:
      x: [..., (D,) (H,) W, C_in] on the pixels of `sources`.
      kernel: [J, C_in, C_out], J as `orders`; or [J, C], each channel by itself; with
        `per` [J, C_in / groups, C_out].
      sigma: px, checked before (`Filter.check_sigma`); a scalar, or one per channel.
      filter_: kernels, border rule and truncation.
      orders: the multi-indices of the J terms.
      taylor: whether terms are multiplied by 1 / a!.
      sources: which pixels of each spatial axis `x` holds (default: all).
      targets: which pixels are computed (default: all).
      dtype: of the result; default that of `x`. A smoothed map and its differences
        are never below float32, since they cancel; the mixing in the separable order,
        where every factor is well scaled, runs in `dtype`.
      bias: [C_out], added to the result.
      per: whose channels have a sigma each; None: a scalar sigma.
      groups: with `per`, channels are mixed within so many groups.

    Returns:
      [..., (D,) (H,) W, C_out] on the pixels of `targets`.

    [gaussdernet] (3), [njet] (5); sigma per channel and design: gdjax.
    """
    ndim = filter_.ndim
    sources = sources or spatial_windows(x, ndim)
    targets = targets or tuple(full_window(w.size) for w in sources)
    dtype = jnp.dtype(x.dtype if dtype is None else dtype)
    kernel = _terms(x, kernel, orders, taylor)
    way: Stencil | Separable | LowRank
    if per is not None:
        way = Separable(orders, jnp.dtype(x.dtype), per, groups)
    else:
        low_rank = worth_low_rank(
            kernel.shape, sigma, filter_, orders, sources, targets
        )
        way = _way(filter_, orders, dtype, low_rank)
    filters = way.filters(sigma, filter_, sources, targets)
    return _run(way, x, kernel, bias, sigma, filters)


def mix_njet_stacked(
    x: jax.Array,
    kernel: jax.Array,
    sigmas: Sequence[float],
    *,
    filter_: Filter,
    orders: Orders,
    sources: StackedWindows | None = None,
    targets: StackedWindows | None = None,
    dtype: Any = None,
    bias: jax.Array | None = None,
    scale_channel_axis: str | None = None,
) -> jax.Array:
    """`mix_njet` of S scale channels by one `vmap`, with common weights.

    Args:
      x: [S, B, (D,) (H,) W, C_in] on the pixels of `sources`.
      kernel: [J, C_in, C_out], J as `orders`; or [J, C], each channel by itself.
      sigmas: of the scale channels, px, S concrete numbers, checked before.
      filter_: kernels, border rule and truncation.
      orders: the multi-indices of the J terms.
      sources: which pixels of its grid each channel has in `x` (default: all).
      targets: which pixels are computed (default: all).
      dtype: of the result; default that of `x`.
      bias: [C_out], added to the result.
      scale_channel_axis: axis of a mesh over which the channels are spread in
        `jax.shard_map`; `x` and the result hold those of this device.

    Returns:
      [S, B, (D,) (H,) W, C_out] on the pixels of `targets`.

    The channels' matrices are made on the host, as in the loop, and are all that
    distinguishes the channels. [gaussdernet] sec. 5, gdjax.
    """
    count, ndim = len(sigmas), filter_.ndim
    sources = sources or full_stack(x, ndim, count)
    targets = targets or whole_stack(sources)
    dtype = jnp.dtype(x.dtype if dtype is None else dtype)
    kernel = _terms(x, kernel, orders, taylor=True)
    pairs = [(unstacked(sources, s), unstacked(targets, s)) for s in range(count)]
    low_rank = all(
        worth_low_rank(kernel.shape, sigma, filter_, orders, *pair)
        for sigma, pair in zip(sigmas, pairs, strict=True)
    )
    way = _way(filter_, orders, dtype, low_rank)
    filters = way.stacked(sigmas, filter_, sources, targets)
    run = functools.partial(_run, way)
    values = jnp.asarray(sigmas, kernel.dtype)
    values, filters = local((values, filters), scale_channel_axis)
    return jax.vmap(run, (0, None, None, 0, 0))(x, kernel, bias, values, filters)


def _terms(x: jax.Array, kernel: jax.Array, orders: Orders, taylor: bool) -> jax.Array:
    """The kernel with the factors 1 / a!, at least in float32."""
    if taylor:
        kernel = scale_terms(kernel, taylor_factors(orders))
    return kernel.astype(jnp.promote_types(x.dtype, jnp.float32))


def _way(
    filter_: Filter, orders: Orders, dtype: Any, low_rank: bool
) -> Stencil | Separable | LowRank:
    if low_rank and not plainly():
        return LowRank(orders, dtype)
    if stencil_serves(filter_, orders):
        return Stencil(orders, dtype)
    return Separable(orders, dtype)


def _run(way: Any, x: jax.Array, kernel: jax.Array, bias: Any, sigma, filters: Any):
    """[..., (D,) (H,) W, C_in] -> [..., (D,) (H,) W, C_out]."""
    weights, ndim = way.weights(kernel, sigma), len(way.orders[0])
    lead, images = x.shape[: -ndim - 1], x.reshape(-1, *x.shape[-ndim - 1 :])
    limit = None
    if way.pixels is not None and worth_chunks(images.shape, kernel.shape[-1]):
        limit = way.pixels
    # What depends on the input alone is kept for the gradient in the kernel.
    images = way.before(images, filters)
    given = () if bias is None else (bias,)
    y = in_chunks(way, images, weights, given, filters, limit=limit)
    return y.reshape(*lead, *y.shape[1:])
