"""Scale covariance errors of operators, layers and networks, on natural photographs.

    python benchmarks/equivariance.py --out benchmarks/results/equivariance

An operator at sigma_0 on an image and at S sigma_0 on the image enlarged S times should
give the same function. Photographs are band-limited and windowed, and enlarged by
Fourier interpolation, which is exact for them; rows with `bicubic` show what cubic
convolution adds. Networks have random weights; batch statistics are those of the
photographs. Full support (no truncation), precision highest; operators in float32 and
in float64, all else in float32.

Writes equivariance.json, equivariance.md and one plot per part.
"""

from __future__ import annotations

import argparse
import itertools
import pathlib
from collections.abc import Callable, Iterator
from typing import Any

import flax.linen as nn
import jax
import numpy as np
from covariance import errors, medians, reduced_error
from equivariance_report import markdown, plots
from outputs import write
from photographs import bicubic, photographs, pink_noise
from stages import NETWORKS, PLAIN, stage_maps

import gdjax
from gdjax.layers import GaussianDerivative
from gdjax.metrics import enlarge, scale_covariance_maps
from gdjax_train.versions import versions


Row = dict[str, Any]
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
ACTIVATIONS = {
    "relu": nn.relu, "gelu": nn.gelu, "silu": nn.silu, "softplus": nn.softplus,
}  # fmt: skip
ENLARGEMENTS = {"fourier": enlarge, "bicubic": bicubic}
SIGMAS = (0.35, 0.5, 0.71, 1.0, 1.41, 2.0, 2.83, 4.0, 5.66, 8.0)
FACTORS = (2**0.25, 2**0.5, 2.0, 4.0)
MAIN_FLAVOURS = (("discrete", "relu"), ("spectral", "silu"))


def operators(images: np.ndarray) -> Iterator[Row]:
    """Single derivatives: every discretisation, order, sigma and size factor."""
    orders = np.array([sum(n) for n in gdjax.derivative_orders(4)])
    orders = np.repeat(orders, images.shape[-1])
    for (kind, discretisation), factor, sigma in itertools.product(
        DISCRETISATIONS.items(), FACTORS, SIGMAS
    ):

        def run(x: np.ndarray, sigma: float, discretisation=discretisation) -> Any:
            jet = gdjax.njet(x, sigma, order=4, discretisation=discretisation)
            return jet.reshape(*jet.shape[:2], -1)

        for name, enlargement in _enlargements(images, factor):
            found = errors(
                *scale_covariance_maps(
                    run, images, sigma=sigma, factor=factor, enlargement=enlargement
                )
            )
            for order in range(1, 5):
                these = orders == order
                row = {key: found[key][these] for key in ("interior", "border")}
                yield {
                    "discretisation": kind, "order": order, "sigma": sigma,
                    "factor": factor, "enlargement": name, "dtype": images.dtype.name,
                    **medians(row),
                }  # fmt: skip


def _enlargements(images: np.ndarray, factor: float) -> list[tuple[str, Any]]:
    both = images.dtype == np.float32 and factor == 2
    return list(ENLARGEMENTS.items()) if both else [("fourier", enlarge)]


def layers(images: np.ndarray) -> Iterator[Row]:
    """One layer with random weights, standardised, without and with an activation."""
    functions = {"none": lambda x: x, **ACTIVATIONS}
    for (kind, discretisation), sigma, (name, function) in itertools.product(
        DISCRETISATIONS.items(), (0.5, 0.71, 1.0, 1.41, 2.0, 4.0), functions.items()
    ):

        def run(x, sigma, discretisation=discretisation, function=function):
            layer = GaussianDerivative(
                16, sigma=sigma, discretisation=discretisation, eps=None
            )
            x = np.moveaxis(x, -1, 0)[..., None]
            y, _ = layer.init_with_output(jax.random.key(0), x)
            y = function((y - y.mean((0, 1, 2))) / y.std((0, 1, 2)))
            y = np.moveaxis(np.asarray(y), 0, 2)
            return y.reshape(*y.shape[:2], -1)

        found = scale_covariance_maps(run, images, sigma=sigma, factor=2)
        yield {
            "discretisation": kind, "activation": name, "sigma": sigma, "factor": 2,
            **medians(errors(*found)),
        }  # fmt: skip


def networks(images: np.ndarray) -> Iterator[Row]:
    """Whole networks, per stage: activations and scales, then size factors."""
    for name, net in NETWORKS.items():
        for flavour in _flavours(net):
            yield from _stages(name, _flavoured(net, *flavour[:2]), images, flavour)


def noise(images: np.ndarray) -> Iterator[Row]:
    """Whole networks on 1 / f noise instead of photographs: periodic, so no border."""
    pink = pink_noise(len(images), images.shape[-1]).astype(images.dtype)
    for (name, net), sigma in itertools.product(NETWORKS.items(), (1.0, 2.0)):
        plain = isinstance(net, PLAIN)
        for kind, activation in MAIN_FLAVOURS:
            flavour = "" if plain else kind, activation, sigma, 2.0, "fourier"
            made = net if plain else net.clone(padding="wrap")
            yield from _stages(name, _flavoured(made, *flavour[:2]), pink, flavour)


def _flavours(net: Any) -> Iterator[tuple[str, str, float, float, str]]:
    if isinstance(net, PLAIN):
        for activation in ACTIVATIONS:
            yield "", activation, 1.0, 2.0, "fourier"
        return
    for kind in ("discrete", "spectral"):
        for activation in ACTIVATIONS:
            for sigma in (0.71, 1.0, 2.0) if activation in ("relu", "silu") else (1.0,):
                yield kind, activation, sigma, 2.0, "fourier"
    for flavour in MAIN_FLAVOURS:
        for factor in FACTORS[:2] + FACTORS[3:]:
            yield *flavour, 1.0, factor, "fourier"
        yield *flavour, 1.0, 2.0, "bicubic"
    for kind in [k for k in DISCRETISATIONS if k not in ("discrete", "spectral")]:
        yield kind, "relu", 1.0, 2.0, "fourier"


def _flavoured(net: Any, kind: str, activation: str) -> Any:
    net = net.clone(activation=ACTIVATIONS[activation])
    return net.clone(discretisation=DISCRETISATIONS[kind]) if kind else net


def _stages(name: str, net: Any, images: np.ndarray, flavour: Any) -> Iterator[Row]:
    kind, activation, sigma, factor, enlargement = flavour
    sizes: list[int] = []

    def run(x: np.ndarray, sigma: float) -> np.ndarray:
        maps = stage_maps(net, x, sigma)
        sizes[:] = [y.shape[-1] for y in maps]
        return np.concatenate(maps, axis=-1)

    pair = scale_covariance_maps(
        run, images, sigma=sigma, factor=factor, enlargement=ENLARGEMENTS[enlargement]
    )
    ends = np.cumsum([0, *sizes])
    for k, (a, b) in enumerate(itertools.pairwise(ends), start=1):
        yield {
            "network": name, "discretisation": kind, "activation": activation,
            "sigma": sigma, "factor": factor, "enlargement": enlargement, "stage": k,
            **medians(errors(*(y[..., a:b] for y in pair))),
        }  # fmt: skip


def channels(images: np.ndarray) -> Iterator[Row]:
    """Neighbouring scale channels, in the last layer, by two definitions.

    `shift`: channel i + 1 on the image enlarged by sqrt 2 against channel i, without
    normalisation. `dss`: [dss] (25), sigma on the reduced image, 2 sigma on the image.
    """
    for name, net in NETWORKS.items():
        if isinstance(net, PLAIN):
            continue
        for kind, activation in MAIN_FLAVOURS:
            flavoured = _flavoured(net, kind, activation)

            def run(x: np.ndarray, sigma: float, net: Any = flavoured) -> np.ndarray:
                return stage_maps(net, x, sigma, train=False)[-1]

            for k, sigma in enumerate(2 ** (j / 2) for j in range(-1, 4)):
                pair = scale_covariance_maps(
                    run, images, sigma=sigma, factor=2**0.5
                )  # fmt: skip
                yield {
                    "network": name, "discretisation": kind, "activation": activation,
                    "channel": k, "sigma": sigma,
                    "shift": medians(errors(*pair))["interior"],
                    "dss": reduced_error(run, images, sigma=sigma),
                }  # fmt: skip


def measure(part: Callable[[np.ndarray], Iterator[Row]], images: np.ndarray) -> Any:
    """All rows of a part; a progress line per hundred."""
    rows = []
    with jax.default_matmul_precision("highest"):
        for row in part(images):
            rows.append(row)
            if len(rows) % 100 == 0:
                print(part.__name__, len(rows), flush=True)
    return rows


def main() -> None:
    """Measure all parts, or those that were named."""
    parts = {p.__name__: p for p in (operators, layers, networks, noise, channels)}
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--size", type=int, default=64, help="px of the small image")
    parser.add_argument("--parts", nargs="+", choices=parts, default=list(parts))
    options = parser.parse_args()
    double = photographs(options.size)
    result: dict[str, Any] = {"size": options.size, **versions("float32, float64")}
    for name in options.parts:
        result[name] = measure(parts[name], double.astype(np.float32))
        if name == "operators":
            with jax.enable_x64(True):
                result[name] += measure(operators, double)
        write(options.out, "equivariance", result, markdown(result), **plots(result))


if __name__ == "__main__":
    main()
