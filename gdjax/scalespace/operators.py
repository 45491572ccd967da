"""1-D filters as matrices (gdjax).

The response at pixel i of an axis is sum_n k[n] f(i + n), with f extended by the
border rule: a matrix A[i, j] = sum over all positions m that show pixel j of k[m - i].
"""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gdjax.scalespace.checks import is_traced
from gdjax.scalespace.discretisation import (
    Discretisation,
    difference,
    difference_reach,
)
from gdjax.scalespace.windows import Window, extend


HIGHEST = jax.lax.Precision.HIGHEST


@dataclasses.dataclass(frozen=True)
class Filter:
    """Everything about an operator but its sigma, order and windows.

    Attributes:
      discretisation: the kernels.
      padding: "zero", "symmetric", "edge" or "wrap".
      eps: mass lost by truncation; None: full support.
      extent: kernels end at extent sigma px instead ([njet] sec. 3.3), whatever `eps`.
      ndim: number of spatial dimensions, which share `eps`.
      max_order: highest total derivative order of the operator; kernels with a radius
        of their own are cut by it.
    """

    discretisation: Discretisation
    padding: str
    eps: float | None
    ndim: int
    max_order: int
    extent: float | None = None

    @property
    def is_cut(self) -> bool:
        """Whether kernels end somewhere."""
        return self.eps is not None or self.extent is not None

    def radius(self, sigma: Any, limit: int = 0) -> Any:
        """Half-width in px of the (smoothing) kernel, if it `is_cut`."""
        if self.extent is not None:
            xp = jnp if is_traced(sigma) else np
            # The slack: rounding of a learned sigma of 6 must not add a tap.
            reach = xp.ceil(self.extent * sigma - 1e-4).astype(int)
            return jnp.minimum(reach, limit) if xp is jnp else int(reach)
        assert self.eps is not None
        return self.discretisation.radius(
            sigma, self.eps, ndim=self.ndim, order=self.max_order, limit=limit
        )

    def reach(self, sigma: float) -> int | None:
        """How far in px the combined kernel looks; None: everywhere."""
        return self.cut_reach(sigma) if self.is_cut else None

    def cut_reach(self, sigma: float) -> int:
        """`reach` of a filter that `is_cut`."""
        extra = 0
        if self.discretisation.shared_smoothing:
            extra = difference_reach(self.max_order)
        return self.radius(sigma) + extra


def truncated_taps(
    xp: Any,
    discretisation: Discretisation,
    sigma: Any,
    order: int,
    width: int,
    cut: Any,
) -> Any:
    """The kernel of derivative order `order` after truncation, [2 width + 1].

    Where all orders share one smoothing kernel, that is cut at `cut` and then
    differenced: exact differences inside, differences of the cut kernel at its ends.
    """
    n = np.arange(-width, width + 1)
    if not discretisation.shared_smoothing:
        taps = discretisation.taps(xp, sigma, order, width, cut=cut)
        return xp.where(abs(n) <= cut, taps, 0)
    reach = difference_reach(order)
    wide = np.arange(-width - reach, width + reach + 1)
    smoothing = discretisation.taps(xp, sigma, 0, width + reach, cut=cut)
    smoothing = xp.where(abs(wide) <= cut, smoothing, 0)
    ends = difference(xp, smoothing, order)
    inside = discretisation.taps(xp, sigma, order, width, cut=cut)
    return xp.where(abs(n) <= cut - reach, inside, ends)


def _toeplitz(xp: Any, taps: Any, rows: np.ndarray, columns: np.ndarray) -> Any:
    """[rows, columns] of taps at offset column - row, 0 beyond the taps.

    Both count up by 1. Rows are shifted copies: no gathering, and no scattering in the
    gradient, which on CPUs took longer than the products with a matrix per channel.
    """
    m, n = len(rows), len(columns)
    length = m + n  # one zero at the end, for a single row
    first = columns[0] - rows[-1] + (len(taps) - 1) // 2
    shown = taps[max(first, 0) : max(first + length - 1, 0)]
    before = min(max(-first, 0), length)
    shown = xp.pad(shown, (before, length - before - len(shown)))
    # One px further to the left from row to row.
    lines = xp.broadcast_to(shown, (m, length)).reshape(-1)
    lines = lines[m - 1 : m - 1 + m * (length - 1)]
    return lines.reshape(m, length - 1)[:, :n]


def axis_matrix(
    xp: Any, filter_: Filter, sigma: Any, order: int, source: Window, rows: np.ndarray
) -> Any:
    """Dense matrix [len(rows), source.length] of one derivative order along an axis.

    Args:
      xp: `numpy` for a concrete sigma, `jax.numpy` for a traced one.
      filter_: the operator.
      sigma: scalar standard deviation in px.
      order: derivative order along this axis; no factor sigma^order.
      source: the pixels at hand.
      rows: positions of the wanted responses; those outside the axis are responses
        on the extended image.
    """
    discretisation, padding = filter_.discretisation, filter_.padding
    size = source.size
    pixels = np.arange(source.start, source.stop)
    if not filter_.is_cut and padding in ("wrap", "symmetric"):
        period = size if padding == "wrap" else 2 * size
        taps = discretisation.periodic_taps(xp, sigma, order, period)
        matrix = taps[(pixels[None, :] - rows[:, None]) % period]
        if padding == "symmetric":
            matrix = matrix + taps[(-1 - pixels[None, :] - rows[:, None]) % period]
        return matrix
    width = _width(xp, filter_, sigma, rows, size)
    if not filter_.is_cut:
        taps = discretisation.taps(xp, sigma, order, width)
    else:
        cut = filter_.radius(sigma, limit=width)
        taps = truncated_taps(xp, discretisation, sigma, order, width, cut)
    if padding == "zero":
        return _toeplitz(xp, taps, rows, pixels)
    positions = np.arange(rows.min() - width, rows.max() + width + 1)
    shown = extend(positions, size, padding)[:, None] == pixels[None, :]
    toeplitz = _toeplitz(xp, taps, rows, positions)
    if xp is np:
        return toeplitz @ shown
    return jnp.matmul(toeplitz, shown.astype(toeplitz.dtype), precision=HIGHEST)


def _width(xp: Any, filter_: Filter, sigma: Any, rows: np.ndarray, size: int) -> int:
    """Half-width of the taps that a dense matrix is built from."""
    furthest = int(max(size - 1 - rows.min(), rows.max()))
    if filter_.is_cut and xp is np:
        # Differences of a shared kernel reach beyond it.
        return filter_.cut_reach(sigma)
    if filter_.padding == "zero" and not filter_.discretisation.normalized:
        # A traced cut is found up to this width: it must not seem to end the kernel.
        return furthest + difference_reach(filter_.max_order)
    # What lies outside counts: in the sum of a normalised kernel, or at an edge.
    if xp is np:
        return max(furthest, int(np.ceil(10 * sigma)) + 16)
    # Traced sigma: exact while sigma <= size / 2; beyond, tails are lost.
    return 4 * furthest + 8


@functools.lru_cache(maxsize=2048)
def _host_matrix(
    filter_: Filter, sigma: float, order: int, source: Window, start: int, stop: int
) -> np.ndarray:
    rows = np.arange(start, stop)
    return axis_matrix(np, filter_, np.float64(sigma), order, source, rows)


def scaled_matrix(
    filter_: Filter, sigma: Any, order: int, source: Window, start: int, stop: int
) -> Any:
    """sigma^order times `axis_matrix` for rows start..stop - 1.

    Returns:
      float64 NumPy for a concrete sigma (made once and kept), else a JAX array;
      [rows, columns], or [C, rows, columns] for a sigma of shape [C].
    """
    if is_traced(sigma):
        rows = np.arange(start, stop)

        def build(s):
            return s**order * axis_matrix(jnp, filter_, s, order, source, rows)

        return jax.vmap(build)(sigma) if sigma.ndim else build(sigma)

    def look_up(s):
        return s**order * _host_matrix(filter_, float(s), order, source, start, stop)

    return np.stack([look_up(s) for s in sigma]) if sigma.ndim else look_up(sigma)
