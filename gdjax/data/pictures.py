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
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from gdjax.data.errors import DataError


FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "WEBP")
SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")

# Mode of Pillow -> the one it is converted to; palettes are colours.
_GREY = {"1": "L", "L": "L", "LA": "L"}
_COLOUR = {"P": "RGB", "RGB": "RGB", "RGBX": "RGB", "RGBA": "RGB", "PA": "RGB"}
_MODES = {**_GREY, **_COLOUR, "I;16": "I;16", "I;16L": "I;16", "I;16B": "I;16"}
_WORDS = {"L": "grey", "RGB": "RGB", "I;16": "16-bit grey"}

# By these orientations of EXIF, rows are columns.
_LYING = (5, 6, 7, 8)

_MASK_MODES, _MASK_FORMATS = ("P", "L"), ("PNG", "BMP", "TIFF")


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
      Both; those of a PNG with EXIF data after its pixels are as stored.

    Raises:
      OSError: if the file can't be opened.
      DataError: if it is no picture, one of several, or of a mode that isn't read.
    """
    with _opened(path) as image:
        return Kind(_upright_size(image), _MODES[image.mode])


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
    with _opened(path) as image:
        upright: Any = ImageOps.exif_transpose(image)
        mode = _MODES[image.mode]
        if mode != "I;16" and upright.has_transparency_data:
            colour = upright.convert("RGBA" if mode == "RGB" else "LA")
            if colour.getextrema()[-1][0] < 255:
                raise DataError(
                    f"{path} has transparent pixels, whose colour depends on what is "
                    "behind them: save it without transparency"
                )
            upright = colour
        if mode == "I;16":
            pixels = np.asarray(upright).astype(np.uint16)
        else:
            pixels = np.array(upright.convert(mode))
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
    with _opened(path) as image:
        upright = ImageOps.exif_transpose(image)
        upright.load()
        yield upright


def read_class_mask(path: Path) -> np.ndarray:
    """A mask whose stored values are classes: grey of 8 bits, or palette indices.

    Args:
      path: the file; JPEG is refused, which changes values.

    Returns:
      uint8 [H, W].

    Raises:
      OSError: if the file can't be opened.
      DataError: if it is broken, has several channels, or is a JPEG; names the file.
    """
    with _opened(path, modes=_MASK_MODES, formats=_MASK_FORMATS) as image:
        # Turned like its image: both come from one program.
        return np.array(ImageOps.exif_transpose(image))


def mask_size(path: Path) -> tuple[int, int]:
    """Size of a mask, (H, W) in px, from its header alone; see `read_class_mask`."""
    with _opened(path, modes=_MASK_MODES, formats=_MASK_FORMATS) as image:
        return _upright_size(image)


def _upright_size(image: Any) -> tuple[int, int]:
    """(H, W) of an open file, once it is turned."""
    # Pillow turns TIFF by itself; of PNG, `getexif` would decode all pixels.
    exif: Any = {}
    if image.format in ("JPEG", "MPO", "WEBP"):
        exif = image.getexif()
    elif image.format == "PNG" and "exif" in image.info:
        exif = Image.Exif()
        exif.load(image.info["exif"])
    lying = exif.get(ExifTags.Base.Orientation) in _LYING
    return (image.width, image.height) if lying else (image.height, image.width)


@contextlib.contextmanager
def _opened(
    path: Path,
    *,
    modes: tuple[str, ...] = tuple(_MODES),
    formats: tuple[str, ...] = FORMATS,
) -> Iterator[Any]:
    """The open file; whatever Pillow raises meanwhile becomes a DataError."""
    try:
        with Image.open(path, formats=formats) as image:
            _check(path, image, modes)
            yield image
    except (DataError, FileNotFoundError, PermissionError, IsADirectoryError):
        raise
    except Exception as error:
        # A few wrong bytes make Pillow raise any of a dozen types.
        first_line = str(error).partition("\n")[0] or type(error).__name__
        if isinstance(error, UnidentifiedImageError):
            first_line = f"not {', '.join(formats)}"
        raise DataError(
            f"{path} is unreadable: no picture, cut short or damaged ({first_line}); "
            "get it anew, or take it away"
        ) from error


def _check(path: Path, image: Any, modes: tuple[str, ...]) -> None:
    several = getattr(image, "n_frames", 1)
    # MPO is what many cameras write: a JPEG with previews of it.
    if several > 1 and image.format != "MPO":
        raise DataError(f"{path} holds {several} pictures: give each a file of its own")
    if image.mode not in modes:
        expected = "grey, RGB or 16-bit grey"
        if modes == _MASK_MODES:
            expected = "one number of 8 bits for each pixel, grey or by a palette"
        raise DataError(
            f"{path} is of the kind {image.mode}, not {expected}: convert it"
        )
