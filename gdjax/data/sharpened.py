"""Rescaled images that are smoothed and sharpened again, after the MNISTLargeScale set.

Bicubic interpolation, then smoothing and soft thresholding, against the traces of the
pixel grid in large digits, with the numbers of the generator of STIR's digits
(taltstidl/scale-equivariant-cnn, which cites the set's publication, arXiv:2004.01536).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from gdjax.data.rescaling import RescaledPart, rescaled_levels


# px of the Gaussian per size factor; slope and middle of the threshold, grey levels.
SIGMA, SLOPE, MIDDLE = 7 / 8, 0.02, 128.0
# Standard deviations after which the Gaussian is cut.
EXTENT = 4.0


def sharpened(image: np.ndarray, factor: float, *, side: int) -> np.ndarray:
    """Scales an image about its centre on black, smooths it, and sharpens its edges.

    By a Gaussian of 7/8 px times the factor, then 2 / pi arctan(0.02 (I - 128)),
    stretched so that each image goes from 0 to 255.

    Args:
      image: uint8 [H, W] or [H, W, C].
      factor: size on the canvas over size in `image` (dimensionless), positive.
      side: of the canvas in px.

    Returns:
      uint8 [side, side] or [side, side, C]; black where nothing is to be stretched.

    Raises:
      ValueError: as `rescale`.

    gdjax. Choice: what the canvas cuts off is smoothed, too; grey levels are rounded
    once, at the end.
    """
    from scipy import ndimage

    sigma = SIGMA * factor
    margin = math.ceil(EXTENT * sigma)
    levels = rescaled_levels(image, factor, size=side + 2 * margin)
    levels = np.clip(levels, 0, 255).astype(np.float64)
    spatial = (sigma, sigma, *(0.0 for _ in levels.shape[2:]))
    smooth = ndimage.gaussian_filter(levels, spatial, truncate=EXTENT)
    seen = smooth[margin : margin + side, margin : margin + side]
    bent = np.arctan(SLOPE * (seen - MIDDLE))
    low, high = bent.min(), bent.max()
    if low == high:
        return np.zeros(seen.shape, np.uint8)
    return np.rint(255 * (bent - low) / (high - low)).astype(np.uint8)


class SharpenedPart(NamedTuple):
    """Originals, rescaled, smoothed and sharpened one by one.

    Attributes:
      images: uint8 [N, H, W, C].
      labels: integers [N].
      factor: px of the canvas per px of the originals.
      side: of the canvas in px.
    """

    images: np.ndarray
    labels: np.ndarray
    factor: float
    side: int

    @classmethod
    def of(cls, part: RescaledPart) -> SharpenedPart:
        """The same images, labels, factor and side."""
        assert isinstance(part.side, int) and part.background == "black"
        return cls(part.images, part.labels, part.factor, part.side)

    def examples(self) -> Iterator[tuple[np.ndarray, int]]:
        """Yields image, uint8 [side, side, C], and label, in source order."""
        for image, label in zip(self.images, self.labels, strict=True):
            yield sharpened(image, self.factor, side=self.side), int(label)

    def stack(self) -> np.ndarray:
        """All images at once, uint8 [N, side, side, C]."""
        shape = len(self.images), self.side, self.side, self.images.shape[-1]
        canvas = np.empty(shape, np.uint8)
        for i, (image, _) in enumerate(self.examples()):
            canvas[i] = image
        return canvas
