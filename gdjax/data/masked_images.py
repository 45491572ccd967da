"""Photographs with a class for every pixel, in the files of published data sets."""

from __future__ import annotations

import dataclasses
import hashlib
import operator
import os
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, overload

import numpy as np

from gdjax.data.class_masks import (
    Palette,
    check_together,
    read_class_mask,
)
from gdjax.data.errors import DataError
from gdjax.data.picture_files import Wanted, opened, orientation, upright


IGNORED = 255

_ANEW = "unpack it anew from the published archive"

# One of these is in every file with an orientation: EXIF, or what stands for it.
_MAY_BE_TURNED = (
    b"Exif",
    b"eXIf",
    b"Raw profile type exif",
    b"com.adobe.xmp",
    b"ns.adobe.com/xap",
)

_BROKEN = "is no image, or cut short or damaged"
_IMAGE = Wanted(
    modes=("RGB", "L"),
    formats=("JPEG", "PNG"),
    expected="but an image is RGB or grey, 8 bits",
    broken=_BROKEN,
    remedy=_ANEW,
)
_INDICES = Wanted(
    modes=("P", "L"),
    formats=("PNG",),
    expected="but a mask has one number of 8 bits for each pixel, with a palette or "
    "grey (some programs turn palettes into colours when they save)",
    broken=_BROKEN,
    remedy=_ANEW,
)


class MaskedImage(NamedTuple):
    """An image and its mask.

    Attributes:
      image: uint8 [H, W, 3].
      mask: uint8 [H, W]: the class of every pixel, 255 where it is not to count.
    """

    image: np.ndarray
    mask: np.ndarray


@dataclasses.dataclass(frozen=True)
class MaskedImages:
    """A list of images with masks; each is read when it is asked for, every time.

    `images[i]` is a `MaskedImage`, `images[a:b]` a list of fewer; sizes may differ.
    Nothing is kept, so that it may be read from several threads or processes.

    Attributes:
      names: of the images, without folder and suffix.
      images: files of the images.
      masks: files of the masks.
      classes: names of the classes 0, 1, ...
      read_mask: reads a mask, uint8 [H, W].

    gdjax.
    """

    names: tuple[str, ...]
    images: tuple[Path, ...] = dataclasses.field(repr=False)
    masks: tuple[Path, ...] = dataclasses.field(repr=False)
    classes: tuple[str, ...] = dataclasses.field(repr=False)
    read_mask: Callable[[Path], np.ndarray] = dataclasses.field(repr=False)

    def __len__(self) -> int:
        return len(self.names)

    @overload
    def __getitem__(self, index: int) -> MaskedImage: ...

    @overload
    def __getitem__(self, index: slice) -> MaskedImages: ...

    def __getitem__(self, index: int | slice) -> MaskedImage | MaskedImages:
        """One image, or a list of fewer.

        Raises:
          IndexError: if there is no such image.
          OSError: if a file is gone.
          DataError: if a file is broken, is no image or no mask, they differ in size,
            or the mask holds an unknown class; names the file.
        """
        if isinstance(index, slice):
            fewer = {
                field: getattr(self, field)[index]
                for field in ("names", "images", "masks")
            }
            return dataclasses.replace(self, **fewer)
        row = operator.index(index)
        if not -len(self) <= row < len(self):
            raise IndexError(f"there is no image {row}: there are {len(self):,}")
        image, mask = read_image(self.images[row]), self.read_mask(self.masks[row])
        if image.shape[:2] != mask.shape:
            sizes = [f"{a.shape[0]}x{a.shape[1]} px" for a in (image, mask)]
            raise DataError(
                f"{self.masks[row]} has {sizes[1]}, but its image {self.images[row]} "
                f"{sizes[0]} (height x width); {_ANEW}"
            )
        _check_turned(self.images[row], self.masks[row])
        check_classes(mask, self.masks[row], classes=len(self.classes))
        return MaskedImage(image, mask)

    def __iter__(self) -> Iterator[MaskedImage]:
        return (self[row] for row in range(len(self)))


def digest_of_files(images: MaskedImages) -> str:
    """SHA-256 over names and sizes in bytes of the files of images and masks."""
    paths = (*images.images, *images.masks)
    lines = [f"{path.name} {path.stat().st_size}\n" for path in paths]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def read_image(path: Path) -> np.ndarray:
    """A photograph in a JPEG or PNG file, upright (as its EXIF orientation says).

    Args:
      path: the file; a grey one counts as three equal channels.

    Returns:
      uint8 [H, W, 3].

    Raises:
      OSError: if the file can't be opened.
      DataError: if it is broken, neither RGB nor grey, or has a transparent colour.
    """
    with opened(path, _IMAGE) as image:
        if "transparency" in image.info:
            raise DataError(
                f"{path} has a transparent colour, but photographs have none; {_ANEW}"
            )
        return np.array(upright(path, image).convert("RGB"))


def read_indices(path: Path, *, known: Palette = ()) -> np.ndarray:
    """The numbers in a PNG file, be it grey or coloured by a palette.

    Args:
      path: the file.
      known: colours that the classes are known to have.

    Returns:
      uint8 [H, W].

    Raises:
      OSError: if the file can't be opened.
      DataError: if it is broken, has several channels, or its numbers are doubtful; see
        `read_class_mask`.
    """
    return read_class_mask(path, wanted=_INDICES, known=known)


def check_classes(mask: np.ndarray, path: Path, *, classes: int) -> None:
    """Refuses what is neither a class nor `IGNORED`.

    Args:
      mask: integers [H, W].
      path: where it was read.
      classes: how many there are.

    Raises:
      DataError: if there is such a pixel; names the first one.
    """
    wrong = (mask >= classes) & (mask != IGNORED)
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        raise DataError(
            f"{path} holds the label {mask[row, column]} (row {row}, column {column}), "
            f"but labels are 0..{classes - 1}, and {IGNORED} for what is not to count"
        )


def read_names(path: Path) -> list[str]:
    """The names in a text file, one a line.

    Args:
      path: the file.

    Returns:
      The names, in the order of the file.

    Raises:
      FileNotFoundError: if there is no such file.
      DataError: if it is empty, a line is no name, or a name is there twice.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing; {_ANEW}")
    names = path.read_text(encoding="utf-8", errors="replace").split("\n")
    names = [name.strip() for name in names if name.strip()]
    if not names:
        raise DataError(f"{path} is empty; {_ANEW}")
    seen = set()
    for name in names:
        # Names become paths: none may lead out of the folder.
        if not re.fullmatch(r"[\w-]+", name):
            raise DataError(f"{path} holds {name[:50]!r}, which is no name; {_ANEW}")
        if name in seen:
            raise DataError(f"{path} holds {name} twice; {_ANEW}")
        seen.add(name)
    return names


def present(folder: Path, names: Sequence[str], suffix: str) -> tuple[Path, ...]:
    """Files of a folder that must all be there.

    Args:
      folder: the folder.
      names: of the files, without suffix.
      suffix: such as ".png".

    Returns:
      Their paths.

    Raises:
      FileNotFoundError: if the folder or some of them are missing; names the first.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"the folder {folder} is missing; {_ANEW}")
    # One look into the folder is faster than thousands of questions.
    found = set(os.listdir(folder))
    missing = [name for name in names if f"{name}{suffix}" not in found]
    if missing:
        raise FileNotFoundError(
            f"{folder} lacks {missing[0]}{suffix} ({len(missing):,} of {len(names):,} "
            f"files are missing); {_ANEW}"
        )
    return tuple(folder / f"{name}{suffix}" for name in names)


def _check_turned(image: Path, mask: Path) -> None:
    """Refuses an image and a mask that are to be turned differently."""
    other = _turned(mask, _INDICES) if mask.suffix == ".png" else 1
    check_together(image, _turned(image, _IMAGE), mask, other)


def _turned(path: Path, wanted: Wanted) -> int:
    """The EXIF orientation; most files say none, and need not be opened again."""
    content = path.read_bytes()
    if not any(mark in content for mark in _MAY_BE_TURNED):
        return 1
    with opened(path, wanted) as image:
        return orientation(image)
