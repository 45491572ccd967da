"""Batch normalisation shared by the scale channels."""

from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from gdjax.scalespace.apart import apart


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
      frozen: whether the running statistics are used in training, too, and neither
        they nor `scale` and `bias` are trained.

    [gaussdernet] sec. 5 shares the stage between channels; Choice: pooled over the
    computed pixels, so with windows over the windows' pixels.
    """

    axis_name: str | None = None
    momentum: float = 0.9
    epsilon: float = 1e-5
    frozen: bool = False

    @nn.compact
    def __call__(self, xs: Sequence[jax.Array], *, train: bool) -> list[jax.Array]:
        """Normalises arrays [..., C], one per scale channel, by common statistics."""
        shape = xs[0].shape[-1:]
        scale = self.param("scale", nn.initializers.ones, shape)
        bias = self.param("bias", nn.initializers.zeros, shape)
        mean = self.variable("batch_stats", "mean", jnp.zeros, shape, jnp.float32)
        var = self.variable("batch_stats", "var", jnp.ones, shape, jnp.float32)
        now = mean.value, var.value
        if self.frozen:
            scale, bias = jax.lax.stop_gradient((scale, bias))
        elif train:
            now = self._statistics(xs)
            if not self.is_initializing():
                for old, new in zip((mean, var), now, strict=True):
                    new = new.astype(old.value.dtype)
                    old.value = self.momentum * old.value + (1 - self.momentum) * new
        factor, shift = _factor_and_shift(*now, scale, bias, epsilon=self.epsilon)
        return [_scale(x, factor, shift) for x in xs]

    def _statistics(self, xs: Sequence[jax.Array]) -> tuple[jax.Array, jax.Array]:
        """Mean and variance over all pixels of all arrays, at least in float32."""
        sums, squares, pixels = [], [], 0
        for x in xs:
            x = x.astype(jnp.promote_types(x.dtype, jnp.float32))
            axes = tuple(range(x.ndim - 1))
            sums.append(x.sum(axes))
            squares.append(jnp.square(x).sum(axes))
            pixels += x.size // x.shape[-1]
        mean, square = _means(jnp.stack(sums), jnp.stack(squares), pixels=pixels)
        if self.axis_name is not None and not self.is_initializing():
            mean, square = jax.lax.pmean((mean, square), self.axis_name)
        return mean, jnp.maximum(square - mean * mean, 0)


# XLA would work these out, and add up their gradients, at every pixel.
@apart
def _means(sums: jax.Array, squares: jax.Array, *, pixels: int) -> Any:
    """Sums per array [S, C], over `pixels` in all -> means [C]."""
    return sums.sum(0) / pixels, squares.sum(0) / pixels


@apart
def _factor_and_shift(
    mean: jax.Array, var: jax.Array, scale: jax.Array, bias: jax.Array, *, epsilon
) -> Any:
    factor = jax.lax.rsqrt(var + epsilon) * scale
    return factor, bias - mean * factor


@jax.checkpoint  # one map less to keep: x alone
def _scale(x: jax.Array, factor: jax.Array, shift: jax.Array) -> jax.Array:
    return (x.astype(factor.dtype) * factor + shift).astype(x.dtype)
