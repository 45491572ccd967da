"""Fashion-MNIST at nine sizes, after the Rescaled Fashion-MNIST of the papers."""

from __future__ import annotations

import tensorflow_datasets as tfds

from gdjax.data.builder import ScaleBuilder, ScaleConfig, scale_splits
from gdjax.data.factors import quarter_octaves
from gdjax.data.fashion_mnist import GARMENTS
from gdjax.data.releases import FASHION_MNIST


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
        ScaleConfig(
            name="tiny",
            description="The first 256 / 64 / 64 images; for tests.",
            limits={"train": 256, "validation": 64, "test": 64},
        ),
        ScaleConfig(name="hdf5", description="The authors' HDF5 files.", stored=True),
    ]

    SIDE = 72
    CLASSES = GARMENTS
    SPLITS = {
        "train": ("train", 1.0),
        "validation": ("validation", 1.0),
        **scale_splits("test", quarter_octaves(-4, 4)),
    }
    SOURCE = "IDX files: --data-dir, Debian's package, or download"
    RELEASE = FASHION_MNIST
