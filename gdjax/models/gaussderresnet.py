"""GaussDerResNet: Gaussian derivative networks with residual blocks."""

from typing import Any, Literal

import flax.linen as nn
import jax

from gdjax.layers.gaussian_derivative import GaussianDerivative
from gdjax.layers.remat import recompute
from gdjax.layers.residual import ResidualBlock
from gdjax.models.configuration import configures
from gdjax.models.gaussdernet import FIVE_SIGMAS
from gdjax.models.scale_channel_configuration import ScaleChannelConfig
from gdjax.models.scale_channels import ScaleChannelNet
from gdjax.scalespace.checks import check_order
from gdjax.scalespace.scales import geometric_scales


class GaussDerResNet(ScaleChannelNet):
    """Residual blocks of Gaussian derivative layers, in parallel scale channels.

    A Gaussian derivative layer with normalisation, B = len(widths) - 1 residual blocks
    of two layers each, and a last Gaussian derivative layer: L = 2 B + 2 layers. Layer
    k has sigma_k = ratio^(e - 1) sigma_0 with the effective layer e = floor(k/2) + 1:
    both layers of a block share their scale.

    Attributes:
      widths: output channels of the first layer and of every block.
      ...: those of `ScaleChannelNet`.
      separable_from: the first block, counted from 1, with depthwise-separable layers;
        None: no block has them.
      activate: where blocks apply the nonlinearity, see `ResidualBlock`.
      remat: whether blocks are computed again in the backward pass instead of keeping
        what is inside them: less memory, more time.

    Raises:
      TypeError, ValueError: at construction or call, for arguments out of range.

    [gaussderresnet] (28)-(36), secs. 3.3, 3.6, 3.8; any dimension: sec. 3.1.
    """

    widths: tuple[int, ...] = (48, 24, 32, 32, 48, 48, 64, 64, 128)
    ratio: float = 1.13
    separable_from: int | None = None
    activate: Literal["sum", "branch"] = "sum"
    remat: bool = False

    def __post_init__(self):
        super().__post_init__()
        blocks = len(self.widths) - 1
        if blocks < 1:
            raise ValueError(
                f"`widths={self.widths}` must have at least two entries: that of the"
                " first layer, and one for each residual block."
            )
        first = self.separable_from
        if first is None:
            return
        if not 1 <= check_order(first, name="separable_from") <= blocks:
            raise ValueError(
                f"`separable_from={first}` must be one of the blocks 1 to {blocks}, or"
                " None for a network without depthwise-separable blocks."
            )

    @nn.nowrap
    def levels(self, sigma: Any) -> list[Any]:
        """sigma_k of all layers of the channel with base scale `sigma`, in px."""
        blocks = len(self.widths) - 1
        effective = geometric_scales(1.0, self.ratio, blocks + 2)
        layers = range(1, 2 * blocks + 3)
        return [sigma * effective[k // 2] for k in layers]

    def layer_names(self) -> list[str]:
        """Where the parameters have the Gaussian derivative layers, in their order."""
        blocks = range(1, len(self.widths))
        inner = [f"block_{b}/layer_{k}" for b in blocks for k in (1, 2)]
        return ["layer_1", *inner, f"layer_{2 * len(self.widths)}"]

    def layer_features(self) -> list[int]:
        """Output channels of all layers."""
        inner = [width for width in self.widths[1:] for _ in (1, 2)]
        return [self.widths[0], *inner, self.num_classes]

    def _cascade(self, xs, groups, train: bool) -> list[jax.Array]:
        """Runs scale channels block by block, so that they share batch statistics."""
        xs = self._plain(xs, 0, self.widths[0], groups)
        xs = self.norm("norm_1")(
            xs, train=train, pixels=[group.own_pixels(1) for group in groups]
        )
        xs = [self.activation(y) for y in xs]
        for number in range(1, len(self.widths)):
            xs = self._block(xs, number, groups, train)
        return self._plain(xs, 2 * len(self.widths) - 1, self.num_classes, groups)

    def _plain(self, xs, k: int, features: int, groups) -> list[jax.Array]:
        """Layer number k + 1, which is in no block."""
        layer = GaussianDerivative(
            features,
            zero_order=self.zero_order and k > 0,
            name=f"layer_{k + 1}",
            **self.derivative_fields(),
        )
        return [group.run(layer, x, k) for group, x in zip(groups, xs, strict=True)]

    def _block(self, xs, number: int, groups, train: bool) -> list[jax.Array]:
        first = self.separable_from
        block = ResidualBlock(
            self.widths[number],
            separable=first is not None and number >= first,
            zero_order=self.zero_order,
            activation=self.activation,
            activate=self.activate,
            batch_axis=self.batch_axis,
            name=f"block_{number}",
            **self.derivative_fields(),
        )
        k = 2 * number - 1
        sigmas = [group.levels[k] for group in groups]
        windows = [tuple(group.windows[k : k + 3]) for group in groups]

        def run(block, xs):
            return block(xs, sigmas=sigmas, windows=windows, train=train)

        if self.remat:
            reduces = self.scale_channel_axis is not None or self.batch_axis is not None
            run = nn.remat(run) if reduces else recompute(run)
        return run(block, xs)


@configures(GaussDerResNet)
class GaussDerResNetConfig(ScaleChannelConfig):
    """Residual blocks of Gaussian derivative layers, in parallel scale channels."""


# sqrt 2 apart, from 1/(2 sqrt 2) to 2 px: [gaussderresnet] sec. 5.1.
SIX_SIGMAS = tuple(2.0 ** (k / 2) for k in range(-3, 3))
# [gaussderresnet] Table 1.
FASHION_MNIST = GaussDerResNetConfig(
    widths=(48, 24, 32, 32, 48, 48, 64, 64, 128), sigmas=SIX_SIGMAS, ratio=1.13,
    eps=0.01, scale_dropout=0.2,
)  # fmt: skip
CIFAR10 = GaussDerResNetConfig(
    widths=(48, 48, 64, 64, 64, 192, 192, 192, 256), sigmas=SIX_SIGMAS, ratio=1.2,
    eps=0.005, scale_dropout=0.3,
)  # fmt: skip
STL10 = GaussDerResNetConfig(
    widths=(48, 48, 64, 64, 128, 128, 192, 192, 256), sigmas=SIX_SIGMAS, ratio=1.32,
    eps=0.005, scale_dropout=0.3, zero_order=True, spatial_selection="max",
)  # fmt: skip
# As many parameters as SESN (gdjax).
MNIST_SCALE = GaussDerResNetConfig(
    widths=(48, 32, 40, 40, 64, 64, 96, 96, 144), sigmas=FIVE_SIGMAS, ratio=1.13,
    eps=0.01, scale_dropout=0.2,
)  # fmt: skip


def _preset(
    config: GaussDerResNetConfig, separable: bool, fields: dict[str, Any]
) -> GaussDerResNet:
    """Choice: separable blocks from the fifth on, as the published counts require."""
    first = 5 if separable else None
    return config.build(**{"separable_from": first, **fields})


def gaussderresnet_fashion_mnist(
    *, separable: bool = False, **fields: Any
) -> GaussDerResNet:
    """294,802 parameters, separable 119,794. [gaussderresnet] Table 1.

    Args:
      separable: whether blocks 5 to 8 are depthwise-separable.
      **fields: fields of `GaussDerResNet` to set otherwise.
    """
    return _preset(FASHION_MNIST, separable, fields)


def gaussderresnet_cifar10(*, separable: bool = False, **fields: Any) -> GaussDerResNet:
    """1,783,434 parameters, separable 547,082. [gaussderresnet] Table 1.

    Args:
      separable: whether blocks 5 to 8 are depthwise-separable.
      **fields: fields of `GaussDerResNet` to set otherwise.
    """
    return _preset(CIFAR10, separable, fields)


def gaussderresnet_stl10(*, separable: bool = False, **fields: Any) -> GaussDerResNet:
    """2,072,586 parameters, separable 669,322. [gaussderresnet] Table 1.

    Args:
      separable: whether blocks 5 to 8 are depthwise-separable.
      **fields: fields of `GaussDerResNet` to set otherwise.
    """
    return _preset(STL10, separable, fields)


def gaussderresnet_stl10_single(**fields: Any) -> GaussDerResNet:
    """The same network in one scale channel: [gaussderresnet] Table 3.

    Choice: sigma_0 = 1 px (not published).
    """
    return gaussderresnet_stl10(**{"sigmas": (1.0,), "scale_dropout": 0.0, **fields})


def gaussderresnet_cifar10_large(**fields: Any) -> GaussDerResNet:
    """One scale channel, about 10 M parameters. [gaussderresnet] sec. 6.2.2, footnote.

    Choice: the widths of `gaussderresnet_cifar10`, 2.4 times as wide (10.2 M); the
    paper's are not published.
    """
    widths = (112, 112, 152, 152, 152, 464, 464, 464, 608)
    defaults = {"widths": widths, "sigmas": (1.0,), "scale_dropout": 0.0}
    return gaussderresnet_cifar10(**{**defaults, **fields})


def gaussderresnet_mnist_scale(
    *, separable: bool = False, **fields: Any
) -> GaussDerResNet:
    """496,722 parameters, as many as `SESN`, 5 scale channels.

    For the digits of MNIST-Scale enlarged twice, 56 px. gdjax.

    Args:
      separable: whether blocks 5 to 8 are depthwise-separable.
      **fields: fields of `GaussDerResNet` to set otherwise.
    """
    return _preset(MNIST_SCALE, separable, fields)
