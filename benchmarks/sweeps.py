"""How a training step grows with channels, sizes, batch, order and scale channels.

    python benchmarks/sweeps.py --out benchmarks/results/speed

One layer beside a plain 3x3 convolution in JAX and, with PyTorch, separable smoothing
there; networks over the number of scale channels, windows and batch. float32, medians
over interleaved repeats within a row.

Writes sweeps.json, sweeps.md and sweeps.png.
"""

from __future__ import annotations

import argparse
import itertools
import pathlib
from collections.abc import Iterator
from typing import Any

import matplotlib.pyplot as plt
from outputs import write
from speed import AtSigma, convolution, flax_layer, torch, torch_step, torch_twins
from speed_report import NO_TORCH
from steps import layer_step, medians, network_step

import gdjax
from gdjax.layers import GaussianDerivative
from gdjax.models import GaussDerNet
from gdjax_train.versions import versions


Row = dict[str, Any]
PIXELS = 64 * 64 * 4  # of all images, where the batch isn't what is swept
SWEEPS: dict[str, list[dict[str, Any]]] = {
    "width": [{"width": n} for n in (16, 32, 64, 128, 256)],
    "size": [{"size": n} for n in (32, 64, 128, 256, 512)],
    "batch": [{"batch": n, "size": 32, "width": 32} for n in (1, 4, 16, 64)],
    "order": [{"order": n, "width": 32} for n in (1, 2, 3, 4)],
    "sigma": [{"sigma": s, "width": 32} for s in (0.5, 1.0, 2.0, 4.0, 8.0)],
}
SCALE_CHANNELS = (1, 2, 4, 8)
NETWORK = GaussDerNet(widths=(12, 16, 24, 32))


def layer_row(
    repeats: int,
    *,
    size: int = 64,
    batch: int | None = None,
    width: int = 16,
    order: int = 2,
    sigma: float = 1.0,
) -> dict[str, float]:
    """Seconds of a step of one layer, `width` to `width` channels, every way."""
    batch = batch or max(1, PIXELS // size**2)
    cases = {"3x3 convolution": convolution(3, width, width)}
    for name, kind in [
        ("discrete", gdjax.DiscreteGaussian()),
        ("spectral", gdjax.SpectralGaussian()),
    ]:
        module = GaussianDerivative(
            width, sigma=sigma, order=order, discretisation=kind
        )
        cases[f"gdjax {name}"] = flax_layer(module)
    shape = batch, size, size, width
    timed = {name: layer_step(case, shape, width) for name, case in cases.items()}
    if torch and order == 2:
        twin = AtSigma(torch_twins.GaussianDerivative(width, width), sigma)
        timed["PyTorch separable"] = torch_step(twin, batch, width, size, size)
    return medians(timed, repeats)


def layer_rows(repeats: int, small: bool) -> Iterator[Row]:
    """One layer over everything."""
    for over, points in SWEEPS.items():
        for point in points[:2] if small else points:
            seconds = layer_row(repeats, **(point | {"size": 8} if small else point))
            yield {"over": over, "value": point[over], "step_s": seconds}


def network_rows(repeats: int, small: bool) -> Iterator[Row]:
    """`NETWORK` over scale channels, windows, and batch."""
    size, batch = (8, 2) if small else (64, 4)
    for count in SCALE_CHANNELS[:2] if small else SCALE_CHANNELS:
        net = NETWORK.clone(sigmas=tuple(2 ** (k / 2 - 0.5) for k in range(count)))
        cases = {
            "windows": (net, batch),
            "all pixels": (net.clone(windowed=False), batch),
            "pyramid": (net.clone(pyramid=0.7), batch),
            "windows, 4 times the batch": (net, 4 * batch),
        }
        timed = {
            name: network_step(n, (b, size, size, 1))[0]
            for name, (n, b) in cases.items()
        }
        seconds = medians(timed, repeats)
        yield {"over": "scale channels", "value": count, "step_s": seconds}


def markdown(rows: list[Row]) -> str:
    """One table per sweep: milliseconds, and the ratio to the first column."""
    lines = [] if torch else [NO_TORCH, ""]
    for over in dict.fromkeys(r["over"] for r in rows):
        these = [r for r in rows if r["over"] == over]
        names = list(these[0]["step_s"])
        lines += [f"| {over} | " + " | ".join(names) + " |"]
        lines += ["|---" * (len(names) + 1) + "|"]
        for r in these:
            first = r["step_s"][names[0]]
            known = [r["step_s"].get(n) for n in names]
            cells = [f"{1e3 * t:.1f} ms ({t / first:.2f})" if t else "" for t in known]
            lines.append(f"| {r['value']:g} | " + " | ".join(cells) + " |")
        lines.append("")
    return "\n".join(lines)


def figure(result: dict[str, Any]) -> Any:
    """Seconds over each quantity, both axes logarithmic."""
    rows = result["rows"]
    sweeps = list(dict.fromkeys(r["over"] for r in rows))
    made, panels = plt.subplots(1, len(sweeps), figsize=(4 * len(sweeps), 3.8))
    for over, axes in zip(sweeps, panels, strict=True):
        these = [r for r in rows if r["over"] == over]
        for name in these[0]["step_s"]:
            points = [(r["value"], r["step_s"].get(name)) for r in these]
            axes.plot(*zip(*points, strict=True), marker=".", label=name)
        axes.set(xscale="log", yscale="log", xlabel=over)
        axes.grid(alpha=0.3)
        axes.legend(fontsize="x-small")
    panels[0].set_ylabel("training step, s")
    return made


def main() -> None:
    """Measure everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--small", action="store_true", help="to try it out")
    options = parser.parse_args()
    result: dict[str, Any] = {"rows": [], **versions("float32")}
    how = options.repeats, options.small
    for row in itertools.chain(layer_rows(*how), network_rows(*how)):
        print(row, flush=True)
        result["rows"].append(row)
        write(options.out, "sweeps", result, markdown(result["rows"]))
    write(options.out, "sweeps", result, markdown(result["rows"]), sweeps=figure)


if __name__ == "__main__":
    main()
