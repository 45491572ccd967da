"""Where the files of a published data set are found, and whether they are whole.

In this order: a folder that the user names, Debian's package, a checked download. A
folder that the user names is all or nothing: if it lacks a file, that is an error. An
archive must have the published SHA-256 from anywhere. Nothing is unpacked to the disk:
members are read by their exact names, and only if they have the size that they should
have.
"""

from __future__ import annotations

import errno
import functools
import gzip
import hashlib
import socket
import tarfile
import urllib.parse
import urllib.request
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gdjax.data import formats
from gdjax.data.errors import DataError
from gdjax.data.releases import ArchiveRelease, FilesRelease, Release


Download = Callable[[dict[str, str]], Mapping[str, Path]]

_LARGER = 16
_DAMAGED = (tarfile.TarError, EOFError, gzip.BadGzipFile, zlib.error)


@dataclass(frozen=True)
class SourceFile:
    """A whole file in memory.

    Attributes:
      name: as the release calls it.
      place: its path, or the archive and its name there, for error messages.
      raw: its bytes, unpacked.
    """

    name: str
    place: str
    raw: bytes = field(repr=False)

    @functools.cached_property
    def sha256(self) -> str:
        """SHA-256 of the bytes."""
        return hashlib.sha256(self.raw).hexdigest()


def expanded(path: str | Path, remedy: str) -> Path:
    """A path with "~" as the home folder.

    Args:
      path: as given.
      remedy: what helps if there is no home folder.

    Raises:
      DataError: if there is none, as without HOME for a user without a name.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise DataError(
            f"{path} is in a home folder, and there is none ({error}): {remedy}, or "
            "set HOME"
        ) from error


def is_hidden(path: Path) -> bool:
    """Whether a name is of what systems leave beside files: ._a.png, __MACOSX."""
    return path.name.startswith(".") or path.name == "__MACOSX"


def check_folder(data_dir: str | Path) -> Path:
    """The folder that a user names, or a clear error.

    Args:
      data_dir: path as given; "~" is expanded.

    Returns:
      The path.

    Raises:
      FileNotFoundError: if there is nothing at that path.
      NotADirectoryError: if it is not a folder.
      DataError: if it begins with "~", and there is no home folder.
    """
    folder = expanded(data_dir, "give the whole path")
    if not folder.exists():
        raise FileNotFoundError(f"the data folder {folder} does not exist")
    if not folder.is_dir():
        raise NotADirectoryError(f"the data folder {folder} is a file, not a folder")
    return folder


def read_files(
    release: Release, *, folder: Path | None, download: Download
) -> tuple[dict[str, SourceFile], str]:
    """Finds and reads the files of a release, and checks their sizes and sums.

    Args:
      release: the data set.
      folder: the user's folder; nothing else is then looked at.
      download: fetches {name: address} and returns {name: path}, checking sums.

    Returns:
      Name -> file for all files of the release, and where they were found in words.

    Raises:
      FileNotFoundError: if the folder lacks a file, or no source works.
      DataError: if a file is cut short, too long or damaged, or the archive lacks one.
    """
    if isinstance(release, FilesRelease):
        paths, origin = _locate(release, folder, download)
        return {n: _read(release, n, path) for n, path in paths.items()}, origin
    if folder is None:
        archive = _fetch(release, download)["archive"]
        return _from_archive(release, archive), f"download {release.url}"
    return _from_user(release, folder), f"folder {folder}"


def remedy(release: Release) -> str:
    """Where to get the files right, as the end of an error message."""
    return f"get {release.title} right: {release.remedies()}"


def _fetch(release: Release, download: Download) -> dict[str, Path]:
    """Downloads all files; FileNotFoundError names all other ways to get them."""
    try:
        _check_reachable(release.url)
        fetched = download(release.urls())
    except Exception as error:
        if getattr(error, "errno", None) == errno.ENOSPC:
            raise
        first_line = str(error).partition("\n")[0]
        raise FileNotFoundError(
            f"no source of {release.title} works (download: {first_line}); "
            f"{release.remedies()}"
        ) from error
    return {name: Path(fetched[name]) for name in release.urls()}


def _check_reachable(url: str) -> None:
    """OSError if the host has no address: TFDS would retry that for minutes."""
    if urllib.request.getproxies():
        return  # The proxy resolves names; this machine need not be able to.
    host = urllib.parse.urlsplit(url).hostname
    try:
        socket.getaddrinfo(host, None)
    except socket.gaierror as error:
        raise OSError(f"can't reach {host}: {error.strerror}") from error


def _locate(
    release: FilesRelease, folder: Path | None, download: Download
) -> tuple[dict[str, Path], str]:
    """Paths of single files, and their origin in words."""
    if folder is not None:
        return _in_folder(release, folder), f"folder {folder}"
    if release.debian and release.debian[0].is_dir():
        debian, package = release.debian
        return _in_folder(release, debian), f"Debian package {package} ({debian})"
    return _fetch(release, download), f"download {release.url}"


def _in_folder(release: FilesRelease, folder: Path) -> dict[str, Path]:
    """Paths of single files in a folder, packed or not."""
    found: dict[str, Path] = {}
    for name in release.remote:
        candidates = dict.fromkeys((f"{name}{release.SUFFIX}", name))
        present = [folder / each for each in candidates if (folder / each).is_file()]
        if not present:
            packed = f" (or {name}{release.SUFFIX})" if release.SUFFIX else ""
            raise FileNotFoundError(
                f"the data folder {folder} lacks {name}{packed} of {release.title}; "
                f"{release.remedies()}"
            )
        found[name] = present[0]
    return found


def _read(release: FilesRelease, name: str, path: Path) -> SourceFile:
    """A single file; DataError if only the size is that of the published one."""
    size, sha256 = release.remote[name]
    # Files of other sizes are taken, but none that would fill the memory.
    most = max(_LARGER * size, 2**24)
    raw = formats.unpack(path, remedy=remedy(release), most=most)
    file = SourceFile(name, str(path), raw)
    if len(file.raw) == size and file.sha256 != sha256:
        raise DataError(
            f"{path} is damaged: it has the size of the published file, but the "
            f"SHA-256 {file.sha256} and not {sha256}; {remedy(release)}"
        )
    return file


def _from_user(release: ArchiveRelease, folder: Path) -> dict[str, SourceFile]:
    """From the files in a folder, or from the archive there."""
    for place in (folder, folder / release.folder):
        if any((place / name).is_file() for name in release.files):
            return _unpacked(release, place)
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
    return _from_archive(release, archive)


def _unpacked(release: ArchiveRelease, folder: Path) -> dict[str, SourceFile]:
    files = {}
    for name, records in release.files.items():
        path = folder / name
        if not path.is_file():
            raise FileNotFoundError(
                f"the data folder {folder} lacks {name} of {release.title}; it must "
                f"hold {', '.join(release.files)}"
            )
        _check_size(str(path), path.stat().st_size, records.size, release)
        files[name] = SourceFile(name, str(path), path.read_bytes())
    return files


def _check_size(place: str, size: int, expected: int, release: ArchiveRelease) -> None:
    if size != expected:
        verb = "is cut short" if size < expected else "is too long"
        raise DataError(
            f"{place} {verb}: it has {size:,} bytes, and that of {release.title} "
            f"{expected:,}; {remedy(release)}"
        )


def _check_sum(release: ArchiveRelease, path: Path) -> None:
    """Gzip's own sum is at the end of the archive, which nobody reads."""
    with path.open("rb") as archive:
        sha256 = hashlib.file_digest(archive, "sha256").hexdigest()
    if sha256 != release.remote.sha256:
        raise DataError(
            f"{path} is damaged or another file: its SHA-256 is {sha256}, and that of "
            f"{release.title} {release.remote.sha256}; {remedy(release)}"
        )


def _from_archive(release: ArchiveRelease, path: Path) -> dict[str, SourceFile]:
    try:
        files = _members(release, path)
    except _DAMAGED as error:
        first_line = str(error).partition("\n")[0]
        raise DataError(
            f"{path} is cut short or damaged: {first_line}; {remedy(release)}"
        ) from error
    missing = [name for name in release.files if name not in files]
    if missing:
        raise DataError(
            f"{path} lacks {', '.join(missing)} in its folder {release.folder}; "
            f"{remedy(release)}"
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
            _check_size(place, member.size, release.files[name].size, release)
            files[name] = SourceFile(name, place, content.read())
            # What follows may be gigabytes that nobody needs.
            if len(files) == len(wanted):
                break
    return files
