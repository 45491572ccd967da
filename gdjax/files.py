"""Files that appear whole, or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path


# What a file system says that has no room left for a file.
FULL = errno.ENOSPC, errno.EDQUOT, errno.EFBIG
# What one says that can't do what it was asked.
UNSUPPORTED = errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EBADF


def write_whole(path: str | os.PathLike[str], content: bytes) -> None:
    """Write a file under a temporary name, then give it its own.

    The content is on the disk before the name is, so that not even a machine that goes
    down leaves a part of a file, or an empty one.

    Args:
      path: of the file; one of that name stays as it was until the new one is whole. A
        link goes on to point where it does.
      content: of the file.

    Raises:
      OSError: if it can't be written, or is a device or folder; the error names it.
    """
    path = Path(os.path.realpath(path))
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "this is no file, and is left as it is", str(path))
    # The end of a long name is enough: the longest names leave no room for more.
    temporary = path.with_name(f".{path.name[-100:]}.{os.getpid()}")
    try:
        with open(temporary, "wb") as file:
            file.write(content)
            file.flush()
            sync(file.fileno())
        os.replace(temporary, path)
        sync_folder(path.parent)
    except OSError as error:
        # Those of `write` have no name.
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def sync(descriptor: int) -> None:
    """Wait until what was written is on the disk; some file systems can't say."""
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise


def sync_folder(path: str | os.PathLike[str]) -> None:
    """Wait until the names in a folder are on the disk, where folders can be opened."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:  # as on Windows
        return
    try:
        sync(descriptor)
    finally:
        os.close(descriptor)
