"""Scale equivariance of steerable layers, per internal scale, on natural photographs.

    python benchmarks/steerable_equivariance.py --out benchmarks/results/equivariance

Level i + 1 of a layer with fixed internal scales, on the image enlarged by their ratio,
should be level i on the image, enlarged. Photographs, enlargement and error are those
of `equivariance.py`, ratios those by which 64 px become whole pixels. One layer T -> H,
and two, T -> H -> H, without and with interaction (scale_dim 1 and 2) by every border
rule of the scale axis; beside them Gaussian derivative layers with the same sigmas as
scale channels. 16 features, three draws of weights as initialised, full support unless
an extent is named, precision highest.

With scale_dim 2 the last pair of levels looks beyond the coarsest one; it is on the
`border` of the scale axis, the others are `clear` of it. With "extend" the first layer
has one level more, and all are clear. Writes steerable.json and steerable.md.
"""

from __future__ import annotations

import argparse
import itertools
import pathlib
from collections.abc import Callable, Iterator
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from covariance import errors
from equivariance import DISCRETISATIONS
from equivariance_report import chosen, table
from outputs import write
from photographs import photographs

from gdjax.layers import GaussianDerivative, ScaleConv
from gdjax.metrics import scale_covariance_maps
from gdjax.scalespace import HermiteA, HermiteB
from gdjax_train.versions import versions


Row = dict[str, Any]
SEEDS = (0, 1, 2)
# What layers are made of: a basis, or the order of an N-jet.
LAYERS = {
    "steerable A": HermiteA(4), "steerable B": HermiteB(4, 1.4, 49),
    "jets of order 2": 2, "jets of order 4": 4,
}  # fmt: skip
STEERABLE = ("steerable A", "steerable B")
KINDS = ("discrete", "sampled derivatives", "spectral")
# Finest sigma in px, ratio and number of the internal scales. The middle ones are those
# of the published networks for MNIST-scale.
MIDDLE, COARSE = "1.5 to 3.0 px", "2 to 8 px"
RANGES = {
    "0.9 to 1.8 px": (0.9, 2**0.5, 3),
    MIDDLE: (1.5, 2 ** (1 / 3), 4),
    COARSE: (2.0, 2.0, 3),
}
RULES = ("truncate", "replicate", "continue", "extend")
ACTIVATIONS = {"none": lambda x: x, "relu": nn.relu}


class Layers(nn.Module):
    """One layer or two, steerable, or of Gaussian derivatives in scale channels."""

    scales: tuple[float, ...]
    basis: Any
    discretisation: Any
    depth: int = 1
    activation: str = "none"
    scale_dim: int = 1
    scale_axis: str = "replicate"
    extent: float | None = None
    padding: str = "zero"
    features: int = 16

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """[B, H, W, 1] -> [S, B, H, W, features]."""
        x = self._layer(first=True)(x)
        for _ in range(self.depth - 1):
            x = self._layer(first=False)(ACTIVATIONS[self.activation](x))
        return x

    def _layer(self, *, first: bool) -> Callable[[jax.Array], jax.Array]:
        options = {"discretisation": self.discretisation, "padding": self.padding}
        if not isinstance(self.basis, int):
            if not first:
                options |= {"scale_dim": self.scale_dim, "scale_axis": self.scale_axis}
            return ScaleConv(
                self.features, self.scales, basis=self.basis, lift=first,
                extent=self.extent, **options,
            )  # fmt: skip
        layer = GaussianDerivative(self.features, order=self.basis, eps=None, **options)

        def channels(x: jax.Array) -> jax.Array:
            each = [x] * len(self.scales) if first else x
            pairs = zip(each, self.scales, strict=True)
            return jnp.stack([layer(y, sigma=sigma) for y, sigma in pairs])

        return channels


def internal_scales(
    size: int, finest: float, ratio: float, count: int
) -> tuple[float, ...]:
    """Sigmas in px, [count], in the ratio by which `size` px become whole pixels."""
    ratio = round(size * ratio) / size
    return tuple(finest * ratio**k for k in range(count))


def per_level(
    images: np.ndarray, net: Layers, count: int, seeds: tuple[int, ...] = SEEDS
) -> list[float]:
    """Level i + 1 on enlarged images against level i, for i < count - 1.

    Args:
      images: [H, W, P].
      net: its first scales, `count` at least, in one ratio.
      count: number of levels that are compared.
      seeds: of the weights.

    Returns:
      Relative L2 differences in the inner half of the image: medians over photographs,
      features and weights.
    """
    x = jnp.zeros((1, *images.shape[:2], 1), images.dtype)
    init, run, found = jax.jit(net.init), jax.jit(net.apply), []
    for seed in seeds:
        params = init(jax.random.key(seed), x)

        def levels(x: np.ndarray, sigma: float, params: Any = params) -> np.ndarray:
            # The same layer for both: `sigma` says at which level the reading starts.
            start = int(np.argmin(np.abs(np.asarray(net.scales) - sigma)))
            y = np.asarray(run(params, jnp.asarray(np.moveaxis(x, -1, 0)[..., None])))
            y = np.moveaxis(y[start : start + count - 1], (0, 1), (2, 3))
            return y.reshape(*y.shape[:2], -1)

        maps = scale_covariance_maps(
            levels, images, sigma=net.scales[0], factor=net.scales[1] / net.scales[0]
        )
        found.append(errors(*maps)["interior"].reshape(count - 1, -1))
    return np.median(np.concatenate(found, axis=-1), axis=-1).tolist()


def rows_of(images: np.ndarray, span: str, layer: str, kind: str,
            **fields: Any) -> Iterator[Row]:  # fmt: skip
    """A row for each pair of levels."""
    finest, ratio, count = RANGES[span]
    extended = fields.get("scale_axis") == "extend"
    scales = internal_scales(len(images), finest, ratio, count + extended)
    net = Layers(scales, LAYERS[layer], DISCRETISATIONS[kind], **fields)
    beyond = net.scale_dim > 1 and not extended
    for k, error in enumerate(per_level(images, net, count)):
        yield {
            "scales": span, "layer": layer, "discretisation": kind,
            "layers": net.depth, "activation": net.activation,
            "scale_dim": net.scale_dim, "scale axis": net.scale_axis,
            "extent": net.extent, "padding": net.padding, "dtype": images.dtype.name,
            "levels": f"{scales[k]:.3g}, {scales[k + 1]:.3g} px",
            "where": "border" if beyond and k == count - 2 else "clear", "error": error,
        }  # fmt: skip


def lifts(images: np.ndarray) -> Iterator[Row]:
    """One layer, T -> H, without activation; in float64 at the coarse scales alone."""
    spans = RANGES if images.dtype == np.float32 else (COARSE,)
    for case in itertools.product(spans, LAYERS, KINDS):
        yield from rows_of(images, *case)
    if images.dtype == np.float64:
        return
    for span, layer in itertools.product(RANGES, LAYERS):
        yield from rows_of(images, span, layer, "spectral", padding="wrap")
    for layer, extent in itertools.product(STEERABLE, (2.0, 3.0, 4.0)):
        yield from rows_of(images, MIDDLE, layer, "sampled derivatives", extent=extent)


def stacks(images: np.ndarray) -> Iterator[Row]:
    """Two layers, T -> H -> H.

    With ReLU between them; and without, spectral and wrapped, where the border of the
    scale axis alone is left to err.
    """
    flavours = [(kind, {"activation": "relu"}) for kind in KINDS]
    flavours.append(("spectral", {"padding": "wrap"}))
    for (kind, fields), layer in itertools.product(flavours, LAYERS):
        yield from rows_of(images, MIDDLE, layer, kind, depth=2, **fields)
        for rule in RULES if layer in STEERABLE else ():
            yield from rows_of(
                images, MIDDLE, layer, kind, depth=2, scale_dim=2, scale_axis=rule,
                **fields,
            )  # fmt: skip


def markdown(result: dict[str, Any]) -> str:
    """One layer, two layers, and the border of the scale axis by its rule."""
    lines, down = [], ("layer", "discretisation", "padding", "dtype")
    ones = result.get("lifts", [])
    for span in dict.fromkeys(row["scales"] for row in ones):
        lines += [f"## One layer, T -> H, {span}", ""]
        lines += table(chosen(ones, scales=span, extent=None), "levels", "error", *down)
    cut = [row for row in ones if row["extent"] is not None]
    if cut:
        lines += ["## One layer, cut at extent sigma", ""]
        lines += table(cut, "levels", "error", "layer", "discretisation", "extent")
    twos = result.get("stacks", [])
    down = "layer", "discretisation", "activation", "scale_dim", "scale axis"
    for activation, title in (("relu", "ReLU between"), ("none", "linear, wrapped")):
        rows = chosen(twos, activation=activation)
        if not rows:
            continue
        lines += [f"## Two layers, T -> H -> H, {title}", ""]
        lines += table(rows, "levels", "error", *down)
        last = [r for r in rows if r["levels"] == rows[-1]["levels"]]
        lines += [f"## The last pair of levels by the border rule, {title}", ""]
        last = chosen(last, scale_dim=2)
        lines += table(last, "scale axis", "error", "layer", "discretisation")
    return "\n".join(lines)


def main() -> None:
    """Measure all parts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--size", type=int, default=64, help="px of the small image")
    options = parser.parse_args()
    double = photographs(options.size)
    single = double.astype(np.float32)
    result: dict[str, Any] = {"size": options.size, **versions("float32, float64")}
    with jax.default_matmul_precision("highest"):
        result["lifts"] = list(lifts(single))
        with jax.enable_x64(True):
            result["lifts"] += lifts(double)
        write(options.out, "steerable", result, markdown(result))
        result["stacks"] = list(stacks(single))
    write(options.out, "steerable", result, markdown(result))


if __name__ == "__main__":
    main()
