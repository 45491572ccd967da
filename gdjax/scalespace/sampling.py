"""Values of images between their pixels (gdjax)."""

import itertools

import jax
import jax.numpy as jnp


def sample_bilinear(x: jax.Array, rows: jax.Array, columns: jax.Array) -> jax.Array:
    """Bilinear interpolation at any positions, zeros outside.

    Args:
      x: [B, H, W, C].
      rows: y of the positions in px, [B, ...]; traced and differentiable, as `x` is.
      columns: x of the positions in px, of the same shape.

    Returns:
      [B, ..., C]. Within 1 px of the border it falls to 0.

    [Dai et al. 2017] (3)-(4).
    """
    height, width = x.shape[1:3]
    pixels = x.reshape(x.shape[0], height * width, x.shape[-1])
    top, left = (jax.lax.stop_gradient(jnp.floor(p)) for p in (rows, columns))
    total = jnp.zeros((*rows.shape, x.shape[-1]), x.dtype)
    for down, right in itertools.product((0, 1), repeat=2):
        i, j = top + down, left + right
        weight = (1 - abs(rows - i)) * (1 - abs(columns - j))
        inside = (i >= 0) & (i < height) & (j >= 0) & (j < width)
        # Outside of the array: read as 0. As floats, positions may be huge.
        index = jnp.where(inside, i * width + j, height * width).astype(jnp.int32)
        take = jax.vmap(lambda v, k: v.at[k].get(mode="fill", fill_value=0))
        total = total + weight[..., None].astype(x.dtype) * take(pixels, index)
    return total
