"""Mistakes that the user can mend, and the nearest name to a mistyped one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """Printed as one line on the terminal, with exit code 2 and no traceback.

    The message names the argument, its value, what was expected and the remedy.
    """


def unknown_name(kind: str, name: str, known: Iterable[str]) -> UserError:
    """The error for a name that is in no table, with the nearest one that is.

    Args:
      kind: what the name stands for, such as "recipe".
      name: as the user gave it.
      known: the valid names.

    Returns:
      The error, to be raised by the caller.
    """
    known = sorted(known)
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return UserError(f"unknown {kind} {name!r}: {hint}known are {', '.join(known)}")
