"""Cityscapes for dense labelling: its photographs, cut into squares."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow_datasets as tfds

from gdjax.data.builder import ScaleBuilder, ScaleConfig
from gdjax.data.errors import DataError
from gdjax.data.masked_images import MaskedImages, digest_of_files
from gdjax.data.originals import Originals
from gdjax.data.segmentation_folders import EVALUATED, open_cityscapes
from gdjax.data.sources import Download


# Subset -> the published split that it is.
_PUBLISHED = {"train": "train", "test": "val"}
_SIZE = (1024, 2048)
_REMEDY = (
    "unpack leftImg8bit_trainvaltest.zip and gtFine_trainvaltest.zip in one folder "
    "(www.cityscapes-dataset.com hands them out, after registration), and name it "
    "(--data-dir, `data_dir=`)"
)


@dataclasses.dataclass(eq=False)
class CropConfig(ScaleConfig):
    """A variant of `GdjaxCityscapes`.

    Attributes:
      halved: photographs are halved before they are cut.
    """

    halved: bool = False


class GdjaxCityscapes(ScaleBuilder):
    """Photographs of streets with 19 classes, in crops of 512x512 px; 255 elsewhere.

    23,800 / 4,000 crops of 2,975 / 500 photographs of 1024x2048 px: the published
    training images are the split "train", and the published validation images the split
    "test", as the masks of the published test images are withheld. There is no
    validation split: choose hyper-parameters on a part of "train", such as its last 375
    photographs, "train[20800:]" (at multiples of 8 no photograph is cut in two).

    Choice, as the paper does not say how it cropped: the crops tile the photograph
    without overlap. Crops 8 i to 8 i + 7 are photograph i, row by row from the upper
    left, so that every pixel is there once, and the confusion matrix over all crops has
    each pixel of the whole photographs once. Photographs are in the order of
    `open_cityscapes`.

    In the config `half` photographs are halved before, and crops have 256x256 px: there
    are as many, and each shows the same. A pixel of the image is the mean of 2x2 px
    (halves are rounded up), a pixel of the mask the upper left one of the same 2x2 px
    (every second row and column), since classes have no mean.

    Photographs are read one by one while the set is prepared. The digest is over names
    and sizes in bytes of all images and masks, whose content is too much to be hashed
    at every start. The whole set has 25 GB in memory, `half` 6 GB: read it with
    `lazy=True`. TFDS has a builder called `cityscapes`, which needs TensorFlow, hence
    the name.

    [dss] sec. 4.
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First version."}
    MANUAL_DOWNLOAD_INSTRUCTIONS = _REMEDY
    BUILDER_CONFIGS = [
        CropConfig(name="default", description="Crops of 512x512 px."),
        CropConfig(
            name="half",
            description="Photographs halved, in crops of 256x256 px.",
            side=256,
            halved=True,
        ),
        CropConfig(
            name="tiny",
            description="The first 32 / 16 crops of half; for tests.",
            limits={"train": 32, "test": 16},
            side=256,
            halved=True,
        ),
    ]

    SIDE = 512
    CHANNELS = 3
    CLASSES = tuple(EVALUATED.values())
    MASKS = True
    SPLITS = {subset: (subset, 1.0) for subset in _PUBLISHED}
    SOURCE = "leftImg8bit and gtFine, unpacked: --data-dir"

    @property
    def variant(self) -> CropConfig:
        """The config of this builder."""
        return self.builder_config  # type: ignore

    @classmethod
    def source_files(cls, folder: Path) -> Iterator[Path]:
        """Images and masks of the two published splits."""
        for split in _PUBLISHED.values():
            yield from folder.glob(f"leftImg8bit/{split}/*/*_leftImg8bit.png")
            yield from folder.glob(f"gtFine/{split}/*/*_gtFine_labelIds.png")

    def originals(self, folder: Path | None, *, download: Download) -> Originals:
        """The photographs; none of them is read yet.

        Args:
          folder: has leftImg8bit and gtFine.
          download: unused; the set is not downloaded.

        Returns:
          The `MaskedImages` of each subset.

        Raises:
          FileNotFoundError: if there is no folder, or it lacks images or masks.
        """
        del download
        if folder is None:
            raise FileNotFoundError(f"Cityscapes is not downloaded: {_REMEDY}")
        images = {s: open_cityscapes(folder, split) for s, split in _PUBLISHED.items()}
        sha256 = {subset: digest_of_files(found) for subset, found in images.items()}
        return Originals(images, {}, f"folder {folder}", sha256)

    def part(self, originals: Originals, subset: str, factor: float) -> CropPart:
        """The crops of one subset, cut to the limit of this config."""
        del factor  # Always 1: sizes are a matter of the config.
        return CropPart(
            images=originals.images[subset],
            side=self.image_shape(subset, config=self.variant.name)[0],
            halved=self.variant.halved,
            limit=self.variant.limits.get(subset),
        )

    def parameters(self) -> dict[str, Any]:
        """The side of crops in px, and whether photographs are halved before."""
        return {"side": self.variant.side or self.SIDE, "halved": self.variant.halved}


class CropPart(NamedTuple):
    """Squares of photographs, which are read one by one.

    Attributes:
      images: the photographs, 1024x2048 px.
      side: of a crop, in px; divides the sides of the photographs.
      halved: as `CropConfig`.
      limit: how many crops there are at most; all if None.
    """

    images: MaskedImages
    side: int
    halved: bool
    limit: int | None

    def examples(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yields image, uint8 [side, side, 3], and mask, uint8 [side, side, 1].

        Raises:
          OSError: if a file is gone.
          DataError: if a file is not what it should be, or a photograph has another
            size; names the file.
        """
        return itertools.islice(self._crops(), self.limit)

    def _crops(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for path, (image, mask) in zip(self.images.images, self.images, strict=True):
            if mask.shape != _SIZE:
                found, expected = (f"{h}x{w} px" for h, w in (mask.shape, _SIZE))
                raise DataError(
                    f"{path} has {found}, but photographs of Cityscapes have "
                    f"{expected} (height x width); take the files as published"
                )
            planes = mask[..., None]
            if self.halved:
                image, planes = _means(image), planes[::2, ::2]
            yield from zip(_cut(image, self.side), _cut(planes, self.side), strict=True)


def _means(image: np.ndarray) -> np.ndarray:
    """Means of 2x2 px, uint8 [H / 2, W / 2, C]; halves are rounded up."""
    wide = image.astype(np.uint16)
    rows = wide[::2] + wide[1::2]
    return ((rows[:, ::2] + rows[:, 1::2] + 2) // 4).astype(np.uint8)


def _cut(planes: np.ndarray, side: int) -> np.ndarray:
    """Squares of [H, W, C], row by row: [N, side, side, C]."""
    height, width, channels = planes.shape
    grid = planes.reshape(height // side, side, width // side, side, channels)
    return grid.swapaxes(1, 2).reshape(-1, side, side, channels)
