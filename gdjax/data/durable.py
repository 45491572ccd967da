"""Files that last: written whole, and on the disk before they get their name.

A file that is renamed before its bytes are on the disk may be empty after a loss of
power. Folders are synchronised where the system can.

gdjax.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable
from pathlib import Path


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Writes a file under another name, and renames it when it is on the disk.

    Args:
      path: the file; replaced if there is one.
      write: writes the path that it is given.

    Raises:
      OSError: if it can't be written; what was there before stays.
    """
    # Short, as names have a largest length.
    temporary = path.with_name(f".{os.getpid()}.{threading.get_ident()}.tmp")
    try:
        write(temporary)
        sync(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)


def sync(path: Path) -> None:
    """Waits until a file is on the disk.

    Raises:
      OSError: if it can't be, as on a full disk.
    """
    # Windows synchronises only what is open for writing.
    with path.open("r+b") as file:
        os.fsync(file.fileno())


def sync_files(folder: Path) -> None:
    """Waits until all files in a folder, and their names, are on the disk.

    Raises:
      OSError: if a file can't be, as on a full disk.
    """
    for path in folder.rglob("*"):
        if path.is_file():
            sync(path)
    sync_folder(folder)


def sync_folder(folder: Path) -> None:
    """Waits until the names in a folder are on the disk, where the system can."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
