"""Where kernels are cut: the radius that a kernel needs at a given error (gdjax)."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import scipy.special

from gdjax.scalespace.bessel import bessel_taps
from gdjax.scalespace.checks import (
    check_eps,
    check_order,
    check_scalar,
    check_sigma,
    is_traced,
)


def truncation_radius(sigma: Any, *, eps: float = 0.005, ndim: int = 2) -> int:
    """Smallest M with T(0) + 2 (T(1) + ... + T(M)) >= (1 - eps)^(1 / ndim).

    Args:
      sigma: standard deviation in px, concrete.
      eps: mass of the separable `ndim`-dimensional kernel that may be lost.
      ndim: number of spatial dimensions.

    Returns:
      M in px, an int >= 0, computed on the host in float64.

    Raises:
      TypeError: if `sigma` is traced: a radius decides shapes; if `ndim` is no int.
      ValueError: if `sigma` is negative or not finite, `eps` not in (0, 1) or
        `ndim` < 1.

    [gaussderresnet] sec. 4; pyscsp's convention, kernel not renormalised.
    """
    if is_traced(sigma):
        raise TypeError(
            "`sigma` is traced, but a radius decides shapes: call `truncation_radius`"
            " outside jit with the largest sigma."
        )
    check_eps(eps)
    check_order(ndim, name="ndim", lowest=1)
    return _radius(float(check_scalar(check_sigma(sigma))), float(eps), int(ndim))


def _mass_to_lose(eps: float, ndim: int) -> float:
    return -np.expm1(np.log1p(-eps) / ndim)


@functools.lru_cache(maxsize=4096)
def _radius(sigma: float, eps: float, ndim: int) -> int:
    # Tails are summed from outside: 1 - mass would lose small eps to rounding.
    reach = int(np.ceil(10 * sigma)) + 32
    taps = scipy.special.ive(np.arange(1, reach + 1), sigma**2)
    tails = 2 * np.cumsum(taps[::-1])[::-1]  # tails[M] = what lies beyond M
    return int(np.count_nonzero(tails > _mass_to_lose(eps, ndim)))


def traced_truncation_radius(
    sigma: jax.Array, *, eps: float, ndim: int, limit: int
) -> jax.Array:
    """`truncation_radius` of a traced scalar `sigma`, at most `limit`; an int array.

    For masking the taps of a kernel of static width. In float32 tails below 1e-6 can't
    be told from 0, so `eps` should not be smaller. gdjax.
    """
    taps = bessel_taps(jnp, jax.lax.stop_gradient(sigma) ** 2, 0, limit)
    beyond = jnp.maximum(1 - taps[0] - 2 * taps[1:].sum(), 0)
    tails = beyond + 2 * jnp.cumsum(taps[:0:-1])[::-1]
    return jnp.sum(tails > _mass_to_lose(eps, ndim))
