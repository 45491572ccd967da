"""The folder of a run: recipe, versions, metrics, checkpoints, weights, results.

Everything in it is written whole (under a temporary name that is then changed), but
`metrics.jsonl`, which grows by a line at a time and may end in a torn one.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import os
import pathlib
import platform
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any

from . import recipe_files
from .errors import UserError
from .recipe import Recipe


class RunFolder:
    """Paths and files of one run."""

    def __init__(self, path: pathlib.Path):
        """An existing folder; see `create` and `open_run`."""
        self.path = path
        self.written: list[str] = []  # names of files, in order, of this session

    def checkpoints(self, trial: str, phase: str) -> pathlib.Path:
        """Folder of the checkpoints of a phase."""
        return self.path / "checkpoints" / trial / phase

    def weights(self, trial: str, phase: str, *, best: bool = False) -> pathlib.Path:
        """File of the final weights of a phase, or of its best ones in validation."""
        kind = ".best" if best else ""
        return self.path / "weights" / f"{trial}.{phase}{kind}.safetensors"

    def digest(self) -> str | None:
        """Of the recipe; None for runs of versions before there was one."""
        return (self.read_json("recipe.json") or {}).get("digest")

    def read_json(self, name: str) -> Any:
        """The contents of a JSON file, or None if there is none.

        Raises:
          UserError: if it is damaged.
        """
        try:
            return json.loads((self.path / name).read_text())
        except FileNotFoundError:
            return None
        except (ValueError, NotADirectoryError) as error:
            raise UserError(f"{self.path / name} cannot be read: {error}") from error

    def write_json(self, name: str, value: Any) -> None:
        """Write a JSON file whole."""
        text = json.dumps(value, indent=2) + "\n"
        self.write_bytes(name, text.encode())

    def write_bytes(self, name: str, content: bytes) -> None:
        """Write a file whole."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            temporary.write_bytes(content)
            os.replace(temporary, path)
            self.written.append(name)
        finally:
            temporary.unlink(missing_ok=True)

    def append_metrics(self, row: dict[str, Any]) -> None:
        """Add a line to metrics.jsonl."""
        with (self.path / "metrics.jsonl").open("a") as file:
            file.write(json.dumps(row) + "\n")

    def metrics(self) -> list[dict[str, Any]]:
        """All whole rows of metrics.jsonl."""
        path = self.path / "metrics.jsonl"
        if not path.exists():
            return []
        rows = []
        for line in path.read_text().splitlines():
            try:
                row = json.loads(line)
            except json.JSONDecodeError:
                continue  # torn by a kill; its step is trained again
            if isinstance(row, dict):
                rows.append(row)
        return rows

    def rewind_metrics(self, trial: str, phase: str, step: int) -> None:
        """Drop the rows of a phase after a step, and a torn last line."""
        rows = [
            row
            for row in self.metrics()
            if (row["member"], row["stage"]) != (trial, phase) or row["step"] <= step
        ]
        text = "".join(json.dumps(row) + "\n" for row in rows)
        self.write_bytes("metrics.jsonl", text.encode())


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
      UserError: if there is something at that path already.
    """
    stamp = time.strftime("%Y%m%d-%H%M%S")
    path = pathlib.Path(out) if out else pathlib.Path("runs", f"{name}-{stamp}")
    require_new(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = RunFolder(path.with_name(f".{path.name}.{os.getpid()}"))
    fresh.path.mkdir()
    described = {"name": name, "command": command, **({"own": own} if own else {})}
    fresh.write_json("recipe.json", described | _saved(recipe))
    fresh.write_json("versions.json", versions(recipe.precision))
    fresh.path.rename(path)
    return RunFolder(path)


def require_new(path: str | pathlib.Path | None) -> None:
    """Refuse a run folder that exists; None, the default folder, is always new.

    Raises:
      UserError: if there is something at that path already.
    """
    if path is not None and pathlib.Path(path).exists():
        raise UserError(
            f"`out={path}` exists already: continue that run with --resume {path}, or "
            "give another --out"
        )


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
    run = RunFolder(pathlib.Path(path))
    stored = run.read_json("recipe.json")
    if stored is None:
        raise UserError(f"{path} is no run folder: it has no recipe.json")
    if not isinstance(stored, dict) or not {"name", "recipe"} <= set(stored):
        raise UserError(f"{run.path / 'recipe.json'} holds no recipe")
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


def versions(precision: str) -> dict[str, Any]:
    """What a result depends on beside recipe and data."""
    import jax

    found: dict[str, Any] = {"commit": commit()}
    for package in ("gdjax", "jax", "flax", "optax", "orbax-checkpoint", "grain"):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = None
    found["python"] = platform.python_version()
    found["platform"] = platform.machine()
    found["device"] = f"{jax.devices()[0].platform}: {devices()}"
    found["precision"] = precision
    return found


def devices() -> str:
    """Kind and number of the devices, such as "NVIDIA H100 80GB HBM3 x 1"."""
    import jax

    return f"{jax.devices()[0].device_kind} x {jax.device_count()}"


def commit() -> str | None:
    """The git commit of this code, with "-dirty" for changes; None outside git."""
    here = pathlib.Path(__file__).parent
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        done = subprocess.run(
            command, cwd=here, capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def compare_versions(run: RunFolder, precision: str) -> list[str]:
    """What has changed since the run began, as "jax=0.11 (was 0.10)".

    The same recipe and data give the same bits with the same versions on the same
    device only, so a resume notes in versions.json what it went on with.
    """
    noted = run.read_json("versions.json") or {}
    now = versions(precision)
    changed = [
        f"{name}={value} (was {noted.get(name)})"
        for name, value in now.items()
        if noted.get(name) != value
    ]
    if changed:
        noted.setdefault("resumed", []).append(now)
        run.write_json("versions.json", noted)
    return changed


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
        yield
