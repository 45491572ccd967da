"""The images of a run: where they come from, and a note of what was read."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import numpy as np

from . import folders, own_sets
from .data_checks import digest
from .errors import UserError
from .placing import canvas_shape, with_factors
from .recipe import Recipe
from .resizing import enlarged
from .run_files import RunFolder
from .scale_distribution import ScaleDistribution, draw_factors
from .trials import Trial


# Of images, and px of a side: more is a mistake.
_MOST = 2**31


class Source(NamedTuple):
    """Where a trial's images come from.

    Attributes:
      name: of the data set, or the path of a folder.
      split: of it, such as "train" or "train_scale_2p000".
      enlarged: factor by which its images are enlarged.
      key: for data.json.
      lazy: whether images are read when they are needed.
      canvas: side of the canvas on which they are placed, px; None: they aren't.
      scales: their size factors on it; of test images, where they are drawn.
      realisation: of these factors.
      folder: whether it is a user's folder.
      part: of the split, as in `gdjax.data.from_folder`.
      skip_unreadable: whether pictures of a folder that can't be read are passed over.
    """

    name: str
    split: str
    enlarged: float = 1.0
    key: str = ""
    lazy: bool = False
    canvas: int | None = None
    scales: ScaleDistribution = ScaleDistribution()
    realisation: int = 0
    folder: bool = False
    part: Literal["all", "training", "validation"] = "all"
    skip_unreadable: bool = False


def source(trial: Trial, kind: str) -> Source:
    """The images of a kind ("train", "validation", "test") that a trial uses."""
    data = trial.recipe.data
    folder = None if data.folder is None else trial.recipe.data_dir or data.folder
    name, split, enlarged = folder or data.name, kind, 1.0
    several = trial.realisation is not None or "{size}" in name
    if trial.train_size is None:
        pass
    elif "{size}" in name:
        name = name.replace("{size}", f"{trial.size:g}")
    elif data.enlarge:
        enlarged = trial.size
    elif kind != "test":
        import gdjax.data

        split = f"{kind}_scale_{gdjax.data.factor_tag(trial.train_size)}"
    key = split if enlarged == 1 else f"{split} enlarged {enlarged:g}"
    # Data sets of other names have other images in a split of the same name.
    key = f"{name}/{key}" if several else key
    draws = data.canvas, data.scales, trial.realisation or 0
    own = Source(name, split, enlarged, key, data.lazy, *draws)
    if folder is None:
        return own
    with readable(name):
        split, part = folders.place(name, split, data)
    return own._replace(
        split=split, folder=True, part=part, skip_unreadable=data.skip_unreadable
    )


def load_split(
    source: Source, *, data_dir: str | None, limit: int | None = None
) -> Any:
    """Images of a split, with missing data as an error for the user."""
    import gdjax.data

    with readable(source.name):
        if own_sets.is_own(source.name):
            examples = own_sets.load_own(
                source.name, source.split, limit=limit, lazy=source.lazy
            )
        elif source.folder:
            examples = folders.load_folder(source, limit=limit)
        else:
            places = {"data_dir": data_dir, "limit": limit, "lazy": source.lazy}
            examples = gdjax.data.load(source.name, source.split, **places)
    examples = enlarged(examples, source.enlarged)
    if source.canvas is None:
        return examples
    validation = "validation" in (source.part, source.split.partition("_")[0])
    seed = source.realisation, int(validation)
    factors = draw_factors(source.scales, len(examples.label), seed=seed)
    return with_factors(examples, factors)


def load_test(
    source: Source, factor: float, *, data_dir: str | None, limit: int | None = None
) -> Any:
    """Test images at a size factor, with missing data as an error for the user."""
    import gdjax.data

    own = factor if source.canvas is None else 1.0
    with readable(source.name):
        if own_sets.is_own(source.name):
            examples = own_sets.load_own_at(source.name, own, limit=limit)
        elif source.folder:
            examples = folders.load_folder_at(source, own, limit=limit)
        else:
            examples = gdjax.data.load_at_factor(
                source.name, own, data_dir=data_dir, limit=limit
            )
    examples = enlarged(examples, source.enlarged)
    if source.canvas is None:
        return examples
    return with_factors(examples, np.full(len(examples.label), factor, np.float32))


def factors(source: Source) -> tuple[float, ...]:
    """Size factors of the test splits; () of a plain set, a folder, and on a canvas."""
    import gdjax.data

    plain = source.folder or own_sets.is_own(source.name)
    if source.canvas is not None or plain:
        return ()
    with readable(source.name):
        return tuple(gdjax.data.test_factors(source.name))


def class_names(source: Source) -> tuple[str, ...]:
    """Of a data set of gdjax, or of class folders; () for others."""
    import gdjax.data

    if own_sets.is_own(source.name):
        return own_sets.own_classes(source.name)
    try:
        if source.folder:
            return gdjax.data.folder_classes(source.name, split=source.split)
        return gdjax.data.class_names(source.name)
    except ValueError:
        return ()


@contextlib.contextmanager
def readable(name: str) -> Iterator[None]:
    """What a data set raises as an error for the user."""
    try:
        yield
    except (OSError, ValueError, KeyError) as error:
        # str(KeyError("x")) has quotes around it; its argument is the message.
        quoted = isinstance(error, KeyError) and error.args
        text = str(error.args[0] if quoted else error)
        raise UserError(f"data set {name!r}: {' '.join(text.split())}") from error


class TrainingData:
    """Training and validation splits of a run; keeps the last of each in memory."""

    def __init__(self, run: RunFolder, recipe: Recipe):
        """Nothing is read before it is needed.

        Args:
          run: where data.json is written.
          recipe: of the run.
        """
        self._run, self._recipe = run, recipe
        self._last: Source | None = None
        self._train = functools.lru_cache(maxsize=1)(self._load_train)
        self._validation = functools.lru_cache(maxsize=1)(self._load_validation)

    def train(self, trial: Trial) -> Any:
        """Training images and labels of a trial."""
        own = source(trial, "train")
        if own != self._last:
            self._train.cache_clear()  # before the next ones are read
            self._last = own
        return self._train(own, trial.recipe.model.num_classes)

    def validation(self, trial: Trial) -> Any | None:
        """Validation images and labels; None where the recipe has none."""
        if self._recipe.data.validation_images == 0:
            return None
        return self._validation(source(trial, "validation"))

    def facts(self, trial: Trial) -> dict[str, Any]:
        """Number and shape of the training images (or canvases); reads them once."""
        own = source(trial, "train")
        noted = self._noted(own)
        if noted is None:
            self.train(trial)
            noted = self._noted(own)
        assert noted is not None
        return noted | {"shape": canvas_shape(noted["shape"], own.canvas)}

    def _noted(self, own: Source) -> dict[str, Any] | None:
        notes = self._run.read_json("data.json") or {}
        # Older runs have one split whatever the set is called.
        found = notes.get(own.key, notes.get(own.split) if own.enlarged == 1 else None)
        if found is not None and not _is_note(found):
            raise self._run.damaged("data.json", f"says nothing of {own.key!r}")
        return found

    def _load_train(self, own: Source, classes: int) -> Any:
        data = self._recipe.data
        folder, limit = self._recipe.data_dir, data.train_images
        validation = folders.validation_of(own.split)
        joins = data.with_validation
        if own.folder and joins:  # without a folder for it, it is in the training
            joins = folders.has_validation(own.name, own.split)
        if own.lazy and joins:
            own = own._replace(split=f"{own.split}+{validation}")
        examples = load_split(own, data_dir=folder, limit=limit)
        more = None if limit is None else limit - len(examples.label)
        if joins and more != 0 and not own.lazy:
            rest = load_split(
                own._replace(split=validation), data_dir=folder, limit=more
            )
            examples = _joined(examples, rest)
        self._note(own, examples, classes)
        return examples

    def _load_validation(self, own: Source) -> Any:
        limit = self._recipe.data.validation_images
        return load_split(own, data_dir=self._recipe.data_dir, limit=limit)

    def _note(self, own: Source, examples: Any, classes: int) -> None:
        """Write what was read to data.json, or compare it with what was read before."""
        found = {
            "images": len(examples.label),
            "shape": list(examples.image.shape[1:]),
            "sha256": digest(
                examples,
                own.key,
                classes,
                names=class_names(own) if own.folder else (),
            ),
        }
        before = self._noted(own)
        if before is not None and before != found:
            remedy = "give the --data-dir that the run was started with"
            if own.folder:
                remedy = "put its files back as they were, or start a new run"
            name = own.name if own.folder else self._recipe.data.name
            raise UserError(
                f"the data set {name!r} has changed since the run began: split "
                f"{own.key!r} was {before}, is {found}; {remedy}"
            )
        notes = self._run.read_json("data.json") or {}
        self._run.write_json("data.json", notes | {own.key: found})


def _is_note(value: Any) -> bool:
    if not isinstance(value, dict):
        return False
    shape = value.get("shape")
    return (
        isinstance(images := value.get("images"), int)
        and 0 < images < _MOST
        and isinstance(value.get("sha256"), str)
        and isinstance(shape, list)
        and len(shape) == 3
        and all(isinstance(size, int) and 0 < size < _MOST for size in shape)
    )


def _joined(first: Any, second: Any) -> Any:
    pairs = zip(first, second, strict=True)
    joined = [
        None if one is None else np.concatenate([one, other]) for one, other in pairs
    ]
    return first._replace(**dict(zip(first._fields, joined, strict=True)))
