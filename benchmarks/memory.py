"""Temporary memory of compiled training steps, beside that of a plain ResNet.

    python benchmarks/memory.py --out benchmarks/results/memory

GaussDerResNet (Fashion-MNIST preset, 6 scale channels) and a plain ResNet of equal
widths on as many images as the former has images times channels. Nothing is run:
`compiled.memory_analysis()` of the device at hand.

Writes memory.json and memory.md.
"""

from __future__ import annotations

import argparse
import pathlib
from collections.abc import Iterator
from typing import Any

from outputs import write
from plain import PlainResNet
from steps import network_step

from gdjax.models import gaussderresnet_fashion_mnist
from gdjax_train.versions import versions


def rows(batch: int, size: int) -> Iterator[dict[str, Any]]:
    """MiB and seconds of compiling, way by way; the plain ResNet first."""
    net = gaussderresnet_fashion_mnist()
    shape, channels = (batch, size, size, 1), len(net.sigmas)
    cases = {
        "plain ResNet, images times channels": (
            PlainResNet(net.widths),
            (batch * channels, *shape[1:]),
        ),
        "GaussDerResNet": (net, shape),
        "GaussDerResNet, remat": (net.clone(remat=True), shape),
        "GaussDerResNet, pyramid": (net.clone(pyramid=0.7), shape),
        "GaussDerResNet, pyramid, remat": (net.clone(pyramid=0.7, remat=True), shape),
    }
    for name, (made, given) in cases.items():
        _, program, seconds = network_step(made, given)
        mebibytes = program.memory_analysis().temp_size_in_bytes / 2**20
        yield {"name": name, "MiB": mebibytes, "compile_s": seconds}


def markdown(result: dict[str, Any]) -> str:
    """One table."""
    found, batch, size = result["rows"], result["batch"], result["size"]
    lines = [f"6 scale channels, {size} x {size} px, batch {batch}, float32", ""]
    lines += [
        "| | MiB | ratio | MiB per image | compiling, s |",
        "|---|---|---|---|---|",
    ]
    for row in found:
        ratio, each = row["MiB"] / found[0]["MiB"], row["MiB"] / batch
        lines.append(
            f"| {row['name']} | {row['MiB']:.0f} | {ratio:.2f} | {each:.0f}"
            f" | {row['compile_s']:.0f} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Compile everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--size", type=int, default=72)
    options = parser.parse_args()
    result: dict[str, Any] = {"batch": options.batch, "size": options.size}
    result |= {"rows": [], **versions("float32")}
    for row in rows(options.batch, options.size):
        print(row, flush=True)
        result["rows"].append(row)
        write(options.out, "memory", result, markdown(result))


if __name__ == "__main__":
    main()
