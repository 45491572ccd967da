"""Scale covariance error of whole networks with random weights, layer by layer.

    python benchmarks/equivariance.py --out benchmarks/results/equivariance

An image f with a 1/f spectrum on a wrapped grid, and the same enlarged twice by Fourier
interpolation: the maps of a network at sigma_0 on f and at 2 sigma_0 on the enlarged
image should be the same function. Error per layer: relative L2 difference at the points
of the small grid, median over the feature channels. Batch statistics are those of each
image, so every layer's input is standardised. Full support, float32, precision highest.

Writes networks.json and networks.md.
"""

from __future__ import annotations

import argparse
import json
import pathlib
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

import gdjax
from gdjax.layers import GaussianDerivative, ResidualBlock, SharedBatchNorm, spatial_max
from gdjax.metrics import scale_covariance_error
from gdjax.models import GaussDerNet, GaussDerResNet
from train.run_folder import versions


SIGMAS = (0.71, 1.0, 2.0)
ACTIVATIONS = {"relu": nn.relu, "silu": nn.silu}
DISCRETISATIONS = {
    "discrete": gdjax.DiscreteGaussian(),
    "sampled": gdjax.SampledGaussian(),
    "normalized sampled": gdjax.NormalizedSampledGaussian(),
    "integrated": gdjax.IntegratedGaussian(),
    "linearly integrated": gdjax.LinearlyIntegratedGaussian(),
    "sampled derivatives": gdjax.SampledGaussianDerivatives(),
    "integrated derivatives": gdjax.IntegratedGaussianDerivatives(),
    "normalized sampled derivatives": gdjax.NormalizedSampledGaussianDerivatives(),
    "spectral": gdjax.SpectralGaussian(),
}
COMMON: dict[str, Any] = {
    "padding": "wrap", "eps": None, "windowed": False, "spatial_selection": spatial_max,
}  # fmt: skip
# To add a network is to add a line.
NETWORKS = {
    "GaussDerNet, 16 x 4, r = 1.25": GaussDerNet(
        widths=(16,) * 4, ratio=1.25, **COMMON
    ),
    "GaussDerResNet, 16 x 5 (4 blocks), r = 1.25": GaussDerResNet(
        widths=(16,) * 5, ratio=1.25, **COMMON
    ),
}


def natural_image(size: int, seed: int = 0) -> np.ndarray:
    """[size, size], 1/f spectrum below Nyquist's circle, mean 0, variance 1."""
    rng = np.random.default_rng(seed)
    f = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.fftfreq(size))
    weight = np.where((f > 0) & (f < 0.5), 1 / np.maximum(f, 1 / size), 0)
    image = np.fft.ifft2(np.fft.fft2(rng.standard_normal((size, size))) * weight).real
    return (image / image.std()).astype(np.float32)


def _is_stage(module: nn.Module, method: str) -> bool:
    kinds = (ResidualBlock, SharedBatchNorm, GaussianDerivative)
    top_level = len(module.path) == 1
    return method == "__call__" and top_level and isinstance(module, kinds)


def stage_maps(net: Any, variables: Any, image: np.ndarray, sigma: float) -> jax.Array:
    """Outputs of the stages of one scale channel: [H, W, all features].

    Stages are normalised layers, residual blocks, and the last layer.
    """
    channel = net.clone(sigmas=(sigma,))

    def run(variables: Any, x: jax.Array) -> jax.Array:
        _, updated = channel.apply(
            variables, x, train=True, mutable=["batch_stats", "intermediates"],
            capture_intermediates=_is_stage,
        )  # fmt: skip
        found = updated["intermediates"]
        maps = [_output(found, name) for name in stage_names(net)]
        return jnp.concatenate([y[0] for y in maps], axis=-1)

    return jax.jit(run)(variables, image[None, ..., None])


def _output(intermediates: Any, name: str) -> jax.Array:
    (value,) = intermediates[name]["__call__"]
    return value[0] if isinstance(value, list) else value


def stage_names(net: Any) -> list[str]:
    """Names of the modules whose outputs are compared, first to last."""
    if isinstance(net, GaussDerResNet):
        blocks = [f"block_{b}" for b in range(1, len(net.widths))]
        return ["norm_1", *blocks, net.layer_names()[-1]]
    return [f"norm_{k + 1}" for k in range(len(net.widths))] + [net.layer_names()[-1]]


def errors_of(net: Any, image: np.ndarray, sigma: float) -> list[float]:
    """Median error of every stage."""
    # The same weights for every sigma: these depend on the key alone.
    blank = np.zeros((1, 8, 8, 1), np.float32)
    variables = jax.jit(net.clone(sigmas=(1.0,)).init)(jax.random.key(0), blank)

    def at(image: np.ndarray, sigma: float) -> jax.Array:
        return stage_maps(net, variables, image, sigma)

    errors = scale_covariance_error(at, image, sigma=sigma, factor=2)
    sizes = [*net.widths, net.num_classes]
    pieces = np.split(errors, np.cumsum(sizes)[:-1])
    return [float(np.median(piece)) for piece in pieces]


def markdown(result: dict[str, Any]) -> str:
    """One table per network: rows discretisation and activation, columns stages."""
    lines = []
    for name, rows in result["networks"].items():
        count = len(rows[0]["errors"])
        stages = " | ".join(f"stage {k + 1}" for k in range(count))
        lines += [f"## {name}", "", f"| | sigma_0 | {stages} |"]
        lines += ["|---" * (count + 2) + "|"]
        for row in rows:
            values = " | ".join(f"{e:.2g}" for e in row["errors"])
            flavour = f"{row['discretisation']}, {row['activation']}"
            lines.append(f"| {flavour} | {row['sigma']:g} | {values} |")
        lines.append("")
    return "\n".join(lines)


def measure(net: Any, image: np.ndarray) -> list[dict[str, Any]]:
    """All flavours and scales of a network; smooth activations for two flavours."""
    rows = []
    for kind, discretisation in DISCRETISATIONS.items():
        for activation, function in ACTIVATIONS.items():
            if activation != "relu" and kind not in ("discrete", "spectral"):
                continue
            flavoured = net.clone(discretisation=discretisation, activation=function)
            for sigma in SIGMAS:
                errors = errors_of(flavoured, image, sigma)
                row = {"discretisation": kind, "activation": activation}
                rows.append(row | {"sigma": sigma, "errors": errors})
                print(rows[-1], flush=True)
    return rows


def main() -> None:
    """Measure all networks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--size", type=int, default=48)
    options = parser.parse_args()
    image = natural_image(options.size)
    networks = {name: measure(net, image) for name, net in NETWORKS.items()}
    result = {"size": options.size, "factor": 2, "networks": networks}
    result |= versions("float32")
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "networks.json").write_text(json.dumps(result, indent=1) + "\n")
    (options.out / "networks.md").write_text(markdown(result))


if __name__ == "__main__":
    main()
