"""Work on a few images at a time, so that it fits into a CPU's cache (gdjax)."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np


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


def product_pixels(shape: tuple[int, ...], kernel_shape: tuple[int, ...]) -> int | None:
    """Pixels at a time of a layer as one product; None: all.

    Args:
      shape: of the layer's input, [B, ..., C_in].
      kernel_shape: [J, C_in, C_out]; or [J, C], which is no product.
    """
    if len(kernel_shape) == 2:
        return None
    terms, *channels = kernel_shape
    limit = max(1, MAP_VALUES // (terms * min(channels)))
    return limit if int(np.prod(shape[:-1])) > 4 * limit else None


def on_cpu() -> bool:
    """Whether what is traced now will run on a CPU, as far as can be known."""
    device = jax.config.jax_default_device  # pyright: ignore
    return (getattr(device, "platform", device) or jax.default_backend()) == "cpu"


def over_images(
    run: Callable[[jax.Array], jax.Array],
    x: jax.Array,
    *,
    recompute: bool = True,
    limit: int = PIXELS,
) -> jax.Array:
    """`run` on [B, ..., C], a few images at a time, at most `limit` px.

    With `recompute`, nothing that `run` computes in between is kept for the backward
    pass.
    """
    count = x.shape[0]
    size = chunk_size(count, int(np.prod(x.shape[1:-1])), limit)
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
