"""The cropped digits of Street View House Numbers, with a validation split."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import tensorflow_datasets as tfds

from gdjax.data import archives, sources
from gdjax.data.archives import SourceFile
from gdjax.data.builder import ScaleBuilder
from gdjax.data.errors import DataError
from gdjax.data.mat import read_mat
from gdjax.data.mnist import PLAIN_CONFIGS, PLAIN_SPLITS
from gdjax.data.releases import SVHN, FilesRelease, RemoteFile
from gdjax.data.sources import Download, Originals


class GdjaxSvhn(ScaleBuilder):
    """SVHN's cropped digits, 32x32 px in colour: 58,606 / 14,651 / 26,032 images.

    Validation is the last fifth of the training file: its digits stand in the order of
    the photographs, so that those of one house number (but for one at the cut) are not
    on both sides. The extra images are not read. TFDS has a builder called
    `svhn_cropped`, which needs TensorFlow, hence the name.
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First version."}
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        "train_32x32.mat and test_32x32.mat (downloaded without a manual folder)."
    )
    BUILDER_CONFIGS = PLAIN_CONFIGS

    SIDE = 32
    CHANNELS = 3
    CLASSES = tuple("0123456789")
    SPLITS = PLAIN_SPLITS
    SOURCE = "MATLAB files: --data-dir, or download (246 MB)"
    RELEASE: ClassVar[FilesRelease] = SVHN

    def originals(self, folder: Path | None, *, download: Download) -> Originals:
        """The images as published; see `read_originals`."""
        return read_originals(self.RELEASE, folder=folder, download=download)


def read_originals(
    release: FilesRelease, *, folder: Path | None, download: Download
) -> Originals:
    """Reads the two MATLAB files of the cropped digits.

    Args:
      release: SVHN.
      folder: the user's folder, or None to download.
      download: fetches {part: address} and returns {part: path}, checking sums.

    Returns:
      The training images but for the last fifth as "train", those as "validation", and
      "test"; labels are the digits 0..9 (0 is 10 in the files).

    Raises:
      FileNotFoundError: if the folder lacks a file, or no source works.
      DataError: if a file is not what it should be.
    """
    paths, origin = _locate(release, folder, download)
    remedy = f"get {release.title} right: {release.remedies()}"
    images, labels, sha256 = {}, {}, {}
    for name, path in paths.items():
        subset = name.partition("_")[0]
        images[subset], labels[subset] = _parse(path, remedy)
        sha256[name] = _sum(path, release.remote[name], remedy)
    cut = len(labels["train"]) - len(labels["train"]) // 5
    for arrays in (images, labels):
        arrays["validation"] = arrays["train"][cut:]
        arrays["train"] = arrays["train"][:cut]
    return Originals(images, labels, origin, sha256)


def _locate(
    release: FilesRelease, folder: Path | None, download: Download
) -> tuple[dict[str, Path], str]:
    """Paths of the files by their names, and their origin in words."""
    if folder is None:
        return sources.fetch(release, download), f"download {release.url}"
    paths = {name: folder / name for name in release.remote}
    for name, path in paths.items():
        if not path.is_file():
            raise FileNotFoundError(
                f"the data folder {folder} lacks {name} of {release.title}; "
                f"{release.remedies()}"
            )
    return paths, f"folder {folder}"


def _sum(path: Path, published: RemoteFile, remedy: str) -> str:
    """SHA-256 of a file; DataError if only the size is that of the published one."""
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    if path.stat().st_size == published.size and sha256 != published.sha256:
        raise DataError(
            f"{path} is damaged: it has the size of the published file, but the "
            f"SHA-256 {sha256} and not {published.sha256}; {remedy}"
        )
    return sha256


def _parse(path: Path, remedy: str) -> tuple[np.ndarray, np.ndarray]:
    """Images, uint8 [N, 32, 32, 3], and digits, uint8 [N]."""
    found = read_mat(path, ["X", "y"], remedy=remedy)
    images, labels = found["X"], found["y"]
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[:3] != (32, 32, 3):
        raise DataError(
            f"{path} holds X of {images.dtype} {images.shape}, expected uint8 "
            f"(32, 32, 3, N); {remedy}"
        )
    count = images.shape[-1]
    if labels.size != count or labels.ndim != 2 or 1 not in labels.shape:
        raise DataError(
            f"{path} holds {count:,} images in X, and y of the shape {labels.shape}, "
            f"expected ({count}, 1); {remedy}"
        )
    if count < 5:
        raise DataError(
            f"{path} holds {count} images; at least 5 are needed, as the last fifth "
            f"of the training file is for validation; {remedy}"
        )
    return np.moveaxis(images, -1, 0), _digits(labels.ravel(), path, remedy)


def _digits(labels: Any, path: Path, remedy: str) -> np.ndarray:
    """Uint8 [N], 0..9; MATLAB's numbers may be of any type."""
    if labels.dtype.kind not in "uif" or (labels != np.rint(labels)).any():
        raise DataError(
            f"{path} holds labels y of {labels.dtype} that are no whole numbers; "
            f"{remedy}"
        )
    file = SourceFile(str(path), b"")
    archives.check_labels(labels, file, first=1, classes=10, remedy=remedy)
    return (labels % 10).astype(np.uint8)
