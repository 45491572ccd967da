"""Equivariance over the semigroup of downscalings, [dss] (25), Figs. 1 and 4.

    python benchmarks/semigroup.py --out benchmarks/results/semigroup

Layers of scale-space correlations with ReLU and random weights, 8 channels, scale
dimension 2, on photographs in [0, 1] and with their mean removed, wrapped, lifted to 8
levels: what an image made smaller by base^l gives, against the levels l further of the
whole one. Base 2 on 512 px, base sqrt 2 on 478 px (478, 338, 239 and 169 px are sqrt 2
apart to 1e-5). `clear` are the levels that the border of the scale axis does not reach
after n layers, k + l + n <= 7, `border` the others.

Before that, a training step of a layer beside plain convolutions; `--only-speed`
writes speed.json and speed.md and ends. Writes semigroup.json, semigroup.md and three
plots.
"""

from __future__ import annotations

import argparse
import itertools
import pathlib
from collections.abc import Iterator
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import skimage.color
import skimage.data
import skimage.transform
from equivariance_report import table
from outputs import write
from steps import layer_step, medians

import gdjax
from gdjax.layers import ScaleSpaceCorrelation
from gdjax.metrics import semigroup_equivariance_error
from gdjax.scalespace import scale_action, scale_space_lift
from gdjax_train.versions import versions


Row = dict[str, Any]
DISCRETISATIONS = {
    "discrete": gdjax.DiscreteGaussian(),
    "spectral": gdjax.SpectralGaussian(),
}
NAMES = ("camera", "astronaut")
LEVELS = 8
SIDES = {2.0: 512, 2**0.5: 478}
RULES = ("truncate", "replicate", "continue", "extend")


def photograph(name: str, size: int) -> np.ndarray:
    """[size, size, 1] float32 in [0, 1], the largest square in the middle."""
    image = np.asarray(getattr(skimage.data, name)())
    grey = skimage.color.rgb2gray(image) if image.ndim == 3 else image / 255.0
    side = min(grey.shape)
    top, left = ((n - side) // 2 for n in grey.shape)
    square = grey[top : top + side, left : left + side]
    small = skimage.transform.resize(square, (size, size), anti_aliasing=True)
    return small[..., None].astype(np.float32)


class Layers(nn.Module):
    """Correlations with ReLU."""

    depth: int
    start: str
    scale_axis: str
    base: float
    discretisation: Any
    features: int = 8

    @nn.compact
    def __call__(self, f: jax.Array) -> jax.Array:
        """[K, H, W, C] -> [K', H, W, features]."""
        for _ in range(self.depth):
            layer = ScaleSpaceCorrelation(
                self.features, scale_dim=2, base=self.base, scale_axis=self.scale_axis,
                padding="wrap", start=self.start, discretisation=self.discretisation,
            )  # fmt: skip
            f = nn.relu(layer(f))
        return f


def measured(image: np.ndarray, steps: int, **fields: Any) -> Row:
    """Errors of the levels, and their means."""
    net = Layers(**fields)
    more = net.depth if net.scale_axis == "extend" else 0
    # Few levels: the weights are the same, the coarsest filters reach far.
    blank = jnp.zeros((net.depth + 1, 8, 8, image.shape[-1]), image.dtype)
    variables = net.init(jax.random.key(0), blank)
    error = semigroup_equivariance_error(
        jax.jit(lambda f: net.apply(variables, f)),
        image,
        steps=steps,
        base=net.base,
        levels=LEVELS + more,
        discretisation=net.discretisation,
    )
    last = LEVELS - steps - (0 if more else net.depth)
    clear, border = error[:last], error[last:]
    return {
        "levels": error.tolist(),
        "clear": float(clear.mean()),
        "worst": float(clear.max()),
        "border": float(border.mean()) if len(border) else None,
    }


def cases(small: bool) -> Iterator[tuple[float, int, str, str, str, int]]:
    """Base, depth, weights, discretisation, border rule, steps."""
    depths = (1,) if small else (1, 2, 3)
    steps = (1,) if small else (1, 2, 3)
    starts = "matched", "he"
    for case in itertools.product(SIDES, depths, starts, DISCRETISATIONS, steps):
        base, depth, start, kind, step = case
        yield base, depth, start, kind, "truncate", step
    for depth, start, rule in itertools.product(depths, starts, RULES[1:]):
        yield 2.0, depth, start, "discrete", rule, 1


def measure(small: bool) -> Iterator[list[Row]]:
    """All rows until now, after each case."""
    rows: list[Row] = []
    for base, depth, start, kind, rule, steps in cases(small):
        side = (64 if base == 2 else 99) if small else SIDES[base]
        for removed in (False, True):
            found = []
            for name in NAMES[:1] if small else NAMES:
                image = photograph(name, side)
                image = image - image.mean() if removed else image
                with jax.default_matmul_precision("highest"):
                    found.append(
                        measured(
                            image, steps, depth=depth, start=start, scale_axis=rule,
                            base=base, discretisation=DISCRETISATIONS[kind],
                        )
                    )  # fmt: skip
            rows.append(
                {
                    "base": round(base, 3), "layers": depth, "weights": start,
                    "discretisation": kind, "scale axis": rule, "steps": steps,
                    "mean removed": removed,
                    "levels": np.mean([f["levels"] for f in found], 0).tolist(),
                    "clear": float(np.mean([f["clear"] for f in found])),
                    "worst": max(f["worst"] for f in found),
                    "border": _mean([f["border"] for f in found]),
                }
            )  # fmt: skip
        yield rows


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def speed(small: bool, repeats: int) -> list[Row]:
    """Output and all gradients of a layer, beside plain convolutions of its levels."""
    side, channels, batch = (16, 4, 1) if small else (64, 32, 8)
    levels = 2 if small else 4
    shape = batch, levels, side, side, channels
    plain = nn.Conv(channels, (3, 3))

    def on_levels(layer: Any) -> Any:
        return layer.init, layer.apply

    def convolutions() -> Any:
        def apply(variables: Any, x: jax.Array) -> jax.Array:
            found = [plain.apply(variables, x[:, k]) for k in range(levels)]
            return jnp.stack(found, axis=1)

        return lambda key, x: plain.init(key, x[:, 0]), apply

    cases = {"four plain 3 x 3 convolutions": convolutions()}
    for base, name in ((2.0, "2"), (2**0.5, "sqrt 2")):
        for dim in (1, 2):
            layer = ScaleSpaceCorrelation(channels, scale_dim=dim, base=base)
            cases[f"base {name}, scale dimension {dim}"] = on_levels(layer)
    timed = {
        name: layer_step(
            (lambda x, init=init: init(jax.random.key(0), x), apply), shape, channels
        )
        for name, (init, apply) in cases.items()
    }
    seconds = medians(timed, repeats)
    first = next(iter(seconds.values()))
    return [{"name": n, "step_s": t, "ratio": t / first} for n, t in seconds.items()]


def markdown(result: dict[str, Any]) -> str:
    """Speed; means over clear levels and steps; the border by its rule."""
    lines = []
    if "speed" in result:
        lines += ["## Output and gradients of a layer", "", "| | ms | ratio |"]
        lines += ["|---|---|---|"]
        for row in result["speed"]:
            ms = f"{1e3 * row['step_s']:.1f}"
            lines.append(f"| {row['name']} | {ms} | {row['ratio']:.2f} |")
        lines.append("")
    rows = result.get("rows", [])
    if not rows:
        return "\n".join(lines)
    down = "base", "layers", "weights", "discretisation", "mean removed"
    cut = [row for row in rows if row["scale axis"] == "truncate"]
    for value, title in (("clear", "Mean"), ("worst", "Largest error")):
        lines += [f"## {title} over the levels clear of the border", ""]
        lines += table(cut, "steps", value, *down)
    two = [r for r in rows if r["base"] == 2 and r["steps"] == 1]
    two = [r for r in two if r["discretisation"] == "discrete"]
    lines += ["## The border of the scale axis, base 2, discrete, l = 1", ""]
    shown = [r | {"border": r["border"] or r["clear"]} for r in two]
    lines += table(shown, "scale axis", "border", "layers", "weights", "mean removed")
    return "\n".join(lines)


def by_level(result: dict[str, Any]) -> Any:
    """[dss] Fig. 4: error over the level, a panel for each number of layers."""
    return _panels(result, base=2.0)


def by_level_at_real_base(result: dict[str, Any]) -> Any:
    """The same at base sqrt 2."""
    return _panels(result, base=round(2**0.5, 3))


def _panels(result: dict[str, Any], base: float) -> Any:
    rows = [
        row
        for row in result["rows"]
        if row["base"] == base and row["scale axis"] == "truncate"
        and row["weights"] == "matched" and not row["mean removed"]
    ]  # fmt: skip
    depths = sorted({row["layers"] for row in rows})
    figure, axes = plt.subplots(
        1, len(depths), figsize=(3.2 * len(depths), 3), sharey=True, squeeze=False
    )
    for panel, depth in zip(axes[0], depths, strict=True):
        for row in rows:
            if row["layers"] == depth:
                line = "-" if row["discretisation"] == "discrete" else "--"
                label = f"{row['discretisation']}, l = {row['steps']}"
                panel.semilogy(row["levels"], line, marker=".", label=label)
        panel.set_title(f"{depth} layer{'s' if depth > 1 else ''}, base {base:g}")
        panel.set_xlabel("level k")
    axes[0, 0].set_ylabel("relative error")
    axes[0, -1].legend(fontsize=6)
    return figure


def downsampled(result: dict[str, Any]) -> Any:
    """[dss] Fig. 1: every eighth pixel, without and with a blur before."""
    del result
    image = photograph("camera", 512)
    blurred = np.asarray(scale_space_lift(image, levels=4, padding="wrap")[3])
    small = np.asarray(scale_action(image, steps=3, padding="wrap"))
    panels = {
        "original": image, "every 8th pixel": image[::8, ::8], "blurred": blurred,
        "blurred, every 8th pixel": small,
    }  # fmt: skip
    figure, axes = plt.subplots(1, 4, figsize=(10, 2.8))
    for panel, (title, shown) in zip(axes, panels.items(), strict=True):
        panel.imshow(shown[..., 0], cmap="gray", vmin=0, vmax=1)
        panel.set_title(title, fontsize=9)
        panel.axis("off")
    return figure


def main() -> None:
    """Measure all cases."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--small", action="store_true", help="to try it out")
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--only-speed", action="store_true")
    options = parser.parse_args()
    result: dict[str, Any] = {"levels": LEVELS, **versions("float32")}
    result["speed"] = speed(options.small, options.repeats)
    if options.only_speed:
        write(options.out, "speed", result, markdown(result))
        print(markdown(result))
        return
    figures = {
        "levels": by_level, "levels_real_base": by_level_at_real_base,
        "downsampled": downsampled,
    }  # fmt: skip
    for rows in measure(options.small):
        result["rows"] = rows
        last = rows[-1]
        print(
            {key: value for key, value in last.items() if key != "levels"}, flush=True
        )
        write(options.out, "semigroup", result, markdown(result))
    write(options.out, "semigroup", result, markdown(result), **figures)


if __name__ == "__main__":
    main()
