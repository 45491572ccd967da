"""N-Jet networks for classification, and their plain twins."""

import dataclasses
from collections.abc import Callable
from typing import Any, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp

from gdjax.layers.convolutions import Convolution, njet_convolution
from gdjax.layers.module import Module
from gdjax.layers.norm import SharedBatchNorm
from gdjax.models.configuration import configures
from gdjax.models.njet_configuration import (
    SubsampledConfig,
    SubsampledLayers,
    configures_layers,
)
from gdjax.scalespace.checks import check_image, check_order, check_rate
from gdjax.scalespace.resampling import subsample_to


# Spatial size after every layer that may subsample.
Sizes = tuple[int, ...]
Subsampling = Literal["none", "published", "safe"]


class ConvolutionNet(Module):
    """Base of classifiers whose convolutions are N-Jets, or plain ones.

    Convolutions have no bias and are followed by batch normalisation and the
    activation; 1 x 1 convolutions stay what they are.

    Attributes:
      num_classes: K.
      convolution: makes the layers: `njet_convolution`, `plain_convolution`, or a
        partial of them.
      subsampling: "none": stride 1 and no pooling anywhere; "published": as the plain
        network was published; "safe": to `sizes`.
      sizes: sides in px after every N-Jet layer that may subsample
        (`safe_sizes(sigmas, size)`), for "safe".
      activation: pointwise nonlinearity.
      batch_axis: over which the batch is spread, as of `SharedBatchNorm`.
      dtype: of the activations, default the input's.

    Raises:
      TypeError, ValueError: at construction or call, for arguments out of range.

    [njet] sec. 4.1.
    """

    num_classes: int = 10
    convolution: Convolution = njet_convolution
    subsampling: Subsampling = "none"
    sizes: Sizes = ()
    activation: Callable[[jax.Array], jax.Array] = nn.relu
    batch_axis: str | None = None
    dtype: Any = None

    def __post_init__(self):
        super().__post_init__()
        check_order(self.num_classes, name="num_classes", lowest=1)
        for side in self.sizes:
            check_order(side, name="sizes", lowest=1)
        wanted = len(self.spot_layers()) if self.subsampling == "safe" else 0
        if len(self.sizes) != wanted:
            raise ValueError(
                f"`sizes={self.sizes}` must have {wanted} sides with"
                f' `subsampling="{self.subsampling}"`: make them with `safe_sizes`.'
            )

    def spot_layers(self) -> tuple[str, ...]:
        """The layers that may subsample, whose sigmas make `sizes`."""
        return ()

    @nn.compact
    def __call__(self, x: Any, train: bool = False) -> tuple[jax.Array, dict[str, Any]]:
        """Classifies a batch [B, H, W, C], floating point.

        Returns:
          Logits [B, K], and a dict: `sizes`, the spatial size after every layer.
        """
        x = check_batch(x)
        seen: list[tuple[int, ...]] = []
        logits = self._layers(x, train, seen)
        return logits.astype(jnp.promote_types(x.dtype, jnp.float32)), {"sizes": seen}

    def _layers(self, x: jax.Array, train: bool, seen: list) -> jax.Array:
        raise NotImplementedError

    def _filtered(self, x, features: int, size: int, number: int) -> jax.Array:
        """Layer `number` by the convolution that was asked for."""
        layer = self.convolution(
            features, size=size, use_bias=False, dtype=self.dtype, name=f"conv_{number}"
        )
        return layer(x)

    def _activated(self, x, number: int | str, train: bool, seen: list) -> jax.Array:
        x = self.activation(normalized(x, f"norm_{number}", train, self.batch_axis))
        seen.append(x.shape[1:3])
        return x

    def _subsampled(self, x, spot: int, pool: Callable[..., jax.Array] | None):
        """After the layer of number `spot` of those that may subsample."""
        if self.subsampling == "safe":
            return subsample_to(x, self.sizes[spot])
        if self.subsampling == "published" and pool is not None:
            return pool(x)
        return x


def check_batch(x: Any) -> jax.Array:
    """Returns `x` as a JAX array; raises an error unless it is [B, H, W, C]."""
    x = check_image(x, ndim=2)
    if x.ndim != 4:
        raise ValueError(f"the images have shape {x.shape}; give [B, H, W, C].")
    return x


def pointwise(x: jax.Array, features: int, name: str, dtype: Any) -> jax.Array:
    """A 1 x 1 convolution without bias, in the module that calls."""
    start = nn.initializers.he_uniform()
    dense = nn.Dense(
        features, use_bias=False, dtype=dtype, kernel_init=start, name=name
    )
    return dense(x)


def normalized(
    x: jax.Array, name: str, train: bool, batch_axis: str | None
) -> jax.Array:
    """Batch normalisation, in the module that calls."""
    return SharedBatchNorm(batch_axis=batch_axis, name=name)([x], train=train)[0]


def max_pool(x: jax.Array) -> jax.Array:
    """3 x 3, stride 2."""
    return nn.max_pool(x, (3, 3), (2, 2), "SAME")


def mean_pool(x: jax.Array) -> jax.Array:
    """3 x 3, stride 2."""
    return nn.avg_pool(x, (3, 3), (2, 2), "SAME", count_include_pad=False)


def every_second(x: jax.Array) -> jax.Array:
    """What a convolution with stride 2 would have computed."""
    return x[:, ::2, ::2]


class NJetNIN(ConvolutionNet):
    """Network in network: three N-Jet layers, each followed by two 1 x 1 layers.

    720,151 parameters (order 3, three input channels), 496,663 with order 2; plain
    968,404. "published" pools 3 x 3 px after the first two blocks.

    Attributes:
      kernel_sizes: of the plain twin, px.
      dropout: rate after the first two blocks (stream `dropout`).
      width: channels of all layers but the last, relative to the published ones.
      ...: those of `ConvolutionNet`.

    [njet] sec. 4.1; Network in network: [Lin et al. 2014].
    """

    kernel_sizes: tuple[int, int, int] = (5, 5, 3)
    dropout: float = 0.5
    width: float = 1.0

    def spot_layers(self):  # noqa: D102
        return "conv_1", "conv_4", "conv_7"

    def __post_init__(self):
        super().__post_init__()
        if self.width <= 0:
            raise ValueError(f"`width={self.width}` must be positive.")
        for size in self.kernel_sizes:
            check_order(size, name="kernel_sizes", lowest=1)
        check_rate(self.dropout, name="dropout")

    def _layers(self, x, train, seen):
        blocks = ((192, 160, 96), (192, 192, 192), (192, 192, self.num_classes))
        blocks = [[max(1, round(self.width * n)) for n in block] for block in blocks]
        blocks[-1][-1] = self.num_classes
        pools = (max_pool, mean_pool, None)
        for k, (features, *points) in enumerate(blocks):
            number = 3 * k + 1
            x = self._filtered(x, features, self.kernel_sizes[k], number)
            if self.subsampling == "safe":
                x = self._subsampled(x, k, None)
            x = self._activated(x, number, train, seen)
            for offset, width in enumerate(points, start=1):
                x = pointwise(x, width, f"conv_{number + offset}", self.dtype)
                x = self._activated(x, number + offset, train, seen)
            if self.subsampling == "published":
                x = self._subsampled(x, k, pools[k])
            if k < 2:
                x = nn.Dropout(self.dropout, deterministic=not train)(x)
        return x.mean((1, 2))


class NJetAllCNN(ConvolutionNet):
    """Convolutions alone: 96-96-192-192-192, 1 x 1 with 192, 1 x 1 with K.

    1,074,829 parameters with 100 classes (order 3), plain 973,160. Choice: "published"
    takes every second pixel after layers 2 and 4; seven layers are the reading of
    ALL-CNN that has the published counts.

    [njet] sec. 4.1; ALL-CNN: [Springenberg et al. 2015].
    """

    def spot_layers(self):  # noqa: D102
        return tuple(f"conv_{k}" for k in range(1, 6))

    def _layers(self, x, train, seen):
        for k, features in enumerate((96, 96, 192, 192, 192)):
            x = self._filtered(x, features, 3, k + 1)
            x = self._subsampled(x, k, every_second if k in (1, 3) else None)
            x = self._activated(x, k + 1, train, seen)
        for number, features in ((6, 192), (7, self.num_classes)):
            x = pointwise(x, features, f"conv_{number}", self.dtype)
            x = self._activated(x, number, train, seen)
        return x.mean((1, 2))


@configures_layers
class NINLayers(SubsampledLayers):
    """N-Jet layers of network in network.

    Attributes:
      width: channels of all layers but the last, relative to the published ones.
    """

    width: float = 1.0


@configures(NJetNIN, without=("subsampling", "width"))
class NJetNINConfig(SubsampledConfig):
    """Network in network: three N-Jet layers, each followed by two 1 x 1 layers."""

    njet: NINLayers = NINLayers()  # noqa: RUF009 (frozen)

    def module_fields(self) -> dict[str, Any]:
        """Fields of the module."""
        return super().module_fields() | {"width": self.njet.width}

    @classmethod
    def _layers(cls, module: Any) -> NINLayers:
        return dataclasses.replace(
            cls.njet, subsampling=module.subsampling, width=module.width
        )

    @classmethod
    def sized(cls, size: int) -> dict[str, Any]:
        """Fields for plain filters of that size, px."""
        return {"kernel_sizes": (size,) * 3}


@configures(NJetAllCNN, without=("subsampling",))
class NJetAllCNNConfig(SubsampledConfig):
    """Convolutions alone: 96-96-192-192-192, 1 x 1 with 192, 1 x 1 with K."""
