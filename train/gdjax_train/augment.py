"""Augmentation of a batch of images on the device, from one PRNG key.

Each change of the images is a draw of random numbers, independent for every image, and
an application of these numbers, which is deterministic; the function of both is what
the training uses. Images are [B, H, W, C], float32, grey levels 0..1; strengths,
probabilities and sizes are Python numbers (static under jit).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from .augment_config import AugmentConfig, validate_augment


# Of red, green and blue in the grey image, as in torchvision (they sum to 0.9999).
GREY_WEIGHTS = np.array([0.2989, 0.587, 0.114])


def augment(key: jax.Array, images: jax.Array, config: AugmentConfig) -> jax.Array:
    """Flip, colour jitter, crop and cutout, in this order, as far as configured.

    Args:
      key: every change has a key of its own, whatever others are configured.
      images: [B, H, W, C], float32, 0..1.
      config: strengths (static); a change whose field is zero is left out.

    Returns:
      Images of the same shape and type; for the default config, `images` itself.

    Raises:
      UserError: for a config with a field outside its range.
      ValueError: if the images are not float32, or have not three channels where
        saturation or hue change.

    [gaussderresnet] sec. 5.2 and 6.1. Choice: the paper does not give the order;
    black comes in last, so that it stays black and is not in the mean grey level.
    """
    validate_augment(config)
    if images.dtype != jnp.float32:
        raise ValueError(
            f"`images` are {images.dtype}: expected float32 in 0..1; use `as_floats`"
        )
    flip_key, colour_key, crop_key, cutout_key = jax.random.split(key, 4)
    if config.horizontal_flip:
        images = horizontal_flip(flip_key, images, probability=config.horizontal_flip)
    images = colour_jitter(
        colour_key,
        images,
        brightness=config.brightness,
        contrast=config.contrast,
        saturation=config.saturation,
        hue=config.hue,
    )
    if config.crop_padding:
        images = random_crop(crop_key, images, padding=config.crop_padding)
    if config.cutout:
        images = cutout(cutout_key, images, side=config.cutout)
    return images


def horizontal_flip(key: jax.Array, x: jax.Array, *, probability: float) -> jax.Array:
    """Mirrors each image [B, H, W, C] left to right with the given probability.

    [gaussderresnet] sec. 5.2.
    """
    return flip(x, draw_flips(key, x.shape[0], probability=probability))


def draw_flips(key: jax.Array, count: int, *, probability: float) -> jax.Array:
    """Which images are mirrored, bool [B]."""
    return jax.random.bernoulli(key, probability, (count,))


def flip(x: jax.Array, mirrored: jax.Array) -> jax.Array:
    """Mirrors those images [B, H, W, C] for which `mirrored` [B] holds."""
    return jnp.where(mirrored[:, None, None, None], x[..., ::-1, :], x)


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


def random_crop(key: jax.Array, x: jax.Array, *, padding: int) -> jax.Array:
    """Pads images [B, H, W, C] with zeros and crops them at random to their size.

    Args:
      key: of the draws.
      x: images.
      padding: px on each side.

    Returns:
      Images [B, H, W, C]: the old ones moved by up to `padding` px in x and in y.

    [gaussderresnet] sec. 5.2; torchvision's `RandomCrop(size, padding)`.
    """
    corners = draw_corners(key, x.shape[0], padding=padding)
    return crop(x, corners, padding=padding)


def draw_corners(key: jax.Array, count: int, *, padding: int) -> jax.Array:
    """First row and column of each crop in the padded image, int32 [B, 2]."""
    return jax.random.randint(key, (count, 2), 0, 2 * padding + 1, jnp.int32)


def crop(x: jax.Array, corners: jax.Array, *, padding: int) -> jax.Array:
    """Crops of size H, W at `corners` [B, 2] of the padded images [B, H, W, C]."""
    margin = ((0, 0), (padding, padding), (padding, padding), (0, 0))
    padded = jnp.pad(x, margin)

    def one(image: jax.Array, corner: jax.Array) -> jax.Array:
        start = (corner[0], corner[1], jnp.zeros_like(corner[0]))
        return jax.lax.dynamic_slice(image, start, x.shape[1:])

    return jax.vmap(one)(padded, corners)


def cutout(key: jax.Array, x: jax.Array, *, side: int) -> jax.Array:
    """Lays a black square over each image [B, H, W, C].

    Args:
      key: of the draws.
      x: images.
      side: of the square in px; its centre is any pixel, all equally likely, and what
        lies outside the image is lost.

    Returns:
      Images [B, H, W, C], zero in the square.

    [gaussderresnet] sec. 6.1; DeVries and Taylor (2017). Choice: an odd side is kept
    (their code rounds it down to an even one), an even one reaches one px further up
    and to the left of its centre, as theirs.
    """
    centres = draw_centres(key, x.shape[0], height=x.shape[1], width=x.shape[2])
    return cut(x, centres, side=side)


def draw_centres(key: jax.Array, count: int, *, height: int, width: int) -> jax.Array:
    """Row and column of the centre of each square, int32 [B, 2]."""
    rows, columns = jax.random.split(key)
    return jnp.stack(
        [
            jax.random.randint(rows, (count,), 0, height, jnp.int32),
            jax.random.randint(columns, (count,), 0, width, jnp.int32),
        ],
        axis=-1,
    )


def cut(x: jax.Array, centres: jax.Array, *, side: int) -> jax.Array:
    """Zeros in squares of `side` px at `centres` [B, 2] of images [B, H, W, C]."""

    def covered(centre: jax.Array, length: int) -> jax.Array:
        offset = jnp.arange(length, dtype=jnp.int32)[None] - centre[:, None] + side // 2
        return (offset >= 0) & (offset < side)

    rows = covered(centres[:, 0], x.shape[1])
    columns = covered(centres[:, 1], x.shape[2])
    square = rows[:, :, None, None] & columns[:, None, :, None]
    return jnp.where(square, jnp.zeros_like(x), x)
