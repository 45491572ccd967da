"""Fashion-MNIST as published, with a validation split."""

from __future__ import annotations

import tensorflow_datasets as tfds

from gdjax.data.builder import ScaleBuilder
from gdjax.data.mnist import PLAIN_CONFIGS, PLAIN_SPLITS
from gdjax.data.releases import FASHION_MNIST


GARMENTS = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)


class GdjaxFashionMnist(ScaleBuilder):
    """Fashion-MNIST, 28x28 px: 50,000 / 10,000 / 10,000 images.

    Validation is the last sixth of the training file. TFDS has a builder called
    `fashion_mnist`, which needs TensorFlow, hence the name.
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First version."}
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        "The four IDX files of Fashion-MNIST (found, or downloaded, without a manual "
        "folder as well)."
    )
    BUILDER_CONFIGS = PLAIN_CONFIGS

    SIDE = 28
    CLASSES = GARMENTS
    SPLITS = PLAIN_SPLITS
    SOURCE = "IDX files: --data-dir, Debian's package, or download"
    RELEASE = FASHION_MNIST
