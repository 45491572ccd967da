"""1-D filtering along an axis as matrix products, which accelerators do best (gdjax).

A short axis takes one dense matrix; a long axis and a short kernel are cut into tiles,
which share one small Toeplitz matrix.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gdjax.scalespace.apart import apart
from gdjax.scalespace.checks import is_traced
from gdjax.scalespace.operators import HIGHEST, Filter, scaled_matrix
from gdjax.scalespace.products import multiply
from gdjax.scalespace.windows import Window, extend


# Longer axes are tiled where the kernel is short: what the tiles cost in overlap is
# then less than what a dense matrix wastes on zeros.
TILE = 128
LONGEST_DENSE_AXIS = 512
# What an axis too long for a dense matrix loses when no truncation was asked for.
TILED_EPS = 1e-8

# Filters [B, n, R] along the middle axis, or [B, n, K, C] with a sigma per channel.
AxisFilter = Callable[[jax.Array], jax.Array]


def filter_axis(
    x: jax.Array,
    sigma: Any,
    *,
    filter_: Filter,
    order: int,
    axis: int,
    source: Window,
    start: int,
    stop: int,
) -> jax.Array:
    """Scale-normalised responses sigma^order k_order along one axis.

    Args:
      x: [..., C], `source.length` px along `axis`.
      sigma: px; a scalar, or [C] for one per channel; checked before.
      filter_: kernels and border rule.
      order: derivative order along this axis.
      axis: negative index of the axis, not the channel axis.
      source: which pixels of the axis `x` holds.
      start: first wanted position, may be < 0 (response on the extended image).
      stop: one past the last wanted position, may be > source.size.

    Returns:
      [..., stop - start, ..., C], in the dtype of `x` (at least float32 inside).
    """
    run = axis_filter(
        sigma, filter_=filter_, order=order, source=source, start=start, stop=stop
    )
    return apply_along(run, x, axis)


def apply_along(run: AxisFilter, x: jax.Array, axis: int) -> jax.Array:
    """A prepared filter along `axis` (negative, not the last) of `x` [..., C]."""
    lead, rest = x.shape[:axis], x.shape[axis + 1 :]
    flat = x.astype(jnp.promote_types(x.dtype, jnp.float32))
    flat = flat.reshape(-1, x.shape[axis], int(np.prod(rest[:-1])), rest[-1])
    y = run(flat)
    return y.reshape(*lead, y.shape[1], *rest).astype(x.dtype)


def axis_filter(
    sigma: Any, *, filter_: Filter, order: int, source: Window, start: int, stop: int
) -> AxisFilter:
    """Makes the matrix of a filter once; arguments as of `filter_axis`."""
    tiling = _tiling(filter_, sigma, source, stop - start)
    if tiling is not None:
        return _tiled(sigma, tiling, order, source, start, stop)
    return matrix_filter(scaled_matrix(filter_, sigma, order, source, start, stop))


def matrix_filter(matrix: Any) -> AxisFilter:
    """A filter from its matrix, [rows, columns], or [C, rows, columns]."""
    if matrix.ndim == 3:
        return lambda x: _multiply("coi,birc->borc", matrix, x)

    def run(x: jax.Array) -> jax.Array:
        # The axis first, and all else in one axis: nothing is copied for one image.
        count, axis = x.shape[:2]
        first = _swap(x.reshape(count, axis, -1)).reshape(axis, -1)
        y = multiply(jnp.asarray(matrix, x.dtype), first)
        return _swap(y.reshape(-1, count, y.shape[1] // count)).reshape(
            count, -1, *x.shape[2:]
        )

    return run


@apart
def _swap(x: jax.Array) -> jax.Array:
    """[B, n, R] -> [n, B, R]."""
    return jnp.swapaxes(x, 0, 1)


def _multiply(axes: str, matrix: Any, x: jax.Array) -> jax.Array:
    return jnp.einsum(axes, jnp.asarray(matrix, x.dtype), x, precision=HIGHEST)


def _tiling(filter_: Filter, sigma: Any, source: Window, rows: int) -> Filter | None:
    """The filter to tile with, or None for a dense matrix."""
    if max(rows, source.length) <= LONGEST_DENSE_AXIS:
        return None
    if is_traced(sigma) or sigma.ndim:
        return None
    if not filter_.is_cut:
        filter_ = dataclasses.replace(filter_, eps=TILED_EPS)
    return filter_ if 4 * filter_.cut_reach(sigma) <= source.length else None


def _tiled(
    sigma: Any, filter_: Filter, order: int, source: Window, start: int, stop: int
) -> AxisFilter:
    """Filters tiles that overlap by the kernel, all with the same matrix."""
    reach = filter_.cut_reach(sigma)
    tile = max(TILE, 2 * reach)
    count = -(-(stop - start) // tile)
    firsts = start + tile * np.arange(count)
    positions = firsts[:, None] + np.arange(-reach, tile + reach)
    # Positions past the last wanted row only fill the last tile.
    positions = np.minimum(positions, stop - 1 + reach)
    pixels = extend(positions, source.size, filter_.padding)
    # One past the end reads as 0: nothing there.
    pixels = np.where(pixels < 0, source.length, pixels - source.start)
    open_ended = dataclasses.replace(filter_, padding="zero")
    inner = Window(tile + 2 * reach, 0, tile + 2 * reach)
    matrix = scaled_matrix(open_ended, sigma, order, inner, reach, reach + tile)

    def run(x: jax.Array) -> jax.Array:
        flat = x.reshape(*x.shape[:2], -1)
        tiles = jnp.take(flat, pixels, axis=1, mode="fill", fill_value=0)
        y = _multiply("oi,bnir->bnor", matrix, tiles)
        y = y.reshape(x.shape[0], count * tile, -1)[:, : stop - start]
        return y.reshape(*y.shape[:2], *x.shape[2:])

    return run
