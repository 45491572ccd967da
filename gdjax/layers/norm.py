"""Batch normalisation shared by the scale channels."""

from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from gdjax.scalespace.execution.routines import kept_apart


class SharedBatchNorm(nn.Module):
    """Batch normalisation with one set of statistics for all scale channels.

      y = (x - mean) / sqrt(var + epsilon) * scale + bias

    Mean and variance are pooled over scale channels, batch and pixels, each pixel with
    the same weight: channels with larger windows count more. One update of the
    running statistics per step. Parameters `scale` [C], `bias` [C]; statistics `mean`
    [C], `var` [C] (collection `batch_stats`).

    Attributes:
      axis_name: mapped scale axis (`over_scales`), if there is one.
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
        self, xs: Sequence[jax.Array], *, train: bool, keep: jax.Array | None = None
    ) -> list[jax.Array]:
        """Normalises arrays [..., C], one per scale channel, by common statistics.

        Args:
          xs: S arrays.
          train: whether by their own statistics, or the running ones.
          keep: which of them the statistics are taken of, bool [S]; None: all.
        """
        shape = xs[0].shape[-1:]
        scale = self.param("scale", nn.initializers.ones, shape)
        bias = self.param("bias", nn.initializers.zeros, shape)
        mean = self.variable("batch_stats", "mean", jnp.zeros, shape, jnp.float32)
        var = self.variable("batch_stats", "var", jnp.ones, shape, jnp.float32)
        now = mean.value, var.value
        if self.frozen:
            scale, bias = jax.lax.stop_gradient((scale, bias))
        elif train:
            now = self._statistics(xs, keep)
            if not self.is_initializing():
                for old, new in zip((mean, var), now, strict=True):
                    new = new.astype(old.value.dtype)
                    old.value = self.momentum * old.value + (1 - self.momentum) * new
        factor, shift = _factor_and_shift(*now, scale, bias, epsilon=self.epsilon)
        return [_scale(x, factor, shift) for x in xs]

    def _statistics(
        self, xs: Sequence[jax.Array], keep: jax.Array | None
    ) -> tuple[jax.Array, jax.Array]:
        """Mean and variance over all pixels of all arrays, at least in float32."""
        sums, squares, pixels = [], [], []
        for x in xs:
            x = x.astype(jnp.promote_types(x.dtype, jnp.float32))
            axes = tuple(range(x.ndim - 1))
            sums.append(x.sum(axes))
            squares.append(jnp.square(x).sum(axes))
            pixels.append(x.size // x.shape[-1])
        found = jnp.stack(sums), jnp.stack(squares)
        if keep is None:
            mean, square = _means(*found, pixels=sum(pixels))
        else:
            kept = keep.astype(found[0].dtype)
            mean, square = _kept_means(*found, kept, pixels=tuple(pixels))
        if not self.is_initializing():
            if self.axis_name is not None:
                mean, square = _over_mapped((mean, square), self.axis_name)
            if self.batch_axis is not None:
                mean, square = jax.lax.pmean((mean, square), self.batch_axis)
        return mean, jnp.maximum(square - mean * mean, 0)


def _over_mapped(statistics: Any, axis_name: str) -> Any:
    varying = jax.typeof(statistics[0]).manual_axis_type.varying
    if varying:
        raise ValueError(
            f"batch statistics over the mapped axis {axis_name!r}, of `mapped=True`, on"
            f" arrays that vary over {sorted(varying)} of `jax.shard_map`: JAX reduces"
            " over no mapped axis there. Give `mapped=False`, which is the same"
            " function, or `check_vma=False` to `jax.shard_map`."
        )
    return jax.lax.pmean(statistics, axis_name)


# XLA would work these out, and add up their gradients, at every pixel.
@kept_apart
def _means(sums: jax.Array, squares: jax.Array, *, pixels: int) -> Any:
    """Sums per array [S, C], over `pixels` in all -> means [C]."""
    return sums.sum(0) / pixels, squares.sum(0) / pixels


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
