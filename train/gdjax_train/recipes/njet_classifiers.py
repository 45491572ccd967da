"""[njet]: network in network and the deeper networks, on CIFAR-10 and Fashion-MNIST."""

from __future__ import annotations

import dataclasses

from gdjax.models import Preprocessing
from gdjax.models.njet_classifiers import NINLayers, NJetAllCNNConfig, NJetNINConfig
from gdjax.models.njet_configuration import SubsampledConfig, SubsampledLayers
from gdjax.models.njet_efficientnet import NJetEfficientNetConfig
from gdjax.models.njet_resnet import NJetResNet110Config, NJetResNetConfig

from ..augment_config import AugmentConfig
from ..recipe import DataConfig, LossConfig, OptimizerConfig, Recipe
from .njet import small


PLAIN = "plain+relu+published"
SAFE = SubsampledLayers(subsampling="safe")
# Of the authors' code, which crops out of a black margin before it standardises.
CROP_AND_FLIP = AugmentConfig(horizontal_flip=0.5, crop_padding=4)
STANDARDISED = Preprocessing(
    mean=(0.4914, 0.4822, 0.4465), std=(0.2023, 0.1994, 0.2010)
)


def njet_cifar10() -> Recipe:
    """Network in network with N-Jets on CIFAR-10 ([njet] 3.1(A), Table 3).

    |            |                                                               |
    |------------|---------------------------------------------------------------|
    | data       | CIFAR-10, 50,000 images; horizontal flip, crop after 4 px of  |
    |            | padding, standardised                                         |
    | networks   | N-Jet-NIN, order 3, safe subsampling with r = 4 px; NIN       |
    | training   | 90 epochs, batch 128, momentum 0.9, learning rate 0.5, a      |
    |            | tenth of it after 30 and 60 epochs                            |
    | loss       | softmax cross entropy, L2 of 0.01 on the mixing weights; NIN  |
    |            | of 0.0005                                                     |

    Command: `gdjax-train njet_cifar10 --data-dir FOLDER`. Published: 91.60 % (NIN
    90.89 %). CIFAR-100: `--data.name cifar100 --model.num-classes 100`; SVHN:
    `--data.name svhn`. Others: `njet_cifar10_allcnn`, `..._resnet32`, `..._resnet110`,
    `..._efficientnet`.

    Choice: 90 epochs, batch 128, drops of the rate, changes of the images, means and
    deviations of CIFAR-10 and the L2 of NIN are those of the authors' code; the paper
    refers to the literature. That L2 is here on filters of more than a pixel; theirs is
    on all parameters. The validation images are trained on, too. On SVHN, images are
    flipped and standardised as here unless you say `--augment.horizontal-flip 0`,
    `--preprocessing.mean`, `--preprocessing.std`.
    """
    return Recipe(
        epochs=90,
        batch_size=128,
        nets=("njet+relu", f"{PLAIN}+l2-0.0005"),
        data=DataConfig(name="cifar10", with_validation=True),
        preprocessing=STANDARDISED,
        model=NJetNINConfig(order=3, njet=NINLayers(subsampling="safe")),
        optimizer=OptimizerConfig(name="sgd", learning_rate=0.5, drops=(30, 60)),
        loss=LossConfig(l2=0.01),
        augment=CROP_AND_FLIP,
        eval_batch_size=100,
        checkpoint_every=390,
    )


def njet_cifar10_allcnn() -> Recipe:
    """ALL-CNN ([njet] 3.2(A), Table 4): learning rate 0.25, L2 of 0.001.

    Command: `gdjax-train njet_cifar10_allcnn --data-dir FOLDER`. Published: 92.48 %
    (plain 91.87 %). Choice: 350 epochs, a tenth of the rate after 200, 250 and 300, as
    in ALL-CNN's paper; batch 128.
    """
    return _cifar(
        NJetAllCNNConfig(order=3, njet=SAFE), epochs=350, drops=(200, 250, 300),
        rate=0.25, l2=0.001,
    )  # fmt: skip


def njet_cifar10_resnet32() -> Recipe:
    """ResNet-32 ([njet] 3.2(A), Table 4): learning rate 0.1, L2 of 1e-4.

    Command: `gdjax-train njet_cifar10_resnet32 --data-dir FOLDER`. Published: 92.28 %
    (plain 92.30 %). Choice: 164 epochs, a tenth of the rate after 82 and 123, as in
    ResNet's paper.
    """
    model = NJetResNetConfig(order=3, njet=SAFE)
    return _cifar(model, epochs=164, drops=(82, 123), rate=0.1, l2=1e-4)


def njet_cifar10_resnet110() -> Recipe:
    """ResNet-110 ([njet] 3.2(A), Table 4): batch 16, rate 0.001, L2 of 1e-4, full size.

    The plain network in batches of 128 at a rate of 0.1. Choice, as in ResNet's paper:
    these two and its first epoch from a tenth of the rate, the epochs of both networks
    and the drops of their rates. Choice: the L2 of "our N-Jet-Resnet models" is that of
    the deep one, too.

    Command: `gdjax-train njet_cifar10_resnet110 --data-dir FOLDER`. Published: 93.71 %
    (plain 92.83 %).
    """
    recipe = _deep(NJetResNet110Config(order=3), l2=1e-4)
    plain = f"{PLAIN}+rate0.1+batch-128+warmup-1"
    return dataclasses.replace(recipe, nets=("njet+relu", plain))


def njet_cifar10_efficientnet() -> Recipe:
    """EfficientNet-B0 ([njet] 3.2(A), Table 4): batch 16, rate 0.001, full size.

    The plain network in batches of 32 at a rate of 0.01. Choice: epochs and drops of
    the rate, as of `njet_cifar10_resnet110`.

    Command: `gdjax-train njet_cifar10_efficientnet --data-dir FOLDER`. Published:
    93.51 % (plain 92.64 %).
    """
    recipe = _deep(NJetEfficientNetConfig(order=3), l2=0.0)
    plain = "plain+silu+published+rate0.01+batch-32"
    return dataclasses.replace(recipe, nets=("njet+silu", plain))


def njet_filter_sizes() -> Recipe:
    """Do resolution hyperparameters matter? NIN's filter sizes ([njet] 1.1(A), Fig. 6).

    Plain NIN with all filters 3 x 3, 5 x 5, 7 x 7, 9 x 9, and as published, each with
    and without subsampling, on Fashion-MNIST in place of CIFAR-10.

    Command: `gdjax-train njet_filter_sizes`. Choice: Fashion-MNIST, 20 epochs, a rate
    of 0.1 and a tenth of it after 10 and 15, an L2 of 1e-4, images as they are.
    """
    names = ("3x3", "5x5", "7x7", "9x9", "plain")
    kinds = ("published", "full-size")
    nets = tuple(f"{name}+relu+{kind}" for kind in kinds for name in names)
    return _garments(nets)


def njet_fixed_sigmas() -> Recipe:
    """A sigma that isn't learned: 0.5, 1, 2 px in NIN ([njet] 2.1(A), Table 1).

    With the published and with safe subsampling, on Fashion-MNIST in place of CIFAR-10.

    Command: `gdjax-train njet_fixed_sigmas`. Choice: data and training of
    `njet_filter_sizes`.
    """
    sigmas, kinds = ("sigma0.5", "sigma1", "sigma2"), ("published", "safe")
    nets = tuple(
        f"njet+relu+{kind}+fixed-sigma+{sigma}" for kind in kinds for sigma in sigmas
    )
    return _garments(nets)


def njet_safe_subsampling() -> Recipe:
    """The hyperparameter r of safe subsampling: 2, 4, 6 px ([njet] 2.2(A), Table 2).

    On Fashion-MNIST in place of CIFAR-10.

    Command: `gdjax-train njet_safe_subsampling`. Choice: data and training of
    `njet_filter_sizes`.
    """
    return _garments(tuple(f"njet+relu+r{r}" for r in (2, 4, 6)))


def njet_filter_sizes_small() -> Recipe:
    """`njet_filter_sizes` with a quarter of the channels, 2,000 images, 4 epochs.

    Command: `gdjax-train njet_filter_sizes_small`.
    """
    return _quarter(njet_filter_sizes())


def njet_fixed_sigmas_small() -> Recipe:
    """`njet_fixed_sigmas` with a quarter of the channels, 2,000 images, 4 epochs.

    Command: `gdjax-train njet_fixed_sigmas_small`.
    """
    return _quarter(njet_fixed_sigmas())


def njet_safe_subsampling_small() -> Recipe:
    """`njet_safe_subsampling` with a quarter of the channels, 2,000 images, 4 epochs.

    Command: `gdjax-train njet_safe_subsampling_small`.
    """
    return _quarter(njet_safe_subsampling())


def _quarter(recipe: Recipe) -> Recipe:
    njet = dataclasses.replace(recipe.model.njet, width=0.25)
    return dataclasses.replace(
        small(recipe, images=2_000, epochs=4),
        batch_size=32,
        model=dataclasses.replace(recipe.model, njet=njet),
        optimizer=dataclasses.replace(recipe.optimizer, drops=(2, 3)),
    )


def _garments(nets: tuple[str, ...]) -> Recipe:
    """NIN on Fashion-MNIST, 20 epochs."""
    return dataclasses.replace(
        njet_cifar10(),
        nets=nets,
        epochs=20,
        data=DataConfig(name="fashion_mnist"),
        preprocessing=Preprocessing(),
        augment=AugmentConfig(),
        optimizer=OptimizerConfig(name="sgd", learning_rate=0.1, drops=(10, 15)),
        loss=LossConfig(l2=1e-4),
    )


def _cifar(
    model: SubsampledConfig,
    *,
    epochs: int,
    drops: tuple[float, ...],
    rate: float,
    l2: float,
) -> Recipe:
    return dataclasses.replace(
        njet_cifar10(),
        nets=("njet+relu", PLAIN),
        epochs=epochs,
        model=model,
        optimizer=OptimizerConfig(name="sgd", learning_rate=rate, drops=drops),
        loss=LossConfig(l2=l2),
    )


def _deep(model: SubsampledConfig, *, l2: float) -> Recipe:
    recipe = _cifar(model, epochs=164, drops=(82, 123), rate=0.001, l2=l2)
    return dataclasses.replace(recipe, batch_size=16)


RECIPES = {
    recipe.__name__: recipe
    for recipe in (
        njet_filter_sizes,
        njet_fixed_sigmas,
        njet_safe_subsampling,
        njet_filter_sizes_small,
        njet_fixed_sigmas_small,
        njet_safe_subsampling_small,
        njet_cifar10,
        njet_cifar10_allcnn,
        njet_cifar10_resnet32,
        njet_cifar10_resnet110,
        njet_cifar10_efficientnet,
    )
}
