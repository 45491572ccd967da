"""The examples of one split, before they are stored."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from gdjax.data.rescaling import Background, rescale


_BLOCK = 100


class Part(Protocol):
    """Anything that can go through the examples of one split."""

    def examples(self) -> Iterator[tuple[np.ndarray, Any]]:
        """Yields image, uint8 [side, side, C], and label, in source order.

        The label is a whole number, or a mask, uint8 [side, side, 1].
        """
        ...


class RescaledPart(NamedTuple):
    """Originals, resampled one by one about the centre of a canvas.

    Attributes:
      images: uint8 [N, H, W, C].
      labels: integers [N].
      factor: px of the canvas per px of the originals.
      side: side of the canvas in px.
      background: what is around them on the canvas.
    """

    images: np.ndarray
    labels: np.ndarray
    factor: float
    side: int
    background: Background

    def examples(self) -> Iterator[tuple[np.ndarray, int]]:
        """Yields image, uint8 [side, side, C], and label, in source order."""
        for image, label in zip(self.images, self.labels, strict=True):
            yield self._render(image), int(label)

    def stack(self) -> np.ndarray:
        """All images at once, uint8 [N, side, side, C]."""
        count, channels = len(self.images), self.images.shape[-1]
        canvas = np.empty((count, self.side, self.side, channels), np.uint8)
        for i, image in enumerate(self.images):
            canvas[i] = self._render(image)
        return canvas

    def _render(self, image: np.ndarray) -> np.ndarray:
        return rescale(image, self.factor, size=self.side, background=self.background)


class StoredPart(NamedTuple):
    """Images that somebody else has rescaled, in an HDF5 file.

    Attributes:
      path: the HDF5 file.
      subset: "train", "val" or "test": keys `x_<subset>` and `y_<subset>`.
      shape: height and width in px, and channels, of the images; in the file the
        channels may also come first.
    """

    path: Path
    subset: str
    shape: tuple[int, int, int]

    def examples(self) -> Iterator[tuple[np.ndarray, int]]:
        """Yields image, uint8 [H, W, C], and label, in source order."""
        import h5py

        with h5py.File(self.path, "r") as file:
            images: Any = file[f"x_{self.subset}"]
            labels = np.asarray(file[f"y_{self.subset}"]).reshape(-1)
            channels_first = images.shape[1:] == (self.shape[2], *self.shape[:2])
            for start in range(0, len(labels), _BLOCK):
                block = np.asarray(images[start : start + _BLOCK], np.float64)
                block = np.clip(np.rint(block), 0, 255).astype(np.uint8)
                if channels_first:
                    block = np.moveaxis(block, 1, -1)
                block = np.ascontiguousarray(block).reshape(-1, *self.shape)
                yield from zip(block, map(int, labels[start:]), strict=False)
