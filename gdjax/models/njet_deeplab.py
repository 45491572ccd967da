"""DeepLabv2 with an N-Jet head, and its plain twin."""

from typing import Any, ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp

from gdjax.layers.convolutions import Convolution, njet_convolution
from gdjax.layers.gaussian_derivative import he_uniform
from gdjax.layers.module import Module
from gdjax.layers.norm import SharedBatchNorm
from gdjax.models.configuration import ModuleConfig, configures
from gdjax.models.njet_classifiers import check_batch
from gdjax.models.njet_configuration import SEGMENTATION_FIGURES, NJetNetworkConfig
from gdjax.models.njet_segmentation import NJetASPP
from gdjax.scalespace.checks import check_order


class DilatedResNet(Module):
    """ResNet-101 without its readout, the last stages dilated, not subsampled.

    42,500,160 parameters; from [B, H, W, C] to a `stride`-th of H and W, rounded up,
    and 32 times `width` channels: pixel i lies at pixel `stride` i of the image.
    Plain convolutions. Parameters have the names that torchvision gives them, with
    `_` for `.`, so that its weights can be read (`load_resnet_weights`).

    Attributes:
      blocks: bottlenecks in each of the four stages.
      width: channels of the first layer.
      stride: 8, 16 or 32. A stage that would subsample further dilates its 3 x 3
        layers instead, but for that one which would have subsampled: at every
        `stride`-th pixel, the same function as with stride 32.
      frozen: whether batch normalisation is that of the weights' running statistics,
        and isn't trained.
      batch_axis: over which the batch is spread, as of `SharedBatchNorm`.
      dtype: of the activations, default the input's.

    Raises:
      TypeError, ValueError: at construction or call, for arguments out of range.

    [njet] sec. 4.2, experiment 2(B); [He et al. 2016], [Chen et al. 2017].
    """

    blocks: tuple[int, int, int, int] = (3, 4, 23, 3)
    width: int = 64
    stride: int = 8
    frozen: bool = True
    batch_axis: str | None = None
    dtype: Any = None

    def __post_init__(self):
        super().__post_init__()
        for count in self.blocks:
            check_order(count, name="blocks", lowest=1)
        check_order(self.width, name="width", lowest=1)
        if self.stride not in (8, 16, 32):
            raise ValueError(f"`stride={self.stride!r}` must be 8, 16 or 32 px.")

    @nn.compact
    def __call__(self, x: Any, train: bool = False) -> jax.Array:
        """[B, H, W, C] -> [B, ceil(H / stride), ceil(W / stride), 32 width]."""
        x = check_batch(x)
        conv = padded_convolution(
            self.width, 7, stride=2, dtype=self.dtype, name="conv1"
        )
        x = conv(x)
        norm = SharedBatchNorm(
            frozen=self.frozen, batch_axis=self.batch_axis, name="bn1"
        )
        x = norm([x], train=train)[0]
        margin: Any = ((1, 1), (1, 1))
        x = nn.max_pool(nn.relu(x), (3, 3), (2, 2), margin)
        reached, dilation = 4, 1
        for stage, count in enumerate(self.blocks):
            step, before = 1, dilation
            if stage and reached < self.stride:
                step, reached = 2, 2 * reached
            elif stage:
                dilation *= 2
            for block in range(count):
                x = Bottleneck(
                    self.width * 2**stage,
                    stride=1 if block else step,
                    dilation=dilation if block else before,
                    frozen=self.frozen,
                    batch_axis=self.batch_axis,
                    dtype=self.dtype,
                    name=f"layer{stage + 1}_{block}",
                )(x, train)
        return x


class Bottleneck(Module):
    """1 x 1, 3 x 3 and 1 x 1 layers and a shortcut. [He et al. 2016]."""

    width: int
    stride: int = 1
    dilation: int = 1
    frozen: bool = True
    batch_axis: str | None = None
    dtype: Any = None

    @nn.compact
    def __call__(self, x: jax.Array, train: bool = False) -> jax.Array:
        """[B, H, W, C] -> [B, H', W', 4 width]."""

        def filtered(y, features, size, name, norm, **where):
            y = padded_convolution(
                features, size, dtype=self.dtype, name=name, **where
            )(y)  # fmt: skip
            normalize = SharedBatchNorm(
                frozen=self.frozen, batch_axis=self.batch_axis, name=norm
            )
            return normalize([y], train=train)[0]

        where = {"stride": self.stride, "dilation": self.dilation}
        y = nn.relu(filtered(x, self.width, 1, "conv1", "bn1"))
        y = nn.relu(filtered(y, self.width, 3, "conv2", "bn2", **where))
        y = filtered(y, 4 * self.width, 1, "conv3", "bn3")
        if self.stride > 1 or x.shape[-1] != y.shape[-1]:
            names = "downsample_0", "downsample_1"
            x = filtered(x, 4 * self.width, 1, *names, stride=self.stride)
        return nn.relu(x + y)


def padded_convolution(
    features: int,
    size: int,
    *,
    name: str,
    stride: int = 1,
    dilation: int = 1,
    dtype: Any = None,
) -> nn.Conv:
    """Without bias; output pixel i is centred on input pixel `stride` i."""
    return nn.Conv(
        features, (size, size), strides=stride, padding=dilation * (size // 2),
        kernel_dilation=dilation, use_bias=False, kernel_init=he_uniform,
        dtype=dtype, name=name,
    )  # fmt: skip


class NJetDeepLab(Module):
    """A dilated ResNet-101, features at several scales, logits for every pixel.

    42,930,261 parameters and four sigmas (order 3, 21 classes): 430,101 in the head.
    Weights of the backbone come from a file by `load_resnet_weights`, which torchvision
    trained on RGB images in [0, 1], less (0.485, 0.456, 0.406), over (0.229, 0.224,
    0.225).

    Attributes:
      num_classes: K, with the background.
      convolution: of the head, see `NJetASPP`, and so are:
      tied: whether the branches share weights and bias.
      sigmas: of N-Jet branches, px of the features, at the start.
      dilations: of plain branches, px of the features.
      bounds: lowest and highest sigma, px of the features.
      backbone: makes the features; `backbone=DilatedResNet(frozen=False)` trains batch
        normalisation too.
      dtype: of the head's activations, default that of the features.

    Raises:
      TypeError, ValueError: at construction or call, for arguments out of range.

    [njet] sec. 4.2, experiment 2(B), Table 6; [Chen et al. 2017].
    """

    num_classes: int = 21
    convolution: Convolution = njet_convolution
    tied: bool = True
    sigmas: tuple[float, ...] = (3.0, 6.0, 9.0, 12.0)
    dilations: tuple[int, ...] = (6, 12, 18, 24)
    bounds: tuple[float, float] = (0.25, 32.0)
    backbone: DilatedResNet = DilatedResNet()  # noqa: RUF009 (frozen)
    dtype: Any = None

    def __post_init__(self):
        super().__post_init__()
        self._head(parent=None)  # raises what the head has against its fields

    @nn.nowrap
    def _head(self, **place: Any) -> NJetASPP:
        return NJetASPP(
            self.num_classes,
            convolution=self.convolution,
            tied=self.tied,
            sigmas=self.sigmas,
            dilations=self.dilations,
            bounds=self.bounds,
            dtype=self.dtype,
            **place,
        )

    @nn.compact
    def __call__(self, x: Any, train: bool = False) -> tuple[jax.Array, dict[str, Any]]:
        """Classifies every pixel of [B, H, W, C], floating point.

        Returns:
          Logits [B, H, W, K], and a dict: `sizes`, the spatial size of the features.
        """
        features = self.backbone(x, train)
        logits, _ = self._head(name="head")(features, train)
        logits = enlarged(logits, jnp.shape(x)[1:3], self.backbone.stride)
        return logits, {"sizes": [features.shape[1:3]]}


def enlarged(x: jax.Array, size: tuple[int, ...], stride: int) -> jax.Array:
    """Bilinear: pixel i of `x` [B, h, w, C] lies at pixel `stride` i of the result.

    Choice: so, and not with corners aligned or halves of pixels, which would shift what
    the backbone computes; beyond the last pixel it is constant.
    """
    x = jnp.pad(x, ((0, 0), (0, 1), (0, 1), (0, 0)), "edge")
    # JAX puts the middle of pixel i at i + 1/2.
    return jax.image.scale_and_translate(
        x, (x.shape[0], *size, x.shape[-1]), (1, 2),
        scale=jnp.full(2, float(stride)), translation=jnp.full(2, (1 - stride) / 2),
        method="linear", antialias=False,
    )  # fmt: skip


@configures(DilatedResNet)
class DilatedResNetConfig(ModuleConfig):
    """ResNet-101 without its readout, the last stages dilated, not subsampled."""


@configures(NJetDeepLab)
class NJetDeepLabConfig(NJetNetworkConfig):
    """A dilated ResNet-101, features at several scales, logits for every pixel."""

    segments: ClassVar[bool] = True
    figures: ClassVar[tuple[str, ...]] = SEGMENTATION_FIGURES

    backbone: DilatedResNetConfig = DilatedResNetConfig()  # noqa: RUF009 (frozen)

    @property
    def scale_bounds(self) -> tuple[float, float]:
        """Lowest and highest learned sigma, px of the features."""
        return self.bounds

    def module_fields(self) -> dict[str, Any]:
        """Fields of the module."""
        return super().module_fields() | {"backbone": self.backbone.build()}

    @classmethod
    def named_fields(cls, module: Any) -> dict[str, Any]:
        """Fields of the configuration.

        Raises:
          ValueError: for a backbone that is no `DilatedResNet`, or has a `dtype`.
        """
        made = module.backbone
        if type(made) is not DilatedResNet or made.dtype is not None:
            kind = type(made).__name__, getattr(made, "dtype", None)
            raise ValueError(
                f"`backbone`, a {kind[0]} with dtype {kind[1]}, can't be written: take"
                " a `DilatedResNet` without a `dtype`."
            )
        backbone = DilatedResNetConfig.of(made)
        return super().named_fields(module) | {"backbone": backbone}
