"""Fashion-MNIST for segmentation: four garments of one or of several sizes an image."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator
from typing import Any, ClassVar, NamedTuple

import numpy as np
import tensorflow_datasets as tfds

from gdjax.data.builder import PLAIN_SPLITS, ScaleBuilder, ScaleConfig
from gdjax.data.errors import DataError
from gdjax.data.fashion_mnist import GARMENTS
from gdjax.data.masked_images import IGNORED
from gdjax.data.originals import Originals
from gdjax.data.releases import FASHION_MNIST, IdxRelease


_SEED = 0
_THRESHOLD = 51  # 0.2 of 255.
_QUADRANTS = 4
_LARGEST = 4  # What fits into a quadrant.
_SUBSETS = tuple(PLAIN_SPLITS)


class Placement(NamedTuple):
    """Where a garment is on the canvas.

    Attributes:
      factor: by how much it is enlarged (dimensionless).
      top: row of its upper left pixel, in px.
      left: column of that pixel, in px.
    """

    factor: int
    top: int
    left: int


@dataclasses.dataclass(eq=False)
class QuadrantConfig(ScaleConfig):
    """A variant of `MultiScaleFashionMnist`.

    Attributes:
      factors: the factor of each garment is one of these, all equally probable.
      halved: garments are halved, and the canvas is, before they are enlarged.
    """

    factors: tuple[int, ...] = (1, 2, 3, 4)
    halved: bool = False


_KINDS = {"mixed": (1, 2, 3, 4), "scale1": (1,), "scale2": (2,), "scale4": (4,)}


def _config(kind: str, *, halved: bool = False) -> QuadrantConfig:
    limits = {"train": 2_000, "validation": 500, "test": 500} if halved else {}
    words = " or ".join(map(str, _KINDS[kind]))
    description = f"Garments enlarged by {words}, on 224x224 px."
    if halved:
        description = (
            f"The first 2,000 / 500 / 500 images, garments halved and then enlarged "
            f"by {words}, on 112x112 px."
        )
    return QuadrantConfig(
        name=f"small_{kind}" if halved else kind,
        description=description,
        limits=limits,
        side=112 if halved else None,
        factors=_KINDS[kind],
        halved=halved,
    )


class MultiScaleFashionMnist(ScaleBuilder):
    """Four garments of Fashion-MNIST on 224x224 px of black, for segmentation.

    12,500 / 2,500 / 2,500 images. Each garment is enlarged by a whole factor,
    bilinearly, and lies at random in its quadrant. The factor is 1, 2 or 4 for all
    (configs `scale1`, `scale2`, `scale4`) or drawn from 1, 2, 3, 4 for each (`mixed`).
    The class of a pixel is that of the garment plus 1 where the grey level is at least
    0.2 of white, 0 (background) where it is 0, and 255 (not to count) between.

    Choice, where the paper is silent: the canvas is as large as four garments at factor
    4, and a garment's whole square stays within its quadrant. Image i has the garments
    4 i to 4 i + 3 of its subset, row by row, so that each is used once and image i has
    the same four in all configs; what would not fill an image is left out. Grey levels
    are rounded to 8 bits (halves up) before they are compared. Factors and places come
    from `np.random.SeedSequence(0, spawn_key=(subset, i))`, subset 0, 1 or 2.
    Validation is from the last sixth of the training file, test from the test file,
    which must be the paper's "validation images": Fashion-MNIST has no others.

    The configs `small_*` are gdjax's, for a few CPU cores: garments of 14x14 px (means
    of 2x2 px), on 112x112 px.

    [njet] sec. 4.2, experiment 1.1(B).
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First version."}
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        "The four IDX files of Fashion-MNIST (found, or downloaded, without a manual "
        "folder as well)."
    )
    BUILDER_CONFIGS = [
        *(_config(kind) for kind in _KINDS),
        *(_config(kind, halved=True) for kind in _KINDS),
        QuadrantConfig(
            name="tiny",
            description="The first 32 / 8 / 8 images of small_mixed; for tests.",
            limits={"train": 32, "validation": 8, "test": 8},
            side=112,
            halved=True,
        ),
    ]

    SIDE = 224
    CLASSES = ("background", *GARMENTS)
    MASKS = True
    SPLITS = PLAIN_SPLITS
    SOURCE = "IDX files: --data-dir, Debian's package, or download"
    RELEASE: ClassVar[IdxRelease] = FASHION_MNIST

    @property
    def variant(self) -> QuadrantConfig:
        """The config of this builder."""
        return self.builder_config  # type: ignore

    def parameters(self) -> dict[str, Any]:
        """The seed, and the factors that garments may have."""
        return {"seed": _SEED, "factors": list(self.variant.factors)}

    def part(self, originals: Originals, subset: str, factor: float) -> QuadrantPart:
        """The images of one subset, cut to the limit of this config."""
        del factor  # Always 1: sizes are a matter of the config.
        images, labels = originals.images[subset], originals.labels[subset]
        if len(labels) < _QUADRANTS:
            raise DataError(
                f"there are only {len(labels)} garments for {subset} "
                f"({originals.origin}), and an image needs {_QUADRANTS}; "
                f"{self.RELEASE.remedies()}"
            )
        limit = self.variant.limits.get(subset, len(labels))
        count = _QUADRANTS * min(limit, len(labels) // _QUADRANTS)
        return QuadrantPart(
            images=images[:count, ..., 0],
            labels=labels[:count],
            subset=subset,
            factors=self.variant.factors,
            halved=self.variant.halved,
        )


class QuadrantPart(NamedTuple):
    """Images of four garments each, made one by one.

    Attributes:
      images: the garments, uint8 [4 N, 28, 28].
      labels: their classes, integers [4 N].
      subset: "train", "validation" or "test".
      factors: as `QuadrantConfig`.
      halved: as `QuadrantConfig`.
    """

    images: np.ndarray
    labels: np.ndarray
    subset: str
    factors: tuple[int, ...]
    halved: bool

    def examples(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yields image and mask, both uint8 [H, W, 1]."""
        for i in range(len(self.labels) // _QUADRANTS):
            yield self._compose(i)

    def _compose(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        side = self.images.shape[1] // 2 if self.halved else self.images.shape[1]
        canvas = 2 * _LARGEST * side
        image, mask = (np.zeros((canvas, canvas, 1), np.uint8) for _ in range(2))
        places = place(self.subset, index, factors=self.factors, side=side)
        for garment, (factor, top, left) in enumerate(places, _QUADRANTS * index):
            patch = enlarge(self.images[garment], factor, halved=self.halved)
            rows, columns = (slice(n, n + side * factor) for n in (top, left))
            image[rows, columns, 0] = patch
            seen = np.where(patch >= _THRESHOLD, int(self.labels[garment]) + 1, IGNORED)
            mask[rows, columns, 0] = np.where(patch > 0, seen, 0)
        return image, mask


def place(
    subset: str, index: int, *, factors: tuple[int, ...], side: int
) -> list[Placement]:
    """Sizes and places of the four garments of one image, always the same.

    Args:
      subset: "train", "validation" or "test".
      index: which image of the subset.
      factors: one of these is drawn for each garment, all equally probable.
      side: of a garment at factor 1, in px; a quadrant has 4 times as much.

    Returns:
      Upper left, upper right, lower left, lower right; each whole in its quadrant.

    Raises:
      ValueError: if there is no such subset, or a factor is not 1, 2, 3 or 4.

    gdjax; the distributions are those of [njet] sec. 4.2.
    """
    if subset not in _SUBSETS:
        raise ValueError(f"`subset={subset!r}` must be one of {', '.join(_SUBSETS)}.")
    if not factors or not set(factors) <= set(range(1, _LARGEST + 1)):
        raise ValueError(
            f"`factors={factors}` must be whole numbers from 1 to {_LARGEST}, which is "
            "what fits into a quadrant."
        )
    seeds = np.random.SeedSequence(_SEED, spawn_key=(_SUBSETS.index(subset), index))
    draws = np.random.default_rng(seeds).random((_QUADRANTS, 3))
    quadrant = _LARGEST * side
    places = []
    for i, (size, y, x) in enumerate(draws):
        factor = factors[int(size * len(factors))]
        room = quadrant - factor * side + 1
        top = quadrant * (i // 2) + int(y * room)
        places.append(Placement(factor, top, quadrant * (i % 2) + int(x * room)))
    return places


def enlarge(image: np.ndarray, factor: int, *, halved: bool = False) -> np.ndarray:
    """Bilinear interpolation at pixel centres, rounded once.

    It is done in whole numbers: the same on all machines. Beyond the centres of the
    border pixels their values are repeated.

    Args:
      image: uint8 [n, n].
      factor: whole, at least 1.
      halved: take means of 2x2 px before; n is then even.

    Returns:
      uint8 [n factor, n factor], or half of it; halves are rounded up.

    Raises:
      ValueError: if the image is not uint8 [n, n], with n even to be halved, or the
        factor is below 1.

    gdjax; [njet] sec. 4.2 does not say where the samples are.
    """
    side = image.shape[0] if image.ndim else 0
    if image.dtype != np.uint8 or image.shape != (side, side) or not side:
        raise ValueError(
            f"`image` must be uint8 [n, n], not {image.dtype} {image.shape}."
        )
    if halved and side % 2:
        raise ValueError(
            f"`image` has {side}x{side} px; an odd side can't be `halved`."
        )
    if factor < 1 or factor % 1:
        raise ValueError(f"`factor={factor}` must be a whole number, at least 1.")
    matrix = _interpolation(side, factor, halved)
    # Sums of whole numbers far below 2^53 are exact in float64, in any order.
    sums = (matrix @ image.astype(np.float64) @ matrix.T).astype(np.int64)
    unit = int(matrix[0].sum()) ** 2
    return ((2 * sums + unit) // (2 * unit)).astype(np.uint8)


@functools.lru_cache(maxsize=16)
def _interpolation(side: int, factor: int, halved: bool) -> np.ndarray:
    """Float64 [m, side]: whole weights of the source pixels, all rows of one sum."""
    means = np.repeat(np.eye(side // 2), 2, axis=1) if halved else np.eye(side)
    known = len(means)
    matrix = np.zeros((known * factor, known))
    for i in range(known * factor):
        # The centre is at (2 i + 1 - factor) / (2 factor), in px of the source.
        lower, rest = divmod(2 * i + 1 - factor, 2 * factor)
        matrix[i, max(lower, 0)] += 2 * factor - rest
        matrix[i, min(lower + 1, known - 1)] += rest
    return matrix @ means
