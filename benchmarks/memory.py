"""Temporary memory of compiled training steps, beside that of a plain ResNet.

    python benchmarks/memory.py --out benchmarks/results/memory

GaussDerResNet (Fashion-MNIST preset, 6 scale channels) and a plain ResNet of equal
widths on as many images as the former has images times channels. Nothing is run:
`compiled.memory_analysis()` of the device at hand.

Writes memory.json and memory.md.
"""

from __future__ import annotations

import argparse
import json
import pathlib
from typing import Any

from plain import PlainResNet
from steps import network_step

from gdjax.models import gaussderresnet_fashion_mnist
from train.run_folder import versions


def rows(batch: int, size: int) -> list[dict[str, Any]]:
    """MiB and seconds of compiling of every way; the plain ResNet first."""
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
    found = []
    for name, (made, given) in cases.items():
        _, program, seconds = network_step(made, given)
        mebibytes = program.memory_analysis().temp_size_in_bytes / 2**20
        found.append({"name": name, "MiB": mebibytes, "compile_s": seconds})
        print(found[-1], flush=True)
    return found


def markdown(found: list[dict[str, Any]], batch: int, size: int) -> str:
    """One table."""
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
    found = rows(options.batch, options.size)
    result = {"rows": found, "batch": options.batch, "size": options.size}
    result |= versions("float32")
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "memory.json").write_text(json.dumps(result, indent=1) + "\n")
    (options.out / "memory.md").write_text(markdown(found, options.batch, options.size))


if __name__ == "__main__":
    main()
