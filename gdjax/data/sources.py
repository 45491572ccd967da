"""Where the originals come from; here, the four files of MNIST and Fashion-MNIST.

In this order: a folder that the user names, Debian's package, a checked download. A
folder that the user names is all or nothing: if it lacks a file, that is an error.
Releases that are one archive are in `gdjax.data.archives`.
"""

from __future__ import annotations

import errno
import hashlib
import socket
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gdjax.data import idx
from gdjax.data.errors import DataError
from gdjax.data.releases import FASHION_MNIST, FILES, MNIST, IdxRelease, Release


Download = Callable[[dict[str, str]], Mapping[str, Path]]


class Originals(NamedTuple):
    """A data set as published, before any rescaling.

    Attributes:
      images: subset ("train", "validation", "test") -> uint8 [N, H, W, C].
      labels: subset -> uint8 [N].
      origin: where the files were found, in words.
      sha256: part -> SHA-256 of its unpacked content.
    """

    images: dict[str, np.ndarray]
    labels: dict[str, np.ndarray]
    origin: str
    sha256: dict[str, str]

    @property
    def digest(self) -> str:
        """One SHA-256 for all parts; the same for packed and plain files."""
        lines = [f"{name} {self.sha256[name]}\n" for name in sorted(self.sha256)]
        return hashlib.sha256("".join(lines).encode()).hexdigest()


def check_folder(data_dir: str | Path) -> Path:
    """The folder that a user names, or a clear error.

    Args:
      data_dir: path as given; "~" is expanded.

    Returns:
      The path.

    Raises:
      FileNotFoundError: if there is nothing at that path.
      NotADirectoryError: if it is not a folder.
    """
    folder = Path(data_dir).expanduser()
    if not folder.exists():
        raise FileNotFoundError(f"the data folder {folder} does not exist")
    if not folder.is_dir():
        raise NotADirectoryError(f"the data folder {folder} is a file, not a folder")
    return folder


def read_originals(
    release: IdxRelease, *, folder: Path | None, download: Download
) -> Originals:
    """Finds, checks and reads the four files of a release.

    The last sixth of the training file is the validation subset (10,000 of 60,000).

    Args:
      release: the data set.
      folder: the user's folder; nothing else is then looked at.
      download: fetches {part: address} and returns {part: path}, checking sums.

    Returns:
      The images and labels, with their origin.

    Raises:
      FileNotFoundError: if the folder lacks a file, or no source works.
      DataError: if a file is not what it should be.
    """
    paths, origin = _locate(release, folder, download)
    remedy = f"get {release.title} right: {release.remedies()}"
    raw = {part: idx.unpack(path, remedy=remedy) for part, path in paths.items()}
    arrays = {}
    for part, path in paths.items():
        parse = idx.parse_images if part.endswith("images") else idx.parse_labels
        arrays[part] = parse(raw[part], path, remedy=remedy)
    _check_pairs(arrays, paths, remedy)
    sha256 = {FILES[part]: hashlib.sha256(raw[part]).hexdigest() for part in FILES}
    originals = _subsets(arrays, origin, sha256)
    _refuse_the_other(release, originals, origin)
    return originals


def fetch(release: Release, download: Download) -> dict[str, Path]:
    """Downloads all files of a release.

    Args:
      release: the data set.
      download: fetches {part: address} and returns {part: path}, checking sums.

    Returns:
      Part -> path.

    Raises:
      FileNotFoundError: if the download fails; names all other ways to get the files.
      OSError: if the disk is full.
    """
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
    return {part: Path(fetched[part]) for part in release.urls()}


def _locate(
    release: IdxRelease, folder: Path | None, download: Download
) -> tuple[dict[str, Path], str]:
    """Paths of the four files, and their origin in words."""
    if folder is not None:
        return _in_folder(release, folder), f"folder {folder}"
    if release.debian and release.debian[0].is_dir():
        debian, package = release.debian
        return _in_folder(release, debian), f"Debian package {package} ({debian})"
    return fetch(release, download), f"download {release.url}"


def _in_folder(release: IdxRelease, folder: Path) -> dict[str, Path]:
    """Paths of the four files in a folder, with or without .gz."""
    found: dict[str, Path] = {}
    for part, name in FILES.items():
        candidates = [folder / f"{name}.gz", folder / name]
        present = [path for path in candidates if path.is_file()]
        if not present:
            raise FileNotFoundError(
                f"the data folder {folder} lacks {name} (or {name}.gz) of "
                f"{release.title}; it must hold {', '.join(FILES.values())}"
            )
        found[part] = present[0]
    return found


def _check_reachable(url: str) -> None:
    """OSError if the host has no address: TFDS would retry that for minutes."""
    if urllib.request.getproxies():
        return  # The proxy resolves names; this machine need not be able to.
    host = urllib.parse.urlsplit(url).hostname
    try:
        socket.getaddrinfo(host, None)
    except socket.gaierror as error:
        raise OSError(f"can't reach {host}: {error.strerror}") from error


def _check_pairs(
    arrays: dict[str, np.ndarray], paths: dict[str, Path], remedy: str
) -> None:
    for subset in ("train", "test"):
        images, labels = arrays[f"{subset}_images"], arrays[f"{subset}_labels"]
        if len(images) != len(labels):
            raise DataError(
                f"{paths[f'{subset}_images']} holds {len(images):,} images, but "
                f"{paths[f'{subset}_labels']} {len(labels):,} labels; {remedy}"
            )
        if subset == "train" and len(images) < 6:
            raise DataError(
                f"{paths['train_images']} holds {len(images)} images; at least 6 are "
                f"needed, as the last sixth is for validation; {remedy}"
            )
        if images.shape[1:] != (28, 28):
            raise DataError(
                f"{paths[f'{subset}_images']} holds images of "
                f"{images.shape[1]}x{images.shape[2]} px, expected 28x28; {remedy}"
            )


def _subsets(
    arrays: dict[str, np.ndarray], origin: str, sha256: dict[str, str]
) -> Originals:
    cut = len(arrays["train_images"]) - len(arrays["train_images"]) // 6
    split = {}
    for kind in ("images", "labels"):
        training, test = arrays[f"train_{kind}"], arrays[f"test_{kind}"]
        if kind == "images":
            training, test = training[..., None], test[..., None]
        split[kind] = {
            "train": training[:cut],
            "validation": training[cut:],
            "test": test,
        }
    return Originals(split["images"], split["labels"], origin, sha256)


def _refuse_the_other(release: IdxRelease, originals: Originals, origin: str) -> None:
    """The two releases have the same file names: a mix-up is easy, and silent."""
    for other in (MNIST, FASHION_MNIST):
        if other.title != release.title and originals.digest == other.digest:
            raise DataError(
                f"the files are those of {other.title}, not of {release.title} "
                f"({origin}); name another folder"
            )
