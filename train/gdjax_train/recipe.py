"""What a run trains: frozen dataclasses, filled in by recipes and the command line.

A run trains one *member* for each net flavour and training size. A member goes through
up to two *stages*: first one scale channel alone, then its weights in all the scale
channels, with or without further training (`gdjax_train.members` spells this out).
"""

from __future__ import annotations

import dataclasses
import types
import typing
from typing import Any, Literal

from .augment_config import AugmentConfig
from .errors import UserError
from .njet import NJetConfig


Pooling = Literal["max", "logsumexp", "mean"]
Family = Literal[
    "gaussdernet", "gaussderresnet", "njet_toy", "njet_nin", "njet_allcnn",
    "njet_resnet32", "njet_resnet110", "njet_efficientnet", "njet_unet",
]  # fmt: skip


@dataclasses.dataclass(frozen=True)
class DataConfig:
    """The data set and how much of it is used.

    Attributes:
      name: a data set of `gdjax.data`, such as "rescaled_digits"; "{size}" in it
        becomes the training size.
      train_images: train on the first so many images; None: on all.
      with_validation: train on the training and the validation images together.
      validation_images: images of the validation split that are classified after
        every epoch; 0: no validation, None: all.
      test_images: evaluate on the first so many images of each factor; None: on all.
      train_sizes: for data sets with several training sizes, those to train at, each
        by a net of its own; empty: the data set has one training split.
      enlarge: `train_sizes` are factors by which the images of the one split are
        enlarged, bilinearly.
    """

    name: str = "rescaled_digits"
    train_images: int | None = None
    with_validation: bool = False
    validation_images: int | None = 0
    test_images: int | None = None
    train_sizes: tuple[float, ...] = ()
    enlarge: bool = False


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """The network, apart from its flavour (`Recipe.nets`).

    Attributes:
      family: "gaussdernet", layers in cascade; "gaussderresnet", residual blocks; or a
        network of [njet], which has no scale channels.
      widths: output channels of all layers but the last, which has one per class; of
        gaussderresnet those of the first layer and of every block, of njet_unet those
        of the levels. The other networks of [njet] have their own.
      num_classes: outputs.
      single_sigma: base scale in px of the net with one scale channel; multiplied by
        the training size.
      sigmas: base scales in px of the multi-scale net; empty: single channel only.
      ratio: of the scale levels of successive layers, r of [gaussdernet] (6).
      order: highest order of derivative.
      zero_order: whether layers also use the smoothed image itself.
      padding: border rule.
      eps: mass of the kernel that truncation may cut off; None: full support.
      truncated: whether kernels are cut there; false: windows alone are, which is
        faster for coarse scale channels.
      pyramid: scale channels run on subsampled images, on which their base scale is at
        least so many px; None: all on the full grid.
      spatial_selection: where the logits are read out.
      scale_pooling: over scale channels, while training.
      scale_dropout: probability that a scale channel is left out of a training step.
      separable_from: gaussderresnet: the first block, counted from 1, with
        depthwise-separable layers; None: no block has them.
      activate: gaussderresnet: nonlinearity after the sum of a block, or in its branch.
      remat: gaussderresnet: compute blocks again in the backward pass, instead of
        keeping what is inside them.
      njet: the layers of [njet].
    """

    family: Family = "gaussdernet"
    widths: tuple[int, ...] = (16, 16, 24, 32)
    num_classes: int = 10
    single_sigma: float = 1.0
    sigmas: tuple[float, ...] = ()
    ratio: float = 1.25
    order: int = 2
    zero_order: bool = False
    padding: Literal["zero", "symmetric", "edge", "wrap"] = "zero"
    eps: float | None = 0.005
    truncated: bool = True
    pyramid: float | None = None
    spatial_selection: Literal["centre", "max", "mean"] = "centre"
    scale_pooling: Pooling = "max"
    scale_dropout: float = 0.0
    separable_from: int | None = None
    activate: Literal["sum", "branch"] = "sum"
    remat: bool = False
    njet: NJetConfig = NJetConfig()


@dataclasses.dataclass(frozen=True)
class OptimizerConfig:
    """Adam, AdamW or gradient descent with momentum, with a cosine or in steps.

    Attributes:
      name: adam and sgd ignore `weight_decay`.
      learning_rate: at the top of the schedule.
      min_learning_rate: at its end.
      drops: epochs after which the learning rate falls to a tenth, in place of the
        cosine; empty: cosine.
      momentum: of sgd.
      sigma_rate: learning rate of learned sigmas, relative to that of the weights.
      warmup_epochs: of linear warm-up; 0: none.
      warmup_fraction: of the learning rate, where the warm-up starts.
      weight_decay: of kernels only (biases and normalisation have none).
      clip_norm: largest global norm of the gradient; None: no clipping.
      ema_decay: of the running mean of the parameters that is then evaluated in place
        of the parameters; None: no mean.
    """

    name: Literal["adam", "adamw", "sgd"] = "adam"
    learning_rate: float = 0.01
    min_learning_rate: float = 5e-5
    drops: tuple[float, ...] = ()
    momentum: float = 0.9
    sigma_rate: float = 1.0
    warmup_epochs: float = 0.0
    warmup_fraction: float = 0.1
    weight_decay: float = 0.0
    clip_norm: float | None = None
    ema_decay: float | None = None


@dataclasses.dataclass(frozen=True)
class LossConfig:
    """The loss.

    Attributes:
      kind: softmax cross entropy, or one binary cross entropy per class.
      label_smoothing: mass of the target that is spread evenly over all classes.
      class_weights: of the pixels of a segmentation: all alike, or by the inverse of
        how often their class occurs in the training images.
      l2: times half the sum of squares of the weights of convolutions, N-Jet or plain
        (not of 1 x 1 ones), is added to the loss.
    """

    kind: Literal["softmax", "binary"] = "softmax"
    label_smoothing: float = 0.0
    class_weights: Literal["equal", "inverse_frequency"] = "equal"
    l2: float = 0.0


@dataclasses.dataclass(frozen=True)
class Recipe:
    """A run, reproducible from this and the data alone.

    Attributes:
      seed: seed of initial weights, data order and dropout.
      epochs: epochs with one scale channel, the first stage; 0: skip that stage.
      batch_size: images per step of the first stage.
      out: folder of the run; None: runs/<recipe>-<date-time>.
      data_dir: where the data sets are; None: the default of gdjax.data.
      nets: flavours, "discretisation+activation", each trained and compared; more
        names after another "+" are variants of the recipe, such as "+separable"
        (`gdjax_train.variants`). Networks of [njet] also know "njet", as published,
        and fixed filters: "plain", "3x3", "dilated", "deformable"
        (`gdjax_train.njet`).
      multi_epochs: epochs with all scale channels, the second stage; 0: the weights
        are transferred as they are.
      multi_from: the multi-scale net starts from the single channel's weights, or from
        scratch.
      multi_batch_size: images per step of the second stage; None: as in the first.
      multi_learning_rate: learning rate of the second stage; None: as in the first.
      precision: type of activations; parameters, smoothing and loss stay float32.
      poolings: how scale channels are pooled, each evaluated.
      eval_factors: size factors of the evaluation; empty: all that the data set has.
      eval_batch_size: images per batch in evaluations.
      checkpoint_every: steps from one checkpoint to the next; the end of a stage is
        always saved.
      log_every: steps per row of metrics.jsonl.
      tensorboard: also write TensorBoard files (needs tensorboardX).
      data: data set.
      model: network.
      optimizer: optimiser and schedule.
      loss: loss.
      augment: random changes of the training images.
    """

    seed: int = 0
    epochs: int = 8
    batch_size: int = 32
    out: str | None = None
    data_dir: str | None = None
    nets: tuple[str, ...] = ("discrete+relu",)
    multi_epochs: int = 0
    multi_from: Literal["single", "scratch"] = "single"
    multi_batch_size: int | None = None
    multi_learning_rate: float | None = None
    precision: Literal["float32", "bfloat16"] = "float32"
    poolings: tuple[Pooling, ...] = ("max",)
    eval_factors: tuple[float, ...] = ()
    eval_batch_size: int = 50
    checkpoint_every: int = 200
    log_every: int = 20
    tensorboard: bool = False
    data: DataConfig = DataConfig()
    model: ModelConfig = ModelConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    loss: LossConfig = LossConfig()
    augment: AugmentConfig = AugmentConfig()


def to_dict(recipe: Recipe) -> dict[str, Any]:
    """The recipe as plain values for JSON."""
    return dataclasses.asdict(recipe)


def from_dict(values: dict[str, Any], kind: type = Recipe) -> Any:
    """The inverse of `to_dict`, for values that went through JSON.

    Args:
      values: the mapping.
      kind: the dataclass to build.

    Returns:
      The dataclass; its lists become tuples.

    Raises:
      UserError: for fields that this version does not know, or lacks.
    """
    hints = typing.get_type_hints(kind)
    if set(values) != set(hints):
        odd = ", ".join(sorted(set(values) ^ set(hints)))
        raise UserError(
            f"the recipe was written by another version of gdjax: it differs in the "
            f"fields {odd}; use the version in the run's versions.json"
        )
    return kind(**{name: _value(values[name], hints[name]) for name in hints})


def _value(value: Any, hint: Any) -> Any:
    if dataclasses.is_dataclass(hint):
        return from_dict(value, typing.cast(type, hint))
    if isinstance(value, list):
        return tuple(value)
    # JSON knows no difference between 1 and 1.0; dataclass equality does not mind, but
    # a written recipe should read back as the types that it declares.
    allowed = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    if isinstance(value, int) and float in allowed and int not in allowed:
        return float(value)
    return value


def differences(old: Recipe, new: Recipe) -> list[str]:
    """Fields in which two recipes differ, as "model.order=3 (was 2)"."""
    return _differences(to_dict(old), to_dict(new), "")


def _differences(old: dict[str, Any], new: dict[str, Any], prefix: str) -> list[str]:
    found = []
    for name, value in old.items():
        if isinstance(value, dict):
            found += _differences(value, new[name], f"{prefix}{name}.")
        elif value != new[name]:
            found.append(f"{prefix}{name}={new[name]} (was {value})")
    return found
