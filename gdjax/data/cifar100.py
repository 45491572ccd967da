"""CIFAR-100 as published, with a validation split."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path
from typing import ClassVar

import numpy as np
import tensorflow_datasets as tfds

from gdjax.data import archives
from gdjax.data.archives import SourceFile
from gdjax.data.builder import ScaleBuilder, ScaleConfig
from gdjax.data.errors import DataError
from gdjax.data.mnist import PLAIN_CONFIGS, PLAIN_SPLITS
from gdjax.data.releases import CIFAR100, ArchiveRelease
from gdjax.data.sources import Download, Originals


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
            name="tiny",
            description=PLAIN_CONFIGS[1].description,
            limits=PLAIN_CONFIGS[1].limits,
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
        """The images as published; see `read_originals`."""
        return read_originals(
            self.RELEASE, folder=folder, download=download, coarse=self.variant.coarse
        )


def read_originals(
    release: ArchiveRelease,
    *,
    folder: Path | None,
    download: Download,
    coarse: bool = False,
) -> Originals:
    """Reads the binary version of CIFAR-100; the Python version is pickled, and is not.

    Args:
      release: CIFAR-100.
      folder: the user's folder, or None to download.
      download: fetches {part: address} and returns {part: path}, checking sums.
      coarse: labels are the superclasses, 0..19, and not the classes, 0..99.

    Returns:
      The training images but for the last fifth as "train", those as "validation", and
      "test".

    Raises:
      FileNotFoundError: if the folder lacks a file, or no source works.
      DataError: if a file is not what it should be.
    """
    files, origin = archives.read_files(release, folder=folder, download=download)
    remedy = f"get {release.title} right: {release.remedies()}"
    images, labels = {}, {}
    for subset in ("train", "test"):
        images[subset], both = _parse(files[f"{subset}.bin"], remedy)
        labels[subset] = both[:, 0 if coarse else 1]
    cut = len(labels["train"]) - len(labels["train"]) // 5
    for arrays in (images, labels):
        arrays["validation"] = arrays["train"][cut:]
        arrays["train"] = arrays["train"][:cut]
    sha256 = {
        name: hashlib.sha256(file.raw).hexdigest() for name, file in files.items()
    }
    return Originals(images, labels, origin, sha256)


def _parse(file: SourceFile, remedy: str) -> tuple[np.ndarray, np.ndarray]:
    """Images [N, 32, 32, 3] and labels [N, 2], coarse and fine.

    In the file: a coarse label, a fine one, then three planes, row by row.
    """
    records = np.frombuffer(file.raw, np.uint8).reshape(-1, 2 + 3 * 32**2)
    coarse, fine = records[:, 0], records[:, 1]
    for labels, classes in ((coarse, len(SUPERCLASSES)), (fine, len(THINGS))):
        archives.check_labels(labels, file, first=0, classes=classes, remedy=remedy)
    wrong = np.flatnonzero(_COARSE[fine] != coarse)
    if wrong.size:
        row = wrong[0]
        raise DataError(
            f"{file.place} holds the coarse label {coarse[row]} with the fine label "
            f"{fine[row]} (image {row:,}), which belongs to {_COARSE[fine[row]]}; "
            f"{remedy}"
        )
    images = records[:, 2:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return images, records[:, :2]
