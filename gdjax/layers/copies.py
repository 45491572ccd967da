"""Copies of modules that are equal to them: by `pickle`, and by `copy.deepcopy`.

Loaders and sweeps that run in several processes make both. A copy that were not equal
would be compiled anew wherever a module is a static argument (gdjax).
"""

from __future__ import annotations

import copy
import functools
import importlib
import sys
import types
from typing import Any

import flax.linen as nn


class Copied:
    """Mixin, before `nn.Module`: copies are made of a module's fields.

    A module that is bound to variables is copied as Flax does it, with these.
    """

    @nn.nowrap
    def __reduce_ex__(self, protocol: Any) -> Any:
        """Its class and those fields that aren't the class' defaults."""
        if self.scope is not None:  # pyright: ignore
            return super().__reduce_ex__(protocol)
        fields: dict[str, Any] = type(self).__dataclass_fields__  # pyright: ignore
        values = {name: getattr(self, name) for name in fields if name != "parent"}
        own = {
            name: portable(value)
            for name, value in values.items()
            if fields[name].init and value is not fields[name].default
        }
        return _made, (type(self), own)

    @nn.nowrap
    def __copy__(self) -> Any:
        if self.scope is None:  # pyright: ignore
            return self.clone()  # pyright: ignore
        found = object.__new__(type(self))
        vars(found).update(vars(self))
        return found

    @nn.nowrap
    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        """Fields are never changed, so that a copy may share them."""
        if self.scope is None:  # pyright: ignore
            return self.clone()  # pyright: ignore
        memo[id(self)] = found = object.__new__(type(self))
        for name, value in vars(self).items():
            object.__setattr__(found, name, copy.deepcopy(value, memo))
        return found


def _made(kind: Any, fields: dict[str, Any]) -> Any:
    return kind(**fields, parent=None)


class Partial(functools.partial):
    """A partial that is equal to another one of the same function and arguments."""

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, functools.partial):
            return NotImplemented
        own = self.func, self.args, self.keywords
        return own == (other.func, other.args, other.keywords)

    def __hash__(self) -> int:
        # Of names alone: values may have no hash.
        return hash((self.func, *sorted(self.keywords)))

    def __copy__(self) -> Any:
        return self  # nothing of it changes

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        return self

    def __reduce__(self) -> Any:
        """By functions' names, not by what they are made of."""
        parts = self.func, self.args, self.keywords
        return _partial, tuple(portable(part) for part in parts)


def _partial(func: Any, args: tuple[Any, ...], keywords: dict[str, Any]) -> Partial:
    return Partial(func, *args, **keywords)


def comparable(value: Any) -> Any:
    """A `functools.partial` as `Partial`, anything else as it is."""
    if type(value) is not functools.partial:
        return value
    return Partial(value.func, *value.args, **value.keywords)


class _Named:
    """Stands for an object in a pickle, which becomes that object itself."""

    def __init__(self, value: Any):
        self._place = value.__module__, value.__qualname__

    def __reduce__(self) -> Any:
        return _found, self._place


def _found(module: str, name: str) -> Any:
    importlib.import_module(module)
    return _at(module, name)


def _at(module: str, name: str) -> Any:
    """What a module has under a name, "Class.function"; None for nothing."""
    found = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    return found


def portable(value: Any) -> Any:
    """What comes out of a pickle as `value` itself, where that is a named function.

    Jitted functions, as most of Flax's activations are, would come out as others, if
    they can be pickled at all.
    """
    if type(value) is tuple:
        return tuple(portable(each) for each in value)
    if type(value) is dict:
        return {key: portable(each) for key, each in value.items()}
    if not callable(value) or isinstance(value, type | types.FunctionType):
        return value
    place = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    named = all(isinstance(part, str) for part in place)
    return _Named(value) if named and _at(*place) is value else value  # pyright: ignore
