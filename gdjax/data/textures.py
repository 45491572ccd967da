"""Textures: three photographs of scikit-image, in pieces at nine sizes."""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from gdjax.data.builder import NINE_SIZES, ScaleBuilder, ScaleConfig
from gdjax.data.errors import DataError
from gdjax.data.originals import Originals
from gdjax.data.sources import Download


TEXTURES = ("brick", "grass", "gravel")
ORIGIN = "skimage.data: brick, grass, gravel (CC0)"

_SIDE = 512
_HALF = _SIDE // 2
_VALIDATED = 384  # From this row on, the left half is for validation.
_STEP = 8  # px between neighbouring pieces.


def photographs() -> dict[str, np.ndarray]:
    """The photographs of TEXTURES, uint8 [512, 512]; public domain (CC0).

    Raises:
      DataError: if scikit-image is not installed, or has other pictures.
    """
    if importlib.util.find_spec("skimage") is None:
        raise DataError(
            "the textures are scikit-image's: pip install 'gdjax[data]', or "
            "scikit-image alone"
        )
    import skimage.data

    found = {name: np.asarray(getattr(skimage.data, name)()) for name in TEXTURES}
    for name, image in found.items():
        if image.shape != (_SIDE, _SIDE) or image.dtype != np.uint8:
            raise DataError(
                f"skimage.data.{name}() is {image.dtype} {image.shape}, expected uint8 "
                f"({_SIDE}, {_SIDE}): another version of scikit-image (0.25 is known)"
            )
    return found


def fingerprints() -> dict[str, str]:
    """SHA-256 of each photograph."""
    found = photographs()
    return {n: hashlib.sha256(grey.tobytes()).hexdigest() for n, grey in found.items()}


class Textures(ScaleBuilder):
    """Brick, grass and gravel in grey, pieces on 32x32 px, at nine sizes.

    Training and validation images are from the left halves of the photographs (rows
    above and below 384), test images from the right halves: no pixel is in two of them.
    A piece at factor 1 shows 64 px of the photograph on 32; at factor 2^(k/4),
    k = -4..4, it shows 128 to 32 px. Pieces lie 8 px apart, so that neighbours overlap:
    2,691 / 483 / 2,115 images, in an order drawn once from seed 0. A test image at a
    factor below 1/2 mirrors what a piece doesn't have.

    A stand-in for Patch Camelyon, which is not freely downloadable: a classification of
    textures, with three classes. gdjax.
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First version."}
    BUILDER_CONFIGS = [
        ScaleConfig(name="default", description="All images."),
        ScaleConfig(
            name="small_pieces",
            description="Pieces of half the size: 32 px of the photograph on 16.",
            side=16,
        ),
        ScaleConfig(
            name="tiny",
            description="The first 64 / 32 / 32 images; for tests.",
            limits={"train": 64, "validation": 32, "test": 32},
        ),
    ]

    SIDE = 32
    UNIT = 0.5
    BACKGROUND = "mirror"
    CLASSES = TEXTURES
    SPLITS = NINE_SIZES
    SOURCE = "bundled with scikit-image"

    def originals(self, folder: Path | None, *, download: Download) -> Originals:
        """Pieces with as much around them as the cubic kernel needs."""
        del folder, download
        images, labels = {}, {}
        for subset in ("train", "validation", "test"):
            images[subset], labels[subset] = self._pieces(subset)
        return Originals(images, labels, ORIGIN, fingerprints())

    def _pieces(self, subset: str) -> tuple[np.ndarray, np.ndarray]:
        rows, left = {
            "train": ((0, _VALIDATED), 0),
            "validation": ((_VALIDATED, _SIDE), 0),
            "test": ((0, _SIDE), _HALF),
        }[subset]
        # At factor 1/2 a test image shows twice as much; the kernel reaches 8 px.
        canvas = self.variant.side or self.SIDE
        shown = int(canvas / self.UNIT) * (2 if subset == "test" else 1)
        side = shown + 16
        places = [
            (label, top, first)
            for top in range(rows[0], rows[1] - side + 1, _STEP)
            for first in range(left, left + _HALF - side + 1, _STEP)
            for label in range(len(TEXTURES))
        ]
        order = np.random.default_rng(0).permutation(len(places))
        grey = list(photographs().values())
        chosen = [places[i] for i in order]
        images = [grey[n][y : y + side, x : x + side, None] for n, y, x in chosen]
        return np.stack(images), np.array([n for n, _, _ in chosen], np.uint8)

    def parameters(self) -> dict[str, Any]:
        """The seed of the order."""
        return {"seed": 0}
