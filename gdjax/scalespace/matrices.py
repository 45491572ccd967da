"""1-D filters as matrices, which accelerators multiply best (gdjax).

The response at pixel i of an axis is sum_n k[n] f(i + n), with f extended by the
border rule: a matrix A[i, j] = sum over all positions m that show pixel j of k[m - i].
They are made here, on the host where sigma is known; `axis_filter` applies them.
"""

import dataclasses
import functools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gdjax.scalespace.axis_filter import AxisFilter, Span, Tiles
from gdjax.scalespace.checks import (
    LARGEST_INT,
    LARGEST_RADIUS,
    check_eps,
    check_kernel_sigma,
    check_ndim,
    check_number,
    check_padding,
    hold_ints,
    is_traced,
    shown,
)
from gdjax.scalespace.derivatives import difference_reach, difference_taps
from gdjax.scalespace.discretisation import (
    Discretisation,
    check_discretisation,
    mass_to_lose,
)
from gdjax.scalespace.execution.products import HIGHEST
from gdjax.scalespace.windows import Window, extend


# Longer axes are tiled where the kernel is short: what the tiles cost in overlap is
# then less than what a dense matrix wastes on zeros.
LONGEST_DENSE_AXIS = 512
# What an axis too long for a dense matrix loses when no truncation was asked for.
TILED_EPS = 1e-8


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

    Raises TypeError or ValueError at construction, for what it can't be.
    """

    discretisation: Discretisation
    padding: str
    eps: float | None
    ndim: int
    max_order: int
    extent: float | None = None

    def __post_init__(self):
        check_discretisation(self.discretisation)
        check_padding(self.padding)
        # As a number of Python's: it is part of a key.
        object.__setattr__(self, "eps", check_eps(self.eps))
        hold_ints(self, ndim=-LARGEST_INT, max_order=0)
        check_ndim(self.ndim)
        if self.extent is not None:
            check_number(
                self.extent, name="extent", least=0, most=LARGEST_RADIUS, unit="sigma"
            )

    @property
    def is_cut(self) -> bool:
        """Whether kernels end somewhere."""
        return self.eps is not None or self.extent is not None

    def radius(self, sigma: Any, limit: int = 0) -> Any:
        """Half-width in px of the (smoothing) kernel, if it `is_cut`."""
        if self.extent is not None:
            xp = jnp if is_traced(sigma) else np
            # The slack: rounding of a learned sigma of 6 must not add a tap.
            radius = xp.ceil(self.extent * sigma - 1e-4).astype(int)
            return jnp.minimum(radius, limit) if xp is jnp else int(radius)
        assert self.eps is not None
        return self.discretisation.radius(
            sigma, self.eps, ndim=self.ndim, order=self.max_order, limit=limit
        )

    @property
    def beyond(self) -> int:
        """How far in px an operator looks beyond the radius of its kernel."""
        shared = self.discretisation.shared_smoothing
        return difference_reach(self.max_order) if shared else 0

    def reach(self, sigma: float) -> int | None:
        """How far in px the operator looks; None: everywhere."""
        return self.radius(sigma) + self.beyond if self.is_cut else None

    def check_sigma(
        self, sigma: Any, channels: int | None = None, *, name: str = "sigma"
    ) -> Any:
        """`check_sigma` for these kernels; one number, or one per channel."""
        limit = self.discretisation.impulse_limit
        sigma = check_kernel_sigma(sigma, name=name, impulse_limit=limit)
        if sigma.shape not in ((), (channels,)):
            also = f" or one per channel, shape ({channels},)" if channels else ""
            raise ValueError(f"`{name}` has shape {sigma.shape}; give a scalar{also}.")
        return sigma

    def check_sigmas(self, sigma: Any, channels: int) -> tuple[Any, ...]:
        """A sigma for each axis, x first; all or none of them one per channel.

        `sigma` is that of all axes, or a mapping with one for each of x, y, z.
        """
        if not isinstance(sigma, Mapping):
            return (self.check_sigma(sigma, channels),) * self.ndim
        names = "xyz"[: self.ndim]
        if set(sigma) != set(names):
            wanted = ", ".join(f'"{name}": ...' for name in names)
            raise ValueError(
                f"`sigma={shown(sigma)}`: a mapping must have px for each of the"
                f" {self.ndim} axes, {{{wanted}}}."
            )
        found = [
            self.check_sigma(sigma[name], channels, name=f'sigma["{name}"]')
            for name in names
        ]
        if any(each.ndim for each in found):
            xp = jnp if any(map(is_traced, found)) else np
            return tuple(xp.broadcast_to(each, (channels,)) for each in found)
        return tuple(found)


def truncated_taps(
    xp: Any, filter_: Filter, sigma: Any, order: int, width: int, radius: Any
) -> Any:
    """The kernel of derivative order `order`, cut at `radius`, [2 width + 1].

    Where all orders share one smoothing kernel, that is cut and then differenced:
    exact differences inside, differences of the cut kernel at its ends.
    """
    discretisation, n = filter_.discretisation, np.arange(-width, width + 1)
    if not discretisation.shared_smoothing:
        taps = discretisation.taps(xp, sigma, order, width, cut=radius)
        return xp.where(abs(n) <= radius, taps, 0)
    reach = difference_reach(order)
    wide = np.arange(-width - reach, width + reach + 1)
    smoothing = discretisation.taps(xp, sigma, 0, width + reach, cut=radius)
    smoothing = xp.where(abs(wide) <= radius, smoothing, 0)
    ends = difference_taps(smoothing, order)
    inside = discretisation.taps(xp, sigma, order, width, cut=radius)
    return xp.where(abs(n) <= radius - reach, inside, ends)


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


def _folded(
    taps: np.ndarray, size: int, padding: str, rows: np.ndarray, pixels: np.ndarray
) -> np.ndarray:
    """[rows, pixels] of taps on an axis of `size` px that its border rule extends.

    The kernel may be much longer than the axis: nothing here is as large as both.
    """
    width = len(taps) // 2
    if padding == "edge":
        matrix = np.array(_toeplitz(np, taps, rows, pixels))
        # What lies before the first pixel and after the last, summed from outside.
        before = np.concatenate([[0.0], np.cumsum(taps)])
        after = np.concatenate([[0.0], np.cumsum(taps[::-1])])
        left = before[np.clip(width - rows, 0, len(taps))]
        right = after[np.clip(width - (size - 1 - rows), 0, len(taps))]
        matrix[:, pixels == 0] += left[:, None]
        matrix[:, pixels == size - 1] += right[:, None]
        return matrix
    period = size if padding == "wrap" else 2 * size
    places = np.arange(-width, width + 1) % period
    folded = np.bincount(places, weights=taps, minlength=period)
    matrix = folded[(pixels[None, :] - rows[:, None]) % period]
    if padding == "symmetric":
        matrix = matrix + folded[(-1 - pixels[None, :] - rows[:, None]) % period]
    return matrix


def dense_matrix(
    xp: Any, filter_: Filter, sigma: Any, radius: Any, order: int, span: Span
) -> Any:
    """The matrix of one derivative order along an axis, without sigma^order.

    With `numpy` for a concrete scalar sigma, `jax.numpy` for a traced one; `radius` is
    that of its kernel, in px, if it is cut.
    """
    discretisation, padding = filter_.discretisation, filter_.padding
    size, rows = span.source.size, np.arange(span.start, span.stop)
    pixels = np.arange(span.source.start, span.source.stop)
    if not filter_.is_cut and padding in ("wrap", "symmetric"):
        period = size if padding == "wrap" else 2 * size
        taps = discretisation.periodic_taps(xp, sigma, order, period)
        matrix = taps[(pixels[None, :] - rows[:, None]) % period]
        if padding == "symmetric":
            matrix = matrix + taps[(-1 - pixels[None, :] - rows[:, None]) % period]
        return matrix
    if filter_.is_cut:
        known = xp is np or isinstance(radius, int)
        width = radius + filter_.beyond if known else _width(filter_, span)
        taps = truncated_taps(xp, filter_, sigma, order, width, radius)
    else:
        width = _width(filter_, span, sigma if xp is np else None)
        taps = discretisation.taps(xp, sigma, order, width)
    if padding == "zero":
        return _toeplitz(xp, taps, rows, pixels)
    if xp is np:
        return _folded(taps, size, padding, rows, pixels)
    positions = np.arange(rows.min() - width, rows.max() + width + 1)
    shown = extend(positions, size, padding)[:, None] == pixels[None, :]
    toeplitz = _toeplitz(xp, taps, rows, positions)
    shown = shown.astype(toeplitz.dtype)
    matrix = jnp.matmul(toeplitz, shown, precision=HIGHEST)
    if order or discretisation.normalized or (filter_.is_cut and known):
        return matrix
    mass = _mass(filter_)
    if padding == "edge":
        rest = jnp.maximum(mass - taps.sum(), 0)
        rest = rest if radius is None else jnp.where(radius >= width, rest, 0)
        ends = (pixels == 0) + 1.0 * (pixels == size - 1)
        return matrix + rest * (ends / 2).astype(taps.dtype)
    wide = mass * _wide_periodic(sigma, rows, pixels, size, padding)
    return jnp.where(radius >= width, wide, matrix)


def _mass(filter_: Filter) -> float:
    """What the kernel of order 0 has within its radius, where sigma is large."""
    if filter_.extent is not None:
        return math.erf(filter_.extent / math.sqrt(2))
    if filter_.eps is None:
        return 1.0
    shared = filter_.discretisation.shared_smoothing
    eps = filter_.eps / (1 if shared else 2**filter_.max_order)
    return 1 - mass_to_lose(eps, filter_.ndim)


def _wide_periodic(
    sigma: jax.Array, rows: np.ndarray, pixels: np.ndarray, size: int, padding: str
) -> jax.Array:
    """[rows, pixels] of the whole kernel, where it is wider than what is computed.

    Of its periods' sum three waves are left, and of those hardly the first.
    """
    period = size if padding == "wrap" else 2 * size
    offsets = [pixels[None, :] - rows[:, None]]
    if padding == "symmetric":
        offsets.append(-1 - pixels[None, :] - rows[:, None])
    total = jnp.full(offsets[0].shape, len(offsets), sigma.dtype)
    for m in range(1, min(4, (period + 1) // 2)):
        w = 2 * math.pi * m / period
        wave = sum(np.cos(w * offset) for offset in offsets)
        share = jnp.exp(-(sigma**2) * (1 - math.cos(w)))
        total = total + 2 * share * np.asarray(wave).astype(sigma.dtype)
    return total / period


def _width(filter_: Filter, span: Span, sigma: Any = None) -> int:
    """How many taps on either side a matrix is made of; `sigma` if it is concrete."""
    furthest = max(span.source.size - 1 - span.start, span.stop - 1)
    if filter_.padding == "zero" and not filter_.discretisation.normalized:
        # A traced radius is found up to this width: it must not seem to end the kernel.
        return furthest + difference_reach(filter_.max_order)
    # What lies outside counts: in the sum of a normalised kernel, or at an edge.
    if sigma is not None:
        return max(furthest, int(np.ceil(10 * sigma)) + 16)
    # Traced sigma: exact while sigma <= size / 2; beyond, tails are lost.
    return 4 * furthest + 8


def axis_filters(
    filter_: Filter, sigma: Any, orders: Sequence[Sequence[int]], spans: Sequence[Span]
) -> dict[tuple[int, int], AxisFilter]:
    """The filters of all axes, by depth (1: x) and order; the radius is found once.

    For `orders` along x, y, z and `spans` of the axes (D, H, W); `sigma` in px, checked
    before, a scalar or [C], or a tuple with one for each of x, y, z. Matrices are
    NumPy's float64 for a concrete sigma (made once and kept), else JAX arrays.
    """
    if isinstance(sigma, tuple):
        if all(each is sigma[0] for each in sigma):
            return axis_filters(filter_, sigma[0], orders, spans)
        found = {}
        for depth, (each, wanted) in enumerate(zip(sigma, orders, strict=True), 1):
            own = axis_filters(filter_, each, [wanted], [spans[-depth]])
            found |= {(depth, n): one for (_, n), one in own.items()}
        return found
    radius = None
    if isinstance(sigma, jax.Array):  # no kernel is made in half precision
        sigma = sigma.astype(jnp.promote_types(sigma.dtype, jnp.float32))
    if filter_.is_cut and is_traced(sigma):
        limit = max(_width(filter_, span) for span in spans)
        find = functools.partial(filter_.radius, limit=limit)
        radius = jax.vmap(find)(sigma) if sigma.ndim else find(sigma)
    return {
        (depth, n): _axis_filter(filter_, sigma, radius, n, spans[-depth])
        for depth, wanted in enumerate(orders, start=1)
        for n in sorted(set(wanted))
    }


def _axis_filter(filter_, sigma, radius, order: int, span: Span) -> AxisFilter:
    if is_traced(sigma):

        def build(sigma, radius):
            return sigma**order * dense_matrix(jnp, filter_, sigma, radius, order, span)

        over = jax.vmap(build, (0, None if radius is None else 0))
        return AxisFilter((over if sigma.ndim else build)(sigma, radius))
    if sigma.ndim:
        found = [known_filter(filter_, float(s), order, span, False) for s in sigma]
        return AxisFilter(np.stack([one.matrix for one in found]))
    return known_filter(filter_, float(sigma), order, span, True)


@functools.lru_cache(maxsize=2048)
def known_filter(
    filter_: Filter, sigma: float, order: int, span: Span, tiled: bool
) -> AxisFilter:
    """Of a concrete sigma, made on the host; `tiled`: long axes may be cut into tiles.

    `span` is that of the whole axis.
    """
    long = max(span.stop - span.start, span.source.length) > LONGEST_DENSE_AXIS
    cut, tiles = filter_, None
    if tiled and long and not filter_.is_cut:
        cut = dataclasses.replace(filter_, eps=TILED_EPS)
    radius = cut.radius(sigma) if cut.is_cut else None
    if tiled and long and 4 * (reach := radius + cut.beyond) <= span.source.length:
        tiles = Tiles(span, reach, filter_.padding)
        size, filter_ = tiles.length, dataclasses.replace(cut, padding="zero")
        inner = Window(size + 2 * reach, 0, size + 2 * reach)
        span = Span(inner, reach, reach + size)
    elif cut is not filter_:
        radius = None
    value = np.float64(sigma)
    matrix = dense_matrix(np, filter_, value, radius, order, span)
    return AxisFilter(value**order * matrix, tiles)
