"""Batch normalisation shared by the scale channels."""

import math
from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from gdjax.layers.module import Module
from gdjax.scalespace.arrays import check_mask
from gdjax.scalespace.checks import real_array, shown
from gdjax.scalespace.execution.apart import kept_apart


class SharedBatchNorm(Module):
    """Batch normalisation with one set of statistics for all scale channels.

      y = (x - mean) / sqrt(var + epsilon) * scale + bias

    Mean and variance are pooled over scale channels, batch and pixels, each pixel with
    the same weight: channels with larger windows count more. One update of the
    running statistics per step. Parameters `scale` [C], `bias` [C]; statistics `mean`
    [C], `var` [C] (collection `batch_stats`).

    Attributes:
      axis_name: axis over which scale channels are spread, of `jax.shard_map` or
        `jax.vmap`: the statistics are those of all of them.
      momentum: of the running averages, as in Flax: what stays of the old value, 0 to
        1.
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

    def __post_init__(self):
        super().__post_init__()
        for name, highest in (("momentum", 1.0), ("epsilon", math.inf)):
            value = real_array(getattr(self, name), name=name, unit="a number")
            if value.shape or not (0 <= value <= highest and value < math.inf):
                raise ValueError(
                    f"`{name}={shown(getattr(self, name))}` must be a finite number"
                    " >= 0" + (" and <= 1." if highest == 1 else ".")
                )

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

        Raises:
          TypeError: if `xs` does not hold arrays of floats.
          ValueError: if `xs` is empty or its arrays differ in the number of channels,
            or for masks that do not fit.
        """
        _check_arrays(xs)
        if keep is not None and np.shape(check_mask(keep, name="keep")) != (len(xs),):
            raise ValueError(
                f"`keep` has shape {np.shape(keep)}; give one bool for each of the"
                f" {len(xs)} arrays."
            )
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
        """Mean and variance over all pixels of all arrays, at least in float32.

        Of what is left of the values without a mean that is roughly theirs: the
        difference of squares would lose (mean / standard deviation)^2.
        """
        near, found, counts = _rough_mean(xs[0]), [], []
        for x, own in zip(xs, pixels, strict=True):
            x = x.astype(near.dtype) - near
            axes = tuple(range(x.ndim - 1))
            count = x.size // x.shape[-1]
            if own is not None:
                xp = np if isinstance(own, np.ndarray) else jnp
                count = count // own.size * xp.count_nonzero(own)
                x = jnp.where(own, x, 0)
            found.append((x.sum(axes), jnp.square(x).sum(axes)))
            counts.append(jnp.asarray(count, near.dtype))
        sums, squares = (jnp.stack(v) for v in zip(*found, strict=True))
        if keep is not None and self.axis_name is not None:
            raise ValueError("`keep` and `axis_name` are given both: leave one out.")
        kept = np.ones(len(xs), bool) if keep is None else keep
        kept = jnp.asarray(kept, near.dtype)
        count, mean, var = _pooled(sums, squares, jnp.stack(counts), kept, near)
        for axis in (self.axis_name, self.batch_axis):
            if axis is not None and not self.is_initializing():
                count, mean, var = _pooled_over(axis, count, mean, var)
        return mean, var


def _rough_mean(x: jax.Array) -> jax.Array:
    """A mean [C] over the middle pixels of a few images, in float32 at least."""
    middle = tuple(n // 2 for n in x.shape[1:-1])
    few = jax.lax.stop_gradient(x[(slice(64), *middle)])
    mean = few.astype(jnp.promote_types(x.dtype, jnp.float32)).mean(0)
    return jnp.where(jnp.isfinite(mean), mean, 0)


def _check_arrays(xs: Any) -> None:
    """Raises TypeError or ValueError unless `xs` are arrays [..., C], one or more."""
    if not isinstance(xs, Sequence) or isinstance(xs, str) or not xs:
        raise ValueError(
            f"`xs={shown(xs)}` must be a list of arrays [..., C], one per scale"
            " channel."
        )
    for x in xs:
        dtype, shape = getattr(x, "dtype", None), np.shape(x)
        if dtype is None or not jnp.issubdtype(dtype, jnp.floating):
            raise TypeError(f"`xs` must hold arrays of floats, got {shown(x)}.")
        if not shape or shape[-1:] != xs[0].shape[-1:] or 0 in shape:
            raise ValueError(
                f"an array of `xs` has shape {shape}; give [..., C] with pixels and"
                f" the channels of the first one, of shape {xs[0].shape}."
            )


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
def _pooled(sums: Any, squares: Any, counts: Any, keep: Any, near: Any) -> Any:
    """Sums [S, C] over so many pixels [S] -> their number, mean and variance [C].

    Of the arrays with `keep` 1, not 0, [S], and of values less `near` [C].
    """
    total = (keep * counts).sum()
    mean = (keep[:, None] * sums).sum(0) / total
    square = (keep[:, None] * squares).sum(0) / total
    return total, mean + near, jnp.maximum(square - mean * mean, 0)


def _pooled_over(axis: str, count: Any, mean: jax.Array, var: jax.Array) -> Any:
    """Number, mean and variance [C] of all parts along a mapped axis.

    The parts are gathered by one sum, of which JAX knows that it is the same for all:
    the mean has to be known before squares of what is left of it can be added.
    """
    place = jax.lax.axis_index(axis) == jnp.arange(jax.lax.axis_size(axis))
    place = place.astype(mean.dtype)[:, None]
    rows = jnp.concatenate([count[None], mean, var])
    rows = jax.lax.psum(place * rows, axis)
    return _pooled_parts(rows)


@kept_apart
def _pooled_parts(rows: jax.Array) -> Any:
    """Parts [D, 1 + 2 C] of number, mean and variance -> those of the whole."""
    means, variances = jnp.split(rows[:, 1:], 2, axis=1)
    share = rows[:, :1] / rows[:, 0].sum()
    means = jnp.where(share > 0, means, 0)  # no pixels have no mean
    variances = jnp.where(share > 0, variances, 0)
    mean = (share * means).sum(0)
    left = share * (variances + jnp.square(means - mean))
    return rows[:, 0].sum(), mean, left.sum(0)


@kept_apart
def _factor_and_shift(
    mean: jax.Array, var: jax.Array, scale: jax.Array, bias: jax.Array, *, epsilon
) -> Any:
    factor = jax.lax.rsqrt(var + epsilon) * scale
    return factor, bias - mean * factor


@jax.checkpoint  # one map less to keep: x alone
def _scale(x: jax.Array, factor: jax.Array, shift: jax.Array) -> jax.Array:
    return (x.astype(factor.dtype) * factor + shift).astype(x.dtype)
