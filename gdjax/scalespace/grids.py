"""Grids that fit a scale: images enlarged or reduced by whole octaves (gdjax).

A pointwise nonlinearity makes frequencies that a grid may not hold. They fall back on
others, and are no longer those of the enlarged image: networks are scale covariant on
grids that are fine for their sigma. A grid that is enlarged m times by 2 has its pixels
at (k - 2^(m-1)) / 2^m px of the image: every pixel of the image is one of its own, and
so is the centre of the image, also between two of its pixels. Such a grid goes from one
edge of the image, half a pixel outside, to the other; what lies beyond is given by the
border rule on the grid itself: `symmetric` mirrors half a pixel of the grid outside.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from gdjax.scalespace.axis_filter import AxisFilter
from gdjax.scalespace.resampling import coarse_size, subsample
from gdjax.scalespace.windows import Window, Windows, centre_window, crop, full_window


# Doublings of an image: 28 px are 1.8 million then.
LARGEST_ENLARGE = 16


@dataclasses.dataclass(frozen=True)
class Grid:
    """An axis of an image after `octaves` halvings, or -`octaves` doublings.

    Attributes:
      image: px of the image.
      octaves: > 0: reduced by 2^octaves; < 0: enlarged by 2^-octaves.
      padding: border rule.
    """

    image: int
    octaves: int
    padding: str

    @property
    def size(self) -> int:
        """Its pixels: odd where it was reduced, or enlarged but not periodic."""
        if self.octaves > 0:
            return coarse_size(self.image, self.octaves)
        enlarged = self.image * 2**-self.octaves
        odd = self.octaves < 0 and self.padding != "wrap"
        return enlarged + 1 if odd else enlarged

    @property
    def centre(self) -> Window:
        """The pixel, or the two, at the centre of the image."""
        if self.octaves >= 0:
            return centre_window(self.size)
        middle = self.image * 2**-self.octaves // 2
        return Window(self.size, middle, middle + 1)

    def positions(self, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Of its pixels start..stop - 1, by default all, in px of the image."""
        pixels = np.arange(start, self.size if stop is None else stop)
        if self.octaves < 0:
            finer = 2**-self.octaves
            return (pixels - finer // 2) / finer
        offsets = pixels - (self.size - 1) / 2
        return (self.image - 1) / 2 + offsets * 2**self.octaves


def octaves_of(sigma: float, finest: float, *, enlarge: int = 0) -> int:
    """How often a channel's grid is halved, or doubled (< 0), for its base scale.

    Args:
      sigma: base scale, px of the image.
      finest: least base scale in px of its own grid.
      enlarge: at most so many doublings.

    Returns:
      The largest j >= -enlarge with sigma / 2^j >= finest, -enlarge where there is
      none; a base scale that misses `finest` by rounding counts as reaching it.
    """
    if sigma == 0:
        return -enlarge
    return max(-enlarge, math.floor(math.log2(sigma / finest) + 1e-6))


def image_on(x: jax.Array, grids: Sequence[Grid], windows: Windows) -> jax.Array:
    """The pixels of `windows` of an image [..., (D,) (H,) W, C] on other grids.

    Enlarged by band-limited interpolation of the image as the border rule extends it;
    reduced as by `subsample`.
    """
    octaves = grids[0].octaves
    if octaves >= 0:
        coarse = subsample(x, octaves, ndim=len(grids))
        return crop(coarse, [full_window(grid.size) for grid in grids], windows)
    for axis, (grid, window) in enumerate(zip(grids, windows, strict=True)):
        matrix = _enlarging(grid, window.start, window.stop)
        x = AxisFilter(matrix).along(x, axis - len(grids) - 1)
    return x


def on_image(y: jax.Array, grids: Sequence[Grid]) -> jax.Array:
    """Maps [..., (D,) (H,) W, C] on whole grids, at the pixels of the image."""
    for axis, grid in enumerate(grids):
        place = axis - len(grids) - 1
        if grid.octaves < 0:
            finer = 2**-grid.octaves
            kept = finer // 2 + finer * np.arange(grid.image)
            y = y.take(kept, axis=place)
        elif grid.octaves > 0:
            y = AxisFilter(_back(grid)).along(y, place)
    return y


@functools.lru_cache(maxsize=64)
def _enlarging(grid: Grid, start: int, stop: int) -> np.ndarray:
    """Pixels start..stop - 1 of an enlarged grid from those of the image."""
    return interpolation(grid.image, grid.positions(start, stop), grid.padding)


@functools.lru_cache(maxsize=64)
def _back(grid: Grid) -> np.ndarray:
    """The pixels of the image from those of a reduced grid."""
    (first,), pitch = grid.positions(0, 1), 2.0**grid.octaves
    places = (np.arange(grid.image) - first) / pitch
    return interpolation(grid.size, places, "symmetric")


def interpolation(size: int, positions: np.ndarray, padding: str) -> np.ndarray:
    """Band-limited interpolation of an axis, [positions, size] float64.

    Args:
      size: of the axis, px.
      positions: where values are wanted, px.
      padding: how the axis goes on beyond its ends.

    Returns:
      The matrix of sum_i sinc(t - i) f(i) over all pixels i of the extended axis.
    """
    t, i = np.asarray(positions, float)[:, None], np.arange(size)
    if padding == "wrap":
        return _dirichlet(t - i, size)
    if padding == "symmetric":
        return _dirichlet(t - i, 2 * size) + _dirichlet(
            t - (2 * size - 1 - i), 2 * size
        )
    matrix = np.sinc(t - i)
    if padding == "edge":
        matrix[:, 0] += _tail(t[:, 0])
        matrix[:, -1] += _tail(size - 1 - t[:, 0])
    return matrix


def _dirichlet(t: np.ndarray, period: int) -> np.ndarray:
    """Sum over k of sinc(t + k period); Nyquist's frequency as a cosine."""
    u = np.pi * t / period
    whole = np.isclose(np.sin(u), 0, atol=1e-12)
    safe = np.where(whole, 1.0, u)
    found = np.sin(period * safe) / (period * np.sin(safe))
    if period % 2 == 0:
        found = found * np.cos(safe)
    # Of odd periods sin(p u) / sin(u) is 1 at every whole turn, as of even ones here.
    return np.where(whole, 1.0, found)


def _tail(t: np.ndarray) -> np.ndarray:
    """Sum over m >= 1 of sinc(t + m): what an edge that goes on for ever adds."""
    from scipy.special import digamma  # scipy takes longer to import than all of gdjax

    # Within the axis t > -1: the arguments are positive.
    series = -0.5 * (digamma((t + 2) / 2) - digamma((t + 1) / 2))
    return np.sin(np.pi * t) / np.pi * series


def check_memory(
    map_bytes: int,
    widths: Sequence[int],
    *,
    enlarge: int,
    matrix_bytes: int = 0,
    available: int | None = None,
) -> None:
    """Refuse maps, and the matrices that make them, that no memory can hold.

    Args:
      map_bytes: of one feature.
      widths: of the input and of all layers' outputs, one after the other.
      enlarge: what was asked for.
      matrix_bytes: of the matrices that interpolate, for long axes much.
      available: bytes of the device; None: as it says.

    Raises:
      ValueError: with what it would take.
    """
    needed = matrix_bytes + map_bytes * max(map(sum, itertools.pairwise(widths)))
    limit = _memory() if available is None else available
    if limit is not None and needed > limit:
        raise ValueError(
            f"`enlarge={enlarge}` takes {needed / 2**30:,.1f} GiB for interpolation and"
            " for what a layer of one scale channel reads and writes, but there are"
            f" {limit / 2**30:,.1f} GiB: give less, or smaller images or batches."
        )


def _memory() -> int | None:
    """Bytes of the default device, or of this machine; None where nobody knows."""
    import os

    stats: Any = jax.local_devices()[0].memory_stats() or {}
    if "bytes_limit" in stats:
        return stats["bytes_limit"]
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None
