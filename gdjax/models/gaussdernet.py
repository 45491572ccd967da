"""GaussDerNet: scale-covariant and scale-invariant Gaussian derivative networks."""

from typing import Any

import flax.linen as nn
import jax

from gdjax.layers.gaussian_derivative import GaussianDerivative
from gdjax.models.configuration import configures
from gdjax.models.scale_channel_configuration import ScaleChannelConfig
from gdjax.models.scale_channels import (
    PUBLISHED_SIGMAS,
    ScaleChannelNet,
)
from gdjax.scalespace.scales import geometric_scales


class GaussDerNet(ScaleChannelNet):
    """Gaussian derivative layers in cascade, in parallel scale channels.

    Layer k of the channel with base scale sigma_0 has sigma_k = ratio^(k-1) sigma_0.
    A pointwise nonlinearity stands between the layers.

    Attributes:
      widths: output channels of all layers but the last.
      ...: those of `ScaleChannelNet`.

    Raises:
      TypeError, ValueError: at construction or call, for arguments out of range.

    [gaussdernet] (3), (6), (10), secs. 4-5.
    """

    widths: tuple[int, ...] = (12, 16, 24, 32, 64)

    @nn.nowrap
    def levels(self, sigma: Any) -> list[Any]:
        """sigma_k of all layers of the channel with base scale `sigma`, in px."""
        depth = len(self.widths) + 1
        return [sigma * r for r in geometric_scales(1.0, self.ratio, depth)]

    def layer_names(self) -> list[str]:
        """Where the parameters have the Gaussian derivative layers, in their order."""
        return [f"layer_{k + 1}" for k in range(len(self.widths) + 1)]

    def layer_features(self) -> list[int]:
        """Output channels of all layers."""
        return [*self.widths, self.num_classes]

    def _cascade(self, xs, groups, train: bool) -> list[jax.Array]:
        """Runs scale channels layer by layer, so that they share batch statistics."""
        for k, features in enumerate(self.layer_features()):
            layer = GaussianDerivative(
                features,
                zero_order=self.zero_order and k > 0,
                name=f"layer_{k + 1}",
                **self.derivative_fields(),
            )
            xs = [g.run(layer, y, k) for g, y in zip(groups, xs, strict=True)]
            if k < len(self.widths):
                norm = self.norm(f"norm_{k + 1}")
                xs = norm(xs, train=train, pixels=[g.own_pixels(k + 1) for g in groups])
                xs = [self.activation(y) for y in xs]
        return xs


@configures(GaussDerNet)
class GaussDerNetConfig(ScaleChannelConfig):
    """Gaussian derivative layers in cascade, in parallel scale channels."""


# [gaussdernet] sec. 4 and Fig. 7.
SMALL = GaussDerNetConfig(widths=(12, 14, 16, 20, 64))
DEFAULT = GaussDerNetConfig(widths=(12, 16, 24, 32, 64), sigmas=PUBLISHED_SIGMAS)
LARGE = GaussDerNetConfig(widths=(16, 24, 32, 48, 64), sigmas=PUBLISHED_SIGMAS)
# Digits of 40 px at factors from 0.3 to 1; as many parameters as SESN (gdjax).
FIVE_SIGMAS = tuple(2.0 ** (k / 2) for k in range(-2, 3))
MNIST_SCALE = GaussDerNetConfig(
    widths=(32, 64, 96, 192, 356), sigmas=FIVE_SIGMAS, eps=0.01
)


def gaussdernet_small(**fields: Any) -> GaussDerNet:
    """12-14-16-20-64: 13,608 parameters (one input channel). [gaussdernet] sec. 4."""
    return SMALL.build(**fields)


def gaussdernet_default(**fields: Any) -> GaussDerNet:
    """12-16-24-32-64, 8 scale channels: 20,674 parameters. [gaussdernet] Fig. 7."""
    return DEFAULT.build(**fields)


def gaussdernet_large(**fields: Any) -> GaussDerNet:
    """16-24-32-48-64, 8 scale channels: 32,642 parameters. [gaussdernet] Fig. 7."""
    return LARGE.build(**fields)


def gaussdernet_mnist_scale(**fields: Any) -> GaussDerNet:
    """32-64-96-192-356, 5 scale channels: 495,070 parameters, as many as `SESN`.

    For the digits of MNIST-Scale enlarged twice, 56 px. gdjax.

    Args:
      **fields: fields of `GaussDerNet` to set otherwise.
    """
    return MNIST_SCALE.build(**fields)
