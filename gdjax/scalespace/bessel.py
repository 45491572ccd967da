"""The discrete analogue of the Gaussian, T(n; s) = exp(-s) I_n(s), in JAX.

Bessel's integral is evaluated by the trapezoidal rule, which converges
geometrically for periodic integrands, so values and derivatives in the scale
parameter come from the same few lines:

  T(n; s) = 1 / pi  int_0^pi exp(-2 s sin^2(w / 2)) cos(n w) dw.

A central difference of order a multiplies the integrand by its transfer function
(i sin w)^(a mod 2) (-4 sin^2(w / 2))^(a div 2), so that no difference of nearly equal
numbers is ever formed.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gdjax.scalespace.checks import (
    LARGEST_RADIUS,
    LARGEST_SIGMA,
    check_kernel_sigma,
    check_order,
    check_scalar,
    check_sigma,
    is_traced,
)
from gdjax.scalespace.derivatives import difference_transfer


def inverse_transform(xp: Any, spectrum: Any, order: int, period: int) -> Any:
    """Taps k[0..period - 1] from h(2 pi k / period), k = 0..period // 2.

    Even orders have the transfer function h, odd ones i h; correlation form
    (response sum_n k[n] f(x + n)), so that order 1 is positive on the right.
    """
    if order % 2:
        make = jax.lax.complex if xp is jnp else _complex
        spectrum = make(xp.zeros_like(spectrum), -spectrum)
    return xp.fft.irfft(spectrum, n=period)


def _complex(real: np.ndarray, imaginary: np.ndarray) -> np.ndarray:
    return real + 1j * imaginary


def periodic_bessel(xp: Any, variance: Any, order: int, period: int) -> Any:
    """delta_x^a T(n; s) summed over n + period Z, n = 0..period - 1. gdjax."""
    w = 2 * np.pi * np.arange(period // 2 + 1) / period
    decay = 2 * np.sin(w / 2) ** 2
    transfer = difference_transfer(np, order, w)
    if xp is jnp:
        decay, transfer = (v.astype(variance.dtype) for v in (decay, transfer))
    return inverse_transform(xp, xp.exp(-variance * decay) * transfer, order, period)


def bessel_taps(xp: Any, variance: Any, order: int, radius: int) -> Any:
    """delta_x^a T(n; s) for n = 0..radius, without truncation before the difference.

    A concrete variance fixes a period beyond the reach of the kernel. For a traced
    one the period follows from the radius, which covers sigma <= radius / 2; larger
    ones take the integral on the interval where its integrand is not negligible.
    """
    if xp is np:
        period = radius + int(np.ceil(9 * np.sqrt(variance))) + order + 24
        import scipy.fft  # scipy takes longer to import than all of gdjax

        period = int(scipy.fft.next_fast_len(period, real=True) or period)
        return periodic_bessel(np, variance, order, period)[: radius + 1]
    # Aliases are 5 radius = 10 sigma away: exp(-50).
    near = periodic_bessel(jnp, variance, order, 6 * (radius + 2))[: radius + 1]
    far = _bessel_quadrature(variance, order, radius)
    return jnp.where(4 * variance <= radius**2, near, far)


def _bessel_quadrature(variance: jax.Array, order: int, radius: int) -> jax.Array:
    # |w| <= 12 / sigma leaves out less than exp(-31); the identity holds for every
    # limit, hence no gradient through it.
    limit = 12 / jnp.sqrt(jnp.maximum(variance, (12 / np.pi) ** 2))
    limit = jax.lax.stop_gradient(limit)
    count = 2 * (radius + 2) + 32
    weights = np.ones(count + 1)
    weights[[0, -1]] = 0.5
    dtype = variance.dtype
    w = limit * (np.arange(count + 1) / count).astype(dtype)
    integrand = jnp.exp(-2 * variance * jnp.sin(w / 2) ** 2)
    integrand = integrand * difference_transfer(jnp, order, w)
    integrand = integrand * (weights / (np.pi * count)).astype(dtype) * limit
    phase = np.arange(radius + 1).astype(dtype)[:, None] * w
    wave = jnp.sin(phase) if order % 2 else jnp.cos(phase)
    return (wave * integrand).sum(-1)


def mirror(xp: Any, half: Any, order: int) -> Any:
    """[radius + 1] taps n >= 0 to [2 radius + 1]: even for even orders, else odd."""
    return xp.concatenate([half[:0:-1] * (-1) ** order, half])


def scaled_bessel(s: Any, *, max_order: int) -> jax.Array:
    """exp(-s) I_n(s) for n = 0..max_order; I_n the modified Bessel function.

    Args:
      s: variance in px^2, a scalar >= 0, traced and differentiable.
      max_order: highest order n (static).

    Returns:
      [max_order + 1], in the dtype of `s`. float32: within 3e-6 of exp(-s) I_0(s),
      3e-7 where max_order >= 2 sqrt(s).

    Raises:
      ValueError: if `max_order` < 0, or a concrete `s` is negative or not finite.

    [gaussdernet] sec. 4.1; scipy's `ive(n, s)`.
    """
    max_order = check_order(max_order, name="max_order", highest=LARGEST_RADIUS)
    value = check_sigma(s, name="s", highest=LARGEST_SIGMA**2)
    value = check_scalar(value, name="s")
    if is_traced(value):
        return bessel_taps(jnp, value, 0, max_order).astype(real_dtype(s))
    return jnp.asarray(bessel_taps(np, value, 0, max_order), real_dtype(s))


def discrete_gaussian(sigma: Any, *, radius: int) -> jax.Array:
    """Discrete analogue of the Gaussian, T(n; sigma^2) = exp(-sigma^2) I_n(sigma^2).

    Args:
      sigma: standard deviation in px, a scalar >= 0 (0: the unit impulse), traced
        and differentiable.
      radius: half-width in px (static, >= 0).

    Returns:
      [2 radius + 1] taps n = -radius..radius, not renormalised: they sum to 1 less
      what lies outside.

    Raises:
      ValueError: if `radius` < 0, or a concrete `sigma` is negative or not finite.

    [gaussdernet] sec. 4.1. Obeys dT/ds = (T(n - 1) - 2 T(n) + T(n + 1)) / 2 and
    T(s1) * T(s2) = T(s1 + s2) exactly, and has variance sigma^2.
    """
    radius = check_order(radius, name="radius", highest=LARGEST_RADIUS)
    value = check_scalar(check_kernel_sigma(sigma))
    xp = jnp if is_traced(value) else np
    taps = mirror(xp, bessel_taps(xp, value**2, 0, radius), 0)
    return jnp.asarray(taps, real_dtype(sigma))


def real_dtype(value: Any) -> Any:
    """The floating dtype of an array, or JAX's default one for Python numbers."""
    dtype = getattr(value, "dtype", None)
    if dtype is None or not jnp.issubdtype(dtype, jnp.floating):
        dtype = np.float64
    dtype = np.dtype(dtype).newbyteorder("=")
    return jax.dtypes.canonicalize_dtype(np.float64 if dtype.itemsize > 8 else dtype)
