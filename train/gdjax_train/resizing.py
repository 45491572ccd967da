"""Images and masks of another size: on the same canvas, with draws; and enlarged."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .batch import IGNORED


def draw_factors(
    key: jax.Array, count: int, *, scale: tuple[float, float]
) -> jax.Array:
    """Factor s of each image, float32 [B]; log s uniform between those of `scale`."""
    low, high = map(math.log, scale)
    return jnp.exp(jax.random.uniform(key, (count,), jnp.float32, low, high))


def resize(x: jax.Array, factors: jax.Array) -> jax.Array:
    """Images [B, H, W, C] resized by `factors` [B] about their centres.

    Pixel j of N shows the place N / 2 + (j + 1/2 - N / 2) / s (in px, pixel i reaching
    from i to i + 1): interpolated linearly between the centres of pixels for s >= 1,
    for s < 1 averaged with weights that fall to 0 at a distance of 1 / s px, so that
    nothing aliases; the nearest half pixel to the border counts as its last pixel. Zero
    where the place is outside 0..N.
    """
    centre = np.array(x.shape[1:3], np.float32) / 2

    def one(image: jax.Array, factor: jax.Array) -> jax.Array:
        return jax.image.scale_and_translate(
            image,
            image.shape,
            (0, 1),
            jnp.stack([factor, factor]),
            (1.0 - factor) * centre,
            "linear",
            antialias=True,
        )

    # Weights sum to 1 up to rounding.
    return jnp.clip(jax.vmap(one)(x, factors), 0.0, 1.0)


def resize_mask(mask: jax.Array, factors: jax.Array) -> jax.Array:
    """Masks [B, H, W] resized by `factors` [B] like the images of `resize`.

    The class is that of the pixel in which the place lies, `IGNORED` outside.
    """

    def one(mask: jax.Array, factor: jax.Array) -> jax.Array:
        rows, inside_rows = _sources(mask.shape[0], factor)
        columns, inside_columns = _sources(mask.shape[1], factor)
        inside = inside_rows[:, None] & inside_columns[None]
        return jnp.where(inside, mask[rows[:, None], columns[None]], IGNORED)

    return jax.vmap(one)(mask, factors)


def _sources(length: int, factor: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The pixel that each of `length` pixels shows, and whether there is one, [N]."""
    middle = length / 2
    offset = jnp.arange(length, dtype=jnp.float32) + (0.5 - middle)
    place = offset / factor + middle
    pixel = jnp.clip(jnp.floor(place).astype(jnp.int32), 0, length - 1)
    return pixel, (place >= 0) & (place <= length)


def enlarged(examples: Any, factor: float) -> Any:
    """Examples with images [N, H, W, C] enlarged by a factor, bilinearly (Pillow)."""
    if factor == 1:
        return examples
    from PIL import Image

    height, width = (round(factor * side) for side in examples.image.shape[1:3])
    image = np.stack(
        [
            np.asarray(
                Image.fromarray(each.squeeze()).resize(
                    (width, height), Image.Resampling.BILINEAR
                )
            )
            for each in np.asarray(examples.image)
        ]
    )
    return examples._replace(image=image.reshape(*image.shape[:3], -1))
