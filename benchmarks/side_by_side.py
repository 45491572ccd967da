"""Two checkouts of gdjax beside each other, in turn on one machine.

    git worktree add ../before COMMIT
    python benchmarks/side_by_side.py ../before . --out DIR --parts layers

Every row of `speed.py` (without PyTorch's) is compiled once by a process of each
checkout; then their steps run in turn, `--rounds` times, so that a ratio is that of
two measurements within seconds. Compiling is timed as often as `--compilations` says,
in turn, too. Ratios are after over before. With `--environment NAME=VALUE ...` the
second process has these variables, so that one checkout, given twice, shows what they
bring.

Writes side_by_side.json and side_by_side.md.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time
from typing import Any


def worker(part: str, options: argparse.Namespace) -> None:
    """Measures rows of `part` as lines on standard input ask for it."""
    sys.path.insert(0, str(pathlib.Path.cwd() / "benchmarks"))
    import speed

    rows: dict[str, Any] = {}

    def keep(timed: dict[str, Any], *_: Any, **__: Any) -> dict[str, float]:
        rows.update({n: run for n, run in timed.items() if "PyTorch" not in n})
        return dict.fromkeys(timed, 0.0)

    speed.torch = speed.torch_twins = None
    speed.medians = keep
    asked = argparse.Namespace(
        repeats=3, times=1, bfloat16=False, small=options.small, nets=options.nets,
        threads=1,
    )  # fmt: skip
    compiled = getattr(speed, part)(asked)["compile_s"]
    print(json.dumps([list(rows), compiled, str(speed.gdjax.__file__)]), flush=True)
    for line in sys.stdin:
        name, count = json.loads(line)
        seconds = []
        for _ in range(count):
            start = time.perf_counter()
            rows[name]()
            seconds.append(time.perf_counter() - start)
        print(json.dumps(statistics.median(seconds)), flush=True)


class Worker:
    """A process of one checkout."""

    def __init__(
        self,
        checkout: pathlib.Path,
        part: str,
        options: argparse.Namespace,
        given: list[str],
    ):
        command = [sys.executable, __file__, "--worker", part]
        command += ["--small"] * options.small + ["--nets", *options.nets]
        paths = (checkout, checkout / "train")
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, paths))}
        environment |= dict(variable.split("=", 1) for variable in given)
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self.process: Any = subprocess.Popen(
            command, cwd=checkout, env=environment, **pipes
        )
        self.rows, self.compiled, home = json.loads(self.process.stdout.readline())
        if not pathlib.Path(home).is_relative_to(checkout):
            raise RuntimeError(
                f"{checkout} was to be measured, but {home} was imported"
            )

    def seconds(self, name: str, count: int) -> float:
        """Median of `count` steps."""
        self.process.stdin.write(json.dumps([name, count]) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def stop(self) -> None:
        """Ends the process."""
        self.process.stdin.close()
        self.process.wait()


def compare(part: str, options: argparse.Namespace) -> dict[str, Any]:
    """Ratios of every row's steps, and of compiling it."""
    found: dict[str, dict[str, list[float]]] = {"step": {}, "compile": {}}

    def add(kind: str, name: str, before: float, after: float) -> None:
        found[kind].setdefault(name, []).append(after / before)

    for last in range(options.compilations - 1, -1, -1):
        given = ([], options.environment)
        both = zip(options.checkouts, given, strict=True)
        pair = [Worker(checkout, part, options, own) for checkout, own in both]
        for name, before in pair[0].compiled.items():
            add("compile", name, before, pair[1].compiled[name])
        if last:
            for one in pair:
                one.stop()
    for name in pair[0].rows:
        for one in pair:
            one.seconds(name, 1)
    for turn in range(options.rounds):
        for name in pair[0].rows:
            order = pair if turn % 2 else pair[::-1]
            seconds = {one: one.seconds(name, options.steps) for one in order}
            add("step", name, seconds[pair[0]], seconds[pair[1]])
    for one in pair:
        one.stop()
    return found


def markdown(result: dict[str, Any]) -> str:
    """One table per part."""
    lines = []
    for part, kinds in result["parts"].items():
        lines += [f"## {part}", "", "| | median | all |", "|---|---|---|"]
        for kind, rows in kinds.items():
            for name, ratios in rows.items():
                every = " ".join(f"{r:.2f}" for r in ratios)
                lines.append(
                    f"| {name}, {kind} | {statistics.median(ratios):.2f} | {every} |"
                )
        lines.append("")
    return "\n".join(lines)


def main() -> None:
    """Compare the parts, or measure one as a worker."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkouts", nargs="*", type=pathlib.Path)
    parser.add_argument("--out", type=pathlib.Path)
    parts = ["layers", "gaussdernet", "gaussderresnet"]
    parser.add_argument("--parts", nargs="+", choices=parts, default=parts)
    parser.add_argument("--nets", nargs="+", default=[""], help="parts of their names")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=3, help="per round and checkout")
    parser.add_argument("--compilations", type=int, default=1)
    parser.add_argument("--environment", nargs="+", default=[], metavar="NAME=VALUE")
    parser.add_argument("--small", action="store_true", help="to try it out")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        worker(options.worker, options)
        return
    if len(options.checkouts) != 2 or options.out is None:
        parser.error("give two checkouts, before and after, and --out")
    options.checkouts = [path.resolve() for path in options.checkouts]
    from outputs import write

    from gdjax_train.versions import versions

    commits = [
        subprocess.run(
            ["git", "-C", path, "rev-parse", "--short", "HEAD"],
            capture_output=True, text=True, check=True,
        ).stdout.strip()
        for path in options.checkouts
    ]  # fmt: skip
    result: dict[str, Any] = {"before": commits[0], "after": commits[1]}
    result |= {"environment": options.environment, "parts": {}, **versions("float32")}
    for part in options.parts:
        result["parts"][part] = compare(part, options)
        write(options.out, "side_by_side", result, markdown(result))
    print(markdown(result))


if __name__ == "__main__":
    main()
