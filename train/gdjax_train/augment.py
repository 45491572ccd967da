"""Augmentation of a batch on the device, from one PRNG key.

Each change is a draw of random numbers, independent for every image, and an application
of these numbers, which is deterministic; the function of both is what the training
uses. Images are [B, H, W, C], float32, grey levels 0..1; strengths, probabilities and
sizes are Python numbers (static under jit). Here is the composition, with all that
moves or covers pixels; where the classes are those of pixels, masks [B, H, W] move with
their images. `colours` and `resizing` have the rest.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp

from .augment_config import AugmentConfig, validate_augment
from .batch import IGNORED, Batch
from .colours import brightness_shift, colour_jitter
from .resizing import draw_factors, resize, resize_mask


# Keys of the changes that don't have one of the four of `augment`: `fold_in(key, n)`.
# From 4 on, because JAX's `split(key, 4)` is `fold_in(key, n)` for n = 0..3.
VERTICAL_FLIP, QUARTER_TURNS, SCALE, BRIGHTNESS_SHIFT, CROP = 4, 5, 6, 7, 8


def augment(key: jax.Array, batch: Batch, config: AugmentConfig) -> Batch:
    """Flips, turns, scale, colours, crops and cutout, in this order, as configured.

    Args:
      key: every change has a key of its own, whatever others are configured.
      batch: its images float32, 0..1.
      config: strengths (static); a change whose field is at its default is left out.

    Returns:
      A batch of the same types, with `factor` where `scale` is configured, and of the
      same shapes but where `crop` is; for the default config, `batch` itself.

    Raises:
      UserError: for a config with a field outside its range.
      ValueError: if the images are not float32, masks do not fit them, quarter turns
        meet images that are not square, saturation or hue change images without
        three channels, or a crop is larger than the images.

    [gaussderresnet] sec. 5.2 and 6.1; the further changes: gdjax. Choice: the paper
    does not give the order; the black of crop and cutout comes in last, so that it
    stays black and is not in the mean grey level. What is black around an image that
    was made smaller does change with it, like a background that was there before.
    """
    validate_augment(config)
    _check(batch)
    if config == AugmentConfig():
        return batch
    flip_key, colour_key, crop_key, cutout_key = jax.random.split(key, 4)
    if config.horizontal_flip:
        batch = horizontal_flip(flip_key, batch, probability=config.horizontal_flip)
    batch = _flip_turn_and_scale(key, batch, config)
    image = colour_jitter(
        colour_key,
        jnp.asarray(batch.image),
        brightness=config.brightness,
        contrast=config.contrast,
        saturation=config.saturation,
        hue=config.hue,
    )
    if config.brightness_shift:
        shift_key = jax.random.fold_in(key, BRIGHTNESS_SHIFT)
        image = brightness_shift(shift_key, image, strength=config.brightness_shift)
    batch = batch._replace(image=image)
    if config.crop_padding:
        batch = random_crop(crop_key, batch, padding=config.crop_padding)
    if config.crop:
        batch = random_window(jax.random.fold_in(key, CROP), batch, side=config.crop)
    if config.cutout:
        image = cutout(cutout_key, jnp.asarray(batch.image), side=config.cutout)
        batch = batch._replace(image=image)
    return batch


def _check(batch: Batch) -> None:
    shape, dtype = batch.image.shape, batch.image.dtype
    if dtype != jnp.float32:
        raise ValueError(
            f"`image` is {dtype}: expected float32 in 0..1; use `as_floats`"
        )
    if batch.label.ndim > 1 and batch.label.shape != shape[:3]:
        raise ValueError(
            f"`label` has the shape {batch.label.shape}: for images of the shape "
            f"{shape}, give classes [B] or masks {shape[:3]}"
        )


def _flip_turn_and_scale(key: jax.Array, batch: Batch, config: AugmentConfig) -> Batch:
    """The changes of geometry that draw from `fold_in(key, n)`."""
    if config.vertical_flip:
        flip_key = jax.random.fold_in(key, VERTICAL_FLIP)
        batch = vertical_flip(flip_key, batch, probability=config.vertical_flip)
    if config.quarter_turns:
        batch = quarter_turns(jax.random.fold_in(key, QUARTER_TURNS), batch)
    if tuple(config.scale) != (1.0, 1.0):
        batch = random_scale(jax.random.fold_in(key, SCALE), batch, scale=config.scale)
    return batch


Move = Callable[[jax.Array], jax.Array]


def _moved(batch: Batch, move: Move, move_mask: Move | None = None) -> Batch:
    """`move` of the images, and of masks if there are any (`move_mask` if given)."""
    image, label = jnp.asarray(batch.image), batch.label
    if label.ndim > 1:
        label = (move_mask or move)(jnp.asarray(label))
    return batch._replace(image=move(image), label=label)


def _of_each(values: jax.Array, x: jax.Array) -> jax.Array:
    """`values` [B] with the rank of x [B, ...]."""
    return values.reshape(-1, *(1 for _ in x.shape[1:]))


def horizontal_flip(key: jax.Array, batch: Batch, *, probability: float) -> Batch:
    """Mirrors each image left to right with the given probability.

    [gaussderresnet] sec. 5.2.
    """
    mirrored = draw_flips(key, batch.image.shape[0], probability=probability)
    return _moved(batch, functools.partial(flip, mirrored=mirrored))


def vertical_flip(key: jax.Array, batch: Batch, *, probability: float) -> Batch:
    """Mirrors each image top to bottom with the given probability. gdjax."""
    mirrored = draw_flips(key, batch.image.shape[0], probability=probability)
    return _moved(batch, functools.partial(flip, mirrored=mirrored, axis=1))


def draw_flips(key: jax.Array, count: int, *, probability: float) -> jax.Array:
    """Which images are mirrored, bool [B]."""
    return jax.random.bernoulli(key, probability, (count,))


def flip(x: jax.Array, mirrored: jax.Array, *, axis: int = 2) -> jax.Array:
    """Mirrors those of x [B, H, W, ...] along `axis` where `mirrored` [B] holds."""
    return jnp.where(_of_each(mirrored, x), jnp.flip(x, axis), x)


def quarter_turns(key: jax.Array, batch: Batch) -> Batch:
    """Turns each image by 0, 1, 2 or 3 times 90 degrees, all equally likely.

    Args:
      key: of the draws.
      batch: its images are square, [B, N, N, C].

    Raises:
      ValueError: if they are not.

    gdjax.
    """
    count, height, width = batch.image.shape[:3]
    if height != width:
        raise ValueError(
            f"`quarter_turns=True` needs square images, but these are {height} x "
            f"{width} px: leave it out, or make them square"
        )
    return _moved(batch, functools.partial(turn, turns=draw_turns(key, count)))


def draw_turns(key: jax.Array, count: int) -> jax.Array:
    """By how many quarters of a turn each image is turned, int32 [B] in 0..3."""
    return jax.random.randint(key, (count,), 0, 4, jnp.int32)


def turn(x: jax.Array, turns: jax.Array) -> jax.Array:
    """Turns x [B, N, N, ...] anticlockwise by `turns` [B] times 90 degrees."""
    odd = jnp.where(_of_each(turns % 2 == 1, x), jnp.rot90(x, axes=(1, 2)), x)
    return jnp.where(_of_each(turns >= 2, x), jnp.rot90(odd, 2, axes=(1, 2)), odd)


def random_scale(key: jax.Array, batch: Batch, *, scale: tuple[float, float]) -> Batch:
    """Resizes each image about its centre, on a canvas that keeps its size.

    Args:
      key: of the draws.
      batch: of images [B, H, W, C], 0..1.
      scale: least and largest factor; the logarithm of a factor is uniform.

    Returns:
      The batch, black and `IGNORED` outside of the images, its `factor` multiplied by
      the factors that were drawn (1 where it had none).

    gdjax.
    """
    factors = draw_factors(key, batch.image.shape[0], scale=scale)
    moved = _moved(
        batch,
        functools.partial(resize, factors=factors),
        functools.partial(resize_mask, factors=factors),
    )
    before = batch.factor
    return moved._replace(factor=factors if before is None else before * factors)


def random_crop(key: jax.Array, batch: Batch, *, padding: int) -> Batch:
    """Pads images with zeros and crops them at random to their size.

    Args:
      key: of the draws.
      batch: of images [B, H, W, C].
      padding: px on each side.

    Returns:
      The batch, its images moved by up to `padding` px in x and in y; masks are
      `IGNORED` in the padding.

    [gaussderresnet] sec. 5.2; torchvision's `RandomCrop(size, padding)`.
    """
    corners = draw_corners(key, batch.image.shape[0], padding=padding)
    move = functools.partial(crop, corners=corners, padding=padding)
    return _moved(batch, move, functools.partial(move, fill=IGNORED))


def draw_corners(key: jax.Array, count: int, *, padding: int) -> jax.Array:
    """First row and column of each crop in the padded image, int32 [B, 2]."""
    return jax.random.randint(key, (count, 2), 0, 2 * padding + 1, jnp.int32)


def crop(x: jax.Array, corners: jax.Array, *, padding: int, fill: int = 0) -> jax.Array:
    """Crops of size H, W at `corners` [B, 2] of x [B, H, W, ...] amid `fill`."""
    sides = (padding, padding)
    margin = ((0, 0), sides, sides, *((0, 0) for _ in x.shape[3:]))
    padded = jnp.pad(x, margin, constant_values=fill)

    def one(image: jax.Array, corner: jax.Array) -> jax.Array:
        rest = (jnp.zeros_like(corner[0]) for _ in x.shape[3:])
        start = (corner[0], corner[1], *rest)
        return jax.lax.dynamic_slice(image, start, x.shape[1:])

    return jax.vmap(one)(padded, corners)


def random_window(key: jax.Array, batch: Batch, *, side: int) -> Batch:
    """Cuts a square out of each image, at any place alike.

    Args:
      key: of the draws.
      batch: of images [B, H, W, C].
      side: of the square in px.

    Returns:
      The batch, its images [B, side, side, C]; masks are cut alike.

    Raises:
      ValueError: if an image is smaller.

    [njet] experiment 2(B), as in DeepLabv2.
    """
    count, height, width = batch.image.shape[:3]
    if side > min(height, width):
        raise ValueError(
            f"`crop={side}` is larger than the images, {height} x {width} px: give at"
            f" most {min(height, width)}, or 0 for whole images"
        )
    rows, columns = jax.random.split(key)
    corners = jnp.stack(
        [
            jax.random.randint(each, (count,), 0, length - side + 1, jnp.int32)
            for each, length in ((rows, height), (columns, width))
        ],
        axis=-1,
    )
    return _moved(batch, functools.partial(window, corners=corners, side=side))


def window(x: jax.Array, corners: jax.Array, *, side: int) -> jax.Array:
    """Squares [B, side, side, ...] of x [B, H, W, ...], first pixels at `corners`."""

    def one(image: jax.Array, corner: jax.Array) -> jax.Array:
        rest = (jnp.zeros_like(corner[0]) for _ in x.shape[3:])
        shape = (side, side, *x.shape[3:])
        return jax.lax.dynamic_slice(image, (corner[0], corner[1], *rest), shape)

    return jax.vmap(one)(x, corners)


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
    Choice: masks stay as they are, like under changes of colours: a hidden pixel is
    still of its class, which the network is to infer from what surrounds it.
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
