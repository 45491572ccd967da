"""Reader of the HDF5 files in which the authors hand out their rescaled sets.

The files are given out on request, so names are taken loosely: what a file holds is
seen from its keys (`x_train`, `x_val`, `x_test` and the same with `y_`), and only the
size factor is read from its name (`sctr1p000` of training, `scte0p500` of testing).
"""

from __future__ import annotations

import hashlib
import importlib.util
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from gdjax.data.factors import factor_tag
from gdjax.data.idx import DataError
from gdjax.data.parts import StoredPart


_KEYS = {"train": "train", "validation": "val", "test": "test"}
_SAMPLES = 16


def find_parts(
    folder: Path, splits: Mapping[str, tuple[str, float]], *, side: int
) -> dict[str, StoredPart]:
    """The file and keys of every split.

    Args:
      folder: where the *.h5 or *.hdf5 files lie.
      splits: split -> (subset, size factor).
      side: side of the images in px.

    Returns:
      Split -> where its images are.

    Raises:
      FileNotFoundError: if splits are missing; the message says which files were found.
      DataError: if a file is unreadable, its arrays have the wrong shape, or h5py is
        not installed.
    """
    if importlib.util.find_spec("h5py") is None:
        raise DataError("the authors' files are HDF5, which needs h5py: install h5py")
    files = sorted(p for p in folder.glob("*") if p.suffix.lower() in (".h5", ".hdf5"))
    available: dict[tuple[str, str], StoredPart] = {}
    for path in files:
        for subset in _subsets(path, side):
            part = StoredPart(path, _KEYS[subset], side)
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


def fingerprint(parts: Mapping[str, StoredPart]) -> dict[str, str]:
    """A SHA-256 per split of the labels and of the first and last images.

    The files have several GB, too much to be hashed at every start.

    Args:
      parts: what `find_parts` returns.

    Returns:
      "<file>:<subset>" -> SHA-256 over shape, labels, and 16 images at either end.
    """
    import h5py

    digests = {}
    for part in parts.values():
        with h5py.File(part.path, "r") as file:
            images: Any = file[f"x_{part.subset}"]
            labels: Any = file[f"y_{part.subset}"]
            digest = hashlib.sha256(str(images.shape).encode())
            for array in (labels[:], images[:_SAMPLES], images[-_SAMPLES:]):
                digest.update(np.ascontiguousarray(array).tobytes())
        digests[f"{part.path.name}:{part.subset}"] = digest.hexdigest()
    return digests


def _subsets(path: Path, side: int) -> Iterator[str]:
    """The subsets that a file holds, after a check of their shapes."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            items: dict[str, Any] = dict(file.items())
            # Groups have no shape.
            shapes = {k: x.shape for k, x in items.items() if hasattr(x, "shape")}
    except OSError as error:
        raise DataError(f"{path} is not a readable HDF5 file: {error}") from error
    for subset, key in _KEYS.items():
        images, labels = shapes.get(f"x_{key}"), shapes.get(f"y_{key}")
        if images is None:
            continue
        pixels = int(np.prod(images[1:]))
        if labels is None or int(np.prod(labels)) != images[0]:
            raise DataError(f"{path}: y_{key} {labels} doesn't fit x_{key} {images}")
        if pixels != side * side:
            raise DataError(
                f"{path}: x_{key} has the shape {images}, expected N images of "
                f"{side}x{side} px with one channel"
            )
        yield subset


def _tag(path: Path, subset: str) -> str:
    """The size factor in a file's name, such as "0p500"; "1p000" if there is none."""
    kind = "te" if subset == "test" else "tr"
    match = re.search(rf"sc{kind}(\d+p\d+)", path.name)
    # Files of training at factor 1 alone carry only the factor of testing.
    return match.group(1) if match else "1p000"


def _has_training(path: Path) -> bool:
    import h5py

    with h5py.File(path, "r") as file:
        return "x_train" in file
