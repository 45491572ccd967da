"""Which internal scales of a network are in use, and how much each of them gives it."""

from typing import Any

import jax
import jax.numpy as jnp

from gdjax.layers.module import Module
from gdjax.scalespace.checks import check_order, check_rate


class ActiveScales(Module):
    """The state by which scale channels are taken out of use without other shapes.

    Nothing of it is learned: `active`, bool [N], all of them at the start, changes
    between epochs (`gdjax.models.prune_scales`); `contributions`, float32 [N], is a
    running mean of `lost_without`, 1 at the start. Both are in the collection
    `batch_stats`.

    Attributes:
      count: N.
      momentum: of the running mean, what stays of the old value at each step.
      batch_axis: over which the batch is spread, as of `SharedBatchNorm`.

    Raises:
      TypeError, ValueError: at construction, for arguments out of range.

    gdjax.
    """

    count: int
    momentum: float = 0.9
    batch_axis: str | None = None

    def __post_init__(self):
        super().__post_init__()
        check_order(self.count, name="count", lowest=1)
        check_rate(self.momentum, name="momentum")

    def setup(self):  # noqa: D102
        shape, kind = (self.count,), "batch_stats"
        self.active = self.variable(kind, "active", jnp.ones, shape, jnp.bool_)
        self.contributions = self.variable(
            kind, "contributions", jnp.ones, shape, jnp.float32
        )

    def __call__(self) -> jax.Array:
        """Which channels are in use, bool [N]."""
        return self.active.value

    def observe(self, values: jax.Array) -> None:
        """Moves `contributions` towards those of a batch.

        Args:
          values: as of `lost_without`.
        """
        values = jax.lax.stop_gradient(values)
        now = lost_without(values, self.active.value, batch_axis=self.batch_axis)
        old = self.contributions.value
        self.contributions.value = self.momentum * old + (1 - self.momentum) * now


def computed_scales(scales: Any, active: jax.Array) -> jax.Array:
    """The scales with the finest active one in the place of those out of use.

    So filters are normalised as if the others were not there, and theirs can't grow.

    Args:
      scales: px, [N].
      active: which are in use, bool [N], at least one.

    Returns:
      [N]. Gradients go to the scales in use alone.

    gdjax.
    """
    scales = jnp.asarray(scales)
    return jnp.where(active, scales, jnp.where(active, scales, jnp.inf).min())


def lost_without(
    values: jax.Array, active: jax.Array, *, batch_axis: str | None = None
) -> jax.Array:
    """The part of the maxima over scales that would be lost without each scale.

      sum (max_s v_s - max_{s != i} v_s) / sum max_s v_s

    A scale whose neighbours respond nearly as much contributes little, however often it
    is the largest.

    Args:
      values: what the network reads of each channel, [N, ...], >= 0: after ReLU, and
        after all maxima over space that follow.
      active: which channels take part, bool [N].
      batch_axis: mapped axis over which the values are spread; None: none.

    Returns:
      In [0, 1], float32 [N]; 0 of channels that don't take part, 1 of a single one, and
      0 where all values are 0.

    gdjax.
    """
    shape = -1, *(1,) * (values.ndim - 1)
    values = jnp.where(active.reshape(shape), values, 0).astype(jnp.float32)
    ordered = jnp.sort(jnp.concatenate([jnp.zeros_like(values[:1]), values]), axis=0)
    top = ordered[-1:]
    lost = jnp.where(values == top, top - ordered[-2:-1], 0)
    sums = lost.sum(axis=tuple(range(1, lost.ndim))), top.sum()
    if batch_axis is not None:
        sums = jax.lax.psum(sums, batch_axis)
    return sums[0] / jnp.where(sums[1] > 0, sums[1], 1)
