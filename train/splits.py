"""The splits of a recipe, read once, and a note of what was read."""

from __future__ import annotations

import functools
import hashlib
from typing import Any

import numpy as np

from .errors import UserError
from .members import Member, members
from .recipe import DataConfig, Recipe
from .run_folder import RunFolder


def split_name(kind: str, member: Member) -> str:
    """The split that a member uses, such as "train" or "train_scale_2p000"."""
    if member.train_size is None:
        return kind
    import gdjax.data

    return f"{kind}_scale_{gdjax.data.factor_tag(member.train_size)}"


def load_split(
    data: DataConfig, split: str, *, data_dir: str | None, limit: int | None = None
) -> Any:
    """`gdjax.data.load`, with missing data as an error for the user."""
    import gdjax.data

    try:
        return gdjax.data.load(data.name, split, data_dir=data_dir, limit=limit)
    except (OSError, ValueError, KeyError) as error:
        raise _unreadable(data.name, error) from error


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


def require(recipe: Recipe) -> None:
    """Read one image of each training split, before anything is written.

    Raises:
      UserError: if the data are missing.
    """
    for split in {split_name("train", member) for member in members(recipe)}:
        load_split(recipe.data, split, data_dir=recipe.data_dir, limit=1)


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
        return self._train(split_name("train", member))

    def validation(self, member: Member) -> Any | None:
        """Validation images and labels; None where the recipe has none."""
        if self._recipe.data.validation_images == 0:
            return None
        return self._validation(split_name("validation", member))

    def facts(self, member: Member) -> dict[str, Any]:
        """Number and shape of the training images; reads them the first time only."""
        split = split_name("train", member)
        noted = (self._run.read_json("data.json") or {}).get(split)
        if noted is None:
            self._train(split)
            noted = self._run.read_json("data.json")[split]
        return noted

    def _load_train(self, split: str) -> Any:
        data = self._recipe.data
        folder, limit = self._recipe.data_dir, data.train_images
        examples = load_split(data, split, data_dir=folder, limit=limit)
        more = None if limit is None else limit - len(examples.label)
        if data.with_validation and more != 0:
            rest = split.replace("train", "validation", 1)
            examples = _joined(
                examples, load_split(data, rest, data_dir=folder, limit=more)
            )
        _check_labels(split, examples.label, self._recipe.model.num_classes)
        self._note(split, examples)
        return examples

    def _load_validation(self, split: str) -> Any:
        data = self._recipe.data
        return load_split(
            data, split, data_dir=self._recipe.data_dir, limit=data.validation_images
        )

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
    wrong = np.flatnonzero((labels < 0) | (labels >= classes))
    if wrong.size:
        raise UserError(
            f"`num_classes={classes}`, but split {split!r} has the label "
            f"{labels[wrong[0]]} (image {wrong[0]}): give --model.num-classes "
            f"{labels.max() + 1}"
        )


def _joined(first: Any, second: Any) -> Any:
    pairs = zip(first, second, strict=True)
    return type(first)(*(np.concatenate(pair) for pair in pairs))


def _digest(examples: Any) -> str:
    found = hashlib.sha256(np.ascontiguousarray(examples.image).data)
    found.update(np.ascontiguousarray(examples.label).data)
    return found.hexdigest()
