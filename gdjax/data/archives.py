"""Files of fixed size out of a published archive, whether unpacked, packed or to fetch.

In this order: a folder that the user names, with the files or with the archive that
holds them; a download of the archive. An archive must have the published SHA-256 from
anywhere. Nothing is unpacked to the disk: members are read by their exact names, and
only if they have the size that they should have.
"""

from __future__ import annotations

import gzip
import hashlib
import tarfile
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gdjax.data import sources
from gdjax.data.errors import DataError
from gdjax.data.releases import ArchiveRelease
from gdjax.data.sources import Download


_DAMAGED = (tarfile.TarError, EOFError, gzip.BadGzipFile, zlib.error)


class SourceFile(NamedTuple):
    """A whole file in memory.

    Attributes:
      place: its path, or the archive and its name there, for error messages.
      raw: its bytes, as many as the release says.
    """

    place: str
    raw: bytes


def read_files(
    release: ArchiveRelease, *, folder: Path | None, download: Download
) -> tuple[dict[str, SourceFile], str]:
    """Finds and reads the files of a release, and checks their sizes.

    Args:
      release: the data set.
      folder: the user's folder; nothing else is then looked at.
      download: fetches {part: address} and returns {part: path}, checking sums.

    Returns:
      Name -> file for all of `release.files`, and where they were found in words.

    Raises:
      FileNotFoundError: if the folder lacks a file, or no source works.
      DataError: if a file is cut short, too long or damaged, or the archive lacks one.
    """
    if folder is None:
        archive = sources.fetch(release, download)["archive"]
        return _from_archive(release, archive), f"download {release.url}"
    origin = f"folder {folder}"
    for place in (folder, folder / release.folder):
        if any((place / name).is_file() for name in release.files):
            return _from_folder(release, place), origin
    archive = folder / release.archive
    if not archive.is_file():
        names = ", ".join(release.files)
        raise FileNotFoundError(
            f"the data folder {folder} lacks {release.title}: it holds neither "
            f"{release.archive} nor any of {names}, nor does its {release.folder}; "
            f"{release.remedies()}"
        )
    _check_size(str(archive), archive.stat().st_size, release.remote.size, release)
    _check_sum(release, archive)
    return _from_archive(release, archive), origin


def check_labels(
    labels: np.ndarray, file: SourceFile, *, first: int, classes: int, remedy: str
) -> None:
    """Refuses labels outside first..first + classes - 1.

    Args:
      labels: integers [N], as in the file.
      file: where they were read.
      first: the label of the first class.
      classes: number of classes.
      remedy: where to get the file right; the end of the error message.

    Raises:
      DataError: if there is such a label; names the first one.
    """
    last = first + classes - 1
    wrong = np.flatnonzero((labels < first) | (labels > last))
    if wrong.size:
        raise DataError(
            f"{file.place} holds the label {labels[wrong[0]]} (image {wrong[0]:,}), "
            f"but labels are {first}..{last}; {remedy}"
        )


def _check_sum(release: ArchiveRelease, path: Path) -> None:
    """Gzip's own sum is at the end of the archive, which nobody reads."""
    with path.open("rb") as archive:
        sha256 = hashlib.file_digest(archive, "sha256").hexdigest()
    if sha256 != release.remote.sha256:
        raise DataError(
            f"{path} is damaged or another file: its SHA-256 is {sha256}, and that of "
            f"{release.title} {release.remote.sha256}; {_remedy(release)}"
        )


def _from_folder(release: ArchiveRelease, folder: Path) -> dict[str, SourceFile]:
    files = {}
    for name, records in release.files.items():
        path = folder / name
        if not path.is_file():
            raise FileNotFoundError(
                f"the data folder {folder} lacks {name} of {release.title}; it must "
                f"hold {', '.join(release.files)}"
            )
        expected = records.count * records.size
        _check_size(str(path), path.stat().st_size, expected, release)
        files[name] = SourceFile(str(path), path.read_bytes())
    return files


def _from_archive(release: ArchiveRelease, path: Path) -> dict[str, SourceFile]:
    try:
        files = _members(release, path)
    except _DAMAGED as error:
        first_line = str(error).partition("\n")[0]
        raise DataError(
            f"{path} is cut short or damaged: {first_line}; {_remedy(release)}"
        ) from error
    missing = [name for name in release.files if name not in files]
    if missing:
        raise DataError(
            f"{path} lacks {', '.join(missing)} in its folder {release.folder}; "
            f"{_remedy(release)}"
        )
    return files


def _members(release: ArchiveRelease, path: Path) -> dict[str, SourceFile]:
    """Those of the wanted files that are in the archive."""
    wanted = {f"{release.folder}/{name}": name for name in release.files}
    files: dict[str, SourceFile] = {}
    with tarfile.open(path, "r:gz") as archive:
        for member in archive:
            name = wanted.get(member.name)
            content = archive.extractfile(member) if name and member.isreg() else None
            if name is None or content is None:
                continue
            place = f"{path} ({member.name})"
            records = release.files[name]
            _check_size(place, member.size, records.count * records.size, release)
            files[name] = SourceFile(place, content.read())
            # What follows may be gigabytes that nobody needs.
            if len(files) == len(wanted):
                break
    return files


def _check_size(place: str, size: int, expected: int, release: ArchiveRelease) -> None:
    if size != expected:
        verb = "is cut short" if size < expected else "is too long"
        raise DataError(
            f"{place} {verb}: it has {size:,} bytes, and that of {release.title} "
            f"{expected:,}; {_remedy(release)}"
        )


def _remedy(release: ArchiveRelease) -> str:
    return f"get {release.title} right: {release.remedies()}"
