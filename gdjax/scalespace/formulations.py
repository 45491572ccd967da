"""Formulations of a learned combination of the N-jet, equal to rounding.

Each is a frozen dataclass: `Stencil`, where the discretisation shares one smoothing
kernel over all orders, `Separable`, for kernels of their own and for a sigma per
channel, and `LowRank`, for coarse whole kernels. `filters` (of scale channels:
`stacked`) and `weights` are what an instance runs on, `before` and the call what it
does.
"""

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import jax
import jax.numpy as jnp

from gdjax.scalespace import separable
from gdjax.scalespace.axis_filter import (
    AxisFilter,
    along_all,
    channels_first,
    channels_last,
    spans,
)
from gdjax.scalespace.derivatives import Orders, stencil_reach
from gdjax.scalespace.execution.chunks import MAPS, PIXELS
from gdjax.scalespace.execution.products import einsum, mix_pixels, mix_single
from gdjax.scalespace.low_rank import LowRank as Factors, factorised
from gdjax.scalespace.matrices import Filter, axis_filters
from gdjax.scalespace.stacked import stacked_factors, stacked_filters, unstacked
from gdjax.scalespace.stencil import add_bias, combine


# Highest total order as differences of one smoothed map. Of order 4 along one axis,
# float32 loses 3e-4 of the largest value at 3 px, 8e-3 at 6 px, 3e-2 at 8 px.
HIGHEST_STENCIL = 4
Filters = dict[tuple[int, int], AxisFilter]


def stencil_serves(filter_: Filter, orders: Orders) -> bool:
    """Whether differences of the smoothed map say enough in float32.

    They lose what sigma^|a| multiplies: of order (4, 4) nothing is left at 6 px. Along
    one axis after the other, every factor is of the order along that axis.
    """
    highest = max(map(sum, orders))
    return filter_.discretisation.shared_smoothing and highest <= HIGHEST_STENCIL


def scale_terms(kernel: jax.Array, factors: Any) -> jax.Array:
    """Multiplies the J terms of a kernel [J, ...] by factors [J]."""
    factors = jnp.asarray(factors, kernel.dtype)
    return kernel * factors.reshape(-1, *[1] * (kernel.ndim - 1))


@dataclasses.dataclass(frozen=True)
class Stencil:
    """Smoothing, then differences of one map and the mixing of channels."""

    orders: Orders
    dtype: Any  # of the result
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
        return scale_terms(kernel, jnp.stack([sigma ** sum(n) for n in self.orders]))

    def before(self, x: jax.Array, filters: Filters) -> jax.Array:
        """The smoothed map, with a margin for the differences."""
        x = x.astype(jnp.promote_types(x.dtype, jnp.float32))
        order = list(reversed(filters))
        axes = [-1 - depth for depth, _ in order]
        return along_all(x, [filters[key] for key in order], axes)

    def __call__(self, x, weights, bias, filters) -> jax.Array:
        """Differences of the smoothed map, mixed."""
        del filters
        y = combine(x, weights, *bias, orders=self.orders)
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
        return mix_single(maps, weights[:, 0])
    return mix_pixels(
        jnp.concatenate(maps, axis=-1), weights.reshape(-1, weights.shape[-1])
    )


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
    y = einsum(f"gk{rest},gko->go{rest}", stacked, grouped, part=rest[0])
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
