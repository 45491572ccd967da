"""Deep scale-spaces: networks on lifted images, and their matched baselines."""

import dataclasses
from collections.abc import Callable
from typing import Any, ClassVar, Literal, Self

import flax.linen as nn
import jax
import jax.numpy as jnp

from gdjax.layers.module import Module
from gdjax.layers.norm import SharedBatchNorm
from gdjax.layers.scale_correlation import ScaleSpaceCorrelation, Start
from gdjax.layers.selection import keep_scales, max_over_scales
from gdjax.models.configuration import NetworkConfig, configures
from gdjax.models.njet_classifiers import check_batch
from gdjax.models.njet_deeplab import enlarged
from gdjax.scalespace.checks import check_order, check_rate, shown
from gdjax.scalespace.discretisation import Discretisation
from gdjax.scalespace.kernels import DiscreteGaussian
from gdjax.scalespace.scale_correlation import ScaleAxis
from gdjax.scalespace.semigroup import scale_space_lift


class ScaleSpaceNet(Module):
    """Base of the networks whose layers correlate over the semigroup of downscalings.

    Images are lifted to `levels` levels; all layers but those that read out act on
    levels and pixels, and share their weights and statistics over the levels; the
    maximum of every feature over the levels makes the result invariant. With one level
    it is the plain network of the same layers: the baseline (`matched_baseline`).

    Attributes:
      num_classes: K.
      levels: of the scale space.
      interaction: whether some layers mix two levels (scale dimension 2), interleaved
        with layers that don't; else none does.
      base: of the levels.
      zero_scale: px.
      discretisation: of the lift.
      scale_axis: border rule of the scale axis, see `extend_scale_axis`; with "extend"
        images are lifted to as many levels more as there are layers that mix.
      padding: border rule of the images.
      start: initial weights, "matched" or "he", see `ScaleSpaceCorrelation`.
      scale_dropout: probability with which a level is left out of the maximum while
        training, for each image (`keep_scales`); "dropout" keys are then needed.
      activation: pointwise nonlinearity.
      batch_axis: over which the batch is spread, as of `SharedBatchNorm`.
      dtype: of the activations, default the input's.

    Raises:
      TypeError, ValueError: at construction or call, for arguments out of range.

    [dss] sec. 3, 4. The supplement that has the architectures is not at hand: layers
    and widths are a Choice, after those that the text names.
    """

    num_classes: int = 10
    levels: int = 4
    interaction: bool = True
    base: float = 2.0
    zero_scale: float = 0.5
    discretisation: Discretisation = DiscreteGaussian()  # noqa: RUF009 (frozen)
    scale_axis: ScaleAxis = "truncate"
    padding: str = "zero"
    start: Start = "matched"
    scale_dropout: float = 0.0
    activation: Callable[[jax.Array], jax.Array] = nn.relu
    batch_axis: str | None = None
    dtype: Any = None

    def __post_init__(self):
        super().__post_init__()
        check_order(self.num_classes, name="num_classes", lowest=1)
        check_order(self.levels, name="levels", lowest=1)
        check_rate(self.scale_dropout, name="scale_dropout")
        if self.interaction and self.levels == 1:
            raise ValueError(
                "`levels=1` leaves nothing to mix: give `interaction=False`, or more"
                " levels."
            )
        self._correlation(1, mixes=False, parent=None)  # what it has against its fields

    def mixing_layers(self) -> int:
        """How many layers mix two levels."""
        raise NotImplementedError

    @nn.nowrap
    def _correlation(self, features: int, *, mixes: bool, size: int = 3, **place: Any):
        return ScaleSpaceCorrelation(
            features,
            kernel_size=(size, size),
            scale_dim=2 if mixes and self.interaction else 1,
            base=self.base,
            scale_axis=self.scale_axis,
            padding=self.padding,
            use_bias=False,
            start=self.start,
            zero_scale=self.zero_scale,
            discretisation=self.discretisation,
            dtype=self.dtype,
            **place,
        )

    def _lift(self, x: jax.Array) -> jax.Array:
        more = self.mixing_layers() if self.scale_axis == "extend" else 0
        return scale_space_lift(
            x,
            base=self.base,
            levels=self.levels + more,
            zero_scale=self.zero_scale,
            discretisation=self.discretisation,
            padding=self.padding,
        )

    def _pooled(self, y: jax.Array, train: bool) -> jax.Array:
        """The maximum over levels of features [B, L, ..., C]."""
        keep = None
        if train and self.scale_dropout:
            key = self.make_rng("dropout")
            keep = keep_scales(key, y.shape[:2], rate=self.scale_dropout)
        return max_over_scales(y, keep, axis=1)

    def _activated(self, x: jax.Array, name: str, train: bool) -> jax.Array:
        norm = SharedBatchNorm(batch_axis=self.batch_axis, name=name)
        return self.activation(norm([x], train=train)[0])


class SResNet(ScaleSpaceNet):
    """A residual network of scale-space correlations that labels every pixel.

    A layer, and stages of `depth` residual blocks of two layers; the first layer of the
    first block of the first two stages mixes levels.
    Every `stride`-th pixel is kept where a stage begins, which commutes with the action
    on lifted functions; logits are enlarged again, bilinearly.

    Attributes:
      widths: output channels of the stages, the first also of the first layer.
      depth: residual blocks per stage.
      strides: of the stages; 1 keeps all pixels.
      ...: those of `ScaleSpaceNet`.

    [dss] sec. 4, Cityscapes.
    """

    widths: tuple[int, ...] = (16, 32, 64)
    depth: int = 2
    strides: tuple[int, ...] = (1, 1, 1)

    def __post_init__(self):
        super().__post_init__()
        check_order(self.depth, name="depth", lowest=1)
        for name, values in (("widths", self.widths), ("strides", self.strides)):
            for value in values:
                check_order(value, name=name, lowest=1)
        if not self.widths or len(self.widths) != len(self.strides):
            raise ValueError(
                f"`widths={self.widths}`, `strides={self.strides}`: give one of each"
                " for every stage, at least one."
            )

    def mixing_layers(self) -> int:
        """How many layers mix two levels."""
        return min(2, len(self.widths)) if self.interaction else 0

    @nn.compact
    def __call__(self, x: Any, train: bool = False) -> tuple[jax.Array, dict[str, Any]]:
        """Labels the pixels of a batch [B, H, W, C], floating point.

        Returns:
          Logits [B, H, W, K], and a dict: `per_level`, logits [B, L, h, w, K] of every
          level by itself; `sizes`, (h, w) after every stage.
        """
        x = check_batch(x)
        dtype, shape = jnp.promote_types(x.dtype, jnp.float32), x.shape[1:3]
        stem = self._correlation(self.widths[0], mixes=False, name="conv_first")
        y = stem(self._lift(x))
        y = self._activated(y, "norm_first", train)
        sizes, total = [], 1
        for stage, (width, stride) in enumerate(
            zip(self.widths, self.strides, strict=True)
        ):
            y, total = y[..., ::stride, ::stride, :], total * stride
            for block in range(self.depth):
                mixes = stage < 2 and block == 0
                name = f"stage_{stage + 1}_block_{block + 1}"
                y = self._block(y, width, mixes, name, train)
            sizes.append(y.shape[-3:-1])
        readout = nn.Dense(self.num_classes, dtype=self.dtype, name="readout")
        per_level = readout(y).astype(dtype)
        logits = readout(self._pooled(y, train)).astype(dtype)
        if total > 1:
            logits = enlarged(logits, shape, total)
        return logits, {"per_level": per_level, "sizes": sizes}

    def _block(self, x, width: int, mixes: bool, name: str, train: bool) -> jax.Array:
        y = self._correlation(width, mixes=mixes, name=f"{name}_conv_1")(x)
        y = self._activated(y, f"{name}_norm_1", train)
        y = self._correlation(width, mixes=False, name=f"{name}_conv_2")(y)
        y = SharedBatchNorm(batch_axis=self.batch_axis, name=f"{name}_norm_2")(
            [y], train=train
        )[0]
        x = x[
            ..., : y.shape[-4], :, :, :
        ]  # with "extend" the coarsest level is used up
        if x.shape[-1] != width:
            shortcut = f"{name}_conv_shortcut"
            x = self._correlation(width, mixes=False, size=1, name=shortcut)(x)
        return self.activation(x + y)


class SDenseNet(ScaleSpaceNet):
    """Dense blocks of scale-space correlations, for classification.

    A layer; dense blocks, each layer of which adds channels to those before it and
    whose first layer mixes levels; between them 1 x 1 layers that halve the channels,
    and every second pixel. The mean over pixels is read out.

    Attributes:
      first: channels of the first layer.
      growth: channels that a layer of a dense block adds.
      blocks: layers of each dense block.
      ...: those of `ScaleSpaceNet`.

    [dss] sec. 4, Patch Camelyon; [Huang et al. 2017].
    """

    first: int = 24
    growth: int = 12
    blocks: tuple[int, ...] = (4, 4, 4)

    def __post_init__(self):
        super().__post_init__()
        check_order(self.first, name="first", lowest=1)
        check_order(self.growth, name="growth", lowest=1)
        for count in self.blocks:
            check_order(count, name="blocks", lowest=1)
        if not self.blocks:
            raise ValueError("`blocks=()`: give the layers of at least one block.")

    def mixing_layers(self) -> int:
        """How many layers mix two levels."""
        return len(self.blocks) if self.interaction else 0

    @nn.compact
    def __call__(self, x: Any, train: bool = False) -> tuple[jax.Array, dict[str, Any]]:
        """Classifies a batch [B, H, W, C], floating point.

        Returns:
          Logits [B, K], and a dict: `per_level`, logits [B, L, K] of every level by
          itself; `sizes`, (h, w) after every dense block.
        """
        x = check_batch(x)
        dtype = jnp.promote_types(x.dtype, jnp.float32)
        stem = self._correlation(self.first, mixes=False, name="conv_first")
        y, sizes = stem(self._lift(x)), []
        for number, count in enumerate(self.blocks, start=1):
            if number > 1:
                y = self._activated(y, f"norm_transition_{number - 1}", train)
                half = self._correlation(
                    y.shape[-1] // 2, mixes=False, size=1,
                    name=f"conv_transition_{number - 1}",
                )  # fmt: skip
                y = half(y)[..., ::2, ::2, :]
            for layer in range(1, count + 1):
                name = f"{number}_{layer}"
                z = self._activated(y, f"norm_{name}", train)
                conv = self._correlation(
                    self.growth, mixes=layer == 1, name=f"conv_{name}"
                )
                z = conv(z)
                y = jnp.concatenate([y[..., : z.shape[-4], :, :, :], z], axis=-1)
            sizes.append(y.shape[-3:-1])
        y = self._activated(y, "norm_last", train).mean((-3, -2))
        readout = nn.Dense(self.num_classes, name="readout")
        per_level = readout(y).astype(dtype)
        logits = readout(self._pooled(y, train)).astype(dtype)
        return logits, {"per_level": per_level, "sizes": sizes}


class ScaleSpaceConfig(NetworkConfig):
    """Base of the configurations of deep scale-spaces."""

    figures: ClassVar[tuple[str, ...]] = ("generalisation", "scores")

    def wider(self, factor: float) -> Self:
        """With so many times the channels, rounded."""
        raise NotImplementedError


def times(factor: float, channels: int) -> int:
    """So many times the channels, rounded, at least 1."""
    return max(1, round(factor * channels))


@configures(SResNet)
class SResNetConfig(ScaleSpaceConfig):
    """A residual network of scale-space correlations that labels every pixel."""

    segments: ClassVar[bool] = True
    figures: ClassVar[tuple[str, ...]] = ("generalisation", "scores", "segmentation")

    def wider(self, factor: float) -> Self:
        """With so many times the channels, rounded."""
        widths = tuple(times(factor, width) for width in self.widths)
        return dataclasses.replace(self, widths=widths)


@configures(SDenseNet)
class SDenseNetConfig(ScaleSpaceConfig):
    """Dense blocks of scale-space correlations, for classification."""

    def wider(self, factor: float) -> Self:
        """With so many times the channels, rounded."""
        first, growth = times(factor, self.first), times(factor, self.growth)
        return dataclasses.replace(self, first=first, growth=growth)


def matched_baseline(
    config: ScaleSpaceConfig,
    *,
    equal: Literal["parameters", "channels"],
    channels: int = 3,
) -> ScaleSpaceConfig:
    """The plain network that a deep scale-space is compared with.

    Args:
      config: of the deep scale-space.
      equal: "channels": of the same width; "parameters": as much wider as gives the
        number of parameters that comes nearest.
      channels: of the images.

    Returns:
      The configuration with one level and no interaction.

    Raises:
      TypeError: for another configuration.
      ValueError: for another `equal`.

    [dss] Table 1.
    """
    if not isinstance(config, ScaleSpaceConfig):
        raise TypeError(
            f"`config={shown(config)}` must be that of a deep scale-space, such as"
            " `SResNetConfig()`."
        )
    check_order(channels, name="channels", lowest=1)
    if not isinstance(equal, str) or equal not in ("parameters", "channels"):
        raise ValueError(f'`equal={equal!r}` must be "parameters" or "channels".')
    own: Any = config
    plain = dataclasses.replace(own, levels=1, interaction=False)
    if equal == "channels":
        return plain
    wanted, low, high = _parameters(config, channels), 0.5, 2.0
    found = {}
    for _ in range(12):  # halves the range: finer than any rounding
        factor = (low + high) / 2
        wider = plain.wider(factor)
        found[wider] = _parameters(wider, channels)
        low, high = (factor, high) if found[wider] < wanted else (low, factor)
    return min(found, key=lambda each: abs(found[each] - wanted))


def _parameters(config: ScaleSpaceConfig, channels: int) -> int:
    image = jax.ShapeDtypeStruct((1, 64, 64, channels), jnp.float32)
    module = config.build(padding="wrap")
    made = jax.eval_shape(lambda x: module.init(jax.random.key(0), x), image)
    return sum(leaf.size for leaf in jax.tree.leaves(made["params"]))
