"""Smoothing and the N-jet: pure functions."""

import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from gdjax.scalespace.axis_filter import (
    channels_first,
    channels_last,
    confined,
    spans,
)
from gdjax.scalespace.checks import check_image
from gdjax.scalespace.derivatives import Orders, derivative_orders
from gdjax.scalespace.discretisation import Discretisation
from gdjax.scalespace.kernels import DiscreteGaussian
from gdjax.scalespace.matrices import Filter, axis_filters
from gdjax.scalespace.separable import filter_terms
from gdjax.scalespace.windows import spatial_windows


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
        differentiable. One for each axis as a mapping, {"x": 1.0, "y": 2.0}, with "z"
        in three dimensions.
      discretisation: the kernels.
      padding: "zero", "symmetric", "edge" or "wrap".
      eps: mass that truncation may lose; None: no truncation. With it, pixels that are
        NaN or infinite make NaN of what the kernels reach, and of nothing else; inside
        `jax.jit` and `jax.vmap`, where values are not known, of any pixel.
      ndim: spatial dimensions, 1 to 3.

    Returns:
      The shape and dtype of `x`.

    Raises:
      TypeError: if `x` holds no floats, `sigma` is no number, or another argument of
        a wrong type.
      ValueError: if `x` lacks axes or is empty, or another argument is out of range.

    [gaussdernet] (1).
    """
    x = check_image(x, ndim=ndim)
    filter_ = Filter(discretisation, padding, eps, ndim, max_order=0)
    sigma = filter_.check_sigmas(sigma, x.shape[-1])
    return partial_derivatives(x, sigma, filter_, ((0,) * filter_.ndim,))[0]


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

    Of a sigma for each axis, the factor is prod_i sigma_i^a_i.

    Args:
      x: [..., (D,) (H,) W, C], floating point.
      sigma: standard deviation in px, a scalar or [C] (one per channel); traced and
        differentiable. One for each axis as a mapping, {"x": 1.0, "y": 2.0}, with "z"
        in three dimensions.
      order: highest total order N (static).
      zero_order: whether the smoothed image comes first.
      discretisation: the kernels.
      padding: "zero", "symmetric", "edge" or "wrap".
      eps: mass that truncation may lose; None: no truncation (but derivatives with
        "edge" and a traced sigma beyond half the image lose their tails). NaN and
        infinity as for `smooth`.
      ndim: spatial dimensions, 1 to 3.

    Returns:
      [..., (D,) (H,) W, J, C], J as `derivative_orders(order, ...)`; x to the right,
      y down; without 1 / a!.

    Raises:
      TypeError: if `x` holds no floats, `sigma` is no number, or another argument of
        a wrong type.
      ValueError: if `x` lacks axes or is empty, or another argument is out of range.

    [gaussdernet] (3), [njet] (3). Each axis is filtered with kernels that were
    differenced before they were rounded: no difference of smoothed images.
    """
    x = check_image(x, ndim=ndim)
    orders = derivative_orders(order, zero_order=zero_order, ndim=ndim)
    filter_ = Filter(discretisation, padding, eps, ndim, max_order=order)
    sigma = filter_.check_sigmas(sigma, x.shape[-1])
    return jnp.stack(partial_derivatives(x, sigma, filter_, orders), axis=-2)


def partial_derivatives(
    x: jax.Array, sigma: Sequence[Any], filter_: Filter, orders: Orders
) -> list[jax.Array]:
    """sigma^|a| d_a L for every multi-index a: J of the shape of `x`, [..., C].

    `sigma` for each axis, x first, as `Filter.check_sigmas` gives them.
    """
    ndim = filter_.ndim
    windows = spatial_windows(x, ndim)
    along_axes = [[a[axis] for a in orders] for axis in range(ndim)]
    filters = axis_filters(filter_, tuple(sigma), along_axes, spans(windows, windows))
    run = _on_channels if sigma[0].ndim else _on_axes
    run = functools.partial(run, orders)
    return confined(run, x, filters) if filter_.is_cut else run(x, filters)


def _on_axes(orders: Orders, x: jax.Array, filters: Any) -> list[jax.Array]:
    def along(y, n, depth):
        return filters[depth, n].along(y, -1 - depth)

    return filter_terms(x, orders, along)


def _on_channels(orders: Orders, x: jax.Array, filters: Any) -> list[jax.Array]:
    def along(y, n, depth):
        return filters[depth, n].along_channels(y, depth).astype(x.dtype)

    images = channels_first(x.reshape(-1, *x.shape[-len(orders[0]) - 1 :]))
    found = filter_terms(images, orders, along)
    return [channels_last(y).reshape(x.shape) for y in found]
