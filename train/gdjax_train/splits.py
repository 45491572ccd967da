"""The splits of a recipe, read once, and a note of what was read."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from typing import Any, NamedTuple

import numpy as np

from .errors import UserError
from .losses import IGNORED
from .members import Member, members
from .recipe import DataConfig, Recipe
from .run_folder import RunFolder


class Source(NamedTuple):
    """Where a member's images come from.

    Attributes:
      name: of the data set.
      split: of it, such as "train" or "train_scale_2p000".
      enlarged: factor by which its images are enlarged.
    """

    name: str
    split: str
    enlarged: float = 1.0

    @property
    def key(self) -> str:
        """For data.json."""
        name = self.split if "{" not in self.name else f"{self.name}/{self.split}"
        return name if self.enlarged == 1 else f"{name} enlarged {self.enlarged:g}"


def source(data: DataConfig, kind: str, member: Member) -> Source:
    """The images of a kind ("train", "validation") that a member uses."""
    if member.train_size is None:
        return Source(data.name, kind)
    if "{size}" in data.name:
        return Source(data.name.replace("{size}", f"{member.size:g}"), kind)
    if data.enlarge:
        return Source(data.name, kind, member.size)
    import gdjax.data

    tag = gdjax.data.factor_tag(member.train_size)
    return Source(data.name, f"{kind}_scale_{tag}")


def load_split(
    source: Source, *, data_dir: str | None, limit: int | None = None
) -> Any:
    """`gdjax.data.load`, with missing data as an error for the user."""
    import gdjax.data

    try:
        examples = gdjax.data.load(
            source.name, source.split, data_dir=data_dir, limit=limit
        )
    except (OSError, ValueError, KeyError) as error:
        raise _unreadable(source.name, error) from error
    return enlarged(examples, source.enlarged)


def enlarged(examples: Any, factor: float) -> Any:
    """Examples with images [N, H, W, C] enlarged by a factor, bilinearly (Pillow)."""
    if factor == 1:
        return examples
    from PIL import Image

    height, width = (round(factor * side) for side in examples.image.shape[1:3])
    image = np.stack(
        [
            np.asarray(
                Image.fromarray(each.squeeze()).resize(
                    (width, height), Image.Resampling.BILINEAR
                )
            )
            for each in examples.image
        ]
    )
    return examples._replace(image=image.reshape(*image.shape[:3], -1))


def load_factor(
    data: DataConfig, factor: float, *, data_dir: str | None, limit: int | None = None
) -> Any:
    """`gdjax.data.load_at_factor`, with missing data as an error for the user."""
    import gdjax.data

    try:
        return gdjax.data.load_at_factor(
            data.name, factor, data_dir=data_dir, limit=limit
        )
    except (OSError, ValueError, KeyError) as error:
        raise _unreadable(data.name, error) from error


def load_test(
    data: DataConfig, member: Member, *, data_dir: str | None, limit: int | None = None
) -> Any:
    """The test images of the size that a member was trained at."""
    own = source(data, "test", member)
    named = dataclasses.replace(data, name=own.name)
    examples = load_factor(named, 1.0, data_dir=data_dir, limit=limit)
    return enlarged(examples, own.enlarged)


def require(recipe: Recipe) -> None:
    """Read one image of each training split, before anything is written.

    Raises:
      UserError: if the data are missing.
    """
    for each in {source(recipe.data, "train", member) for member in members(recipe)}:
        load_split(each, data_dir=recipe.data_dir, limit=1)


def factors(data: DataConfig) -> tuple[float, ...]:
    """Size factors of the test splits; empty for a plain data set."""
    import gdjax.data

    try:
        return tuple(gdjax.data.test_factors(data.name))
    except (ValueError, KeyError) as error:
        raise _unreadable(data.name, error) from error


def _unreadable(name: str, error: Exception) -> UserError:
    # str(KeyError("x")) has quotes around it; its argument is the message.
    text = str(error.args[0] if isinstance(error, KeyError) and error.args else error)
    return UserError(f"data set {name!r}: {' '.join(text.split())}")


class TrainingData:
    """Training and validation splits of a run; keeps the last of each in memory."""

    def __init__(self, run: RunFolder, recipe: Recipe):
        """Nothing is read before it is needed.

        Args:
          run: where data.json is written.
          recipe: of the run.
        """
        self._run, self._recipe = run, recipe
        self._train = functools.lru_cache(maxsize=1)(self._load_train)
        self._validation = functools.lru_cache(maxsize=1)(self._load_validation)

    def train(self, member: Member) -> Any:
        """Training images and labels of a member."""
        return self._train(source(self._recipe.data, "train", member))

    def validation(self, member: Member) -> Any | None:
        """Validation images and labels; None where the recipe has none."""
        if self._recipe.data.validation_images == 0:
            return None
        return self._validation(source(self._recipe.data, "validation", member))

    def facts(self, member: Member) -> dict[str, Any]:
        """Number and shape of the training images; reads them the first time only."""
        own = source(self._recipe.data, "train", member)
        noted = (self._run.read_json("data.json") or {}).get(own.key)
        if noted is None:
            self._train(own)
            noted = self._run.read_json("data.json")[own.key]
        return noted

    def _load_train(self, own: Source) -> Any:
        data = self._recipe.data
        folder, limit = self._recipe.data_dir, data.train_images
        examples = load_split(own, data_dir=folder, limit=limit)
        more = None if limit is None else limit - len(examples.label)
        if data.with_validation and more != 0:
            split = own.split.replace("train", "validation", 1)
            rest = load_split(own._replace(split=split), data_dir=folder, limit=more)
            examples = _joined(examples, rest)
        _check_labels(own.key, examples.label, self._recipe.model.num_classes)
        self._note(own.key, examples)
        return examples

    def _load_validation(self, own: Source) -> Any:
        limit = self._recipe.data.validation_images
        return load_split(own, data_dir=self._recipe.data_dir, limit=limit)

    def _note(self, split: str, examples: Any) -> None:
        """Write what was read to data.json, or compare it with what was read before."""
        found = {
            "images": len(examples.label),
            "shape": list(examples.image.shape[1:]),
            "sha256": _digest(examples),
        }
        notes = self._run.read_json("data.json") or {}
        before = notes.setdefault(split, found)
        if before != found:
            raise UserError(
                f"the data set {self._recipe.data.name!r} has changed since the run "
                f"began: split {split!r} was {before}, is {found}; "
                "give the --data-dir that the run was started with"
            )
        self._run.write_json("data.json", notes)


def _check_labels(split: str, labels: np.ndarray, classes: int) -> None:
    unknown = (labels < 0) | (labels >= classes)
    if labels.ndim > 1:
        unknown &= labels != IGNORED
    if unknown.any():
        place = np.argwhere(unknown)[0]
        raise UserError(
            f"`num_classes={classes}`, but split {split!r} has the label "
            f"{labels[tuple(place)]} (image {place[0]}): give --model.num-classes "
            f"{labels[unknown].max() + 1}"
        )


def _joined(first: Any, second: Any) -> Any:
    pairs = zip(first, second, strict=True)
    return type(first)(*(np.concatenate(pair) for pair in pairs))


def _digest(examples: Any) -> str:
    found = hashlib.sha256(np.ascontiguousarray(examples.image).data)
    found.update(np.ascontiguousarray(examples.label).data)
    return found.hexdigest()
