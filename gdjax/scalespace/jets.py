"""Smoothing and the N-jet: pure functions."""

from typing import Any

import jax
import jax.numpy as jnp

from gdjax.scalespace.axes import filter_axis
from gdjax.scalespace.checks import (
    check_eps,
    check_image,
    check_padding,
    check_sigma,
)
from gdjax.scalespace.derivatives import Orders, derivative_orders
from gdjax.scalespace.discretisation import Discretisation
from gdjax.scalespace.hybrids import DiscreteGaussian
from gdjax.scalespace.operators import Filter
from gdjax.scalespace.separable import filter_terms
from gdjax.scalespace.windows import Window, full_window


Windows = tuple[Window, ...]


def spatial_windows(x: jax.Array, ndim: int) -> Windows:
    """Full windows of the spatial axes of `x` [..., (D,) (H,) W, C]."""
    return tuple(full_window(n) for n in x.shape[-ndim - 1 : -1])


def make_filter(
    discretisation: Discretisation,
    *,
    padding: str,
    eps: float | None,
    ndim: int,
    max_order: int,
    extent: float | None = None,
) -> Filter:
    """A checked `Filter`; raises TypeError or ValueError for what it can't be."""
    if not isinstance(discretisation, Discretisation):
        raise TypeError(
            f"`discretisation={discretisation!r}` must be an instance, for example"
            " `DiscreteGaussian()`."
        )
    check_padding(padding)
    check_eps(eps)
    return Filter(discretisation, padding, eps, ndim, max_order, extent)


def _check_scale(sigma: Any, filter_: Filter, channels: int) -> Any:
    sigma = check_sigma(sigma, positive=not filter_.discretisation.impulse_limit)
    if sigma.shape not in ((), (channels,)):
        raise ValueError(
            f"`sigma` has shape {sigma.shape}; give a scalar or one per channel,"
            f" shape ({channels},)."
        )
    return sigma


def smooth(
    x: Any,
    sigma: Any,
    *,
    discretisation: Discretisation = DiscreteGaussian(),  # noqa: B008 (frozen)
    padding: str = "zero",
    eps: float | None = None,
    ndim: int = 2,
) -> jax.Array:
    """The scale-space representation L(.; sigma) = g(.; sigma) * f.

    Args:
      x: [..., (D,) (H,) W, C], floating point.
      sigma: standard deviation in px, a scalar or [C] (one per channel); traced and
        differentiable.
      discretisation: the kernels.
      padding: "zero", "symmetric", "edge" or "wrap".
      eps: mass that truncation may lose; None: no truncation.
      ndim: spatial dimensions, 1 to 3.

    Returns:
      The shape and dtype of `x`.

    Raises:
      TypeError: if `x` holds integers or `sigma` is no number.
      ValueError: if `x` lacks axes or is empty, or another argument is out of range.

    [gaussdernet] (1).
    """
    x = check_image(x, ndim=ndim)
    filter_ = make_filter(
        discretisation, padding=padding, eps=eps, ndim=ndim, max_order=0
    )
    sigma = _check_scale(sigma, filter_, x.shape[-1])
    for axis, window in enumerate(spatial_windows(x, ndim), start=-ndim - 1):
        x = filter_axis(
            x, sigma, filter_=filter_, order=0, axis=axis,
            source=window, start=0, stop=window.size,
        )  # fmt: skip
    return x


def njet(
    x: Any,
    sigma: Any,
    *,
    order: int = 2,
    zero_order: bool = False,
    discretisation: Discretisation = DiscreteGaussian(),  # noqa: B008 (frozen)
    padding: str = "zero",
    eps: float | None = None,
    ndim: int = 2,
) -> jax.Array:
    """The N-jet: all scale-normalised partial derivatives sigma^|a| d_a (g * f).

    Args:
      x: [..., (D,) (H,) W, C], floating point.
      sigma: standard deviation in px, a scalar or [C] (one per channel); traced and
        differentiable.
      order: highest total order N (static).
      zero_order: whether the smoothed image comes first.
      discretisation: the kernels.
      padding: "zero", "symmetric", "edge" or "wrap".
      eps: mass that truncation may lose; None: no truncation (with "edge" and a
        traced sigma beyond half the image, tails are lost all the same).
      ndim: spatial dimensions, 1 to 3.

    Returns:
      [..., (D,) (H,) W, J, C], J as `derivative_orders(order, ...)`; x to the right,
      y down; without 1 / a!.

    Raises:
      TypeError: if `x` holds integers or `sigma` is no number.
      ValueError: if `x` lacks axes or is empty, or another argument is out of range.

    [gaussdernet] (3), [njet] (3). Each axis is filtered with kernels that were
    differenced before they were rounded: no difference of smoothed images.
    """
    x = check_image(x, ndim=ndim)
    orders = derivative_orders(order, zero_order=zero_order, ndim=ndim)
    filter_ = make_filter(
        discretisation, padding=padding, eps=eps, ndim=ndim, max_order=order
    )
    sigma = _check_scale(sigma, filter_, x.shape[-1])
    return jnp.stack(partial_derivatives(x, sigma, filter_, orders), axis=-2)


def partial_derivatives(
    x: jax.Array, sigma: Any, filter_: Filter, orders: Orders
) -> list[jax.Array]:
    """sigma^|a| d_a L for every multi-index a: J of the shape of `x`, [..., C]."""
    windows = spatial_windows(x, filter_.ndim)

    def along(x, n, depth):
        window = windows[-depth]
        return filter_axis(
            x, sigma, filter_=filter_, order=n,
            axis=-1 - depth, source=window, start=0, stop=window.size,
        )  # fmt: skip

    return filter_terms(x, orders, along)
