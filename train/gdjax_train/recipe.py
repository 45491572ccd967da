"""What a run trains: frozen dataclasses, filled in by recipes and the command line.

A run has one *trial* for each net, training size, realisation of the data and seed. A
trial goes through up to two *phases*: first one scale channel alone, then its weights
in all the scale channels, with or without further training (`gdjax_train.trials` spells
this out).
"""

from __future__ import annotations

import dataclasses
from typing import Literal

from gdjax.models import GaussDerNetConfig, NetworkConfig, Preprocessing

from .augment_config import AugmentConfig
from .scale_distribution import ScaleDistribution


Pooling = Literal["max", "logsumexp", "mean"]


@dataclasses.dataclass(frozen=True)
class DataConfig:
    """The data set and how much of it is used.

    Attributes:
      name: a data set of `gdjax.data`, such as "rescaled_digits"; "{size}" in it
        becomes the training size, "{realisation}" the realisation.
      folder: a user's own folder in place of the data set, with train/ and test/, and
        in each a folder for each class, or images/ beside masks/, as
        `gdjax.data.from_folder` reads them. Without validation/, every tenth training
        image of each class is validated on, and not trained on, if there is a
        validation. The first so many images are of all classes. At size factors other
        than 1, test images are rescaled on canvases of their own side.
      skip_unreadable: pass over pictures of the folder that can't be read; an error
        names them otherwise.
      train_images: train on the first so many images; None: on all.
      with_validation: train on the training and the validation images together.
      validation_images: images of the validation split that are classified after
        every epoch; 0: no validation, None: all.
      test_images: evaluate on the first so many images of each factor; None: on all.
      train_sizes: for data sets with several training sizes, those to train at, each
        by a net of its own; empty: the data set has one training split.
      enlarge: `train_sizes` are factors by which the images of the one split are
        enlarged, bilinearly.
      realisations: of a data set with several, each with trials of its own.
      lazy: read images when they are needed, in place of all of them at once: for data
        larger than memory.
      canvas: side in px of the black canvas in whose middle every image is placed, on
        the device; test images at any factor of the evaluation. None: images are as
        they are read.
      scales: size factors of the training and validation images on the canvas, each
        drawn once, whatever the seed of the run; realisations have their own. Test
        images are classified at such sizes, too, beside those of the evaluation.
    """

    name: str = "rescaled_digits"
    folder: str | None = None
    skip_unreadable: bool = False
    train_images: int | None = None
    with_validation: bool = False
    validation_images: int | None = 0
    test_images: int | None = None
    train_sizes: tuple[float, ...] = ()
    enlarge: bool = False
    realisations: tuple[int, ...] = ()
    lazy: bool = False
    canvas: int | None = None
    scales: ScaleDistribution = ScaleDistribution()


@dataclasses.dataclass(frozen=True)
class ScaleSchedule:
    """Learning rate of learned scales, where it is not that of the weights.

    Attributes:
      learning_rate: at the top; None: that of the weights times `sigma_rate`.
      min_learning_rate: at the end of the cosine.
      drops: epochs after which it falls, in place of the cosine; empty: cosine.
      drop_factor: to which part it falls.
      warmup_epochs: of linear warm-up; 0: none.
      warmup_fraction: of the learning rate, where the warm-up starts.
    """

    learning_rate: float | None = None
    min_learning_rate: float = 0.0
    drops: tuple[float, ...] = ()
    drop_factor: float = 0.1
    warmup_epochs: float = 0.0
    warmup_fraction: float = 0.0


@dataclasses.dataclass(frozen=True)
class OptimizerConfig:
    """Adam, AdamW or gradient descent with momentum, with a cosine or in steps.

    Attributes:
      name: adam and sgd ignore `weight_decay`.
      learning_rate: at the top of the schedule.
      min_learning_rate: at its end.
      drops: epochs after which the learning rate falls, in place of the cosine; empty:
        cosine.
      drop_factor: to which part it falls.
      power: p of (1 - t / T)^p, by which it falls in place of the cosine; 0: cosine.
      momentum: of sgd.
      sigma_rate: learning rate of learned scales, relative to that of the weights.
      head_rate: learning rate of all that isn't the network's backbone, relative to it.
      scales: a schedule of their own for learned scales.
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
    drop_factor: float = 0.1
    power: float = 0.0
    momentum: float = 0.9
    sigma_rate: float = 1.0
    head_rate: float = 1.0
    scales: ScaleSchedule = ScaleSchedule()
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
      channels: times the mean loss of the scale channels, each by itself, is added to
        that of the pooled scores. What a channel makes of objects too large or too
        small for it is then a matter of the loss even where another one decides. gdjax.
    """

    kind: Literal["softmax", "binary"] = "softmax"
    label_smoothing: float = 0.0
    class_weights: Literal["equal", "inverse_frequency"] = "equal"
    l2: float = 0.0
    channels: float = 0.0


@dataclasses.dataclass(frozen=True)
class Recipe:
    """A run, reproducible from this and the data alone.

    Attributes:
      seed: seed of initial weights, data order and dropout.
      seeds: several of them, each with trials of its own; tables and plots then have
        means and standard deviations. Empty: `seed` alone.
      epochs: epochs with one scale channel, the first phase; 0: skip that phase. Part
        of an epoch, such as 0.5, is possible.
      batch_size: images per step of the first phase.
      out: folder of the run; None: runs/<recipe>-<date-time>.
      data_dir: where the data sets are; None: the default of gdjax.data. Of a run on a
        `data.folder`, where that is, if it has moved.
      backbone_weights: safetensors file, with torchvision's names, of the weights that
        the network's backbone starts from (`load_resnet_weights`); None: random ones.
      initial_weights: file of a run's `weights/`, or of `gdjax.models.save_network`,
        with the weights and statistics that the first phase starts from; None: random
        ones. Of a network with the same parameters; its scale channels may be others.
      nets: flavours, "discretisation+activation", each trained and compared; more
        names after another "+" are ablations of the recipe, such as "+separable"
        (`gdjax_train.ablations`). Networks of [njet] also know "njet", as published,
        and fixed filters: "plain", "3x3", "dilated", "deformable".
      single_pyramid: `model.pyramid` of the first phase; None: the model's. With 0.5 a
        channel of 1 px runs on every other pixel, where a step costs about a quarter.
      multi_epochs: epochs with all scale channels, the second phase, or part of one;
        0: the weights are transferred as they are.
      multi_from: the multi-scale net starts from the single channel's weights, or from
        scratch.
      multi_sigmas: base scales of the channels that the second phase trains in, px at
        training size 1, and times the training size at others; empty: those that are
        evaluated, `model.sigmas`. With finer and coarser ones than these, a net that
        sees objects of one size learns what channels should say that are too fine or
        too coarse for objects of others.
      multi_batch_size: images per step of the second phase; None: as in the first.
      multi_learning_rate: learning rate of the second phase; None: as in the first.
      precision: type of activations; parameters, smoothing and loss stay float32.
      poolings: how scale channels are pooled, each evaluated.
      eval_factors: size factors of the evaluation; empty: all that the data set has.
      eval_batch_size: images per batch in evaluations.
      eval_training_images: training images that are classified beside the test images,
        the first so many, without random changes; 0: none, None: all.
      evaluated: weights that are evaluated: the last ones of a phase, or those that did
        best on the validation images.
      checkpoint_every: steps from one checkpoint to the next; the end of a phase is
        always saved.
      log_every: steps per row of metrics.jsonl.
      tensorboard: also write TensorBoard files (needs tensorboardX).
      data: data set.
      preprocessing: of its images, saved with the network.
      model: network.
      optimizer: optimiser and schedule.
      loss: loss.
      augment: random changes of the training images.
    """

    seed: int = 0
    seeds: tuple[int, ...] = ()
    epochs: int | float = 8
    batch_size: int = 32
    out: str | None = None
    data_dir: str | None = None
    backbone_weights: str | None = None
    initial_weights: str | None = None
    nets: tuple[str, ...] = ("discrete+relu",)
    single_pyramid: float | None = None
    multi_epochs: int | float = 0
    multi_from: Literal["single", "scratch"] = "single"
    multi_sigmas: tuple[float, ...] = ()
    multi_batch_size: int | None = None
    multi_learning_rate: float | None = None
    precision: Literal["float32", "bfloat16"] = "float32"
    poolings: tuple[Pooling, ...] = ("max",)
    eval_factors: tuple[float, ...] = ()
    eval_batch_size: int = 50
    eval_training_images: int | None = 0
    evaluated: Literal["last", "best"] = "last"
    checkpoint_every: int = 200
    log_every: int = 20
    tensorboard: bool = False
    data: DataConfig = DataConfig()
    preprocessing: Preprocessing = Preprocessing()  # noqa: RUF009 (frozen)
    model: NetworkConfig = GaussDerNetConfig()  # noqa: RUF009 (frozen)
    optimizer: OptimizerConfig = OptimizerConfig()
    loss: LossConfig = LossConfig()
    augment: AugmentConfig = AugmentConfig()
