"""Filters along one axis, prepared: a matrix, or one of overlapping tiles (gdjax).

A short axis takes one dense matrix; a long axis and a short kernel are cut into tiles,
which share one small Toeplitz matrix; a sigma per channel is a matrix per channel.
"""

import dataclasses
import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from gdjax.scalespace.execution.along import along_axes, along_axis
from gdjax.scalespace.execution.products import HIGHEST, einsum
from gdjax.scalespace.windows import Window, Windows, extend


# Responses per tile, at least.
TILE = 128


class Span(NamedTuple):
    """What an operator reads and computes along one axis, in px."""

    source: Window  # the pixels at hand
    start: int  # first wanted position, may be < 0 (response on the extended image)
    stop: int  # one past the last one, may be > source.size


def spans(sources: Windows, targets: Windows, *, margin: int = 0) -> list[Span]:
    """From windows to windows, and `margin` px more on either side."""
    return [
        Span(source, target.start - margin, target.stop + margin)
        for source, target in zip(sources, targets, strict=True)
    ]


class Tiles(NamedTuple):
    """Tiles of a long axis that overlap by the kernel, all with the same matrix."""

    span: Span
    reach: int
    padding: str

    @property
    def length(self) -> int:
        """Responses per tile."""
        return max(TILE, 2 * self.reach)

    def pixels(self) -> np.ndarray:
        """Which pixels each tile reads, [tiles, length + 2 reach]; size: none."""
        (source, start, stop), reach = self.span, self.reach
        firsts = np.arange(start, stop, self.length)
        positions = firsts[:, None] + np.arange(-reach, self.length + reach)
        # Positions past the last wanted row only fill the last tile.
        positions = np.minimum(positions, stop - 1 + reach)
        pixels = extend(positions, source.size, self.padding)
        return np.where(pixels < 0, source.length, pixels - source.start)


@functools.partial(
    jax.tree_util.register_dataclass, data_fields=["matrix"], meta_fields=["tiles"]
)
@dataclasses.dataclass(frozen=True)
class AxisFilter:
    """Scale-normalised responses sigma^order k_order along one axis, prepared.

    Attributes:
      matrix: [rows, columns]; [C, rows, columns] for a sigma per channel.
      tiles: where the matrix is that of every tile of the axis.
    """

    matrix: Any
    tiles: Tiles | None = None

    def along(self, x: jax.Array, axis: int) -> jax.Array:
        """Filters [..., n, ..., C] along `axis` (negative, not the last).

        In the dtype of `x`, at least float32 inside.
        """
        wide = x.astype(jnp.promote_types(x.dtype, jnp.float32))
        matrix = jnp.asarray(self.matrix, wide.dtype)
        if self.tiles is None:
            return along_axis(matrix, wide, axis=axis).astype(x.dtype)
        lead, rest = x.shape[:axis], x.shape[axis + 1 :]
        flat = wide.reshape(-1, x.shape[axis], math.prod(rest))
        pixels = self.tiles.pixels()
        tiles = jnp.take(flat, pixels, axis=1, mode="fill", fill_value=0)
        y = jnp.einsum("oi,bnir->bnor", matrix, tiles, precision=HIGHEST)
        y = y.reshape(flat.shape[0], -1, flat.shape[-1])
        y = y[:, : self.tiles.span.stop - self.tiles.span.start]
        return y.reshape(*lead, y.shape[1], *rest).astype(x.dtype)

    def along_channels(self, x: jax.Array, depth: int) -> jax.Array:
        """Every channel of [C, (D,) (H,) B, W] by its matrix, along x for depth 1."""
        axis = x.ndim - 1 if depth == 1 else x.ndim - 1 - depth
        matrix = jnp.asarray(self.matrix)
        matrix = matrix.astype(jnp.promote_types(x.dtype, matrix.dtype))
        x = x.astype(matrix.dtype)
        letters = "cdhbw"[: x.ndim]
        before, after = (letters[:axis] + n + letters[axis + 1 :] for n in "io")
        if depth == 1:
            return einsum(f"{before},coi->{after}", x, matrix)
        return einsum(f"coi,{before}->{after}", matrix, x)


def along_all(
    x: jax.Array, filters: Sequence[AxisFilter], axes: Sequence[int]
) -> jax.Array:
    """One filter after the other, as `along`, each along its own axis."""
    if any(each.tiles is not None for each in filters):
        for each, axis in zip(filters, axes, strict=True):
            x = each.along(x, axis)
        return x
    wide = x.astype(jnp.promote_types(x.dtype, jnp.float32))
    matrices = [jnp.asarray(each.matrix, wide.dtype) for each in filters]
    return along_axes(matrices, wide, axes=axes).astype(x.dtype)


def channels_first(x: jax.Array) -> jax.Array:
    """[B, (D,) (H,) W, C] -> [C, (D,) (H,) B, W].

    A product along an axis is then one product of matrices per channel.
    """
    return jnp.moveaxis(jnp.moveaxis(x, 0, -3), -1, 0)


def channels_last(x: jax.Array) -> jax.Array:
    """The inverse of `channels_first`."""
    return jnp.moveaxis(jnp.moveaxis(x, 0, -1), -3, 0)


def confined(run: Callable[[jax.Array, Any], Any], x: jax.Array, filters: Any) -> Any:
    """`run(x, filters)`, where no pixel reaches further than the kernels do.

    In a product, 0 times NaN or infinity is NaN: a single pixel would reach all of an
    axis, or of its tile. Where the values of `x` are known and some are not finite,
    what their kernels reach is NaN, and all else as without them. Inside `jax.jit` and
    `jax.vmap` values are not known, and nothing is done.
    """
    finite = jnp.isfinite(x)
    try:
        if bool(finite.all()):
            return run(x, filters)
    except jax.errors.ConcretizationTypeError:
        return run(x, filters)
    clean = run(jnp.where(finite, x, 0), filters)
    shapes = jax.tree.map(lambda m: (m != 0).astype(np.float32), filters)
    reached = run((~finite).astype(np.float32), shapes)
    return jax.tree.map(
        lambda y, hits: jnp.where(hits > 0.5, np.nan, y).astype(y.dtype), clean, reached
    )
