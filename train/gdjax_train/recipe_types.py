"""Recipes that are made in Python: every field is of its type."""

from __future__ import annotations

import dataclasses
import typing
from typing import Any

import flax.linen as nn

from gdjax.layers.fields import checked_field
from gdjax.models import NetworkConfig
from gdjax.models.names import NAMED
from gdjax.scalespace.checks import check_order, shown

from .recipe import Recipe


# As of `number_checks`: other numbers are of 31 bits, these of 63.
_LARGEST_SEED = 2**63 - 1


def checked_recipe(recipe: Any) -> Recipe:
    """The recipe with fields as their types have them: lists become tuples.

    Raises:
      TypeError: for what is no recipe, and for a field of another type.
      ValueError: for a number that is not finite, and what is none of the choices.
    """
    if not isinstance(recipe, Recipe):
        raise TypeError(
            f"`recipe={shown(recipe)}` must be a recipe, such as"
            ' `recipes.find("dss_textures").recipe`.'
        )
    return _checked(recipe, "")


def _checked(config: Any, where: str) -> Any:
    """A dataclass, and those in it, whose place in the recipe is `where`."""
    hints = typing.get_type_hints(type(config))
    values = {
        field.name: _value(
            f"{where}{field.name}", getattr(config, field.name), hints[field.name]
        )
        for field in dataclasses.fields(config)
        if field.init
    }
    return dataclasses.replace(config, **values)


def _value(path: str, value: Any, hint: Any) -> Any:
    if hint is NetworkConfig:
        _check_network(path, value)
    elif path == "seed":
        return _seed(path, value)
    elif path == "seeds" and isinstance(value, tuple | list):
        return tuple(_seed(path, each) for each in value)
    elif path.rpartition(".")[2] in NAMED and isinstance(value, str):
        return value  # `named` knows the nearest name
    else:
        value = checked_field(path, value, hint)
    plain = dataclasses.is_dataclass(value) and not isinstance(value, nn.Module)
    return _checked(value, f"{path}.") if plain else value


def _seed(path: str, value: Any) -> int:
    return check_order(value, name=path, highest=_LARGEST_SEED)


def _check_network(path: str, value: Any) -> None:
    if not isinstance(value, NetworkConfig) or not dataclasses.is_dataclass(value):
        text = " ".join(shown(value).split())
        raise TypeError(
            f"`{path}={text}` must be the configuration of a network, such as"
            " `gdjax.models.GaussDerNetConfig()`; a Linen module is given by"
            " `train_recipe(..., model=...)`."
        )
