"""Digests of a checkpoint's files, beside it, so that damage is seen before it is read.

What Orbax reads of a damaged checkpoint may fail in several threads at once, which then
print what nobody needs to see.
"""

from __future__ import annotations

import hashlib
import json
import pathlib

from gdjax.files import write_whole


def note(folder: pathlib.Path, step: int) -> None:
    """Write down the files of a checkpoint, beside those of the steps that are kept.

    Args:
      folder: of the phase, with a folder for each step.
      step: that has just been written.
    """
    noted = {n: files for n, files in _noted(folder).items() if (folder / n).is_dir()}
    noted[str(step)] = _digests(folder / str(step))
    write_whole(_place(folder), (json.dumps(noted, indent=2) + "\n").encode())


def changed(folder: pathlib.Path, step: int) -> str | None:
    """The first file of a checkpoint that is not what was written; None if all are.

    Args:
      folder: of the phase.
      step: of the checkpoint; nothing is known of those of older versions.
    """
    noted = _noted(folder).get(str(step))
    if not isinstance(noted, dict):
        return None
    found = _digests(folder / str(step))
    names = sorted(noted | found)
    return next((name for name in names if noted.get(name) != found.get(name)), None)


def _place(folder: pathlib.Path) -> pathlib.Path:
    # Not in it: there, everything belongs to Orbax.
    return folder.with_name(f"{folder.name}.files.json")


def _noted(folder: pathlib.Path) -> dict[str, dict[str, str]]:
    try:
        noted = json.loads(_place(folder).read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}  # the digests of the arrays are still there
    return noted if isinstance(noted, dict) else {}


def _digests(folder: pathlib.Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }
