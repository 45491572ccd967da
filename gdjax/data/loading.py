"""Data sets as arrays."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any, Literal, overload

import numpy as np

from gdjax.data import sources
from gdjax.data.builder import ScaleBuilder
from gdjax.data.errors import check_limit
from gdjax.data.examples import Examples
from gdjax.data.lazy import Feature, LazyArray, SplitReader
from gdjax.data.prepared_sets import open_builder, without_empty_folders
from gdjax.data.preparing import (
    BUILDERS,
    parse_name,
    prepare,
    prepared_root,
)
from gdjax.data.rescaling import RescaledPart, factor_tag, find_factor
from gdjax.data.sharpened import SharpenedPart
from gdjax.data.split_names import check_names, parse_split


@overload
def load(
    name: str,
    split: str,
    *,
    data_dir: str | Path | None = None,
    limit: int | None = None,
    lazy: Literal[False] = False,
) -> Examples[np.ndarray]: ...


@overload
def load(
    name: str,
    split: str,
    *,
    data_dir: str | Path | None = None,
    limit: int | None = None,
    lazy: bool,
) -> Examples[Any]: ...


def load(
    name: str,
    split: str,
    *,
    data_dir: str | Path | None = None,
    limit: int | None = None,
    lazy: bool = False,
) -> Examples[Any]:
    """A split of a data set, prepared at its first use.

    Args:
      name: the data set, with or without a config: "mnist_large_scale/small".
      split: "train", "test_scale_0p500" and so on, or what TFDS makes of them:
        "train+validation", "train[:10%]"; spaces do not matter.
      data_dir: folder with the source files (the originals, or HDF5 for the config
        `hdf5`); None finds them, or downloads them.
      limit: take only the first ones; None takes all.
      lazy: for data larger than memory: images and labels are a `LazyArray` each, which
        reads from the disk what is indexed, every time (class labels: once).

    Returns:
      The examples in source order: index i is the same object in all `test_scale_*`.

    Raises:
      ValueError: if a name or `limit` is wrong, `split` joins images of different
        sizes or goes beyond what there is, or a file is not what it should be.
      OSError: if files are missing, no source works, or the disk is full.
    """
    shape = _image_shape(name, split)
    check_limit(limit)
    builder = prepare(name, data_dir=data_dir)
    return (_open if lazy else _read)(builder, split, limit, shape)


def test_factors(name: str) -> tuple[float, ...]:
    """The size factors at which a data set has a test split.

    Args:
      name: the data set, with or without a config.

    Returns:
      The factors (dimensionless), ascending; () for sets of one size.

    Raises:
      ValueError: if the name is unknown.
    """
    return parse_name(name)[0].test_factors()


def class_names(name: str) -> tuple[str, ...]:
    """The names of the classes of a data set, in the order of its labels.

    Args:
      name: the data set, with or without a config.

    Raises:
      ValueError: if the name is unknown.
    """
    builder_class, config = parse_name(name)
    return open_builder(builder_class, prepared_root(), config).classes


# Test runners collect functions of this name wherever they are imported.
test_factors.__test__ = False  # type: ignore


def load_at_factor(
    name: str,
    factor: float,
    *,
    data_dir: str | Path | None = None,
    limit: int | None = None,
) -> Examples[np.ndarray]:
    """The test images of a data set at any size factor.

    A factor of the data set gives its prepared split. Any other is resampled from the
    originals by the same code; a factor beyond the largest is then cut off by the
    canvas where it does not fit, and refused where labels are masks.

    Args:
      name: the data set, with or without a config.
      factor: size factor (dimensionless); three decimals suffice to name a prepared
        one (0.595 for 2^(-3/4)).
      data_dir: folder with the source files; None finds them, or downloads them.
      limit: take only the first ones; None takes all.

    Returns:
      The examples; index i is the same object at all factors.

    Raises:
      ValueError: if a name, `factor` or `limit` is wrong, a file is not what it should
        be, or the data set has no other sizes.
      OSError: if files are missing, no source works, or the disk is full.
    """
    builder_class, config = parse_name(name)
    factor_tag(factor)  # Refuses what is no factor.
    known = builder_class.test_factors()
    prepared = find_factor(factor, known or (1.0,))
    if prepared is not None:
        split = f"test_scale_{factor_tag(prepared)}" if known else "test"
        return load(name, split, data_dir=data_dir, limit=limit)
    if not known:
        raise ValueError(
            f"{name} has only factor 1, not {factor}; {_other_sizes(builder_class)}"
        )
    if builder_class.config_named(config).stored:
        sizes = ", ".join(f"{f:.3f}" for f in known)
        raise ValueError(
            f"{name} holds ready-made images at the factors {sizes}, and can't make "
            f"{factor}; take {name.partition('/')[0]} without /{config}"
        )
    return _resample(name, factor, data_dir, limit)


def _resample(
    name: str, factor: float, data_dir: str | Path | None, limit: int | None
) -> Examples[np.ndarray]:
    """Test images at a factor of which there is no prepared split."""
    check_limit(limit)
    builder_class, config = parse_name(name)
    builder = open_builder(builder_class, prepared_root(), config)
    folder = None if data_dir is None else sources.check_folder(data_dir)
    with without_empty_folders(builder):
        originals = builder.originals(folder, download=builder.downloader())
    if builder.MASKS:
        made = builder.part(originals, "test", factor).examples()
        chosen = zip(*itertools.islice(made, limit), strict=True)
        image, mask = (np.stack(arrays) for arrays in chosen)
        return Examples(image, mask[..., 0], classes=builder.classes)
    part = builder.part(originals, "test", factor)
    assert isinstance(part, RescaledPart | SharpenedPart)
    part = part._replace(images=part.images[:limit], labels=part.labels[:limit])
    labels = part.labels.astype(np.int32)
    return Examples(part.stack(), labels, classes=builder.classes)


def _other_sizes(builder_class: type[ScaleBuilder]) -> str:
    """Where the same originals are at other sizes, as the end of an error message."""
    if builder_class.MASKS:
        return "for other sizes take its other configs"
    release = builder_class.RELEASE
    same = {n: b for n, b in BUILDERS.items() if release and b.RELEASE is release}
    rescaled = [name for name, builder in same.items() if builder.test_factors()]
    if not rescaled:
        return "no set has these images at other sizes"
    return f"for other sizes take {' or '.join(rescaled)}"


def _image_shape(name: str, split: str) -> tuple[int, int, int]:
    """Shape of the images of "a+b[:10]"; ValueError if a or b is not a split."""
    builder_class, config = parse_name(name)
    _, terms = parse_split(split)
    check_names(terms, tuple(builder_class.SPLITS), name)
    shapes = {}
    for stem, _ in terms:
        subset, _ = builder_class.SPLITS[stem]
        shapes[builder_class.image_shape(subset, config=config)] = stem
    if len(shapes) > 1:
        sides = ", ".join(f"{stem} {shape[0]} px" for shape, stem in shapes.items())
        raise ValueError(
            f"`split={split!r}` of {name} joins images of different sides ({sides}); "
            "load them one by one"
        )
    return next(iter(shapes))


def _features(
    builder: ScaleBuilder, shape: tuple[int, int, int]
) -> tuple[Feature, Feature]:
    """Of images and labels."""
    image = Feature("image", shape, np.uint8)
    if builder.MASKS:
        return image, Feature("label", shape[:2], np.uint8)
    return image, Feature("label", (), np.int32)


def _read(
    builder: ScaleBuilder, split: str, limit: int | None, shape: tuple[int, int, int]
) -> Examples[np.ndarray]:
    """Decodes every record once, into one array each for images and labels."""
    reader = SplitReader(builder, split, _features(builder, shape))
    count = len(reader) if limit is None else min(limit, len(reader))
    image, label = reader.read(range(count))
    return Examples(image, label, classes=builder.classes)


def _open(
    builder: ScaleBuilder, split: str, limit: int | None, shape: tuple[int, int, int]
) -> Examples[LazyArray]:
    """Nothing is decoded yet. Class labels are few bytes: they are kept once read."""
    image, label = (
        LazyArray(
            SplitReader(builder, split, [feature]), limit=limit, keep=not feature.shape
        )
        for feature in _features(builder, shape)
    )
    return Examples(image, label, classes=builder.classes)
