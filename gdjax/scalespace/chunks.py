"""Work on a few images at a time, so that it fits into a CPU's cache (gdjax)."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np


# Measured with 16 to 128 channels on 10^2 to 112^2 px: within 10 % of the best.
PIXELS = 8192
# A pixel counts for so many where there are several maps per channel: of every order.
MAPS = 4
# Smaller layers are faster as a whole: fewer products of channels, or fewer values.
LEAST_PRODUCTS = 768
LEAST_VALUES = 1 << 22


def chunk_size(count: int, pixels: int, limit: int = PIXELS) -> int:
    """Images per chunk: the largest divisor of `count` with at most `limit` px.

    At least half of what fits, even where that divides `count` with a remainder.
    """
    fitting = min(count, max(1, limit // pixels))
    divisors = [n for n in range(1, fitting + 1) if count % n == 0]
    return divisors[-1] if 2 * divisors[-1] >= fitting else fitting


def worth_chunks(shape: tuple[int, ...], features: int) -> bool:
    """Whether a layer from [B, ..., C_in] to C_out = `features` is faster in chunks."""
    many = int(np.prod(shape)) >= LEAST_VALUES
    return many or shape[-1] * features >= LEAST_PRODUCTS


def on_cpu() -> bool:
    """Whether what is traced now will run on a CPU, as far as can be known."""
    device = jax.config.jax_default_device  # pyright: ignore
    return (getattr(device, "platform", device) or jax.default_backend()) == "cpu"


def over_images(
    run: Callable[[jax.Array], jax.Array],
    x: jax.Array,
    *,
    recompute: bool = True,
    maps: int = 1,
) -> jax.Array:
    """`run` on [B, ..., C], a few images at a time.

    Each pixel counts for `maps`. With `recompute`, nothing that `run` computes in
    between is kept for the backward pass.
    """
    count = x.shape[0]
    size = chunk_size(count, maps * int(np.prod(x.shape[1:-1])))
    if size == count:
        return run(x)
    once = jax.checkpoint(run) if recompute else run
    if size == 1:
        return jax.lax.map(lambda image: once(image[None])[0], x)
    whole = count - count % size
    chunks = x[:whole].reshape(-1, size, *x.shape[1:])
    y = jax.lax.map(once, chunks)
    y = y.reshape(whole, *y.shape[2:])
    return y if whole == count else jnp.concatenate([y, run(x[whole:])])
