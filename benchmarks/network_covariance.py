"""What tests of whole networks can ask for: errors of scale channels' scores.

    python benchmarks/network_covariance.py --out DIR

The largest `scale_channel_error` over images of 1 / f noise, periodic and band-limited,
63 px, so that sqrt 2 and 2 give whole pixels. Networks of four layers or two residual
blocks have random weights, 10 classes, and the batch statistics of these images; no
truncation, border rule "wrap", float32.

Writes network_covariance.json and network_covariance.md.
"""

from __future__ import annotations

import argparse
import itertools
import pathlib
from collections.abc import Iterator
from typing import Any

import flax.linen as nn
import jax
import numpy as np
from outputs import write
from photographs import pink_noise

import gdjax
from gdjax.layers import SharedBatchNorm, centre_pixel, spatial_max
from gdjax.metrics import scale_channel_error
from gdjax.models import GaussDerNet, GaussDerResNet
from gdjax_train.versions import versions


DISCRETISATIONS = {
    "discrete": gdjax.DiscreteGaussian(),
    "sampled": gdjax.SampledGaussian(),
    "integrated": gdjax.IntegratedGaussian(),
    "sampled derivatives": gdjax.SampledGaussianDerivatives(),
    "integrated derivatives": gdjax.IntegratedGaussianDerivatives(),
    "spectral": gdjax.SpectralGaussian(),
}
ACTIVATIONS = {"relu": nn.relu, "silu": nn.silu}
READOUTS = {"centre": centre_pixel, "max": spatial_max}
FACTORS = {"sqrt 2": 2**0.5, "2": 2.0}
SIGMAS = (1.0, 2.0)
FIELDS: dict[str, Any] = {
    "widths": (8, 8, 8), "sigmas": SIGMAS, "eps": None, "padding": "wrap",
}  # fmt: skip
NETWORKS = {"GaussDerNet": GaussDerNet, "GaussDerResNet": GaussDerResNet}
Row = dict[str, Any]


def rows(images: np.ndarray) -> Iterator[Row]:
    """A row per network, readout, discretisation and activation."""
    for names in itertools.product(NETWORKS, READOUTS, DISCRETISATIONS, ACTIVATIONS):
        name, readout, kind, activation = names
        net = NETWORKS[name](
            discretisation=DISCRETISATIONS[kind],
            activation=ACTIVATIONS[activation],
            spatial_selection=READOUTS[readout],
            **FIELDS,
        )
        variables = normalised(net, images)
        row = dict(zip(("net", "readout", "kind", "activation"), names, strict=True))
        for label, factor in FACTORS.items():
            errors = [
                scale_channel_error(net, variables, x, factor=factor) for x in images
            ]
            for sigma, worst in zip(SIGMAS, np.max(errors, axis=0), strict=True):
                row[f"{sigma:g} px, {label}"] = float(worst)
        yield row


def normalised(net: Any, images: np.ndarray) -> Any:
    """Random weights, and the statistics of these images."""
    variables = jax.jit(net.init)(jax.random.key(0), images[:1, :8, :8])
    whole = net.clone(windowed=False)

    @jax.jit
    def updated(variables: Any) -> Any:
        return whole.apply(variables, images, train=True, mutable=["batch_stats"])[1]

    def latest(old: jax.Array, new: jax.Array) -> jax.Array:
        momentum = SharedBatchNorm.momentum
        return (new - momentum * old) / (1 - momentum)

    statistics = updated(variables)["batch_stats"]
    statistics = jax.tree.map(latest, variables["batch_stats"], statistics)
    return {**variables, "batch_stats": statistics}


def markdown(found: list[Row]) -> str:
    """All rows, errors with two digits."""
    head = list(found[0])
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for row in found:
        cells = [f"{v:.1e}" if isinstance(v, float) else v for v in row.values()]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, and write after every row."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--size", type=int, default=63, help="px of the small images")
    parser.add_argument("--images", type=int, default=8, help="how many")
    options = parser.parse_args()
    images = np.moveaxis(pink_noise(options.size, options.images), -1, 0)[..., None]
    found: list[Row] = []
    for row in rows(images.astype(np.float32)):
        found.append(row)
        print(row, flush=True)
        result = {"size": options.size, **versions("float32"), "rows": found}
        write(options.out, "network_covariance", result, markdown(found))


if __name__ == "__main__":
    main()
