"""A user's folder of pictures in the place of a data set (`--data.folder`)."""

from __future__ import annotations

import dataclasses
import os
from typing import Any, Literal

import numpy as np

from .errors import UserError
from .recipe import DataConfig, Recipe


Place = tuple[str, Literal["all", "training", "validation"]]


def with_whole_paths(recipe: Recipe) -> Recipe:
    """The recipe with `~` as a shell has it, and what it reads as found from anywhere.

    Raises:
      UserError: for an empty path.
    """
    paths = {"out": recipe.out, "data_dir": recipe.data_dir}
    files = {n: getattr(recipe, n) for n in ("backbone_weights", "initial_weights")}
    every = {**paths, **files, "data.folder": recipe.data.folder}
    for name, path in every.items():
        if path == "":
            raise UserError(f"`{name}` is empty: give a path, or leave it out")
        if path and "\0" in path:
            raise UserError(f"`{name}={path!r}` is no path: it has a zero in it")
    paths = {n: path and os.path.expanduser(path) for n, path in paths.items()}
    whole = {n: path and _whole(path) for n, path in files.items()}
    recipe = dataclasses.replace(recipe, **paths, **whole)
    if recipe.data.folder is None:
        return recipe
    data = dataclasses.replace(recipe.data, folder=_whole(recipe.data.folder))
    return dataclasses.replace(recipe, data=data)


def _whole(path: str) -> str:
    return os.path.abspath(os.path.expanduser(path))


def validation_of(split: str) -> str:
    """The validation split beside a training split, such as "train_scale_2p000"."""
    return split.replace("train", "validation", 1)


def has_validation(folder: str, split: str) -> bool:
    """Whether there is a validation split beside a training split."""
    from gdjax.data.folder_layout import has_split

    return has_split(folder, validation_of(split))


def place(folder: str, split: str, data: DataConfig) -> Place:
    """The sub-folder of a split, and which part of it is meant.

    Without `validation/`, every tenth training image of each class is validated on,
    and isn't trained on, where the recipe validates at all.

    Args:
      folder: path.
      split: "train", "validation", "test", or one of these and a size.
      data: of the recipe.

    Returns:
      For `gdjax.data.from_folder`.

    Raises:
      DataError: if the folder is missing.
    """
    train = split.replace("validation", "train", 1)
    if split.startswith("test") or has_validation(folder, train):
        return split, "all"
    if split != train:
        return train, "validation"
    return split, "all" if data.validation_images == 0 else "training"


def load_folder(source: Any, *, limit: int | None = None) -> Any:
    """The images of a source that is a folder.

    Args:
      source: of them.
      limit: the first so many, of all classes; None: all.

    Returns:
      Images, read or to be read when they are needed, and labels.

    Raises:
      DataError: for what is wrong with the folder.
      UserError: if it has no such split.
    """
    import gdjax.data
    from gdjax.data.folder_layout import has_split

    for split in source.split.split("+"):
        if not has_split(source.name, split):
            remedy = (
                "sort the pictures into train/ and test/ (and validation/), in a folder"
                " for each class"
            )
            if "_scale_" in split:
                remedy = "for pictures of one size, give --data.train-sizes no values"
            raise UserError(
                f"`data.folder={source.name}` has no folder {split}/: {remedy}"
            )
    examples = gdjax.data.from_folder(
        source.name, split=source.split, part=source.part, limit=limit,
        skip_unreadable=source.skip_unreadable,
    )  # fmt: skip
    if source.lazy:
        return examples
    image, label = (np.asarray(array) for array in examples)
    return examples._replace(image=image, label=label)


def load_folder_at(source: Any, factor: float, *, limit: int | None = None) -> Any:
    """Test images of a folder, rescaled about their centres by exactly a factor.

    They keep their side: larger ones are cut off.

    Choice: around smaller ones the image is mirrored, as in `rescaled_cifar10`.

    Args:
      source: of them.
      factor: dimensionless.
      limit: the first so many, of all classes; None: all.

    Raises:
      DataError: for what is wrong with the folder.
      UserError: if it has no such split, or its images can't be rescaled.
    """
    examples = load_folder(source._replace(lazy=False), limit=limit)
    return rescaled(examples, factor, what=f"`data.folder={source.name}`")


def rescaled(examples: Any, factor: float, *, what: str) -> Any:
    """Images about their centres by exactly a factor; mirrored around smaller ones.

    Raises:
      UserError: if they are not of 8 bits, or have masks; `what` they are of.
    """
    from gdjax.data.rescaling import RescaledPart

    if factor == 1:
        return examples
    image, label = examples
    if image.dtype != np.uint8 or label.ndim > 1:
        kind = "masks" if label.ndim > 1 else f"{image.dtype} {image.shape[1:]}"
        raise UserError(
            f"{what} has {kind}: images of 8 bits with a "
            f"class each are rescaled, so evaluate at size factor 1, not {factor:g} "
            "(--eval-factors 1, or --factors 1 of gdjax-evaluate)"
        )
    part = RescaledPart(image, label, factor, image.shape[1:3], background="mirror")
    return examples._replace(image=part.stack())


def check(recipe: Recipe, sources: dict[str, Any], names: tuple[str, ...]) -> None:
    """Look at the headers of all files, and at an image at every size factor.

    Args:
      recipe: of the run.
      sources: of "train", "validation" and "test", those that are used.
      names: of the classes; () where they are not known.

    Raises:
      DataError: for what is wrong with the folder.
      UserError: if the network has another number of classes, or test images can't be
        rescaled.
    """
    classes, data = recipe.model.num_classes, recipe.data
    if names and len(names) != classes:
        shown = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
        raise UserError(
            f"`num_classes={classes}`, but `data.folder={recipe.data.folder}` has "
            f"{len(names)} ({shown}): give --model.num-classes {len(names)}"
        )
    for kind, source in sources.items():
        limit = getattr(data, f"{kind}_images")
        load_folder(source._replace(lazy=True), limit=limit)
    for factor in recipe.eval_factors if data.canvas is None else ():
        load_folder_at(sources["test"], factor, limit=1)
