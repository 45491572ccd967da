"""The nine discretisations of the Gaussian and its derivatives.

Five smoothing kernels whose derivatives are central differences of one smoothed image,
and four families in which every order has a kernel of its own.
"""

import abc
import dataclasses
import functools
import math
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import jax.scipy.special
import numpy as np

from gdjax.scalespace.bessel import (
    bessel_taps,
    inverse_transform,
    mirror,
    periodic_bessel,
)
from gdjax.scalespace.checks import LEAST_SIGMA, is_traced
from gdjax.scalespace.derivatives import difference, difference_reach, difference_taps
from gdjax.scalespace.discretisation import Discretisation


def hermite(order: int, x: Any) -> Any:
    """Probabilists' Hermite polynomial He_n(x), by recurrence; same shape as `x`.

    He_{n+1} = x He_n - n He_{n-1}: [njet] (2) up to its normalisation.
    """
    previous, current = 0 * x, 0 * x + 1
    for n in range(order):
        previous, current = current, x * current - n * previous
    return current


def standardised(xp: Any, x: Any, sigma: Any) -> Any:
    """Gives x / sigma, but no further out than the Gaussian is more than 0 in float64.

    Beyond, its derivative in sigma would be infinity times 0.
    """
    return xp.clip(x / sigma, -40, 40)


def gaussian(xp: Any, x: Any, sigma: Any) -> Any:
    """g(x; sigma), the continuous 1-D Gaussian, at `x` in px. [gaussdernet] (2)."""
    u = standardised(xp, x, sigma)
    return xp.exp(-(u**2) / 2) / (math.sqrt(2 * math.pi) * sigma)


def gaussian_derivative(xp: Any, order: int, x: Any, sigma: Any) -> Any:
    """(-1)^a d^a g / dx^a = sigma^-a He_a(x / sigma) g(x): taps in correlation form.

    Below `LEAST_SIGMA` that of it.
    """
    sigma = xp.maximum(sigma, LEAST_SIGMA)
    u = standardised(xp, x, sigma)
    return hermite(order, u) * gaussian(xp, x, sigma) / sigma**order


def special(xp: Any) -> Any:
    """The module of special functions that belongs to the array module `xp`."""
    import scipy.special  # scipy takes longer to import than all of gdjax

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
        return difference_taps(self.smoothing_taps(xp, sigma, wide, cut), order)


@dataclasses.dataclass(frozen=True)
class SampledGaussian(_Differenced):
    """g(n; sigma) at the pixels, with central differences. [gaussdernet] (2).

    Sums to more than 1 below sigma = 0.7 px. There is no limit at 0 px: a sigma below
    1e-4 px is refused, where it is traced the kernel is that of 1e-4 px.
    """

    impulse_limit: ClassVar[bool] = False

    def smoothing_taps(self, xp, sigma, radius, cut):
        """g(n; sigma)."""
        sigma = xp.maximum(sigma, LEAST_SIGMA)
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
        return difference(decaying, 2) + (x[1:-1] == 0).astype(x.dtype)


def normalized_gaussian(xp: Any, sigma: Any, radius: int, cut: Any) -> Any:
    """exp(-n^2 / 2 sigma^2) over its sum for |m| <= cut; sigma = 0 is the impulse."""
    u = standardised(xp, positions(xp, sigma, radius), xp.maximum(sigma, 1e-6))
    weights = xp.exp(-(u**2) / 2)
    inside = xp.where(abs(np.arange(-radius, radius + 1)) <= cut, weights, 0)
    return weights / inside.sum()


@dataclasses.dataclass(frozen=True)
class SampledGaussianDerivatives(Discretisation):
    """d^a g / dx^a at the pixels. [gaussdernet] (3), Fig. 1.

    No limit at 0 px, as of `SampledGaussian`.
    """

    impulse_limit: ClassVar[bool] = False

    def taps(self, xp, sigma, order, radius, cut=None):
        """sigma^-a He_a(n / sigma) g(n; sigma)."""
        return gaussian_derivative(xp, order, positions(xp, sigma, radius), sigma)


@dataclasses.dataclass(frozen=True)
class IntegratedGaussianDerivatives(Discretisation):
    """d^a g / dx^a integrated over each pixel. gdjax.

    A sigma below 1e-4 px is refused, where it is traced the kernel is that of 1e-4 px.
    """

    impulse_limit: ClassVar[bool] = False
    variance_offset: ClassVar[float] = 1 / 12

    def taps(self, xp, sigma, order, radius, cut=None):
        """Difference of the derivative of order a - 1 at n -+ 1/2."""
        n = positions(xp, sigma, radius)
        if order == 0:
            return cell_masses(xp, n, sigma)
        left, right = (
            gaussian_derivative(xp, order - 1, n + half, sigma) for half in (-0.5, 0.5)
        )
        return left - right


@dataclasses.dataclass(frozen=True)
class NormalizedSampledGaussianDerivatives(Discretisation):
    """Hermite polynomials times a sampled Gaussian of sum 1. [njet] (2).

    A sigma below 1e-4 px is refused, where it is traced the kernel is that of 1e-4 px.
    """

    normalized: ClassVar[bool] = True
    impulse_limit: ClassVar[bool] = False

    def taps(self, xp, sigma, order, radius, cut=None):
        """sigma^-a He_a(n / sigma) times the Gaussian normalised over the kernel."""
        weights = normalized_gaussian(xp, sigma, radius, radius if cut is None else cut)
        sigma = xp.maximum(sigma, LEAST_SIGMA)
        u = standardised(xp, positions(xp, sigma, radius), sigma)
        return hermite(order, u) * weights / sigma**order


@dataclasses.dataclass(frozen=True)
class SpectralGaussian(Discretisation):
    """The Gaussian derivative of the band-limited interpolation of the image. gdjax.

      k_a(n) = 1 / (2 pi) int_-pi^pi (i w)^a exp(-s w^2 / 2) exp(-i w n) dw

    On band-limited images it is exactly the continuous operator, so it is scale
    covariant down to the finest scales. It has no compact support: below sigma = 1 px
    it rings, with taps that fall as 1 / n.
    """

    def taps(self, xp, sigma, order, radius, cut=None):
        """Gauss-Legendre quadrature on [0, pi], whose nodes don't depend on sigma.

        From 9 px on there is nothing at w = pi, exp(-400): the Gaussian's samples.
        """
        if not is_traced(sigma) and sigma >= 9:
            n = np.arange(-radius, radius + 1)
            return xp.asarray(gaussian_derivative(np, order, n, np.float64(sigma)))
        width = 0 if is_traced(sigma) else 8 * float(sigma)
        nodes, waves = _quadrature(radius, order % 2, int(max(radius, width)))
        if xp is jnp:
            nodes, waves = nodes.astype(sigma.dtype), waves.astype(sigma.dtype)
        spectrum = _spectrum(xp, sigma, order, nodes)
        precision = {"precision": jax.lax.Precision.HIGHEST} if xp is jnp else {}
        return mirror(xp, xp.matmul(waves, spectrum, **precision), order)

    def periodic_taps(self, xp, sigma, order, period):
        """Exact: the spectrum at the periodic frequencies, odd orders 0 at Nyquist."""
        w = 2 * np.pi * np.arange(period // 2 + 1) / period
        keep = np.ones_like(w)
        if period % 2 == 0 and order % 2:
            keep[-1] = 0
        if xp is jnp:
            w, keep = w.astype(sigma.dtype), keep.astype(sigma.dtype)
        spectrum = _spectrum(xp, sigma, order, w) * keep
        return inverse_transform(xp, spectrum, order, period)

    def radius(self, sigma, eps, *, ndim=2, order=0, limit=0):
        """The Gaussian's radius, and as far as the ringing of order 1 exceeds `eps`.

        The jump of i w exp(-s w^2 / 2) at w = pi makes scale-normalised taps of
        size sigma exp(-s pi^2 / 2) / (pi n). The cut costs covariance: about 4 % of
        relative error at sigma = 0.5 px and eps = 0.005, 0.4 % at 1 px; `eps=None`
        costs nothing but time.
        """
        core = super().radius(sigma, eps, ndim=ndim, order=order, limit=limit)
        xp = jnp if is_traced(sigma) else np
        ringing = sigma * xp.exp(-(sigma**2) * np.pi**2 / 2) / (np.pi * eps)
        if xp is np:
            return core + int(np.ceil(ringing - 1e-3))
        return core + jnp.ceil(ringing - 1e-3).astype(core.dtype)


def _spectrum(xp: Any, sigma: Any, order: int, frequency: Any) -> Any:
    sign = (-1) ** (order // 2)
    return sign * frequency**order * xp.exp(-(sigma**2) * frequency**2 / 2)


@functools.lru_cache(maxsize=64)
def _quadrature(radius: int, odd: int, reach: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes on [0, pi] and the matrix [radius + 1, nodes] of weighted waves / pi."""
    import scipy.special

    count = int(np.ceil(reach * np.pi / 2)) + 32
    nodes, weights = scipy.special.roots_legendre(count)
    nodes = (nodes + 1) * np.pi / 2
    phase = np.arange(radius + 1)[:, None] * nodes
    return nodes, (np.sin(phase) if odd else np.cos(phase)) * weights / 2
