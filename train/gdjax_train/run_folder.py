"""Folders of runs: made, opened, and taken away where they hold nothing."""

from __future__ import annotations

import contextlib
import errno
import itertools
import json
import os
import pathlib
import shutil
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from gdjax.files import UNSUPPORTED, sync_folder, write_whole

from . import recipe_files
from .checkpoints import whole_steps
from .errors import UserError, out_of_memory
from .recipe import Recipe
from .run_files import RunFolder, json_bytes
from .versions import versions


# Of a rename onto a folder that another process has made meanwhile.
_TAKEN = errno.EEXIST, errno.ENOTEMPTY, errno.EISDIR, errno.ENOTDIR


def create(
    name: str,
    recipe: Recipe,
    *,
    command: str,
    out: str | None = None,
    own: dict[str, str] | None = None,
) -> RunFolder:
    """A new run folder, which appears at once with recipe.json and versions.json in it.

    Args:
      name: of the recipe.
      recipe: resolved.
      command: that started the run.
      out: where; None: runs/<name>-<date-time>.
      own: what was given in Python, and so is not in the recipe.

    Returns:
      The folder.

    Raises:
      UserError: if there is something at that path already, or it can't be made;
        nothing is left behind then.
    """
    wanted = pathlib.Path(out) if out is not None else _default(name)
    require_new(out)
    hidden = wanted.with_name(f".{wanted.name[-100:]}.{os.getpid()}")
    described = {"name": name, "command": command, **({"own": own} if own else {})}
    files = {
        "recipe.json": described | _saved(recipe),
        "versions.json": versions(recipe.precision),
    }
    try:
        hidden.mkdir(parents=True)
        for file, content in files.items():
            write_whole(hidden / file, json_bytes(content))
        path = _renamed(hidden, wanted, unique=out is None)
        sync_folder(path.parent)
    except OSError as error:
        raise UserError(
            f"`out={wanted}` can't be made: {error.strerror}; give another --out"
        ) from error
    finally:
        shutil.rmtree(hidden, ignore_errors=True)
    return RunFolder(path)


def _default(name: str) -> pathlib.Path:
    return pathlib.Path("runs", f"{name}-{time.strftime('%Y%m%d-%H%M%S')}")


def _renamed(
    hidden: pathlib.Path, wanted: pathlib.Path, *, unique: bool
) -> pathlib.Path:
    """Give a folder its name; with `unique`, another one if somebody has that."""
    path = wanted
    for number in itertools.count(2):
        try:
            if not os.path.lexists(path):  # an empty folder would be taken over
                hidden.rename(path)
                break
        except OSError as error:
            if error.errno not in _TAKEN:
                raise
        if not unique:
            require_new(path)
        path = wanted.with_name(f"{wanted.name}-{number}")
    return path


def require_new(path: str | pathlib.Path | None) -> None:
    """Refuse a run folder that exists or has no name; None, the default, is new.

    Raises:
      UserError: if there is something at that path already.
    """
    if path is None:
        return
    if not str(path):
        raise UserError("`out` is empty: give the path of a new folder, or none")
    if os.path.lexists(path):
        raise UserError(
            f"`out={path}` exists already: continue that run with --resume {path}, or "
            "give another --out"
        )


@contextlib.contextmanager
def kept_if_begun(run: RunFolder) -> Iterator[None]:
    """Takes a new run's folder away if an error ends it before it holds anything.

    So the corrected command finds its place free. What the machine refused stays to be
    resumed, and so does what was interrupted.
    """
    try:
        yield
    except Exception as error:
        if not _is_of_machine(error) and not _holds_anything(run):
            shutil.rmtree(run.path, ignore_errors=True)
        raise


def _is_of_machine(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, OSError | MemoryError) or out_of_memory(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def _holds_anything(run: RunFolder) -> bool:
    log = run.path / "metrics.jsonl"
    if (run.path / "weights").exists() or (log.exists() and log.stat().st_size):
        return True
    top = run.path / "checkpoints"  # of `fit`, it has the steps itself
    return any(whole_steps(phase) for phase in (top, *top.glob("*/*")))


def _saved(recipe: Recipe) -> dict[str, Any]:
    values = recipe_files.to_dict(recipe)
    values["out"] = None  # a run folder may be moved
    # As they are read again: tuples are lists in JSON.
    values = json.loads(json.dumps(values))
    return {
        "format": recipe_files.FORMAT,
        "digest": recipe_files.digest(values),
        "recipe": values,
    }


def open_run(
    path: str | pathlib.Path, *, say: Callable[[str], None] = print
) -> tuple[RunFolder, str, Recipe]:
    """An existing run: its folder, the name of its recipe, the recipe.

    Args:
      path: of the folder.
      say: prints a line for the user, where the run is of a version before there were
        digests.

    Raises:
      UserError: if that is no run folder.
    """
    run = RunFolder(pathlib.Path(path).expanduser())
    if not run.path.is_dir():
        what = "is no folder" if run.path.exists() else "doesn't exist"
        raise UserError(f"{path} {what}: give the folder of a run")
    stored = run.read_json("recipe.json")
    if stored is None:
        raise UserError(f"{path} is no run folder: it has no recipe.json")
    if not isinstance(stored.get("name"), str) or "recipe" not in stored:
        raise run.damaged("recipe.json", "holds no recipe")
    values, version = stored["recipe"], stored.get("format", 1)
    recipe_files.check_format(version)
    if stored.get("digest") not in (None, recipe_files.digest(values)):
        raise UserError(
            f"{run.path / 'recipe.json'} was changed since the run began, so its "
            "checkpoints don't belong to it: undo that, or start a new run"
        )
    if "digest" not in stored:
        say(
            f"{path} was made by an older version: whether its recipe, checkpoints and "
            "weights belong together is not checked"
        )
    return run, stored["name"], recipe_files.from_dict(values, version=version)


@contextlib.contextmanager
def locked(run: RunFolder) -> Iterator[None]:
    """Keep a second process out of a run; the lock ends with its process.

    Raises:
      UserError: if another process trains there.
    """
    try:
        import fcntl
    except ImportError:  # not on Windows
        yield
        return
    with (run.path / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(f"another process is training in {run.path}") from None
        except OSError as error:
            if error.errno not in (errno.ENOLCK, *UNSUPPORTED):
                raise
            warnings.warn(
                f"the file system of {run.path} has no locks ({error.strerror}): don't "
                "train there by two processes at once",
                stacklevel=3,
            )
        yield
