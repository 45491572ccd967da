"""The recipes: one file a paper, one frozen `Recipe` a run."""

from __future__ import annotations

import dataclasses

from gdjax.models.names import unknown

from ..errors import UserError
from ..recipe import Recipe
from . import (
    digits,
    dss,
    gaussdernet,
    gaussderresnet,
    mnist_scale,
    njet,
    njet_classifiers,
    scale_learning,
    scale_learning_number,
    scale_learning_toy,
)


DEFAULT = "rescaled_digits"


@dataclasses.dataclass(frozen=True)
class Entry:
    """A recipe and the docstring that describes it."""

    recipe: Recipe
    description: str


RECIPES: dict[str, Entry] = {
    name: Entry(make(), make.__doc__ or "")
    for module in (
        digits,
        gaussdernet,
        gaussderresnet,
        dss,
        scale_learning,
        scale_learning_toy,
        scale_learning_number,
        mnist_scale,
        njet,
        njet_classifiers,
    )
    for name, make in module.RECIPES.items()
}


def find(name: str) -> Entry:
    """The recipe of that name.

    Raises:
      UserError: if there is none, with the nearest name.
    """
    if name not in RECIPES:
        raise unknown("recipe", name, RECIPES, error=UserError)
    return RECIPES[name]
