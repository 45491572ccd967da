"""Cityscapes with its fine masks, in the 19 classes that are evaluated."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gdjax.data.errors import DataError, unknown
from gdjax.data.masked_images import IGNORED, MaskedImages, present, read_indices
from gdjax.data.sources import check_folder


# Label in the files -> class; all others up to 33 are not evaluated.
EVALUATED = {
    7: "road",
    8: "sidewalk",
    11: "building",
    12: "wall",
    13: "fence",
    17: "pole",
    19: "traffic light",
    20: "traffic sign",
    21: "vegetation",
    22: "terrain",
    23: "sky",
    24: "person",
    25: "rider",
    26: "car",
    27: "truck",
    28: "bus",
    31: "train",
    32: "motorcycle",
    33: "bicycle",
}

_SPLITS = ("train", "val", "test")
_IMAGE, _MASK = "_leftImg8bit", "_gtFine_labelIds"
_LARGEST = 33

_CLASS_OF = np.full(256, IGNORED, np.uint8)
_CLASS_OF[list(EVALUATED)] = np.arange(len(EVALUATED))


def open_cityscapes(folder: str | Path, split: str) -> MaskedImages:
    """Images of Cityscapes, 1024x2048 px, with masks of 19 classes and 255.

    Args:
      folder: has leftImg8bit and gtFine (leftImg8bit_trainvaltest.zip and
        gtFine_trainvaltest.zip, unpacked).
      split: "train" (2,975 images), "val" (500) or "test" (1,525, whose masks are not
        published: nothing in the files counts).

    Returns:
      The images, city by city, sorted; read one by one when asked for.

    Raises:
      ValueError: if there is no such split.
      OSError: if the folder, images or masks are missing.
    """
    if split not in _SPLITS:
        raise unknown("split of Cityscapes", split, _SPLITS)
    root = check_folder(folder)
    images, masks = root / "leftImg8bit" / split, root / "gtFine" / split
    for place in (images, masks):
        if not place.is_dir():
            raise FileNotFoundError(
                f"the data folder {root} is not that of Cityscapes, or not all of it: "
                f"it lacks {place.relative_to(root)}; unpack "
                "leftImg8bit_trainvaltest.zip and gtFine_trainvaltest.zip there"
            )
    first, second = _names(images, _IMAGE), _names(masks, _MASK)
    found_images, found_masks, found_names = [], [], []
    for city in sorted({*first, *second}):
        # Either may have been unpacked in part only.
        names = sorted({*first.get(city, ()), *second.get(city, ())})
        found_images += present(images / city, names, f"{_IMAGE}.png")
        found_masks += present(masks / city, names, f"{_MASK}.png")
        found_names += names
    if not found_names:
        raise FileNotFoundError(f"{images} has no */*{_IMAGE}.png")
    return MaskedImages(
        names=tuple(found_names),
        images=tuple(found_images),
        masks=tuple(found_masks),
        classes=tuple(EVALUATED.values()),
        read_mask=read_mask,
    )


def read_mask(path: Path) -> np.ndarray:
    """A mask of labels, turned into classes.

    Args:
      path: a file *_labelIds.png.

    Returns:
      uint8 [H, W], 0..18 and 255.

    Raises:
      OSError: if the file can't be opened.
      DataError: if it is broken, no mask, or holds an unknown label.
    """
    labels = read_indices(path)
    if labels.max(initial=0) > _LARGEST:
        row, column = np.argwhere(labels > _LARGEST)[0]
        raise DataError(
            f"{path} holds the label {labels[row, column]} (row {row}, column "
            f"{column}), but those of Cityscapes are 0..{_LARGEST}; take the files "
            f"*{_MASK}.png as published"
        )
    return _CLASS_OF[labels]


def _names(folder: Path, suffix: str) -> dict[str, list[str]]:
    """City -> names of its files without suffix."""
    cities: dict[str, list[str]] = {}
    for path in folder.glob(f"*/*{suffix}.png"):
        name = path.name.removesuffix(f"{suffix}.png")
        cities.setdefault(path.parent.name, []).append(name)
    return cities
