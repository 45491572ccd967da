"""Garments of Fashion-MNIST on textures, at nine sizes: a class for every pixel."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
import tensorflow_datasets as tfds

from gdjax.data import textures
from gdjax.data.builder import NINE_SIZES, ScaleBuilder, ScaleConfig
from gdjax.data.fashion_mnist import GARMENTS
from gdjax.data.originals import Originals
from gdjax.data.releases import FASHION_MNIST, IdxRelease
from gdjax.data.rescaling import rescale
from gdjax.data.sources import Download


_SEED = 0
_SUBSETS = ("train", "validation", "test")
_OPAQUE = 128  # Half of white: where a pixel is more garment than texture.


class GarmentsOnTextures(ScaleBuilder):
    """One garment of Fashion-MNIST on a texture of 64x64 px, at nine sizes.

    The garment (pixels above 0 of the 28x28 original; the others are transparent) is
    resampled by exactly its factor, 1 in training and 2^(k/4), k = -4..4, in the test
    splits, and laid over a piece of brick, grass or gravel at full resolution: of their
    left halves in training and validation, of their right halves in tests. A pixel has
    the class of the garment plus 1 where the garment covers at least half of it, else 0
    (background). Image i has the same garment, texture and relative place at all sizes.

    Texture and place come from `np.random.SeedSequence(0, spawn_key=(subset, i))`,
    subset 0, 1 or 2. 50,000 / 10,000 / 10,000 images, validation from the last sixth of
    the training file.

    A stand-in for Cityscapes, which is not freely downloadable: a class for every pixel
    of natural texture and object, on small images. gdjax.
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First version."}
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        "The four IDX files of Fashion-MNIST (found, or downloaded, without a manual "
        "folder as well)."
    )
    BUILDER_CONFIGS = [
        ScaleConfig(name="default", description="All images."),
        ScaleConfig(
            name="small",
            description="The first 10,000 / 1,000 / 1,000 images for each size.",
            limits={"train": 10_000, "validation": 1_000, "test": 1_000},
        ),
        ScaleConfig(
            name="tiny",
            description="The first 32 / 8 / 8 images for each size; for tests.",
            limits={"train": 32, "validation": 8, "test": 8},
        ),
    ]

    SIDE = 64
    CLASSES = ("background", *GARMENTS)
    MASKS = True
    SPLITS = NINE_SIZES
    SOURCE = "IDX files: --data-dir, Debian's package, or download; scikit-image"
    RELEASE: ClassVar[IdxRelease] = FASHION_MNIST

    def originals(self, folder: Path | None, *, download: Download) -> Originals:
        """The garments; textures come from scikit-image."""
        found = super().originals(folder, download=download)
        # Missing textures are an error before anything is made.
        textures.photographs()
        return found

    def parameters(self) -> dict[str, Any]:
        """The seed, and what the textures are."""
        return {"seed": _SEED, "textures": textures.fingerprints()}

    def part(self, originals: Originals, subset: str, factor: float) -> GarmentPart:
        """The images of one subset at one size, cut to the limit of this config.

        Args:
          originals: the garments.
          subset: "train", "validation" or "test".
          factor: size of the garments (dimensionless).

        Returns:
          The images, not yet made.

        Raises:
          ValueError: if garments of that size are not whole on the canvas.
        """
        side = originals.images[subset].shape[1]
        if side * factor > self.SIDE:
            raise ValueError(
                f"`factor={factor}` makes garments larger than {self.SIDE} px, the "
                f"side of the images; the largest is {self.SIDE / side:.3f}."
            )
        count = self.variant.limits.get(subset)
        return GarmentPart(
            images=originals.images[subset][:count, ..., 0],
            labels=originals.labels[subset][:count],
            backgrounds=np.stack(list(textures.photographs().values())),
            subset=subset,
            factor=factor,
            side=self.SIDE,
        )


class GarmentPart(NamedTuple):
    """Images of one garment each, made one by one.

    Attributes:
      images: the garments, uint8 [N, 28, 28].
      labels: their classes, integers [N].
      backgrounds: the textures, uint8 [M, 512, 512].
      subset: "train", "validation" or "test".
      factor: size of the garments (dimensionless).
      side: of the images, px.
    """

    images: np.ndarray
    labels: np.ndarray
    backgrounds: np.ndarray
    subset: str
    factor: float
    side: int

    def examples(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yields image and mask, both uint8 [side, side, 1]."""
        for i in range(len(self.labels)):
            yield self._compose(i)

    def _compose(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        draws = place(self.subset, index)
        canvas = self._background(draws)
        garment = self.images[index]
        covered = np.where(garment > 0, 255, 0).astype(np.uint8)
        # On the least canvas of whole px that holds all of it, of the parity of the
        # original: centres then agree at factor 1.
        size = int(np.ceil(self.factor * garment.shape[0] / 2)) * 2
        top, left = (int(v * (self.side - size + 1)) for v in (draws.top, draws.left))
        window = slice(top, top + size), slice(left, left + size)
        grey = rescale(garment, self.factor, size=size).astype(np.float64)
        alpha = rescale(covered, self.factor, size=size)
        behind = canvas[window] * (1 - alpha / 255)
        canvas[window] = np.clip(np.rint(grey + behind), 0, 255)
        mask = np.zeros(canvas.shape, np.uint8)
        mask[window] = np.where(alpha >= _OPAQUE, int(self.labels[index]) + 1, 0)
        return canvas[..., None], mask[..., None]

    def _background(self, draws: Placement) -> np.ndarray:
        """A piece of a texture, uint8 [side, side]; left halves but for tests."""
        count, height, width = self.backgrounds.shape
        half = width // 2
        first = half if self.subset == "test" else 0
        row = int(draws.row * (height - self.side + 1))
        column = first + int(draws.column * (half - self.side + 1))
        texture = self.backgrounds[int(draws.texture * count)]
        return texture[row : row + self.side, column : column + self.side].copy()


@dataclasses.dataclass(frozen=True)
class Placement:
    """What is drawn for an image, each in [0, 1).

    Attributes:
      texture: which of the textures.
      row, column: of the piece of it, relative to the room there is.
      top, left: of the garment, relative to the room there is.
    """

    texture: float
    row: float
    column: float
    top: float
    left: float


def place(subset: str, index: int) -> Placement:
    """Texture and place of one image, always the same.

    Args:
      subset: "train", "validation" or "test".
      index: which image of the subset.

    Raises:
      ValueError: if there is no such subset.
    """
    if subset not in _SUBSETS:
        raise ValueError(f"`subset={subset!r}` must be one of {', '.join(_SUBSETS)}.")
    seeds = np.random.SeedSequence(_SEED, spawn_key=(_SUBSETS.index(subset), index))
    return Placement(*np.random.default_rng(seeds).random(5))
