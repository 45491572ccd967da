"""The filters that learned combinations of Gaussian derivatives amount to."""

from typing import Any

import jax
import jax.numpy as jnp

from gdjax.scalespace.checks import check_order, check_sigma
from gdjax.scalespace.derivatives import derivative_orders, taylor_factors
from gdjax.scalespace.discretisation import Discretisation
from gdjax.scalespace.hybrids import DiscreteGaussian
from gdjax.scalespace.operators import HIGHEST


def effective_filters(
    kernel: Any,
    sigma: Any,
    *,
    radius: int,
    order: int = 2,
    zero_order: bool = False,
    discretisation: Discretisation = DiscreteGaussian(),  # noqa: B008 (frozen)
    ndim: int = 2,
    taylor: bool = True,
) -> jax.Array:
    """The dense filters of a Gaussian derivative layer, in correlation form.

      k[..., c, o] = sum_a w[a, c, o] / a! sigma^|a| d_a g_sigma

    Args:
      kernel: [J, C_in, C_out], or [J, C] of a depthwise layer; J as
        `derivative_orders(order, zero_order=zero_order, ndim=ndim)`.
      sigma: px, a scalar.
      radius: half-width of the filters in px; what lies outside is cut off.
      order: highest derivative order.
      zero_order: whether the first term is the smoothing kernel itself.
      discretisation: the kernels.
      ndim: spatial dimensions, 1 to 3.
      taylor: whether terms are multiplied by 1 / a!, as in `GaussianDerivative`.

    Returns:
      [2 radius + 1, ..., C_in, C_out] or [2 radius + 1, ..., C], y down, x right.

    Raises:
      ValueError: if `kernel` has another number of terms, or `sigma` or `radius` is
        out of range.

    [gaussderresnet] A.6, Fig. 23.
    """
    kernel = jnp.asarray(kernel)
    orders = derivative_orders(order, zero_order=zero_order, ndim=ndim)
    if kernel.ndim not in (2, 3) or len(kernel) != len(orders):
        raise ValueError(
            f"`kernel` of shape {kernel.shape} must be [J, C_in, C_out] or [J, C] with"
            f" J = {len(orders)} terms of `order={order}`, `zero_order={zero_order}`."
        )
    check_order(radius, name="radius")
    sigma = check_sigma(sigma, positive=not discretisation.impulse_limit)
    taps = {
        n: sigma**n * discretisation.kernel(sigma, n, radius=radius)
        for n in sorted({n for multi_index in orders for n in multi_index})
    }
    factors = taylor_factors(orders) if taylor else [1.0] * len(orders)
    basis = []
    for multi_index, factor in zip(orders, factors, strict=True):
        term = jnp.asarray(factor, kernel.dtype)
        for n in reversed(multi_index):  # z, y, x: the last axis is x
            term = term[..., None] * taps[n]
        basis.append(term)
    stacked = jnp.stack(basis, axis=-1).astype(kernel.dtype)
    return jnp.tensordot(stacked, kernel, axes=1, precision=HIGHEST)
