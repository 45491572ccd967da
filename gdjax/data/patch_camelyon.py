"""PatchCamelyon: patches of lymph nodes, with or without a tumour in their centre."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow_datasets as tfds

from gdjax.data import hdf5
from gdjax.data.builder import PLAIN_SPLITS, ScaleBuilder, ScaleConfig
from gdjax.data.errors import DataError
from gdjax.data.originals import Originals
from gdjax.data.sources import Download


# Subset -> what the names of its two files begin with; "_x.h5" and "_y.h5" follow.
_STEMS = {
    subset: f"camelyonpatch_level_2_split_{word}"
    for subset, word in zip(PLAIN_SPLITS, ("train", "valid", "test"), strict=True)
}
_SHAPE = (96, 96, 3)
_REMEDY = (
    "get camelyonpatch_level_2_split_{train,valid,test}_{x,y}.h5.gz from the "
    "PatchCamelyon project (Zenodo record 2546921, CC0), unpack all six, and name the "
    "folder of the *.h5 files (--data-dir, `data_dir=`)"
)
_BLOCK = 256  # Images, 7 MB; more only where the file's own chunks are larger.
_LARGEST_BLOCK = 4096


class GdjaxPatchCamelyon(ScaleBuilder):
    """Patches of scanned lymph nodes, 96x96 px in colour, for classification.

    262,144 / 32,768 / 32,768 images, the published splits. The class is "tumour" if
    there is at least one pixel of tumour tissue in the central 32x32 px, and "normal"
    otherwise; what is around the centre does not count.

    The six published HDF5 files are read from the user's folder. They are checked by
    names, shapes and labels, not by sums: the published MD5 sums of valid and test once
    were those of each other. How many images there are is not checked, but only that
    images and labels are equally many. The digest is over labels, and over shape and
    first and last images of the files of images, which have several GB. Training images
    have 7 GB in memory: read them with `lazy=True` if that is too much. TFDS has a
    builder called `patch_camelyon`, which needs TensorFlow, hence the name.

    [dss] sec. 4.
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First version."}
    MANUAL_DOWNLOAD_INSTRUCTIONS = _REMEDY
    BUILDER_CONFIGS = [
        ScaleConfig(name="default", description="All images."),
        ScaleConfig(
            name="tiny",
            description="The first 64 / 32 / 32 images; for tests.",
            limits={"train": 64, "validation": 32, "test": 32},
        ),
    ]

    SIDE = 96
    CHANNELS = 3
    CLASSES = ("normal", "tumour")
    SPLITS = PLAIN_SPLITS
    SOURCE = "HDF5 files: --data-dir"

    def originals(self, folder: Path | None, *, download: Download) -> Originals:
        """Where the images are, after a check of all files.

        Args:
          folder: where the six files lie.
          download: unused; the set is not downloaded.

        Returns:
          Labels, and the file of images of each subset.

        Raises:
          FileNotFoundError: if there is no folder, or it lacks files.
          DataError: if a file is no whole HDF5 file, or its array is not what it should
            be, or h5py is not installed.
        """
        del download
        hdf5.check_installed("the files of PatchCamelyon are")
        files, labels, sha256 = {}, {}, {}
        for subset, (first, second) in _find(folder).items():
            with _opened(first, "x") as images:
                _check_images(first, images)
                labels[subset] = _read_labels(second, first, len(images))
                sha256[_STEMS[subset]] = hdf5.sample_digest(images, labels[subset])
            files[subset] = first
        return Originals(files, labels, f"folder {folder}", sha256)

    def part(self, originals: Originals, subset: str, factor: float) -> PatchPart:
        """The images of one subset, cut to the limit of this config."""
        del factor  # Always 1.
        count = self.variant.limits.get(subset)
        return PatchPart(originals.images[subset], originals.labels[subset][:count])


class PatchPart(NamedTuple):
    """The first images of a file, read in blocks.

    Attributes:
      path: HDF5 file with `x`, uint8 [N, 96, 96, 3].
      labels: 0 or 1, uint8 [M], M <= N.
    """

    path: Path
    labels: np.ndarray

    def examples(self) -> Iterator[tuple[np.ndarray, int]]:
        """Yields image, uint8 [96, 96, 3], and label, in source order.

        Raises:
          DataError: if the file is damaged where the images are.
        """
        with _opened(self.path, "x") as images:
            size = _block_size(images.chunks)
            for start in range(0, len(self.labels), size):
                labels = self.labels[start : start + size]
                block = np.asarray(images[start : start + len(labels)])
                yield from zip(block, map(int, labels), strict=True)


def _find(folder: Path | None) -> dict[str, tuple[Path, Path]]:
    """Subset -> files of images and labels."""
    if folder is None:
        raise FileNotFoundError(f"PatchCamelyon is not downloaded: {_REMEDY}")
    pairs = {
        subset: (folder / f"{stem}_x.h5", folder / f"{stem}_y.h5")
        for subset, stem in _STEMS.items()
    }
    missing = [p for pair in pairs.values() for p in pair if not p.is_file()]
    packed = [f"{p.name}.gz" for p in missing if Path(f"{p}.gz").is_file()]
    if packed:
        raise FileNotFoundError(
            f"the data folder {folder} has {', '.join(packed)}, but not unpacked, as "
            f"they must be: gunzip {' '.join(packed)}"
        )
    if missing:
        raise FileNotFoundError(
            f"the data folder {folder} lacks {', '.join(p.name for p in missing)} of "
            f"PatchCamelyon; {_REMEDY}"
        )
    return pairs


@contextlib.contextmanager
def _opened(path: Path, key: str) -> Iterator[Any]:
    """One array of a file; nothing of it is read yet."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            found = file.get(key)
            if not isinstance(found, h5py.Dataset):
                raise DataError(
                    f"{path} lacks the array {key!r}: its keys are "
                    f"{', '.join(map(repr, file)) or 'none'}; {_anew(path)}"
                )
            hdf5.check_stored(f"{path}: {key}", file, key)
            yield found
    except DataError:
        raise
    except Exception as error:
        # Of a few wrong bytes, HDF5 makes any of half a dozen types.
        first_line = str(error).partition("\n")[0]
        raise DataError(
            f"{path} is no HDF5 file, or cut short or damaged ({first_line}); "
            f"{_anew(path)}"
        ) from error


def _check_images(path: Path, images: Any) -> None:
    shape = images.shape or (0,)
    if images.dtype != np.uint8 or shape[1:] != _SHAPE or shape[0] == 0:
        raise DataError(
            f"{path} holds x of {images.dtype} {images.shape}, expected uint8 "
            f"(N, 96, 96, 3); {_anew(path)}"
        )


def _read_labels(path: Path, images: Path, count: int) -> np.ndarray:
    """Uint8 [count]; in the file they may be of any shape and type of number."""
    with _opened(path, "y") as found:
        if found.size != count:
            raise DataError(
                f"{path} holds {found.size or 0:,} labels, y of {found.shape}, but "
                f"{images.name} {count:,} images; take both files of the same split, "
                "as published"
            )
        labels = np.asarray(found).ravel()
    wrong = np.flatnonzero(~np.isin(labels, (0, 1)))
    if wrong.size:
        raise DataError(
            f"{path} holds the label {labels[wrong[0]]} (image {wrong[0]:,}), but "
            f"labels are 0 and 1; {_anew(path)}"
        )
    return labels.astype(np.uint8)


def _block_size(chunks: tuple[int, ...] | None) -> int:
    """How many images are read at once: whole chunks, so that each is unpacked once."""
    rows = chunks[0] if chunks else 1
    return min(rows * max(1, _BLOCK // rows), _LARGEST_BLOCK)


def _anew(path: Path) -> str:
    return f"unpack it anew from the published {path.name}.gz"
