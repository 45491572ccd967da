"""Work on a few images at a time, so that it fits into a CPU's cache."""

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from gdjax.scalespace.execution.apart import apart
from gdjax.scalespace.execution.routines import Routine, plainly, vary_alike, vjp


# Measured with 16 to 128 channels on 10^2 to 112^2 px: within 10 % of the best.
PIXELS = 8192
# A pixel counts for so many where there are several maps per channel: of every order.
MAPS = 4
# A layer as one product writes its fewer channels' maps of every order: 12 MiB at once.
# Measured with 16 to 128 channels on 28^2 to 112^2 px. Up to four times that is faster
# whole in networks, whose layers share their memory.
MAP_VALUES = 3 << 20
# Smaller layers are faster as a whole: fewer products of channels, or fewer values.
LEAST_PRODUCTS = 768
LEAST_VALUES = 1 << 22


def known_size(shape: Sequence[Any]) -> int | None:
    """The product of the sides; None where one is symbolic (`jax.export`)."""
    return math.prod(shape) if all(isinstance(n, int) for n in shape) else None


def chunk_size(count: int, pixels: int, limit: int = PIXELS) -> int:
    """Images per chunk: the largest divisor of `count` with at most `limit` px.

    At least half of what fits, even where that divides `count` with a remainder.
    """
    fitting = min(count, max(1, limit // pixels))
    divisors = [n for n in range(1, fitting + 1) if count % n == 0]
    return divisors[-1] if 2 * divisors[-1] >= fitting else fitting


def worth_chunks(shape: Sequence[Any], features: int) -> bool:
    """Whether a layer from [B, ..., C_in] to C_out = `features` is faster in chunks."""
    size = known_size(shape)
    if size is None:
        return False
    return size >= LEAST_VALUES or shape[-1] * features >= LEAST_PRODUCTS


def product_pixels(shape: Sequence[Any], terms: int, channels: int) -> int | None:
    """Pixels at a time of a layer [B, ..., C_in] as one product; None: all.

    With `terms` maps for each of its `channels`, of input or output.
    """
    limit, pixels = max(1, MAP_VALUES // (terms * channels)), known_size(shape[:-1])
    return limit if pixels is not None and pixels > 4 * limit else None


def over_images(run: Callable[..., Any], *batches: jax.Array, limit: int | None) -> Any:
    """`run` on arrays [B, ...] of which the first has at most `limit` px at a time.

    Args:
      run: arrays [b, ...] -> (arrays [b, ...], arrays that are added up), two tuples.
      *batches: [B, ..., C] the first.
      limit: pixels; None: all at once.
    """
    count, pixels = batches[0].shape[0], known_size(batches[0].shape[:-1])
    if limit is None or pixels is None:
        return run(*batches)
    size = chunk_size(count, pixels // count, limit)
    if size == count:
        return run(*batches)
    whole = count - count % size
    first, last = ([x[:whole] for x in batches], [x[whole:] for x in batches])
    chunks = [x.reshape(-1, size, *x.shape[1:]) for x in first]
    sums = jax.eval_shape(run, *(x[0] for x in chunks))[1]
    zeros = [jnp.zeros(total.shape, total.dtype) for total in sums]
    *zeros, _ = vary_alike([*zeros, batches[0]])

    def step(totals, some):
        ys, more = run(*some)
        return [a + b for a, b in zip(totals, more, strict=True)], ys

    # Else XLA makes the buffers of all loops of a network at its start.
    totals, ys = apart(lambda *given: jax.lax.scan(step, *given))(zeros, chunks)
    ys = [y.reshape(whole, *y.shape[2:]) for y in ys]
    if whole < count:
        rest, more = run(*last)
        ys = [jnp.concatenate(pair) for pair in zip(ys, rest, strict=True)]
        totals = [a + b for a, b in zip(totals, more, strict=True)]
    return tuple(ys), tuple(totals)


@dataclasses.dataclass(frozen=True)
class _InChunks(Routine):
    run: Callable[..., jax.Array]
    tree: Any
    limit: int

    def one_by_one(self, axes):
        # Scale channels, with matrices of their own.
        return any(axis is not None for axis in axes[1:])

    def plain(self, x, *leaves):
        return self.run(x, *jax.tree.unflatten(self.tree, leaves))

    def cpu(self, x, *leaves):
        def run(some):
            return (self.plain(some, *leaves),), ()

        return over_images(run, x, limit=self.limit)[0][0]

    def backward(self, arrays, gradients, moved):
        def run(some, gradient):
            given = some, *arrays[1:]
            found = vjp(lambda *a: (self.plain(*a),), given, (gradient,), moved)
            return found[: moved[0]], found[moved[0] :]

        in_x, others = over_images(run, arrays[0], *gradients, limit=self.limit)
        return *in_x, *others


def in_chunks(
    run: Callable[..., jax.Array], x: jax.Array, *rest: Any, limit: int | None
) -> jax.Array:
    """`run(x, *rest)`, [B, ..., C] -> [B, ..., C_out]; on CPUs a few images at a time.

    `run` is known by value (a frozen dataclass), `rest` are pytrees of arrays. The
    backward pass computes again what is inside: nothing is kept but the arguments.
    `limit`: pixels at a time; None: all at once, as JAX differentiates it.
    """
    if limit is None or plainly():
        return run(x, *rest)
    leaves, tree = jax.tree.flatten(rest)
    return _InChunks(run, tree, limit)(x, *leaves)
