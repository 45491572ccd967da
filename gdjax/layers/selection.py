"""Selection over space and over scale, and scale-channel dropout: pure functions."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from gdjax.scalespace.arrays import (
    check_axis,
    check_floats,
    check_key,
    check_mask,
    check_shape,
)
from gdjax.scalespace.checks import check_image, check_ndim, check_rate, is_traced
from gdjax.scalespace.windows import centre_window


def centre_pixel(x: jax.Array, *, ndim: int = 2) -> jax.Array:
    """Value at the centre: [..., (D,) (H,) W, C] -> [..., C].

    The mean over the two middle pixels of every axis of even size.
    [gaussdernet] sec. 4.
    """
    x, ndim = check_image(x, ndim=ndim), check_ndim(ndim)
    for axis in range(-ndim - 1, -1):
        window = centre_window(x.shape[axis])
        x = jax.lax.slice_in_dim(x, window.start, window.stop, axis=axis % x.ndim)
    return spatial_mean(x, ndim=ndim)


def spatial_max(x: jax.Array, *, ndim: int = 2) -> jax.Array:
    """Maximum over space, [..., C]. [gaussderresnet] sec. 3."""
    x, ndim = check_image(x, ndim=ndim), check_ndim(ndim)
    return x.max(axis=tuple(range(-ndim - 1, -1)))


def spatial_mean(x: jax.Array, *, ndim: int = 2) -> jax.Array:
    """Mean over space, [..., C]. gdjax."""
    x, ndim = check_image(x, ndim=ndim), check_ndim(ndim)
    return x.mean(axis=tuple(range(-ndim - 1, -1)))


def max_over_scales(
    per_scale: jax.Array, keep: jax.Array | None = None, *, axis: int = -2
) -> jax.Array:
    """Maximum over the kept scale channels. [gaussdernet] (10); of maps: gdjax.

    Args:
      per_scale: logits [B, S, K], or maps such as [S, B, H, W, C] with `axis=0`.
      keep: which channels take part, bool, with the leading axes of `per_scale`, at
        least as far as `axis`: [B, S], or [S, B] of these maps; what holds for them
        holds along the axes that follow. At least one True along `axis`. None: all.
      axis: of the scale channels.

    Returns:
      `per_scale` without `axis`: [B, K], or [B, H, W, C]. Where several channels are
      largest, they share the gradient equally.

    Raises:
      TypeError: for logits that aren't floats, or `keep` that isn't bool.
      ValueError: for logits that are empty or lack the axis, for `keep` of another
        shape, or with an index, not traced, that has nothing to keep.
    """
    kept = _kept(per_scale, keep, axis, others=-jnp.inf)
    return _largest(kept, axis % kept.ndim)


@functools.partial(jax.custom_jvp, nondiff_argnums=(1,))
def _largest(x: jax.Array, axis: int) -> jax.Array:
    """The maximum along an axis that is short."""
    if x.ndim <= 3:
        return x.max(axis)
    # Of maps `jnp.max` is slow on CPUs; of logits it is shorter to compile.
    return functools.reduce(jnp.maximum, _along(x, axis))


@_largest.defjvp
def _largest_jvp(axis, primals, tangents):
    (x,), (tangent,) = primals, tangents
    y = _largest(x, axis)
    largest = x == jnp.expand_dims(y, axis)
    if x.ndim <= 3:
        ties = largest.sum(axis, dtype=y.dtype)
    else:
        ties = functools.reduce(jnp.add, _along(largest.astype(y.dtype), axis))
    shared = tangent / jnp.expand_dims(ties, axis)
    return y, jnp.where(largest, shared, 0).sum(axis)


def _along(x: jax.Array, axis: int) -> list[jax.Array]:
    return [jax.lax.index_in_dim(x, i, axis, False) for i in range(x.shape[axis])]


def logsumexp_over_scales(
    per_scale: jax.Array, keep: jax.Array | None = None, *, axis: int = -2
) -> jax.Array:
    """Log sum_s exp over the kept scale channels, as in `max_over_scales`.

    [gaussderresnet] sec. 3; of maps: gdjax.
    """
    return jax.nn.logsumexp(_kept(per_scale, keep, axis, others=-jnp.inf), axis=axis)


def mean_over_scales(
    per_scale: jax.Array, keep: jax.Array | None = None, *, axis: int = -2
) -> jax.Array:
    """Mean over the kept scale channels, as in `max_over_scales`.

    [gaussderresnet] sec. 3; of maps: gdjax.
    """
    kept = _kept(per_scale, keep, axis, others=0.0)
    if keep is None:
        return kept.mean(axis=axis)
    counts = _aligned(keep, kept, axis).astype(kept.dtype).sum(axis=axis)
    return kept.sum(axis=axis) / counts


def _kept(
    per_scale: jax.Array, keep: jax.Array | None, axis: int, *, others: float
) -> jax.Array:
    """`per_scale` with `others` in the channels that are left out."""
    per_scale = check_floats(per_scale, name="per_scale")
    check_axis(axis, per_scale.ndim)
    if keep is None:
        return per_scale
    return jnp.where(_aligned(keep, per_scale, axis), per_scale, others)


def _aligned(keep: jax.Array, per_scale: jax.Array, axis: int) -> jax.Array:
    """`keep` with an axis of length 1 for each of `per_scale` that it lacks."""
    keep = check_mask(keep, name="keep")
    leading = per_scale.shape[: keep.ndim]
    fits = len(leading) == keep.ndim > axis % per_scale.ndim and all(
        kept == n or kept == 1 for kept, n in zip(keep.shape, leading, strict=True)
    )
    if not fits:
        raise ValueError(
            f"`keep` has the shape {keep.shape}: for `per_scale` {per_scale.shape} and "
            f"`axis={axis}` give its leading axes, at least "
            f"{per_scale.shape[: axis % per_scale.ndim + 1]}"
        )
    if not is_traced(keep) and not np.asarray(keep).any(axis % per_scale.ndim).all():
        raise ValueError("`keep` leaves out all scale channels of an index: keep one.")
    rest = (1,) * (per_scale.ndim - keep.ndim)
    return jnp.broadcast_to(keep, leading).reshape(*leading, *rest)


def keep_scales(key: jax.Array, shape: tuple[int, int], *, rate: float) -> jax.Array:
    """Scale-channel dropout: which channels take part, [B, S] bool.

    Args:
      key: PRNG key.
      shape: (B, S).
      rate: probability in [0, 1) that a channel is left out.

    Returns:
      At least one True per row: the channel with the largest draw always stays.

    Raises:
      TypeError, ValueError: for arguments out of range.

    [gaussderresnet] sec. 5.2. Choice: a dropped channel is left out of the pooling (as
    zero it could win a maximum of negative logits), and nothing is rescaled.
    """
    check_key(key)
    shape = check_shape(shape, axes="B, S")
    if not is_traced(rate):
        check_rate(rate, name="rate")
    draws = jax.random.uniform(key, shape)
    return (draws >= rate) | (draws == draws.max(axis=-1, keepdims=True))
