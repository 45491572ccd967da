"""[dss]: networks on deep scale-spaces against plain ones, Table 1."""

from __future__ import annotations

import dataclasses

from gdjax.models.deep_scale_spaces import SDenseNetConfig, SResNetConfig

from ..augment_config import AugmentConfig
from ..recipe import DataConfig, OptimizerConfig, Recipe


OWN = "discrete+relu"
EQUAL = (f"{OWN}+same-parameters", f"{OWN}+same-channels")
# Of Veeling et al. 2018 and Liu et al. 2017, as the paper has them.
TISSUE = AugmentConfig(
    horizontal_flip=0.5,
    vertical_flip=0.5,
    quarter_turns=True,
    crop_padding=8,
    brightness_shift=64 / 255,
    saturation=0.25,
    hue=0.04,
    contrast=0.75,
)


def dss_pcam() -> Recipe:
    """S-DenseNet on Patch Camelyon ([dss] sec. 4, Table 1).

    |            |                                                               |
    |------------|---------------------------------------------------------------|
    | data       | Patch Camelyon, 262,144 tiles of 96 px                        |
    | networks   | S-DenseNet with 4 levels; DenseNets of as many parameters,    |
    |            | and of as many channels                                       |
    | training   | 100 epochs, batch 512, momentum 0.9, learning rate 0.1, a     |
    |            | tenth of it after 40 and 80 epochs                            |
    | changes    | flips, quarter turns, jitter of 8 px, brightness +-64/255,    |
    |            | saturation 0.25, hue 0.04, contrast 0.75                      |

    Command: `gdjax-train dss_pcam --data-dir FOLDER`, with the six HDF5 files in
    FOLDER. Published: DenseNet 87.0 %. Choice: widths and depths, which are in a
    supplement that is not at hand.
    """
    return Recipe(
        epochs=100,
        batch_size=512,
        nets=(OWN, *EQUAL),
        data=DataConfig(name="patch_camelyon", validation_images=None, lazy=True),
        model=SDenseNetConfig(num_classes=2),
        optimizer=OptimizerConfig(name="sgd", learning_rate=0.1, drops=(40, 80)),
        augment=TISSUE,
        eval_batch_size=100,
        checkpoint_every=512,
    )


def dss_textures() -> Recipe:
    """`dss_pcam` in small: brick, grass and gravel, tested at nine sizes.

    A stand-in for Patch Camelyon, which is not freely downloadable. Networks of 15,000
    parameters, He's initial weights, Adam; levels are left out of the maximum with a
    probability of 0.3 in training.

    Command: `gdjax-train dss_textures --seeds 0 1 2`.
    """
    return dataclasses.replace(
        dss_pcam(),
        epochs=6,
        batch_size=64,
        nets=(OWN, f"{OWN}+no-interaction", f"{OWN}+no-scale-dropout", *EQUAL),
        data=DataConfig(name="textures"),
        model=SDenseNetConfig(
            num_classes=3,
            first=16,
            growth=8,
            blocks=(3, 3),
            start="he",
            scale_dropout=0.3,
        ),
        optimizer=OptimizerConfig(name="adam", learning_rate=0.003),
        augment=AugmentConfig(
            horizontal_flip=0.5, vertical_flip=0.5, brightness_shift=0.25, contrast=0.75
        ),
        checkpoint_every=200,
    )


def dss_cityscapes() -> Recipe:
    """S-ResNet on Cityscapes, a class for every pixel ([dss] sec. 4, Table 1).

    |            |                                                               |
    |------------|---------------------------------------------------------------|
    | data       | Cityscapes, 2,975 photographs, 19 classes                     |
    | networks   | S-ResNet with 4 levels, also without layers that mix levels;  |
    |            | ResNets of as many parameters, and of as many channels        |
    | training   | 100 epochs, batch 8, Adam, learning rate 0.001, a tenth of it |
    |            | after 40 and 80 epochs                                        |

    Command: `gdjax-train dss_cityscapes --data-dir FOLDER`, with leftImg8bit and
    gtFine in FOLDER. Published, mean average precision: 63.53 with layers that mix
    levels, 64.78 without, 45.66 and 49.99 for the plain networks. Choice: photographs
    are halved and cut into squares of 256 px; widths and depths, as in `dss_pcam`.
    """
    return Recipe(
        epochs=100,
        batch_size=8,
        nets=(OWN, f"{OWN}+no-interaction", *EQUAL),
        data=DataConfig(name="cityscapes/half", lazy=True),
        model=SResNetConfig(num_classes=19, depth=3, strides=(2, 2, 1)),
        optimizer=OptimizerConfig(learning_rate=0.001, drops=(40, 80)),
        eval_batch_size=8,
        checkpoint_every=500,
    )


def dss_garments() -> Recipe:
    """`dss_cityscapes` in small: garments on textures, tested at nine sizes.

    A stand-in for Cityscapes, which is not freely downloadable. 4,000 images, networks
    of 48,000 parameters, He's initial weights, scale dropout as in `dss_textures`.

    Command: `gdjax-train dss_garments`.
    """
    return dataclasses.replace(
        dss_cityscapes(),
        epochs=8,
        batch_size=16,
        nets=(OWN, *EQUAL),
        data=DataConfig(
            name="garments_on_textures/small", train_images=4_000, test_images=500
        ),
        model=SResNetConfig(
            num_classes=11,
            widths=(12, 24, 48),
            depth=1,
            strides=(2, 2, 1),
            start="he",
            scale_dropout=0.3,
        ),
        optimizer=OptimizerConfig(learning_rate=0.003),
        augment=AugmentConfig(horizontal_flip=0.5),
        eval_batch_size=50,
    )


RECIPES = {
    make.__name__: make
    for make in (dss_pcam, dss_textures, dss_cityscapes, dss_garments)
}
