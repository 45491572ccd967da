"""Images and labels of a user's, checked before anything is traced."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

from gdjax.models.preprocessing import check_images
from gdjax.scalespace.checks import LARGEST_INT

from .batch import IGNORED


# Images that are read at a time where all of them are looked at.
_BLOCK = 1000


class OwnData(NamedTuple):
    """Images and labels, as a training reads them.

    Attributes:
      image: [N, H, W, C], uint8, uint16 or float32 in 0..1; an array, or read when its
        rows are asked for.
      label: int32 [N], or uint8 [N, H, W] with `IGNORED` where nothing counts.
    """

    image: Any
    label: np.ndarray

    @property
    def segmented(self) -> bool:
        """Whether every pixel has a class."""
        return self.label.ndim > 1

    def digest(self) -> str:
        """SHA-256 of all images and labels, which are read for it."""
        found = hashlib.sha256()
        for start in range(0, len(self.label), _BLOCK):
            block = np.ascontiguousarray(self.image[start : start + _BLOCK])
            found.update(f"{block.dtype} {block.shape}".encode())
            found.update(block.data)
        found.update(np.ascontiguousarray(self.label).data)
        return found.hexdigest()


def check_data(data: Any, name: str = "train") -> OwnData:
    """Images and labels, or a sequence of examples, as the training needs them.

    Args:
      data: a tuple of images [N, H, W, C] (uint8, uint16, or floats in 0..1) and labels
        [N], or masks [N, H, W]; what `gdjax.data` loads; or any other sequence of
        examples, each a pair (image, label) or a mapping with "image" and "label",
        which are read once for their labels and then as they are needed.
      name: of the argument, for messages.

    Raises:
      TypeError, ValueError: for anything else, with the remedy.
    """
    if isinstance(data, tuple):
        if len(data) != 2:
            raise ValueError(
                f"`{name}` is a tuple of {len(data)}: give (images, labels), or a list"
                " of examples."
            )
        images, labels = data
    elif _has_length(data) and hasattr(data, "__getitem__"):
        images, labels = _from_examples(data, name)
    else:
        raise TypeError(
            f"`{name}` is a {type(data).__name__}: give (images, labels), or a sequence"
            " of examples with a length."
        )
    images = _checked_images(images, name)
    return OwnData(images, check_labels(labels, images.shape, name))


def check_pair(images: Any, labels: Any) -> OwnData:
    """`check_data` of the arguments `images` and `labels`."""
    images = _checked_images(images, "images")
    return OwnData(images, check_labels(labels, images.shape, "labels"))


def _has_length(data: Any) -> bool:
    try:
        len(data)
    except TypeError:  # arrays without axes have a `__len__`, too
        return False
    return True


def _checked_images(images: Any, name: str) -> Any:
    """In memory, or as they are where they are read when they are needed."""
    stored = getattr(images, "dtype", None) in (np.uint8, np.uint16)
    in_memory = isinstance(images, np.ndarray | jax.Array | list)
    if isinstance(images, _Images) or (
        stored and not in_memory and len(images.shape) == 4 and 0 not in images.shape
    ):
        return images
    try:
        return check_images(images)
    except (TypeError, ValueError) as error:
        where = "" if name == "images" else f"`{name}`: "
        raise type(error)(f"{where}{error}") from None


def check_labels(labels: Any, shape: tuple[int, ...], name: str) -> np.ndarray:
    """Labels of images of a shape [N, H, W, C]: int32 [N], or uint8 [N, H, W].

    Raises:
      TypeError, ValueError: for other types, lengths and negative numbers.
    """
    try:
        labels = np.asarray(labels)
    except ValueError as error:
        raise ValueError(f"`{name}`: labels are no array: {error}.") from None
    if labels.shape not in ((shape[0],), shape[:3]):
        raise ValueError(
            f"`{name}`: labels of shape {labels.shape} don't fit images of shape"
            f" {tuple(shape)}: give one class for each, [{shape[0]}], or a mask for"
            f" each, {list(shape[:3])}."
        )
    if not np.issubdtype(labels.dtype, np.integer):
        raise TypeError(
            f"`{name}`: labels are {labels.dtype}: give whole numbers, 0 for the first"
            " class."
        )
    if labels.min() < 0:
        raise ValueError(
            f"`{name}`: the label {labels.min()} (image"
            f" {np.argwhere(labels < 0)[0][0]}) is negative: number classes from 0 on;"
            f" in masks, {IGNORED} is for pixels that don't count."
        )
    if labels.ndim == 1:
        if labels.max() > LARGEST_INT:
            raise ValueError(
                f"`{name}`: the label {labels.max()} is more than {LARGEST_INT}: number"
                " classes from 0 on."
            )
        return labels.astype(np.int32)
    if labels.max() > 255:
        raise ValueError(f"`{name}`: masks have the label {labels.max()}, above 255.")
    return labels.astype(np.uint8)


def check_classes(data: OwnData, classes: int, name: str) -> None:
    """Refuse labels of classes that a network doesn't have.

    Raises:
      ValueError: naming the label and its image.
    """
    unknown = data.label >= classes
    if data.segmented:
        unknown &= data.label != IGNORED
    if unknown.any():
        place = np.argwhere(unknown)[0]
        raise ValueError(
            f"`{name}` has the label {data.label[tuple(place)]} (image {place[0]}), but"
            f" the model gives {classes} scores, for labels 0 to {classes - 1}: give"
            f" a model of {data.label[unknown].max() + 1} classes, or other labels."
        )


def classes_of(data: Any) -> tuple[str, ...]:
    """Names of the classes that data have with them, or ()."""
    classes = getattr(data, "classes", ())
    if isinstance(classes, np.ndarray):
        classes = classes.tolist()
    named = isinstance(classes, tuple | list)
    return (
        tuple(classes)
        if named and all(isinstance(each, str) for each in classes)
        else ()
    )


def check_same_classes(sets: Mapping[str, Any]) -> None:
    """Refuse sets whose classes have other names or another order.

    Args:
      sets: by the name of the argument; those without names of classes are passed over.

    Raises:
      ValueError: naming two of them.
    """
    named = {
        name: classes for name, given in sets.items() if (classes := classes_of(given))
    }
    for name, classes in named.items():
        first, others = next(iter(named.items()))
        if classes != others:
            raise ValueError(
                f"`{name}` has the classes {', '.join(classes)}, `{first}`"
                f" {', '.join(others)}: their labels mean different classes; give"
                " folders with the same classes."
            )


class _Images:
    """The images of a sequence of examples, read when their rows are asked for."""

    def __init__(self, examples: Any, first: np.ndarray):
        self._examples = examples
        self.shape, self.dtype = (len(examples), *first.shape), first.dtype

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any) -> np.ndarray:
        chosen = np.arange(len(self))[rows]
        images = [_pair(self._examples[int(row)])[0] for row in np.atleast_1d(chosen)]
        return np.stack(images) if chosen.ndim else np.asarray(images[0])


def _from_examples(examples: Any, name: str) -> tuple[_Images, np.ndarray]:
    """Images, and labels, for which every example is read once."""
    if len(examples) == 0:
        raise ValueError(f"`{name}` is empty: give at least one example.")
    labels, first = [], None
    for row in range(len(examples)):
        try:
            image, label = _pair(examples[row])
        except (TypeError, KeyError, ValueError) as error:
            raise TypeError(
                f"`{name}[{row}]` is no pair (image, label) and no mapping with"
                f' "image" and "label": {error}'
            ) from None
        first = image if first is None else first
        if (image.shape, image.dtype) != (first.shape, first.dtype):
            raise ValueError(
                f"`{name}[{row}]` is an image {list(image.shape)} of {image.dtype}, but"
                f" the first is {list(first.shape)} of {first.dtype}: give images of"
                " one size, one number of channels and one type."
            )
        try:
            check_images(image[None])
        except (TypeError, ValueError) as error:
            raise type(error)(f"`{name}[{row}]`: {error}") from None
        labels.append(_label(label, f"{name}[{row}]"))
    if len({label.shape for label in labels}) > 1:
        raise ValueError(f"`{name}`: labels are of several shapes: give one for each.")
    assert first is not None
    return _Images(examples, first), np.stack(labels)


def _label(label: Any, name: str) -> np.ndarray:
    try:
        return np.asarray(label)
    except ValueError as error:
        raise ValueError(f"`{name}`: its label is no array: {error}.") from None


def _pair(example: Any) -> tuple[np.ndarray, Any]:
    if isinstance(example, Mapping):
        return np.asarray(example["image"]), example["label"]
    image, label = example
    return np.asarray(image), label
