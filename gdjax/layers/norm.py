"""Batch normalisation shared by the scale channels."""

from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from gdjax.scalespace.execution.routines import kept_apart


class SharedBatchNorm(nn.Module):
    """Batch normalisation with one set of statistics for all scale channels.

      y = (x - mean) / sqrt(var + epsilon) * scale + bias

    Mean and variance are pooled over scale channels, batch and pixels, each pixel with
    the same weight: channels with larger windows count more. One update of the
    running statistics per step. Parameters `scale` [C], `bias` [C]; statistics `mean`
    [C], `var` [C] (collection `batch_stats`).

    Attributes:
      axis_name: axis over which scale channels are spread, of `jax.shard_map` or
        `jax.vmap`: the statistics are those of all of them.
      momentum: of the running averages, as in Flax: what stays of the old value.
      epsilon: added to the variance.
      batch_axis: axis over which the batch is spread, of `jax.shard_map`, `jax.pmap` or
        `jax.vmap`: the statistics are those of the whole batch. None: of the part at
        hand, as without such a transformation. (Under `jax.jit` a batch is whole,
        however it is sharded.)
      frozen: whether the running statistics are used in training, too, and neither
        they nor `scale` and `bias` are trained.

    [gaussdernet] sec. 5 shares the stage between channels; Choice: pooled over the
    computed pixels, so with windows over the windows' pixels.
    """

    axis_name: str | None = None
    momentum: float = 0.9
    epsilon: float = 1e-5
    frozen: bool = False
    batch_axis: str | None = None

    @nn.compact
    def __call__(
        self,
        xs: Sequence[jax.Array],
        *,
        train: bool,
        keep: jax.Array | None = None,
        pixels: Sequence[Any] | None = None,
    ) -> list[jax.Array]:
        """Normalises arrays [..., C], one per scale channel, by common statistics.

        Args:
          xs: S arrays.
          train: whether by their own statistics, or the running ones.
          keep: which of them the statistics are taken of, bool [S]; None: all.
          pixels: which values of each array count in the statistics, bool, in a shape
            that is broadcast to the array's; for one of them or all, None: every one.
        """
        pixels = [None] * len(xs) if pixels is None else _checked(pixels, xs)
        shape = xs[0].shape[-1:]
        scale = self.param("scale", nn.initializers.ones, shape)
        bias = self.param("bias", nn.initializers.zeros, shape)
        mean = self.variable("batch_stats", "mean", jnp.zeros, shape, jnp.float32)
        var = self.variable("batch_stats", "var", jnp.ones, shape, jnp.float32)
        now = mean.value, var.value
        if self.frozen:
            scale, bias = jax.lax.stop_gradient((scale, bias))
        elif train:
            now = self._statistics(xs, keep, pixels)
            if not self.is_initializing():
                for old, new in zip((mean, var), now, strict=True):
                    new = new.astype(old.value.dtype)
                    old.value = self.momentum * old.value + (1 - self.momentum) * new
        factor, shift = _factor_and_shift(*now, scale, bias, epsilon=self.epsilon)
        return [_scale(x, factor, shift) for x in xs]

    def _statistics(
        self,
        xs: Sequence[jax.Array],
        keep: jax.Array | None,
        pixels: Sequence[Any],
    ) -> tuple[jax.Array, jax.Array]:
        """Mean and variance over all pixels of all arrays, at least in float32."""
        sums, squares, counts = [], [], []
        for x, own in zip(xs, pixels, strict=True):
            x = x.astype(jnp.promote_types(x.dtype, jnp.float32))
            axes = tuple(range(x.ndim - 1))
            count = x.size // x.shape[-1]
            if own is not None:
                xp = np if isinstance(own, np.ndarray) else jnp
                count = count // own.size * xp.count_nonzero(own)
                x = jnp.where(own, x, 0)
            sums.append(x.sum(axes))
            squares.append(jnp.square(x).sum(axes))
            counts.append(count)
        found = jnp.stack(sums), jnp.stack(squares)
        if self.axis_name is not None and not self.is_initializing():
            if keep is not None:
                raise ValueError(
                    "`keep` and `axis_name` are given both: leave one out."
                )
            totals = *(each.sum(0) for each in found), jnp.asarray(sum(counts), float)
            mean, square = _quotients(*jax.lax.psum(totals, self.axis_name))
        elif keep is None and not all(isinstance(n, int | np.integer) for n in counts):
            total = jnp.asarray(sum(counts))
            mean, square = _quotients(*(each.sum(0) for each in found), total)
        elif keep is None:
            mean, square = _means(*found, pixels=sum(counts))
        else:
            kept = keep.astype(found[0].dtype)
            mean, square = _kept_means(*found, kept, pixels=tuple(counts))
        if self.batch_axis is not None and not self.is_initializing():
            mean, square = jax.lax.pmean((mean, square), self.batch_axis)
        return mean, jnp.maximum(square - mean * mean, 0)


def _checked(pixels: Sequence[Any], xs: Sequence[jax.Array]) -> list[Any]:
    """Masks for the arrays, one or None for each."""
    if not isinstance(pixels, Sequence) or len(pixels) != len(xs):
        raise ValueError(
            f"`pixels` must be a list with a mask, or None, for each of the {len(xs)}"
            f" arrays, got {type(pixels).__name__}."
        )
    for mask, x in zip(pixels, xs, strict=True):
        if mask is not None and (
            getattr(mask, "ndim", None) != x.ndim or mask.shape[-1] != 1
        ):
            raise ValueError(
                f"a mask of `pixels` has shape {np.shape(mask)}; give a bool array of"
                f" {x.ndim} axes, 1 long where it is the same for all and at the last"
                f" one, for maps of shape {x.shape}."
            )
    return list(pixels)


# XLA would work these out, and add up their gradients, at every pixel.
@kept_apart
def _means(sums: jax.Array, squares: jax.Array, *, pixels: int) -> Any:
    """Sums per array [S, C], over `pixels` in all -> means [C]."""
    return sums.sum(0) / pixels, squares.sum(0) / pixels


@kept_apart
def _quotients(sums: jax.Array, squares: jax.Array, pixels: jax.Array) -> Any:
    """Sums [C] over a number of pixels -> means [C]."""
    pixels = pixels.astype(sums.dtype)
    return sums / pixels, squares / pixels


@kept_apart
def _kept_means(
    sums: jax.Array, squares: jax.Array, keep: jax.Array, *, pixels: tuple[int, ...]
) -> Any:
    """As `_means` of the arrays with `keep` 1, not 0, [S], each of so many pixels."""
    total = (keep * jnp.asarray(pixels, keep.dtype)).sum()
    keep = keep[:, None]
    return (keep * sums).sum(0) / total, (keep * squares).sum(0) / total


@kept_apart
def _factor_and_shift(
    mean: jax.Array, var: jax.Array, scale: jax.Array, bias: jax.Array, *, epsilon
) -> Any:
    factor = jax.lax.rsqrt(var + epsilon) * scale
    return factor, bias - mean * factor


@jax.checkpoint  # one map less to keep: x alone
def _scale(x: jax.Array, factor: jax.Array, shift: jax.Array) -> jax.Array:
    return (x.astype(factor.dtype) * factor + shift).astype(x.dtype)
