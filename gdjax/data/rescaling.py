"""Size factors, and exact rescaling of 8-bit images about their centre.

MATLAB's `imresize(image, factor, "bicubic")` is Keys' cubic with a = -0.5, stretched by
1 / factor when it shrinks. Pillow's BICUBIC is the same kernel, and its `box=` keeps
the factor exact where `resize(size)` alone would round it to a whole number of pixels.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Literal, NamedTuple

import numpy as np
from PIL import Image


Background = Literal["black", "mirror"]

_BACKGROUNDS = ("black", "mirror")


def factor_tag(factor: float) -> str:
    """Three decimals with a "p" for the point: 0.5 -> "0p500".

    TFDS split names may hold letters, digits, "_" and "-", hence no point.

    Args:
      factor: size factor (dimensionless), positive.

    Returns:
      The tag that stands in names such as `test_scale_0p500`.

    Raises:
      ValueError: if `factor` is not a positive finite number.
    """
    if not (math.isfinite(factor) and factor > 0):
        raise ValueError(f"`factor={factor}` must be positive and finite.")
    return f"{factor:.3f}".replace(".", "p")


def quarter_octaves(first: int, last: int) -> tuple[float, ...]:
    """The factors 2^(k/4) for k = first..last, both included.

    Args:
      first: smallest exponent, in quarters of an octave.
      last: largest exponent, in quarters of an octave.

    Returns:
      The factors (dimensionless), ascending.
    """
    return tuple(2.0 ** (k / 4) for k in range(first, last + 1))


def find_factor(factor: float, known: tuple[float, ...]) -> float | None:
    """The member of `known` that a user means by `factor`.

    A factor is named exactly or by its three decimals (0.595 for 2^(-3/4)).
    Anything else, however near, is another factor: 1.0004 is not 1.

    Args:
      factor: size factor as typed.
      known: size factors to look among.

    Returns:
      The member of `known`, or None if none is meant.
    """
    for member in known:
        if math.isclose(factor, member, rel_tol=1e-9) or factor == round(member, 3):
            return member
    return None


def rescale(
    image: np.ndarray,
    factor: float,
    *,
    size: int | tuple[int, int],
    background: Background = "black",
) -> np.ndarray:
    """Scales an image about its centre by exactly `factor`, on a canvas.

    The centre of an axis of n pixels is at (n - 1) / 2, between two pixels if n is
    even. The surroundings (black, or the image mirrored with its border pixel
    repeated) are put there before resampling, so that the border of the object is
    blended with them. What does not fit on the canvas is cut off.

    Factor 1 copies the pixels if `size` and the image are both even or both odd;
    otherwise the centres are half a pixel apart, and it is resampled like any other.

    Args:
      image: uint8 [H, W] or [H, W, C].
      factor: size on the canvas over size in `image` (dimensionless), positive.
      size: side of the canvas in px, or its height and width.
      background: "black" or "mirror".

    Returns:
      uint8 [*size] or [*size, C]; overshoots of the cubic are clipped to 0..255.

    Raises:
      ValueError: if the image is not uint8 of rank 2 or 3 with at least one pixel, or
        an option is out of its range.

    gdjax; the sampling is that of [gaussderresnet] (bicubic with antialiasing).
    """
    canvas = rescaled_levels(image, factor, size=size, background=background)
    if canvas.dtype == np.uint8:
        return canvas
    return np.clip(np.rint(canvas), 0, 255).astype(np.uint8)


def rescaled_levels(
    image: np.ndarray,
    factor: float,
    *,
    size: int | tuple[int, int],
    background: Background = "black",
) -> np.ndarray:
    """What `rescale` rounds and clips: float32, or uint8 where it copies the pixels.

    The arguments, and what it raises, are those of `rescale`. gdjax.
    """
    sides = (size, size) if isinstance(size, int | np.integer) else tuple(size)
    _check(image, factor, size, background)
    axes = list(zip(sides, image.shape[:2], strict=True))
    if factor == 1 and all((side - n) % 2 == 0 for side, n in axes):
        return _recentre(image, sides, background)
    padded, box = _padded_window(image, factor, sides, background)
    planes = padded[..., None] if padded.ndim == 2 else padded
    resampled = [_resample(planes[..., c], box, sides) for c in range(planes.shape[-1])]
    return np.stack(resampled, axis=-1) if image.ndim == 3 else resampled[0]


class RescaledPart(NamedTuple):
    """Originals, resampled one by one about the centre of a canvas.

    Attributes:
      images: uint8 [N, H, W, C].
      labels: integers [N].
      factor: px of the canvas per px of the originals.
      side: side of the canvas in px, or its height and width.
      background: what is around them on the canvas.
    """

    images: np.ndarray
    labels: np.ndarray
    factor: float
    side: int | tuple[int, int]
    background: Background

    def examples(self) -> Iterator[tuple[np.ndarray, int]]:
        """Yields image, uint8 [side, side, C], and label, in source order."""
        for image, label in zip(self.images, self.labels, strict=True):
            yield self._render(image), int(label)

    def stack(self) -> np.ndarray:
        """All images at once, uint8 [N, side, side, C]."""
        count, channels = len(self.images), self.images.shape[-1]
        square = isinstance(self.side, int)
        sides = (self.side, self.side) if square else self.side
        canvas = np.empty((count, *sides, channels), np.uint8)
        for i, image in enumerate(self.images):
            canvas[i] = self._render(image)
        return canvas

    def _render(self, image: np.ndarray) -> np.ndarray:
        return rescale(image, self.factor, size=self.side, background=self.background)


def _check(
    image: np.ndarray, factor: float, size: int | tuple[int, int], background: str
) -> None:
    if image.dtype != np.uint8 or image.ndim not in (2, 3) or 0 in image.shape:
        raise ValueError(
            f"`image` must be uint8 [H, W] or [H, W, C] with at least one pixel, not "
            f"{image.dtype} {image.shape}."
        )
    if not (math.isfinite(factor) and factor > 0):
        raise ValueError(f"`factor={factor}` must be positive and finite.")
    sides = np.atleast_1d(size)
    if len(sides) > 2 or min(sides) < 1:
        raise ValueError(f"`size={size}` must be one or two sides of at least 1 px.")
    if background not in _BACKGROUNDS:
        raise ValueError(f'`background={background!r}` must be "black" or "mirror".')


def _recentre(image: np.ndarray, sides: tuple[int, int], background: str) -> np.ndarray:
    """Pads or crops both axes to `sides` pixels with the centre in place."""
    margins = [(m - n) // 2 for m, n in zip(sides, image.shape[:2], strict=True)]
    padded = _pad(image, [max(0, m) for m in margins], background)
    top, left = (max(0, -m) for m in margins)
    return padded[top : top + sides[0], left : left + sides[1]].copy()


def _padded_window(
    image: np.ndarray, factor: float, sides: tuple[int, int], background: str
) -> tuple[np.ndarray, tuple[float, float, float, float]]:
    """The padded image, and the window of it that fills the canvas, in its px.

    The padding holds the window and the cubic's support (2 px, or 2 / factor when
    shrinking) around it: Pillow renormalises its kernel at borders, and must not see
    one.
    """
    halves = [side / factor / 2 for side in sides]
    support = 2 * max(1.0, 1 / factor)
    pads = [
        max(0, math.ceil(half - n / 2 + support))
        for half, n in zip(halves, image.shape[:2], strict=True)
    ]
    y, x = (n / 2 + pad for n, pad in zip(image.shape[:2], pads, strict=True))
    box = (x - halves[1], y - halves[0], x + halves[1], y + halves[0])
    return _pad(image, pads, background), box


def _pad(image: np.ndarray, pads: list[int], background: str) -> np.ndarray:
    if background == "mirror":
        widths = [(pads[0], pads[0]), (pads[1], pads[1])] + [(0, 0)] * (image.ndim - 2)
        return np.pad(image, widths, mode="symmetric")
    height, width, *channels = image.shape
    # np.pad takes ten times longer, which is felt over half a million images.
    shape = (height + 2 * pads[0], width + 2 * pads[1], *channels)
    padded = np.zeros(shape, image.dtype)
    padded[pads[0] : pads[0] + height, pads[1] : pads[1] + width] = image
    return padded


def _resample(
    plane: np.ndarray,
    box: tuple[float, float, float, float],
    sides: tuple[int, int],
) -> np.ndarray:
    """Float32 [*sides], neither rounded nor clipped."""
    source = Image.fromarray(np.ascontiguousarray(plane, dtype=np.float32))
    size = sides[::-1]  # Pillow's width comes first
    return np.asarray(source.resize(size, Image.Resampling.BICUBIC, box=box))
