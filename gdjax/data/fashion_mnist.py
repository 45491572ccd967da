"""Fashion-MNIST as published, and at nine sizes.

The latter is after the Rescaled Fashion-MNIST of the papers.
"""

from __future__ import annotations

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


class RescaledFashionMnist(ScaleBuilder):
    """Fashion-MNIST on 72x72 px of black, at nine sizes from 1/2 to 2.

    Rebuilt from the published 28x28 images: each is resampled by exactly its factor
    about the centre of the canvas, so that nothing is cut off at any size. 50,000
    training and 10,000 validation images at factor 1 (the first and last of the
    training file), 10,000 test images at each factor 2^(k/4), k = -4..4.

    The authors' own set is given out on request; the config `hdf5` reads it from
    TFDS's manual folder. Choice: black is put around the garment before resampling;
    the order in which the authors did it is not published.

    [gaussderresnet] section 4.1.1.
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First version."}
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        "default, tiny: the four IDX files of Fashion-MNIST (found, or downloaded, "
        "without a manual folder as well). hdf5: the authors' *.h5 files."
    )
    BUILDER_CONFIGS = [
        ScaleConfig(name="default", description="Rebuilt from the IDX files."),
        TINY,
        STORED,
    ]

    SIDE = 72
    CLASSES = GARMENTS
    SPLITS = NINE_SIZES
    SOURCE = "IDX files: --data-dir, Debian's package, or download"
    RELEASE = FASHION_MNIST
