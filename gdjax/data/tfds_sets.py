"""Any image classification set that TFDS has prepared, read without TensorFlow."""

from __future__ import annotations

import contextlib
import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from gdjax.data.builder import ScaleBuilder
from gdjax.data.errors import DataError, check_limit
from gdjax.data.examples import Examples
from gdjax.data.lazy import Feature, LazyArray, SplitReader
from gdjax.data.prepared_sets import first_line
from gdjax.data.preparing import prepared_root
from gdjax.data.sources import expanded


# NAME, NAME/CONFIG, NAME:VERSION; namespaces lead into the network.
_NAME = r"[\w-]+(/[\w.+-]+)?(:[\d.*]+)?"


def from_tfds(
    name: str,
    split: str,
    *,
    data_dir: str | Path | None = None,
    limit: int | None = None,
) -> Examples[Any]:
    """A split of a set that TFDS has prepared as array_record, read when indexed.

    Nothing is downloaded or prepared, and TensorFlow is not needed. To prepare a set
    whose builder needs it: `tfds build NAME --file_format=array_record`. The sets of
    gdjax are prepared by `load`.

    Args:
      name: as TFDS knows it: NAME, NAME/CONFIG or NAME/CONFIG:VERSION.
      split: as in TFDS, "train", "train[:10%]", "train+test".
      data_dir: folder of the prepared sets; None: $TFDS_DATA_DIR, or
        ~/tensorflow_datasets.
      limit: take only the first ones; None takes all.

    Returns:
      Images as a `LazyArray`, uint8 or uint16 [N, H, W, C], labels as another, int32
      [N] (read at once when they are first indexed), and the names of the classes.

    Raises:
      ValueError: if `limit` is wrong.
      DataError: if there is no such set, or it isn't prepared in `data_dir` or not as
        array_record; if there is no such split; if it has no "image" of one size or no
        "label" that is a whole number (when indexed, for images of several sizes).

    gdjax.
    """
    check_limit(limit)
    builder = _prepared(name, prepared_root() if data_dir is None else Path(data_dir))
    image, label = _features(name, builder)
    split = "".join(split.split())
    with _clear_errors(f"`split={split!r}` of {name}", "take one of its splits"):
        _ = builder.info.splits[split]
    if None in image.shape:
        found = _record(name, builder, split)
        image = image._replace(shape=found.shape)
    with _clear_errors(f"`name={name}`", "prepare it with --file_format=array_record"):
        images = LazyArray(_Reader(builder, split, [image]), limit=limit)
        labels = LazyArray(_Reader(builder, split, [label]), limit=limit, keep=True)
    classes = getattr(builder.info.features["label"], "names", None)  # type: ignore
    return Examples(images, labels, classes=classes or ())


class _Reader(SplitReader):
    """Of a set that was not prepared by gdjax; its images may differ in size."""

    REMEDY = "prepare it anew"

    def _fitted(self, value: Any, feature: Feature) -> Any:
        if np.shape(value) != feature.shape:
            raise DataError(
                f"{self._place} has images of several sizes, {feature.shape} and "
                f"{np.shape(value)}: all must be of one, so write them to a folder at "
                "one size, and take `from_folder`"
            )
        return value


def _prepared(name: str, root: Path) -> tfds.core.DatasetBuilder:
    """The builder of a set that is there."""
    root = expanded(root, "give the whole path as `data_dir`")
    if not re.fullmatch(_NAME, name):
        raise DataError(
            f"`name={name}`: give NAME, NAME/CONFIG or NAME/CONFIG:VERSION of a "
            "prepared set"
        )
    # With a config between name and version, or without.
    infos = (root.glob(f"{depth}/dataset_info.json") for depth in ("*/*", "*/*/*"))
    there = sorted(
        {path.relative_to(root).parts[0] for path in itertools.chain(*infos)}
    )
    known = f"(sets in {root}: {', '.join(there) or 'none'})"
    remedy = f"name one that is prepared in `data_dir` {known}"
    with _clear_errors(f"`name={name}`", remedy):
        builder = tfds.builder(name, data_dir=root)
    if not builder.data_path.exists():
        remedy = f"`tfds build {name} --file_format=array_record`, or name `data_dir`"
        if isinstance(builder, ScaleBuilder):
            remedy = "take `gdjax.data.load`, which prepares it"
        raise DataError(f"`name={name}` is not prepared in {root} {known}: {remedy}")
    description = Path(builder.data_path, "dataset_info.json")
    if not description.is_file():
        raise DataError(
            f"`name={name}` is damaged: {description} is missing; prepare it anew"
        )
    return builder


def _features(name: str, builder: tfds.core.DatasetBuilder) -> tuple[Feature, Feature]:
    """Image and label of a record; sides of the image may be None."""
    stored: Any = builder.info.features
    names = list(stored) if hasattr(stored, "keys") else []
    for wanted in ("image", "label"):
        if wanted not in names:
            raise DataError(
                f"`name={name}` has no {wanted!r} (but {', '.join(sorted(names))}): "
                "sets for the classification of images have both"
            )
    image, label = stored["image"], stored["label"]
    kind = _kind(image)
    if kind not in ("uint8", "uint16") or len(image.shape) != 3:
        raise DataError(
            f"`name={name}` has images of {kind} {image.shape}: expected uint8 or "
            "uint16 (H, W, C)"
        )
    if not _kind(label).startswith(("int", "uint")) or label.shape != ():
        raise DataError(
            f"`name={name}` has labels of {_kind(label)} {label.shape}: expected a "
            "whole number for each image"
        )
    dtype = np.dtype(kind).type
    return Feature("image", image.shape, dtype), Feature("label", (), np.int32)


def _kind(feature: Any) -> str:
    """Type of the values of a feature, or "several" where it has parts."""
    dtype = feature.np_dtype
    return "several" if isinstance(dtype, dict) else np.dtype(dtype).name


def _record(name: str, builder: tfds.core.DatasetBuilder, split: str) -> np.ndarray:
    """The first image of a split."""
    with _clear_errors(f"`name={name}`", "prepare it with --file_format=array_record"):
        options: Any = {"split": split}
        source: Any = builder.as_data_source(**options)
        return np.asarray(source[0]["image"])


@contextlib.contextmanager
def _clear_errors(place: str, remedy: str) -> Iterator[None]:
    """Whatever TFDS raises, in one line."""
    try:
        yield
    except DataError as error:
        if isinstance(error.__cause__, NotImplementedError):  # of another format
            raise DataError(
                f"{place}: {first_line(error.__cause__)}; {remedy}"
            ) from error
        raise
    except Exception as error:
        # Builders raise what they like, from AssertionError to ImportError.
        raise DataError(f"{place}: {first_line(error)}; {remedy}") from error
