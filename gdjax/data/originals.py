"""The images and labels of a data set as published, read from its files."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gdjax.data import formats, sources
from gdjax.data.errors import DataError
from gdjax.data.releases import (
    FASHION_MNIST,
    MNIST,
    ArchiveRelease,
    IdxRelease,
    Layout,
    Records,
    Release,
)
from gdjax.data.sources import Download, SourceFile


# Images [N, H, W, C] and labels [N] in the files of one subset; the text is a remedy.
Parse = Callable[[Sequence[SourceFile], str], tuple[np.ndarray, np.ndarray]]

_SHARES = {5: "fifth", 6: "sixth"}


class Originals(NamedTuple):
    """A data set as published, before any rescaling.

    Attributes:
      images: subset ("train", "validation", "test") -> uint8 [N, H, W, C]; of sets
        too large for memory, what their builder reads the images from.
      labels: subset -> uint8 [N]; none where they are masks, read with the images.
      origin: where the files were found, in words.
      sha256: part -> SHA-256 of its unpacked content, or of what stands for it.
    """

    images: dict[str, Any]
    labels: dict[str, np.ndarray]
    origin: str
    sha256: dict[str, str]

    @property
    def digest(self) -> str:
        """One SHA-256 for all parts; the same for packed and plain files."""
        lines = [f"{name} {self.sha256[name]}\n" for name in sorted(self.sha256)]
        return hashlib.sha256("".join(lines).encode()).hexdigest()


def read_originals(
    release: Release,
    *,
    folder: Path | None,
    download: Download,
    parse: Parse | None = None,
) -> Originals:
    """Finds, checks and reads the files of a release.

    The last sixth of the training images (IDX files) or the last fifth (others) is the
    validation subset.

    Args:
      release: the data set.
      folder: the user's folder; nothing else is then looked at.
      download: fetches {name: address} and returns {name: path}, checking sums.
      parse: reads the files of one subset; None for IDX files and for records, whose
        first label then counts.

    Returns:
      The images and labels, with their origin.

    Raises:
      FileNotFoundError: if the folder lacks a file, or no source works.
      DataError: if a file is not what it should be.
    """
    files, origin = sources.read_files(release, folder=folder, download=download)
    parse, remedy = parse or _parser(release), sources.remedy(release)
    images, labels = {}, {}
    for subset, names in release.subsets.items():
        chosen = [files[name] for name in names]
        images[subset], labels[subset] = parse(chosen, remedy)
        if subset == "train":
            _check_count(len(labels[subset]), release.VALIDATION, chosen[0], remedy)
    for arrays in (images, labels):
        _split_off_validation(arrays, release.VALIDATION)
    sha256 = {name: file.sha256 for name, file in files.items()}
    originals = Originals(images, labels, origin, sha256)
    _refuse_the_other(release, originals)
    return originals


def parse_records(
    files: Sequence[SourceFile], remedy: str, *, records: Mapping[str, Records]
) -> tuple[np.ndarray, np.ndarray]:
    """Images and labels in files of records, joined in the order of the files.

    Args:
      files: the files of one subset, of the right sizes.
      remedy: where to get the files right; the end of the error message.
      records: name of a file -> its records.

    Returns:
      Images, uint8 [N, H, W, 3], and labels, uint8 [N, L], from 0 on.

    Raises:
      DataError: if there is a label that is no class, or nothing but zeros.
    """
    images, labels = [], []
    for file in files:
        layout = records[file.name].layout
        rows = np.frombuffer(file.raw, np.uint8).reshape(-1, layout.size)
        if not rows.any():
            raise DataError(f"{file.place} holds nothing but zeros; {remedy}")
        width = len(layout.classes)
        for column, classes in zip(rows.T[:width], layout.classes, strict=True):
            check_labels(
                column, file.place, first=layout.first, classes=classes, remedy=remedy
            )
        if width:
            labels.append(rows[:, :width] - np.uint8(layout.first))
        if layout.side:
            images.append(_images(rows[:, width:], layout))
    return _join(images), _join(labels)


def check_labels(
    labels: np.ndarray, place: str, *, first: int, classes: int, remedy: str
) -> None:
    """Refuses labels outside first..first + classes - 1.

    Args:
      labels: numbers [N], as in the file.
      place: where they were read.
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
            f"{place} holds the label {labels[wrong[0]]} (image {wrong[0]:,}), "
            f"but labels are {first}..{last}; {remedy}"
        )


def _parser(release: Release) -> Parse:
    if isinstance(release, IdxRelease):
        return _parse_idx
    if isinstance(release, ArchiveRelease):
        return functools.partial(_parse_first_label, records=release.files)
    raise NotImplementedError(f"`parse=None`: the files of {release.title} need one")


def _parse_first_label(
    files: Sequence[SourceFile], remedy: str, **options: Any
) -> tuple[np.ndarray, np.ndarray]:
    images, labels = parse_records(files, remedy, **options)
    return images, labels[:, 0]


def _parse_idx(
    files: Sequence[SourceFile], remedy: str
) -> tuple[np.ndarray, np.ndarray]:
    """Images [N, 28, 28, 1] and labels [N] of two IDX files."""
    first, second = files
    images = formats.parse_images(first.raw, first.place, remedy=remedy)
    labels = formats.parse_labels(second.raw, second.place, remedy=remedy)
    if len(images) != len(labels):
        raise DataError(
            f"{first.place} holds {len(images):,} images, but {second.place} "
            f"{len(labels):,} labels; {remedy}"
        )
    if images.shape[1:] != (28, 28):
        raise DataError(
            f"{first.place} holds images of {images.shape[1]}x{images.shape[2]} px, "
            f"expected 28x28; {remedy}"
        )
    return images[..., None], labels


def _images(planes: np.ndarray, layout: Layout) -> np.ndarray:
    """Uint8 [N, H, W, 3] without a copy."""
    planes = planes.reshape(-1, 3, layout.side, layout.side)
    return planes.transpose((0, 3, 2, 1) if layout.by_columns else (0, 2, 3, 1))


def _join(arrays: list[np.ndarray]) -> np.ndarray:
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)


def _check_count(count: int, least: int, file: SourceFile, remedy: str) -> None:
    if count < least:
        raise DataError(
            f"{file.place} holds {count} images; at least {least} are needed, as the "
            f"last {_SHARES[least]} of the training images is for validation; {remedy}"
        )


def _split_off_validation(arrays: dict[str, np.ndarray], share: int) -> None:
    """The last one of `share` training examples is for validation."""
    cut = len(arrays["train"]) - len(arrays["train"]) // share
    arrays["validation"] = arrays["train"][cut:]
    arrays["train"] = arrays["train"][:cut]


def _refuse_the_other(release: Release, originals: Originals) -> None:
    """The two releases have the same file names: a mix-up is easy, and silent."""
    for other in (MNIST, FASHION_MNIST):
        if other.title != release.title and originals.digest == other.digest:
            raise DataError(
                f"the files are those of {other.title}, not of {release.title} "
                f"({originals.origin}); name another folder"
            )
