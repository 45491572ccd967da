"""Tables and a plot made from speed.json."""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt


NETWORKS = (
    ("gaussdernet", "gdjax, 8 channels"),
    ("gaussderresnet", "gdjax, 6 channels"),
)


def table(
    seconds: dict[str, float], base: str, compiled: dict[str, float]
) -> list[str]:
    """Rows of a Markdown table."""
    lines = ["| | ms | ratio | compiling, s |", "|---|---|---|---|"]
    for name, value in seconds.items():
        ratio = value / seconds[base]
        made = f"{compiled[name]:.0f}" if name in compiled else ""
        lines.append(f"| {name} | {1e3 * value:.1f} | {ratio:.2f} | {made} |")
    return [*lines, ""]


def layer_table(result: dict[str, Any]) -> str:
    """The table of the layer."""
    lines = [] if result["torch"] else ["PyTorch was not installed: no rows of it.", ""]
    lines += [f"## One layer, {result['layer']}", ""]
    return "\n".join(lines + table(result["layers"], "3x3 convolution", {}))


def markdown(result: dict[str, Any]) -> str:
    """All tables."""
    lines = [layer_table(result)]
    for name, base in NETWORKS:
        found = result[name]
        lines += [f"## {found['what']}", ""]
        lines += table(found["step_s"], base, found["compile_s"])
    return "\n".join(lines)


def figure(result: dict[str, Any]) -> Any:
    """Bars of milliseconds per step, one panel per table."""
    shown = [(result["layer"], result["layers"])]
    shown += [(result[key]["what"], result[key]["step_s"]) for key, _ in NETWORKS]
    made, panels = plt.subplots(1, len(shown), figsize=(6 * len(shown), 5))
    for (title, seconds), axes in zip(shown, panels, strict=True):
        names = list(seconds)[::-1]
        bars = axes.barh(names, [1e3 * seconds[name] for name in names])
        axes.bar_label(bars, fmt="%.0f", fontsize="small")
        axes.set(xscale="log", xlabel="ms per training step", title=title)
        axes.title.set_fontsize("small")
        axes.tick_params(axis="y", labelsize="x-small")
    made.tight_layout()
    return made
