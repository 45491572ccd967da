"""The labelled images of STL-10 as published, and at nine sizes.

The latter is after the Rescaled STL-10 of the papers.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
import tensorflow_datasets as tfds

from gdjax.data.builder import (
    NINE_SIZES,
    PLAIN_CONFIGS,
    PLAIN_SPLITS,
    STORED,
    ScaleBuilder,
    ScaleConfig,
)
from gdjax.data.originals import Originals
from gdjax.data.releases import STL10, ArchiveRelease
from gdjax.data.sources import Download


SCENES = (
    "airplane",
    "bird",
    "car",
    "cat",
    "deer",
    "dog",
    "horse",
    "monkey",
    "ship",
    "truck",
)

_SEED = 0
_PROPORTIONS = {"train": 7000, "validation": 1000, "test": 3600}


class GdjaxStl10(ScaleBuilder):
    """The labelled images of STL-10, 96x96 px in colour: 4,000 / 1,000 / 8,000.

    Validation is the last fifth of the training file: "train+validation" are all 5,000
    published training images. The unlabelled images are not read. TFDS has a builder
    called `stl10`, which needs TensorFlow, hence the name.
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First version."}
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        "stl10_binary.tar.gz, or train_X.bin, train_y.bin, test_X.bin and test_y.bin "
        "in it (downloaded without a manual folder)."
    )
    BUILDER_CONFIGS = PLAIN_CONFIGS

    SIDE = 96
    CHANNELS = 3
    CLASSES = SCENES
    SPLITS = PLAIN_SPLITS
    SOURCE = "binary version: --data-dir, or download (2.6 GB)"
    RELEASE: ClassVar[ArchiveRelease] = STL10


class RescaledStl10(ScaleBuilder):
    """The labelled images of STL-10, with test images at nine sizes from 1/2 to 2.

    Training and validation images are the published ones, 96x96 px (factor 1). Test
    images are on 192x192 px: each is resampled by exactly its factor 2^(k/4),
    k = -4..4, about the centre of the canvas, and fills it at factor 2; at smaller
    factors its mirror images surround it. Prepared, they take about 2.5 GB.

    Differs from the authors' set, which can't be rebuilt: they removed about a tenth of
    the images by hand (artificial margins, blurred, dark or badly placed objects).
    Nothing is removed here, and accuracies are not comparable one to one. Choice: all
    13,000 labelled images (training file, then test file) in the order
    `np.random.default_rng(0).permutation(13000)`, cut in the authors' proportions
    7000 : 1000 : 3600 into 7,845 / 1,121 / 4,034; images are mirrored before
    resampling. The config `hdf5` reads the authors' own files from TFDS's manual
    folder.

    [gaussderresnet] section 4.1.3.
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First version."}
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        "default, tiny: stl10_binary.tar.gz, or train_X.bin, train_y.bin, test_X.bin "
        "and test_y.bin in it (downloaded without a manual folder). hdf5: the authors' "
        "*.h5 files."
    )
    BUILDER_CONFIGS = [
        ScaleConfig(name="default", description="Rebuilt from the binary version."),
        ScaleConfig(
            name="tiny",
            description="The first 64 / 32 / 32 images; for tests.",
            limits={"train": 64, "validation": 32, "test": 32},
        ),
        STORED,
    ]

    SIDE = 96
    SUBSET_SIDES = {"test": 192}
    CHANNELS = 3
    BACKGROUND = "mirror"
    CLASSES = SCENES
    SPLITS = NINE_SIZES
    SOURCE = (
        "binary version: --data-dir, or download (2.6 GB); without the authors' "
        "cleaning by hand"
    )
    RELEASE: ClassVar[ArchiveRelease] = STL10

    def originals(self, folder: Path | None, *, download: Download) -> Originals:
        """The labelled images of both files, split anew."""
        return split_anew(super().originals(folder, download=download))


def split_anew(published: Originals) -> Originals:
    """Shuffles all images once and cuts them in the proportions 7000 : 1000 : 3600.

    Args:
      published: what `GdjaxStl10.originals` returns.

    Returns:
      The same images and labels in other subsets; the same for the same number of
      images, always.
    """
    in_order = ("train", "validation", "test")
    images = [published.images[subset] for subset in in_order]
    labels = [published.labels[subset] for subset in in_order]
    total = sum(map(len, labels))
    rows = np.random.default_rng(_SEED).permutation(total)
    whole = sum(_PROPORTIONS.values())
    train, validation, _ = (round(total * p / whole) for p in _PROPORTIONS.values())
    cuts = np.split(rows, [train, train + validation])
    pick = dict(zip(_PROPORTIONS, cuts, strict=True))
    return published._replace(
        images={subset: _take(images, rows) for subset, rows in pick.items()},
        labels={subset: _take(labels, rows) for subset, rows in pick.items()},
    )


def _take(arrays: Sequence[np.ndarray], rows: np.ndarray) -> np.ndarray:
    """Rows of the concatenated arrays, without a copy of all that are not taken."""
    taken = np.empty((len(rows), *arrays[0].shape[1:]), arrays[0].dtype)
    start = 0
    for array in arrays:
        inside = (rows >= start) & (rows < start + len(array))
        taken[inside] = array[rows[inside] - start]
        start += len(array)
    return taken
