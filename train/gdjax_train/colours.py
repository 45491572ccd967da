"""Changes of colours: jitter, and added brightness.

Images are [B, H, W, C], float32, grey levels 0..1, and stay where they are.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np


# Of red, green and blue in the grey image, as in torchvision (they sum to 0.9999).
GREY_WEIGHTS = np.array([0.2989, 0.587, 0.114])


class ColourDraws(NamedTuple):
    """Draws of `colour_jitter`; None: that adjustment is left out.

    Attributes:
      brightness: factors [B].
      contrast: factors [B].
      saturation: factors [B].
      hue: turns [B].
      order: permutation of 0..n - 1, int [n], of the n adjustments that are not None
        (counted in the order of these fields): `order[0]` comes first.
    """

    brightness: jax.Array | None
    contrast: jax.Array | None
    saturation: jax.Array | None
    hue: jax.Array | None
    order: jax.Array


def colour_jitter(
    key: jax.Array,
    x: jax.Array,
    *,
    brightness: float,
    contrast: float,
    saturation: float,
    hue: float,
) -> jax.Array:
    """Random brightness, contrast, saturation and hue, in random order.

    Args:
      key: of the draws.
      x: images [B, H, W, C], 0..1.
      brightness: b, factor uniform in max(0, 1 - b)..1 + b; 0 leaves it out, and so
        for the others.
      contrast: c, likewise.
      saturation: s, likewise.
      hue: h, turn uniform in -h..h, in turns.

    Returns:
      Images [B, H, W, C], 0..1, clipped after each adjustment.

    Raises:
      ValueError: if saturation or hue change images without three channels.

    [gaussderresnet] sec. 5.2; torchvision's `ColorJitter` on float tensors. Choice: the
    order is drawn for the batch, not for each image, for which every adjustment would
    have to be computed at each of the four positions.
    """
    if (saturation or hue) and x.shape[-1] != 3:
        raise ValueError(
            f"`saturation={saturation}`, `hue={hue}` need red, green and blue, but the "
            f"images have C={x.shape[-1]}: set both to 0"
        )
    draws = draw_colours(
        key,
        x.shape[0],
        brightness=brightness,
        contrast=contrast,
        saturation=saturation,
        hue=hue,
    )
    return adjust_colours(x, draws)


def draw_colours(
    key: jax.Array,
    count: int,
    *,
    brightness: float,
    contrast: float,
    saturation: float,
    hue: float,
) -> ColourDraws:
    """The draws of `colour_jitter` (see there) for B = `count` images."""
    keys = jax.random.split(key, 5)

    def factor(key: jax.Array, strength: float) -> jax.Array | None:
        if not strength:
            return None
        low, high = max(0.0, 1.0 - strength), 1.0 + strength
        return jax.random.uniform(key, (count,), jnp.float32, low, high)

    turn = jax.random.uniform(keys[3], (count,), jnp.float32, -hue, hue)
    active = sum(map(bool, (brightness, contrast, saturation, hue)))
    return ColourDraws(
        brightness=factor(keys[0], brightness),
        contrast=factor(keys[1], contrast),
        saturation=factor(keys[2], saturation),
        hue=turn if hue else None,
        order=jax.random.permutation(keys[4], active),
    )


def adjust_colours(x: jax.Array, draws: ColourDraws) -> jax.Array:
    """Applies the draws of `colour_jitter` to images [B, H, W, C]."""
    adjustments = (adjust_brightness, adjust_contrast, adjust_saturation, turn_hue)
    branches = [
        functools.partial(_each_image, adjust, amount)
        for adjust, amount in zip(adjustments, draws[:4], strict=True)
        if amount is not None
    ]
    if not branches:
        return x

    def one(position: jax.Array, x: jax.Array) -> jax.Array:
        return jax.lax.switch(draws.order[position], branches, x)

    return jax.lax.fori_loop(0, len(branches), one, x)


def _each_image(
    adjust: Callable[[jax.Array, jax.Array], jax.Array], amount: jax.Array, x: jax.Array
) -> jax.Array:
    return jax.vmap(adjust)(x, amount)


def adjust_brightness(image: jax.Array, factor: jax.Array) -> jax.Array:
    """Grey levels [H, W, C] times the factor, clipped to 0..1."""
    return _clip(factor * image)


def adjust_contrast(image: jax.Array, factor: jax.Array) -> jax.Array:
    """Deviations from the mean of the grey image times the factor, clipped to 0..1.

    Choice: for other than three channels, grey is their mean (torchvision refuses).
    """
    return _clip(factor * image + (1.0 - factor) * _grey(image).mean())


def adjust_saturation(image: jax.Array, factor: jax.Array) -> jax.Array:
    """Deviations [H, W, 3] from the grey image times the factor, clipped to 0..1."""
    return _clip(factor * image + (1.0 - factor) * _grey(image))


def turn_hue(image: jax.Array, turn: jax.Array) -> jax.Array:
    """Adds `turn` (in turns) to the hue of HSV, [H, W, 3] in 0..1.

    With v = max(r, g, b) and the chroma c = v - min(r, g, b), hue h (in sixths of a
    turn) has red v - c * ramp(h + 5), green v - c * ramp(h + 3), blue
    v - c * ramp(h + 1), where ramp(k) = clip(min(k, 4 - k), 0, 1) with period 6.
    """
    red, green, blue = (image[..., i] for i in range(3))
    value = image.max(-1)
    chroma = value - image.min(-1)
    safe = jnp.where(chroma > 0, chroma, 1.0)
    hue = jnp.where(
        value == red,
        (green - blue) / safe,
        jnp.where(
            value == green, (blue - red) / safe + 2.0, (red - green) / safe + 4.0
        ),
    )
    turned = hue + 6.0 * turn

    def channel(offset: float) -> jax.Array:
        k = jnp.mod(turned + offset, 6.0)
        return value - chroma * _clip(jnp.minimum(k, 4.0 - k))

    return _clip(jnp.stack([channel(5.0), channel(3.0), channel(1.0)], axis=-1))


def _grey(image: jax.Array) -> jax.Array:
    """Grey image [H, W, 1]."""
    if image.shape[-1] != 3:
        return image.mean(-1, keepdims=True)
    weights = jnp.asarray(GREY_WEIGHTS, image.dtype)
    return (image * weights[None, None]).sum(-1, keepdims=True)


def _clip(x: jax.Array) -> jax.Array:
    return jnp.clip(x, 0.0, 1.0)


def brightness_shift(key: jax.Array, x: jax.Array, *, strength: float) -> jax.Array:
    """Adds a random grey level to each image [B, H, W, C], clipped to 0..1.

    Args:
      key: of the draws.
      x: images, 0..1.
      strength: b; what is added is uniform in -b..b, the same for all pixels and
        channels of an image.

    [dss], its added brightness.
    """
    return add_brightness(x, draw_shifts(key, x.shape[0], strength=strength))


def draw_shifts(key: jax.Array, count: int, *, strength: float) -> jax.Array:
    """What is added to each image, float32 [B]."""
    return jax.random.uniform(key, (count,), jnp.float32, -strength, strength)


def add_brightness(x: jax.Array, shifts: jax.Array) -> jax.Array:
    """Grey levels [B, H, W, C] plus `shifts` [B], clipped to 0..1."""
    return _clip(x + shifts[:, None, None, None])
