"""A deep scale-space of three layers, for MNIST-Scale. [scale_learning], [dss]."""

import dataclasses
from typing import Any, Self

import flax.linen as nn
import jax
import jax.numpy as jnp

from gdjax.layers.norm import SharedBatchNorm
from gdjax.layers.scale_correlation import Start
from gdjax.models.configuration import configures
from gdjax.models.deep_scale_spaces import (
    ScaleSpaceConfig,
    ScaleSpaceNet,
    times,
)
from gdjax.models.dense_head import HEAD_FIELDS, check_layers, dense_head
from gdjax.models.njet_classifiers import check_batch
from gdjax.models.sesn import quarter_maxima
from gdjax.scalespace.checks import check_order


class SConvNet(ScaleSpaceNet):
    """Three scale-space correlations and two dense layers: the layers of `SESN`.

    494,359 parameters with one input channel. Each correlation is followed by the
    nonlinearity, maxima of 2 x 2 px (in the last layer those of quarters of the image)
    and normalisation, and all by the maximum over levels. With `interaction` the first
    one mixes two levels.

    Attributes:
      widths: channels of the correlations.
      kernel_size: side of their filters in px of the finest level.
      hidden: width of the dense layer.
      dropout: its rate.
      ...: those of `ScaleSpaceNet`.

    [scale_learning] Table 5, DSS (475k stand for it by mistake); layers as in the code
    that it compares by, that of SESN: two levels, neither bias nor interaction, He's
    initial weights. There, images are enlarged twice before, each pixel repeated.
    """

    levels: int = 2
    interaction: bool = False
    zero_scale: float = 0.25
    start: Start = "he"
    widths: tuple[int, ...] = (32, 63, 95)
    kernel_size: int = 7
    hidden: int = 256
    dropout: float = 0.7

    def __post_init__(self):
        super().__post_init__()
        check_layers(self.widths, self.hidden, self.dropout)
        check_order(self.kernel_size, name="kernel_size", lowest=1)

    def mixing_layers(self) -> int:
        """How many layers mix two levels."""
        return 1 if self.interaction else 0

    @nn.compact
    def __call__(self, x: Any, train: bool = False) -> tuple[jax.Array, dict[str, Any]]:
        """Classifies a batch [B, H, W, C], floating point.

        Returns:
          Logits [B, K], and a dict: `sizes`, (h, w) after every layer.
        """
        x = check_batch(x)
        dtype = jnp.promote_types(x.dtype, jnp.float32)
        y, sizes = self._lift(x), []
        for number, width in enumerate(self.widths, start=1):
            conv = self._correlation(
                width, mixes=number == 1, size=self.kernel_size, name=f"conv_{number}"
            )
            y = self.activation(conv(y))
            if number < len(self.widths):
                y = nn.max_pool(y, (1, 2, 2), (1, 2, 2))
            else:
                y = jax.vmap(quarter_maxima, in_axes=1, out_axes=1)(y)
            y = self._normed(y, f"norm_{number}", train)
            sizes.append(y.shape[-3:-1])
        fields = {name: getattr(self, name) for name in HEAD_FIELDS}
        logits = dense_head(
            self._pooled(y, train), train=train, normed=self._normed, **fields
        )
        return logits.astype(dtype), {"sizes": sizes}

    def _normed(self, x: jax.Array, name: str, train: bool) -> jax.Array:
        norm = SharedBatchNorm(batch_axis=self.batch_axis, name=name)
        return norm([x], train=train)[0]


@configures(SConvNet)
class SConvNetConfig(ScaleSpaceConfig):
    """Three scale-space correlations and two dense layers: the layers of `SESN`."""

    def wider(self, factor: float) -> Self:
        """With so many times the channels, rounded."""
        widths = tuple(times(factor, width) for width in self.widths)
        return dataclasses.replace(self, widths=widths)
