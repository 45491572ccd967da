"""Pictures of users: any size, grey or colour, upright, from PNG, JPEG, BMP and so on.

Choice: nothing is made up or thrown away silently. Grey stays grey; an alpha channel is
dropped where it is opaque all over, and refused where it isn't; of files with several
pictures none is chosen.

gdjax.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gdjax.data.class_masks import mask_size, read_class_mask
from gdjax.data.errors import DataError
from gdjax.data.picture_files import (
    FORMATS,
    SUFFIXES,
    Wanted,
    opened,
    orientation,
    palette_size,
    upright,
    upright_size,
)


__all__ = [
    "FORMATS",
    "SUFFIXES",
    "Kind",
    "mask_size",
    "open_picture",
    "picture_kind",
    "picture_orientation",
    "read_class_mask",
    "read_picture",
]

# Mode of Pillow -> the one it is converted to; palettes are colours.
_GREY = {"1": "L", "L": "L", "LA": "L"}
_COLOUR = {"P": "RGB", "RGB": "RGB", "RGBX": "RGB", "RGBA": "RGB", "PA": "RGB"}
_MODES = {**_GREY, **_COLOUR, "I;16": "I;16", "I;16L": "I;16", "I;16B": "I;16"}
_WORDS = {"L": "grey", "RGB": "RGB", "I;16": "16-bit grey"}

_PICTURE = Wanted(
    modes=tuple(_MODES),
    formats=FORMATS,
    expected="not grey, RGB or 16-bit grey: convert it",
)


class Kind(NamedTuple):
    """What a picture will be as an array.

    Attributes:
      size: (H, W) in px, upright.
      mode: "L", "RGB" or "I;16".
    """

    size: tuple[int, int]
    mode: str

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of the array, (H, W, C)."""
        return *self.size, 3 if self.mode == "RGB" else 1

    @property
    def dtype(self) -> type[np.generic]:
        """Of the array."""
        return np.uint16 if self.mode == "I;16" else np.uint8

    def __str__(self) -> str:
        return f"{self.size[0]}x{self.size[1]} px, {_WORDS[self.mode]}"


def picture_kind(path: Path) -> Kind:
    """Size and mode of a picture, from its header alone.

    Args:
      path: the file.

    Returns:
      Both.

    Raises:
      OSError: if the file can't be opened.
      DataError: if it is no picture, one of several, or of a mode that isn't read.
    """
    with opened(path, _PICTURE) as image:
        return Kind(upright_size(image), _MODES[image.mode])


def picture_orientation(path: Path) -> int:
    """How EXIF says that a picture is to be turned: 1 (not at all) to 8.

    Args:
      path: the file; only its header is read.

    Raises:
      OSError: if the file can't be opened.
      DataError: as `picture_kind`.
    """
    with opened(path, _PICTURE) as image:
        return orientation(image)


def read_picture(path: Path) -> np.ndarray:
    """The pixels of a picture, upright (as its EXIF orientation says).

    Args:
      path: the file: PNG, JPEG, BMP, TIFF or WebP. Palettes count as RGB, black and
        white as grey; 16-bit grey stays as it is (16-bit colours, Pillow makes 8 bits).

    Returns:
      uint8 [H, W, 1] or [H, W, 3], or uint16 [H, W, 1].

    Raises:
      OSError: if the file can't be opened.
      DataError: if it is no picture, cut short or damaged, has transparent pixels or
        several pictures, or is of another mode; names the file.
    """
    with opened(path, _PICTURE) as image:
        turned = _upright(path, image)
        mode = _MODES[image.mode]
        if mode != "I;16" and turned.has_transparency_data:
            colour = turned.convert("RGBA" if mode == "RGB" else "LA")
            if colour.getextrema()[-1][0] < 255:
                raise DataError(
                    f"{path} has transparent pixels, whose colour depends on what is "
                    "behind them: save it without transparency"
                )
            turned = colour
        if mode == "I;16":
            pixels = np.asarray(turned).astype(np.uint16)
        else:
            pixels = np.array(turned.convert(mode))
    return pixels if pixels.ndim == 3 else pixels[..., None]


@contextlib.contextmanager
def open_picture(path: Path) -> Iterator[Any]:
    """A picture of any of the modes that are read, upright, as Pillow has it.

    Transparent ones as well: what is behind them is for the caller to say.

    Args:
      path: the file.

    Raises:
      OSError: if the file can't be opened.
      DataError: if it is no picture, cut short or damaged, one of several, or of
        another mode; names the file.
    """
    with opened(path, _PICTURE) as image:
        yield _upright(path, image)


def _upright(path: Path, image: Any) -> Any:
    """`upright`, of which every pixel has a colour; of palettes, Pillow makes black."""
    colours = palette_size(image) if image.mode in ("P", "PA") else 256
    turned = upright(path, image)
    if colours < 256 and (most := turned.getchannel(0).getextrema()[1]) >= colours:
        raise DataError(
            f"{path} has a pixel of the colour {most}, but {colours} colours in its"
            " palette: get it anew"
        )
    return turned
