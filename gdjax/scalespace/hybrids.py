"""Smoothing kernels whose derivatives are central differences of one smoothed image."""

import abc
import dataclasses
import math
from typing import Any, ClassVar

import jax.numpy as jnp
import jax.scipy.special
import numpy as np
import scipy.special

from gdjax.scalespace.bessel import bessel_taps, mirror, periodic_bessel
from gdjax.scalespace.discretisation import (
    Discretisation,
    difference,
    difference_reach,
)
from gdjax.scalespace.hermite import gaussian


def special(xp: Any) -> Any:
    """The module of special functions that belongs to the array module `xp`."""
    return jax.scipy.special if xp is jnp else scipy.special


def positions(xp: Any, sigma: Any, radius: int) -> Any:
    """N = -radius..radius, in the dtype of a traced `sigma`."""
    n = np.arange(-radius, radius + 1)
    return n.astype(sigma.dtype if xp is jnp else np.float64)


def cell_masses(xp: Any, x: Any, sigma: Any) -> Any:
    """Integral of g(.; sigma) over [x - 1/2, x + 1/2]; sigma = 0 gives the impulse."""
    width = math.sqrt(2) * xp.maximum(sigma, 1e-10)
    erfc, x = special(xp).erfc, abs(x)  # small numbers in the tails, not near 1
    return (erfc((x - 0.5) / width) - erfc((x + 0.5) / width)) / 2


@dataclasses.dataclass(frozen=True)
class DiscreteGaussian(Discretisation):
    """T(n; s) = exp(-s) I_n(s) and its central differences. [gaussdernet] sec. 4.1."""

    shared_smoothing: ClassVar[bool] = True

    def taps(self, xp, sigma, order, radius, cut=None):
        """delta_x^order T(n; sigma^2), made in the Fourier domain."""
        return mirror(xp, bessel_taps(xp, sigma**2, order, radius), order)

    def periodic_taps(self, xp, sigma, order, period):
        """Exact for every sigma: the transfer function at the periodic frequencies."""
        return periodic_bessel(xp, sigma**2, order, period)


@dataclasses.dataclass(frozen=True)
class _Differenced(Discretisation):
    """Smoothing by `smoothing_taps`; derivatives are differences of those.

    With a traced sigma in float32 the differences of order a cancel: relative to the
    peak their error is about 1e-7 sigma^a for the sampled Gaussians, and grows faster
    for the integrated ones (order 2 at 8 px: 1.3e-4, linearly integrated 1.9e-3). A
    concrete sigma, float64 and `DiscreteGaussian` don't have it.
    """

    shared_smoothing: ClassVar[bool] = True

    @abc.abstractmethod
    def smoothing_taps(self, xp: Any, sigma: Any, radius: int, cut: Any) -> Any:
        """The smoothing kernel, [2 radius + 1], normalised (if at all) over `cut`."""

    def taps(self, xp, sigma, order, radius, cut=None):
        """Central difference of the smoothing kernel, taken before cropping."""
        wide = radius + difference_reach(order)
        cut = radius if cut is None else cut
        return difference(xp, self.smoothing_taps(xp, sigma, wide, cut), order)


@dataclasses.dataclass(frozen=True)
class SampledGaussian(_Differenced):
    """g(n; sigma) at the pixels, with central differences. [gaussdernet] (2).

    Sums to more than 1 below sigma = 0.7 px.
    """

    impulse_limit: ClassVar[bool] = False

    def smoothing_taps(self, xp, sigma, radius, cut):
        """g(n; sigma)."""
        return gaussian(xp, positions(xp, sigma, radius), sigma)


@dataclasses.dataclass(frozen=True)
class NormalizedSampledGaussian(_Differenced):
    """g(n; sigma) divided by its sum, with central differences. gdjax."""

    normalized: ClassVar[bool] = True

    def smoothing_taps(self, xp, sigma, radius, cut):
        """g(n) / sum_{|m| <= cut} g(m)."""
        return normalized_gaussian(xp, sigma, radius, cut)


@dataclasses.dataclass(frozen=True)
class IntegratedGaussian(_Differenced):
    """g integrated over each pixel, with central differences. gdjax.

    Asymptotically 1/12 px^2 wider than sigma^2.
    """

    variance_offset: ClassVar[float] = 1 / 12

    def smoothing_taps(self, xp, sigma, radius, cut):
        """Phi((n + 1/2) / sigma) - Phi((n - 1/2) / sigma)."""
        return cell_masses(xp, positions(xp, sigma, radius), sigma)


@dataclasses.dataclass(frozen=True)
class LinearlyIntegratedGaussian(_Differenced):
    """g integrated against the linear interpolation kernel, with central differences.

    Asymptotically 1/6 px^2 wider than sigma^2. gdjax.
    """

    variance_offset: ClassVar[float] = 1 / 6

    def smoothing_taps(self, xp, sigma, radius, cut):
        """Second difference of H(x) = x Phi(x / sigma) + sigma^2 g(x; sigma).

        x Phi = (x + |x|) / 2 - |x| erfc(|x| / (sqrt 2 sigma)) / 2: the first term has
        second difference 1 at n = 0 and 0 elsewhere, the rest decays.
        """
        x = positions(xp, sigma, radius + 1)
        scale = xp.maximum(sigma, 1e-6)
        decaying = scale**2 * gaussian(xp, x, scale)
        decaying = decaying - abs(x) / 2 * special(xp).erfc(
            abs(x) / (math.sqrt(2) * scale)
        )
        return difference(xp, decaying, 2) + (x[1:-1] == 0).astype(x.dtype)


def normalized_gaussian(xp: Any, sigma: Any, radius: int, cut: Any) -> Any:
    """exp(-n^2 / 2 sigma^2) over its sum for |m| <= cut; sigma = 0 is the impulse."""
    n = positions(xp, sigma, radius)
    weights = xp.exp(-(n**2) / (2 * xp.maximum(sigma, 1e-6) ** 2))
    inside = xp.where(abs(np.arange(-radius, radius + 1)) <= cut, weights, 0)
    return weights / inside.sum()
