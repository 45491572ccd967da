"""Tables and plots made from equivariance.json."""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt


Rows = list[dict[str, Any]]


def chosen(rows: Rows, **wanted: Any) -> Rows:
    """Rows with these values."""
    return [r for r in rows if all(r[key] == value for key, value in wanted.items())]


def table(rows: Rows, across: str, value: str, *down: str) -> list[str]:
    """Markdown: one line per combination of `down`, one column per `across`."""
    columns = list(dict.fromkeys(r[across] for r in rows))
    heads = [f"{across} {c:.3g}" if isinstance(c, float | int) else c for c in columns]
    lines = [f"| {', '.join(down)} | {' | '.join(heads)} |"]
    lines += ["|---" * (len(columns) + 1) + "|"]
    found: dict[tuple[Any, ...], dict[Any, float]] = {}
    for r in rows:
        found.setdefault(tuple(r[d] for d in down), {})[r[across]] = r[value]
    for key, values in found.items():
        name = ", ".join(f"{k:.3g}" if isinstance(k, float) else str(k) for k in key)
        cells = [f"{values[c]:.1e}" if c in values else "" for c in columns]
        lines.append(f"| {name.removeprefix(', ')} | {' | '.join(cells)} |")
    return [*lines, ""]


def markdown(result: dict[str, Any]) -> str:
    """The tables; what is in no table stands in the JSON."""
    lines = []
    if "operators" in result:
        single = chosen(result["operators"], dtype="float32")
        for order in (1, 2, 4):
            rows = chosen(single, order=order, factor=2.0, enlargement="fourier")
            lines += [f"## Derivatives of order {order}, size factor 2, interior", ""]
            lines += table(rows, "sigma", "interior", "discretisation")
        rows = chosen(single, order=2, sigma=1.0, enlargement="fourier")
        lines += ["## Order 2 at sigma = 1 px, over the size factor", ""]
        lines += table(rows, "factor", "interior", "discretisation")
        rows = chosen(single, order=2, factor=2.0, enlargement="bicubic")
        lines += ["## Order 2, size factor 2, image enlarged bicubically", ""]
        lines += table(rows, "sigma", "interior", "discretisation")
        rows = chosen(result["operators"], order=2, factor=2.0, dtype="float64")
        lines += ["## Order 2, size factor 2, float64", ""]
        lines += table(rows, "sigma", "interior", "discretisation")
    if "layers" in result:
        lines += ["## One layer, standardised, and its activation: interior", ""]
        rows = [r for r in result["layers"] if r["sigma"] in (0.71, 1.0, 2.0)]
        lines += table(rows, "activation", "interior", "discretisation", "sigma")
    if "networks" in result:
        lines += network_tables(result["networks"])
    if "noise" in result:
        down = "network", "discretisation", "activation", "sigma"
        lines += ["## On periodic 1/f noise, size factor 2, per stage", ""]
        lines += table(result["noise"], "stage", "interior", *down)
    if "channels" in result:
        down = "network", "discretisation", "activation"
        lines += ["## Channel i + 1 on the image enlarged by sqrt 2, channel i", ""]
        lines += table(result["channels"], "sigma", "shift", *down)
        lines += ["## [dss] (25), image reduced by 2", ""]
        lines += table(result["channels"], "sigma", "dss", *down)
    return "\n".join(lines)


def network_tables(rows: Rows) -> list[str]:
    """Per network: stages, then border and definition of SESN in the last stage."""
    lines = []
    for name in dict.fromkeys(r["network"] for r in rows):
        these = chosen(rows, network=name)
        lines += [f"## {name}: interior, per stage", ""]
        down = "discretisation", "activation", "sigma", "factor", "enlargement"
        lines += table(these, "stage", "interior", *down)
    last = max(r["stage"] for r in rows)
    ends = [r for r in rows if r["stage"] in (last, last - 1) and r["factor"] == 2]
    ends = [r for r in ends if r["stage"] == last or "16 x 4" in r["network"]]
    ends = [r for r in ends if (r["sigma"], r["enlargement"]) == (1.0, "fourier")]
    for value, what in [("border", "border"), ("sesn", "definition of SESN")]:
        lines += [f"## Last stage, sigma_0 = 1 px, size factor 2: {what}", ""]
        lines += table(ends, "activation", value, "network", "discretisation")
    return lines


def plots(result: dict[str, Any]) -> dict[str, Any]:
    """What draws the figures of the parts that were measured."""
    every = {
        "operators": operators_figure,
        "layers": layers_figure,
        "networks": networks_figure,
    }
    return {
        part: lambda result, part=part: every[part](result[part])
        for part in every
        if part in result
    }


def lines_of(axes: Any, rows: Rows, across: str, *names: str) -> None:
    """One line per combination of `names`, on logarithmic axes."""
    found: dict[str, tuple[list[float], list[float]]] = {}
    for r in rows:
        name = ", ".join(str(r[n]) for n in names if r[n] != "")
        xs, ys = found.setdefault(name, ([], []))
        xs.append(r[across])
        ys.append(r["interior"])
    for name, (xs, ys) in found.items():
        axes.plot(xs, ys, marker=".", label=name)
    axes.set_yscale("log")
    axes.grid(alpha=0.3)


def operators_figure(rows: Rows) -> Any:
    """Error over sigma, one panel per order."""
    figure, panels = plt.subplots(1, 4, figsize=(16, 4.5), sharey=True)
    rows = chosen(rows, factor=2.0, enlargement="fourier", dtype="float32")
    for order, axes in enumerate(panels, start=1):
        lines_of(axes, chosen(rows, order=order), "sigma", "discretisation")
        axes.set(xscale="log", xlabel="sigma, px", title=f"order {order}")
    panels[0].set_ylabel("relative covariance error, size factor 2")
    panels[-1].legend(fontsize="small", bbox_to_anchor=(1, 1), loc="upper left")
    return figure


def layers_figure(rows: Rows) -> Any:
    """Error of a layer with its activation over sigma: discrete and spectral."""
    figure, panels = plt.subplots(1, 2, figsize=(11, 4.5), sharey=True)
    for kind, axes in zip(("discrete", "spectral"), panels, strict=True):
        lines_of(axes, chosen(rows, discretisation=kind), "sigma", "activation")
        axes.set(xscale="log", xlabel="sigma, px", title=f"one layer, {kind}")
    panels[0].set_ylabel("relative covariance error, size factor 2")
    panels[-1].legend()
    return figure


def networks_figure(rows: Rows) -> Any:
    """Error per stage at sigma_0 = 1 px, one panel per network."""
    names = list(dict.fromkeys(r["network"] for r in rows))
    figure, panels = plt.subplots(1, len(names), figsize=(5 * len(names), 4.5))
    rows = chosen(rows, factor=2.0, sigma=1.0, enlargement="fourier")
    rows = [r for r in rows if r["discretisation"] in ("", "discrete", "spectral")]
    for name, axes in zip(names, panels, strict=True):
        these = chosen(rows, network=name)
        lines_of(axes, these, "stage", "discretisation", "activation")
        axes.set(xlabel="stage", title=name, ylim=(3e-7, 3))
        axes.legend(fontsize="x-small")
    panels[0].set_ylabel("relative covariance error, size factor 2")
    return figure
