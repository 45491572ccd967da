"""Images on coarser grids (gdjax; [njet] sec. 4.1), and between their pixels."""

import itertools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from gdjax.scalespace.arrays import check_integers
from gdjax.scalespace.checks import (
    check_image,
    check_ndim,
    check_order,
    check_scalar,
    check_sigma,
)


def subsample(x: jax.Array, octaves: int, *, ndim: int = 2) -> jax.Array:
    """Every 2^octaves-th pixel of a low-passed image, with the centre in place.

    Low-passed by Lanczos' kernel of radius 5 coarse px (`jax.image`), renormalised
    where it meets the border. The centre of the image becomes a pixel, since the mean
    of two coarse pixels around it is further from its value than that of two fine ones.

    Args:
      x: [..., (D,) (H,) W, C], floating point.
      octaves: j >= 0.
      ndim: spatial dimensions, 1 to 3.

    Returns:
      [..., (d,) (h,) w, C] with n / 2^j px per axis, rounded up to an odd number.
    """
    if octaves == 0:
        return x
    scale = 0.5**octaves
    axes = tuple(range(x.ndim - ndim - 1, x.ndim - 1))
    shape = list(x.shape)
    for axis in axes:
        shape[axis] = coarse_size(x.shape[axis], octaves)
    # Continuous centres: n / 2 of the image comes to m / 2 of the coarse one.
    shifts = [shape[axis] / 2 - scale * x.shape[axis] / 2 for axis in axes]
    return jax.image.scale_and_translate(
        x,
        tuple(shape),
        axes,
        jnp.full(ndim, scale, x.dtype),
        jnp.asarray(shifts, x.dtype),
        method="lanczos5",
        antialias=True,
        precision=jax.lax.Precision.HIGHEST,
    )


def coarse_size(size: int, octaves: int) -> int:
    """Pixels of an axis of `size` px after `octaves` > 0 halvings: an odd number."""
    return -(-size // 2**octaves) | 1


def safe_sizes(
    sigmas: Sequence[float],
    size: int,
    *,
    r: float = 4.0,
    multiple: int = 2,
    previous: Sequence[int] | None = None,
) -> tuple[int, ...]:
    """Sides of the feature maps after layers with these sigmas, on the host.

      s' = s (1/2)^(sigma / r), from layer to layer

    Args:
      sigmas: px, one per layer that subsamples, in their order; concrete.
      size: side of the images in px.
      r: px of sigma that halve a side.
      multiple: sides are rounded to multiples of it (where they are larger).
      previous: the sides of the last plan, which are kept where they are less than
        `multiple` px off: shapes, and with them compiled programs, seldom change.

    Returns:
      One side in px per layer, falling.

    Raises:
      ValueError: if a side falls below 1 px, or an argument is out of range.

    [njet] sec. 4.1; rounding and keeping: gdjax.
    """
    values = check_sigma(sigmas, name="sigmas", positive=True)
    if values.ndim != 1:
        raise ValueError(f"`sigmas` has shape {values.shape}; give one per layer, [L].")
    r = float(check_scalar(check_sigma(r, name="r", positive=True), name="r"))
    check_order(size, name="size", lowest=1)
    check_order(multiple, name="multiple", lowest=1)
    if previous is not None:
        previous = check_integers(previous, name="previous").tolist()
    if previous is not None and (
        not isinstance(previous, list) or len(previous) != len(values)
    ):
        raise ValueError(
            f"`previous` has {np.size(previous)} sides, but there are {len(values)}"
            " sigmas: give the last plan of the same network."
        )
    sides: list[int] = []
    exact, last = float(size), size
    for k, sigma in enumerate(values):
        exact *= 0.5 ** (float(sigma) / r)
        if exact < 1:
            raise ValueError(
                f"subsampling below 1 px: layer {k + 1} with sigma = {sigma:.3g} px"
                f" leaves {exact:.2g} px of {size}: give a larger `r` than {r}, larger"
                " images or a lower bound of sigma."
            )
        side = multiple * round(exact / multiple) if exact > multiple else round(exact)
        if previous is not None and abs(previous[k] - exact) < multiple:
            side = previous[k]
        last = max(1, min(last, side))
        sides.append(last)
    return tuple(sides)


def subsample_to(
    x: jax.Array, size: int | Sequence[int], *, ndim: int = 2
) -> jax.Array:
    """Resamples [..., (D,) (H,) W, C] to another, smaller size, without aliasing.

    Args:
      x: floating point.
      size: sides in px; one number: of all axes.
      ndim: spatial dimensions.

    Returns:
      [..., *size, C], by a triangular kernel as wide as the reduction.

    Raises:
      TypeError: if `x` is not floating point, or a side is no int.
      ValueError: if `x` is empty or lacks axes, or a side is below 1 px or larger than
        that of `x`.
    """
    x, ndim = check_image(x, ndim=ndim), check_ndim(ndim)
    sides = tuple(check_integers(size, name="size").ravel().tolist())
    sides = sides * ndim if np.ndim(size) == 0 else sides
    now = x.shape[-ndim - 1 : -1]
    if len(sides) != ndim or not all(
        1 <= s <= n for s, n in zip(sides, now, strict=True)
    ):
        raise ValueError(
            f"`size={size}` must be 1 to {' x '.join(map(str, now))} px, the maps'"
            " own size."
        )
    if sides == now:
        return x
    shape = (*x.shape[: -ndim - 1], *sides, x.shape[-1])
    return jax.image.resize(x, shape, "linear", antialias=True)


def sample_bilinear(x: jax.Array, rows: jax.Array, columns: jax.Array) -> jax.Array:
    """Bilinear interpolation of [B, H, W, C] at any positions, [B, ..., C].

    Positions y (`rows`) and x (`columns`) are in px, [B, ...]; all is differentiable.
    Zero outside; within 1 px of the border it falls to 0. [Dai et al. 2017] (3)-(4).
    """
    height, width = x.shape[1:3]
    pixels = x.reshape(x.shape[0], height * width, x.shape[-1])
    top, left = (jax.lax.stop_gradient(jnp.floor(p)) for p in (rows, columns))
    total = jnp.zeros((*rows.shape, x.shape[-1]), x.dtype)
    for down, right in itertools.product((0, 1), repeat=2):
        i, j = top + down, left + right
        weight = (1 - abs(rows - i)) * (1 - abs(columns - j))
        inside = (i >= 0) & (i < height) & (j >= 0) & (j < width)
        # Outside of the array: read as 0. As floats, positions may be huge.
        index = jnp.where(inside, i * width + j, height * width).astype(jnp.int32)
        take = jax.vmap(lambda v, k: v.at[k].get(mode="fill", fill_value=0))
        total = total + weight[..., None].astype(x.dtype) * take(pixels, index)
    return total
