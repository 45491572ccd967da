"""Files of pictures: opened, checked, and what their headers say of the pixels.

Pillow turns whatever a file stores into one of its modes. Where that loses what the
file says of its values, it is noticed here, from the header alone.

gdjax.
"""

from __future__ import annotations

import contextlib
import io
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from gdjax.data.errors import DataError


FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "WEBP")
SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")

# By these orientations of EXIF, rows are columns.
_LYING = (5, 6, 7, 8)

_BITS, _PHOTOMETRIC, _EXTRA, _SAMPLE_FORMAT = 258, 262, 338, 339  # Tags of TIFF.
_WIDTH, _HEIGHT, _COMPRESSION, _SAMPLES, _PLANAR = 256, 257, 259, 277, 284
_ROWS_PER_STRIP, _STRIPS, _STRIP_BYTES = 278, 273, 279
_SIGNED, _GREY_ALPHA = 2, 4  # A sample format of TIFF, a colour type of PNG.
_NOTES = (b"eXIf", b"tEXt", b"zTXt", b"iTXt")  # Any of them may say how PNGs are turned
_LARGEST_NOTE = 2**24


class Wanted(NamedTuple):
    """Which files are taken, and what is said of the others.

    Attributes:
      modes: of Pillow.
      formats: of Pillow.
      expected: follows "is of the kind CMYK", as in ", not grey or RGB: convert it".
      broken: what an unreadable file is.
      remedy: what helps.
    """

    modes: tuple[str, ...]
    formats: tuple[str, ...]
    expected: str
    broken: str = "is unreadable: no picture, cut short or damaged"
    remedy: str = "get it anew, or take it away"


@contextlib.contextmanager
def opened(path: Path, wanted: Wanted) -> Iterator[Any]:
    """An open picture of Pillow; none of its pixels is decoded yet.

    Args:
      path: the file.
      wanted: which files are taken.

    Raises:
      OSError: if the file can't be opened.
      DataError: if it is no picture, one of several, of another mode, or its values do
        not mean what Pillow makes of them; whatever Pillow raises meanwhile. Names the
        file.
    """
    try:
        # Not by its name: Pillow then maps uncompressed files into memory, and with
        # the sides of the turned picture (TIFF), which scrambles its pixels.
        file = Path(path).open("rb")
        with file, Image.open(file, formats=wanted.formats) as image:
            _check(path, image, wanted)
            yield image
    except (DataError, FileNotFoundError, PermissionError, IsADirectoryError):
        raise
    except Image.DecompressionBombError as error:
        most = 2 * (Image.MAX_IMAGE_PIXELS or 0)
        raise DataError(
            f"{path} claims to have more than {most:,} px, which is too much for one "
            f"picture; {wanted.remedy}, or cut it into pieces"
        ) from error
    except Exception as error:
        # A few wrong bytes make Pillow raise any of a dozen types.
        first_line = str(error).partition("\n")[0] or type(error).__name__
        if isinstance(error, UnidentifiedImageError):
            first_line = f"not {', '.join(wanted.formats)}"
        problem = f"{path} {wanted.broken} ({first_line}); {wanted.remedy}"
        raise DataError(problem) from error


def orientation(image: Any) -> int:
    """How EXIF says that an open picture is to be turned, from its header alone.

    Args:
      image: of Pillow, not loaded yet.

    Returns:
      1 (not at all) to 8.
    """
    exif = _png_exif(image) if image.format == "PNG" else image.getexif()
    found = exif.get(ExifTags.Base.Orientation, 1)
    return int(found) if found in range(2, 9) else 1


def upright_size(image: Any) -> tuple[int, int]:
    """(H, W) in px of an open picture, once it is turned."""
    # Of TIFF, Pillow gives the sides as they will be.
    lying = image.format != "TIFF" and orientation(image) in _LYING
    return (image.width, image.height) if lying else (image.height, image.width)


def upright(path: Path, image: Any) -> Any:
    """The pixels of an open picture, turned as EXIF says, as a picture of Pillow.

    Args:
      path: the file.
      image: of Pillow, as from `opened`.

    Raises:
      Exception: what Pillow raises if it is cut short or damaged; an OSError if it is a
        PNG with a wrong sum, which Pillow does not look at. For `opened` to word.
    """
    turned = ImageOps.exif_transpose(image)
    if image.format == "PNG":
        _check_sums(path)
    return turned


def sample_bits(image: Any) -> int:
    """Bits of a stored sample, or index: 1, 2, 4, 8, 12, 16 or 32."""
    if image.format == "PNG":
        return _bytes_at(image, 24, 1)[0]
    if image.format == "TIFF":
        return int(image.tag_v2.get(_BITS, (1,))[0])
    if image.format == "BMP":
        (header,) = struct.unpack("<I", _bytes_at(image, 14, 4))
        return struct.unpack("<H", _bytes_at(image, 24 if header == 12 else 28, 2))[0]
    return 8


def palette_size(image: Any) -> int:
    """How many colours the palette of an open picture has; 0 without one."""
    if image.palette is None:
        return 0
    order, content = image.palette.getdata()
    return len(content) // len(order.partition(";")[0])


def white_is_zero(image: Any) -> bool:
    """Whether a TIFF stores 0 for white; Pillow turns that round up to 8 bits."""
    return image.format == "TIFF" and image.tag_v2.get(_PHOTOMETRIC) == 0


def _check(path: Path, image: Any, wanted: Wanted) -> None:
    several = getattr(image, "n_frames", 1)
    # MPO is what many cameras write: a JPEG with previews of it.
    if several > 1 and image.format != "MPO":
        raise DataError(f"{path} holds {several} pictures: give each a file of its own")
    if image.mode not in wanted.modes:
        raise DataError(f"{path} is of the kind {image.mode}, {wanted.expected}")
    problem = _misread(image)
    if problem:
        raise DataError(f"{path} {problem}")
    if image.format == "PNG" and image.mode == "L" and "transparency" in image.info:
        # Pillow spreads samples of 2 and 4 bits over 0..255, but not this one.
        image.info["transparency"] *= 255 // (2 ** sample_bits(image) - 1)


def _misread(image: Any) -> str:
    """What Pillow would get wrong, and the remedy; "" if nothing."""
    bits = sample_bits(image)
    if image.mode == "P" and image.palette is None:
        return "has indices of colours, but no palette: get it anew"
    if image.format == "PNG" and bits == 16:
        if _bytes_at(image, 25, 1)[0] == _GREY_ALPHA:
            return "is 16-bit grey with an alpha channel: save it without that"
        if "transparency" in image.info:
            return "has a transparent colour of 16 bits: save it without transparency"
    if image.format == "BMP" and image.mode in ("1", "L"):
        if bits != (1 if image.mode == "1" else 8):
            return f"has {bits} bits a pixel with a palette of greys: save it as PNG"
    if image.format == "BMP":
        return _wrong_bmp_size(image, bits)
    if image.format == "TIFF":
        return _misread_tiff(image, bits) or _wrong_tiff_size(image)
    return ""


def _wrong_bmp_size(image: Any, bits: int) -> str:
    (header,) = struct.unpack("<I", _bytes_at(image, 14, 4))
    if header < 40:
        return ""
    compression, stored = struct.unpack("<2I", _bytes_at(image, 30, 8))
    row = (image.width * bits + 31) // 32 * 4
    # Programs may leave it away.
    wrong = compression == 0 and stored and abs(stored - row * image.height) > 3
    return _other_size(stored, row * image.height) if wrong else ""


def _wrong_tiff_size(image: Any) -> str:
    """Pillow fills up what strips don't have, and leaves what is more of them."""
    tags = image.tag_v2
    strips, rows = tags.get(_STRIPS, ()), int(tags.get(_HEIGHT, 0))
    if not strips:
        return ""  # Of tiles.
    channels = int(tags.get(_SAMPLES, 1))
    planes = channels if tags.get(_PLANAR) == 2 else 1
    each = min(rows, int(tags.get(_ROWS_PER_STRIP, rows)) or rows)
    expected = planes * -(-rows // each)
    if len(strips) != expected:
        return f"has {len(strips)} strips of rows, expected {expected}: get it anew"
    if tags.get(_COMPRESSION, 1) != 1:
        return ""
    bits = tags.get(_BITS, (1,))
    bits = bits * channels if len(bits) == 1 else bits
    samples = bits if planes > 1 else [sum(bits)]
    row = sum(-(-int(tags.get(_WIDTH, 0)) * bit // 8) for bit in samples)
    stored = sum(tags.get(_STRIP_BYTES, ()))
    # The last strip may be as long as the others.
    right = stored in (0, rows * row, expected // planes * each * row)
    return "" if right else _other_size(stored, rows * row)


def _other_size(stored: int, needed: int) -> str:
    return (
        f"is damaged: it has {stored:,} bytes of pixels, but its size needs "
        f"{needed:,}; get it anew"
    )


def _misread_tiff(image: Any, bits: int) -> str:
    tags = image.tag_v2
    if _SIGNED in tags.get(_SAMPLE_FORMAT, ()):
        return "has signed values: save it with unsigned ones"
    if 0 in tags.get(_EXTRA, ()):
        return "has a channel that nothing says the meaning of: save it without that"
    if image.mode.startswith("I;16"):
        if bits != 16:
            return f"has {bits} bits a pixel: save it with 16, spread over 0..65535"
        if white_is_zero(image):
            return "has 16 bits, and white is 0: save it with black as 0"
    return ""


def _bytes_at(image: Any, start: int, count: int) -> bytes:
    """Of the file of an open picture, which stays where it is."""
    here = image.fp.tell()
    image.fp.seek(start)
    found = image.fp.read(count)
    image.fp.seek(here)
    if len(found) < count:
        raise OSError("it ends within its header")
    return found


def _check_sums(path: Path) -> None:
    content = path.read_bytes()
    place, kind = 8, b""
    while place + 12 <= len(content) and kind != b"IEND":
        size, kind = struct.unpack_from(">I4s", content, place)
        end = place + 8 + size
        found = zlib.crc32(memoryview(content)[place + 4 : end])
        if content[end : end + 4] != struct.pack(">I", found):
            raise OSError(f"the sum over its {kind!r} is wrong")
        place = end + 4


def _png_exif(image: Any) -> Any:
    """What a PNG says of how it is turned, be it before or after its pixels.

    Pillow reads what is after them, in any of three ways, but only once all are
    decoded: so it is shown these notes around a single pixel.
    """
    notes = _notes(image.fp)
    if not notes:
        return {}
    head = struct.pack(">2I5B", 1, 1, 8, 0, 0, 0, 0)
    pixel = _chunk(b"IDAT", zlib.compress(bytes(2)))
    parts = [b"\x89PNG\r\n\x1a\n", _chunk(b"IHDR", head), *notes, pixel]
    with Image.open(io.BytesIO(b"".join([*parts, _chunk(b"IEND", b"")]))) as small:
        return small.getexif()


def _notes(file: Any) -> list[bytes]:
    """The chunks of a PNG with EXIF data or text; the file stays where it is."""
    here, found = file.tell(), []
    file.seek(8)
    while len(head := file.read(8)) == 8:
        size, kind = struct.unpack(">I4s", head)
        if kind == b"IEND":
            break
        if kind in _NOTES and size <= _LARGEST_NOTE:
            content = file.read(size + 4)
            if len(content) == size + 4:
                found.append(head + content)
        else:
            file.seek(size + 4, io.SEEK_CUR)
    file.seek(here)
    return found


def _chunk(kind: bytes, content: bytes) -> bytes:
    check = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)
