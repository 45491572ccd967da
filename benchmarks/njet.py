"""What learned sigmas cost: training steps of N-Jet networks, and compilations.

    python benchmarks/njet.py --out benchmarks/results/njet

N-Jet-NIN without subsampling: with sigmas of every sharing beside one sigma per layer,
and beside its plain twins at several sigmas. A step is loss, gradients and an update by
gradient descent, float32, medians over interleaved repeats. Then a training on random
images in which sigmas move fast: how often is the step compiled?

Writes njet.json, njet.md and njet.png.
"""

from __future__ import annotations

import argparse
import functools
import pathlib
from typing import Any

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import optax
from outputs import write
from steps import medians, network_step

from gdjax.layers import njet_convolution, plain_convolution, safe_sizes
from gdjax.models import NJetNIN
from gdjax.models.njet_classifiers import NJetNINConfig
from gdjax_train.optimizer import make_optimizer
from gdjax_train.recipe import OptimizerConfig
from gdjax_train.versions import versions


SIGMAS = (1.0, 2.0, 4.0)
GROUPS = 3  # divides the channels of all layers, the images' too


def njet_nin(**fields: Any) -> NJetNIN:
    """N-Jet-NIN with other N-Jet layers."""
    return NJetNIN(convolution=functools.partial(njet_convolution, **fields))


def plain_nin(*sizes: int) -> NJetNIN:
    """The plain twin with filters of such sizes."""
    return NJetNIN(convolution=plain_convolution, kernel_sizes=sizes)  # pyright: ignore


def measured(nets: dict[str, Any], shape: tuple[int, ...], repeats: int) -> Any:
    """Seconds of a step and of compiling; ratios are to the first net."""
    made = {name: network_step(net, shape) for name, net in nets.items()}
    seconds = medians({name: run for name, (run, _, _) in made.items()}, repeats)
    first = next(iter(seconds.values()))
    rows = [
        {"name": name, "step_s": t, "ratio": t / first, "compile_s": made[name][2]}
        for name, t in seconds.items()
    ]
    print(*rows, sep="\n", flush=True)
    return rows


def sharing(shape: tuple[int, ...], repeats: int) -> Any:
    """Sigmas per channel beside one per layer; per group in grouped layers."""
    names = {"layer": "one sigma per layer", "input": "one per input channel"}
    names |= {"output": "one per output channel"}
    nets = {name: njet_nin(sharing=kind) for kind, name in names.items()}
    grouped = {
        f"{GROUPS} groups, one per layer": njet_nin(groups=GROUPS),
        f"{GROUPS} groups, one per group": njet_nin(groups=GROUPS, sharing="group"),
    }
    return [measured(cases, shape, repeats) for cases in (nets, grouped)]


def twins(shape: tuple[int, ...], repeats: int) -> Any:
    """Plain networks, and N-Jets of several sigmas at the start."""
    nets = {"plain, 3 x 3": plain_nin(3, 3, 3), "plain, 5-5-3": plain_nin(5, 5, 3)}
    nets |= {f"N-Jet, sigma {s:g}": njet_nin(sigma=s) for s in SIGMAS}
    return measured(nets, shape, repeats)


def counted_step(optimiser: Any, x: jax.Array, labels: jax.Array) -> Any:
    """A compiled training step (net, state, key) -> state, and its compilations."""
    compilations: list[Any] = []

    @functools.partial(jax.jit, static_argnums=0)
    def step(net, state, key):
        params, stats, moments = state
        compilations.append(net)  # runs while it is traced, that is compiled

        def loss(params):
            (logits, _), updated = net.apply(
                {"params": params, "batch_stats": stats}, x, train=True,
                mutable=["batch_stats"], rngs={"dropout": key},
            )  # fmt: skip
            scores = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
            return scores.mean(), updated["batch_stats"]

        slopes, stats = jax.grad(loss, has_aux=True)(params)
        updates, moments = optimiser.update(slopes, moments, params)
        return optax.apply_updates(params, updates), stats, moments

    return step, compilations


def training(
    shape: tuple[int, ...], epochs: int, steps: int, safe: bool
) -> list[dict[str, Any]]:
    """Epochs with their sigmas, sides of the maps, and compilations until then."""
    net = NJetNIN()
    x = jax.random.normal(jax.random.key(1), shape)
    variables = jax.jit(net.init)(jax.random.key(0), x[:1])
    # A high learning rate for sigmas, so that they move in a few steps.
    rates = OptimizerConfig(learning_rate=1e-3, sigma_rate=50.0)
    optimiser = make_optimizer(
        rates,
        optax.constant_schedule(rates.learning_rate),
        scales=NJetNINConfig.scale_parameters,
    )
    params, stats = variables["params"], variables["batch_stats"]
    state = params, stats, optimiser.init(params)
    labels = jnp.arange(shape[0]) % net.num_classes
    step, compilations = counted_step(optimiser, x, labels)
    rows, sizes = [], None
    for epoch in range(epochs):
        learned = NJetNINConfig().learned_scales(state[0])
        sigmas = [float(sigma) for sigma in learned.values()]
        if safe:
            sizes = safe_sizes(sigmas, shape[1], r=8.0, previous=sizes)
            net = net.clone(subsampling="safe", sizes=sizes)
        for k in range(steps):
            state = step(net, state, jax.random.key(epoch * steps + k))
        count = len(compilations)
        rows.append({"epoch": epoch, "sigmas": sigmas, "sizes": sizes, "count": count})
        print(rows[-1], flush=True)
    return rows


def table(rows: list[dict[str, Any]]) -> list[str]:
    """Milliseconds and ratios to the first row."""
    lines = ["| | ms | ratio | compiling, s |", "|---|---|---|---|"]
    for row in rows:
        lines.append(
            f"| {row['name']} | {1e3 * row['step_s']:.0f} | {row['ratio']:.2f}"
            f" | {row['compile_s']:.0f} |"
        )
    return [*lines, ""]


def epochs_table(rows: list[dict[str, Any]]) -> list[str]:
    """Sigmas, sides and compilations."""
    lines = ["| epoch | sigmas, px | sides, px | compilations |", "|---|---|---|---|"]
    for row in rows:
        sigmas = ", ".join(f"{s:.2f}" for s in row["sigmas"])
        sides = ", ".join(map(str, row["sizes"] or []))
        lines.append(f"| {row['epoch']} | {sigmas} | {sides} | {row['count']} |")
    return [*lines, ""]


def markdown(result: dict[str, Any]) -> str:
    """All tables."""
    lines = [f"N-Jet-NIN, {result['shape']}, float32", ""]
    for rows in (*result["sharing"], result["twins"]):
        lines += table(rows)
    lines += ["## Compilations in a training", "", "Without subsampling:", ""]
    lines += epochs_table(result["training"])
    lines += ["Sides planned before every epoch (`safe_sizes`, r = 8):", ""]
    return "\n".join(lines + epochs_table(result["training_safe"]))


def figure(result: dict[str, Any]) -> Any:
    """Bars of ratios; sigmas and sides over epochs."""
    made, (left, middle, right) = plt.subplots(1, 3, figsize=(15, 4))
    both = [row for rows in result["sharing"] for row in rows]
    for axes, rows, base in (
        (left, both, "one sigma per layer"),
        (middle, result["twins"], "the plain 3 x 3 twin"),
    ):
        rows = rows[::-1]
        bars = axes.barh([r["name"] for r in rows], [r["ratio"] for r in rows])
        axes.bar_label(bars, fmt="%.2f", fontsize="small")
        axes.set(xlabel="training step, ratio", title=f"beside {base}")
        axes.tick_params(axis="y", labelsize="x-small")
    rows = result["training_safe"]
    epochs = [r["epoch"] for r in rows]
    for k in range(len(rows[0]["sigmas"])):
        for what, name, style in (("sigmas", "sigma", "-"), ("sizes", "side", "--")):
            values = [r[what][k] for r in rows]
            right.plot(epochs, values, f"C{k}{style}", label=f"{name} {k + 1}, px")
    right.plot(epochs, [r["count"] for r in rows], "k.", label="compilations")
    right.set(xlabel="epoch", yscale="log", title="safe subsampling")
    right.legend(fontsize="x-small")
    made.tight_layout()
    return made


def main() -> None:
    """Measure everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--small", action="store_true", help="to try it out")
    options = parser.parse_args()
    size, batch = (8, 2) if options.small else (options.size, options.batch)
    epochs, steps = (2, 2) if options.small else (12, 4)
    shape = (batch, size, size, 3)
    result: dict[str, Any] = {
        "shape": f"{batch} images of {size} x {size} px",
        "sharing": sharing(shape, options.repeats),
        "twins": twins(shape, options.repeats),
        "training": training(shape, epochs, steps, safe=False),
        "training_safe": training(shape, epochs, steps, safe=True),
        **versions("float32"),
    }
    write(options.out, "njet", result, markdown(result) + "\n", njet=figure)
    print(markdown(result))


if __name__ == "__main__":
    main()
