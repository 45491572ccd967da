"""The cropped digits of Street View House Numbers, with a validation split."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import tensorflow_datasets as tfds

from gdjax.data.builder import PLAIN_CONFIGS, PLAIN_SPLITS, ScaleBuilder
from gdjax.data.errors import DataError
from gdjax.data.formats import parse_mat
from gdjax.data.originals import Originals, check_labels, read_originals
from gdjax.data.releases import SVHN, FilesRelease
from gdjax.data.sources import Download, SourceFile


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
        """The images as published; labels are the digits (0 is 10 in the files)."""
        return read_originals(
            self.RELEASE, folder=folder, download=download, parse=_parse
        )


def _parse(files: Sequence[SourceFile], remedy: str) -> tuple[np.ndarray, np.ndarray]:
    """Images, uint8 [N, 32, 32, 3], and digits, uint8 [N]."""
    (file,) = files
    found = parse_mat(file.raw, file.place, ["X", "y"], remedy=remedy)
    images, labels = found["X"], found["y"]
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[:3] != (32, 32, 3):
        raise DataError(
            f"{file.place} holds X of {images.dtype} {images.shape}, expected uint8 "
            f"(32, 32, 3, N); {remedy}"
        )
    count = images.shape[-1]
    if labels.size != count or labels.ndim != 2 or 1 not in labels.shape:
        raise DataError(
            f"{file.place} holds {count:,} images in X, and y of the shape "
            f"{labels.shape}, expected ({count}, 1); {remedy}"
        )
    return np.moveaxis(images, -1, 0), _digits(labels.ravel(), file.place, remedy)


def _digits(labels: Any, place: str, remedy: str) -> np.ndarray:
    """Uint8 [N], 0..9; MATLAB's numbers may be of any type."""
    if labels.dtype.kind not in "uif" or (labels != np.rint(labels)).any():
        raise DataError(
            f"{place} holds labels y of {labels.dtype} that are no whole numbers; "
            f"{remedy}"
        )
    check_labels(labels, place, first=1, classes=10, remedy=remedy)
    return (labels % 10).astype(np.uint8)
