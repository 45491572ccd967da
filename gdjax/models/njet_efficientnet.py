"""EfficientNet-B0 with N-Jets in place of its depthwise layers, and its plain twin."""

from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax

from gdjax.layers.convolutions import Convolution, njet_convolution, plain_convolution
from gdjax.layers.module import Module
from gdjax.models.configuration import configures
from gdjax.models.njet_classifiers import (
    ConvolutionNet,
    every_second,
    normalized,
    pointwise,
)
from gdjax.models.njet_configuration import SubsampledConfig
from gdjax.scalespace.checks import check_order, check_rate


class Stage(NamedTuple):
    """Inverted bottlenecks of one width (gdjax).

    Attributes:
      blocks: their number.
      features: output channels.
      size: of the plain depthwise layers, px.
      expansion: how many times more channels they have than their block's input.
      subsampled: whether the first one may subsample.
    """

    blocks: int
    features: int
    size: int
    expansion: int
    subsampled: bool


B0 = (
    Stage(1, 16, 3, 1, False),
    Stage(2, 24, 3, 6, True),
    Stage(2, 40, 5, 6, True),
    Stage(3, 80, 3, 6, True),
    Stage(3, 112, 5, 6, False),
    Stage(4, 192, 5, 6, True),
    Stage(1, 320, 3, 6, False),
)


class NJetEfficientNet(ConvolutionNet):
    """A layer, inverted bottlenecks with squeeze and excitation, a 1 x 1 layer.

    With 10 classes, the N-Jet network (order 3) has 3,927,942 weights and 16 sigmas,
    the plain one 4,020,358 weights: the depthwise layers have 89,600 and 182,016 of
    them, 92,416 fewer, the difference published. (The published sums, 3.63 and 3.72
    million, are 0.30 million less than EfficientNet-B0 has.)

    Attributes:
      stages: what lies between the first layer and the last 1 x 1 layer.
      first: channels of the first layer.
      last: channels of the last 1 x 1 layer.
      stem: makes the first layer, 3 x 3. Choice: plain, as the published difference
        leaves it.
      dropout: rate before the readout (stream `dropout`).
      drop_connect: rate at which the last block is left out, for each image in
        training; it rises linearly from 0 over the blocks.
      ...: those of `ConvolutionNet`; "published" takes every second pixel in the
        first layer and in the first block of stages 2, 3, 4 and 6, and "safe"
        subsamples there.

    [njet] sec. 4.1, Table 4; [Tan and Le 2019].
    """

    activation: Callable[[jax.Array], jax.Array] = nn.silu
    stages: tuple[Stage, ...] = B0
    first: int = 32
    last: int = 1280
    stem: Convolution = plain_convolution
    dropout: float = 0.2
    drop_connect: float = 0.2

    def spot_layers(self):  # noqa: D102
        stages = [k for k, stage in enumerate(self.stages) if stage.subsampled]
        return "conv_first", *(f"stage_{k + 1}_block_1/conv_2" for k in stages)

    def __post_init__(self):
        super().__post_init__()
        check_order(self.first, name="first", lowest=1)
        check_order(self.last, name="last", lowest=1)
        for stage in self.stages:
            for field in ("blocks", "features", "size", "expansion"):
                check_order(getattr(stage, field), name=field, lowest=1)
        check_rate(self.dropout, name="dropout")
        check_rate(self.drop_connect, name="drop_connect")

    def _layers(self, x, train, seen):
        stem = self.stem(
            self.first, size=3, use_bias=False, dtype=self.dtype, name="conv_first"
        )
        x = self._activated(self._reduce(0)(stem(x)), "first", train, seen)
        count = sum(stage.blocks for stage in self.stages)
        number = spot = 0
        for k, stage in enumerate(self.stages):
            for block in range(stage.blocks):
                reduce = None
                if stage.subsampled and block == 0:
                    spot += 1
                    reduce = self._reduce(spot)
                x = InvertedBottleneck(
                    stage.features,
                    size=stage.size,
                    expansion=stage.expansion,
                    convolution=self.convolution,
                    subsample=reduce,
                    drop=self.drop_connect * number / count,
                    activation=self.activation,
                    batch_axis=self.batch_axis,
                    dtype=self.dtype,
                    name=f"stage_{k + 1}_block_{block + 1}",
                )(x, train)
                seen.append(x.shape[1:3])
                number += 1
        x = pointwise(x, self.last, "conv_last", self.dtype)
        x = self._activated(x, "last", train, seen).mean((1, 2))
        x = nn.Dropout(self.dropout, deterministic=not train)(x)
        return nn.Dense(self.num_classes, name="readout")(x)

    def _reduce(self, spot: int) -> Callable[[jax.Array], jax.Array]:
        return lambda x: self._subsampled(x, spot, every_second)


class InvertedBottleneck(Module):
    """Widen, filter every channel by itself, weigh the channels, narrow; a shortcut."""

    features: int
    size: int = 3
    expansion: int = 6
    convolution: Convolution = njet_convolution
    subsample: Callable[[jax.Array], jax.Array] | None = None
    drop: float = 0.0
    activation: Callable[[jax.Array], jax.Array] = nn.silu
    batch_axis: str | None = None
    dtype: Any = None

    @nn.compact
    def __call__(self, x: jax.Array, train: bool = False) -> jax.Array:
        """[B, H, W, C] -> [B, H', W', features]."""
        y, wide = x, self.expansion * x.shape[-1]
        if self.expansion > 1:
            y = pointwise(y, wide, "conv_1", self.dtype)
            y = self.activation(normalized(y, "norm_1", train, self.batch_axis))
        y = self.convolution(
            wide, size=self.size, groups=wide, use_bias=False, dtype=self.dtype,
            name="conv_2",
        )(y)  # fmt: skip
        if self.subsample is not None:
            y = self.subsample(y)
        y = self.activation(normalized(y, "norm_2", train, self.batch_axis))
        y = self._weighed(y, max(1, x.shape[-1] // 4))
        y = normalized(
            pointwise(y, self.features, "conv_3", self.dtype),
            "norm_3",
            train,
            self.batch_axis,
        )
        if y.shape != x.shape:
            return y
        # One decision per image.
        leave_out = nn.Dropout(self.drop, (1, 2, 3), deterministic=not train)
        return x + leave_out(y)

    def _weighed(self, x: jax.Array, squeezed: int) -> jax.Array:
        """Squeeze and excitation: each channel times a number from all their means."""
        z = x.mean((1, 2), keepdims=True)
        z = nn.Dense(squeezed, dtype=self.dtype, name="squeeze")(z)
        z = nn.Dense(x.shape[-1], dtype=self.dtype, name="excite")(self.activation(z))
        return x * nn.sigmoid(z)


@configures(NJetEfficientNet, without=("subsampling", "stages", "stem"))
class NJetEfficientNetConfig(SubsampledConfig):
    """EfficientNet-B0: a layer, inverted bottlenecks, a 1 x 1 layer."""

    @classmethod
    def sized(cls, size: int) -> None:
        """Its filters are of several sizes, so there are none of one size."""
        del size
