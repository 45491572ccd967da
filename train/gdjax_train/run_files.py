"""The files in the folder of a run, written whole, and read with care.

Only `metrics.jsonl` grows by a line at a time, and may end in a torn one.
"""

from __future__ import annotations

import json
import numbers
import pathlib
from typing import Any

from gdjax.files import FULL, write_whole

from . import recipe_files
from .errors import UserError


# What helps where a file is damaged; the others can't be made again.
REMEDIES = {
    "data.json": (
        "take it away: it is written anew, and then the data are not compared with "
        "those of before"
    ),
    "versions.json": (
        "take it away: then it is not said what has changed since the run began"
    ),
    "metrics.jsonl": (
        "mend or take away that line, or the file: the run goes on without its rows"
    ),
}
# Numbers of the rows that are read again.
_NUMBERS = "step", "epoch", "loss", "accuracy", "validation_accuracy"


class RunFolder:
    """Paths and files of one run."""

    def __init__(self, path: pathlib.Path):
        """An existing folder; see `run_folder.create` and `run_folder.open_run`."""
        self.path = path
        self.written: list[str] = []  # names of files, in order, of this session
        self._identity = _identity(path)

    def checkpoints(self, trial: str, phase: str) -> pathlib.Path:
        """Folder of the checkpoints of a phase."""
        return self.path / "checkpoints" / trial / phase

    def weights(self, trial: str, phase: str, *, best: bool = False) -> pathlib.Path:
        """File of the final weights of a phase, or of its best ones in validation."""
        kind = ".best" if best else ""
        return self.path / "weights" / f"{trial}.{phase}{kind}.safetensors"

    def digest(self) -> str | None:
        """Of the recipe as it is in the folder; None without one."""
        stored = self.read_json("recipe.json")
        if stored is None or "recipe" not in stored:
            return None
        return stored.get("digest") or recipe_files.digest(stored["recipe"])

    def read_json(self, name: str, kind: type = dict) -> Any:
        """The contents of a JSON file, or None if there is none.

        Args:
          name: of the file.
          kind: what it holds, `dict` or `list`.

        Raises:
          UserError: if it is damaged.
        """
        try:
            value = json.loads((self.path / name).read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValueError, RecursionError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise self.damaged(name, f"cannot be read: {reason}") from error
        if not isinstance(value, kind):
            words = {dict: "no mapping", list: "no list"}[kind]
            raise self.damaged(name, f"holds {words}")
        return value

    def damaged(self, name: str, what: str) -> UserError:
        """The error of a file that isn't what it should be; `what` it does instead."""
        remedy = REMEDIES.get(name, "put it back from a copy, or start a new run")
        if name.endswith("evaluation.json"):
            remedy = f"take it away: gdjax-evaluate {self.path} makes it anew"
        return UserError(f"{self.path / name} {what}; {remedy}")

    def write_json(self, name: str, value: Any) -> None:
        """Write a JSON file whole."""
        self.write_bytes(name, json_bytes(value))

    def write_bytes(self, name: str, content: bytes) -> None:
        """Write a file whole.

        Raises:
          UserError: if the disk is full; the file stays as it was.
        """
        path = self.path / name
        self._require_there()
        try:
            # Never the run's own folder: if that has gone, this is no run any more.
            path.parent.mkdir(exist_ok=True)
            write_whole(path, content)
        except OSError as error:
            raise self._unwritten(path, error) from error
        self.written.append(name)

    def append_metrics(self, row: dict[str, Any]) -> None:
        """Add a line to metrics.jsonl.

        Raises:
          UserError: if the disk is full.
        """
        path = self.path / "metrics.jsonl"
        self._require_there()
        try:
            with path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
        except OSError as error:
            raise self._unwritten(path, error) from error

    def _require_there(self) -> None:
        """Refuse to write into another folder that has come in the place of the run's.

        Raises:
          UserError: if the run's own has gone.
        """
        now = _identity(self.path)
        if self._identity is None:  # it has just been made
            self._identity = now
        elif now != self._identity:
            raise UserError(
                f"the folder {self.path} has gone while it was in use: put it back, and"
                f" go on with gdjax-train --resume {self.path}"
            )

    def _unwritten(self, path: pathlib.Path, error: OSError) -> Exception:
        """What the user hears of a file that can't be written."""
        if error.errno not in FULL:
            return error
        return UserError(
            f"no room for {path} ({error.strerror}): what was written before is whole; "
            "free some space, or raise the limit, and go on as before (a training: "
            f"gdjax-train --resume {self.path})"
        )

    def metrics(self) -> list[dict[str, Any]]:
        """All whole rows of metrics.jsonl.

        Raises:
          UserError: if a line but the last one is damaged.
        """
        name = "metrics.jsonl"
        try:
            lines = (self.path / name).read_bytes().split(b"\n")
        except FileNotFoundError:
            return []
        except OSError as error:
            raise self.damaged(name, f"cannot be read: {error.strerror}") from error
        rows = []
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                # Torn by a kill; its step is trained again.
                if not any(each.strip() for each in lines[number:]):
                    break
                raise self.damaged(name, f"is damaged in line {number}") from error
            if not _is_row(row):
                raise self.damaged(name, f"is damaged in line {number}")
            rows.append(row)
        return rows

    def rewind_metrics(self, trial: str, phase: str, step: int) -> None:
        """Drop the rows of a phase after a step, and a torn last line."""
        rows = [
            row
            for row in self.metrics()
            if (row.get("member"), row.get("stage")) != (trial, phase)
            or row["step"] <= step
        ]
        text = "".join(json.dumps(row) + "\n" for row in rows)
        self.write_bytes("metrics.jsonl", text.encode())


def _identity(path: pathlib.Path) -> tuple[int, int] | None:
    """What tells a folder from another one of its name; None if there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def json_bytes(value: Any) -> bytes:
    """A value as it is in the files."""
    return (json.dumps(value, indent=2) + "\n").encode()


def _is_row(row: Any) -> bool:
    if not isinstance(row, dict) or not isinstance(row.get("step"), int):
        return False
    found = [row[name] for name in _NUMBERS if name in row]
    return all(isinstance(value, numbers.Real) for value in found)
