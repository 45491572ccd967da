"""Masks: pictures whose stored numbers are the classes of the pixels.

Choice: a class is the number that the file stores, a sample of grey (of 1, 2, 4 or 8
bits) or the index of a colour. What else the file says of it (turned, transparent, a
palette of greys or in another order) is honoured, or the file is refused.

gdjax.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gdjax.data.errors import DataError
from gdjax.data.picture_files import (
    Wanted,
    opened,
    orientation,
    sample_bits,
    upright,
    upright_size,
    white_is_zero,
)


MASK = Wanted(
    modes=("P", "L", "1"),
    formats=("PNG", "BMP", "TIFF"),
    expected="not one number of 8 bits for each pixel, grey or by a palette: convert "
    "it",
)

# Red, green and blue of each index.
Palette = tuple[tuple[int, int, int], ...]


class MaskHeader(NamedTuple):
    """What a mask says of itself before its pixels.

    Attributes:
      size: (H, W) in px, upright.
      orientation: how EXIF says that it is to be turned, 1 (not at all) to 8.
      palette: colour of each index; () of grey ones.
    """

    size: tuple[int, int]
    orientation: int
    palette: Palette


def read_class_mask(
    path: Path, *, wanted: Wanted = MASK, known: Palette = ()
) -> np.ndarray:
    """A mask whose stored values are classes: grey up to 8 bits, or palette indices.

    It is turned as its EXIF orientation says, like a picture.

    Args:
      path: the file; JPEG is refused, which changes values.
      wanted: which files are taken.
      known: colours that classes are known to have; () if none are.

    Returns:
      uint8 [H, W].

    Raises:
      OSError: if the file can't be opened.
      DataError: if it is broken, has several channels, is a JPEG, has transparent
        pixels, stores 0 for white, or if its palette makes it doubtful which number is
        the class; names the file.
    """
    with opened(path, wanted) as image:
        if white_is_zero(image):
            raise DataError(
                f"{path} stores 0 for white, so that its classes are doubtful: save it "
                "with black as 0 (PhotometricInterpretation 1)"
            )
        if image.format == "BMP" and image.mode == "1":
            raise DataError(_doubtful(path, 1, 255))
        palette, bits = _palette(image), sample_bits(image)
        pixels = np.array(upright(path, image)).astype(np.uint8)
        if image.mode == "L":
            # Pillow spreads samples of 2 and 4 bits over 0..255.
            pixels //= 255 // (2**bits - 1)
        _check_opaque(path, image, pixels, bits)
    if palette:
        _check_palette(path, pixels, palette, known)
    return pixels


def mask_header(path: Path, *, wanted: Wanted = MASK) -> MaskHeader:
    """What a mask says of itself, without a look at its pixels.

    Raises:
      OSError: if the file can't be opened.
      DataError: if it is broken or no mask; names the file.
    """
    with opened(path, wanted) as image:
        return MaskHeader(upright_size(image), orientation(image), _palette(image))


def mask_size(path: Path) -> tuple[int, int]:
    """Size of a mask, (H, W) in px, from its header alone; see `read_class_mask`."""
    return mask_header(path).size


def check_order(masks: Iterable[tuple[Path, Palette]]) -> None:
    """Refuses masks of one set in whose palettes a class has several colours.

    Programs that make files smaller put a palette in another order, in each file as it
    comes: the same index then means another class. Only where palettes differ, pixels
    are read.

    Args:
      masks: files and their palettes.

    Raises:
      OSError: if a file is gone.
      DataError: if two masks use an index in different colours; names both.
    """
    files: dict[int, dict[tuple[int, int, int], list[Path]]] = {}
    for path, palette in masks:
        for index, colour in enumerate(palette):
            files.setdefault(index, {}).setdefault(colour, []).append(path)
    for index, by_colour in files.items():
        if len(by_colour) < 2:
            continue
        users = [_first_user(index, paths) for paths in by_colour.values()]
        used = [path for path in users if path is not None]
        if len(used) > 1:
            raise DataError(
                f"{used[0]} and {used[1]} have different colours for the index "
                f"{index}: their palettes are in different orders, so that indices are "
                "no classes; save all masks with one palette"
            )


def check_together(image: Path, turned: int, mask: Path, mask_turned: int) -> None:
    """Refuses an image and its mask that EXIF says are to be turned differently.

    Whether the mask was drawn on the turned image or on the stored one, neither says.

    Args:
      image: the file.
      turned: its EXIF orientation.
      mask: the file.
      mask_turned: its EXIF orientation.

    Raises:
      DataError: if they differ; names both.
    """
    if turned != mask_turned:
        raise DataError(
            f"{image} has the EXIF orientation {turned}, but its mask {mask} "
            f"{mask_turned}, so that they may not lie on each other: save both "
            "upright, without orientation"
        )


def _first_user(index: int, paths: Sequence[Path]) -> Path | None:
    return next((p for p in paths if (read_class_mask(p) == index).any()), None)


def _check_opaque(path: Path, image: Any, pixels: np.ndarray, bits: int) -> None:
    found = image.info.get("transparency")
    if found is None:
        return
    if isinstance(found, bytes):
        alpha = np.frombuffer(found.ljust(256, b"\xff"), np.uint8)
        transparent = alpha[pixels] < 255
    elif image.mode == "P":
        transparent = pixels == found
    else:
        largest = 2**bits - 1
        transparent = pixels.astype(int) == found * largest // 255
    if transparent.any():
        raise DataError(
            f"{path} has transparent pixels, and nothing says whether they count: save "
            "it without transparency, with 255 where a pixel is not to count"
        )


def _check_palette(
    path: Path, pixels: np.ndarray, palette: Palette, known: Palette
) -> None:
    used = [int(index) for index in np.unique(pixels)]
    colours = {index: palette[index] for index in used if index < len(palette)}
    if all(len(set(colour)) == 1 for colour in colours.values()):
        for index, (level, *_) in colours.items():
            if level != index:
                raise DataError(_doubtful(path, index, level))
    for index, colour in colours.items():
        if colour in known and colour not in known[index : index + 1]:
            raise DataError(
                f"{path} gives the index {index} the colour of the class "
                f"{known.index(colour)}: its palette is in another order than the "
                "published one"
            )


def _doubtful(path: Path, index: int, level: int) -> str:
    return (
        f"{path} has a palette of greys, and it is doubtful whether the class of a "
        f"pixel is its index ({index}) or its grey ({level}): save it as grey of 8 bits"
    )


def _palette(image: Any) -> Palette:
    if image.mode != "P":
        return ()
    order, content = image.palette.getdata()
    if order == "RGB;L":  # TIFF: all reds, all greens, all blues.
        planes = np.frombuffer(content, np.uint8).reshape(3, -1)
        return tuple(map(tuple, planes.T.tolist()))  # type: ignore
    rows = np.frombuffer(content, np.uint8)
    rows = rows[: len(rows) // len(order) * len(order)].reshape(-1, len(order))[:, :3]
    return tuple(map(tuple, (rows[:, ::-1] if order[0] == "B" else rows).tolist()))
