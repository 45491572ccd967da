"""Checks of what is drawn, on the host; errors name the argument (gdjax)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gdjax.scalespace.arrays import check_numbers
from gdjax.scalespace.checks import shown


def check_list(value: Any, *, name: str, of: str) -> list[Any]:
    """Returns a sequence as a list.

    Args:
      value: a list, a tuple or an array.
      name: of the argument.
      of: what it has, for the message.

    Raises:
      ValueError: for anything else.
    """
    listed = isinstance(value, Sequence) and not isinstance(value, str | bytes)
    if not listed and not (isinstance(value, np.ndarray) and value.ndim):
        raise ValueError(f"`{name}={shown(value)}` must be a list of {of}.")
    return list(value)


def check_tuples(value: Any, *, name: str, of: tuple[str, ...]) -> list[Any]:
    """Returns a list of tuples with such entries; ValueError for anything else."""
    what = f"({', '.join(of)})"
    found = check_list(value, name=name, of=what)
    for each in found:
        if not isinstance(each, tuple | list) or len(each) != len(of):
            raise ValueError(f"`{name}` holds {shown(each)}; give {what}.")
    return [tuple(each) for each in found]


def check_rows(value: Any, *, name: str = "rows") -> list[Mapping[str, Any]]:
    """Returns mappings with "name" as a list; ValueError for anything else."""
    found = check_list(value, name=name, of='mappings with "name"')
    for row in found:
        if not isinstance(row, Mapping) or not isinstance(row.get("name"), str):
            raise ValueError(f'`{name}` holds {shown(row)}; give mappings with "name".')
    return found


def check_mapping(value: Any, *, name: str, of: str) -> Mapping[Any, Any]:
    """Returns a mapping as it is; ValueError for anything else."""
    if not isinstance(value, Mapping):
        raise ValueError(f"`{name}={shown(value)}` must be a mapping of {of}.")
    return value


def check_positive(value: Any, *, name: str, unit: str) -> np.ndarray:
    """Returns positive numbers [N], N >= 1, as float64.

    Raises:
      TypeError: for what is no number.
      ValueError: for other shapes, and numbers that aren't positive and finite.
    """
    found = check_numbers(value, name=name, unit=unit, axes="N")
    if (found <= 0).any():
        raise ValueError(f"`{name}={shown(value)}` must be positive; give {unit}.")
    return found


def check_pictures(images: Any, *, name: str) -> np.ndarray:
    """Returns [N, H, W, 1 or 3], integers in 0..255 or floats in 0..1, as an array.

    Raises:
      TypeError: for what has no numbers.
      ValueError: for other shapes, and floats that aren't finite.
    """
    check_numbers(images, name=name, unit="grey levels")
    found = np.asarray(images)
    if found.dtype == object:
        raise TypeError(f"`{name}` holds {shown(images)}; give one type of numbers.")
    if found.ndim != 4 or found.shape[-1] not in (1, 3):
        raise ValueError(f"`{name}` of shape {found.shape} must be [N, H, W, 1 or 3]")
    return found


def check_text(value: Any, *, name: str) -> None:
    """Raises TypeError for what is neither a string nor None."""
    if value is not None and not isinstance(value, str):
        raise TypeError(f"`{name}={shown(value)}` must be a string or None.")


def check_colours(value: Any) -> Mapping[str, str] | None:
    """Returns colours by names, or None; ValueError for anything else."""
    if value is None:
        return None
    return check_mapping(value, name="colours", of="colours by names")
