"""Subsampled grids for coarse scale channels: the hybrid pyramid (gdjax)."""

import math

import jax


def octaves_to_skip(sigma: float, finest: float) -> int:
    """How often a channel's grid may be halved, so that its sigma stays fine enough.

    Args:
      sigma: base scale in px of the full grid.
      finest: least base scale in px of the subsampled grid.

    Returns:
      The largest j >= 0 with sigma / 2^j >= finest, 0 where there is none; a base scale
      that misses `finest` by rounding counts as reaching it.
    """
    return max(0, math.floor(math.log2(sigma / finest) + 1e-6))


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
        jax.numpy.full(ndim, scale, x.dtype),
        jax.numpy.asarray(shifts, x.dtype),
        method="lanczos5",
        antialias=True,
        precision=jax.lax.Precision.HIGHEST,
    )


def coarse_size(size: int, octaves: int) -> int:
    """Pixels of an axis of `size` px after `octaves` > 0 halvings: an odd number."""
    return -(-size // 2**octaves) | 1
