"""Readers of the formats of published files: IDX and MATLAB's.

MNIST and its successors come in IDX, a few other sets in MATLAB's files. An IDX file is
two zero bytes, a type code, the number of dimensions, the dimensions as big-endian
32-bit integers, and the values. It comes plain or packed by gzip.
"""

from __future__ import annotations

import gzip
import io
import math
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gdjax.data.errors import DataError


_GZIP_MAGIC = b"\x1f\x8b"
_UINT8 = 8
_KINDS = {1: "labels", 3: "images"}
_LONGEST_HEADER = 4 + 4 * 3
_SLACK = _BLOCK = 2**20
_MOST = 2**36  # 64 GiB, more than any published set of this kind.


def unpack(path: Path, *, remedy: str = "", most: int = _MOST) -> bytes:
    """The bytes of a file, unpacked if it is a gzip file whatever its name.

    Args:
      path: the file.
      remedy: where to get the file right; added to error messages.
      most: bytes, unpacked, beyond which it is refused; of an IDX file not more are
        read than its header announces, and a few to see that it is too long.

    Returns:
      The unpacked bytes.

    Raises:
      FileNotFoundError: if there is no such file.
      DataError: if the gzip stream is cut short or damaged, or the file is too large.
    """
    if not path.is_file():
        raise FileNotFoundError(_sentence(f"no such file: {path}", remedy))
    try:
        return _read(path, remedy, most)
    except EOFError as error:
        problem = f"{path} is cut short: its gzip stream ends too early"
        raise DataError(_sentence(problem, remedy)) from error
    except (gzip.BadGzipFile, zlib.error) as error:
        problem = f"{path} is damaged: {error}"
        raise DataError(_sentence(problem, remedy)) from error


def _read(path: Path, remedy: str, most: int) -> bytes:
    with path.open("rb") as plain:
        packed = plain.read(2) == _GZIP_MAGIC
        plain.seek(0)
        stream: Any = gzip.GzipFile(fileobj=plain) if packed else plain
        head = stream.read(_LONGEST_HEADER)
        announced = _announced(head)
        largest = most if announced is None else min(most, announced + _SLACK)
        blocks, count = [head], len(head)
        while count <= largest and (block := stream.read(_BLOCK)):
            blocks.append(block)
            count += len(block)
    raw = b"".join(blocks)
    # IDX files are compared with their headers later on.
    if len(raw) > most:
        unpacked = "unpacks to" if packed else "has"
        problem = f"{path} {unpacked} more than {most:,} bytes, which is too much"
        raise DataError(_sentence(problem, remedy))
    return raw


def _announced(head: bytes) -> int | None:
    """Bytes of a whole IDX file, by its header; None if it is no such header."""
    if len(head) < 4 or head[:3] != bytes([0, 0, _UINT8]):
        return None
    ndim = head[3]
    if ndim not in _KINDS or len(head) < 4 + 4 * ndim:
        return None
    return 4 + 4 * ndim + math.prod(struct.unpack(f">{ndim}I", head[4 : 4 + 4 * ndim]))


def parse_images(raw: bytes, place: str, *, remedy: str = "") -> np.ndarray:
    """The images in the unpacked bytes of an IDX file.

    Args:
      raw: what `unpack` returns.
      place: where they came from, for error messages.
      remedy: where to get the file right, for error messages.

    Returns:
      uint8 [N, H, W], read-only.

    Raises:
      DataError: if the bytes are not an IDX file of images.
    """
    return _parse(raw, 3, place, remedy)


def parse_labels(
    raw: bytes, place: str, *, classes: int = 10, remedy: str = ""
) -> np.ndarray:
    """The labels in the unpacked bytes of an IDX file.

    Args:
      raw: what `unpack` returns.
      place: where they came from, for error messages.
      classes: labels must lie in 0..classes - 1.
      remedy: where to get the file right, for error messages.

    Returns:
      uint8 [N], read-only.

    Raises:
      DataError: if the bytes are not an IDX file of labels in that range.
    """
    labels = _parse(raw, 1, place, remedy)
    if labels.max(initial=0) >= classes:
        problem = (
            f"{place} holds the label {labels.max()}, but labels are 0..{classes - 1}"
        )
        raise DataError(_sentence(problem, remedy))
    return labels


def read_images(path: Path, *, remedy: str = "") -> np.ndarray:
    """The images of an IDX file, packed or not; see `unpack` and `parse_images`.

    Args:
      path: the file.
      remedy: where to get the file right, for error messages.

    Returns:
      uint8 [N, H, W], read-only.

    Raises:
      FileNotFoundError: if there is no such file.
      DataError: if it is not an IDX file of images.
    """
    return parse_images(unpack(path, remedy=remedy), str(path), remedy=remedy)


def read_labels(path: Path, *, classes: int = 10, remedy: str = "") -> np.ndarray:
    """The labels of an IDX file, packed or not; see `unpack` and `parse_labels`.

    Args:
      path: the file.
      classes: labels must lie in 0..classes - 1.
      remedy: where to get the file right, for error messages.

    Returns:
      uint8 [N], read-only.

    Raises:
      FileNotFoundError: if there is no such file.
      DataError: if it is not an IDX file of labels in that range.
    """
    raw = unpack(path, remedy=remedy)
    return parse_labels(raw, str(path), classes=classes, remedy=remedy)


def parse_mat(
    raw: bytes, place: str, names: Sequence[str], *, remedy: str
) -> dict[str, np.ndarray]:
    """Variables in the bytes of a MATLAB file of version 4 to 7.2.

    Args:
      raw: the bytes.
      place: where they came from, for error messages.
      names: of the variables; others are not read.
      remedy: where to get the file right; the end of the error message.

    Returns:
      Name -> array; a struct has named fields, [1, 1].

    Raises:
      DataError: if it is no such file, is damaged, or lacks a variable.
    """
    # Half a second, and only few sets need it.
    import scipy.io

    try:
        known = [name for name, *_ in scipy.io.whosmat(io.BytesIO(raw))]
        found = scipy.io.loadmat(io.BytesIO(raw), variable_names=list(names))
    except NotImplementedError as error:
        raise DataError(
            f"{place} is a file of MATLAB 7.3, which is not read here; save it with "
            f'"-v7", or {remedy}'
        ) from error
    except Exception as error:
        # Whatever a few wrong bytes make scipy raise: there are a dozen types.
        first_line = str(error).partition("\n")[0] or type(error).__name__
        raise DataError(
            f"{place} is no MATLAB file, or cut short or damaged ({first_line}); "
            f"{remedy}"
        ) from error
    for name in names:
        if not isinstance(found.get(name), np.ndarray):  # Not there, or sparse.
            raise DataError(
                f"{place} lacks the variable {name}; it has "
                f"{', '.join(known) or 'none at all'}; {remedy}"
            )
    return {name: found[name] for name in names}


def _parse(raw: bytes, ndim: int, place: str, remedy: str) -> np.ndarray:
    """The array in an IDX file that must have `ndim` dimensions."""
    try:
        shape, start = _header(raw, ndim)
    except ValueError as error:
        raise DataError(_sentence(f"{place} {error}", remedy)) from None
    expected = math.prod(shape)  # NumPy's would wrap at 2^63.
    if len(raw) - start != expected:
        verb = "is cut short" if len(raw) - start < expected else "is too long"
        problem = (
            f"{place} {verb}: its header announces {'x'.join(map(str, shape))} values "
            f"of 1 byte, and {len(raw) - start:,} bytes follow"
        )
        raise DataError(_sentence(problem, remedy))
    return np.frombuffer(raw, np.uint8, offset=start).reshape(shape)


def _header(raw: bytes, ndim: int) -> tuple[tuple[int, ...], int]:
    """Shape, and position of the first value; ValueError says what is wrong."""
    if len(raw) < 4:
        raise ValueError(f"is cut short: {len(raw)} bytes are not even an IDX header")
    zeros, code, found = struct.unpack(">HBB", raw[:4])
    if zeros != 0 or code != _UINT8:
        raise ValueError(
            f"is not an IDX file of 8-bit values: it begins with {raw[:4].hex()}, "
            f"expected {bytes([0, 0, _UINT8, ndim]).hex()}"
        )
    if found != ndim:
        holds = _KINDS.get(found, f"{found}-dimensional values")
        raise ValueError(
            f"holds {holds} ({found} dimensions) where {_KINDS[ndim]} ({ndim}) are "
            "expected"
        )
    if len(raw) < 4 + 4 * ndim:
        raise ValueError("is cut short: it ends within its IDX header")
    shape = struct.unpack(f">{ndim}I", raw[4 : 4 + 4 * ndim])
    if 0 in shape:
        raise ValueError(f"is empty: its header announces the shape {shape}")
    return shape, 4 + 4 * ndim


def _sentence(problem: str, remedy: str) -> str:
    return f"{problem}; {remedy}" if remedy else problem
