"""Filters on the pixels that keep scale equivariance as well as they can. DISCO.

An image X, band-limited, is made r times smaller, X(r z); a filter k_i of a scale i,
and k_j of the scale j = r i, are equivariant where both orders agree:

  e(z) = sum_u k_j(u) X(r z + u) - sum_v k_i(v) X(r (z + v))

At whole r a dilated k_i is, exactly. Elsewhere taps on the pixels are no more than an
estimate of X between them. Its mean square, over images of a known spectrum,

  E e^2 = sum k_j(u) k_j(u') Q(u - u') - 2 sum k_j(u) k_i(v) Q(u - r v)
          + sum k_i(v) k_i(v') Q(r (v - v')),

is a quadratic form in the taps: the covariance Q(d) = E X(p) X(p + d) is all that it
takes. [scale_learning] Table 5 and [Sosnovik et al. 2021], who minimise its root by
gradient descent on white noise with cubic interpolation; in closed form, on 1 / f^2 and
band-limited: gdjax.
"""

import dataclasses
import functools
import math
from typing import Any

import numpy as np

from gdjax.scalespace.checks import (
    check_flag,
    check_kernel_sigma,
    hold_ints,
    is_traced,
    real_array,
    shown,
)
from gdjax.scalespace.discretisation import Discretisation, check_discretisation
from gdjax.scalespace.hermite import HermiteB, basis_filter
from gdjax.scalespace.kernels import SampledGaussianDerivatives
from gdjax.scalespace.matrices import truncated_taps


# Side in px, odd, of the torus that stands for the plane; its lowest frequency is
# where the spectrum 1 / f^2 levels off.
PERIOD = 127


@dataclasses.dataclass(frozen=True)
class DiscoBasis:
    """Hermite-Gaussian functions at the finest scale, carried to others by DISCO.

    Attributes:
      order: highest total order.
      mult: ratio of the scales of the basis, > 1.
      functions: F, as many as a filter at the finest scale has pixels: 49 for 7 x 7.
      size: side of the filters at all scales, px, odd.
      discretisation: of the functions at the finest scale.

    Raises:
      TypeError, ValueError: at construction, for arguments out of range.

    [scale_learning] Table 5, DISCO; numbers: those of its authors' code for MNIST.
    """

    order: int = 4
    mult: float = 1.5
    functions: int = 49
    size: int = 15
    discretisation: Discretisation = SampledGaussianDerivatives()  # noqa: RUF009

    def __post_init__(self):
        functions = HermiteB(self.order, self.mult, self.functions)
        object.__setattr__(self, "mult", functions.mult)
        check_discretisation(self.discretisation)
        hold_ints(self, order=0, functions=1, size=1)
        if self.size % 2 == 0:
            raise ValueError(
                f"`size={self.size}` must be odd, with a pixel in the centre."
            )
        if self.side**2 != self.functions or self.side % 2 == 0:
            raise ValueError(
                f"`functions={self.functions}` must be the square of an odd number, the"
                " side of the filters at the finest scale: 49 for 7 x 7 px."
            )

    @property
    def side(self) -> int:
        """Of the filters at the finest scale, px."""
        return round(self.functions**0.5)

    def check(self, scales: Any) -> None:
        """Raises TypeError or ValueError for scales that `disco_basis` refuses."""
        ratios, _ = _ratios(scales)
        reach = self.side // 2 * ratios[-1]
        if reach > self.size // 2:
            raise ValueError(
                f"`size={self.size}` is too small for {self.side} px at the finest"
                f" scale and {ratios[-1]:g} times that at the coarsest: give at least"
                f" {2 * math.ceil(reach) + 1}."
            )

    def filters(self, scales: tuple[float, ...]) -> np.ndarray:
        """`disco_basis` at these scales in px, [F, S, size, size]."""
        return disco_basis(scales, **vars(self))


def disco_basis(
    scales: Any,
    *,
    size: int = 15,
    order: int = 4,
    mult: float = 1.5,
    functions: int = 49,
    discretisation: Discretisation = SampledGaussianDerivatives(),  # noqa: B008
    normalised: bool = True,
) -> np.ndarray:
    """The basis of DISCO on a grid of pixels.

    At the finest scale the functions of `HermiteB`, on as many pixels as there are
    functions; at whole multiples of it the same taps, dilated; at other scales the taps
    with the least `equivariance_loss`, all scales together. They are found once for
    every set of ratios and kept.

    Args:
      scales: sigma in px, [S], the finest first; not traced.
      size: side of the filters in px, odd.
      order: highest total order.
      mult: ratio of neighbouring scales of the basis.
      functions: F, the square of an odd number.
      discretisation: of the functions at the finest scale.
      normalised: whether all are divided by their norm at the first scale.

    Returns:
      [F, S, size, size], float64, in correlation form, rows y, columns x.

    Raises:
      TypeError, ValueError: for arguments out of range, and filters that don't fit
        into `size`.

    [scale_learning] Table 5, DISCO; least squares: gdjax.
    """
    basis = DiscoBasis(order, mult, functions, size, discretisation)
    size = basis.size
    basis.check(scales)
    normalised = check_flag(normalised, name="normalised")
    ratios, finest = _ratios(scales)
    taps = _hermite_functions(finest, basis)
    filters = np.tensordot(taps, carried_taps(ratios, basis.side, size), 2)
    if not normalised:
        return filters
    squares = (filters[:, :1] ** 2).sum((-2, -1), keepdims=True)
    # A function that is 0 on all pixels stays so.
    return filters / np.sqrt(np.where(squares > 0, squares, 1))


def equivariance_loss(filters: Any, scales: Any) -> np.ndarray:
    """E e^2 of the header, summed over all pairs of scales.

    Args:
      filters: taps, [..., S, size, size], in correlation form.
      scales: in px or relative to each other, [S], the finest first.

    Returns:
      [...], float64, for images of variance 1 with the power spectrum 1 / (f^2 + f_0^2)
      of natural images, f_0 one cycle in 127 px.

    Raises:
      TypeError, ValueError: for scales that are not positive or do not increase, and
        filters of other shapes.

    [Sosnovik et al. 2021]; its expectation: gdjax.
    """
    filters = real_array(filters, name="filters", unit="taps")
    ratios, _ = _ratios(scales)
    size = filters.shape[-1] if filters.ndim > 2 else 0
    if filters.shape[-3:] != (len(ratios), size, size) or size % 2 == 0:
        raise ValueError(
            f"`filters` of shape {filters.shape} must be [..., {len(ratios)}, size,"
            " size] with an odd size, for as many scales."
        )
    flat = filters.reshape(*filters.shape[:-3], -1)
    return np.einsum("...a,ab,...b->...", flat, normal_matrix(ratios, size), flat)


def _ratios(scales: Any) -> tuple[tuple[float, ...], float]:
    """Of all scales to the finest one, and that."""
    if is_traced(scales):
        raise TypeError("`scales` are traced, but the filters are found on the host.")
    scales = check_kernel_sigma(scales, name="scales", impulse_limit=False)
    if scales.ndim != 1 or not scales.size or np.any(np.diff(scales) <= 0):
        raise ValueError(
            f"`scales={shown(scales.tolist())}`: give one or more, [S], the finest"
            " first, each once."
        )
    # What rounding leaves of equal ratios is none of the cache's business.
    ratios = np.round(scales / scales[0], 9)
    return tuple(ratios.tolist()), float(scales[0])


def _hermite_functions(sigma: float, basis: DiscoBasis) -> np.ndarray:
    """At the finest scale, on side x side px, as `hermite_basis_b`, [F, y, x]."""
    functions = HermiteB(basis.order, basis.mult, basis.functions)
    kernels = basis_filter(basis.discretisation, "zero", functions, None)
    # Wider, so that differences have their neighbours.
    width, found = basis.side // 2 + basis.order, []
    shown = slice(basis.order, 2 * width + 1 - basis.order)
    for divisor, orders in functions.parts():
        own, top = sigma / divisor, max(max(pair) for pair in orders)
        taps = [
            own**n * truncated_taps(np, kernels, own, n, width, width)[shown]
            for n in range(top + 1)
        ]
        found += [2 * math.pi * np.outer(taps[m], taps[n]) for n, m in orders]
    return np.stack(found)


@functools.lru_cache(maxsize=8)
def carried_taps(ratios: tuple[float, ...], side: int, size: int) -> np.ndarray:
    """What becomes at all scales of every single tap at the finest one (gdjax).

    Args:
      ratios: of the scales to the finest one, which has the ratio 1.
      side: of the filters at the finest scale, px, odd.
      size: of the filters at all scales, px, odd.

    Returns:
      [side, side, S, size, size]: the tap (y, x), and the filter that it is part of;
      read-only.
    """
    whole = [abs(ratio - round(ratio)) < 1e-6 for ratio in ratios]
    found = np.zeros((side, side, len(ratios), size, size))
    for s, ratio in enumerate(ratios):
        if whole[s]:
            place = size // 2 + round(ratio) * (np.arange(side) - side // 2)
            for y, x in np.ndindex(side, side):
                found[y, x, s, place[y], place[x]] = 1
    free = np.repeat(~np.array(whole), size**2)
    if free.any():
        flat, matrix = found.reshape(side**2, -1), normal_matrix(ratios, size)
        right = flat[:, ~free] @ matrix[np.ix_(~free, free)]
        flat[:, free] = -np.linalg.solve(matrix[np.ix_(free, free)], right.T).T
    found.flags.writeable = False
    return found


@functools.lru_cache(maxsize=8)
def normal_matrix(ratios: tuple[float, ...], size: int) -> np.ndarray:
    """The quadratic form of `equivariance_loss`, [S size^2, S size^2]; read-only."""
    count, pixels = len(ratios), np.arange(size) - size // 2
    matrix = np.zeros((count, size**2, count, size**2))
    on_pixels = _covariances(pixels, pixels)
    for i in range(count):
        for j in range(i + 1, count):
            ratio = ratios[j] / ratios[i]
            between = _covariances(pixels, ratio * pixels)
            matrix[j, :, j] += on_pixels
            matrix[i, :, i] += _covariances(ratio * pixels, ratio * pixels)
            matrix[j, :, i] -= between
            matrix[i, :, j] -= between.T
    matrix = matrix.reshape(count * size**2, -1)
    matrix.flags.writeable = False
    return matrix


def _covariances(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Q between the points of two square grids, [A, A] and [B, B]: [A^2, B^2].

    Args:
      first: positions of the one along either axis, px, [A].
      second: of the other, [B].
    """
    frequency = 2 * math.pi / PERIOD * (np.arange(PERIOD) - PERIOD // 2)
    squares = frequency**2
    lowest = (2 * math.pi / PERIOD) ** 2
    power = 1 / (squares[:, None] + squares + lowest)
    offsets = np.subtract.outer(first, second)
    # The spectrum is even along both axes: cosines are enough.
    waves = np.cos(offsets[..., None] * frequency)
    found = np.einsum(
        "abk,kl,cdl->acbd", waves, power / power.sum(), waves, optimize=True
    )
    return found.reshape(len(first) ** 2, len(second) ** 2)
