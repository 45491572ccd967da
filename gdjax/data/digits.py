"""Handwritten digits: those of scikit-learn at nine sizes, and MNIST.

MNIST is there as published and at seventeen sizes, after the MNISTLargeScale of the
papers.
"""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from gdjax.data.builder import (
    PLAIN_CONFIGS,
    PLAIN_SPLITS,
    STORED,
    Part,
    ScaleBuilder,
    ScaleConfig,
    scale_splits,
)
from gdjax.data.originals import Originals
from gdjax.data.releases import MNIST
from gdjax.data.rescaling import quarter_octaves
from gdjax.data.sharpened import EXTENT, MIDDLE, SIGMA, SLOPE, SharpenedPart
from gdjax.data.sources import Download


_TRAIN = 1400
_TRAIN_FACTORS = (1.0, 2.0, 4.0)


class RescaledDigits(ScaleBuilder):
    """The 1,797 handwritten digits of scikit-learn on 40x40 px, at nine sizes.

    The 8x8 originals, values 0..16 stretched to 0..255, are resampled by exactly
    2 * factor about the centre of a black canvas: 16 px at factor 1, and 8 to 32 px in
    the test splits. Training images (factor 1) are the first 1,400 of
    `np.random.default_rng(0).permutation(1797)`, test images the other 397. There is
    no separate validation split: choose hyper-parameters on part of `train`.
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First version."}
    BUILDER_CONFIGS = [
        ScaleConfig(name="default", description="All images."),
        ScaleConfig(
            name="tiny",
            description="The first 64 / 32 images; for tests.",
            limits={"train": 64, "test": 32},
        ),
    ]

    SIDE = 40
    UNIT = 2.0
    CLASSES = tuple("0123456789")
    SPLITS = {"train": ("train", 1.0), **scale_splits("test", quarter_octaves(-4, 4))}
    SOURCE = "bundled with scikit-learn"

    def originals(self, folder: Path | None, *, download: Download) -> Originals:
        """The bundled digits; `folder` and `download` are not needed."""
        del folder, download
        from sklearn.datasets import load_digits

        digits: Any = load_digits()
        images = np.rint(digits.images[..., None] * (255 / 16)).astype(np.uint8)
        labels = digits.target.astype(np.uint8)
        order = np.random.default_rng(0).permutation(len(labels))
        pick = {"train": order[:_TRAIN], "test": order[_TRAIN:]}
        return Originals(
            images={subset: images[rows] for subset, rows in pick.items()},
            labels={subset: labels[rows] for subset, rows in pick.items()},
            origin="sklearn.datasets.load_digits",
            sha256={
                "images": hashlib.sha256(images.tobytes()).hexdigest(),
                "labels": hashlib.sha256(labels.tobytes()).hexdigest(),
            },
        )


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


@dataclasses.dataclass(eq=False)
class LargeScaleConfig(ScaleConfig):
    """A variant of MNISTLargeScale.

    Attributes:
      sharpened: smooth and sharpen the rescaled images (`gdjax.data.sharpened`).
    """

    sharpened: bool = False


SMALL = {"train": 10_000, "validation": 1_000, "test": 1_000}


class MnistLargeScale(ScaleBuilder):
    """MNIST on 112x112 px of black, at seventeen sizes from 1/2 to 8.

    Rebuilt from the published 28x28 images: each is resampled by exactly its factor
    about the centre of the canvas; above factor 4 the canvas cuts off the margins.
    50,000 training and 10,000 validation images (the first and last of the training
    file) at factors 1, 2 and 4, and 10,000 test images at each factor 2^(k/4),
    k = -4..12.

    The authors' own set is given out on request; the config `hdf5` reads it from
    TFDS's manual folder. They smoothed and sharpened their images after bicubic
    interpolation, against the traces of the pixel grid in large digits: the configs
    `sharpened` and `small_sharpened` do that, too. Choice: the others don't, and
    results are of these unless they say so; 17 test sizes, which is what the published
    range and ratio give.
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
            limits=SMALL,
        ),
        LargeScaleConfig(
            name="sharpened",
            description="Smoothed and sharpened after rescaling.",
            sharpened=True,
        ),
        LargeScaleConfig(
            name="small_sharpened",
            description="The images of small, smoothed and sharpened.",
            limits=SMALL,
            sharpened=True,
        ),
        ScaleConfig(
            name="tiny",
            description="The first 64 / 32 / 32 images for each size; for tests.",
            limits={"train": 64, "validation": 32, "test": 32},
        ),
        STORED,
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

    def part(self, originals: Originals, subset: str, factor: float) -> Part:
        """The examples of one split, in the config's way of rescaling."""
        part = self.rescaled_part(originals, subset, factor)
        return SharpenedPart.of(part) if self.is_sharpened else part

    def parameters(self) -> dict[str, Any]:
        """How the images are smoothed and sharpened, where they are."""
        if not self.is_sharpened:
            return {}
        numbers = {"sigma": SIGMA, "slope": SLOPE, "middle": MIDDLE, "extent": EXTENT}
        return {"sharpened": numbers}

    @property
    def is_sharpened(self) -> bool:
        """Whether the config of this builder has sharpened images."""
        variant = self.variant
        return isinstance(variant, LargeScaleConfig) and variant.sharpened
