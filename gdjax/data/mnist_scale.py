"""MNIST-Scale: every digit once, at a smaller size that is drawn; six realisations.

Besides, the same split of MNIST without the scaling, for sets that scale on the fly.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image

from gdjax.data.builder import PLAIN_SPLITS, ScaleBuilder, ScaleConfig
from gdjax.data.originals import Originals
from gdjax.data.releases import MNIST
from gdjax.data.rescaling import rescale
from gdjax.data.sources import Download


Sampling = Literal["published", "antialiased", "unscaled"]

LOW, HIGH = 0.3, 1.0

_SEED = 0
_SUBSETS = tuple(PLAIN_SPLITS)
_IMAGES = 70_000
# train, validation, test.
_SIZES = 10_000, 2_000, 50_000
_UNSCALED_SIZES = 10_000, 5_000, 50_000


@dataclasses.dataclass(eq=False)
class RealisationConfig(ScaleConfig):
    """A variant of `MnistScale`.

    Attributes:
      sampling: how digits are made smaller; "unscaled" ones are not.
      realisation: number of the split and of the factors.
      sizes: images for training, validation and test, of 70,000.
    """

    sampling: Sampling = "published"
    realisation: int = 0
    sizes: tuple[int, int, int] = _SIZES


_KINDS: dict[Sampling, tuple[str, int, tuple[int, int, int]]] = {
    "published": ("Bicubic without antialiasing, as published.", 6, _SIZES),
    "antialiased": ("Bicubic with antialiasing.", 6, _SIZES),
    "unscaled": ("Digits as they are.", 3, _UNSCALED_SIZES),
}


class MnistScale(ScaleBuilder):
    """MNIST on 28x28 px, each digit once at a factor from 0.3 to 1; six realisations.

    The 70,000 images of both files of MNIST are split into 10,000 / 2,000 / 50,000,
    stratified by class (`split_rows`); 8,000 are left out. Each image is resampled
    about its centre by a factor of its own, uniform in [0.3, 1)
    (`mnist_scale_factors`), and the black around it is filled up to 28x28 px. Split and
    factors are those of the realisation, n = 0..5, in `published_n` and in
    `antialiased_n` alike.

    `published_n` samples as the published set does (`shrink`: Keys' cubic, a = -1, no
    antialiasing, grey levels cut to whole numbers): compare with published figures on
    these. `antialiased_n` samples as `rescale` (a = -1/2, antialiased, rounded), as all
    other sets of gdjax do. `unscaled_n`, n = 0..2, has the digits as they are, split
    into 10,000 / 5,000 / 50,000: the digits of Dynamic Scale MNIST.

    Choice: the published split and factors cannot be drawn again, since they came from
    generators that have changed; these come from NumPy's, seed 0. Factors act about the
    centre of the image; those of the published images acted, in 2019, about a point
    half a pixel down and to the right of it. Grey levels of `published_0` have the mean
    0.0608 and the deviation 0.2161 of white; the published code normalises by 0.0607
    and 0.2161.

    [scale_learning] App. A.2 and A.1 (splits); the sampling is that of the published
    code of the set.
    """

    VERSION = tfds.core.Version("1.1.0")
    RELEASE_NOTES = {
        "1.0.0": "First version.",
        "1.1.0": "Rows of every split in random order, not nearly sorted by class.",
    }
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        "The four IDX files of MNIST (downloaded without a manual folder)."
    )
    BUILDER_CONFIGS = [
        *(
            RealisationConfig(
                name=f"{kind}_{n}",
                description=f"{words} Realisation {n}.",
                sampling=kind,
                realisation=n,
                sizes=sizes,
            )
            for kind, (words, count, sizes) in _KINDS.items()
            for n in range(count)
        ),
        RealisationConfig(
            name="tiny",
            description="The first 64 / 32 / 32 images of published_0; for tests.",
            limits={"train": 64, "validation": 32, "test": 32},
        ),
    ]

    SIDE = 28
    CLASSES = tuple("0123456789")
    SPLITS = PLAIN_SPLITS
    SOURCE = "IDX files: --data-dir, or download"
    RELEASE = MNIST

    @property
    def variant(self) -> RealisationConfig:
        """The config of this builder."""
        return self.builder_config  # type: ignore

    def parameters(self) -> dict[str, Any]:
        """The seed, the realisation, and what its factors are."""
        variant = self.variant
        scaled = variant.sampling != "unscaled"
        return {
            "seed": _SEED,
            "realisation": variant.realisation,
            "sampling": variant.sampling,
            "factors": [LOW, HIGH] if scaled else [1.0, 1.0],
        }

    def originals(self, folder: Path | None, *, download: Download) -> Originals:
        """The images of both files, in the split of this realisation."""
        found = super().originals(folder, download=download)
        # In the order of the files: the validation images end that of training.
        images = np.concatenate([found.images[subset] for subset in _SUBSETS])
        labels = np.concatenate([found.labels[subset] for subset in _SUBSETS])
        sizes = [len(labels) * size // _IMAGES for size in self.variant.sizes]
        split = split_rows(labels, sizes, realisation=self.variant.realisation)
        rows = dict(zip(_SUBSETS, split, strict=True))
        return found._replace(
            images={subset: images[chosen] for subset, chosen in rows.items()},
            labels={subset: labels[chosen] for subset, chosen in rows.items()},
        )

    def part(self, originals: Originals, subset: str, factor: float) -> ShrunkPart:
        """The images of one subset, cut to the limit of this config."""
        del factor  # Always 1: each image has its own.
        count = self.variant.limits.get(subset)
        labels = originals.labels[subset][:count]
        sampling = self.variant.sampling
        return ShrunkPart(
            images=originals.images[subset][:count, ..., 0],
            labels=labels,
            factors=np.ones(len(labels))
            if sampling == "unscaled"
            else _draw(self.variant.realisation, subset, len(labels)),
            antialiased=sampling != "published",
        )


class ShrunkPart(NamedTuple):
    """Images at factors of their own, made one by one.

    Attributes:
      images: uint8 [N, side, side].
      labels: integers [N].
      factors: float64 [N], dimensionless.
      antialiased: sampled by `rescale`, and not by `shrink`.
    """

    images: np.ndarray
    labels: np.ndarray
    factors: np.ndarray
    antialiased: bool

    def examples(self) -> Iterator[tuple[np.ndarray, int]]:
        """Yields image, uint8 [side, side, 1], and label, in the order of the split."""
        rows = zip(self.images, self.labels, self.factors, strict=True)
        for image, label, factor in rows:
            if self.antialiased:
                small = rescale(image, float(factor), size=len(image))
            else:
                small = shrink(image, float(factor))
            yield small[..., None], int(label)


def mnist_scale_factors(realisation: int, subset: str) -> np.ndarray:
    """The factors of the images of `mnist_scale`, in the order of its splits.

    Factor i belongs to image i of the subset in `published_n` and in `antialiased_n`
    (in `tiny`, of realisation 0, too).

    Args:
      realisation: n = 0..5.
      subset: "train", "validation" or "test".

    Returns:
      Factors (dimensionless), float64 [N], uniform in [0.3, 1); N is 10,000, 2,000 or
      50,000.

    Raises:
      ValueError: if there is no such realisation or subset.

    gdjax; the distribution is that of [scale_learning] App. A.2.
    """
    if subset not in _SUBSETS:
        raise ValueError(f"`subset={subset!r}` must be one of {', '.join(_SUBSETS)}.")
    count = _KINDS["published"][1]
    if realisation not in range(count):
        raise ValueError(f"`realisation={realisation}` must be from 0 to {count - 1}.")
    return _draw(realisation, subset, _SIZES[_SUBSETS.index(subset)])


def split_rows(
    labels: np.ndarray, sizes: list[int], *, realisation: int
) -> list[np.ndarray]:
    """Rows of several subsets, stratified by class; none is in two of them.

    The rows are permuted by `np.random.SeedSequence(0, spawn_key=(realisation,))`.
    Subset after subset takes, of what is left of each class, its share by the largest
    remainder (of equal ones, that of the first class). Each is permuted once more: what
    is left begins with the classes that were taken first, and the first rows of a
    subset must be a fair sample of it.

    Args:
      labels: classes, integers [N].
      sizes: rows of each subset, N at most in sum.
      realisation: number of the permutation, at least 0.

    Returns:
      Indices, int64 [size] for each subset.

    Raises:
      ValueError: if there are too few rows.

    gdjax; [scale_learning] App. A says only how many there are of each.
    """
    if sum(sizes) > len(labels):
        raise ValueError(f"`sizes={sizes}` are more than the {len(labels)} rows.")
    seeds = np.random.SeedSequence(_SEED, spawn_key=(realisation,))
    generator, subsets = np.random.default_rng(seeds), []
    rest = generator.permutation(len(labels))
    for size in sizes:
        classes, place = np.unique(labels[rest], return_inverse=True)
        counts = np.bincount(place, minlength=len(classes))
        quotas, remainders = np.divmod(size * counts, max(1, len(rest)))
        largest = np.argsort(-remainders, kind="stable")[: size - quotas.sum()]
        quotas[largest] += 1
        taken = np.zeros(len(rest), bool)
        for number, quota in enumerate(quotas):
            taken[np.flatnonzero(place == number)[:quota]] = True
        subsets.append(generator.permutation(rest[taken]))
        rest = rest[~taken]
    return subsets


def shrink(image: np.ndarray, factor: float) -> np.ndarray:
    """The image about its centre on as many px, without antialiasing.

    Pixel j of N shows the place N / 2 + (j + 1/2 - N / 2) / factor (in px, pixel i
    reaching from i to i + 1), by Keys' cubic with a = -1 over 4x4 px, black where the
    place is outside 0..N. Beyond the border its pixels are repeated, and grey levels
    are cut to whole numbers: all this is Pillow's `transform(AFFINE, BICUBIC)`.

    Args:
      image: uint8 [H, W].
      factor: size in the result over size in `image` (dimensionless), positive.

    Returns:
      uint8 [H, W].

    Raises:
      ValueError: if the image is not uint8 of rank 2, or the factor not positive.

    The published code of MNIST-Scale, to which [scale_learning] App. A.2 refers.
    """
    if image.dtype != np.uint8 or image.ndim != 2 or 0 in image.shape:
        raise ValueError(
            f"`image` must be uint8 [H, W] with at least one pixel, not {image.dtype} "
            f"{image.shape}."
        )
    if not (math.isfinite(factor) and factor > 0):
        raise ValueError(f"`factor={factor}` must be positive and finite.")
    height, width = image.shape
    step = 1 / factor
    affine = (step, 0, width / 2 * (1 - step), 0, step, height / 2 * (1 - step))
    small = Image.fromarray(np.ascontiguousarray(image)).transform(
        (width, height), Image.Transform.AFFINE, affine, Image.Resampling.BICUBIC
    )
    return np.asarray(small)


def _draw(realisation: int, subset: str, count: int) -> np.ndarray:
    """The first factors of a subset, float64 [count]."""
    key = realisation, 1 + _SUBSETS.index(subset)
    seeds = np.random.SeedSequence(_SEED, spawn_key=key)
    return np.random.default_rng(seeds).uniform(LOW, HIGH, count)
