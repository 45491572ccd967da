"""Ways of damaging a file, drawn by a seed, and what became of it: for all campaigns.

Each way is a function of a path and a generator of NumPy: the same seed damages the
same bytes. None of them reads or writes anything but that path.
"""

from __future__ import annotations

import collections
import hashlib
import os
import pathlib
import shutil
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import numpy as np


Way = Callable[[pathlib.Path, np.random.Generator], None]

# "payload": values that differ where the format has no sum, and so can't be noticed.
Outcome = Literal["survived", "clear", "unclear", "lost", "wrong", "payload"]
OUTCOMES: dict[Outcome, str] = {
    "survived": "survived",
    "clear": "clear error",
    "payload": "payload flips",
    "unclear": "unclear",
    "lost": "lost",
    "wrong": "silently wrong",
}

HEAD = 64  # Bytes that count as the header.


def empty(path: pathlib.Path, rng: np.random.Generator) -> None:
    """Zero bytes, as after a loss of power between renaming and writing."""
    del rng
    path.write_bytes(b"")


def cut(path: pathlib.Path, rng: np.random.Generator) -> None:
    """The first bytes alone, anywhere from one to all but one."""
    raw = path.read_bytes()
    path.write_bytes(raw[: int(rng.integers(1, max(2, len(raw))))])


def cut_head(path: pathlib.Path, rng: np.random.Generator) -> None:
    """The first bytes alone, within the header."""
    raw = path.read_bytes()
    path.write_bytes(raw[: int(rng.integers(1, max(2, min(HEAD, len(raw)))))])


def cut_end(path: pathlib.Path, rng: np.random.Generator) -> None:
    """Without the last byte."""
    del rng
    path.write_bytes(path.read_bytes()[:-1])


def flip_head(path: pathlib.Path, rng: np.random.Generator) -> None:
    """One bit of the header is another."""
    _flip(path, rng, 0, HEAD)


def flip_body(path: pathlib.Path, rng: np.random.Generator) -> None:
    """One bit after the header is another."""
    _flip(path, rng, HEAD, None)


def zeros(path: pathlib.Path, rng: np.random.Generator) -> None:
    """As many zero bytes, as some file systems leave."""
    del rng
    path.write_bytes(bytes(path.stat().st_size))


def noise(path: pathlib.Path, rng: np.random.Generator) -> None:
    """As many random bytes."""
    path.write_bytes(rng.bytes(path.stat().st_size))


def longer(path: pathlib.Path, rng: np.random.Generator) -> None:
    """Some random bytes more at its end."""
    with path.open("ab") as file:
        file.write(rng.bytes(int(rng.integers(1, 100))))


def text(path: pathlib.Path, rng: np.random.Generator) -> None:
    """Another type: the page that a server sends in place of a file."""
    del rng
    path.write_text("<!DOCTYPE html>\n<title>404 Not Found</title>\n")


def latin(path: pathlib.Path, rng: np.random.Generator) -> None:
    """Text that is not UTF-8."""
    del rng
    path.write_bytes('{"größe": "über"}'.encode("latin-1"))


def json_list(path: pathlib.Path, rng: np.random.Generator) -> None:
    """JSON of another type."""
    del rng
    path.write_text("[1, null]\n")


def folder(path: pathlib.Path, rng: np.random.Generator) -> None:
    """A folder in its place."""
    del rng
    _remove(path)
    path.mkdir()


def gone(path: pathlib.Path, rng: np.random.Generator) -> None:
    """Nothing in its place."""
    del rng
    _remove(path)


def link_upwards(path: pathlib.Path, rng: np.random.Generator) -> None:
    """A link to the folder above its own."""
    del rng
    _remove(path)
    path.symlink_to(pathlib.Path("..", ".."), target_is_directory=True)


def link_round(path: pathlib.Path, rng: np.random.Generator) -> None:
    """A link to itself."""
    del rng
    _remove(path)
    path.symlink_to(path.name)


def unreadable(path: pathlib.Path, rng: np.random.Generator) -> None:
    """Without permission to read (the superuser may all the same)."""
    del rng
    path.chmod(0)


WAYS: dict[str, Way] = {
    way.__name__: way
    for way in (
        empty, cut_head, cut, cut_end, flip_head, flip_body, zeros, noise, longer, text,
        latin, json_list, folder, gone, link_upwards, link_round, unreadable,
    )
}  # fmt: skip


def swap(first: pathlib.Path, second: pathlib.Path) -> None:
    """Two files change names."""
    between = first.with_name(f".{first.name}.swapped")
    first.rename(between)
    second.rename(first)
    between.rename(second)


def snapshot(root: pathlib.Path) -> dict[str, str]:
    """What is in a folder: path -> SHA-256 of a file, target of a link, or "folder"."""
    found = {}
    for place, names, files in os.walk(root):
        for name in (*names, *files):
            path = pathlib.Path(place, name)
            found[str(path.relative_to(root))] = _content(path)
    return found


def lost(before: Mapping[str, str], root: pathlib.Path) -> list[str]:
    """Paths of a snapshot that are gone now, or are not what they were."""
    now = snapshot(root)
    return [name for name, content in before.items() if now.get(name) != content]


def is_clear(message: str, path: pathlib.Path) -> bool:
    """Whether an error is one line that names a file, or a folder above it."""
    names = [path, *path.parents][:3]
    return "\n" not in message.strip() and any(str(name) in message for name in names)


class Counts:
    """How many cases of each kind of file ended how, and the cases to look into."""

    def __init__(self) -> None:
        """None yet."""
        self.by_kind: dict[str, collections.Counter[str]] = {}
        self.bad: list[str] = []

    def add(self, kind: str, way: str, outcome: Outcome, note: str = "") -> None:
        """One case; of bad ones the note is kept."""
        self.by_kind.setdefault(kind, collections.Counter())[outcome] += 1
        if outcome in ("unclear", "lost", "wrong"):
            self.bad.append(f"{kind}, {way}: {OUTCOMES[outcome]}: {note}".strip(": "))

    @property
    def total(self) -> collections.Counter[str]:
        """Of all kinds together."""
        return sum(self.by_kind.values(), collections.Counter())

    def as_dict(self) -> dict[str, dict[str, int]]:
        """Kind -> outcome -> number, for JSON."""
        return {kind: dict(counter) for kind, counter in self.by_kind.items()}

    def markdown(self, outcomes: Sequence[Outcome] = tuple(OUTCOMES)) -> str:
        """A table, a row for each kind and one for all."""
        heads = ["", "tried", *(OUTCOMES[outcome] for outcome in outcomes)]
        rows = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
        for kind, counter in [*self.by_kind.items(), ("**all**", self.total)]:
            cells = [kind, counter.total(), *(counter[each] for each in outcomes)]
            rows.append(f"| {' | '.join(map(str, cells))} |")
        return "\n".join(rows) + "\n"


def _flip(
    path: pathlib.Path, rng: np.random.Generator, first: int, stop: int | None
) -> None:
    raw = bytearray(path.read_bytes())
    stop = len(raw) if stop is None else min(stop, len(raw))
    # Of a file that is shorter than a header, all of it is header.
    place = int(rng.integers(min(first, stop - 1), stop))
    raw[place] ^= 1 << int(rng.integers(8))
    path.write_bytes(raw)


def _remove(path: pathlib.Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def _content(path: pathlib.Path) -> str:
    if path.is_symlink():
        return f"link to {os.readlink(path)}"
    if path.is_dir():
        return "folder"
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except PermissionError:
        return f"unreadable, {path.stat().st_size} bytes"
