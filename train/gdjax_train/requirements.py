"""Whether a recipe fits its data: looked at before anything is written."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Sequence
from importlib.util import find_spec
from typing import Any

import jax
import numpy as np

from gdjax.models import NetworkConfig

from . import folders, own_sets
from .batch import steps_per_epoch
from .data import Source, class_names, factors, load_split, load_test, readable, source
from .data_checks import check_fit
from .errors import UserError
from .initial_weights import started
from .recipe import Recipe
from .trials import Trial, build, trials


# Bytes; a network takes many times as much.
LARGEST_BATCH = 2**35


def require(
    recipe: Recipe,
    *,
    usual: Recipe | None = None,
    say: Callable[[str], None] = print,
) -> None:
    """Read an image of each split, and count them, before anything is written.

    Args:
      recipe: of the run.
      usual: the recipe before the user changed it: of numbers of images that are the
        same there, it is said, not refused, that the data have fewer.
      say: prints a line for the user.

    Raises:
      UserError: if data are missing, or don't fit the recipe.
    """
    if recipe.tensorboard and find_spec("tensorboardX") is None:
        raise UserError(
            "`tensorboard=True` needs tensorboardX: pip install tensorboardX"
        )
    kinds = ["train", *(["validation"] if recipe.data.validation_images != 0 else [])]
    limits, folder = _limits(recipe), recipe.data_dir
    count = functools.cache(lambda own, limit: _count(own, folder, limit))
    known = {} if usual is None else _limits(usual)
    for trial in trials(recipe):
        shapes = [
            check_fit(
                trial.recipe,
                load_split(source(trial, kind), data_dir=recipe.data_dir, limit=1),
            )
            for kind in kinds
        ]
        _require_test(recipe, trial)
        _require_classes(trial)
        found = _counts(trial, kinds, limits, count)
        for kind, limit in limits.items():
            if limit is not None and limit > found.get(kind, limit):
                _too_many(kind, limit, found[kind], known.get(kind), say)
        for phase in trial.phases:
            steps_per_epoch(found["train"], phase.batch_size)
            _require_room(phase.batch_size, shapes[0])
        for each in (*trial.phases, *trial.networks()):
            made = _require_network(each.model, recipe.precision, shapes[0])
            started(recipe, made)
        _require_folder(recipe, trial, kinds)


def _require_folder(recipe: Recipe, trial: Trial, kinds: list[str]) -> None:
    own = {kind: source(trial, kind) for kind in (*kinds, "test")}
    if own["test"].folder:
        with readable(own["test"].name):
            folders.check(recipe, own, class_names(own["test"]))


def _require_room(batch: int, shape: tuple[int, ...]) -> None:
    """Refuse batches of images [B, H, W, C] that no memory holds."""
    needed = 4 * batch * math.prod(shape[1:])
    if needed > LARGEST_BATCH:
        raise UserError(
            f"a batch of {batch} images of {shape[1]} x {shape[2]} px takes "
            f"{needed / 2**30:.0f} GiB: give a smaller --batch-size, or enlarge less"
        )


@functools.cache
def _require_network(
    model: NetworkConfig, precision: str, shape: tuple[int, ...]
) -> Any:
    """Refuse a network that can't take images [B, H, W, C]; nothing is computed.

    Returns:
      Shapes of its variables.

    Raises:
      UserError: with what it has against them.
    """
    blank = jax.ShapeDtypeStruct(shape, np.float32)
    try:
        plan = model.plan(None, side=max(shape[1:3]), previous=None)
        module = build(model, precision, plan)
        return jax.eval_shape(module.init, jax.random.key(0), blank)
    except (MemoryError, OverflowError, TypeError, ValueError) as error:
        raise UserError(" ".join(str(error).split())) from error


def _limits(recipe: Recipe) -> dict[str, int | None]:
    data = recipe.data
    validation = data.validation_images or None  # 0: none is read
    return {
        "train": data.train_images, "validation": validation, "test": data.test_images
    }  # fmt: skip


def _too_many(
    kind: str, limit: int, found: int, usual: int | None, say: Callable[[str], None]
) -> None:
    text = f"`data.{kind}_images={limit}`: there are {found:,} {kind} images"
    if limit != usual:
        raise UserError(f"{text}; give 1 to {found}, or None for all")
    say(f"{text}, all of which are used")


def _count(own: Source, data_dir: str | None, limit: int | None) -> int:
    """Number of images of a source, or of the first so many; decodes none."""
    plain = own._replace(lazy=True, enlarged=1.0, canvas=None)
    return len(load_split(plain, data_dir=data_dir, limit=limit).label)


def _counts(
    trial: Trial, kinds: list[str], limits: dict[str, int | None], count: Any
) -> dict[str, int]:
    """Numbers of training, validation and test images of a trial, within limits."""
    found = {kind: count(source(trial, kind), limits[kind]) for kind in kinds}
    test = source(trial, "test")._replace(split=_test_split(trial))
    found["test"] = count(test, limits["test"])
    own, limit = source(trial, "train"), limits["train"]
    joins = trial.recipe.data.with_validation
    if joins and own.folder:
        joins = folders.has_validation(own.name, own.split)
    more = None if limit is None else limit - found["train"]
    if joins and more != 0:
        rest = own._replace(split=folders.validation_of(own.split))
        found["train"] += count(rest, more)
    return found


def _test_split(trial: Trial) -> str:
    """A split of the test images: they are as many at every size."""
    import gdjax.data

    own = source(trial, "test")
    known = factors(own)
    if not known or own.canvas is not None:
        return own.split
    return f"test_scale_{gdjax.data.factor_tag(known[0])}"


def _require_test(recipe: Recipe, trial: Trial) -> None:
    """Read a test image, and, of images of one's own, one at every size factor."""
    own, folder = source(trial, "test"), recipe.data_dir
    known = factors(own) or (1.0,)
    example = load_test(own, known[0], data_dir=folder, limit=1)
    check_factors(recipe.eval_factors, example.image.shape[1:3])
    if own_sets.is_own(own.name) and recipe.data.canvas is None:
        for factor in recipe.eval_factors:
            load_test(own, factor, data_dir=folder, limit=1)


def check_factors(wanted: Iterable[float], shape: Sequence[int]) -> None:
    """Refuse size factors that leave nothing of an image.

    Args:
      wanted: size factors.
      shape: height and width of the images, px.

    Raises:
      UserError: for one at which an image would be less than a pixel, or a pixel more
        than an image.
    """
    side = max(shape)
    for factor in wanted:
        if not 1 <= side * factor <= side**2:
            raise UserError(
                f"size factor {factor:g}: of images of {side} px it leaves nothing to "
                f"see; give 1/{side} to {side}"
            )


def _require_classes(trial: Trial) -> None:
    """Refuse a network with fewer classes than the data set has."""
    own: Any = source(trial, "train")
    names, classes = class_names(own), trial.recipe.model.num_classes
    if not own.folder and classes < len(names):
        raise UserError(
            f"`num_classes={classes}`, but {own.name!r} has {len(names)} classes: give "
            f"--model.num-classes {len(names)}"
        )
