"""Smoothing, the N-jet, and its learned combinations: pure functions."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gdjax.scalespace.checks import (
    check_eps,
    check_image,
    check_padding,
    check_sigma,
)
from gdjax.scalespace.derivatives import (
    Orders,
    derivative_orders,
    difference_stencils,
    stencil_reach,
    taylor_factors,
)
from gdjax.scalespace.discretisation import Discretisation
from gdjax.scalespace.hybrids import DiscreteGaussian
from gdjax.scalespace.operators import HIGHEST, Filter, filter_axis
from gdjax.scalespace.stencil import convolve, convolve_depthwise
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
) -> Filter:
    """A checked `Filter`; raises TypeError or ValueError for what it can't be."""
    if not isinstance(discretisation, Discretisation):
        raise TypeError(
            f"`discretisation={discretisation!r}` must be an instance, for example"
            " `DiscreteGaussian()`."
        )
    check_padding(padding)
    check_eps(eps)
    return Filter(discretisation, padding, eps, ndim, max_order)


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
    windows = spatial_windows(x, ndim)
    known: dict[tuple[int, ...], jax.Array] = {(): x}
    for multi_index in orders:
        for depth in range(1, ndim + 1):
            prefix = multi_index[:depth]
            if prefix not in known:  # x first, and every partial result once
                window = windows[-depth]
                known[prefix] = filter_axis(
                    known[prefix[:-1]], sigma, filter_=filter_, order=prefix[-1],
                    axis=-1 - depth, source=window, start=0, stop=window.size,
                )  # fmt: skip
    return jnp.stack([known[n] for n in orders], axis=-2)


def mix_njet(
    x: jax.Array,
    kernel: jax.Array,
    sigma: Any,
    *,
    filter_: Filter,
    orders: Orders,
    taylor: bool = True,
    sources: Windows | None = None,
    targets: Windows | None = None,
    dtype: Any = None,
) -> jax.Array:
    """Learned combinations of the N-jet.

      y_o = sum_c sum_a w[a, c, o] / a! sigma^|a| d_a L_c

    Equals `njet` followed by the mixing, without storing the jet: one smoothing and
    one small convolution where the discretisation shares a smoothing kernel, else
    matrix products along one axis, mixing, matrix products along the next.

    Args:
      x: [..., (D,) (H,) W, C_in] on the pixels of `sources`.
      kernel: [J, C_in, C_out], J as `orders`; or [J, C], each channel by itself.
      sigma: px, a scalar, checked before (`check_sigma`).
      filter_: kernels, border rule and truncation.
      orders: the multi-indices of the J terms.
      taylor: whether terms are multiplied by 1 / a!.
      sources: which pixels of each spatial axis `x` holds (default: all).
      targets: which pixels are computed (default: all).
      dtype: of the result; default that of `x`. A smoothed map and its differences
        are never below float32, since they cancel; the mixing in the separable order,
        where every factor is well scaled, runs in `dtype`.

    Returns:
      [..., (D,) (H,) W, C_out] on the pixels of `targets`.

    [gaussdernet] (3); design: gdjax.
    """
    ndim = filter_.ndim
    sources = sources or spatial_windows(x, ndim)
    targets = targets or tuple(full_window(w.size) for w in sources)
    if taylor:
        kernel = _scale_terms(kernel, taylor_factors(orders))
    dtype = x.dtype if dtype is None else dtype
    kernel = kernel.astype(jnp.promote_types(x.dtype, jnp.float32))
    mix = _smooth_then_convolve
    if not filter_.discretisation.shared_smoothing:
        mix = _separate_axes
    return mix(x, kernel, sigma, filter_, orders, sources, targets, dtype)


def _smooth_then_convolve(x, kernel, sigma, filter_, orders, sources, targets, dtype):
    ndim, reach = filter_.ndim, stencil_reach(orders)
    x = x.astype(jnp.promote_types(x.dtype, jnp.float32))
    for axis, (source, target) in enumerate(
        zip(sources, targets, strict=True), start=-ndim - 1
    ):
        x = filter_axis(
            x, sigma, filter_=filter_, order=0, axis=axis, source=source,
            start=target.start - reach, stop=target.stop + reach,
        )  # fmt: skip
    totals = np.array([sum(n) for n in orders])
    sigma = jnp.asarray(sigma, kernel.dtype)
    powers = jnp.stack([sigma ** int(n) for n in totals])
    kernel = _scale_terms(kernel, powers)
    stencils = jnp.asarray(difference_stencils(orders), kernel.dtype)
    combined = jnp.tensordot(
        jnp.moveaxis(stencils, 0, -1), kernel, axes=1, precision=HIGHEST
    )
    lead = x.shape[: -ndim - 1]
    convolution = convolve if kernel.ndim == 3 else convolve_depthwise
    y = convolution(x.reshape(-1, *x.shape[-ndim - 1 :]), combined)
    return y.reshape(*lead, *y.shape[1:]).astype(dtype)


def _scale_terms(kernel: jax.Array, factors: Any) -> jax.Array:
    """Multiplies the J terms of a kernel [J, ...] by factors [J]."""
    factors = jnp.asarray(factors, kernel.dtype)
    return kernel * factors.reshape(-1, *[1] * (kernel.ndim - 1))


def _separate_axes(x, kernel, sigma, filter_, orders, sources, targets, dtype):
    """Filter along x; mix the channels into one map per remaining orders; and so on."""

    def along(z, order, depth, scale):
        source, target = sources[-depth], targets[-depth]
        return filter_axis(
            z, scale, filter_=filter_, order=order, axis=-1 - depth, source=source,
            start=target.start, stop=target.stop,
        )  # fmt: skip

    along_x = {n: along(x, n, 1, sigma) for n in sorted({a[0] for a in orders})}
    maps = {}
    for rest in sorted({a[1:] for a in orders}):
        terms = [(a[0], orders.index(a)) for a in orders if a[1:] == rest]
        inputs = [along_x[n].astype(dtype) for n, _ in terms]
        maps[rest] = _mix(inputs, kernel[np.array([j for _, j in terms])].astype(dtype))
    for depth in range(2, filter_.ndim + 1):
        merged = {}
        for rest, z in maps.items():
            z = along(z, rest[0], depth, sigma)
            merged[rest[1:]] = merged[rest[1:]] + z if rest[1:] in merged else z
        maps = merged
    return maps[()]


def _mix(inputs: list[jax.Array], weights: jax.Array) -> jax.Array:
    """Sum over j of inputs[j] [..., C] times weights[j] ([C, C_out] or [C])."""
    if weights.ndim == 2:
        return sum((x * w for x, w in zip(inputs, weights, strict=True)), start=0.0)
    stacked = jnp.concatenate(inputs, axis=-1)
    weights = weights.reshape(-1, weights.shape[-1])
    return jnp.matmul(stacked, weights, precision=HIGHEST)
