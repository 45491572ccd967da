"""Any folder of pictures as a data set, read when it is indexed."""

from __future__ import annotations

import itertools
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from gdjax.data.class_masks import (
    check_order,
    check_together,
    mask_header,
    read_class_mask,
)
from gdjax.data.errors import DataError, check_limit
from gdjax.data.examples import Examples
from gdjax.data.folder_layout import (
    Listing,
    Part,
    list_folder,
    training_masks,
)
from gdjax.data.lazy import Feature, LazyArray
from gdjax.data.pictures import (
    Kind,
    picture_kind,
    picture_orientation,
    read_picture,
)


# Decoding leaves Python free, so that threads help.
_THREADS = min(8, os.cpu_count() or 1)


def from_folder(
    path: str | Path,
    *,
    split: str | None = None,
    part: Part = "all",
    limit: int | None = None,
    skip_unreadable: bool = False,
) -> Examples[Any]:
    """The pictures of a folder as a data set.

    Either a folder for each class, `path/CLASS/*.png`, whose sorted names are the
    classes 0, 1, ...; or `path/images/*` and `path/masks/*`, files of the same name but
    for their suffix, where the values that are stored in a mask are classes (grey or
    palette, up to 8 bits; 255 does not count). The names of `train/` are those of all
    splits.

    PNG, JPEG, BMP, TIFF and WebP, all of one size, and all grey, all RGB or all 16-bit
    grey; they are turned upright as their EXIF orientation says. Hidden files and those
    with other suffixes are left out. Only headers are read before images are indexed.

    Args:
      path: the folder; "~" is expanded.
      split: name of a sub-folder that is laid out like this, such as "train" ("val" is
        "validation", too), or several, "train+validation"; None: `path` itself is.
      part: "training" leaves every tenth picture of each class out, sorted by name,
        "validation" takes these alone: for folders without a `validation/`.
      limit: take only the first ones; None takes all.
      skip_unreadable: leave out what can't be read, with a warning that names it; every
        picture is then decoded at once, to try.

    Returns:
      Images as a `LazyArray`, uint8 or uint16 [N, H, W, C] with C = 1 or 3; labels,
      int32 [N] in memory, or masks as a `LazyArray`, uint8 [N, H, W]; the names of the
      classes. The first picture of each class comes first, then the second of each,
      and so on: the first N are of all classes.

    Raises:
      ValueError: if `part` or `limit` is wrong.
      DataError: if a folder is missing, has no pictures or is not laid out so; if sizes
        or modes differ, a mask is missing or of another size, turned otherwise than its
        picture, or its palette in another order; if a file is unreadable (when indexed,
        for one cut short). Names the files.

    gdjax.
    """
    check_limit(limit)
    listing = list_folder(path, split=split, part=part)
    if skip_unreadable:
        readable = itertools.islice(_readable_rows(listing), limit)
        listing = listing.take(readable)
        if not listing.images:
            raise DataError(f"`path={path}`: none of its pictures is readable")
    listing = listing.take(range(len(listing.images))[:limit])
    kind = _common_kind(listing.images)
    if listing.masks:
        others = training_masks(path) if split is not None else ()
        _check_masks(listing, kind, others)
    image = Feature("image", kind.shape, kind.dtype)
    images = LazyArray(FileReader(listing.images, image, read_picture))
    if not listing.masks:
        return Examples(images, listing.labels, classes=listing.classes)
    mask = Feature("label", kind.size, np.uint8)
    masks = LazyArray(FileReader(listing.masks, mask, read_class_mask))
    return Examples(images, masks)


def folder_classes(path: str | Path, *, split: str | None = None) -> tuple[str, ...]:
    """The names of the classes of a folder, without a look into its files.

    Args:
      path: the folder.
      split: as in `from_folder`.

    Returns:
      The names in the order of the labels; () where there are masks.

    Raises:
      DataError: as `from_folder`.

    gdjax.
    """
    return list_folder(path, split=split, part="all").classes


class FileReader:
    """Reads an array from each of a list of files; it keeps none of them.

    It may be used from several threads at once.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        feature: Feature,
        read_file: Callable[[Path], np.ndarray],
    ):
        """Nothing is read yet.

        Args:
          paths: the files.
          feature: name, shape and type of what is in each.
          read_file: reads one.
        """
        self.features = (feature,)
        self._paths, self._read_file = tuple(paths), read_file

    def __len__(self) -> int:
        return len(self._paths)

    def read(self, rows: Sequence[int] | np.ndarray) -> list[np.ndarray]:
        """Reads files.

        Args:
          rows: their numbers, 0 to `len(self) - 1`, in any order.

        Returns:
          One array [len(rows), ...].

        Raises:
          OSError: if a file is gone.
          DataError: if one is unreadable, or not like the others; names it.
        """
        (feature,) = self.features
        values = np.empty((len(rows), *feature.shape), feature.dtype)
        paths = [self._paths[int(row)] for row in rows]
        if len(paths) < 2:
            for i, path in enumerate(paths):
                values[i] = self._checked(path)
            return [values]
        with ThreadPoolExecutor(_THREADS) as threads:
            for i, value in enumerate(threads.map(self._checked, paths)):
                values[i] = value
        return [values]

    def _checked(self, path: Path) -> np.ndarray:
        (feature,) = self.features
        value = self._read_file(path)
        if value.shape != feature.shape or value.dtype != feature.dtype:
            raise DataError(
                f"{path} is {value.dtype} {value.shape}, but the first picture was "
                f"{np.dtype(feature.dtype)} {feature.shape}: make all of one size and "
                "mode, and leave them alone while they are used"
            )
        return value


def _readable_rows(listing: Listing) -> Iterator[int]:
    """Rows whose picture, and mask, can be read; of the others, it warns."""
    for row, image in enumerate(listing.images):
        try:
            read_picture(image)
            if listing.masks:
                read_class_mask(listing.masks[row])
        except (OSError, DataError) as error:
            warnings.warn(f"left out: {error}", stacklevel=3)
        else:
            yield row


def _common_kind(paths: Sequence[Path]) -> Kind:
    """Size and mode of all the pictures."""
    first = picture_kind(paths[0])
    for path in paths[1:]:
        kind = picture_kind(path)
        if kind != first:
            raise DataError(
                f"{paths[0]} is {first}, but {path} is {kind}: all pictures of a set "
                "are of one size and mode, so resize or convert some"
            )
    return first


def _check_masks(listing: Listing, kind: Kind, others: Sequence[Path]) -> None:
    """Sizes, orientations and palettes; these also go together with those of others."""
    palettes = [(path, mask_header(path).palette) for path in others]
    for image, mask in zip(listing.images, listing.masks, strict=True):
        header = mask_header(mask)
        (height, width), (rows, columns) = header.size, kind.size
        if header.size != kind.size:
            raise DataError(
                f"{mask} has {height}x{width} px, but its picture {image} has "
                f"{rows}x{columns}: make both of one size"
            )
        check_together(image, picture_orientation(image), mask, header.orientation)
        palettes.append((mask, header.palette))
    check_order(palettes)
