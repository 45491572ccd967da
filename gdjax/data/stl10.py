"""The labelled images of STL-10 as published, with a validation split."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import ClassVar

import numpy as np
import tensorflow_datasets as tfds

from gdjax.data import archives
from gdjax.data.archives import SourceFile
from gdjax.data.builder import ScaleBuilder
from gdjax.data.mnist import PLAIN_CONFIGS, PLAIN_SPLITS
from gdjax.data.releases import STL10, ArchiveRelease
from gdjax.data.sources import Download, Originals


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

    def originals(self, folder: Path | None, *, download: Download) -> Originals:
        """The labelled images as published; see `read_originals`."""
        return read_originals(self.RELEASE, folder=folder, download=download)


def read_originals(
    release: ArchiveRelease, *, folder: Path | None, download: Download
) -> Originals:
    """Reads the labelled images of the binary version of STL-10.

    Args:
      release: STL-10.
      folder: the user's folder, or None to download.
      download: fetches {part: address} and returns {part: path}, checking sums.

    Returns:
      The training images but for the last fifth as "train", those as "validation", and
      "test"; labels are 0..9 (1..10 in the files).

    Raises:
      FileNotFoundError: if the folder lacks a file, or no source works.
      DataError: if a file is not what it should be.
    """
    files, origin = archives.read_files(release, folder=folder, download=download)
    remedy = f"get {release.title} right: {release.remedies()}"
    images, labels = {}, {}
    for subset in ("train", "test"):
        images[subset] = _parse_images(files[f"{subset}_X.bin"])
        labels[subset] = _parse_labels(files[f"{subset}_y.bin"], remedy)
    cut = len(labels["train"]) - len(labels["train"]) // 5
    for arrays in (images, labels):
        arrays["validation"] = arrays["train"][cut:]
        arrays["train"] = arrays["train"][:cut]
    sha256 = {
        name: hashlib.sha256(file.raw).hexdigest() for name, file in files.items()
    }
    return Originals(images, labels, origin, sha256)


def _parse_images(file: SourceFile) -> np.ndarray:
    """Uint8 [N, 96, 96, 3]; the file has three planes for each, column by column."""
    planes = np.frombuffer(file.raw, np.uint8).reshape(-1, 3, 96, 96)
    return planes.transpose(0, 3, 2, 1)


def _parse_labels(file: SourceFile, remedy: str) -> np.ndarray:
    """Uint8 [N], 0..9."""
    labels = np.frombuffer(file.raw, np.uint8)
    archives.check_labels(labels, file, first=1, classes=len(SCENES), remedy=remedy)
    return labels - np.uint8(1)
