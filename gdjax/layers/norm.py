"""Batch normalisation shared by the scale channels."""

from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp


class SharedBatchNorm(nn.Module):
    """Batch normalisation with one set of statistics for all scale channels.

    Mean and variance are pooled over scale channels, batch and pixels, each pixel with
    the same weight: channels with larger windows count more. One update of the
    running statistics per step.

    Attributes:
      axis_name: mapped scale axis (`over_scales`), if there is one.
      momentum: of the running averages (Flax's sense).
      epsilon: added to the variance.

    [gaussdernet] sec. 5 shares the stage between channels; Choice: pooled over the
    computed pixels, so with windows over the windows' pixels.
    """

    axis_name: str | None = None
    momentum: float = 0.9
    epsilon: float = 1e-5

    @nn.compact
    def __call__(self, xs: Sequence[jax.Array], *, train: bool) -> list[jax.Array]:
        """Normalises arrays [..., C], one per scale channel, by common statistics."""
        norm = nn.BatchNorm(
            use_running_average=not train,
            axis_name=self.axis_name if train else None,
            momentum=self.momentum,
            epsilon=self.epsilon,
            dtype=xs[0].dtype,
        )
        if len(xs) == 1:
            return [norm(xs[0])]
        flat = jnp.concatenate([x.reshape(-1, x.shape[-1]) for x in xs])
        flat = norm(flat)
        pieces, start = [], 0
        for x in xs:
            stop = start + x.size // x.shape[-1]
            pieces.append(flat[start:stop].reshape(x.shape))
            start = stop
        return pieces
