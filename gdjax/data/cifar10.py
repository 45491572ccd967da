"""CIFAR-10 as published, with a validation split."""

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
from gdjax.data.releases import CIFAR10, ArchiveRelease
from gdjax.data.sources import Download, Originals


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

_SUBSETS = {
    "train": [f"data_batch_{i}.bin" for i in range(1, 5)],
    "validation": ["data_batch_5.bin"],
    "test": ["test_batch.bin"],
}


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

    def originals(self, folder: Path | None, *, download: Download) -> Originals:
        """The images as published; see `read_originals`."""
        return read_originals(self.RELEASE, folder=folder, download=download)


def read_originals(
    release: ArchiveRelease, *, folder: Path | None, download: Download
) -> Originals:
    """Reads the binary version of CIFAR-10; the Python version is pickled, and is not.

    Args:
      release: CIFAR-10.
      folder: the user's folder, or None to download.
      download: fetches {part: address} and returns {part: path}, checking sums.

    Returns:
      The first four training files as "train", the fifth as "validation", and "test".

    Raises:
      FileNotFoundError: if the folder lacks a file, or no source works.
      DataError: if a file is not what it should be.
    """
    files, origin = archives.read_files(release, folder=folder, download=download)
    remedy = f"get {release.title} right: {release.remedies()}"
    parsed = {name: _parse(file, remedy) for name, file in files.items()}
    images, labels = {}, {}
    for subset, names in _SUBSETS.items():
        images[subset] = np.concatenate([parsed[name][0] for name in names])
        labels[subset] = np.concatenate([parsed[name][1] for name in names])
    sha256 = {
        name: hashlib.sha256(file.raw).hexdigest() for name, file in files.items()
    }
    return Originals(images, labels, origin, sha256)


def _parse(file: SourceFile, remedy: str) -> tuple[np.ndarray, np.ndarray]:
    """Images [N, 32, 32, 3] and labels [N]: a label, then three planes, row by row."""
    records = np.frombuffer(file.raw, np.uint8).reshape(-1, 1 + 3 * 32**2)
    labels = records[:, 0]
    archives.check_labels(
        labels, file, first=0, classes=len(PHOTOGRAPHS), remedy=remedy
    )
    return records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), labels
