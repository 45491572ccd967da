"""MNIST as published, with a validation split."""

from __future__ import annotations

import tensorflow_datasets as tfds

from gdjax.data.builder import ScaleBuilder, ScaleConfig
from gdjax.data.releases import MNIST


PLAIN_SPLITS = {name: (name, 1.0) for name in ("train", "validation", "test")}

PLAIN_CONFIGS = [
    ScaleConfig(name="default", description="All images."),
    ScaleConfig(
        name="tiny",
        description="The first 256 / 64 / 64 images; for tests.",
        limits={"train": 256, "validation": 64, "test": 64},
    ),
]


class GdjaxMnist(ScaleBuilder):
    """MNIST, 28x28 px: 50,000 training, 10,000 validation, 10,000 test images.

    Validation is the last sixth of the training file. TFDS has a builder called
    `mnist`, which needs TensorFlow, hence the name.
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First version."}
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        "The four IDX files of MNIST (downloaded without a manual folder)."
    )
    BUILDER_CONFIGS = PLAIN_CONFIGS

    SIDE = 28
    CLASSES = tuple("0123456789")
    SPLITS = PLAIN_SPLITS
    SOURCE = "IDX files: --data-dir, or download"
    RELEASE = MNIST
