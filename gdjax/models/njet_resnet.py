"""Residual networks of N-Jet layers, and their plain twins."""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax

from gdjax.layers.convolutions import Convolution, njet_convolution
from gdjax.layers.module import Module
from gdjax.models.configuration import configures
from gdjax.models.njet_classifiers import (
    ConvolutionNet,
    every_second,
    normalized,
    pointwise,
)
from gdjax.models.njet_configuration import SubsampledConfig
from gdjax.scalespace.checks import check_order


class NJetResNet(ConvolutionNet):
    """A layer, and three stages of residual blocks with 1, 2 and 4 times the width.

    `njet_resnet32`: 518,185 parameters with 10 classes and order 3, plain 466,906.
    `njet_resnet110`: bottleneck blocks.

    Attributes:
      width: of the first stage.
      depth: residual blocks per stage.
      bottleneck: whether blocks are 1 x 1, 3 x 3, 1 x 1 with four times the width at
        their ends, instead of two 3 x 3 layers.
      ...: those of `ConvolutionNet`; "published" takes every second pixel in the first
        block of the second and of the third stage, and "safe" subsamples there.

    [njet] sec. 4.1; [He et al. 2016]. Shortcuts where widths change are 1 x 1 layers
    with batch normalisation (Choice: the published counts need them).
    """

    width: int = 16
    depth: int = 5
    bottleneck: bool = False

    def spot_layers(self):  # noqa: D102
        conv = "conv_2" if self.bottleneck else "conv_1"
        return f"stage_2_block_1/{conv}", f"stage_3_block_1/{conv}"

    def __post_init__(self):
        super().__post_init__()
        check_order(self.width, name="width", lowest=1)
        check_order(self.depth, name="depth", lowest=1)

    def _layers(self, x, train, seen):
        x = self._activated(self._filtered(x, self.width, 3, 1), 1, train, seen)
        for stage in range(3):
            for block in range(self.depth):
                first = block == 0
                x = ResNetBlock(
                    self.width * 2**stage,
                    bottleneck=self.bottleneck,
                    convolution=self.convolution,
                    subsample=self._subsample(stage - 1) if first and stage else None,
                    activation=self.activation,
                    batch_axis=self.batch_axis,
                    dtype=self.dtype,
                    name=f"stage_{stage + 1}_block_{block + 1}",
                )(x, train)
                seen.append(x.shape[1:3])
        return nn.Dense(self.num_classes, name="readout")(x.mean((1, 2)))

    def _subsample(self, spot: int) -> Callable[[jax.Array], jax.Array]:
        return lambda x: self._subsampled(x, spot, every_second)


class ResNetBlock(Module):
    """Two 3 x 3 layers, or a bottleneck, and a shortcut."""

    width: int
    bottleneck: bool = False
    convolution: Convolution = njet_convolution
    subsample: Callable[[jax.Array], jax.Array] | None = None
    activation: Callable[[jax.Array], jax.Array] = nn.relu
    batch_axis: str | None = None
    dtype: Any = None

    @nn.compact
    def __call__(self, x: jax.Array, train: bool = False) -> jax.Array:
        """[B, H, W, C] -> [B, H', W', width, or 4 width of a bottleneck]."""
        reduce = self.subsample or (lambda y: y)
        if self.bottleneck:
            y = pointwise(x, self.width, "conv_1", self.dtype)
            y = self.activation(normalized(y, "norm_1", train, self.batch_axis))
            y = reduce(self._filtered(y, 2))
            y = self.activation(normalized(y, "norm_2", train, self.batch_axis))
            y = pointwise(y, 4 * self.width, "conv_3", self.dtype)
            y = normalized(y, "norm_3", train, self.batch_axis)
        else:
            y = reduce(self._filtered(x, 1))
            y = self.activation(normalized(y, "norm_1", train, self.batch_axis))
            y = normalized(self._filtered(y, 2), "norm_2", train, self.batch_axis)
        x = reduce(x)
        if x.shape[-1] != y.shape[-1]:
            x = pointwise(x, y.shape[-1], "conv_shortcut", self.dtype)
            x = normalized(x, "norm_shortcut", train, self.batch_axis)
        return self.activation(x + y)

    def _filtered(self, x, number):
        return self.convolution(
            self.width, size=3, use_bias=False, dtype=self.dtype, name=f"conv_{number}"
        )(x)


@configures(NJetResNet, without=("subsampling",))
class NJetResNetConfig(SubsampledConfig):
    """A layer, and three stages of residual blocks: 16-32-64, five each."""


@configures(NJetResNet, without=("subsampling",))
class NJetResNet110Config(NJetResNetConfig):
    """Bottleneck blocks, 18 per stage, from 32 to 128 channels."""

    width = 32
    depth = 18
    bottleneck = True


def njet_resnet32(**fields: Any) -> NJetResNet:
    """16-32-64, five blocks per stage. [njet] Table 4."""
    return NJetResNet(**fields)


def njet_resnet110(**fields: Any) -> NJetResNet:
    """Bottleneck blocks, 18 per stage, from 32 to 128 channels. [njet] Table 4.

    Choice: depth and width are the reading nearest to the published counts; 2 % short.
    """
    own = NJetResNet110Config
    kind = {"width": own.width, "depth": own.depth, "bottleneck": own.bottleneck}
    return NJetResNet(**{**kind, **fields})
