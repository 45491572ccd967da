"""Selection over space and over scale, and scale-channel dropout: pure functions."""

import jax
import jax.numpy as jnp

from gdjax.scalespace.windows import centre_window


def centre_pixel(x: jax.Array, *, ndim: int = 2) -> jax.Array:
    """Value at the centre: [..., (D,) (H,) W, C] -> [..., C].

    The mean over the two middle pixels of every axis of even size.
    [gaussdernet] sec. 4.
    """
    for axis in range(-ndim - 1, -1):
        window = centre_window(x.shape[axis])
        x = jax.lax.slice_in_dim(x, window.start, window.stop, axis=axis % x.ndim)
    return spatial_mean(x, ndim=ndim)


def spatial_max(x: jax.Array, *, ndim: int = 2) -> jax.Array:
    """Maximum over space, [..., C]. [gaussderresnet] sec. 3."""
    return x.max(axis=tuple(range(-ndim - 1, -1)))


def spatial_mean(x: jax.Array, *, ndim: int = 2) -> jax.Array:
    """Mean over space, [..., C]. gdjax."""
    return x.mean(axis=tuple(range(-ndim - 1, -1)))


def max_over_scales(per_scale: jax.Array, keep: jax.Array) -> jax.Array:
    """Maximum over the kept scale channels. [gaussdernet] (10).

    Args:
      per_scale: [B, S, K].
      keep: [B, S], bool; at least one True per row.

    Returns:
      [B, K].
    """
    return jnp.where(keep[..., None], per_scale, -jnp.inf).max(axis=-2)


def logsumexp_over_scales(per_scale: jax.Array, keep: jax.Array) -> jax.Array:
    """Log sum_s exp over the kept scale channels, [B, K]. [gaussderresnet] sec. 3."""
    return jax.nn.logsumexp(jnp.where(keep[..., None], per_scale, -jnp.inf), axis=-2)


def mean_over_scales(per_scale: jax.Array, keep: jax.Array) -> jax.Array:
    """Mean over the kept scale channels, [B, K]. [gaussderresnet] sec. 3."""
    weights = keep.astype(per_scale.dtype)[..., None]
    return (weights * per_scale).sum(axis=-2) / weights.sum(axis=-2)


def keep_scales(key: jax.Array, shape: tuple[int, int], *, rate: float) -> jax.Array:
    """Scale-channel dropout: which channels take part, [B, S] bool.

    Args:
      key: PRNG key.
      shape: (B, S).
      rate: probability in [0, 1) that a channel is left out.

    Returns:
      At least one True per row: the channel with the largest draw always stays.

    [gaussderresnet] sec. 5.2. Choice: a dropped channel is left out of the pooling (as
    zero it could win a maximum of negative logits), and nothing is rescaled.
    """
    draws = jax.random.uniform(key, shape)
    return (draws >= rate) | (draws == draws.max(axis=-1, keepdims=True))
