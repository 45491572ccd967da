"""Errors of data sets: files that are not what they should be, and unknown names."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class DataError(ValueError):
    """A data file or folder is not what it should be.

    The message is one line: the file, what is wrong with it, and the remedy.
    """


def unknown(kind: str, given: str, known: Iterable[str]) -> ValueError:
    """The error for a name that is in no list, with the nearest that are.

    Args:
      kind: what the name stands for, such as "split of mnist".
      given: as the user wrote it.
      known: the valid names.

    Returns:
      The error, to be raised by the caller.
    """
    known = list(known)
    near = difflib.get_close_matches(given, known, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    return ValueError(f"unknown {kind} {given!r}: {hint}known: {', '.join(known)}")


def check_limit(limit: int | None) -> None:
    """Refuses a number of images below 1; None stands for all."""
    if limit is not None and limit < 1:
        raise ValueError(f"`limit={limit}` must be at least 1, or None for all.")
