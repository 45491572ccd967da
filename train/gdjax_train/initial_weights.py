"""What the first phase of a training starts from."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from flax.traverse_util import flatten_dict, unflatten_dict

from .errors import UserError
from .recipe import Recipe


def started(recipe: Recipe, variables: Any) -> Any:
    """Variables with what the recipe has in files in place of random ones.

    Args:
      recipe: what is trained.
      variables: of the network, or their shapes.

    Raises:
      UserError: for a file that is missing, or another network's.
    """
    if recipe.backbone_weights is not None:
        return with_backbone(recipe.backbone_weights, variables)
    if recipe.initial_weights is not None:
        return with_weights(recipe.initial_weights, variables)
    return variables


def with_backbone(path: str, variables: Any) -> Any:
    """Variables with the backbone's weights of a file.

    Args:
      path: as `Recipe.backbone_weights`.
      variables: of the network, or their shapes.

    Raises:
      UserError: for a file that is missing, or another network's.
    """
    from gdjax.models.resnet_weights import load_resnet_weights

    try:
        return load_resnet_weights(path, variables)
    except (OSError, ValueError) as error:
        raise UserError(f"`backbone_weights={path}`: {error}") from error


def with_weights(path: str, variables: Any) -> Any:
    """Weights and running statistics of a file, all of them.

    Args:
      path: as `Recipe.initial_weights`.
      variables: of the network, or their shapes.

    Raises:
      UserError: for a file that is missing or damaged, or whose arrays are not those
        of the network.
    """
    from gdjax.models.network_loading import read_network

    try:
        given = flatten_dict(read_network(path)[1], sep="/")
    except (OSError, ValueError) as error:
        raise UserError(f"`initial_weights={path}`: {error}") from error
    wanted = flatten_dict(dict(variables), sep="/")
    for name in sorted(wanted.keys() | given.keys()):
        shapes = [getattr(each.get(name), "shape", None) for each in (given, wanted)]
        if shapes[0] != shapes[1]:
            has, needs = ("no" if s is None else f"shape {s} of" for s in shapes)
            raise UserError(
                f"`initial_weights={path}` has {has} {name!r}, the network {needs} it: "
                "give weights of a network with the same parameters"
            )
    cast = {n: jnp.asarray(given[n], wanted[n].dtype) for n in wanted}
    return unflatten_dict(cast, sep="/") | {
        name: {} for name, arrays in variables.items() if not arrays
    }
