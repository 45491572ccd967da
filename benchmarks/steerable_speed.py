"""A training step of SESN beside that with dense filters.

    python benchmarks/steerable_speed.py --out benchmarks/results/steerable_speed

Images of 56 px, four internal scales of 1.5 to 3 px, basis B (49 functions), learned
Internal Scale Range: filters end at 4 sigma, so dense ones have 25 px at all scales,
as in the code of [scale_learning], which makes them anew in every step. Loss,
gradients, an update by gradient descent; float32, medians over interleaved repeats,
ratios within one run; compiling apart.

Writes steerable_speed.json and steerable_speed.md.
"""

from __future__ import annotations

import argparse
import pathlib
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from outputs import write
from steps import medians, network_step

from gdjax.models.sesn import SESN
from gdjax.scalespace import HermiteB, hermite_basis_b
from gdjax_train.versions import versions


# Compiled within seconds, to try it out.
SMALL = {"widths": (2, 2), "order": 1, "functions": 7, "hidden": 32, "extent": 2.0}


class DenseScaleConv(nn.Module):
    """The scale convolution as a convolution per scale, with filters made before."""

    features: int
    lift: bool
    basis: HermiteB
    size: int
    extent: float

    @nn.compact
    def __call__(self, x: jax.Array, scales: Any) -> jax.Array:
        """[B, H, W, C] if it lifts, else [S, B, H, W, C] -> [S, B, H, W, features]."""
        basis = hermite_basis_b(
            scales, size=self.size, extent=self.extent, order=self.basis.order,
            mult=self.basis.mult, functions=self.basis.functions,
        )  # fmt: skip
        start = nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform")
        shape = (len(basis), x.shape[-1], self.features)
        kernel = self.param("kernel", start, shape)
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        filters = jnp.einsum("fsyx,fco->syxco", basis, kernel)

        def convolved(x: jax.Array, filter_: jax.Array) -> jax.Array:
            return jax.lax.conv_general_dilated(
                x, filter_, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
            )

        # One after the other: as one grouped convolution it was slower.
        inputs = [x] * len(filters) if self.lift else list(x)
        found = [convolved(*pair) for pair in zip(inputs, filters, strict=True)]
        return jnp.stack(found) + bias


class DenseSESN(SESN):
    """SESN with dense filters."""

    size: int = 25

    def _convolved(
        self, x: jax.Array, features: int, scales: Any, name: str, *,
        lift: bool = False, use_bias: bool = True,
    ) -> jax.Array:  # fmt: skip
        del use_bias
        layer = DenseScaleConv(
            features, lift, self.basis(), self.size, self.extent, name=name
        )
        return layer(x, scales)


def largest_difference(nets: dict[str, Any], side: int) -> float:
    """Of the logits of two networks with the same weights, over the largest logit."""
    x = jax.random.uniform(jax.random.key(2), (2, side, side, 1))
    variables = jax.jit(next(iter(nets.values())).init)(jax.random.key(0), x)
    one, other = (jax.jit(net.apply)(variables, x)[0] for net in nets.values())
    return float(abs(one - other).max() / abs(one).max())


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Seconds of a step and of compiling, and by how much the logits differ."""
    fields: dict[str, Any] = {"learned": "isr", "extent": 4.0}
    if options.small:
        fields |= SMALL
    size = 2 * int(2 * SESN.sigma * fields["extent"]) + 1
    nets = {"ScaleConv": SESN(**fields), "dense": DenseSESN(**fields, size=size)}
    shape = (options.batch, options.side, options.side, 1)
    timed, compile_s = {}, {}
    for name, net in nets.items():
        timed[name], _, compile_s[name] = network_step(net, shape)
    step_s = medians(timed, options.repeats)
    return {
        "batch": options.batch, "side": options.side, "filters": size,
        "step_s": step_s, "compile_s": compile_s,
        "ratio": step_s["dense"] / step_s["ScaleConv"],
        "difference": largest_difference(nets, options.side),
        **versions("float32"),
    }  # fmt: skip


def markdown(result: dict[str, Any]) -> str:
    """A table, and what it was made with."""
    side = result["side"]
    lines = [
        "# A training step of SESN",
        "",
        f"{result['batch']} images of {side} x {side} px, dense filters of"
        f" {result['filters']} px; logits of the two differ by"
        f" {result['difference']:.1e} of the largest. {result['device']}, jax"
        f" {result['jax']}, {result['precision']}, commit {result['commit']}.",
        "",
        "`python benchmarks/steerable_speed.py --out"
        " benchmarks/results/steerable_speed`",
        "",
        "| | ms per step | images/s | compile, s |",
        "|---|---|---|---|",
    ]
    for name, seconds in result["step_s"].items():
        rate, compiled = result["batch"] / seconds, result["compile_s"][name]
        lines.append(f"| {name} | {1e3 * seconds:.0f} | {rate:.1f} | {compiled:.0f} |")
    return "\n".join([*lines, "", f"ScaleConv is {result['ratio']:.1f} times as fast."])


def main() -> None:
    """Measure, and write what was measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--side", type=int, default=56)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--small", action="store_true", help="to try it out")
    options = parser.parse_args()
    result = measure(options)
    write(options.out, "steerable_speed", result, markdown(result))
    print(markdown(result))


if __name__ == "__main__":
    main()
