"""What the room of speed brings: routines, layers and networks beside `plain`.

    python benchmarks/execution.py --out benchmarks/results/speed/execution

Every row is values and all gradients (of networks: a training step), as they are and
within `gdjax.scalespace.plain()`: the mathematics alone, in the same process. On
another platform than CPUs the two are the same programs, but for low-rank layers.

Writes execution.json and execution.md.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import pathlib
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
from outputs import write
from steps import Timed, medians, network_step

import gdjax
from gdjax.layers import GaussianDerivative, NJetConv, SharedBatchNorm
from gdjax.models import GaussDerNet, gaussderresnet_fashion_mnist
from gdjax.scalespace import plain
from gdjax.scalespace.execution.products import along_axis, einsum, mix_channels
from gdjax.scalespace.stencil import combine
from gdjax_train.versions import versions


def normal(*shape: int) -> jax.Array:
    """Noise."""
    return jax.random.normal(jax.random.key(sum(shape)), shape)


def gradients(run: Callable[..., Any], *arrays: Any) -> Timed:
    """Values and gradients of `run` in all arrays, compiled."""

    def step(*arrays: Any) -> Any:
        y, pull_back = jax.vjp(run, *arrays)
        return y, pull_back(jax.tree.map(jnp.cos, y))

    compiled = jax.jit(step).lower(*arrays).compile()
    return lambda: jax.block_until_ready(compiled(*arrays))


def of_layer(module: Any, *shape: int) -> Callable[[], Timed]:
    """A layer's step."""
    x = normal(*shape)
    variables = jax.jit(module.init)(jax.random.key(0), x)
    return lambda: gradients(module.apply, variables, x)


def routines(size: int, batch: int) -> Iterator[tuple[str, Callable[[], Timed]]]:
    """One function each."""
    orders, c = gdjax.derivative_orders(2), 32
    for count in (batch, 4 * batch):
        x = normal(count, size + 2, size + 2, c)
        for features in (c // 2, 2 * c):
            run = functools.partial(combine, orders=orders)
            kernel, bias = normal(5, c, features), normal(features)
            name = f"differences and mixing, {c} to {features} channels, batch {count}"
            yield name, functools.partial(gradients, run, x, kernel, bias)
    x, matrix = normal(batch, size, size, c), normal(size, size)
    for axis, name in ((-2, "x"), (-3, "y")):
        run = functools.partial(along_axis, axis=axis)
        yield f"matrix along {name}", functools.partial(gradients, run, matrix, x)
    per_channel, first = normal(c, size, size), normal(c, size, batch, size)
    for axes in ("coi,cibw->cobw", "cobi,cwi->cobw"):
        arrays = (per_channel, first) if axes[1] == "o" and axes[2] == "i" else (
            first, per_channel)  # fmt: skip
        run = functools.partial(einsum, axes)
        yield f"matrix per channel, {axes}", functools.partial(gradients, run, *arrays)
    where = (((3,), (0,)), ((), ()))
    run = functools.partial(mix_channels, dimension_numbers=where)
    yield "1 x 1 convolution", functools.partial(gradients, run, x, normal(c, 2 * c))
    norm, xs = SharedBatchNorm(), [x] * 6
    variables = norm.init(jax.random.key(0), xs, train=False)

    def normalized(parameters: Any, *xs: jax.Array) -> Any:
        given = variables | {"params": parameters}
        return norm.apply(given, xs, train=True, mutable=["batch_stats"])[0]

    run = functools.partial(gradients, normalized, variables["params"], *xs)
    yield "normalisation of six scale channels", run


def layers(size: int, batch: int) -> Iterator[tuple[str, Callable[[], Timed]]]:
    """Whole layers, 32 channels to 32, and 4 to 8."""
    spectral = gdjax.SpectralGaussian()
    made = {
        "GaussianDerivative, sigma 2": GaussianDerivative(32, sigma=2.0),
        "spectral, sigma 2": GaussianDerivative(32, sigma=2.0, discretisation=spectral),
        "sigma 8, not cut": GaussianDerivative(32, sigma=8.0, eps=None),
        "NJetConv": NJetConv(32),
        "NJetConv, a sigma per input": NJetConv(32, sharing="input"),
    }
    for name, module in made.items():
        yield name, of_layer(module, batch, size, size, 32)


def networks(size: int, batch: int) -> Iterator[tuple[str, Callable[[], Timed]]]:
    """Training steps."""
    sigmas = tuple(2 ** (k / 2) for k in range(-1, 5))
    nets = {
        "GaussDerNet": GaussDerNet(widths=(12, 16, 24, 32, 64), sigmas=sigmas),
        "GaussDerResNet": gaussderresnet_fashion_mnist(sigmas=(1.0,)),
        "GaussDerResNet, remat": gaussderresnet_fashion_mnist(
            sigmas=(1.0,), remat=True
        ),
    }
    for name, net in nets.items():
        shape = batch, size, size, 1
        yield name, functools.partial(lambda n, s: network_step(n, s)[0], net, shape)


def measured(cases: Any, repeats: int) -> dict[str, list[float]]:
    """Seconds of every case: as it is, plain."""
    found = {}
    for name, make in cases:
        timed = {}
        for way, context in (("own", contextlib.nullcontext), ("plain", plain)):
            with context():
                timed[way] = make()
        seconds = medians(timed, repeats)
        found[name] = [seconds["own"], seconds["plain"]]
        print(name, found[name], flush=True)
    return found


def markdown(result: dict[str, Any]) -> str:
    """One table."""
    lines = ["| | ms | plain, ms | plain over own |", "|---|---|---|---|"]
    for rows in result["parts"].values():
        for name, (own, alone) in rows.items():
            times = f"{1e3 * own:.1f} | {1e3 * alone:.1f} | {alone / own:.2f}"
            lines.append(f"| {name} | {times} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure routines, layers and networks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--small", action="store_true", help="to try it out")
    options = parser.parse_args()
    size, batch = (16, 2) if options.small else (72, 4)
    result: dict[str, Any] = {"parts": {}, **versions("float32")}
    for part in (routines, layers, networks):
        found = measured(part(size, batch), options.repeats)
        result["parts"][part.__name__] = found
        write(options.out, "execution", result, markdown(result))
    print(markdown(result))


if __name__ == "__main__":
    main()
