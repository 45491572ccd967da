"""The scale-space correlation, and the border of its scale axis. [dss]."""

import math
from typing import Any, Literal, get_args

import jax
import jax.numpy as jnp
import numpy as np

from gdjax.scalespace.checks import (
    check_image,
    check_order,
    check_padding,
    floating_array,
    shown,
)
from gdjax.scalespace.discretisation import Discretisation, check_discretisation
from gdjax.scalespace.execution.along import along_axis
from gdjax.scalespace.execution.products import HIGHEST, mix_pixels
from gdjax.scalespace.jets import smooth
from gdjax.scalespace.kernels import DiscreteGaussian
from gdjax.scalespace.semigroup_grids import (
    check_base,
    check_factor,
    check_level,
    check_zero_scale,
    level_sigma,
    sample_matrix,
)
from gdjax.scalespace.windows import extend


ScaleAxis = Literal["truncate", "replicate", "continue", "extend"]


def extend_scale_axis(
    f: Any,
    count: int,
    *,
    rule: ScaleAxis,
    base: float = 2.0,
    zero_scale: float = 0.5,
    discretisation: Discretisation = DiscreteGaussian(),  # noqa: B008 (frozen)
    padding: str = "zero",
) -> jax.Array:
    """Levels beyond the coarsest one, by the border rule of the scale axis.

    Args:
      f: [..., K, H, W, C], lifted.
      count: n >= 0, levels that are wanted beyond the K there are.
      rule: "truncate": zeros, as published; "replicate": the coarsest level again;
        "continue": the coarsest level smoothed on, as the scale space itself goes on;
        "extend": none, for functions that were lifted to enough levels.
      base: of the levels, for "continue", as are:
      zero_scale: px.
      discretisation: the kernels.
      padding: of the images.

    Returns:
      [..., K + n, H, W, C]; with "extend" `f` as it is.

    Raises:
      TypeError, ValueError: for arguments out of range.

    [dss] sec. 4; all but "truncate": gdjax.
    """
    f = check_image(f, ndim=2, name="`f`")
    count = check_order(count, name="count", highest=10**4)
    base, zero_scale = check_base(base), check_zero_scale(zero_scale)
    check_padding(padding)
    check_discretisation(discretisation)
    if f.ndim < 4:
        raise ValueError(f"`f` of shape {f.shape} must be lifted, [..., K, H, W, C].")
    _check_rule(rule, name="rule")
    if rule == "extend" or count == 0:
        return f
    last = f[..., -1:, :, :, :]
    if rule == "truncate":
        more = [jnp.zeros_like(last)] * count
    elif rule == "replicate":
        more = [last] * count
    else:
        more = _smoothed_on(last, f.shape[-4], count, base, zero_scale, discretisation,
                            padding)  # fmt: skip
    return jnp.concatenate([f, *more], axis=-4)


def _check_rule(rule: Any, *, name: str) -> None:
    known = get_args(ScaleAxis)
    if not isinstance(rule, str) or rule not in known:
        raise ValueError(f"`{name}={shown(rule)}` must be one of {known}.")


def _smoothed_on(last, levels, count, base, zero_scale, discretisation, padding):
    """What the coarsest level becomes, as variances add up. [dss] (3)."""
    check_factor(base, levels + count - 1, name="count")

    def variance(k: int) -> float:
        return level_sigma(k, base=base, zero_scale=zero_scale) ** 2

    found = []
    for k in range(levels, levels + count):
        sigma = math.sqrt(variance(k) - variance(levels - 1))
        check_level(sigma, zero_scale=zero_scale, discretisation=discretisation)
        found.append(
            smooth(last, sigma, discretisation=discretisation, padding=padding)
        )
    return found


def scale_space_correlation(
    f: Any,
    kernel: Any,
    *,
    base: float = 2.0,
    scale_axis: ScaleAxis = "truncate",
    padding: str = "zero",
    zero_scale: float = 0.5,
    discretisation: Discretisation = DiscreteGaussian(),  # noqa: B008 (frozen)
) -> jax.Array:
    """[psi * f]_k(z) = sum_l sum_y psi_l(y) f_{k + l}(base^k y + z).

    At every level the same filter, dilated with it. Where base^k is whole, this is a
    dilated convolution, exactly; elsewhere f is read between its pixels by band-limited
    interpolation, as a matrix along each axis for each row and column of the filter.

    Args:
      f: [..., K, H, W, C_in], lifted, floating point.
      kernel: psi, [N, h, w, C_in, C_out]; N, its scale dimension, levels that it mixes;
        odd h and w have their centre at the middle, even ones after it.
      base: > 1.
      scale_axis: border rule of the scale axis, see `extend_scale_axis`.
      padding: "zero", "symmetric", "edge" or "wrap".
      zero_scale: px, for the rule "continue", as is:
      discretisation: the kernels.

    Returns:
      [..., K, H, W, C_out]; with "extend" K - N + 1 levels.

    Raises:
      TypeError, ValueError: for arguments out of range: a base of 1 or less, more
        levels in the filter than in f, images that the coarsest filter doesn't fit on
        axes that don't wrap.

    [dss] (19), (20), (24).
    """
    f = check_image(f, ndim=2, name="`f`")
    kernel = jnp.asarray(floating_array(kernel, name="`kernel`"))
    base = check_base(base)
    check_padding(padding)
    _check_rule(scale_axis, name="scale_axis")
    levels = _check_shapes(f, kernel)
    depth, height, width = kernel.shape[:3]
    count = levels - depth + 1 if scale_axis == "extend" else levels
    factor = check_factor(base, count - 1, name="levels")
    _check_fit(f, factor, (height, width), padding)
    f = extend_scale_axis(
        f, depth - 1, rule=scale_axis, base=base, zero_scale=zero_scale,
        discretisation=discretisation, padding=padding,
    )  # fmt: skip
    # The filter's levels are as good as channels: [h, w, N C_in, C_out].
    flat = jnp.moveaxis(kernel, 0, 2).reshape(height, width, -1, kernel.shape[-1])
    flat = flat.astype(f.dtype)
    found = []
    for k in range(count):
        levels_k = jnp.moveaxis(f[..., k : k + depth, :, :, :], -4, -2)
        x = levels_k.reshape(*levels_k.shape[:-2], -1)
        found.append(_correlated(x, flat, base**k, padding))
    return jnp.stack(found, axis=-4)


def _check_shapes(f: jax.Array, kernel: jax.Array) -> int:
    if f.ndim < 4:
        raise ValueError(f"`f` of shape {f.shape} must be lifted, [..., K, H, W, C].")
    if kernel.ndim != 5 or 0 in kernel.shape or kernel.shape[-2] != f.shape[-1]:
        raise ValueError(
            f"`kernel` of shape {kernel.shape} must be [N, h, w, C_in, C_out] with C_in"
            f" = {f.shape[-1]}, the channels of `f`."
        )
    if kernel.shape[0] > f.shape[-4]:
        raise ValueError(
            f"the scale dimension {kernel.shape[0]} of `kernel` is larger than the"
            f" {f.shape[-4]} levels of `f`: lift to more `levels`, or take fewer."
        )
    return f.shape[-4]


def _check_fit(f: jax.Array, dilation: float, size: Any, padding: str) -> None:
    if padding == "wrap":
        return
    for side, taps in zip(f.shape[-3:-1], size, strict=True):
        if dilation * (taps // 2) >= side:
            raise ValueError(
                f"images `f` of {f.shape[-3]} x {f.shape[-2]} px are too small for a"
                f" filter of {taps} px that is dilated by {dilation:g} px at the"
                " coarsest level: take fewer levels, larger images, or"
                ' `padding="wrap"`.'
            )


def _correlated(
    x: jax.Array, kernel: jax.Array, dilation: float, padding: str
) -> jax.Array:
    """sum_y psi(y) x(dilation y + z), x [..., H, W, C], psi [h, w, C, D]."""
    images = x.reshape(-1, *x.shape[-3:])
    if kernel.shape[:2] == (1, 1):
        y = mix_pixels(images, kernel[0, 0])
    elif abs(dilation - round(dilation)) < 1e-9:
        y = dilated_correlation(images, kernel, round(dilation), padding)
    else:
        y = _interpolated(images, kernel, dilation, padding)
    return y.reshape(*x.shape[:-1], kernel.shape[-1])


def dilated_correlation(
    x: jax.Array, kernel: jax.Array, dilation: int, padding: str
) -> jax.Array:
    """sum_u psi(u) x(dilation u + z), dilation whole; [B, H, W, C], [h, w, C, D]."""
    margins = [
        (dilation * (taps // 2), dilation * (taps - 1 - taps // 2))
        for taps in kernel.shape[:2]
    ]
    if padding != "zero":  # zeros are the convolution's own
        for axis, (before, after) in enumerate(margins, start=1):
            size = x.shape[axis]
            pixels = extend(np.arange(-before, size + after), size, padding)
            x = jnp.take(x, pixels, axis=axis)
        margins = [(0, 0), (0, 0)]
    return jax.lax.conv_general_dilated(
        x, kernel, (1, 1), margins, rhs_dilation=(dilation, dilation),
        dimension_numbers=("NHWC", "HWIO", "NHWC"), precision=HIGHEST,
    )  # fmt: skip


def _interpolated(
    x: jax.Array, kernel: jax.Array, dilation: float, padding: str
) -> jax.Array:
    """One matrix per row of the filter, then one per column, and the products."""

    def shifted(y: jax.Array, tap: int, taps: int, axis: int) -> jax.Array:
        size = y.shape[axis]
        positions = np.arange(size) + dilation * (tap - taps // 2)
        matrix = jnp.asarray(sample_matrix(positions, size, padding), y.dtype)
        return along_axis(matrix, y, axis=axis - 4)

    height, width = kernel.shape[:2]
    total = jnp.zeros((*x.shape[:3], kernel.shape[-1]), x.dtype)
    for i in range(height):
        row = shifted(x, i, height, 1)
        for j in range(width):
            y = shifted(row, j, width, 2)
            total = total + mix_pixels(y, kernel[i, j])
    return total
