"""What a discretisation of the Gaussian derivatives is, and where it is cut (gdjax).

A discretisation is a frozen, hashable object that is passed as an argument. Its
formulas are written once, in terms of an array module `xp`: NumPy in float64 where
sigma is concrete (kernels are then constants of the compiled program), `jax.numpy`
where it is traced.
"""

import abc
import dataclasses
import functools
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from gdjax.scalespace.bessel import bessel_taps, real_dtype
from gdjax.scalespace.checks import (
    HIGHEST_ORDER,
    LARGEST_RADIUS,
    check_eps,
    check_kernel_sigma,
    check_order,
    check_scalar,
    check_sigma,
    is_traced,
    shown,
)


@dataclasses.dataclass(frozen=True)
class Discretisation(abc.ABC):
    """1-D kernels of every derivative order; subclasses give `taps`.

    Attributes:
      shared_smoothing: whether all orders are central differences of one smoothing
        kernel, so that one smoothed image serves them all.
      normalized: whether taps are divided by a sum over the kernel.
      impulse_limit: whether sigma = 0 is the unit impulse.
      variance_offset: variance in px^2 that the smoothing kernel has beyond sigma^2.
    """

    shared_smoothing: ClassVar[bool] = False
    normalized: ClassVar[bool] = False
    impulse_limit: ClassVar[bool] = True
    variance_offset: ClassVar[float] = 0.0

    def kernel(self, sigma: Any, order: int, *, radius: int) -> jax.Array:
        """The 1-D kernel of derivative order `order`, without the factor sigma^order.

        Args:
          sigma: standard deviation in px, a scalar, traced and differentiable.
          order: derivative order >= 0 (static).
          radius: half-width in px (static, >= 0).

        Returns:
          [2 radius + 1] taps k in correlation form: the response at x is
          sum_n k[n] f(x + n), so order 1 is positive on the right. Differences are
          taken before the kernel is cropped.

        Raises:
          ValueError: if `order` or `radius` < 0, or a concrete `sigma` is negative,
            not finite, or 0 where the kernel has no limit there.
        """
        order = check_order(order, highest=HIGHEST_ORDER)
        radius = check_order(radius, name="radius", highest=LARGEST_RADIUS)
        value = check_kernel_sigma(sigma, impulse_limit=self.impulse_limit)
        value = check_scalar(value)
        xp = jnp if is_traced(value) else np
        taps, dtype = self.taps(xp, value, order, radius), real_dtype(sigma)
        if xp is np and np.abs(taps).max() > float(jnp.finfo(dtype).max):
            raise ValueError(
                f"`sigma={shown(sigma)}`: the kernel of `order={order}` is beyond the"
                f" range of {dtype}; give a larger sigma or a lower order."
            )
        return jnp.asarray(taps, dtype)

    @abc.abstractmethod
    def taps(
        self, xp: Any, sigma: Any, order: int, radius: int, cut: Any = None
    ) -> Any:
        """`kernel` without checks; a normaliser stops at `cut` (default `radius`)."""

    def periodic_taps(self, xp: Any, sigma: Any, order: int, period: int) -> Any:
        """The kernel summed over n + period Z, for n = 0..period - 1.

        The default folds a kernel long enough for a concrete sigma, and for a traced
        sigma up to `period`.
        """
        reach = 4 * period if xp is jnp else int(np.ceil(10 * sigma)) + order + 2
        turns = -(-reach // period)
        taps = self.taps(xp, sigma, order, turns * period)
        # n = -turns period .. turns period - 1 in whole periods, and the last tap.
        folded = taps[:-1].reshape(2 * turns, period).sum(0)
        first = np.arange(period) == 0
        return folded + taps[-1] * (first if xp is np else first.astype(taps.dtype))

    def radius(
        self,
        sigma: Any,
        eps: float,
        *,
        ndim: int = 2,
        order: int = 0,
        limit: int = 0,
    ) -> Any:
        """Half-width in px at which the kernels up to `order` are cut.

        Args:
          sigma: standard deviation in px.
          eps: mass that may be lost, as for `truncation_radius`.
          ndim: number of spatial dimensions.
          order: highest derivative order. For one shared smoothing kernel it does not
            matter; derivatives of their own are allowed eps / 2^order (pyscsp's rule).
          limit: for a traced sigma, the static width of the kernel that is masked.

        Returns:
          An int on the host, or an int array for a traced `sigma`.
        """
        ndim = check_order(ndim, name="ndim", lowest=1)
        if not self.shared_smoothing:
            eps = eps / 2**order
        if is_traced(sigma):
            sigma = jnp.sqrt(sigma**2 + self.variance_offset)
            return traced_truncation_radius(sigma, eps=eps, ndim=ndim, limit=limit)
        value = float(check_sigma(sigma))
        spread = float(np.sqrt(value**2 + self.variance_offset))
        return _radius(spread, mass_to_lose(eps, ndim))


def check_discretisation(discretisation: Any) -> None:
    """Raises TypeError unless `discretisation` is an instance of one."""
    if not isinstance(discretisation, Discretisation):
        raise TypeError(
            f"`discretisation={shown(discretisation)}` must be an instance, for"
            " example `DiscreteGaussian()`."
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
      TypeError: if `sigma` is traced: a radius decides shapes; if `ndim` is no int,
        or another argument no number.
      ValueError: if `sigma` is negative, not finite or above 1e12 px, `eps` not in
        (0, 1) or `ndim` < 1.

    [gaussderresnet] sec. 4; pyscsp's convention, kernel not renormalised.
    """
    if is_traced(sigma):
        raise TypeError(
            "`sigma` is traced, but a radius decides shapes: call `truncation_radius`"
            " outside jit with the largest sigma."
        )
    if eps is None:
        raise TypeError("`eps=None` leaves kernels uncut; give a number in (0, 1).")
    lost = mass_to_lose(check_eps(eps), check_order(ndim, name="ndim", lowest=1))
    value = check_scalar(check_sigma(sigma, highest=LARGEST_RADIUS_OF))
    return _radius(float(value), lost)


# px, up to which radii are found by summing; scipy's `ive` ends at 32,767 px.
LARGEST_SUMMED = 8192.0
# px, up to which a float64 tells one radius from the next.
LARGEST_RADIUS_OF = 1e12


def mass_to_lose(eps: float, ndim: int) -> float:
    """What each of `ndim` axes loses, for all of them together to lose `eps`."""
    return -np.expm1(np.log1p(-eps) / ndim)


@functools.lru_cache(maxsize=4096)
def _radius(sigma: float, lost: float) -> int:
    # Tails are summed from outside: 1 - mass would lose small eps to rounding.
    import scipy.special  # scipy takes longer to import than all of gdjax

    if sigma > LARGEST_SUMMED:
        return _radius_of_normal(sigma, lost)
    reach = int(np.ceil(10 * sigma)) + 32
    taps = scipy.special.ive(np.arange(1, reach + 1), sigma**2)
    tails = 2 * np.cumsum(taps[::-1])[::-1]  # tails[M] = what lies beyond M
    return int(np.count_nonzero(tails > lost))


def _radius_of_normal(sigma: float, lost: float) -> int:
    """`_radius` from the expansion of the tails in 1 / sigma^2.

    Beyond M there is 2 Q(u) + g(u) (u^3 - 4 u) / (12 sigma^2) + O(sigma^-4) of T, with
    u = (M + 1/2) / sigma and the normal density g of integral Q: T's fourth cumulant
    is sigma^2, and sums are integrals by Euler and Maclaurin.
    """
    import scipy.special

    guess = -sigma * scipy.special.ndtri(max(lost, 1e-300) / 2)
    first = max(0, int(guess) - 2 - int(guess / sigma) ** 3)
    found = np.arange(first, int(guess) + 4 + int(guess / sigma) ** 3)
    u = (found + 0.5) / sigma
    density = np.exp(-(u**2) / 2) / np.sqrt(2 * np.pi)
    tails = 2 * scipy.special.ndtr(-u) + density * (u**3 - 4 * u) / (12 * sigma**2)
    return first + int(np.count_nonzero(tails > lost))


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
    return jnp.sum(tails > mass_to_lose(eps, ndim))
