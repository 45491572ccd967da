"""Configurations as plain values of JSON, and back."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from typing import Any, Literal, Union

import jax
import numpy as np

from gdjax.models.configuration import NetworkConfig, unknown as unknown
from gdjax.models.families import FAMILIES, family_of


SIMPLE = {bool, int, float, str, type(None)}


def to_values(config: Any) -> dict[str, Any]:
    """A frozen dataclass, and those in it, as plain values; networks by their family.

    Raises:
      ValueError: for a network of no family, and for what is no plain value.
    """
    values: dict[str, Any] = {}
    if isinstance(config, NetworkConfig):
        values["family"] = family_of(config)
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        inside = dataclasses.is_dataclass(value)
        values[field.name] = to_values(value) if inside else plain(value, field.name)
    return values


def plain(value: Any, where: str) -> Any:
    """A value that JSON has, with numbers and arrays of NumPy and JAX as such.

    Raises:
      ValueError: for one that JSON has not, naming `where`.
    """
    if isinstance(value, np.generic | np.ndarray | jax.Array):
        value = value.tolist()
    if isinstance(value, tuple | list):
        found = [plain(each, where) for each in value]
        return tuple(found) if isinstance(value, tuple) else found
    if isinstance(value, Mapping):
        return {str(key): plain(each, f"{where}.{key}") for key, each in value.items()}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise ValueError(
        f"`{where}={value!r}` can't be written: give numbers, strings, and tuples and"
        " mappings of them."
    )


def from_values(values: Any, kind: type, *, where: str = "") -> Any:
    """The inverse of `to_values`, for values that went through JSON.

    Args:
      values: mapping; fields that are missing have their defaults.
      kind: the dataclass; `NetworkConfig`: the family that the values name.
      where: of the mapping in the whole, such as "model.", for messages.

    Raises:
      ValueError: for what is unknown, with the nearest name.
    """
    if not isinstance(values, Mapping):
        raise ValueError(f"`{where.rstrip('.')}` must have fields, but is {values!r}")
    if kind is NetworkConfig:
        values = dict(values)
        name = values.pop("family", None)
        if not isinstance(name, str) or name not in FAMILIES:
            raise unknown(f"family in `{where}family`", str(name), FAMILIES)
        kind = FAMILIES[name]
    hints = typing.get_type_hints(kind)
    known = [field.name for field in dataclasses.fields(kind)]
    for name in values:
        if name not in known:
            raise unknown("field", f"{where}{name}", [where + each for each in known])
    found = {n: _value(v, hints[n], f"{where}{n}") for n, v in values.items()}
    return kind(**found)


def _value(value: Any, hint: Any, where: str) -> Any:
    if isinstance(hint, type) and (
        dataclasses.is_dataclass(hint) or issubclass(hint, NetworkConfig)
    ):
        return from_values(value, hint, where=f"{where}.")
    if typing.get_origin(hint) is Literal:
        if value not in typing.get_args(hint):
            raise unknown(f"value of `{where}`", str(value), typing.get_args(hint))
        return value
    union = typing.get_origin(hint) in (Union, types.UnionType)
    allowed = typing.get_args(hint) if union else (hint,)
    tuples = [each for each in allowed if typing.get_origin(each) is tuple]
    if isinstance(value, list | tuple) and not set(allowed) <= SIMPLE:
        item = typing.get_args(tuples[0])[0] if tuples else Any
        return tuple(_value(each, item, where) for each in value)
    if tuples and not (value is None and type(None) in allowed):
        raise ValueError(f"`{where}={value!r}`: expected a list")
    # JSON knows no difference between 1 and 1.0; dataclass equality does not mind, but
    # what was written should read back as the types that it declares.
    if type(value) is int and float in allowed and int not in allowed:
        try:
            return float(value)
        except OverflowError:
            raise ValueError(f"`{where}` is beyond the range of floats") from None
    if set(allowed) <= SIMPLE and type(value) not in allowed:
        names = " or ".join(sorted(each.__name__ for each in allowed))
        raise ValueError(f"`{where}={value!r}`: expected {names}")
    return value
