"""Speed of training steps, as ratios within one run.

    python benchmarks/speed.py --out benchmarks/results/speed
    python benchmarks/speed.py --out DIR --parts gaussderresnet --times 2
    python benchmarks/speed.py --out DIR --parts gaussdernet --nets pyramid finest

Layers: one step is the output and all gradients. Networks: loss, gradients, an update
by gradient descent; batch normalisation with batch statistics. float32, medians over
interleaved repeats; compiling apart. Without PyTorch, and on a GPU, its rows are left
out, which the table says.

Writes speed.json, speed.md and speed.png.
"""

from __future__ import annotations

import argparse
import functools
import pathlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from outputs import write
from plain import PlainResNet
from speed_report import figure, markdown
from steps import Timed, layer_step, medians, network_step, together

import gdjax
from gdjax.layers import GaussianDerivative
from gdjax.models import GaussDerNet, gaussderresnet_fashion_mnist
from gdjax_train.recipes.gaussdernet import TRAINED_CHANNELS
from gdjax_train.versions import versions


try:
    import torch
    import torch_twins
except ImportError:
    torch = torch_twins = None
if jax.default_backend() != "cpu":
    torch = torch_twins = None  # the twins run on CPUs alone

SIGMAS = (0.5, 1.0, 2.0, 4.0, 8.0)
EIGHT = tuple(2 ** (k / 2) for k in range(-1, 7))
WIDTHS = (12, 16, 24, 32, 64)


def flax_layer(module: Any) -> Any:
    """(init, apply) of a Linen layer."""
    return functools.partial(jax.jit(module.init), jax.random.key(0)), module.apply


def convolution(size: int, inputs: int, features: int) -> Any:
    """A plain convolution."""
    kernel = jax.random.normal(jax.random.key(2), (size, size, inputs, features))

    def apply(kernel: jax.Array, x: jax.Array) -> jax.Array:
        return jax.lax.conv_general_dilated(
            x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )

    return (lambda x: kernel / size), apply


def dense_filter(sigma: float, inputs: int, features: int) -> Any:
    """The dense-filter formulation: a weighted sum of 2-D kernels, one convolution."""
    radius = int(np.ceil(2 * sigma)) + 1
    discretisation = gdjax.NormalizedSampledGaussianDerivatives()
    taps = [
        sigma**n * np.asarray(discretisation.kernel(sigma, n, radius=radius))
        for n in range(3)
    ]
    orders = gdjax.derivative_orders(2)
    basis = jnp.asarray([np.outer(taps[y], taps[x]) for x, y in orders], jnp.float32)
    _, apply = convolution(1, inputs, features)
    kernel = jax.random.normal(jax.random.key(2), (5, inputs, features))
    return (lambda x: kernel), lambda k, x: apply(
        jnp.einsum("jhw,jco->hwco", basis, k), x
    )


def torch_step(module: Any, *shape: int) -> Timed:
    """Output and all gradients of a PyTorch module on [B, C, H, W]."""
    x = torch.randn(*shape, requires_grad=True)

    def run() -> None:
        module.zero_grad()
        x.grad = None
        y = module(x)
        (0.5 * y * y).sum().backward()

    return run


def torch_network_step(net: Any, *shape: int) -> Timed:
    """Loss, gradients, an update by gradient descent."""
    x, labels = torch.randn(*shape), torch.zeros(shape[0], dtype=torch.long)
    optimiser = torch.optim.SGD(net.parameters(), lr=0.1)

    def run() -> None:
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(net(x), labels).backward()
        optimiser.step()

    return run


class AtSigma(torch.nn.Module if torch else object):
    """A layer of the PyTorch twin at one sigma."""

    def __init__(self, layer: Any, sigma: float):
        super().__init__()
        self.layer, self.sigma = layer, sigma

    def forward(self, x: Any) -> Any:
        """[B, C, H, W] -> [B, C_out, H, W]."""
        return self.layer(x, self.sigma)


def layers(options: argparse.Namespace) -> dict[str, Any]:
    """One layer, as many channels to as many, every way."""
    size, batch, width = (16, 2, 4) if options.small else (72, 16, 32)
    batch *= options.times
    shape = (batch, size, size, width)
    cases = {"3x3 convolution": convolution(3, width, width)}
    for sigma in SIGMAS:
        for name, kind in [
            ("discrete", gdjax.DiscreteGaussian()),
            ("spectral", gdjax.SpectralGaussian()),
        ]:
            module = GaussianDerivative(width, sigma=sigma, discretisation=kind)
            cases[f"gdjax {name}, sigma {sigma:g}"] = flax_layer(module)
    for sigma in SIGMAS[1:3]:
        cases[f"dense filter in JAX, sigma {sigma:g}"] = dense_filter(
            sigma, width, width
        )
    timed = {name: layer_step(case, shape, width) for name, case in cases.items()}
    if torch:
        nchw = batch, width, size, size
        for sigma in SIGMAS[1:4]:
            dense = torch_twins.DenseNJet(width, width, sigma)
            timed[f"PyTorch dense N-jet, sigma {sigma:g}"] = torch_step(dense, *nchw)
            twin = AtSigma(torch_twins.GaussianDerivative(width, width), sigma)
            timed[f"PyTorch separable, sigma {sigma:g}"] = torch_step(twin, *nchw)
    # Short steps: their ratios need more of them.
    seconds = medians(timed, options.repeats, often=5)
    title = f"One layer, {size} x {size} px, {width} to {width} channels, batch {batch}"
    return {"what": title, "step_s": seconds, "compile_s": {}}


def gaussdernet(options: argparse.Namespace) -> dict[str, Any]:
    """GaussDerNet with 8 scale channels: whole, pyramid, two finest, twin."""
    size, batch = (16, 2) if options.small else (112, 8)
    net = GaussDerNet(widths=WIDTHS, sigmas=EIGHT)
    nets = {
        "gdjax, 8 channels": net,
        "gdjax, 8 channels, spectral": net.clone(
            discretisation=gdjax.SpectralGaussian()
        ),
        "gdjax, 8 channels, whole kernels": net.clone(truncated=False),
        "gdjax, 8 channels, spectral, whole kernels": net.clone(
            discretisation=gdjax.SpectralGaussian(), truncated=False
        ),
        "gdjax, 8 channels, pyramid": net.clone(pyramid=0.7),
        "gdjax, 8 channels, grids": net.clone(pyramid=1.4, enlarge=2),
        "gdjax, 8 channels, grids of 1 to 2 px": net.clone(pyramid=1.0, enlarge=1),
        "gdjax, the 2 finest": net.clone(sigmas=EIGHT[:2]),
    }
    if options.bfloat16:
        nets["gdjax, 8 channels, bfloat16"] = net.clone(dtype=jnp.bfloat16)
    twin = torch_twins and (lambda: torch_twins.GaussDerNet(WIDTHS, EIGHT))
    title = "GaussDerNet 12-16-24-32-64-10"
    return networks(title, nets, {}, twin, (batch, size, size, 1), options)


def gaussderresnet(options: argparse.Namespace) -> dict[str, Any]:
    """GaussDerResNet with 6 scale channels, its twin, and a plain ResNet."""
    size, batch = (12, 1) if options.small else (72, 4)
    net = gaussderresnet_fashion_mnist()
    nets = {
        "gdjax, 6 channels": net,
        "gdjax, 6 channels, whole kernels": net.clone(truncated=False),
        "gdjax, 6 channels, pyramid": net.clone(pyramid=0.7),
        "gdjax, 6 channels, pyramid, whole kernels": net.clone(
            pyramid=0.7, truncated=False
        ),
        "gdjax, 6 channels, remat": net.clone(remat=True),
    }
    if options.bfloat16:
        nets["gdjax, 6 channels, bfloat16"] = net.clone(dtype=jnp.bfloat16)
    plain = {"plain ResNet, 6 times the images": PlainResNet(net.widths)}
    twin = torch_twins and (lambda: torch_twins.GaussDerResNet(net.widths, net.sigmas))
    title = "GaussDerResNet (Fashion-MNIST)"
    return networks(title, nets, plain, twin, (batch, size, size, 1), options)


def second_phases(options: argparse.Namespace) -> dict[str, Any]:
    """Networks in the channels and on the grids in which short recipes train them."""
    batch = (1 if options.small else 8) * options.times
    residual = gaussderresnet_fashion_mnist(scale_dropout=0.0)
    calls = {}
    for name, net, size in [
        (
            "GaussDerResNet in 4 channels, 72 px",
            residual.clone(sigmas=residual.sigmas[2:], pyramid=0.5, enlarge=1),
            72,
        ),
        (
            "GaussDerNet in 13 channels, 112 px",
            GaussDerNet(widths=WIDTHS, sigmas=TRAINED_CHANNELS, pyramid=0.7, enlarge=3),
            112,
        ),
    ]:
        size = size // 4 if options.small else size
        calls[name] = functools.partial(network_step, net, (batch, size, size, 1))
    made = together(calls, options.threads)
    return {
        "what": f"Second phases of short recipes, batch {batch}",
        "step_s": medians({n: run for n, (run, _, _) in made.items()}, options.repeats),
        "compile_s": {n: seconds for n, (_, _, seconds) in made.items()},
    }


def networks(title, nets, plain, twin, shape, options) -> dict[str, Any]:
    """Seconds of a step and of compiling, for every network."""
    batch, height, width, _ = shape = (options.times * shape[0], *shape[1:])
    timed: dict[str, Timed] = {}
    compiled = {}
    names = [*nets, *plain, *["PyTorch twin"] * bool(twin)]
    wanted = [n for n in names if any(text in n for text in options.nets)]
    if not wanted:
        raise SystemExit(f"--nets: {title} has {', '.join(names)}")
    calls = {}
    for name, net in (nets | plain).items():
        given = shape if name in nets else (6 * batch, *shape[1:])
        if name in wanted:
            calls[name] = functools.partial(network_step, net, given)
    for name, (run, _, seconds) in together(calls, options.threads).items():
        timed[name], compiled[name] = run, seconds
    if "PyTorch twin" in wanted:
        timed["PyTorch twin"] = torch_network_step(twin(), batch, 1, height, width)
    return {
        "what": f"{title}, {height} x {width} px, batch {batch}",
        "step_s": medians(timed, max(1, options.repeats // 3)),
        "compile_s": compiled,
    }


def main() -> None:
    """Measure all parts, or those that were named."""
    measured = layers, gaussdernet, gaussderresnet, second_phases
    parts = {part.__name__: part for part in measured}
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--parts", nargs="+", choices=parts, default=list(parts)[:3])
    parser.add_argument("--nets", nargs="+", default=[""], help="parts of their names")
    parser.add_argument("--repeats", type=int, default=9, help="networks: a third")
    parser.add_argument("--times", type=int, default=1, help="times the images")
    parser.add_argument(
        "--threads", type=int, default=1, help="compile so many at once"
    )
    parser.add_argument("--bfloat16", action="store_true", help="networks in it, too")
    parser.add_argument("--small", action="store_true", help="to try it out")
    options = parser.parse_args()
    result: dict[str, Any] = {"torch": torch.__version__ if torch else None}
    result |= {"parts": {}, **versions("float32")}
    for name in options.parts:
        result["parts"][name] = parts[name](options)
        write(options.out, "speed", result, markdown(result), speed=figure)
    print(markdown(result))


if __name__ == "__main__":
    main()
