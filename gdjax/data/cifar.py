"""CIFAR-10 and CIFAR-100 as published, and CIFAR-10 at nine sizes.

The latter is after the Rescaled CIFAR-10 of the papers. The binary versions are read;
the Python versions are pickled, and are not.
"""

from __future__ import annotations

import dataclasses
import functools
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
    TINY,
    ScaleBuilder,
    ScaleConfig,
)
from gdjax.data.errors import DataError
from gdjax.data.originals import Originals, parse_records, read_originals
from gdjax.data.releases import CIFAR10, CIFAR100, ArchiveRelease
from gdjax.data.sources import Download, SourceFile


PHOTOGRAPHS = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)

SUPERCLASSES = {
    "aquatic_mammals": ("beaver", "dolphin", "otter", "seal", "whale"),
    "fish": ("aquarium_fish", "flatfish", "ray", "shark", "trout"),
    "flowers": ("orchid", "poppy", "rose", "sunflower", "tulip"),
    "food_containers": ("bottle", "bowl", "can", "cup", "plate"),
    "fruit_and_vegetables": ("apple", "mushroom", "orange", "pear", "sweet_pepper"),
    "household_electrical_devices": (
        "clock",
        "keyboard",
        "lamp",
        "telephone",
        "television",
    ),
    "household_furniture": ("bed", "chair", "couch", "table", "wardrobe"),
    "insects": ("bee", "beetle", "butterfly", "caterpillar", "cockroach"),
    "large_carnivores": ("bear", "leopard", "lion", "tiger", "wolf"),
    "large_man-made_outdoor_things": (
        "bridge",
        "castle",
        "house",
        "road",
        "skyscraper",
    ),
    "large_natural_outdoor_scenes": ("cloud", "forest", "mountain", "plain", "sea"),
    "large_omnivores_and_herbivores": (
        "camel",
        "cattle",
        "chimpanzee",
        "elephant",
        "kangaroo",
    ),
    "medium_mammals": ("fox", "porcupine", "possum", "raccoon", "skunk"),
    "non-insect_invertebrates": ("crab", "lobster", "snail", "spider", "worm"),
    "people": ("baby", "boy", "girl", "man", "woman"),
    "reptiles": ("crocodile", "dinosaur", "lizard", "snake", "turtle"),
    "small_mammals": ("hamster", "mouse", "rabbit", "shrew", "squirrel"),
    "trees": ("maple_tree", "oak_tree", "palm_tree", "pine_tree", "willow_tree"),
    "vehicles_1": ("bicycle", "bus", "motorcycle", "pickup_truck", "train"),
    "vehicles_2": ("lawn_mower", "rocket", "streetcar", "tank", "tractor"),
}

THINGS = tuple(sorted(name for names in SUPERCLASSES.values() for name in names))

# The coarse label of each fine one.
_COARSE = np.array(
    [[name in names for names in SUPERCLASSES.values()].index(True) for name in THINGS]
)


class GdjaxCifar10(ScaleBuilder):
    """CIFAR-10, 32x32 px in colour: 40,000 / 10,000 / 10,000 images.

    Validation is the last of the five training files. TFDS has a builder called
    `cifar10`, which needs TensorFlow, hence the name.
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First version."}
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        "cifar-10-binary.tar.gz, or the *.bin files in it (downloaded without a manual "
        "folder)."
    )
    BUILDER_CONFIGS = PLAIN_CONFIGS

    SIDE = 32
    CHANNELS = 3
    CLASSES = PHOTOGRAPHS
    SPLITS = PLAIN_SPLITS
    SOURCE = "binary version: --data-dir, or download (170 MB)"
    RELEASE: ClassVar[ArchiveRelease] = CIFAR10


class RescaledCifar10(ScaleBuilder):
    """CIFAR-10 on 64x64 px, mirrored at its borders, at nine sizes from 1/2 to 2.

    Rebuilt from the published 32x32 images: each is resampled by exactly its factor
    about the centre of the canvas, and fills it at factor 2; at smaller factors its
    mirror images surround it. 40,000 training and 10,000 validation images at factor 1
    (the first four and the last of the training files), 10,000 test images at each
    factor 2^(k/4), k = -4..4. Prepared, they take about 1 GB.

    The authors' own set is given out on request; the config `hdf5` reads it from
    TFDS's manual folder. Choice: images are mirrored before resampling; the order in
    which the authors did it, and which images they took for validation, is not
    published.

    [gaussderresnet] section 4.1.2.
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First version."}
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        "default, tiny: cifar-10-binary.tar.gz, or the *.bin files in it (downloaded "
        "without a manual folder). hdf5: the authors' *.h5 files."
    )
    BUILDER_CONFIGS = [
        ScaleConfig(name="default", description="Rebuilt from the binary version."),
        TINY,
        STORED,
    ]

    SIDE = 64
    CHANNELS = 3
    BACKGROUND = "mirror"
    CLASSES = PHOTOGRAPHS
    SPLITS = NINE_SIZES
    SOURCE = "binary version: --data-dir, or download (170 MB)"
    RELEASE: ClassVar[ArchiveRelease] = CIFAR10


@dataclasses.dataclass(eq=False)
class Cifar100Config(ScaleConfig):
    """A variant of CIFAR-100.

    Attributes:
      coarse: labels are the 20 superclasses.
    """

    coarse: bool = False


class GdjaxCifar100(ScaleBuilder):
    """CIFAR-100, 32x32 px in colour: 40,000 / 10,000 / 10,000 images of 100 classes.

    Validation is the last fifth of the training file. The config `coarse` has the 20
    superclasses as labels. TFDS has a builder called `cifar100`, which needs
    TensorFlow, hence the name.
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First version."}
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        "cifar-100-binary.tar.gz, or the *.bin files in it (downloaded without a "
        "manual folder)."
    )
    BUILDER_CONFIGS = [
        Cifar100Config(name="default", description="All images, 100 classes."),
        Cifar100Config(
            name="coarse", description="All images, 20 superclasses.", coarse=True
        ),
        Cifar100Config(
            name=TINY.name, description=TINY.description, limits=TINY.limits
        ),
    ]

    SIDE = 32
    CHANNELS = 3
    CLASSES = THINGS
    SPLITS = PLAIN_SPLITS
    SOURCE = "binary version: --data-dir, or download (169 MB)"
    RELEASE: ClassVar[ArchiveRelease] = CIFAR100

    @property
    def variant(self) -> Cifar100Config:
        """The config of this builder."""
        return self.builder_config  # type: ignore

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes or, in the config `coarse`, of the superclasses."""
        return tuple(SUPERCLASSES) if self.variant.coarse else THINGS

    def originals(self, folder: Path | None, *, download: Download) -> Originals:
        """The images as published, with the labels of this config."""
        parse = functools.partial(
            _parse_cifar100, release=self.RELEASE, coarse=self.variant.coarse
        )
        return read_originals(
            self.RELEASE, folder=folder, download=download, parse=parse
        )


def _parse_cifar100(
    files: Sequence[SourceFile],
    remedy: str,
    *,
    release: ArchiveRelease,
    coarse: bool,
) -> tuple[np.ndarray, np.ndarray]:
    """Images and either labels in the file of one subset; they must go together."""
    images, labels = parse_records(files, remedy, records=release.files)
    superclasses, things = labels.T
    wrong = np.flatnonzero(_COARSE[things] != superclasses)
    if wrong.size:
        row = wrong[0]
        raise DataError(
            f"{files[0].place} holds the coarse label {superclasses[row]} with the "
            f"fine label {things[row]} (image {row:,}), which belongs to "
            f"{_COARSE[things[row]]}; {remedy}"
        )
    return images, superclasses if coarse else things
