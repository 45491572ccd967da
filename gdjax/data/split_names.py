"""What is written for a split: "train", "train[:10%]", "train+validation[-100:]".

gdjax.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from gdjax.data.errors import DataError, unknown


_TERM = re.compile(r"([^\[\]+]*)(?:\[([^\[\]]*)\])?")
_BOUND = r"(-?\d+)(%|shard)?"
_SLICE = re.compile(rf"(?:{_BOUND})?:(?:{_BOUND})?")
_FORM = (
    "a slice is [FROM:TO] in whole numbers or in percent, such as train[:100], "
    "train[-10%:] or train[25%:75%]"
)


class Term(NamedTuple):
    """One of the splits that are joined by "+".

    Attributes:
      name: of the split.
      bounds: in the slice, such as "-100" or "10%"; () without one.
    """

    name: str
    bounds: tuple[str, ...]


def parse_split(split: str) -> tuple[str, list[Term]]:
    """The splits in a text, which may have spaces.

    Args:
      split: names, each with or without a slice, joined by "+".

    Returns:
      The text without spaces, and the splits in it.

    Raises:
      DataError: if a slice isn't written as one.
    """
    text = re.sub(r"\s+", "", split)
    terms = []
    for part in text.split("+"):
        term = _TERM.fullmatch(part)
        if term is None:
            # The name up to the bracket is what `unknown` is to look for.
            raise DataError(f"`split={split!r}`: {part!r} is no split; {_FORM}")
        name, sliced = term.groups()
        bounds: tuple[str, ...] = ()
        if sliced is not None:
            bounds = _bounds(split, sliced)
        terms.append(Term(name, bounds))
    return text, terms


def check_names(terms: Sequence[Term], known: Sequence[str], title: str) -> None:
    """Refuses splits that a set does not have; ValueError names the nearest.

    Args:
      terms: from `parse_split`.
      known: names of its splits.
      title: of the set.
    """
    for term in terms:
        if term.name not in known:
            raise unknown(f"split of {title}", term.name, known)


def check_bounds(
    split: str, terms: Sequence[Term], sizes: Mapping[str, int], title: str
) -> None:
    """Refuses slices that go beyond a split, or have nothing in them.

    Args:
      split: as the user wrote it.
      terms: from `parse_split`.
      sizes: split -> number of its examples; others are not checked.
      title: of the set.

    Raises:
      DataError: if there is such a slice; says how many examples there are.
    """
    for name, bounds in terms:
        if name not in sizes or not bounds:
            continue
        size = sizes[name]
        for bound in bounds:
            if re.fullmatch(r"-?\d+", bound) and abs(int(bound)) > size:
                raise DataError(
                    f"`split={split!r}`: {name} of {title} has {size:,} examples, so "
                    f"that there is no bound {bound}: take {name} or a slice within it"
                )


def nothing_in(split: str, title: str) -> DataError:
    """The error for a slice without an example, to be raised by the caller."""
    return DataError(f"`split={split!r}` of {title} has no example in it; {_FORM}")


def _bounds(split: str, sliced: str) -> tuple[str, ...]:
    found = _SLICE.fullmatch(sliced)
    if found is None:
        raise DataError(f"`split={split!r}`: [{sliced}] is no slice; {_FORM}")
    for number, unit in (found.group(1, 2), found.group(3, 4)):
        if unit == "%" and abs(int(number)) > 100:
            raise DataError(f"`split={split!r}`: {number}% is more than all; {_FORM}")
    return tuple(bound for bound in sliced.split(":") if bound)
