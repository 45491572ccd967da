"""Small images on large canvases, each at a size of its own, on the device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from gdjax.scalespace.checks import is_traced


# Px on each side of a place whose weights are added up for their normalisation.
_REACH = 64


def place_scaled(
    images: jax.Array,
    factors: jax.Array,
    *,
    size: int = 168,
    cubic: float = -1.0,
    antialias: bool = False,
) -> jax.Array:
    """Images resampled about their centres by their factors, on black canvases.

    Pixel j of a canvas of M px shows the place N / 2 + (j + 1/2 - M / 2) / factor of
    an image of N px (pixel i reaching from i to i + 1), by Keys' cubic; around the
    image everything is black. A factor of 1 copies where M - N is even. An image that
    is larger than the canvas is cut off.

    Rows and columns are products with a matrix each, made from the factors: they are
    differentiable, and one compilation serves all of them. No grey level leaves 0..1:
    there the cubic's overshoots are cut off, as in 8-bit images.

    Choice: the defaults are those of the published code of Dynamic Scale MNIST, which
    is Pillow's `transform(AFFINE, BICUBIC)` (but for 8-bit grey levels) of digits with
    70 px of black around them. `cubic=-0.5, antialias=True` is `gdjax.data.rescale`.

    Args:
      images: [B, H, W, C], floats in 0..1.
      factors: size on the canvas over size in the image (dimensionless), positive,
        [B]; may be traced.
      size: M, side of the canvas in px.
      cubic: a of Keys' cubic, its slope at 1 px: -1 in Pillow's transforms, -1/2 where
        it interpolates quadratic polynomials exactly.
      antialias: stretch the kernel by 1 / factor where the factor is below 1, weights
        normalised, so that nothing aliases.

    Returns:
      [B, size, size, C], of the images' dtype.

    Raises:
      TypeError: if the images are not floats.
      ValueError: if the shapes do not fit, `size` is below 1, or concrete factors are
        not positive and finite.

    [scale_learning] App. A.1.
    """
    _check(images, factors, size)
    # Places are too large for the half-precision types.
    dtype = jnp.promote_types(images.dtype, jnp.float32)

    def place(image: jax.Array, factor: jax.Array) -> jax.Array:
        rows, columns = (
            _weights(factor, length, size, cubic, antialias)
            for length in image.shape[:2]
        )
        return jnp.einsum("ih,jw,hwc->ijc", rows, columns, image, precision="highest")

    factors = jnp.asarray(factors, dtype)
    canvases = jax.vmap(place)(jnp.asarray(images, dtype), factors)
    return jnp.clip(canvases, 0.0, 1.0).astype(images.dtype)


class PlacedExamples(NamedTuple):
    """Images and labels, as read, with the size factors that they get on the canvas.

    Attributes:
      image: [N, H, W, C].
      label: [N].
      factor: dimensionless, float32 [N].
    """

    image: Any
    label: Any
    factor: np.ndarray


def with_factors(examples: Any, factors: np.ndarray) -> PlacedExamples:
    """Examples with their size factors [N]."""
    return PlacedExamples(examples.image, examples.label, factors)


def on_canvas(images: Any, factors: Any, canvas: int | None) -> Any:
    """Images [B, H, W, C], floats, placed by their factors [B]; None: as they are.

    Args:
      images: in 0..1.
      factors: dimensionless; None where there is no canvas.
      canvas: side of the canvas in px, or None.

    Raises:
      ValueError: if there is a canvas, and there are no factors.
    """
    if canvas is None:
        return images
    if factors is None:
        raise ValueError("`factors=None`: images on a canvas need size factors.")
    return place_scaled(jnp.asarray(images), jnp.asarray(factors), size=canvas)


def canvas_shape(shape: Sequence[int], canvas: int | None) -> list[int]:
    """Of images of a shape (H, W, C) on a canvas, where there is one."""
    return list(shape) if canvas is None else [canvas, canvas, shape[-1]]


def _check(images: jax.Array, factors: jax.Array, size: int) -> None:
    if not jnp.issubdtype(images.dtype, jnp.floating):
        raise TypeError(
            f"`images` are {images.dtype}: expected floats in 0..1; use `as_floats`."
        )
    if images.ndim != 4 or np.shape(factors) != images.shape[:1]:
        raise ValueError(
            f"`images` have the shape {images.shape} and `factors` "
            f"{np.shape(factors)}: expected [B, H, W, C] and [B]."
        )
    if size < 1:
        raise ValueError(f"`size={size}` must be at least 1 px.")
    if not is_traced(factors):
        values = np.asarray(factors)
        if not (np.isfinite(values) & (values > 0)).all():
            raise ValueError(f"`factors={values}` must be positive and finite.")


def _weights(
    factor: jax.Array, length: int, size: int, cubic: float, antialias: bool
) -> jax.Array:
    """Of the pixels of an axis in what each pixel of the canvas shows, [size, length].

    Places and distances are in px of the image, from the centre of its first pixel.
    """
    offsets = jnp.asarray(np.arange(size) + 0.5 - size / 2, factor.dtype)
    places = offsets / factor + (length - 1) / 2
    pixels = jnp.arange(length, dtype=factor.dtype)
    distances = places[:, None] - pixels
    if not antialias:
        return _keys(distances, cubic)
    squeeze = jnp.minimum(factor, 1.0)
    lattice = jnp.arange(-_REACH, _REACH + 1, dtype=factor.dtype)
    phases = places - jnp.floor(places)
    sums = _keys(squeeze * (phases[:, None] - lattice), cubic).sum(1, keepdims=True)
    # Of kernels that reach further, sums are integrals to a millionth.
    sums = jnp.where(squeeze * _REACH >= 2, sums, 1 / squeeze)
    return _keys(squeeze * distances, cubic) / sums


def _keys(distance: jax.Array, a: float) -> jax.Array:
    """Keys' cubic convolution kernel; 0 with its derivative from 2 px on."""
    x = jnp.minimum(jnp.abs(distance), 2.0)
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = a * (((x - 5) * x + 8) * x - 4)
    return jnp.where(x <= 1, near, far)
