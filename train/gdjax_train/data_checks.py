"""Whether images fit a recipe, and a digest by which changed ones are noticed."""

from __future__ import annotations

import hashlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gdjax.models.preprocessing import as_floats

from .augment import augment
from .batch import IGNORED, Batch
from .errors import UserError
from .own_networks import OwnNetworkConfig, logits_shape
from .placing import on_canvas
from .recipe import Recipe


# Images that are read at a time where all of them are looked at.
_BLOCK = 1000


def check_fit(recipe: Recipe, examples: Any) -> tuple[int, ...]:
    """Refuse what no image like these can go through.

    Args:
      recipe: of the run.
      examples: an image or more, with labels.

    Returns:
      [B, H, W, C] of what the network sees of them.

    Raises:
      UserError: saying what does not fit.
    """
    segmented = np.ndim(examples.label) > 1
    if segmented != recipe.model.segments:
        words = ["one class for each image", "a class for each pixel"]
        kind = "name" if recipe.data.folder is None else "folder"
        name = recipe.data.folder or recipe.data.name
        raise UserError(
            f"`data.{kind}={name}` has {words[segmented]}, but the network "
            f"finds {words[not segmented]}: take another set, or another --model.family"
        )
    try:
        shape = seen_shape(recipe, examples)
        _check_own(recipe.model, shape, segmented=segmented)
    except (TypeError, ValueError) as error:
        raise UserError(" ".join(str(error).split())) from error
    return shape


def seen_shape(recipe: Recipe, examples: Any) -> tuple[int, ...]:
    """[B, H, W, C] of what the network sees of images like these.

    Raises:
      ValueError: if they can't go through augmentation and preprocessing.
    """
    factor = getattr(examples, "factor", None)
    batch = Batch(np.asarray(examples.image), np.asarray(examples.label), factor=factor)

    def seen(key: jax.Array, batch: Batch) -> jax.Array:
        images = on_canvas(as_floats(batch.image), batch.factor, recipe.data.canvas)
        changed = augment(key, batch._replace(image=images), recipe.augment)
        return recipe.preprocessing(jnp.asarray(changed.image))

    return jax.eval_shape(seen, jax.random.key(0), batch).shape


def _check_own(model: Any, shape: tuple[int, ...], *, segmented: bool) -> None:
    """Refuse logits that don't fit the images [B, H, W, C]; of modules given alone."""
    if not isinstance(model, OwnNetworkConfig):
        return
    found = logits_shape(model.given, shape[1:])
    wanted = (1, *(shape[1:3] if segmented else ()), model.num_classes)
    if found != wanted:
        raise ValueError(
            f"`model` gives logits {list(found)} for an image {list(shape[1:])}:"
            f" {list(wanted)} are needed"
        )


def digest(examples: Any, key: str, classes: int, *, names: tuple[str, ...]) -> str:
    """SHA-256 of images and labels, block by block; refuses unknown labels.

    Args:
      examples: images and labels, arrays or read when they are needed.
      key: of the split, for messages.
      classes: of the network.
      names: of the classes, where they belong to the data; () otherwise.

    Raises:
      UserError: for a label that is none of the classes.
    """
    found, labels = hashlib.sha256(), []
    for start in range(0, len(examples.label), _BLOCK):
        rows = slice(start, start + _BLOCK)
        found.update(np.ascontiguousarray(examples.image[rows]).data)
        label = np.ascontiguousarray(examples.label[rows])
        _check_labels(key, label, classes, first=start)
        labels.append(label)
    for label in labels:
        found.update(label.data)
    found.update("\n".join(names).encode())
    return found.hexdigest()


def _check_labels(split: str, labels: np.ndarray, classes: int, *, first: int) -> None:
    unknown = (labels < 0) | (labels >= classes)
    if labels.ndim > 1:
        unknown &= labels != IGNORED
    if unknown.any():
        place = np.argwhere(unknown)[0]
        raise UserError(
            f"`num_classes={classes}`, but split {split!r} has the label "
            f"{labels[tuple(place)]} (image {first + place[0]}): give "
            f"--model.num-classes {labels[unknown].max() + 1}"
        )
