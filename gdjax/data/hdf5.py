"""Reader of the HDF5 files in which the authors hand out their rescaled sets.

The files are given out on request, so names are taken loosely: what a file holds is
seen from its keys (`x_train`, `x_val`, `x_test` and the same with `y_`), and only the
size factor is read from its name (`sctr1p000` of training, `scte0p500` of testing).
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gdjax.data.errors import DataError
from gdjax.data.rescaling import factor_tag
from gdjax.data.sources import is_hidden


_KEYS = {"train": "train", "validation": "val", "test": "test"}
_SAMPLES = 16
_BLOCK = 100
_OVERSHOOT = 128
# Deflate packs no better than 1:1032; what claims far more has no values stored.
_DENSEST = 10_000


class StoredPart(NamedTuple):
    """Images that somebody else has rescaled, in an HDF5 file.

    Attributes:
      path: the HDF5 file.
      subset: "train", "val" or "test": keys `x_<subset>` and `y_<subset>`.
      shape: height and width in px, and channels, of the images; in the file the
        channels may also come first.
    """

    path: Path
    subset: str
    shape: tuple[int, int, int]

    def examples(self) -> Iterator[tuple[np.ndarray, int]]:
        """Yields image, uint8 [H, W, C], and label, in source order.

        Raises:
          DataError: if the file is damaged where the images are, or grey levels are
            none of 0..255.
        """
        with _opened(self.path) as file:
            images: Any = file[f"x_{self.subset}"]
            labels = np.asarray(file[f"y_{self.subset}"]).reshape(-1)
            channels_first = images.shape[1:] == (self.shape[2], *self.shape[:2])
            for start in range(0, len(labels), _BLOCK):
                block = self._levels(np.asarray(images[start : start + _BLOCK]))
                if channels_first:
                    block = np.moveaxis(block, 1, -1)
                block = np.ascontiguousarray(block).reshape(-1, *self.shape)
                yield from zip(block, map(int, labels[start:]), strict=False)

    def _levels(self, stored: np.ndarray) -> np.ndarray:
        """Grey levels, uint8; of floats, overshoots of resampling are clipped."""
        block = stored.astype(np.float64)
        beyond = 0 if stored.dtype.kind in "iu" else _OVERSHOOT
        low, high = block.min(), block.max()  # NaN if there is one.
        whole = np.rint(block)
        if not (low >= -beyond and high <= 255 + beyond):
            problem = f"has values from {low:g} to {high:g}"
        elif high <= 1 and (block != whole).any():
            problem = f"has fractions up to {high:g}"
        else:
            return np.clip(whole, 0, 255).astype(np.uint8)
        raise DataError(
            f"{self.path}: x_{self.subset} {problem}, but grey levels are 0..255: "
            "scale them, or take the authors' files"
        )


def find_parts(
    folder: Path,
    splits: Mapping[str, tuple[str, float]],
    *,
    shapes: Mapping[str, tuple[int, int, int]],
    classes: int,
) -> dict[str, StoredPart]:
    """The file and keys of every split.

    Args:
      folder: where the *.h5 or *.hdf5 files lie.
      splits: split -> (subset, size factor).
      shapes: subset -> height and width in px, and channels, of its images.
      classes: labels must lie in 0..classes - 1.

    Returns:
      Split -> where its images are.

    Raises:
      FileNotFoundError: if splits are missing; the message says which files were found.
      DataError: if a file is unreadable, its arrays have the wrong shape, labels are
        outside the classes, or h5py is not installed.
    """
    check_installed("the authors' files are")
    files = sorted(
        path
        for path in folder.glob("*")
        if path.suffix.lower() in (".h5", ".hdf5") and not is_hidden(path)
    )
    available: dict[tuple[str, str], StoredPart] = {}
    for path in files:
        for subset in _subsets(path, shapes, classes):
            part = StoredPart(path, _KEYS[subset], shapes[subset])
            key = (subset, _tag(path, subset))
            # A file of its own for a test size comes before the training file's copy.
            if key not in available or not _has_training(path):
                available[key] = part
    wanted = {name: (sub, factor_tag(f)) for name, (sub, f) in splits.items()}
    missing = [name for name, key in wanted.items() if key not in available]
    if missing:
        names = ", ".join(path.name for path in files) or "no *.h5 file"
        raise FileNotFoundError(
            f"{folder} lacks HDF5 data for {', '.join(missing)}; found {names}; put "
            "the authors' files there under their own names, or name their folder "
            "(--data-dir)"
        )
    return {name: available[key] for name, key in wanted.items()}


def check_installed(files: str) -> None:
    """Refuses to go on without h5py.

    Args:
      files: which files need it, such as "the authors' files are".

    Raises:
      DataError: if h5py is not installed.
    """
    if importlib.util.find_spec("h5py") is None:
        raise DataError(f"{files} HDF5, which needs h5py: install h5py")


def check_stored(place: str, file: Any, key: str) -> None:
    """Refuses an array whose values are not in its file.

    Args:
      place: path and key, for error messages.
      file: open HDF5 file.
      key: of the array.

    Raises:
      DataError: if they are in another file, or can't be as many as its header says.
    """
    import h5py

    array = file[key]
    links = isinstance(file.get(key, getlink=True), h5py.ExternalLink)
    if links or array.external or array.is_virtual:
        raise DataError(f"{place} is in another file: give files with all values")
    stored = array.id.get_storage_size()
    claimed = math.prod(array.shape or (0,)) * array.dtype.itemsize
    if claimed > _DENSEST * stored:
        raise DataError(
            f"{place} claims the shape {array.shape}, but the file holds only "
            f"{stored:,} bytes of it: get it anew"
        )


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """An open file; whatever HDF5 raises meanwhile becomes a DataError."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            yield file
    except DataError:
        raise
    except Exception as error:
        # Of a few wrong bytes it makes any of half a dozen types.
        line = str(error).partition("\n")[0] or type(error).__name__
        raise DataError(
            f"{path} is not a readable HDF5 file, or cut short or damaged ({line}); "
            "get it anew"
        ) from error


def sample_digest(images: Any, labels: Any) -> str:
    """A SHA-256 of what is quickly read of a large array in a file.

    Args:
      images: array or data set of HDF5, [N, ...].
      labels: array, or data set of HDF5.

    Returns:
      Of the shape of the images, all labels, and 16 images at either end.
    """
    digest = hashlib.sha256(str(images.shape).encode())
    for array in (labels[:], images[:_SAMPLES], images[-_SAMPLES:]):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def fingerprint(parts: Mapping[str, StoredPart]) -> dict[str, str]:
    """A SHA-256 per split of the labels and of the first and last images.

    The files have several GB, too much to be hashed at every start.

    Args:
      parts: what `find_parts` returns.

    Returns:
      "<file>:<subset>" -> SHA-256 over shape, labels, and 16 images at either end.
    """
    digests = {}
    for part in parts.values():
        with _opened(part.path) as file:
            arrays = file[f"x_{part.subset}"], file[f"y_{part.subset}"]
            digests[f"{part.path.name}:{part.subset}"] = sample_digest(*arrays)
    return digests


def _subsets(
    path: Path, shapes: Mapping[str, tuple[int, int, int]], classes: int
) -> Iterator[str]:
    """The subsets that a file holds, after a check of their shapes and labels."""
    with _opened(path) as file:
        items = {key: file.get(key) for key in file}
        # Groups, and links to what isn't there, have no shape.
        found: dict[str, tuple[int, ...]] = {
            k: x.shape or () for k, x in items.items() if hasattr(x, "shape")
        }
        labels = {}
        for key in found:
            check_stored(f"{path}: {key}", file, key)
            if items[key].dtype.kind not in "iufb":
                raise DataError(
                    f"{path}: {key} holds {items[key].dtype}, expected numbers"
                )
            x = found.get(f"x_{key[2:]}")
            if key.startswith("y_") and x and math.prod(found[key]) == x[0]:
                labels[key] = np.asarray(items[key])
    for subset, key in _KEYS.items():
        if f"x_{key}" in found and subset in shapes:
            _check_images(f"{path}: x_{key}", found[f"x_{key}"], shapes[subset])
            count, place = found[f"x_{key}"][0], f"{path}: y_{key}"
            _check_count(place, found.get(f"y_{key}"), count)
            _check_labels(place, labels[f"y_{key}"], classes)
            yield subset


def _check_images(
    place: str, found: tuple[int, ...], shape: tuple[int, int, int]
) -> None:
    """With one channel its axis may lie anywhere; with more, last or first."""
    height, width, channels = shape
    layouts = (shape, (channels, height, width))
    right = math.prod(found[1:]) == height * width * channels
    if not right or not found[0] or (channels > 1 and found[1:] not in layouts):
        kind = "one channel" if channels == 1 else f"{channels} channels"
        raise DataError(
            f"{place} has the shape {found}, expected N images of {height}x{width} px "
            f"with {kind}"
        )


def _check_count(place: str, found: tuple[int, ...] | None, count: int) -> None:
    if found is None:
        raise DataError(f"{place} is missing, the labels of {count} images")
    if math.prod(found) != count:
        raise DataError(
            f"{place} has the shape {found}, expected the labels of {count} images"
        )


def _check_labels(place: str, labels: np.ndarray, classes: int) -> None:
    wrong = labels[~np.isin(labels, np.arange(classes))]
    if wrong.size:
        raise DataError(
            f"{place} holds the label {wrong.flat[0]}, but labels are 0..{classes - 1}"
        )


def _tag(path: Path, subset: str) -> str:
    """The size factor in a file's name, such as "0p500"; "1p000" if there is none."""
    kind = "te" if subset == "test" else "tr"
    match = re.search(rf"sc{kind}(\d+p\d+)", path.name)
    # Files of training at factor 1 alone carry only the factor of testing.
    return match.group(1) if match else "1p000"


def _has_training(path: Path) -> bool:
    with _opened(path) as file:
        return "x_train" in file
