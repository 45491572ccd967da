"""Recipes in files: written, read again, also by other versions, and compared."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import Any

from gdjax.models import FAMILIES
from gdjax.models.values import from_values, to_values

from . import own_networks
from .errors import UserError
from .recipe import Recipe


# 1, which files do not name: one mapping of the fields of all families.
FORMAT = 2


def to_dict(recipe: Recipe) -> dict[str, Any]:
    """The recipe as plain values for JSON."""
    return to_values(recipe)


def from_dict(values: dict[str, Any], *, version: int = FORMAT) -> Recipe:
    """The inverse of `to_dict`, for values that went through JSON.

    Args:
      values: the mapping; fields that are missing have their defaults.
      version: format of the file.

    Returns:
      The recipe; its lists become tuples.

    Raises:
      UserError: for fields and formats that this version does not know.
    """
    check_format(version)
    own_networks.register_family()
    try:
        recipe = from_values(_moved(values) if version == 1 else values, Recipe)
        if not recipe.nets:
            raise ValueError("`nets=[]`: expected at least one")
        return recipe
    except ValueError as error:
        raise UserError(
            f"the recipe was written by another version of gdjax, or by hand: {error}; "
            "the run's versions.json has the version that wrote it"
        ) from None


def check_format(version: Any) -> None:
    """Refuse the files of later versions.

    Raises:
      UserError: naming the format.
    """
    if version not in (1, FORMAT):
        raise UserError(
            f"the recipe has format {version!r}, this version of gdjax reads 1 and "
            f"{FORMAT}: update gdjax (the run's versions.json has the version)"
        )


def _moved(values: dict[str, Any]) -> dict[str, Any]:
    """Format 1, whose networks have the fields of all families, without the others'."""
    model = values.get("model") if isinstance(values, dict) else None
    kind = FAMILIES.get(model.get("family", "")) if isinstance(model, dict) else None
    if model is None or kind is None:
        return values  # what is wrong with it is said where it is read
    known = {field.name: field for field in dataclasses.fields(kind)}
    foreign = _UNION - set(known)
    model = {name: value for name, value in model.items() if name not in foreign}
    if isinstance(model.get("njet"), dict):
        layers = {field.name for field in dataclasses.fields(known["njet"].default)}
        foreign = _LAYERS - layers
        njet = {n: v for n, v in model["njet"].items() if n not in foreign}
        model["njet"] = njet
    return {**values, "model": model}


# All fields that the networks of format 1 had.
_UNION = {
    "widths", "num_classes", "single_sigma", "sigmas", "ratio", "order",
    "zero_order", "padding", "eps", "truncated", "pyramid", "spatial_selection",
    "scale_pooling", "scale_dropout", "separable_from", "activate", "remat", "njet",
}  # fmt: skip
# And in "njet".
_LAYERS = {"subsampling", "r", "width"}


def digest(values: dict[str, Any]) -> str:
    """SHA-256 of a recipe as it is stored; the place of the data does not count."""
    kept = values
    if isinstance(values, dict):
        kept = {name: value for name, value in values.items() if name != "data_dir"}
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()


def differences(old: Recipe, new: Recipe) -> list[str]:
    """Fields in which two recipes differ, as "model.order=3 (was 2)"."""
    return _differences(to_dict(old), to_dict(new), "")


def _differences(old: dict[str, Any], new: dict[str, Any], prefix: str) -> list[str]:
    found = []
    for name in {**old, **new}:
        before, now = old.get(name), new.get(name)
        if isinstance(before, dict) and isinstance(now, dict):
            found += _differences(before, now, f"{prefix}{name}.")
        elif before != now:
            found.append(f"{prefix}{name}={now} (was {before})")
    return found
