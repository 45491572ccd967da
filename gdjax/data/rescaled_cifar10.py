"""CIFAR-10 at nine sizes, after the Rescaled CIFAR-10 of the papers."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import tensorflow_datasets as tfds

from gdjax.data.builder import ScaleBuilder, ScaleConfig, scale_splits
from gdjax.data.cifar10 import PHOTOGRAPHS, read_originals
from gdjax.data.factors import quarter_octaves
from gdjax.data.releases import CIFAR10, ArchiveRelease
from gdjax.data.sources import Download, Originals


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
        ScaleConfig(
            name="tiny",
            description="The first 256 / 64 / 64 images; for tests.",
            limits={"train": 256, "validation": 64, "test": 64},
        ),
        ScaleConfig(name="hdf5", description="The authors' HDF5 files.", stored=True),
    ]

    SIDE = 64
    CHANNELS = 3
    BACKGROUND = "mirror"
    CLASSES = PHOTOGRAPHS
    SPLITS = {
        "train": ("train", 1.0),
        "validation": ("validation", 1.0),
        **scale_splits("test", quarter_octaves(-4, 4)),
    }
    SOURCE = "binary version: --data-dir, or download (170 MB)"
    RELEASE: ClassVar[ArchiveRelease] = CIFAR10

    def originals(self, folder: Path | None, *, download: Download) -> Originals:
        """The images as published; see `gdjax.data.cifar10.read_originals`."""
        return read_originals(self.RELEASE, folder=folder, download=download)
