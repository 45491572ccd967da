"""Corruption of runs: every file that a command reads of a run, damaged in every way.

Tiny runs are made once: a finished one, one that was stopped in its second phase, a
folder of `fit` that was stopped, a saved network. Each of their files is damaged in
each way of `damage.WAYS`, and the commands that read it are called in this process.

- survived: the same weights and scores as of the undamaged run, bit for bit.
- clear error: exit code 2, or `UserError`, `ValueError`, `OSError`: one line with the
  path of the file, or of a folder of its run.
- unclear: anything else. Lost: a whole file of the run is gone or is not what it was.
  Silently wrong: other weights or scores without a word.
- payload flips: other numbers where the file has no sum, in the log alone.

Then folders and machines: files of a limited size, folders that can't be written or
that vanish, two processes in one folder.

    python benchmarks/campaigns/corrupt_runs.py [--cases 300]
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import damage
import flax.linen as nn
import numpy as np
import optax


sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

from outputs import write  # noqa: E402

from gdjax.models import load_network  # noqa: E402
from gdjax_train import __main__ as train, classify, evaluate  # noqa: E402
from gdjax_train.errors import UserError  # noqa: E402
from gdjax_train.fitting import fit  # noqa: E402
from gdjax_train.versions import versions  # noqa: E402


FLAGS = [
    "rescaled_digits", "--epochs", "1", "--batch-size", "16", "--nets", "discrete+relu",
    "--multi-epochs", "1", "--model.widths", "4", "--model.sigmas", "1", "2",
    "--data.train-images", "64", "--data.test-images", "8", "--eval-factors", "1",
    "--checkpoint-every", "2", "--log-every", "1",
]  # fmt: skip
NJET = [
    "rescaled_digits", "--model.family", "njet_nin", "--nets", "njet+relu", "--epochs",
    "1", "--model.njet.subsampling", "safe", "--data.train-images", "64",
    "--data.test-images", "8", "--eval-factors", "1", "--checkpoint-every", "2",
]  # fmt: skip
OUT = pathlib.Path("benchmarks/results/campaigns")


class Reader(NamedTuple):
    """Something that reads the files of a run.

    Attributes:
      kind: of the run: a folder's name.
      files: globs of the files that it reads.
      read: (folder) -> what came out, to be compared, or raises.
    """

    kind: str
    files: tuple[str, ...]
    read: Callable[[pathlib.Path], Any]


def command(main: Callable[[list[str]], int], *arguments: str) -> None:
    """A command in this process.

    Raises:
      UserError: with what it said, for exit code 2.
    """
    said, place = io.StringIO(), io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(place):
        code = main(list(arguments))
    if code:
        # What nobody foresaw has code 1.
        raise (UserError if code == 2 else RuntimeError)(said.getvalue().strip())


def scores(path: pathlib.Path, name: str) -> list[Any]:
    """Of an evaluation: names of networks and their accuracies."""
    rows = json.loads((path / f"{name}.json").read_text())["rows"]
    return [(row["name"], row["accuracy"]) for row in rows]


def weights(path: pathlib.Path) -> dict[str, bytes]:
    """Bytes of all files of weights."""
    return {p.name: p.read_bytes() for p in sorted((path / "weights").iterdir())}


def resumed(path: pathlib.Path) -> Any:
    """A run that goes on."""
    command(train.main, "--resume", str(path))
    return weights(path), scores(path, "evaluation")


def evaluated(path: pathlib.Path) -> Any:
    """A finished run, evaluated again."""
    command(evaluate.main, str(path), "--name", "again")
    return scores(path, "again")


def predicted(path: pathlib.Path) -> Any:
    """A picture, classified by a finished run."""
    said = io.StringIO()
    picture = str(path.parent / "picture.png")
    with contextlib.redirect_stdout(said):
        command(classify.main, str(path), picture)
    return said.getvalue().replace(str(path), "")


def loaded(path: pathlib.Path) -> Any:
    """A saved network's answer."""
    network = load_network(path / "net.safetensors")
    return network.scores(np.full((1, 40, 40, 1), 99, np.uint8)).tobytes()


class Tiny(nn.Module):
    """The network of the folder of `fit`."""

    @nn.compact
    def __call__(self, x):
        """Logits."""
        return nn.Dense(10)(x.reshape(x.shape[0], -1))


def fitted(path: pathlib.Path, *, stop: int | None = None) -> Any:
    """A training by `fit`; with `stop`, stopped after so many rows."""
    rng = np.random.default_rng(0)
    data = rng.integers(0, 256, (64, 6, 6, 1), np.uint8), rng.integers(0, 10, 64)
    rows = []

    def note(row: dict[str, Any]) -> None:
        rows.append(row)
        if len(rows) == stop:
            raise KeyboardInterrupt

    found = fit(
        Tiny(), data, epochs=4, batch_size=32, optimizer=optax.adam(1e-2), out=path,
        progress=False, on_row=note,
    )  # fmt: skip
    return found.scores(data[0]).tobytes()


READERS = (
    Reader("stopped", ("*.json", "*.jsonl", "checkpoints/**/*"), resumed),
    Reader("finished", ("*.json", "weights/*"), resumed),
    Reader("finished", ("recipe.json", "versions.json", "weights/*"), evaluated),
    Reader("finished", ("recipe.json", "versions.json", "weights/*"), predicted),
    Reader("njet", ("resolution/*",), evaluated),
    Reader("njet-stopped", ("resolution/*", "data.json"), resumed),
    Reader("fit", ("fit.json", "metrics.jsonl", "checkpoints/**/*"), fitted),
    Reader("network", ("net.safetensors",), loaded),
)


def make(root: pathlib.Path) -> None:
    """All runs, in their folders."""
    from PIL import Image

    grey = np.random.default_rng(0).integers(0, 256, (40, 40), np.uint8)
    Image.fromarray(grey).save(root / "picture.png")
    command(train.main, *FLAGS, "--out", str(root / "finished"))
    command(train.main, *NJET, "--out", str(root / "njet"))
    for name, source in (("stopped", "finished"), ("njet-stopped", "njet")):
        shutil.copytree(root / source, root / name)
        (root / name / "evaluation.json").unlink()
        sorted((root / name / "weights").iterdir())[0].unlink()  # of the last phase
        phase = sorted((root / name / "checkpoints").glob("*/*"))[0]
        steps = sorted(phase.iterdir(), key=lambda path: int(path.name))
        shutil.rmtree(steps[-1])
    with contextlib.suppress(KeyboardInterrupt):
        fitted(root / "fit", stop=5)
    (root / "network").mkdir()
    network = next((root / "finished" / "weights").glob("*multi*"))
    shutil.copy(network, root / "network" / "net.safetensors")


def cases(root: pathlib.Path) -> Iterator[tuple[Reader, str, str]]:
    """(reader, file, way) of every case; of checkpoints some files of each."""
    for reader in READERS:
        base = root / reader.kind
        found = sorted({p for glob in reader.files for p in base.glob(glob)})
        files = [path for path in found if path.is_file()]
        for path in files:
            for way in damage.WAYS:
                yield reader, str(path.relative_to(base)), way


def tried(root: pathlib.Path, reader: Reader, name: str, way: str) -> tuple[Any, str]:
    """One case: what is read of a copy in which one file is damaged."""
    folder = root / "copy" / reader.kind
    shutil.rmtree(folder.parent, ignore_errors=True)
    shutil.copytree(root / reader.kind, folder)
    shutil.copy(root / "picture.png", folder.parent)
    seed = zlib.crc32(f"{reader.kind}/{name}/{way}".encode())
    damage.WAYS[way](folder / name, np.random.default_rng(seed))
    before = damage.snapshot(folder)
    try:
        found = reader.read(folder)
    except (UserError, ValueError, OSError) as error:
        text = str(error)
        if not set(before.values()) <= set(damage.snapshot(folder).values()):
            return "lost", f"{name}: {text[:300]}"
        return ("clear" if damage.is_clear(text, folder / name) else "unclear"), text
    except BaseException as error:
        return "unclear", f"{name}: {type(error).__name__}: {error}"[:300]
    return found, name


def judge(found: Any, wanted: Any, name: str) -> tuple[str, str]:
    """Whether what was read is what it should be."""
    return ("survived", "") if found == wanted else ("wrong", name)


def limited(root: pathlib.Path, size: int) -> tuple[str, str]:
    """A training that may write files of so many bytes alone, then goes on."""
    out = root / f"limited-{size}"
    code = (
        "import resource, sys\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size}))\n"
        "from gdjax_train.scripts import train\n"
        "sys.exit(train())"
    )
    # Python's own caches are files, too.
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
    environment.pop("JAX_COMPILATION_CACHE_DIR", None)
    done = subprocess.run(
        [sys.executable, "-c", code, *FLAGS, "--out", str(out)],
        capture_output=True, text=True, env=environment,
    )  # fmt: skip
    said = done.stderr.strip()
    if done.returncode == 2 and not damage.is_clear(said, out):
        return "unclear", said[-300:]
    if done.returncode not in (0, 2):
        return "unclear", said[-300:]
    if out.exists():
        resumed(out)
    else:
        command(train.main, *FLAGS, "--out", str(out))
    if weights(out) != weights(root / "finished"):
        return "wrong", f"limit {size}"
    return ("clear" if done.returncode else "survived"), ""


def started(out: pathlib.Path) -> subprocess.Popen[str]:
    """A training in another process, which has begun to take steps."""
    slow = ("--epochs", "20", "--checkpoint-every", "1")
    line = [sys.executable, "-m", "gdjax_train", *FLAGS, *slow, "--out", str(out)]
    process = subprocess.Popen(
        line, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    log = out / "metrics.jsonl"
    while process.poll() is None and not (log.exists() and log.stat().st_size):
        time.sleep(0.01)
    return process


def shared(root: pathlib.Path) -> tuple[str, str]:
    """A second process in the folder of a run."""
    out = root / "shared"
    process = started(out)
    try:
        resumed(out)
        outcome = "wrong", "two processes trained there"
    except UserError as error:
        clear = "another process" in str(error) and damage.is_clear(str(error), out)
        outcome = ("clear" if clear else "unclear"), str(error)[:300]
    _, said = process.communicate()
    return outcome if process.returncode == 0 else ("lost", said[-300:])


def vanished(root: pathlib.Path) -> tuple[str, str]:
    """The folder of a run goes elsewhere while it is trained."""
    out = root / "vanished"
    process = started(out)
    out.rename(root / "elsewhere")
    _, said = process.communicate()
    said = said.strip()
    clear = process.returncode == 2 and str(out) in said and "\n" not in said
    return ("clear" if clear else "unclear"), said[-300:]


def places(root: pathlib.Path) -> Iterator[tuple[str, tuple[str, str]]]:
    """Folders that can't be written, and one that two processes want."""
    closed = root / "closed"
    closed.mkdir(mode=0o555)
    for each in (root, *root.glob("data/**/")):
        each.chmod(0o755)  # others may look, but not write
    nobody = 65534
    wanted = {
        "a read-only folder": closed / "run",
        "/proc": pathlib.Path("/proc/run"),
        "a file in the path": root / "picture.png" / "run",
        "a name of 300 letters": root / ("n" * 300),
    }
    for title, out in wanted.items():
        if title == "a read-only folder" and os.geteuid() == 0:
            os.seteuid(nobody)  # the superuser may write everywhere
        try:
            command(train.main, *FLAGS, "--out", str(out))
            outcome = "wrong", "it was written"
        except (UserError, RuntimeError) as error:
            clear = isinstance(error, UserError) and damage.is_clear(str(error), out)
            outcome = ("clear" if clear else "unclear"), str(error)[:300]
        finally:
            if os.getuid() == 0:
                os.seteuid(0)
        yield title, outcome


def main() -> None:
    """The campaign."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--cases", type=int, default=300, help="spread over all")
    parser.add_argument("--out", type=pathlib.Path, default=OUT)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        os.environ["TFDS_DATA_DIR"] = str(root / "data")
        make(root)
        wanted = {}
        for reader in READERS:
            key = reader.kind, reader.read.__name__
            wanted[key] = tried_whole(root, reader)
        counts, every = damage.Counts(), list(cases(root))
        print(f"{len(every)} cases, of which {chosen.cases} are tried", flush=True)
        step = max(1, len(every) // chosen.cases)
        for reader, name, way in every[::step]:
            key = reader.kind, reader.read.__name__
            found, note = tried(root, reader, name, way)
            if not isinstance(found, str) or found not in damage.OUTCOMES:
                found, note = judge(found, wanted[key], name)
            counts.add(f"{reader.kind}, {reader.read.__name__}", way, found, note)
        counts.add("places", "two processes", *shared(root))
        counts.add("places", "vanished", *vanished(root))
        for title, (outcome, note) in places(root):
            counts.add("places", title, outcome, note)
        if chosen.cases >= 300:
            for size in (10**3, 3 * 10**3, 10**4, 3 * 10**4, 10**5):
                counts.add("limits of a file's size", str(size), *limited(root, size))
    said = f"python benchmarks/campaigns/corrupt_runs.py --cases {chosen.cases}"
    result = {"command": said, **versions("float32"), "counts": counts.as_dict()}
    facts = ", ".join(f"{name} {result[name]}" for name in ("commit", "jax", "device"))
    bad = "".join(f"- {line}\n" for line in counts.bad)
    page = f"`{said}`\n\n{facts}\n\n{counts.markdown()}\n{bad}"
    write(chosen.out, "corruption_runs", result | {"bad": counts.bad}, page)
    print(page)


def tried_whole(root: pathlib.Path, reader: Reader) -> Any:
    """What a reader gets of a run that is whole."""
    folder = root / "copy" / reader.kind
    shutil.rmtree(folder.parent, ignore_errors=True)
    shutil.copytree(root / reader.kind, folder)
    shutil.copy(root / "picture.png", folder.parent)
    return reader.read(folder)


if __name__ == "__main__":
    main()
