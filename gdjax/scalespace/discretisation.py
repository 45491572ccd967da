"""What a discretisation of the Gaussian derivatives is (gdjax).

A discretisation is a frozen, hashable object that is passed as an argument. Its
formulas are written once, in terms of an array module `xp`: NumPy in float64 where
sigma is concrete (kernels are then constants of the compiled program), `jax.numpy`
where it is traced.
"""

import abc
import dataclasses
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from gdjax.scalespace.bessel import real_dtype
from gdjax.scalespace.checks import (
    check_order,
    check_scalar,
    check_sigma,
    is_traced,
)
from gdjax.scalespace.truncation import (
    traced_truncation_radius,
    truncation_radius,
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
        order = check_order(order)
        radius = check_order(radius, name="radius")
        value = check_scalar(check_sigma(sigma, positive=not self.impulse_limit))
        xp = jnp if is_traced(value) else np
        taps = self.taps(xp, value, order, radius)
        return taps if xp is jnp else jnp.asarray(taps, real_dtype(sigma))

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
        if not self.shared_smoothing:
            eps = eps / 2**order
        if is_traced(sigma):
            sigma = jnp.sqrt(sigma**2 + self.variance_offset)
            return traced_truncation_radius(sigma, eps=eps, ndim=ndim, limit=limit)
        value = float(check_sigma(sigma))
        spread = float(np.sqrt(value**2 + self.variance_offset))
        return truncation_radius(spread, eps=eps, ndim=ndim)


def difference(xp: Any, taps: Any, order: int) -> Any:
    """Central difference of order a of `taps`, over its interior positions.

    [R] -> [R - 2 reach], reach = (a + 1) // 2, of a kernel in correlation form: its
    flip is smoothed, so odd orders change sign. [gaussdernet] sec. 4.1.
    """
    for _ in range(order // 2):
        taps = taps[2:] - 2 * taps[1:-1] + taps[:-2]
    return (taps[:-2] - taps[2:]) / 2 if order % 2 else taps


def difference_reach(order: int) -> int:
    """Half-width in px of the central difference of order `order`."""
    return (order + 1) // 2
