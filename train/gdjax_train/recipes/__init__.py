"""The recipes: one file a paper, one frozen `Recipe` a run."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from gdjax.models.names import unknown

from ..errors import UserError
from ..recipe import Recipe
from . import (
    costs,
    digits,
    dss,
    gaussdernet,
    gaussderresnet,
    mnist_scale,
    njet,
    njet_classifiers,
    njet_deeplab,
    scale_learning,
    scale_learning_number,
    scale_learning_toy,
)


DEFAULT = "rescaled_digits"


@dataclasses.dataclass(frozen=True)
class Entry:
    """A recipe, the docstring that describes it, and what it costs.

    Attributes:
      recipe: the recipe.
      description: several lines; the first is a summary.
      group: heading under which it is listed.
      cost: time, memory and data.
    """

    recipe: Recipe
    description: str
    group: str
    cost: costs.Cost


GROUPS = {
    "first run": (digits,),
    "[gaussdernet] Gaussian derivative networks": (gaussdernet,),
    "[gaussderresnet] Gaussian derivative residual networks": (gaussderresnet,),
    "[dss] deep scale-spaces": (dss,),
    "[scale_learning] learned internal scales": (
        scale_learning,
        mnist_scale,
        scale_learning_toy,
        scale_learning_number,
    ),
    "[njet] learned resolution": (njet, njet_classifiers, njet_deeplab),
}


def _entries() -> Iterator[tuple[str, Entry]]:
    """Names and recipes, a small one right after its full one."""
    for group, modules in GROUPS.items():
        makers = {
            name: make for module in modules for name, make in module.RECIPES.items()
        }
        # Stable: where there is no full one of that name, the order is the module's.
        first = {name: place for place, name in enumerate(makers)}
        for name in sorted(
            makers, key=lambda n: first.get(n.removesuffix("_small"), first[n])
        ):
            make = makers[name]
            recipe = make()
            cost = costs.cost(name, recipe.data.name)
            yield name, Entry(recipe, make.__doc__ or "", group, cost)


RECIPES: dict[str, Entry] = dict(_entries())


def find(name: str) -> Entry:
    """The recipe of that name.

    Raises:
      UserError: if there is none, with the nearest name.
    """
    if name not in RECIPES:
        raise unknown("recipe", name, RECIPES, error=UserError)
    return RECIPES[name]
