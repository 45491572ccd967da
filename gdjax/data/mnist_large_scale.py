"""MNIST at seventeen sizes, after the MNISTLargeScale of the papers."""

from __future__ import annotations

import tensorflow_datasets as tfds

from gdjax.data.builder import ScaleBuilder, ScaleConfig, scale_splits
from gdjax.data.factors import quarter_octaves
from gdjax.data.releases import MNIST


_TRAIN_FACTORS = (1.0, 2.0, 4.0)


class MnistLargeScale(ScaleBuilder):
    """MNIST on 112x112 px of black, at seventeen sizes from 1/2 to 8.

    Rebuilt from the published 28x28 images: each is resampled by exactly its factor
    about the centre of the canvas; above factor 4 the canvas cuts off the margins.
    50,000 training and 10,000 validation images (the first and last of the training
    file) at factors 1, 2 and 4, and 10,000 test images at each factor 2^(k/4),
    k = -4..12.

    The authors' own set is given out on request; the config `hdf5` reads it from
    TFDS's manual folder. Choice: 17 test sizes, which is what the published range and
    ratio give.
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First version."}
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        "default, small, tiny: the four IDX files of MNIST (downloaded without a "
        "manual folder). hdf5: the authors' *.h5 files."
    )
    BUILDER_CONFIGS = [
        ScaleConfig(name="default", description="Rebuilt from the IDX files."),
        ScaleConfig(
            name="small",
            description="The first 10,000 / 1,000 / 1,000 images for each size.",
            limits={"train": 10_000, "validation": 1_000, "test": 1_000},
        ),
        ScaleConfig(
            name="tiny",
            description="The first 64 / 32 / 32 images for each size; for tests.",
            limits={"train": 64, "validation": 32, "test": 32},
        ),
        ScaleConfig(name="hdf5", description="The authors' HDF5 files.", stored=True),
    ]

    SIDE = 112
    CLASSES = tuple("0123456789")
    SPLITS = {
        **scale_splits("train", _TRAIN_FACTORS),
        **scale_splits("validation", _TRAIN_FACTORS),
        **scale_splits("test", quarter_octaves(-4, 12)),
    }
    SOURCE = "IDX files: --data-dir, or download"
    RELEASE = MNIST
