"""Scale spaces over the semigroup of downscalings: lift, action, correlation. [dss].

Dilations A_k = base^-k, k >= 0, with shifts z form a semigroup: images can be made
smaller, not larger. With the zero-scale s_0 of an image, level k of its scale space has
the variance

  t_k = s_0^2 (base^(2 k) - 1) px^2,

of what makes the image smaller by base^k. y comes before x, shifts are px of the grid
that is left.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gdjax.scalespace.checks import (
    LARGEST_RADIUS,
    LARGEST_SIGMA,
    check_image,
    check_order,
    check_padding,
    floating_array,
    real_array,
    shown,
)
from gdjax.scalespace.discretisation import Discretisation, check_discretisation
from gdjax.scalespace.execution.along import along_axis
from gdjax.scalespace.jets import smooth
from gdjax.scalespace.kernels import DiscreteGaussian
from gdjax.scalespace.scale_correlation import (
    extend_scale_axis as extend_scale_axis,
    scale_space_correlation as scale_space_correlation,
)
from gdjax.scalespace.semigroup_grids import (
    check_base,
    check_factor,
    check_level,
    check_zero_scale,
    level_sigma,
    sample_matrix,
)
from gdjax.scalespace.windows import extend


def scale_space_lift(
    x: Any,
    *,
    base: float = 2.0,
    levels: int = 4,
    zero_scale: float = 0.5,
    discretisation: Discretisation = DiscreteGaussian(),  # noqa: B008 (frozen)
    padding: str = "zero",
    anisotropic: Sequence[float] | None = None,
) -> jax.Array:
    """The scale space of an image, lifted on to the semigroup: level k has scale t_k.

      f(A_k, z) = [G(.; T_k) * f](z),  T_k = A_k^-1 S_0 A_k^-T - S_0

    Args:
      x: [..., H, W, C], floating point.
      base: > 1, by which each level stands for a smaller image than the one before.
      levels: K.
      zero_scale: s_0, the scale in px that the image itself has already.
      discretisation: the kernels.
      padding: "zero", "symmetric", "edge" or "wrap".
      anisotropic: a base for each axis, y and x, in the place of `base`: A_k is then
        diagonal. 1 leaves an axis alone.

    Returns:
      [..., K, H, W, C]; level 0 is `x`.

    Raises:
      TypeError, ValueError: for arguments out of range, and where T_k is not positive
        semidefinite: a base below 1 would sharpen the image.

    [dss] (5), (6), (9), (23). Choice: variance t as in (23), not 2 t as in (1).
    """
    x = check_image(x, ndim=2)
    levels = check_order(levels, name="levels", lowest=1, highest=10**4)
    zero_scale = check_zero_scale(zero_scale)
    bases = _bases(base, anisotropic)
    for each in bases:
        check_factor(each, levels - 1, name="levels")
    check_padding(padding)
    check_discretisation(discretisation)

    def level(k: int) -> jax.Array:
        y = x
        if len(set(bases)) == 1:
            return _smoothed(y, bases[0], k, zero_scale, discretisation, padding)
        for axis, each in zip((-3, -2), bases, strict=True):
            y = jnp.moveaxis(y, axis, -2)
            y = _smoothed(y, each, k, zero_scale, discretisation, padding, ndim=1)
            y = jnp.moveaxis(y, -2, axis)
        return y

    return jnp.stack([level(k) for k in range(levels)], axis=-4)


def _bases(base: float, anisotropic: Sequence[float] | None) -> tuple[float, float]:
    if anisotropic is None:
        base = check_base(base)
        return base, base
    bases = real_array(anisotropic, name="anisotropic", unit="a base for y and for x")
    if bases.shape != (2,) or not np.all((bases >= 1) & (bases <= LARGEST_SIGMA)):
        raise ValueError(
            f"`anisotropic={shown(anisotropic)}` must be a base for y and one for x,"
            " each at least 1: below it, A^-1 S_0 A^-T - S_0 is negative, and no image"
            " can be sharpened by a blur."
        )
    return float(bases[0]), float(bases[1])


def _smoothed(x, base, k, zero_scale, discretisation, padding, ndim=2) -> jax.Array:
    sigma = level_sigma(k, base=base, zero_scale=zero_scale)
    if sigma == 0:
        return x
    check_level(sigma, zero_scale=zero_scale, discretisation=discretisation)
    return smooth(x, sigma, discretisation=discretisation, padding=padding, ndim=ndim)


def scale_action(
    x: Any,
    *,
    steps: int,
    shift: Sequence[float] = (0, 0),
    base: float = 2.0,
    zero_scale: float = 0.5,
    discretisation: Discretisation = DiscreteGaussian(),  # noqa: B008 (frozen)
    padding: str = "zero",
) -> jax.Array:
    """Makes images smaller, band-limited: S_{A,z}[f](x) = [G_A * f](A^-1 x + z).

    Args:
      x: [..., H, W, C], floating point.
      steps: n >= 0; A = base^-n.
      shift: z in px of `x`, down and to the right.
      base: > 1.
      zero_scale: s_0 in px.
      discretisation: the kernels.
      padding: "zero", "symmetric", "edge" or "wrap".

    Returns:
      [..., h, w, C] with h = H / base^n, rounded up; on wrapped axes rounded, and then
      base^n is read as H / h.

    Raises:
      TypeError, ValueError: for arguments out of range; on wrapped axes for sides that
        an integer base^n doesn't divide.

    [dss] (8). Two of them compose as S_{A,z} S_{B,y} = S_{AB, B^-1 z + y}: the printed
    (18) has A y + z, which doesn't follow from (8).
    """
    x = check_image(x, ndim=2)
    steps, base = check_order(steps, name="steps"), check_base(base)
    zero_scale = check_zero_scale(zero_scale)
    factor = check_factor(base, steps, name="steps")
    check_padding(padding)
    check_discretisation(discretisation)
    y = _smoothed(x, base, steps, zero_scale, discretisation, padding)
    return _dilated(y, factor, shift, padding)


def shift_levels(
    f: Any,
    *,
    steps: int,
    shift: Sequence[float] = (0, 0),
    base: float = 2.0,
    padding: str = "zero",
) -> jax.Array:
    """The action on lifted functions: L_{A,z}[f](A_k, x) = f(A_k A, A^-1 x + z).

    Args:
      f: [..., K, H, W, C], lifted.
      steps: n, 0 to K - 1; A = base^-n.
      shift: z in px of `f`, down and to the right.
      base: > 1.
      padding: between and beyond pixels, where these are needed.

    Returns:
      [..., K - n, h, w, C], sides as of `scale_action`: n levels are lost.

    Raises:
      TypeError, ValueError: for arguments out of range.

    [dss] (10), (21). Lifting a smaller image is shifting a lifted one.
    """
    f = check_image(f, ndim=2, name="`f`")
    base, steps = check_base(base), check_order(steps, name="steps")
    if f.ndim < 4 or steps >= f.shape[-4]:
        raise ValueError(
            f"`f` of shape {f.shape} must be [..., K, H, W, C] with more levels K than"
            f" `steps={steps}`."
        )
    check_padding(padding)
    factor = check_factor(base, steps, name="steps")
    return _dilated(f[..., steps:, :, :, :], factor, shift, padding)


def _dilated(x: jax.Array, factor: float, shift: Any, padding: str) -> jax.Array:
    """x(factor i + shift) on both axes."""
    offsets = real_array(shift, name="shift", unit="two numbers of px")
    if offsets.shape != (2,) or not np.all(abs(offsets) <= LARGEST_RADIUS):
        raise ValueError(f"`shift={shown(shift)}` must be two numbers of px.")
    for axis, offset in zip((-3, -2), offsets, strict=True):
        size = x.shape[axis]
        positions = _positions(size, factor, float(offset), padding)
        whole = np.rint(positions)
        if np.abs(positions - whole).max() < 1e-9:
            pixels = extend(whole.astype(int), size, padding)
            taken = jnp.take(x, np.maximum(pixels, 0), axis=axis)
            inside = np.expand_dims(pixels >= 0, tuple(range(1, -axis)))
            x = jnp.where(inside, taken, jnp.zeros((), x.dtype))
            continue
        matrix = jnp.asarray(sample_matrix(positions, size, padding), x.dtype)
        x = along_axis(matrix, x, axis=axis)
    return x


def _positions(size: int, factor: float, offset: float, padding: str) -> np.ndarray:
    if padding != "wrap":
        count = math.ceil(size / factor - 1e-9)
        return np.arange(count) * factor + offset
    count, whole = round(size / factor), round(factor)
    # Powers of real bases are whole but for rounding: sqrt(2)^2.
    if count < 1 or (abs(factor - whole) < 1e-9 and count * whole != size):
        raise ValueError(
            f"`padding='wrap'`: an axis of {size} px can't be made smaller by"
            f" {factor:g}: give a side that is a multiple of it, or another `padding`."
        )
    return np.arange(count) * (size / count) + offset


def semigroup_correlation(
    f: Any, psi: Any, *, act: Callable[[Any], jax.Array]
) -> jax.Array:
    """[psi * f](s) = sum_x psi(x) L_s[f](x), for any semigroup that acts on functions.

    Args:
      f: a function on the domain X, an array of any shape.
      psi: the filter, [*X'], on the domain that `act` ends with.
      act: f -> [*S, *X'], what every element s of the semigroup makes of it.

    Returns:
      [*S].

    Raises:
      TypeError: if `f` or `psi` holds no floats, or `act` is no function.
      ValueError: if the last axes of what `act` returns are not those of `psi`.

    [dss] (14); with translations it is the correlation (16) of convolutional networks,
    with a group that moves the domain the group correlation (17). It is equivariant:
    acting on f is a shift of the result (15).
    """
    if not callable(act):
        raise TypeError(f"`act={shown(act)}` must be a function of `f`.")
    f, psi = (
        jnp.asarray(floating_array(v, name=f"`{name}`"))
        for name, v in (("f", f), ("psi", psi))
    )
    acted = jnp.asarray(act(f))
    if acted.ndim < psi.ndim or acted.shape[acted.ndim - psi.ndim :] != psi.shape:
        raise ValueError(
            f"`act` returns an array of shape {acted.shape}, whose last axes must be"
            f" those of `psi`, {psi.shape}."
        )
    domain = tuple(range(acted.ndim - psi.ndim, acted.ndim))
    return (acted * psi[(None,) * (acted.ndim - psi.ndim)]).sum(domain)
