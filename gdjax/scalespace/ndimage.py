"""`scipy.ndimage.gaussian_filter`, differentiable in the image and in sigma."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from gdjax.scalespace.axis_filter import AxisFilter, confined, spans
from gdjax.scalespace.checks import (
    LARGEST_RADIUS,
    LEAST_SIGMA,
    check_kernel_sigma,
    check_order,
    check_scalar,
    check_sigma,
    floating_array,
    is_traced,
    shown,
)
from gdjax.scalespace.discretisation import Discretisation
from gdjax.scalespace.kernels import positions, standardised
from gdjax.scalespace.matrices import Filter, axis_filters
from gdjax.scalespace.windows import full_window


# SciPy's names of our border rules.
MODES = {
    "reflect": "symmetric", "nearest": "edge", "wrap": "wrap", "constant": "zero",
}  # fmt: skip
HIGHEST_ORDER = 4
# Axes with less are left alone, as by SciPy.
ALONE = 1e-15


def gaussian_filter(
    x: Any,
    sigma: Any,
    *,
    order: int | Sequence[int] = 0,
    axes: int | Sequence[int] | None = None,
    mode: str | Sequence[str] = "reflect",
    truncate: float = 4.0,
    radius: int | Sequence[int] | None = None,
) -> jax.Array:
    """The values of `scipy.ndimage.gaussian_filter`, of arrays of any shape.

    The kernel along an axis is the sampled Gaussian with sum 1, cut at `radius`; of
    order n its n-th derivative in px^-n (not scale-normalised), that is the Gaussian
    times a Hermite polynomial. `njet` has the scale-space derivatives.

    Args:
      x: of any shape, floating point.
      sigma: standard deviation in px, a scalar or one for each of `axes`; traced and
        differentiable (from 1e-4 px). Axes with 0 px are left alone.
      order: of the derivative, 0 to 4, or one for each of `axes` (static).
      axes: that are filtered; None: all.
      mode: beyond the borders, or one for each of `axes`: "reflect" (d c b a | a b c
        d), "nearest", "wrap" or "constant" (zeros).
      truncate: where kernels end, in sigma.
      radius: where they end in px, in place of that, or one for each of `axes`; needed
        for a traced sigma, as it decides shapes.

    Returns:
      The shape and dtype of `x`.

    Raises:
      TypeError: if `x` holds integers (SciPy would round) or complex numbers, `sigma`
        is no number, or is traced and there is no `radius`, or another argument has a
        wrong type.
      ValueError: for an argument out of range, or not as many as there are axes.

    Where kernels meet a pixel that is NaN or infinite with a value other than 0 there
    is NaN, and nowhere else (in SciPy wherever they have a value, and infinity of order
    0 stays infinity); inside `jax.jit` and `jax.vmap`, where values are not known, on
    the whole axis.

    gdjax; kernels as SciPy documents them.
    """
    x = _floating(x)
    chosen = _axes(axes, x.ndim)
    count = len(chosen)
    each = zip(
        chosen,
        _per_axis(sigma, count, "sigma"),
        _per_axis(order, count, "order"),
        _per_axis(mode, count, "mode"),
        _per_axis(radius, count, "radius"),
        strict=True,
    )
    for axis, own, n, rule, end in each:
        own = check_scalar(check_kernel_sigma(own))
        n = check_order(n, highest=HIGHEST_ORDER)
        if not isinstance(rule, str) or rule not in MODES:
            raise ValueError(f"`mode={shown(rule)}` must be one of {tuple(MODES)}.")
        end = _radius(own, truncate, end)
        if n and not is_traced(own) and ALONE < own < LEAST_SIGMA:
            raise ValueError(
                f"`sigma={own}`: derivatives need at least {LEAST_SIGMA:g} px, or 0."
            )
        if is_traced(own):
            # So written, NaN goes on.
            x = jnp.where(own <= ALONE, x, _along(x, own, axis, n, MODES[rule], end))
        elif own > ALONE:
            x = _along(x, own, axis, n, MODES[rule], end)
    return x


@dataclasses.dataclass(frozen=True)
class _CutGaussian(Discretisation):
    """The sampled Gaussian of a given radius, with sum 1, and its derivatives."""

    normalized: ClassVar[bool] = True
    impulse_limit: ClassVar[bool] = False

    end: int = 0

    def taps(self, xp, sigma, order, radius, cut=None):
        """In correlation form, over sigma^order, which matrices are multiplied by."""
        del cut
        # The sum is that of the kernel, wherever it is asked for.
        if is_traced(sigma):
            sigma = xp.maximum(sigma, LEAST_SIGMA)
        own = standardised(xp, positions(xp, sigma, self.end), sigma)
        total = xp.exp(-(own**2) / 2).sum()
        u = standardised(xp, positions(xp, sigma, radius), sigma)
        inside = abs(np.arange(-radius, radius + 1)) <= self.end
        # The n-th derivative is (-1 / sigma)^n He_n(u) g; mirrored for correlation.
        values = hermite(u, order) * xp.exp(-(u**2) / 2) / total / sigma ** (2 * order)
        return xp.where(inside, values, 0)

    def radius(self, sigma, eps, *, ndim=2, order=0, limit=0):
        """The given one, also for a traced sigma."""
        del sigma, eps, ndim, order, limit
        return self.end


def hermite(u: Any, order: int) -> Any:
    """He_n(u), by He_(n + 1) = u He_n - n He_(n - 1)."""
    before, value = 0 * u, 0 * u + 1
    for n in range(order):
        before, value = value, u * value - n * before
    return value


def _along(
    x: jax.Array, sigma: Any, axis: int, order: int, padding: str, radius: int
) -> jax.Array:
    filter_ = Filter(_CutGaussian(radius), padding, 0.5, 1, max_order=order)
    window = (full_window(x.shape[axis]),)
    found = axis_filters(filter_, sigma, [[order]], spans(window, window))[1, order]

    def along(x: jax.Array, filter_: AxisFilter) -> jax.Array:
        return filter_.along(x[..., None], axis - x.ndim - 1)[..., 0]

    return confined(along, x, found)


def _radius(sigma: Any, truncate: Any, radius: Any) -> int:
    if radius is not None:
        return check_order(radius, name="radius", highest=LARGEST_RADIUS)
    if is_traced(sigma):
        raise TypeError(
            "`sigma` is traced, but where the kernel ends decides shapes: give"
            " `radius`, in px, such as 4 times the largest sigma."
        )
    found = check_scalar(check_sigma(truncate, name="truncate"), name="truncate")
    end = float(found) * float(sigma) + 0.5
    if end > LARGEST_RADIUS:
        raise ValueError(
            f"`truncate={shown(truncate)}` times sigma is {end:.3g} px, more than"
            f" {LARGEST_RADIUS}."
        )
    return int(end)


def _floating(x: Any) -> jax.Array:
    x = floating_array(x, name="`x`")
    if x.size == 0:
        raise ValueError(f"`x` is empty: its shape is {x.shape}.")
    return jnp.asarray(x)


def _axes(axes: Any, ndim: int) -> list[int]:
    """Numbers of axes, from 0; each once."""
    if axes is None:
        return list(range(ndim))
    given = list(axes) if isinstance(axes, (tuple, list, range)) else [axes]
    least = -LARGEST_RADIUS
    given = [check_order(axis, name="axes", lowest=least) for axis in given]
    found = [axis + ndim * (axis < 0) for axis in given]
    if any(not 0 <= axis < ndim for axis in found) or len(set(found)) != len(found):
        raise ValueError(
            f"`axes={shown(axes)}` must name axes of an array of {ndim} axes, each"
            " once."
        )
    return found


def _per_axis(value: Any, count: int, name: str) -> list[Any]:
    """One for each of the axes."""
    several = isinstance(value, (tuple, list)) or getattr(value, "ndim", 0) > 0
    if not several:
        return [value] * count
    if len(value) != count:
        raise ValueError(
            f"`{name}` has {len(value)} values, but {count} axes are filtered: give"
            " one, or as many."
        )
    return list(value)
