"""Learned combinations of the N-jet.

Three ways to the same values, each a frozen dataclass: `Stencil`, where the
discretisation shares one smoothing kernel over all orders, `Separable`, for kernels of
their own and for a sigma per channel, and `LowRank`, for coarse whole kernels.
"""

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import jax
import jax.numpy as jnp

from gdjax.scalespace import separable
from gdjax.scalespace.derivatives import Orders, stencil_reach, taylor_factors
from gdjax.scalespace.execution.chunks import MAPS, PIXELS, in_chunks, worth_chunks
from gdjax.scalespace.execution.products import HIGHEST, einsum, matmul
from gdjax.scalespace.execution.routines import plainly
from gdjax.scalespace.low_rank import LowRank as Factors, factorised, worth_low_rank
from gdjax.scalespace.matrices import (
    AxisFilter,
    Filter,
    axis_filters,
    channels_first,
    channels_last,
    spans,
)
from gdjax.scalespace.stacked import (
    StackedWindows,
    full_stack,
    local,
    stacked_factors,
    stacked_filters,
    unstacked,
    whole_stack,
)
from gdjax.scalespace.stencil import add_bias, combine
from gdjax.scalespace.windows import Windows, full_window, spatial_windows


# Highest total order as differences of one smoothed map. Of order 4 along one axis,
# float32 loses 3e-4 of the largest value at 3 px, 8e-3 at 6 px, 3e-2 at 8 px.
HIGHEST_STENCIL = 4
Filters = dict[tuple[int, int], AxisFilter]


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
    way = _way(filter_, orders, dtype, low_rank, mapped=True)
    filters = way.stacked(sigmas, filter_, sources, targets)
    run = functools.partial(_run, way)
    values = jnp.asarray(sigmas, kernel.dtype)
    values, filters = local((values, filters), scale_channel_axis)
    return jax.vmap(run, (0, None, None, 0, 0))(x, kernel, bias, values, filters)


def _terms(x: jax.Array, kernel: jax.Array, orders: Orders, taylor: bool) -> jax.Array:
    """The kernel with the factors 1 / a!, at least in float32."""
    if taylor:
        kernel = _scale_terms(kernel, taylor_factors(orders))
    return kernel.astype(jnp.promote_types(x.dtype, jnp.float32))


def _way(
    filter_: Filter, orders: Orders, dtype: Any, low_rank: bool, mapped: bool = False
) -> "Stencil | Separable | LowRank":
    if low_rank and not plainly():
        return LowRank(orders, dtype)
    if stencil_serves(filter_, orders):
        return Stencil(orders, dtype, mapped)
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


def stencil_serves(filter_: Filter, orders: Orders) -> bool:
    """Whether differences of the smoothed map say enough in float32.

    They lose what sigma^|a| multiplies: of order (4, 4) nothing is left at 6 px. Along
    one axis after the other, every factor is of the order along that axis.
    """
    highest = max(map(sum, orders))
    return filter_.discretisation.shared_smoothing and highest <= HIGHEST_STENCIL


def _scale_terms(kernel: jax.Array, factors: Any) -> jax.Array:
    """Multiplies the J terms of a kernel [J, ...] by factors [J]."""
    factors = jnp.asarray(factors, kernel.dtype)
    return kernel * factors.reshape(-1, *[1] * (kernel.ndim - 1))


@dataclasses.dataclass(frozen=True)
class Stencil:
    """Smoothing, then one small convolution of differences and channels."""

    orders: Orders
    dtype: Any  # of the result
    mapped: bool = False  # over kernels
    pixels: ClassVar[None] = None  # chunks are those of the products

    def filters(self, sigma, filter_: Filter, sources, targets) -> Filters:
        """The smoothing of every axis."""
        found = spans(sources, targets, margin=stencil_reach(self.orders))
        return axis_filters(filter_, sigma, [(0,)] * filter_.ndim, found)

    def stacked(self, sigmas, filter_: Filter, sources, targets) -> Filters:
        """The same of scale channels."""
        margin = stencil_reach(self.orders)
        along = [(0,)] * filter_.ndim
        return stacked_filters(filter_, sigmas, along, sources, targets, margin=margin)

    def weights(self, kernel: jax.Array, sigma: Any) -> jax.Array:
        """With sigma^|a|."""
        sigma = jnp.asarray(sigma, kernel.dtype)
        return _scale_terms(kernel, jnp.stack([sigma ** sum(n) for n in self.orders]))

    def before(self, x: jax.Array, filters: Filters) -> jax.Array:
        """The smoothed map, with a margin for the differences."""
        x = x.astype(jnp.promote_types(x.dtype, jnp.float32))
        for depth, _ in reversed(filters):
            x = filters[depth, 0].along(x, -1 - depth)
        return x

    def __call__(self, x, weights, bias, filters) -> jax.Array:
        """Differences of the smoothed map, mixed."""
        del filters
        y = combine(x, weights, *bias, orders=self.orders, mapped=self.mapped)
        return y.astype(self.dtype)


@dataclasses.dataclass(frozen=True)
class Separable:
    """Matrices of every order along one axis after the other, and mixing."""

    orders: Orders
    dtype: Any  # in which channels are mixed, and of the result
    per: Literal["input", "output"] | None = None  # whose channels have a sigma each
    groups: int = 1
    pixels: ClassVar[int] = PIXELS // MAPS

    def filters(self, sigma, filter_: Filter, sources, targets) -> Filters:
        """The matrices of every axis and order."""
        along = [[a[axis] for a in self.orders] for axis in range(filter_.ndim)]
        filters = axis_filters(filter_, sigma, along, spans(sources, targets))
        return jax.tree.map(jnp.asarray, filters)

    def stacked(self, sigmas, filter_: Filter, sources, targets) -> Filters:
        """The same of scale channels."""
        along = [[a[axis] for a in self.orders] for axis in range(filter_.ndim)]
        return stacked_filters(filter_, sigmas, along, sources, targets)

    def weights(self, kernel: jax.Array, sigma: Any) -> jax.Array:
        """As they are: the matrices have sigma^|a|."""
        del sigma
        return kernel.astype(self.dtype)

    def before(self, x: jax.Array, filters: Filters) -> jax.Array:
        """Nothing."""
        del filters
        return x

    def __call__(self, x, weights, bias, filters: Filters) -> jax.Array:
        """All of it."""
        if self.per is not None:
            y = self._on_channels(channels_first(x), weights, filters)
            return add_bias(channels_last(y).astype(self.dtype), *bias)

        def along(y, n, depth):
            return filters[depth, n].along(y, -1 - depth)

        mix, run = functools.partial(mix_maps, dtype=self.dtype), separable.mix_between
        if weights.ndim == 3 and separable.filters_fewer(
            self.orders, *weights.shape[1:]
        ):
            run = separable.filter_then_mix
        return add_bias(run(x, weights, self.orders, along, mix), *bias)

    def _on_channels(self, x, weights, filters: Filters) -> jax.Array:
        def along(y, n, depth):
            return filters[depth, n].along_channels(y, depth)

        def mix(maps, weights):
            return mix_channels_first(maps, weights, self.groups, self.dtype)

        if weights.shape[1] == 1 and weights.shape[2] == self.groups:
            each = weights[:, 0].astype(filters[1, self.orders[0][0]].matrix.dtype)
            return _filter_each(x, each, filters, self.orders, along)
        run = separable.mix_then_filter
        if self.per == "input":
            run = separable.filter_then_mix
        return run(x, weights, self.orders, along, mix)


def mix_maps(
    maps: Sequence[jax.Array], weights: jax.Array, *, dtype: Any = None
) -> jax.Array:
    """Sum over j of maps[j] [..., C] times weights[j] ([C, C_out] or [C])."""
    maps = [y.astype(dtype or y.dtype) for y in maps]
    if weights.ndim == 2:
        terms = [x * w for x, w in zip(maps, weights, strict=True)]
        return functools.reduce(jnp.add, terms)
    if maps[0].shape[-1] == 1:
        return _mix_single(maps, weights)
    return matmul(
        jnp.concatenate(maps, axis=-1), weights.reshape(-1, weights.shape[-1])
    )


def _mix_single(maps: Sequence[jax.Array], weights: jax.Array) -> jax.Array:
    """Of one channel: maps one after the other, since interleaving them is slow."""
    rows = jnp.stack([y.reshape(-1) for y in maps])
    contracted = (((0,), (0,)), ((), ()))
    y = jax.lax.dot_general(rows, weights[:, 0], contracted, precision=HIGHEST)
    return y.reshape(*maps[0].shape[:-1], -1)


def mix_channels_first(
    maps: Sequence[jax.Array], weights: jax.Array, groups: int, dtype: Any
) -> jax.Array:
    """Maps [C, ...] by weights [T, C / groups, C_out], within groups: [C_out, ...]."""
    shape = maps[0].shape[1:]
    stacked = jnp.stack(maps).astype(dtype).reshape(len(maps), groups, -1, *shape)
    stacked = jnp.moveaxis(stacked, 1, 0).reshape(groups, -1, *shape)
    grouped = weights.reshape(*weights.shape[:2], groups, -1)
    grouped = jnp.moveaxis(grouped, 2, 0).reshape(groups, stacked.shape[1], -1)
    rest = "dhbw"[: len(shape)]
    y = einsum(f"gk{rest},gko->go{rest}", stacked, grouped)
    return y.reshape(-1, *shape)


def _filter_each(x, weights, filters: Filters, orders: Orders, along) -> jax.Array:
    """Every channel by itself: along x, the terms' weighted sum is one matrix."""
    maps = {}
    for rest in sorted({a[1:] for a in orders}):
        terms = [(j, filters[1, a[0]]) for j, a in enumerate(orders) if a[1:] == rest]
        matrices = (weights[j][:, None, None] * f.matrix for j, f in terms)
        summed = AxisFilter(functools.reduce(jnp.add, matrices))
        maps[rest] = summed.along_channels(x, 1)
    return separable.sum_terms(maps, along, first=2)


@dataclasses.dataclass(frozen=True)
class LowRank:
    """The separable order on the coefficients of a subspace (`low_rank`)."""

    orders: Orders
    dtype: Any
    pixels: ClassVar[int] = PIXELS

    def filters(self, sigma, filter_: Filter, sources, targets) -> dict[int, Factors]:
        """The factors of every axis, by depth."""
        found = self._factors(float(sigma), filter_, sources, targets)
        return jax.tree.map(jnp.asarray, found)

    def stacked(self, sigmas, filter_: Filter, sources, targets) -> dict[int, Factors]:
        """The same of scale channels, the ranks filled up with zeros."""
        each = [
            self._factors(sigma, filter_, unstacked(sources, s), unstacked(targets, s))
            for s, sigma in enumerate(sigmas)
        ]
        return stacked_factors(each, sources, targets)

    def _factors(self, sigma: float, filter_: Filter, sources, targets):
        factors = {}
        for depth, span in enumerate(reversed(spans(sources, targets)), start=1):
            along = tuple(sorted({a[depth - 1] for a in self.orders}))
            factors[depth] = factorised(filter_, sigma, along, span, self.dtype)
        return factors

    def weights(self, kernel: jax.Array, sigma: Any) -> jax.Array:
        """As they are: the factors have sigma^|a|."""
        del sigma
        return kernel.astype(self.dtype)

    def before(self, x: jax.Array, factors: dict[int, Factors]) -> jax.Array:
        """The coefficients."""
        for depth, factor in factors.items():
            x = factor.down.along(x, -1 - depth)
        return x

    def __call__(self, x, weights, bias, factors: dict[int, Factors]) -> jax.Array:
        """Filtered and mixed, and brought back."""
        places = ((depth, n) for depth in factors for n in factors[depth].jets)
        jets = {(depth, n): factors[depth].jets[n] for depth, n in places}
        y = Separable(self.orders, self.dtype)(x, weights, (), jets)
        for depth, factor in factors.items():
            y = factor.up.along(y, -1 - depth)
        return add_bias(y, *bias)
