"""Kill: commands stopped at random moments, and gone on with, end in the same bits.

A tiny run (data preparation, two phases, validation, evaluation, plots) is made once
undisturbed. Then the same command is stopped by SIGKILL, SIGINT (Ctrl-C) or SIGTERM at
a moment that is drawn uniformly from its duration, each third time once more while it
is resumed, and gone on with as its message says. Weights must then be the undisturbed
run's bit for bit, and evaluation.json but for command and commit. A part of the cases
begins without prepared data; another part stops gdjax-evaluate of a finished run.

    python benchmarks/campaigns/kill.py --kills 100 --signals 20

Every case has a seed of its own; results are written after each, and a campaign that
was stopped goes on. About half a minute a case on two cores.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
from typing import Any, NamedTuple

import numpy as np


sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

from outputs import write  # noqa: E402

from gdjax_train.versions import versions  # noqa: E402


FLAGS = (
    "rescaled_digits", "--epochs", "2", "--batch-size", "16", "--nets", "discrete+relu",
    "--multi-epochs", "1", "--model.widths", "4", "--model.sigmas", "1", "2",
    "--data.train-images", "96", "--data.test-images", "8", "--eval-factors", "1",
    "--checkpoint-every", "2", "--log-every", "1",
)  # fmt: skip
OUT = pathlib.Path("benchmarks/results/campaigns")
PATIENCE = 600  # Seconds that no command takes.
OUTCOMES = "survived", "unclear", "lost", "silently wrong"


class Place(NamedTuple):
    """Where a campaign works: folders of runs, of prepared data, of compiled code."""

    root: pathlib.Path

    def environment(self, data: str) -> dict[str, str]:
        """Of a command, with its folder of prepared data."""
        return os.environ | {
            "TFDS_DATA_DIR": str(self.root / data),
            "JAX_COMPILATION_CACHE_DIR": str(self.root / "compiled"),
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        }


class Ended(NamedTuple):
    """How a command ended."""

    code: int
    stderr: str
    seconds: float


def run(
    place: Place, script: str, *arguments: str, data: str = "data",
    stop: tuple[int, float] | None = None,
) -> Ended:  # fmt: skip
    """A console script, as users start it.

    Args:
      place: of the campaign.
      script: "train" or "evaluate".
      *arguments: of it.
      data: name of the folder of prepared data.
      stop: signal, and seconds after which it is sent.
    """
    code = (
        "import signal, sys\n"
        # Python's own handler of Ctrl-C, also where a shell in the background has none.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        f"from gdjax_train.scripts import {script} as script\n"
        "sys.exit(script())"
    )
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-c", code, *arguments], env=place.environment(data),
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    if stop is not None:
        number, moment = stop
        try:
            process.wait(max(0.0, moment - (time.monotonic() - began)))
        except subprocess.TimeoutExpired:
            process.send_signal(number)
    _, text = process.communicate(timeout=PATIENCE)
    return Ended(process.returncode, text, time.monotonic() - began)


def contents(run_: pathlib.Path) -> dict[str, Any]:
    """Weights and results of a finished run."""
    found: dict[str, Any] = {
        path.name: path.read_bytes() for path in (run_ / "weights").iterdir()
    }
    result = json.loads((run_ / "evaluation.json").read_text())
    # The campaign's own page makes the checkout "dirty".
    own = "command", "commit"
    found["evaluation.json"] = {n: v for n, v in result.items() if n not in own}
    return found


def said(ended: Ended) -> str:
    """How a command ended, for the page."""
    return f"exit {ended.code}: {' '.join(ended.stderr.split())[-400:]}"


def case(place: Place, kind: str, seed: int, wanted: dict[str, Any], durations: Any):
    """One command, stopped once or twice, then gone on with; its outcome and why."""
    rng = np.random.default_rng(seed)
    number, _, script = kind.partition(" ")
    sent = {"SIGKILL": 9, "SIGINT": 2, "SIGTERM": 15}[number]
    folder, data = place.root / f"run-{seed}", "data"
    if script == "evaluate":
        shutil.copytree(place.root / "unbroken", folder)
        command: tuple[str, ...] = (str(folder),)
    else:
        command = (*FLAGS, "--out", str(folder))
        if rng.random() < 0.25:
            data = f"data-{seed}"
    for _ in range(2 if rng.random() < 1 / 3 else 1):
        if script == "train" and folder.exists():
            command = ("--resume", str(folder))
        moment = rng.random() * durations[script]
        ended = run(place, script, *command, data=data, stop=(sent, moment))
        if "Traceback" in ended.stderr or ended.code not in (0, -9, -15, 130):
            return (
                "unclear",
                f"{moment:.1f} s, exit {ended.code}: {ended.stderr[-400:]}",
            )
    if script == "train" and folder.exists():
        command = ("--resume", str(folder))
    ended = run(place, script, *command, data=data)
    if ended.code:
        return "lost", said(ended)
    found = contents(folder)
    wrong = [name for name in wanted if found.get(name) != wanted[name]]
    for path in (folder, place.root / f"data-{seed}"):
        shutil.rmtree(path, ignore_errors=True)
    return ("silently wrong", ", ".join(wrong)) if wrong else ("survived", "")


def table(result: dict[str, Any]) -> str:
    """Counts in Markdown, a row for each kind of case."""
    rows = ["| | tried | " + " | ".join(OUTCOMES) + " |", "|---" * 6 + "|"]
    kinds = dict.fromkeys(each["kind"] for each in result["cases"])
    for kind in (*kinds, "**all**"):
        same = [c["outcome"] for c in result["cases"] if kind in (c["kind"], "**all**")]
        cells = [kind, len(same), *(same.count(outcome) for outcome in OUTCOMES)]
        rows.append(f"| {' | '.join(map(str, cells))} |")
    bad = [
        f"- seed {c['seed']}, {c['kind']}: {c['outcome']}: {c['note']}"
        for c in result["cases"]
        if c["outcome"] != "survived"
    ]
    facts = ", ".join(f"{n} {result[n]}" for n in ("jax", "device"))
    commits = dict.fromkeys(each["commit"] for each in result["cases"])
    lines = [f"`{result['command']}`", "", f"{facts}; commits {', '.join(commits)}"]
    return "\n".join([*lines, "", *rows, "", *bad, ""])


def kinds(kills: int, signals: int) -> list[str]:
    """The kind of every case; a tenth stops an evaluation."""
    numbers = ["SIGKILL"] * kills + [
        ("SIGINT", "SIGTERM")[k % 2] for k in range(signals)
    ]
    scripts = ["evaluate" if k % 10 == 9 else "train" for k in range(len(numbers))]
    return [" ".join(pair) for pair in zip(numbers, scripts, strict=True)]


def main() -> None:
    """The campaign."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--signals", type=int, default=20)
    parser.add_argument("--out", type=pathlib.Path, default=OUT)
    chosen = parser.parse_args()
    command = f"python benchmarks/campaigns/kill.py --kills {chosen.kills}"
    result = {
        "command": f"{command} --signals {chosen.signals}",
        **versions("float32"),
        "cases": [],
    }
    before = chosen.out / "kill.json"
    if before.exists():
        stored = json.loads(before.read_text())
        if stored["command"] == result["command"]:
            result["cases"] = stored["cases"]
    with tempfile.TemporaryDirectory() as root:
        place = Place(pathlib.Path(root))
        unbroken = place.root / "unbroken"
        for name in ("warm", "unbroken"):  # the first one compiles
            ended = run(place, "train", *FLAGS, "--out", str(place.root / name))
            assert ended.code == 0, ended.stderr
        wanted = contents(unbroken)
        durations = {
            "train": ended.seconds,
            "evaluate": run(place, "evaluate", str(unbroken)).seconds,
        }
        wanted = contents(unbroken)
        names = kinds(chosen.kills, chosen.signals)
        for seed in range(len(result["cases"]), len(names)):
            outcome, note = case(place, names[seed], seed, wanted, durations)
            case_ = {
                "kind": names[seed],
                "seed": seed,
                "outcome": outcome,
                "note": note,
                "commit": result["commit"],
            }
            result["cases"].append(case_)
            write(chosen.out, "kill", result, table(result))
            print(f"{seed}: {names[seed]}: {outcome} {note}", flush=True)


if __name__ == "__main__":
    main()
