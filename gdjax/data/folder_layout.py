"""Which pictures a user's folder has, and what their classes are.

    FOLDER/CLASS/*.png                  classification: a folder for each class
    FOLDER/images/*.jpg, masks/*.png    segmentation: files of the same name

Either may lie in FOLDER/train, FOLDER/validation (or val) and FOLDER/test.

gdjax.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from gdjax.data.errors import DataError, unknown
from gdjax.data.picture_files import SUFFIXES
from gdjax.data.sources import expanded, is_hidden


Part = Literal["all", "training", "validation"]
PARTS = ("all", "training", "validation")

# Names of sub-folders that are splits where they have folders in them.
_SPLITS = {"train": ("train",), "validation": ("validation", "val"), "test": ("test",)}
_LAYOUT = "a folder for each class, or images/ beside masks/"
_EVERY = 10


class Listing(NamedTuple):
    """Files of a split.

    Attributes:
      images: their files.
      labels: class of each, int32 [N]; 0 where there are masks.
      masks: their masks; () where there are classes.
      classes: names of the classes; () where there are masks.
    """

    images: tuple[Path, ...]
    labels: np.ndarray
    masks: tuple[Path, ...]
    classes: tuple[str, ...]

    def take(self, rows: Iterable[int]) -> Listing:
        """Some of them."""
        rows = list(rows)
        images = tuple(self.images[row] for row in rows)
        masks = tuple(self.masks[row] for row in rows) if self.masks else ()
        return Listing(images, self.labels[rows], masks, self.classes)


def list_folder(path: str | Path, *, split: str | None, part: Part) -> Listing:
    """The pictures of a split, without a look into them; see `from_folder`.

    Args:
      path: the folder.
      split: sub-folder, or several joined by "+"; None: the folder itself.
      part: all of them, or of every class all but every tenth, or only these.

    Returns:
      The files: the first of every class, then the second of every class, and so on.

    Raises:
      ValueError: if there is no such `part`.
      DataError: if a folder is missing, or has no pictures, or is not laid out so.
    """
    if part not in PARTS:
        raise unknown("`part`", part, PARTS)
    root = _existing(path)
    places = _places(root, split)
    train = _split_folder(root, "train") if split is not None else None
    # Of a split, labels are those of training: it may lack a class.
    classes = _class_names(train) if train and train.is_dir() else None
    found = [_list_place(place, classes, part) for place in places]
    if len({bool(listing.masks) for listing in found}) > 1:
        raise DataError(f"`split={split!r}` joins classes and masks: take one of them")
    return Listing(
        sum((listing.images for listing in found), ()),
        np.concatenate([listing.labels for listing in found]),
        sum((listing.masks for listing in found), ()),
        found[0].classes,
    )


def has_split(path: str | Path, split: str) -> bool:
    """Whether a folder has a split as a sub-folder.

    Args:
      path: the folder.
      split: "train", "validation" (or val), "test".

    Raises:
      DataError: if the folder is missing.
    """
    return _split_folder(_existing(path), split).is_dir()


def training_masks(path: str | Path) -> tuple[Path, ...]:
    """The masks in the `train/` of a folder; () if there are none.

    Args:
      path: the folder.

    Raises:
      DataError: if the folder is missing.
    """
    masks = _split_folder(_existing(path), "train") / "masks"
    return tuple(_pictures(masks)) if masks.is_dir() else ()


def _existing(path: str | Path) -> Path:
    root = expanded(path, "give the whole path")
    if not root.is_dir():
        problem = "is a file" if root.exists() else "does not exist"
        raise DataError(f"`path={path}` {problem}: give a folder that has {_LAYOUT}")
    return root


def _split_folder(root: Path, split: str) -> Path:
    """The folder of a split, which need not exist."""
    places = [root / name for name in _SPLITS.get(split, (split,))]
    return next((place for place in places if place.is_dir()), places[0])


def _places(root: Path, split: str | None) -> list[Path]:
    """The folders in which pictures are looked for."""
    names = _folders(root)
    if split is None:
        known = sum(_SPLITS.values(), ())
        splits = [name for name in names if name in known and _folders(root / name)]
        if splits:
            raise DataError(
                f"`path={root}` has the splits {', '.join(splits)}: name one, as in "
                f"`split={splits[0]!r}`"
            )
        return [root]
    places = [_split_folder(root, name) for name in split.split("+")]
    for name, place in zip(split.split("+"), places, strict=True):
        if not re.fullmatch(r"[\w-]+", name) or not place.is_dir():
            raise DataError(
                f"`split={split!r}`: {root} has no folder {name}/ (it has "
                f"{', '.join(names) or 'none'}): make it, or name another split"
            )
    return places


def _list_place(place: Path, classes: Sequence[str] | None, part: Part) -> Listing:
    if {"images", "masks"} <= set(_folders(place)):
        images, masks = _with_masks(place)
        listing = Listing(images, np.zeros(len(images), np.int32), masks, ())
    else:
        listing = _in_class_folders(place, classes)
    rank = np.zeros(len(listing.images), int)
    for label in np.unique(listing.labels):
        rows = np.flatnonzero(listing.labels == label)
        rank[rows] = np.arange(len(rows))
    rows = np.lexsort((listing.labels, rank))
    if part != "all":
        tenth = rank % _EVERY == _EVERY - 1
        rows = rows[tenth[rows] == (part == "validation")]
        if not len(rows):
            raise DataError(
                f"`part={part!r}`: no class in {place} has {_EVERY} pictures, of which "
                "one could be set apart: add some, or take all"
            )
    return listing.take(rows)


def _with_masks(place: Path) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
    """Images, and for each its mask of the same name."""
    images, masks = (_by_stem(place / name) for name in ("images", "masks"))
    if not images:
        raise DataError(_without_pictures(place / "images"))
    missing = [stem for stem in images if stem not in masks]
    if missing:
        raise DataError(
            f"{images[missing[0]]} has no mask {place / 'masks' / missing[0]}.png "
            f"({len(missing):,} of {len(images):,} are missing): add it, or take the "
            "picture away"
        )
    return tuple(images.values()), tuple(masks[stem] for stem in images)


def _by_stem(folder: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in _pictures(folder):
        if path.stem in found:
            raise DataError(
                f"{found[path.stem]} and {path.name} have the same name: images and "
                "masks belong together by their names, so rename one"
            )
        found[path.stem] = path
    return found


def _class_names(place: Path) -> tuple[str, ...]:
    """Sorted names of the class folders; () where there are masks."""
    names = _folders(place)
    return () if {"images", "masks"} <= set(names) else tuple(names)


def _in_class_folders(place: Path, classes: Sequence[str] | None) -> Listing:
    """All pictures, class by class."""
    names = _folders(place)
    loose = [path for path in _visible(place) if path.is_file()]
    loose = [path for path in loose if path.suffix.lower() in SUFFIXES]
    if names in (["images"], ["masks"]):
        other = {"images": "masks", "masks": "images"}[names[0]]
        raise DataError(f"{place} has {names[0]}/ but no {other}/: add it")
    if loose:
        raise DataError(
            f"{loose[0]} is in no class folder: {place} must have {_LAYOUT}"
        )
    known = names if classes is None else list(classes)
    strange = [name for name in names if name not in known]
    if strange:
        raise DataError(
            f"{place / strange[0]} is a class without training images (there are "
            f"{', '.join(known) or 'none'}): add some to train/, or take it away"
        )
    files = {name: _pictures(place / name) for name in names}
    for name, pictures in files.items():
        # Of a split beside the training, a class may be empty.
        if not pictures and (classes is None or place.name == "train"):
            raise DataError(_without_pictures(place / name))
    images = [path for pictures in files.values() for path in pictures]
    if not images:
        raise DataError(_without_pictures(place))
    counts = [len(pictures) for pictures in files.values()]
    numbers = [known.index(name) for name in files]
    labels = np.repeat(np.array(numbers, np.int32), counts)
    return Listing(tuple(images), labels, (), tuple(known))


def _without_pictures(folder: Path) -> str:
    others = _visible(folder)
    instead = f", only {others[0].name}" if others else ""
    return (
        f"{folder} has no pictures{instead}: put files {', '.join(SUFFIXES)} directly "
        "in it, or take it away"
    )


def _folders(place: Path) -> list[str]:
    return [path.name for path in _visible(place) if path.is_dir()]


def _pictures(place: Path) -> list[Path]:
    found = [path for path in _visible(place) if path.suffix.lower() in SUFFIXES]
    for path in found:
        if not path.is_file():
            raise DataError(
                f"{path} is no file, but a folder or a link to what isn't there: take "
                "it away"
            )
    return found


def _visible(place: Path) -> list[Path]:
    """What is in a folder, sorted, but for what systems leave, such as ._a.png."""
    found = [path for path in place.iterdir() if not is_hidden(path)]
    return sorted(found, key=lambda path: path.name)
