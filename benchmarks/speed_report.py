"""Tables and a plot made from speed.json."""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt


NO_TORCH = "PyTorch is not installed, or JAX runs on a GPU: no rows of PyTorch."
# What others are compared with; the last one where that wasn't measured.
BASES = {
    "layers": "3x3 convolution",
    "gaussdernet": "gdjax, 8 channels",
    "gaussderresnet": "gdjax, 6 channels",
    "second_phases": "GaussDerResNet in 4 channels, 72 px",
}


def table(
    seconds: dict[str, float], base: str, compiled: dict[str, float]
) -> list[str]:
    """Rows of a Markdown table."""
    lines = ["| | ms | ratio | compiling, s |", "|---|---|---|---|"]
    for name, value in seconds.items():
        ratio = value / seconds.get(base, list(seconds.values())[-1])
        made = f"{compiled[name]:.0f}" if name in compiled else ""
        lines.append(f"| {name} | {1e3 * value:.1f} | {ratio:.2f} | {made} |")
    return [*lines, ""]


def markdown(result: dict[str, Any]) -> str:
    """All tables."""
    lines = [] if result["torch"] else [NO_TORCH, ""]
    for name, part in result["parts"].items():
        lines += [f"## {part['what']}", ""]
        lines += table(part["step_s"], BASES[name], part["compile_s"])
    return "\n".join(lines)


def figure(result: dict[str, Any]) -> Any:
    """Bars of milliseconds per step, one panel per table."""
    parts = list(result["parts"].values())
    size = (6 * len(parts), 5)
    made, panels = plt.subplots(1, len(parts), figsize=size, squeeze=False)
    for part, axes in zip(parts, panels[0], strict=True):
        names = list(part["step_s"])[::-1]
        bars = axes.barh(names, [1e3 * part["step_s"][name] for name in names])
        axes.bar_label(bars, fmt="%.0f", fontsize="small")
        axes.set(xscale="log", xlabel="ms per training step", title=part["what"])
        axes.title.set_fontsize("small")
        axes.tick_params(axis="y", labelsize="x-small")
    made.tight_layout()
    return made
