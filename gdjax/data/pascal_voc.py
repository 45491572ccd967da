"""PASCAL VOC 2012 for dense labelling: photographs of any size on one canvas."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow_datasets as tfds

from gdjax.data.builder import ScaleBuilder, ScaleConfig
from gdjax.data.errors import DataError
from gdjax.data.masked_images import IGNORED, MaskedImages, digest_of_files
from gdjax.data.originals import Originals
from gdjax.data.segmentation_folders import OBJECTS, open_pascal_voc, open_trainaug
from gdjax.data.sources import Download


# The mean of ImageNet, which standardised images have as (almost) 0.
MEAN = (124, 116, 104)
_REMEDY = (
    "unpack VOCtrainval_11-May-2012.tar and SBD's benchmark.tgz in one folder, and name"
    " it (--data-dir, `data_dir=`)"
)


class GdjaxPascalVoc(ScaleBuilder):
    """Photographs with 21 classes, on 513x513 px; 255 on outlines and around them.

    10,582 / 1,449 images: "train" is what the literature calls trainaug, the training
    images of VOC 2012 and all of SBD without VOC's validation images; "test" is VOC's
    validation split, as the masks of its test images are withheld. There is no
    validation split. A photograph has at most 500 px a side and lies in the upper left
    of the canvas, so that no pixel is resampled; the rest is the mean colour of
    ImageNet and does not count.

    In the config `voc` "train" has the 1,464 images of VOC alone, and SBD isn't needed.

    Photographs are read one by one while the set is prepared. The digest is over names
    and sizes in bytes of all images and masks. The whole set has 11 GB in memory: read
    it with `lazy=True`. TFDS has a builder called `voc`, which needs TensorFlow.

    [njet] sec. 4.2, experiment 2(B).
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First version."}
    MANUAL_DOWNLOAD_INSTRUCTIONS = _REMEDY
    BUILDER_CONFIGS = [
        ScaleConfig(name="default", description="VOC 2012 and SBD."),
        ScaleConfig(name="voc", description="VOC 2012 alone."),
        ScaleConfig(
            name="tiny",
            description="The first 16 / 8 images of voc; for tests.",
            limits={"train": 16, "test": 8},
        ),
    ]

    SIDE = 513
    CHANNELS = 3
    CLASSES = OBJECTS
    MASKS = True
    SPLITS = {subset: (subset, 1.0) for subset in ("train", "test")}
    SOURCE = "VOC2012 and SBD's dataset, unpacked: --data-dir"

    @classmethod
    def source_files(cls, folder: Path) -> Iterator[Path]:
        """Images, masks and lists of both sets."""
        for root in (folder, folder / "VOC2012", folder / "VOCdevkit" / "VOC2012"):
            yield from root.glob("JPEGImages/*.jpg")
            yield from root.glob("SegmentationClass/*.png")
            yield from root.glob("ImageSets/Segmentation/*.txt")
        for root in (folder / "dataset", folder / "benchmark_RELEASE" / "dataset"):
            yield from root.glob("img/*.jpg")
            yield from root.glob("cls/*.mat")
            yield from root.glob("*.txt")

    def originals(self, folder: Path | None, *, download: Download) -> Originals:
        """The photographs; none of them is read yet.

        Args:
          folder: has VOC2012 (or VOCdevkit) and, but for the config `voc`, SBD's
            dataset (or benchmark_RELEASE).
          download: unused; the set is not downloaded.

        Returns:
          The `MaskedImages` of each subset.

        Raises:
          FileNotFoundError: if there is no folder, or it lacks images or masks.
        """
        del download
        if folder is None:
            raise FileNotFoundError(f"PASCAL VOC is not downloaded: {_REMEDY}")
        alone = self.variant.name != "default"
        train = (
            open_pascal_voc(folder, "train") if alone else open_trainaug(folder, folder)
        )
        images = {"train": train, "test": open_pascal_voc(folder, "val")}
        sha256 = {subset: digest_of_files(found) for subset, found in images.items()}
        return Originals(images, {}, f"folder {folder}", sha256)

    def part(self, originals: Originals, subset: str, factor: float) -> PlacedPart:
        """The photographs of one subset, cut to the limit of this config."""
        del factor  # Always 1.
        images = originals.images[subset][: self.variant.limits.get(subset)]
        return PlacedPart(images, self.SIDE)

    def parameters(self) -> dict[str, Any]:
        """The side of the canvas in px, and the colour around photographs."""
        return {"side": self.SIDE, "around": list(MEAN)}


class PlacedPart(NamedTuple):
    """Photographs in the upper left of canvases, which are read one by one.

    Attributes:
      images: the photographs.
      side: of the canvas, in px.
    """

    images: MaskedImages
    side: int

    def examples(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yields image, uint8 [side, side, 3], and mask, uint8 [side, side, 1].

        Raises:
          OSError: if a file is gone.
          DataError: if a file is not what it should be, or a photograph is larger than
            the canvas; names the file.
        """
        for path, (image, mask) in zip(self.images.images, self.images, strict=True):
            height, width = mask.shape
            if max(height, width) > self.side:
                raise DataError(
                    f"{path} has {height}x{width} px, but photographs of PASCAL VOC "
                    f"have at most {self.side} px a side; take the files as published"
                )
            canvas = np.empty((self.side, self.side, 3), np.uint8)
            canvas[:] = MEAN
            canvas[:height, :width] = image
            around = np.full((self.side, self.side, 1), IGNORED, np.uint8)
            around[:height, :width, 0] = mask
            yield canvas, around
