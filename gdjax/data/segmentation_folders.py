"""Photographs with masks: PASCAL VOC 2012, SBD for more of its images, and Cityscapes.

SBD (Semantic Boundaries Dataset) has masks for 11,355 images of VOC. What is trained on
in the literature, "trainaug", are both together, without VOC's validation images. Of
Cityscapes, the fine masks are read, in the 19 classes that are evaluated.

[njet] sec. 4.2, experiment 2(B).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gdjax.data.class_masks import Palette
from gdjax.data.errors import DataError, unknown
from gdjax.data.formats import parse_mat, unpack
from gdjax.data.masked_images import (
    IGNORED,
    MaskedImages,
    present,
    read_indices,
    read_names,
)
from gdjax.data.sources import check_folder, is_hidden


# Classes of VOC and SBD.
OBJECTS = tuple(
    (
        "background aeroplane bicycle bird boat bottle bus car cat chair cow "
        "diningtable dog horse motorbike person pottedplant sheep sofa train tvmonitor"
    ).split()
)

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

# Colours of the indices 0, 1, ... in the palettes of VOC: bits of the index, from its
# lowest, are the highest bits of red, green, blue, red and so on.
_VOC_PALETTE: Palette = tuple(
    tuple(
        sum((index >> 3 * i + channel & 1) << 7 - i for i in range(3))
        for channel in range(3)
    )  # type: ignore
    for index in range(256)
)

_IMAGE, _MASK = "_leftImg8bit", "_gtFine_labelIds"
_LARGEST = 33

_CLASS_OF = np.full(256, IGNORED, np.uint8)
_CLASS_OF[list(EVALUATED)] = np.arange(len(EVALUATED))


def open_pascal_voc(folder: str | Path, split: str) -> MaskedImages:
    """Images and masks of VOC 2012; 255 is on the outlines of objects.

    Args:
      folder: VOC2012 (with JPEGImages, SegmentationClass and ImageSets), or a folder
        that has VOC2012 or VOCdevkit/VOC2012.
      split: "train" (1,464 images), "val" (1,449) or "trainval".

    Returns:
      The images in the order of ImageSets/Segmentation; read one by one when asked for.

    Raises:
      ValueError: if there is no such split.
      OSError: if the folder, or a file that the list of the split names, is missing.
      DataError: if the list is no list of names.
    """
    _check_split("PASCAL VOC", split, ("train", "val", "trainval"))
    root = _voc_root(folder)
    return _open_voc(root, read_names(_voc_list(root, split)))


def open_sbd(folder: str | Path, split: str) -> MaskedImages:
    """Images and masks of SBD, which has the classes of VOC and no 255.

    Args:
      folder: SBD's folder "dataset" (with img, cls, train.txt and val.txt), or a folder
        that has dataset or benchmark_RELEASE/dataset.
      split: "train" (8,498 images) or "val" (2,857).

    Returns:
      The images in the order of the list; read one by one when asked for.

    Raises:
      ValueError: if there is no such split.
      OSError: if the folder, or a file that the list of the split names, is missing.
      DataError: if the list is no list of names.
    """
    _check_split("SBD", split, ("train", "val"))
    root = _sbd_root(folder)
    return _open_sbd(root, read_names(root / f"{split}.txt"))


def open_trainaug(voc_folder: str | Path, sbd_folder: str | Path) -> MaskedImages:
    """Training images of VOC and all of SBD, without VOC's validation images (10,582).

    Choice: an image that is in both has VOC's mask.

    Args:
      voc_folder: as in `open_pascal_voc`.
      sbd_folder: as in `open_sbd`.

    Returns:
      VOC's training images, then SBD's, in the order of their lists; read one by one
      when asked for.

    Raises:
      OSError: if a folder, or a file that a list names, is missing.
      DataError: if a list is no list of names.
    """
    voc, sbd = _voc_root(voc_folder), _sbd_root(sbd_folder)
    first = read_names(_voc_list(voc, "train"))
    known = {*first, *read_names(_voc_list(voc, "val"))}
    both = [*read_names(sbd / "train.txt"), *read_names(sbd / "val.txt")]
    others = [name for name in dict.fromkeys(both) if name not in known]
    a, b = _open_voc(voc, first), _open_sbd(sbd, others)
    return _of_voc(a.names + b.names, a.images + b.images, a.masks + b.masks)


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
    _check_split("Cityscapes", split, ("train", "val", "test"))
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
        read_mask=read_cityscapes_mask,
    )


def read_voc_mask(path: Path) -> np.ndarray:
    """A mask of VOC (.png) or of SBD (.mat).

    Args:
      path: the file.

    Returns:
      uint8 [H, W].

    Raises:
      OSError: if the file can't be opened.
      DataError: if it is broken or no mask.
    """
    if path.suffix != ".mat":
        return read_indices(path, known=_VOC_PALETTE)
    remedy = "unpack it anew from SBD's archive"
    raw = unpack(path, remedy=remedy)
    struct = parse_mat(raw, str(path), ["GTcls"], remedy=remedy)["GTcls"]
    if struct.shape != (1, 1) or "Segmentation" not in (struct.dtype.names or ()):
        raise DataError(f"{path} has no GTcls.Segmentation; {remedy}")
    mask = struct["Segmentation"][0, 0]
    if not isinstance(mask, np.ndarray) or mask.ndim != 2 or mask.dtype != np.uint8:
        found = f"{mask.dtype} {mask.shape}" if isinstance(mask, np.ndarray) else "none"
        raise DataError(
            f"{path} has a GTcls.Segmentation of {found}, expected uint8 (H, W); "
            f"{remedy}"
        )
    return mask


def read_cityscapes_mask(path: Path) -> np.ndarray:
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


def _check_split(title: str, split: str, splits: Sequence[str]) -> None:
    if split not in splits:
        raise unknown(f"split of {title}", split, splits)


def _voc_root(folder: str | Path) -> Path:
    return _root(
        folder,
        ("VOC2012", "VOCdevkit/VOC2012"),
        "ImageSets/Segmentation",
        "PASCAL VOC 2012 (VOCtrainval_11-May-2012.tar)",
    )


def _sbd_root(folder: str | Path) -> Path:
    return _root(
        folder, ("dataset", "benchmark_RELEASE/dataset"), "cls", "SBD (benchmark.tgz)"
    )


def _root(folder: str | Path, inside: tuple[str, str], marker: str, title: str) -> Path:
    """The folder, or that of `inside`, which has the folder `marker`."""
    folder = check_folder(folder)
    for place in (folder, *(folder / name for name in inside)):
        if (place / marker).is_dir():
            return place
    raise FileNotFoundError(
        f"the data folder {folder} is not that of {title}: neither it nor its "
        f"{inside[0]} or {inside[1]} has a folder {marker}"
    )


def _voc_list(root: Path, split: str) -> Path:
    return root / "ImageSets" / "Segmentation" / f"{split}.txt"


def _open_voc(root: Path, names: Sequence[str]) -> MaskedImages:
    masks = present(root / "SegmentationClass", names, ".png")
    return _of_voc(names, present(root / "JPEGImages", names, ".jpg"), masks)


def _open_sbd(root: Path, names: Sequence[str]) -> MaskedImages:
    masks = present(root / "cls", names, ".mat")
    return _of_voc(names, present(root / "img", names, ".jpg"), masks)


def _of_voc(
    names: Sequence[str], images: tuple[Path, ...], masks: tuple[Path, ...]
) -> MaskedImages:
    return MaskedImages(tuple(names), images, masks, OBJECTS, read_voc_mask)


def _names(folder: Path, suffix: str) -> dict[str, list[str]]:
    """City -> names of its files without suffix."""
    cities: dict[str, list[str]] = {}
    for path in folder.glob(f"*/*{suffix}.png"):
        if is_hidden(path) or is_hidden(path.parent):
            continue
        name = path.name.removesuffix(f"{suffix}.png")
        cities.setdefault(path.parent.name, []).append(name)
    return cities
