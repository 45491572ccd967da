"""Paths that are given in Python."""

from __future__ import annotations

import os
import pathlib
from typing import Any

from gdjax.scalespace.checks import shown

from .errors import UserError


def checked_path(path: Any, *, name: str) -> pathlib.Path:
    """A path, with `~` as a shell has it.

    Args:
      path: of a user's.
      name: of the argument, for messages.

    Raises:
      TypeError: for what is no path.
      UserError: for one that is empty, or that no system has.
    """
    wrong = TypeError(f"`{name}={shown(path)}` must be a path, a string or a `Path`.")
    if not isinstance(path, str | os.PathLike):
        raise wrong
    text = os.fspath(path)
    if not isinstance(text, str):
        raise wrong
    if not text or "\0" in text:
        what = "has a null character" if text else "is empty"
        raise UserError(f"`{name}={shown(path)}` {what}: give the path of a folder")
    return pathlib.Path(os.path.expanduser(text))


def make_folder(path: pathlib.Path, *, name: str) -> None:
    """Make a new folder and those above it; all of them, or none.

    Raises:
      UserError: if it can't be made.
    """
    above = [each for each in path.parents if not os.path.lexists(each)]
    try:
        path.mkdir(parents=True)
    except OSError as error:
        for each in above:  # the lowest comes first
            try:
                each.rmdir()
            except OSError:
                continue
        raise UserError(
            f"`{name}={path}` can't be made: {error.strerror}; give another `{name}`"
        ) from error
