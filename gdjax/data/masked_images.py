"""Photographs with a class for every pixel, in the files of published data sets."""

from __future__ import annotations

import dataclasses
import operator
import os
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, overload

import numpy as np
from PIL import Image

from gdjax.data.errors import DataError


IGNORED = 255

_ANEW = "unpack it anew from the published archive"


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
        check_classes(mask, self.masks[row], classes=len(self.classes))
        return MaskedImage(image, mask)

    def __iter__(self) -> Iterator[MaskedImage]:
        return (self[row] for row in range(len(self)))


def read_image(path: Path) -> np.ndarray:
    """A photograph in a JPEG or PNG file.

    Args:
      path: the file; a grey one counts as three equal channels.

    Returns:
      uint8 [H, W, 3].

    Raises:
      OSError: if the file can't be opened.
      DataError: if it is broken, or neither RGB nor grey.
    """
    return _read(path, ("RGB", "L"), "an image is RGB or grey, 8 bits", "RGB")


def read_indices(path: Path) -> np.ndarray:
    """The numbers in a PNG file, be it grey or coloured by a palette.

    Args:
      path: the file.

    Returns:
      uint8 [H, W].

    Raises:
      OSError: if the file can't be opened.
      DataError: if it is broken, or has several channels.
    """
    return _read(
        path,
        ("P", "L"),
        "a mask has one number of 8 bits for each pixel, with a palette or grey (some "
        "programs turn palettes into colours when they save)",
    )


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


def _read(
    path: Path, modes: tuple[str, ...], expected: str, convert: str | None = None
) -> np.ndarray:
    """The pixels of a file whose mode is one of Pillow's `modes`."""
    try:
        with Image.open(path, formats=("JPEG", "PNG")) as image:
            mode = image.mode
            if mode in modes:
                return np.array(image.convert(convert) if convert else image)
    except (FileNotFoundError, PermissionError, IsADirectoryError):
        raise
    except Exception as error:
        # Whatever a few wrong bytes make Pillow raise: there are a dozen types.
        first_line = str(error).partition("\n")[0] or type(error).__name__
        raise DataError(
            f"{path} is no image, or cut short or damaged ({first_line}); {_ANEW}"
        ) from error
    raise DataError(f"{path} is of the kind {mode}, but {expected}")
