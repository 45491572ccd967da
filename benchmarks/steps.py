"""What is measured: compiled training steps, and their times side by side."""

from __future__ import annotations

import concurrent.futures
import contextlib
import os
import time
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gdjax_train.step import compiler_options


Timed = Callable[[], Any]


def layer_step(layer: Any, shape: tuple[int, ...], features: int) -> Timed:
    """Output and all gradients of a layer: an apply function (parameters, x)."""
    init, apply = layer
    x = jax.random.normal(jax.random.key(0), shape)
    parameters = init(x)
    weights = jax.random.normal(jax.random.key(1), (*shape[:-1], features))

    def step(parameters, x):
        y, pull_back = jax.vjp(apply, parameters, x)
        return pull_back(weights * y)

    run = jax.jit(step).lower(parameters, x).compile()
    return lambda: jax.block_until_ready(run(parameters, x))


def network_step(net: Any, shape: tuple[int, ...]) -> tuple[Timed, Any, float]:
    """A training step (plain gradient descent), compiled.

    Returns:
      What runs it, the compiled program, and the seconds that compiling took, with
      tracing.
    """
    images = jax.ShapeDtypeStruct(shape, jnp.float32)
    labels = jax.ShapeDtypeStruct(shape[:1], jnp.int32)
    start = time.perf_counter()
    small = jnp.zeros((1, *shape[1:]))
    shapes = jax.eval_shape(lambda: net.init(jax.random.key(0), small))

    def loss(parameters, statistics, x, labels):
        (logits, _), updated = net.apply(
            {"params": parameters, **statistics}, x, train=True,
            mutable=["batch_stats"], rngs={"dropout": jax.random.key(0)},
        )  # fmt: skip
        scores = jax.nn.log_softmax(logits)[jnp.arange(len(labels)), labels]
        return -scores.mean(), updated

    def step(parameters, statistics, x, labels):
        gradient, updated = jax.grad(loss, has_aux=True)(
            parameters, statistics, x, labels
        )
        return jax.tree.map(lambda p, g: p - 0.1 * g, parameters, gradient), updated

    parameters = shapes["params"]
    statistics = {"batch_stats": shapes["batch_stats"]}
    compiled = jax.jit(step, compiler_options=compiler_options())
    program = compiled.lower(parameters, statistics, images, labels).compile()
    seconds = time.perf_counter() - start

    def run() -> Any:
        if not state:
            variables = jax.jit(lambda: net.init(jax.random.key(0), small))()
            x = jax.random.normal(jax.random.key(1), shape)
            state.append((variables["params"], variables["batch_stats"], x))
        parameters, statistics, x = state[0]
        zeros = jnp.zeros(shape[0], jnp.int32)
        return jax.block_until_ready(
            program(parameters, {"batch_stats": statistics}, x, zeros)
        )

    state: list[Any] = []
    return run, program, seconds


def medians(
    cases: dict[str, Timed], repeats: int, *, often: int = 1, rare: str = "PyTorch"
) -> dict[str, float]:
    """Median seconds of every case, repeats interleaved after one run to warm up.

    Every case but those with `rare` in their names runs `often` times in each repeat,
    always in another order: what ran before leaves its traces in memory.
    """
    order, generator = list(cases), np.random.default_rng(0)
    seconds: dict[str, list[float]] = {name: [] for name in cases}
    with _alone():
        for run in cases.values():
            run()
        for _ in range(repeats):
            for turn in range(often):
                generator.shuffle(order)
                for name in order:
                    if turn and rare in name:
                        continue
                    start = time.perf_counter()
                    cases[name]()
                    seconds[name].append(time.perf_counter() - start)
    return {name: float(np.median(values)) for name, values in seconds.items()}


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """While no other process measures that was given the same file to lock."""
    path = os.environ.get("GDJAX_BENCHMARK_LOCK")
    if path is None:
        yield
        return
    import fcntl  # not on Windows

    with open(path, "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def together(calls: dict[str, Callable[[], Any]], threads: int) -> dict[str, Any]:
    """Results of the calls, so many at a time: compiling many networks."""
    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        found = {name: pool.submit(call) for name, call in calls.items()}
        return {name: each.result() for name, each in found.items()}
