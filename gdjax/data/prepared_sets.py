"""Prepared data sets on disk: opened with a clear error, and made to last.

gdjax.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import tensorflow_datasets as tfds

from gdjax import files
from gdjax.data.errors import DataError


Builder = TypeVar("Builder", bound=tfds.core.DatasetBuilder)

REMEDY = "delete that folder: it is then made again at the next use"

_FILES = "files.json"
_END = 2**10  # Bytes.

# A place has no room for a file: disk, quota, largest size of a file.
NO_ROOM = {
    errno.ENOSPC: "the disk of {} is too full for {}",
    errno.EDQUOT: "the disk quota at {} is too small for {}",
    errno.EFBIG: "the largest size of a file at {} (ulimit -f) is too small for {}",
}


def open_builder(cls: type[Builder], root: Path, config: str) -> Builder:
    """The builder of a data set, prepared or not.

    Args:
      cls: its class.
      root: folder of the prepared sets.
      config: name of its config.

    Returns:
      The builder; `builder.data_path` exists if it is prepared.

    Raises:
      DataError: if the set is prepared, but its description is damaged; names the
        folder.
    """
    try:
        builder = cls(data_dir=root, config=config)
        if builder.data_path.exists():
            _check_description(builder)
    except (KeyboardInterrupt, DataError):
        raise
    except Exception as error:
        folder = Path(root, cls.name, config, str(cls.VERSION))
        line = first_line(error)
        raise DataError(
            f"the prepared set {folder} is damaged: its description "
            f"dataset_info.json or metadata.json is unreadable ({line}); {REMEDY}"
        ) from error
    return builder


def list_files(folder: Path) -> None:
    """Notes the sizes and ends of the files of a set, in a file beside them.

    A file of records says nothing of its own name: only so it is noticed that two have
    been swapped.

    Args:
      folder: of a set that has just been made.
    """
    marks = {path.name: _mark(path) for path in folder.iterdir() if path.is_file()}
    (folder / _FILES).write_text(json.dumps(marks, indent=2) + "\n")


def sync_files(folder: Path) -> None:
    """Waits until the files of a set, and their names, are on the disk.

    Args:
      folder: of the set.

    Raises:
      OSError: if a file can't be, as on a full disk.
    """
    for path in folder.rglob("*"):
        if path.is_file():
            # Windows synchronises only what is open for writing.
            with path.open("r+b") as file:
                files.sync(file.fileno())
    files.sync_folder(folder)


def check_shards(split: Any) -> None:
    """Refuses a split whose files have not as many records as its description says.

    Those of sets of gdjax are also held against what `list_files` has noted.

    Args:
      split: of a prepared set, as TFDS has it.

    Raises:
      OSError: if there are more or fewer, or a file is missing or another; says which.
    """
    from array_record.python.array_record_module import ArrayRecordReader

    paths = [Path(path) for path in split.filepaths]
    if any("array_record" not in path.name for path in paths):
        return  # Of other formats, TFDS says that they aren't read.
    for path, expected in zip(paths, split.shard_lengths, strict=True):
        if not path.is_file() or not path.stat().st_size:
            problem = "is empty" if path.is_file() else "is missing"
            raise OSError(f"{path.name} {problem}")
        _check_mark(path)
        reader = ArrayRecordReader(str(path))
        found = reader.num_records()
        reader.close()
        if found != expected:
            raise OSError(
                f"{path.name} holds {found:,} records, but dataset_info.json says "
                f"{expected:,}"
            )


@contextlib.contextmanager
def without_empty_folders(builder: tfds.core.DatasetBuilder) -> Iterator[None]:
    """Removes folders that a preparation has made, and left empty.

    Args:
      builder: of the set that is prepared meanwhile.
    """
    place = Path(builder.data_path).parent
    downloads = Path(builder.data_dir_root, "downloads")
    known = place.parent / ".config"  # The name of the default config, of TFDS.
    candidates = [downloads / "extracted", downloads, place, *place.parents]
    made = [path for path in candidates if not path.exists()]
    try:
        yield
    finally:
        for path in made:
            with contextlib.suppress(OSError):
                if path == known.parent and os.listdir(path) == [known.name]:
                    shutil.rmtree(known)
                path.rmdir()  # Fails where there is something in it.


@contextlib.contextmanager
def clear_lack_of_room(builder: tfds.core.DatasetBuilder) -> Iterator[None]:
    """Turns a full disk, quota or file-size limit into one clear line.

    Raises:
      OSError: if there is no room.
    """
    try:
        yield
    except (OSError, RuntimeError) as error:
        number = _lack_of_room(error)
        if number is None:
            raise
        root = Path(builder.data_dir_root)
        raise OSError(
            number,
            f"{NO_ROOM[number].format(root, builder.name)} (what was half made is "
            f"removed again, and {_free(root)} are free); make room there, or set "
            "TFDS_DATA_DIR to another folder",
        ) from error


def first_line(error: BaseException) -> str:
    """The first line of what an error says, or its kind."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0].rstrip(".") if lines else type(error).__name__


def _mark(path: Path) -> list[Any]:
    """Size in bytes, and SHA-256 of what is at either end."""
    size = path.stat().st_size
    with path.open("rb") as file:
        digest = hashlib.sha256(file.read(_END))
        file.seek(max(0, size - _END))
        digest.update(file.read(_END))
    return [size, digest.hexdigest()]


def _check_mark(path: Path) -> None:
    noted = path.with_name(_FILES)
    if not noted.exists():
        return  # Of a set that was made elsewhere, or by an older version.
    try:
        expected = json.loads(noted.read_bytes())[path.name]
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise OSError(f"{noted.name} is damaged: {first_line(error)}") from error
    if _mark(path) != expected:
        raise OSError(f"{path.name} is not the file that {noted.name} notes")


def _lack_of_room(error: Exception) -> int | None:
    for number in NO_ROOM:
        # ArrayRecord's writer raises RuntimeError with the system's words.
        if getattr(error, "errno", None) == number or os.strerror(number) in str(error):
            return number
    return None


def _free(root: Path) -> str:
    there = next(path for path in (root, *root.parents) if path.exists())
    return f"{shutil.disk_usage(there).free / 1e6:,.0f} MB"


def _check_description(builder: tfds.core.DatasetBuilder) -> None:
    path = Path(builder.data_path, "dataset_info.json")
    if not path.is_file():
        raise DataError(
            f"the prepared set {builder.data_path} is damaged: it lacks {path.name}; "
            f"{REMEDY}"
        )
    # Read only when it is asked for, and then with an error of its own.
    dict(builder.info.metadata or {})
