"""N-Jet networks for segmentation, and their plain twins."""

import functools
import math
from collections.abc import Mapping
from typing import Any, ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from gdjax.layers.convolutions import Convolution, njet_convolution
from gdjax.layers.fields import check_widths
from gdjax.layers.module import Module
from gdjax.layers.njet_conv import LearnedSigma, NJetConv, check_bounds
from gdjax.models.configuration import configures
from gdjax.models.njet_configuration import SEGMENTATION_FIGURES, NJetNetworkConfig
from gdjax.scalespace.checks import check_image, check_order
from gdjax.scalespace.execution.products import mix_channels


class NJetUNet(Module):
    """Two layers with ReLU per level, 2 x 2 max pooling down, bilinear up, skips.

    Order 2: 1,255,755 parameters and ten sigmas, order 4: 3,136,395 and ten; plain
    1,882,635. No batch normalisation.

    Attributes:
      num_classes: K, with the background.
      widths: output channels of the levels.
      convolution: makes the layers, see `ConvolutionNet`.
      kernel_size: of the plain twin, px.
      dtype: of the activations, default the input's.

    Raises:
      TypeError, ValueError: at construction or call, for arguments out of range.

    [njet] sec. 4.2, experiments 1.1(B), 1.2(B).
    """

    num_classes: int = 11
    widths: tuple[int, ...] = (64, 128, 256)
    convolution: Convolution = njet_convolution
    kernel_size: int = 3
    dtype: Any = None

    def __post_init__(self):
        super().__post_init__()
        check_widths(self.widths, num_classes=self.num_classes)
        check_order(self.kernel_size, name="kernel_size", lowest=1)
        if not self.widths:
            raise ValueError("`widths=()`: give those of one level or more.")

    @nn.compact
    def __call__(self, x: Any, train: bool = False) -> tuple[jax.Array, dict[str, Any]]:
        """Classifies every pixel of [B, H, W, C], floating point.

        Returns:
          Logits [B, H, W, K], and a dict: `sizes`, the spatial size of every level.
        """
        del train
        x = check_image(x, ndim=2)
        levels, least = len(self.widths), 2 ** (len(self.widths) - 1)
        if x.ndim != 4 or min(x.shape[1:3]) < least:
            raise ValueError(
                f"the images have shape {x.shape}; give [B, H, W, C] with at least"
                f" {least} px a side for {levels} levels."
            )
        dtype = jnp.promote_types(x.dtype, jnp.float32)
        maps: list[jax.Array] = []
        for level, width in enumerate(self.widths):
            if level:
                x = nn.max_pool(x, (2, 2), (2, 2))
            x = self._level(x, width, f"down_{level + 1}")
            maps.append(x)
        for level in reversed(range(levels - 1)):
            shape = (*maps[level].shape[:3], x.shape[-1])
            x = jax.image.resize(x, shape, "linear")
            x = jnp.concatenate([maps[level], x], axis=-1)
            x = self._level(x, self.widths[level], f"up_{level + 1}")
        readout = nn.Dense(
            self.num_classes, dtype=self.dtype, dot_general=mix_channels, name="readout"
        )
        return readout(x).astype(dtype), {"sizes": [y.shape[1:3] for y in maps]}

    def _level(self, x: jax.Array, width: int, name: str) -> jax.Array:
        for k in (1, 2):
            layer = self.convolution(
                width, size=self.kernel_size, dtype=self.dtype, name=f"{name}_{k}"
            )
            x = nn.relu(layer(x))
        return x


class NJetASPP(Module):
    """The sum of the same features at several scales: the head of DeepLabv2.

    From 2,048 to 21 channels: orders 3, 2, 1 with tied weights 430,101, 258,069 and
    129,045 parameters and four sigmas; plain 1,548,372, tied 387,093.

    Attributes:
      num_classes: K.
      convolution: `njet_convolution`, `plain_convolution`, or a partial of them.
      tied: whether the branches share weights and bias; else each has its own.
      sigmas: of N-Jet branches, px, at the start; each is learned by itself.
      dilations: of plain branches, px.
      bounds: lowest and highest sigma, px.
      dtype: of the activations, default the input's.

    Raises:
      TypeError, ValueError: at construction or call, for arguments out of range.

    [njet] sec. 4.2, experiment 2(B), Table 6. Choice: sigmas of half the dilations, so
    that with k = 2 the filters reach as far.
    """

    num_classes: int = 21
    convolution: Convolution = njet_convolution
    tied: bool = True
    sigmas: tuple[float, ...] = (3.0, 6.0, 9.0, 12.0)
    dilations: tuple[int, ...] = (6, 12, 18, 24)
    bounds: tuple[float, float] = (0.25, 32.0)
    dtype: Any = None

    def __post_init__(self):
        super().__post_init__()
        check_order(self.num_classes, name="num_classes", lowest=1)
        for dilation in self.dilations:
            check_order(dilation, name="dilations", lowest=1)
        check_bounds(self.sigmas, self.bounds, name="sigmas")
        counts = len(self.sigmas), len(self.dilations)
        if 0 in counts or (not self.tied and counts[0] != counts[1]):
            raise ValueError(
                f"`sigmas={self.sigmas}` and `dilations={self.dilations}` must name the"
                " branches, as many of them if they aren't tied."
            )

    @nn.compact
    def __call__(self, x: Any, train: bool = False) -> tuple[jax.Array, dict[str, Any]]:
        """[B, H, W, C] -> logits [B, H, W, K], and an empty dict."""
        del train
        x = check_image(x, ndim=2)
        y = self._tied(x) if self.tied else self._untied(x)
        return y.astype(jnp.promote_types(x.dtype, jnp.float32)), {}

    def _make(self, name: str, **fields: Any) -> nn.Module:
        return self.convolution(
            self.num_classes, size=3, dtype=self.dtype, name=name, **fields
        )

    def _learned(self, number: int) -> jax.Array:
        sigma = self.sigmas[number]
        return LearnedSigma(sigma, self.bounds, name=f"sigma_{number + 1}")()

    def _tied(self, x: jax.Array) -> jax.Array:
        layer = self._make("branches", use_bias=False, dilation=self.dilations[0])
        if isinstance(layer, NJetConv):
            parts = [layer(x, sigma=self._learned(k)) for k in range(len(self.sigmas))]
            y = functools.reduce(jnp.add, parts)
        else:
            y = layer(x)
            kernel = layer.variables["params"]["kernel"].astype(y.dtype)
            for dilation in self.dilations[1:]:
                y = y + jax.lax.conv_general_dilated(
                    x.astype(y.dtype), kernel, (1, 1), "SAME",
                    rhs_dilation=(dilation, dilation),
                    dimension_numbers=("NHWC", "HWIO", "NHWC"),
                )  # fmt: skip
        bias = self.param("bias", nn.initializers.zeros, (self.num_classes,))
        return y + bias.astype(y.dtype)

    def _untied(self, x: jax.Array) -> jax.Array:
        total = 0.0
        for k, dilation in enumerate(self.dilations):
            layer = self._make(f"branch_{k + 1}", dilation=dilation)
            given = {"sigma": self._learned(k)} if isinstance(layer, NJetConv) else {}
            total = total + layer(x, **given)
        return jnp.asarray(total)


@configures(NJetUNet)
class NJetUNetConfig(NJetNetworkConfig):
    """Two layers with ReLU per level, 2 x 2 max pooling down, bilinear up, skips."""

    segments: ClassVar[bool] = True
    figures: ClassVar[tuple[str, ...]] = (*SEGMENTATION_FIGURES, "receptive_fields")

    @classmethod
    def sized(cls, size: int) -> dict[str, Any]:
        """Fields for plain filters of that size, px."""
        return {"kernel_size": size}

    def receptive_field(self, sigmas: Mapping[str, Any]) -> int | None:
        """Side in px of what a pixel at the end of the encoder sees.

        Args:
          sigmas: learned ones of the layers, px, as from `learned_scales`.

        Returns:
          None where filters have no end: whole N-Jets, or deformable ones.

        [njet] experiment 1.2(B), Fig. 11.
        """
        side, stride = 1, 1
        for level in range(1, len(self.widths) + 1):
            if level > 1:  # 2 x 2 px of the maximum
                side, stride = side + stride, 2 * stride
            for name in (f"down_{level}_1", f"down_{level}_2"):
                reach = self._reach(sigmas.get(name))
                if reach is None:
                    return None
                side += reach * stride
        return side

    def _reach(self, sigmas: Any) -> int | None:
        """How many px a layer's filters are wider than one."""
        if self.convolution == "plain":
            return self.kernel_size - 1
        if self.convolution == "dilated":
            return 2 * (self.kernel_size - 1)
        if self.convolution == "deformable" or self.njet.extent is None:
            return None
        sigma = self.njet.sigma if sigmas is None else float(np.max(sigmas))
        return 2 * math.ceil(self.njet.extent * sigma)


@configures(NJetASPP)
class NJetASPPConfig(NJetNetworkConfig):
    """The sum of the same features at several scales: the head of DeepLabv2."""

    segments: ClassVar[bool] = True
    figures: ClassVar[tuple[str, ...]] = SEGMENTATION_FIGURES

    @property
    def scale_bounds(self) -> tuple[float, float]:
        """Lowest and highest learned sigma, px of the features."""
        return self.bounds
