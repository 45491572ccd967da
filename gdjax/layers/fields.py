"""Fields of modules, checked by their types when a module is made (gdjax)."""

from __future__ import annotations

import dataclasses
import functools
import math
import types
import typing
from collections.abc import Callable
from typing import Any, Literal, Union

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from gdjax.scalespace.checks import check_order, is_traced, shown


# Of Linen.
OF_LINEN = "parent", "name"
# Whatever an int stands for, larger ones are mistakes, and overflow in JAX.
LARGEST = 2**31 - 1

_ONE = {
    int: "an int", float: "a finite number", bool: "True or False", str: "a string",
    type(None): "None", Callable: "a function",
}  # fmt: skip
_SEVERAL = {int: "ints", float: "finite numbers", str: "strings"}


def checked_fields(module: Any) -> dict[str, Any]:
    """The values of a dataclass' fields as their types have them.

    Lists and arrays become tuples, numbers of NumPy and JAX those of Python: so modules
    have hashes, and equal ones are equal.

    Raises:
      TypeError, ValueError: for a value of another type, an infinite number, or none of
        the choices there are: its field is named.
    """
    hints = field_types(type(module))
    return {
        name: checked_field(name, getattr(module, name), hint)
        for name, hint in hints.items()
    }


@functools.lru_cache(maxsize=256)
def field_types(kind: Any) -> dict[str, Any]:
    """The types of a dataclass' own fields, by name."""
    hints = typing.get_type_hints(kind)
    return {
        field.name: hints[field.name]
        for field in dataclasses.fields(kind)
        if field.init and field.name not in OF_LINEN
    }


def checked_field(name: str, value: Any, hint: Any) -> Any:
    """A value of a type, or an error that names the field; see `checked_fields`."""
    if name == "dtype" and value is not None:
        return check_dtype(value)
    try:
        return _value(value, hint)
    except (TypeError, ValueError) as error:
        raise type(error)(
            f"`{name}={shown(value)}` must be {described(hint)}."
        ) from None


def check_dtype(dtype: Any, *, name: str = "dtype") -> Any:
    """Returns a floating point type; TypeError for anything else."""
    try:
        value = isinstance(dtype, np.generic | np.ndarray | jax.Array)  # has a type
        floating = not value and jnp.issubdtype(jnp.dtype(dtype), jnp.floating)
    except (TypeError, ValueError):
        floating = False
    if floating:
        return dtype
    raise TypeError(
        f"`{name}={shown(dtype)}` must be a floating point type, such as jnp.bfloat16."
    )


def check_widths(widths: tuple[int, ...], *, num_classes: int) -> None:
    """Raises TypeError or ValueError for channels that aren't whole numbers >= 1."""
    check_order(num_classes, name="num_classes", lowest=1)
    for width in widths:
        check_order(width, name="widths", lowest=1)


def described(hint: Any) -> str:
    """What a type allows, such as "an int or None"."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is Literal:
        return f"one of {', '.join(map(repr, args))}"
    if origin in (Union, types.UnionType):
        return " or ".join(described(each) for each in args)
    if origin is tuple:
        count = "" if _is_open(args) else f"{len(args)} "
        several = _SEVERAL.get(args[0], f"entries, each {described(args[0])}")
        return f"a tuple of {count}{several}"
    name = getattr(hint, "__name__", str(hint))
    return _ONE.get(origin or hint, f"an instance of {name}, such as `{name}()`")


def _is_open(args: tuple[Any, ...]) -> bool:
    return len(args) == 2 and args[1] is Ellipsis


def _value(value: Any, hint: Any) -> Any:
    """The value as a type has it.

    Raises TypeError for another type, ValueError for another value, both without words.
    """
    if hint is Any or is_traced(value):
        return value
    if hint in (int, float):
        return _number(value, hint)
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (Union, types.UnionType):
        return _any_of(value, args)
    if origin is Literal:
        return _choice(value, args)
    if origin is tuple:
        return _tuple(value, args)
    if hint is bool and isinstance(value, np.bool_):
        return bool(value)
    if isinstance(hint, type) and issubclass(hint, tuple):
        return hint(*_tuple(value, tuple(typing.get_type_hints(hint).values())))
    if isinstance(hint, type) and issubclass(hint, nn.Module):
        hint = nn.Module  # others may stand in for it
    fits = callable(value) if origin is Callable else isinstance(value, hint)
    if not fits:
        raise TypeError
    return value


def _number(value: Any, hint: Any) -> Any:
    """One finite number, as Python's."""
    if isinstance(value, np.generic | np.ndarray | jax.Array) and not np.shape(value):
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, int | hint):
        raise TypeError
    try:
        finite = abs(value) <= LARGEST if hint is int else math.isfinite(value)
    except OverflowError:  # an int beyond floats
        finite = False
    if not finite:
        raise ValueError
    return hint(value)


def _any_of(value: Any, hints: tuple[Any, ...]) -> Any:
    kind = TypeError
    for hint in hints:
        try:
            return _value(value, hint)
        except TypeError:
            continue
        except ValueError:
            kind = ValueError
    raise kind


def _choice(value: Any, known: tuple[Any, ...]) -> Any:
    if not any(isinstance(value, type(each)) for each in known):
        raise TypeError
    if value not in known:
        raise ValueError
    return value


def _tuple(value: Any, hints: tuple[Any, ...]) -> tuple[Any, ...]:
    if isinstance(value, np.ndarray | jax.Array) and value.ndim == 1:
        value = value.tolist()
    if not isinstance(value, tuple | list | range):
        raise TypeError
    if _is_open(hints):
        hints = hints[:1] * len(value)
    if len(value) != len(hints):
        raise ValueError
    return tuple(_value(each, hint) for each, hint in zip(value, hints, strict=True))
