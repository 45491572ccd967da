"""Training images in an evaluation: how well a network knows what it was trained on."""

from __future__ import annotations

from typing import Any

from . import data
from .data import Source, source
from .figures import Candidate
from .recipe import Recipe


def training_sources(recipe: Recipe, candidates: list[Candidate]) -> list[Source]:
    """Training images that networks are scored on, each source once; [] for none.

    Args:
      recipe: of the run.
      candidates: networks, each of which was trained on one of them.
    """
    if recipe.eval_training_images == 0:
        return []
    return list(dict.fromkeys(source(each.trial, "train") for each in candidates))


def load_training(own: Source, recipe: Recipe) -> Any:
    """The first training images of a source, none that wasn't trained on.

    Args:
      own: of the training images of a trial.
      recipe: of the run.

    Returns:
      Images as they are read, without random changes, and labels.

    Raises:
      UserError: for missing data.
    """
    given = recipe.eval_training_images, recipe.data.train_images
    limits = [limit for limit in given if limit is not None]
    limit = min(limits, default=None)
    return data.load_split(own, data_dir=recipe.data_dir, limit=limit)
