"""The digits of scikit-learn at nine sizes: a data set that needs no files."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from gdjax.data.builder import ScaleBuilder, ScaleConfig, scale_splits
from gdjax.data.factors import quarter_octaves
from gdjax.data.sources import Download, Originals


_TRAIN = 1400


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
