"""Pictures of any size and mode, fitted to what a network was trained on."""

from __future__ import annotations

import pathlib
from typing import Any, Literal

import numpy as np

from .errors import UserError


Fit = Literal["crop", "pad", "none"]
Background = Literal["black", "white"]

# Weights of red, green and blue in grey. ITU-R BT.601, as in Pillow.
_LUMA = np.array([299, 587, 114]) / 1000


def read_any(path: pathlib.Path, *, background: Background = "black") -> np.ndarray:
    """The pixels of a picture, upright, as floats.

    Args:
      path: a PNG, JPEG, BMP, TIFF or WebP file; grey, colour, palette, 16 bit grey,
        with or without transparency.
      background: what is behind transparent pixels.

    Returns:
      [H, W, 1 or 3], float64 in 0..1.

    Raises:
      UserError: if it can't be read; names the file.
    """
    from gdjax.data import DataError
    from gdjax.data.pictures import open_picture

    try:
        with open_picture(path) as picture:
            return _floats(picture, background)
    except (DataError, OSError) as error:
        raise UserError(str(error)) from error


def _floats(picture: Any, background: Background) -> np.ndarray:
    """Of a Pillow image that is upright."""
    if picture.mode.startswith("I;16"):
        return np.asarray(picture).astype(np.uint16)[..., None] / 65535
    coloured = picture.mode not in ("1", "L", "LA")
    if not picture.has_transparency_data:
        pixels = np.array(picture.convert("RGB" if coloured else "L")) / 255
        return pixels if coloured else pixels[..., None]
    pixels = np.array(picture.convert("RGBA" if coloured else "LA")) / 255
    colour, alpha = pixels[..., :-1], pixels[..., -1:]
    return colour * alpha + (background == "white") * (1 - alpha)


def fitted(image: np.ndarray, shape: tuple[int, ...], fit: Fit = "crop") -> np.ndarray:
    """An image with the channels and, but for "none", the sides of others.

    Args:
      image: [H, W, 1 or 3], in 0..1.
      shape: (height, width, channels) that are wanted.
      fit: "crop": the largest central part of the right proportions, resampled; "pad":
        the whole of it, resampled, with black around; "none": all its pixels.

    Returns:
      float32 in 0..1; bicubic with antialiasing where it is resampled.

    Raises:
      UserError: if a network of other channels than 1 and 3 is asked.
    """
    image = _with_channels(image, shape[-1])
    if fit == "none" or image.shape[:2] == shape[:2]:
        return image.astype(np.float32)
    sides, wanted = np.array(image.shape[:2]), np.array(shape[:2])
    if fit == "crop":
        part = np.maximum(1, np.rint(wanted * (sides / wanted).min()).astype(int))
        first = (sides - part) // 2
        rows, columns = (slice(a, a + n) for a, n in zip(first, part, strict=True))
        return _resampled(image[rows, columns], wanted)
    inner = np.maximum(1, np.rint(sides * (wanted / sides).min()).astype(int))
    first = (wanted - inner) // 2
    canvas = np.zeros(shape, np.float32)
    rows, columns = (slice(a, a + n) for a, n in zip(first, inner, strict=True))
    canvas[rows, columns] = _resampled(image, inner)
    return canvas


def _with_channels(image: np.ndarray, channels: int) -> np.ndarray:
    if image.shape[-1] == channels:
        return image
    if channels == 1:
        return (image @ _LUMA)[..., None]
    if channels == 3:
        return np.repeat(image, 3, axis=-1)
    raise UserError(
        f"the network was trained on images of {channels} channels, which are neither"
        " grey nor RGB: use its `scores` in Python"
    )


def _resampled(image: np.ndarray, sides: np.ndarray) -> np.ndarray:
    from PIL import Image

    height, width = map(int, sides)
    planes = [
        Image.fromarray(image[..., c].astype(np.float32)).resize(
            (width, height), Image.Resampling.BICUBIC
        )
        for c in range(image.shape[-1])
    ]
    return np.clip(np.stack([np.asarray(p) for p in planes], -1), 0, 1)
