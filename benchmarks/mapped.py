"""Scale channels by `vmap` beside the loop: time, memory, compiling, agreement.

    python benchmarks/mapped.py --out benchmarks/results/speed/mapped

A training step of every network, its channels in groups that are one `vmap` each
(`mapped`, the default) and one after the other, interleaved in one process. Compiling
is the median of three times in turn, after one of each (`--compiled 1`: that one): the
first one makes the kernels on the host, which the other way then has. Memory is what
the compiled program takes beside its arguments. Errors are of the step's results,
gradients and batch statistics, relative to the largest gradient.

Writes mapped.json and mapped.md.
"""

from __future__ import annotations

import argparse
import functools
import pathlib
import statistics
from typing import Any

import jax
import jax.numpy as jnp
from outputs import write
from steps import medians, network_step, together

import gdjax
from gdjax.layers import spatial_max
from gdjax.models import GaussDerNet, GaussDerResNet, gaussderresnet_fashion_mnist
from gdjax_train.versions import versions


EIGHT = tuple(2 ** (k / 2) for k in range(-1, 7))
FIVE = EIGHT[:5]


def cases(small: bool, times: int) -> dict[str, tuple[Any, tuple[int, ...]]]:
    """Networks, and shapes of batches."""
    batch, scale = (1, 4) if small else (16 * times, 1)

    def images(size: int) -> tuple[int, ...]:
        return batch, size // scale, size // scale, 1

    grids = {"sigmas": EIGHT, "pyramid": 1.4, "enlarge": 2}
    whole = {"spatial_selection": spatial_max}
    spectral = {"discretisation": gdjax.SpectralGaussian()}
    widths = gaussderresnet_fashion_mnist().widths
    return {
        "GaussDerNet, 8 channels, 40 px, equal shapes": (
            GaussDerNet(sigmas=EIGHT, **whole), images(40)
        ),
        "GaussDerResNet, 8 channels, 28 px, equal shapes": (
            GaussDerResNet(widths=widths, ratio=1.13, sigmas=EIGHT, **whole), images(28)
        ),
        "GaussDerNet, 8 channels, 112 px, grids": (GaussDerNet(**grids), images(112)),
        "GaussDerNet, 8 channels, 112 px, grids, spectral": (
            GaussDerNet(**grids, **spectral), images(112)
        ),
        "GaussDerNet, 5 channels, 72 px, windows": (
            GaussDerNet(sigmas=FIVE), images(72)
        ),
        "GaussDerResNet, 6 channels, 28 px, as published": (
            gaussderresnet_fashion_mnist(scale_dropout=0.0), images(28)
        ),
    }  # fmt: skip


def row(
    net: Any, shape: tuple[int, ...], repeats: int, compiled: int
) -> dict[str, Any]:
    """What is measured of one network."""
    found: dict[str, Any] = {"groups": [], "compile_s": {}, "memory_bytes": {}}
    ways = {"vmap": net, "loop": net.clone(mapped=False)}
    groups = net.groups(shape[1:-1], channels=shape[-1])
    found["groups"] = [len(group.channels) for group in groups]
    runs: dict[str, Any] = {}
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(compiled):
        for name, way in ways.items():
            runs[name], program, compiling = network_step(way, shape)
            memory = program.memory_analysis()
            found["memory_bytes"][name] = memory.temp_size_in_bytes
            seconds[name].append(compiling)
    found["compile_s"] = {n: statistics.median(s[1:] or s) for n, s in seconds.items()}
    results = {name: run() for name, run in runs.items()}
    found["error"] = error(results["vmap"], results["loop"])
    found["step_s"] = medians(runs, repeats)
    return found


def error(found: Any, wanted: Any) -> float:
    """The largest difference, relative to the largest value of each kind."""
    worst = 0.0
    for a, b in zip(found, wanted, strict=True):
        scale = max(float(jnp.abs(leaf).max()) for leaf in jax.tree.leaves(b))
        both = zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
        worst = max(worst, *(float(jnp.abs(x - y).max()) / scale for x, y in both))
    return worst


def markdown(result: dict[str, Any]) -> str:
    """The table."""
    lines = [
        "| | groups | step, loop | vmap / loop | compiling | memory | error |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, row in result["rows"].items():
        ratios = [
            row[what]["vmap"] / row[what]["loop"]
            for what in ("step_s", "compile_s", "memory_bytes")
        ]
        groups = " + ".join(map(str, row["groups"]))
        lines.append(
            f"| {name} | {groups} | {1e3 * row['step_s']['loop']:.3g} ms |"
            f" {ratios[0]:.2f} | {ratios[1]:.2f} | {ratios[2]:.2f} |"
            f" {row['error']:.0e} |"
        )
    where = f"{result['device']}, {result['precision']}, jax {result['jax']}"
    note = "Ratios are vmap over loop; compiling has tracing in it."
    return "\n".join([*lines, "", f"{note} {where}, commit {result['commit']}.", ""])


def main() -> None:
    """Measure every network."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--nets", nargs="+", default=[""], help="parts of their names")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--times", type=int, default=1, help="times the images")
    parser.add_argument(
        "--compiled", type=int, default=4, help="times, the first apart"
    )
    parser.add_argument("--threads", type=int, default=1, help="so many rows at once")
    parser.add_argument("--small", action="store_true", help="to try it out")
    options = parser.parse_args()
    result: dict[str, Any] = {"rows": {}, **versions("float32")}
    # The first program of a process takes a second longer to compile.
    network_step(GaussDerNet(widths=(3,), sigmas=(1.0,)), (1, 8, 8, 1))
    how = options.repeats, options.compiled

    def measure(name: str, net: Any, shape: tuple[int, ...]) -> None:
        result["rows"][name] = row(net, shape, *how)
        write(options.out, "mapped", result, markdown(result))

    calls = {
        name: functools.partial(measure, name, *case)
        for name, case in cases(options.small, options.times).items()
        if any(text in name for text in options.nets)
    }
    together(calls, options.threads)
    print(markdown(result))


if __name__ == "__main__":
    main()
