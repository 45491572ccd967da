"""Damages tiny data of every kind that `gdjax.data` reads, and reads it.

    python benchmarks/campaigns/corrupt_data.py --out benchmarks/results/campaigns

Each case is a fresh copy of valid data, one damage (`damage.py`, two files swapped, a
bomb, an evil archive), and one reading by a public function. It ends in one of these
ways: the right values (survived), one line that names the file or its folder (clear
error), anything else that is raised (unclear), files of the user that were changed or
are gone (lost), other values without a word (silently wrong). Values that differ in a
file without any sum, but for their form are as they could be, are counted apart.

The same seed makes the same cases. Writes corruption_data.md and corruption_data.json.
"""

from __future__ import annotations

import argparse
import fnmatch
import itertools
import pathlib
import resource
import shlex
import shutil
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from damage import WAYS, Counts, Outcome, is_clear, lost, snapshot, swap
from data_kinds import KINDS, PREPARED, Kind, Values, files_of

from gdjax_train.errors import UserError
from gdjax_train.run_folder import RunFolder, versions


# Without one, a folder has fewer pictures, which is no damage.
_WHOLE = ("gone",)
_TRUE = "The same cases with no damage at all are read once for each kind, as a check."


class Case(NamedTuple):
    """One damage of one kind of data.

    Attributes:
      kind: of data.
      way: name of the damage.
      damage: does it, in a folder; returns the file that is to be named.
    """

    kind: Kind
    way: str
    damage: Callable[[pathlib.Path, np.random.Generator], pathlib.Path]


def cases(kind: Kind) -> Iterator[Case]:
    """Damages of one kind, without end: what is particular first, then all ways."""
    for name, make in kind.extra.items():
        yield Case(kind, name, lambda folder, rng, make=make: make(folder))
    for pair in kind.swaps:
        yield Case(kind, "swap", lambda folder, rng, pair=pair: _swap(folder, *pair))
    # Few cases of each kind are of different ways, too.
    first = 3 * KINDS.index(kind) % len(WAYS)
    for way in itertools.cycle([*WAYS][first:] + [*WAYS][:first]):
        if kind.complete or way not in _WHOLE:
            yield Case(
                kind, way, lambda folder, rng, way=way: _damage(kind, way, folder, rng)
            )


def run(case: Case, pristine: pathlib.Path, true: Values, seed: int) -> Any:
    """What becomes of one case: its outcome, and what was said."""
    rng = np.random.default_rng(seed)
    with tempfile.TemporaryDirectory() as place:
        folder = pathlib.Path(place, "data")
        shutil.copytree(pristine, folder)
        path = case.damage(folder, rng)
        before = snapshot(folder)
        outcome, note = _read(case.kind, folder, path, true)
        gone = lost(before, folder)
        strange = sorted({p.name for p in pathlib.Path(place).iterdir()})
        if gone or not set(strange) <= {"data", PREPARED}:
            return "lost", f"{gone or strange}"
    return outcome, f"{path.relative_to(folder)}: {note}"


def _damage(
    kind: Kind, way: str, folder: pathlib.Path, rng: np.random.Generator
) -> pathlib.Path:
    files = files_of(kind, folder)
    path = files[int(rng.integers(len(files)))]
    WAYS[way](path, rng)
    return path


def _swap(folder: pathlib.Path, first: str, second: str) -> pathlib.Path:
    swap(folder / first, folder / second)
    return folder / first


def _read(
    kind: Kind, folder: pathlib.Path, path: pathlib.Path, true: Values
) -> tuple[Outcome, str]:
    try:
        found = kind.read(folder)
    except (OSError, ValueError, UserError) as error:
        clear = is_clear(str(error), path) or str(folder) in str(error)
        clear = clear and "\n" not in str(error).strip()
        return "clear" if clear else "unclear", f"{type(error).__name__}: {error}"
    except Exception as error:
        return "unclear", f"{type(error).__name__}: {error}"
    if _equal(found, true):
        return "survived", ""
    form = {key: (value.shape, value.dtype) for key, value in found.items()}
    same = form == {key: (value.shape, value.dtype) for key, value in true.items()}
    name = str(path)
    sealed = any(fnmatch.fnmatch(name, pattern) for pattern in kind.sealed)
    # A text file has no form: a list of names may be shorter.
    if not sealed and (same or kind.free or path.suffix == ".txt"):
        return "payload", ""
    return "wrong", "other values" if same else "values of another form"


def _equal(found: Values, true: Values) -> bool:
    return found.keys() == true.keys() and all(
        np.array_equal(found[key], true[key]) for key in true
    )


def campaign(
    count: int, seed: int, say: Callable[[str], None], kinds: Sequence[Kind] = KINDS
) -> Counts:
    """Runs so many cases, spread over the kinds."""
    counts = Counts()
    with tempfile.TemporaryDirectory() as place:
        for number, kind in enumerate(kinds):
            pristine = pathlib.Path(place, str(number), "data")
            pristine.mkdir(parents=True)
            kind.build(pristine)
            true = kind.read(pristine)
            if not _equal(kind.read(pristine), true):
                raise AssertionError(f"{kind.name} is not read twice alike")
            share = count * (number + 1) // len(kinds) - count * number // len(kinds)
            for i, case in enumerate(itertools.islice(cases(kind), share)):
                drawn = seed * 10**6 + 1000 * number + i
                outcome, note = run(case, pristine, true, drawn)
                counts.add(kind.name, case.way, outcome, note)
            say(f"{kind.name}: {dict(counts.by_kind.get(kind.name, {}))}")
    return counts


def page(counts: Counts, result: dict[str, Any]) -> str:
    """The results page."""
    made = result["versions"]
    packages = ", ".join(f"{name} {made[name]}" for name in ("jax", "python"))
    lines = [
        "# Damaged data", "", f"    {result['command']}", "",
        f"Commit {made['commit']}; {packages}, {result['packages']}."
        f" {counts.total.total()} cases in {result['seconds']:.0f} s, at most"
        f" {result['peak MiB']:,.0f} MiB of memory. {_TRUE}", "",
        counts.markdown(),
        "Payload: files without any sum (IDX that isn't packed, records, HDF5, MATLAB"
        " without compression, JPEG, BMP, TIFF, WebP, lists of names), whose values"
        " are other ones that could be, in arrays of the same form (of lone pictures,"
        " of any form). Where there is a sum, none may differ.", "",
    ]  # fmt: skip
    return "\n".join([*lines, *(f"- {line}" for line in counts.bad)])


def main() -> int:
    """Runs the campaign; exit code 1 if a case ended badly."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--cases", type=int, default=640)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=pathlib.Path, help="folder of the results page")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    start = time.monotonic()
    counts = campaign(
        options.cases, options.seed, lambda line: print(line, file=sys.stderr)
    )
    result = {
        "command": shlex.join(["python", *sys.argv]),
        "versions": versions("float32"),
        "packages": _packages(),
        "seconds": time.monotonic() - start,
        "peak MiB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "counts": counts.as_dict(),
        "bad": counts.bad,
    }
    text = page(counts, result)
    print(text)
    if options.out is not None:
        folder = RunFolder(options.out)
        folder.write_json("corruption_data.json", result)
        folder.write_bytes("corruption_data.md", f"{text.rstrip()}\n".encode())
    return 1 if counts.bad else 0


def _packages() -> str:
    import importlib.metadata

    names = ("numpy", "pillow", "h5py", "scipy", "tensorflow-datasets")
    return ", ".join(f"{name} {importlib.metadata.version(name)}" for name in names)


if __name__ == "__main__":
    sys.exit(main())
