"""What happens to images before a network sees them; saved with its weights."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from gdjax.scalespace.arrays import check_integers
from gdjax.scalespace.checks import check_order, floating_array, real_array, shown


# By which images are enlarged at most: what goes beyond is a mistake.
LARGEST_FACTOR = 1024


@dataclasses.dataclass(frozen=True)
class Preprocessing:
    """Normalisation, enlarging and padding, in this order (gdjax).

    Attributes:
      mean: of the grey levels 0..1 over the training images, one number or one per
        channel, that is subtracted; empty: nothing is.
      std: of the grey levels, by which they are then divided; empty: they aren't.
      enlarge: factor by which the sides of the images grow.
      method: interpolation of enlarged images.
      padding: px of zeros on each side, which the mean is where it is subtracted.

    Raises:
      TypeError, ValueError: for what has no meaning.
    """

    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    enlarge: float = 1.0
    method: Literal["linear", "nearest"] = "linear"
    padding: int = 0

    def __post_init__(self):
        # Single numbers, lists and arrays would not be hashable, or not of JSON.
        for name in ("mean", "std"):
            given = getattr(self, name)
            values = np.atleast_1d(real_array(given, name=name, unit="grey levels"))
            if values.ndim != 1:
                raise ValueError(f"`{name}={shown(given)}`: give one per channel, [C].")
            object.__setattr__(self, name, tuple(values.tolist()))
        if not all(math.isfinite(value) for value in self.mean):
            raise ValueError(f"`mean={self.mean}` must be finite grey levels in 0..1.")
        if not all(0 < value < math.inf for value in self.std):
            raise ValueError(f"`std={self.std}` must be positive grey levels.")
        enlarge = real_array(self.enlarge, name="enlarge", unit="a factor")
        if enlarge.shape or not 1 <= enlarge <= LARGEST_FACTOR:
            raise ValueError(
                f"`enlarge={shown(self.enlarge)}` must be a factor, at least 1 and at"
                f" most {LARGEST_FACTOR}."
            )
        object.__setattr__(self, "enlarge", float(enlarge))
        if not isinstance(self.method, str) or self.method not in ("linear", "nearest"):
            raise ValueError(f'`method={self.method!r}` must be "linear" or "nearest".')
        check_order(self.padding, name="padding")

    def __call__(self, images: jax.Array) -> jax.Array:
        """[B, (D,) (H,) W, C], float32 in 0..1 -> the same, with other sides.

        Raises:
          TypeError: for images that aren't floating point.
          ValueError: for other axes; if there are neither one nor C means, or
            deviations.
        """
        images = jnp.asarray(floating_array(images, name="`images`"))
        if not 3 <= images.ndim <= 5:
            raise ValueError(
                f"`images` have shape {images.shape}; give [B, (D,) (H,) W, C]."
            )
        for name in ("mean", "std"):
            values = np.array(getattr(self, name), np.float32)
            if values.size not in (0, 1, images.shape[-1]):
                raise ValueError(
                    f"`{name}={getattr(self, name)}`: give one number, or one for each"
                    f" of the {images.shape[-1]} channels of the images."
                )
            if values.size:
                values = jnp.broadcast_to(values, images.shape)
                images = images - values if name == "mean" else images / values
        batch, *sides, channels = images.shape
        if self.enlarge != 1:
            shape = batch, *self._enlarged(sides), channels
            images = jax.image.resize(images, shape, self.method)
        margins = [(self.padding, self.padding)] * len(sides)
        return jnp.pad(images, ((0, 0), *margins, (0, 0)))

    def shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Of a preprocessed image, for images [(D,) (H,) W, C] of that shape."""
        found = check_integers(shape, name="shape")
        if found.ndim != 1 or len(found) < 2 or (found < 1).any():
            raise ValueError(f"`shape={shown(shape)}` must be ((D,) (H,) W, C).")
        *sides, channels = shape
        return *(n + 2 * self.padding for n in self._enlarged(sides)), channels

    def _enlarged(self, sides: Sequence[int]) -> list[int]:
        return [round(self.enlarge * side) for side in sides]


def as_floats(images: Any) -> jax.Array:
    """Stored grey levels as float32 in 0..1.

    Inside jit, so that bytes go to the device. uint8 is divided by 255, uint16 by
    65535; floats stay as they are.
    """
    if images.dtype not in (np.uint8, np.uint16):
        return jnp.asarray(images, jnp.float32)
    # The same quotients as on the host, from a table: XLA multiplies by a reciprocal,
    # which gives every second grey level another float.
    largest = np.iinfo(images.dtype).max
    levels = (np.arange(largest + 1) / largest).astype(np.float32)
    return jnp.take(levels, jnp.asarray(images, jnp.int32), mode="clip")


def check_images(
    images: Any, *, channels: int | None = None, ndim: int = 2
) -> np.ndarray:
    """Images [B, (D,) (H,) W, C] of a user's, uint8, uint16, or floats in 0..1.

    Args:
      images: array-like.
      channels: C that is needed; None: any.
      ndim: spatial dimensions.

    Raises:
      TypeError, ValueError: for other shapes, types and grey levels, with the remedy.
    """
    try:
        images = np.asarray(images)
    except ValueError as error:
        raise ValueError(f"`images` are no array: {error}.") from error
    axes = ", ".join(("B", *"DHW"[-ndim:], "C"))
    if images.ndim != ndim + 2:
        raise ValueError(
            f"`images` have shape {images.shape}; give [{axes}]: add what is"
            " missing by `images[None]` or `images[..., None]`."
        )
    if 0 in images.shape:
        raise ValueError(
            f"`images` have shape {images.shape}, [{axes}], so there are none: give at"
            " least one image of at least 1 px."
        )
    if channels is not None and images.shape[-1] != channels:
        raise ValueError(
            f"`images` have {images.shape[-1]} channels, the network has {channels}."
        )
    if images.dtype in (np.uint8, np.uint16):
        return images
    if not jnp.issubdtype(images.dtype, jnp.floating):
        raise TypeError(f"`images` are {images.dtype}: give uint8, uint16 or floats.")
    images = np.asarray(floating_array(images, name="`images`"))
    low, high = float(images.min()), float(images.max())
    if not (0 <= low and high <= 1):
        raise ValueError(
            f"`images` are floats from {low:g} to {high:g}, and must lie in 0..1:"
            " divide them by their largest possible value, or give them as uint8."
        )
    return images.astype(np.float32)
