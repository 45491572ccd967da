"""[njet]: DeepLabv2 with an N-Jet head on PASCAL VOC."""

from __future__ import annotations

from gdjax.models import Preprocessing
from gdjax.models.njet_deeplab import NJetDeepLabConfig

from ..augment_config import AugmentConfig
from ..recipe import DataConfig, LossConfig, OptimizerConfig, Recipe


# Of ImageNet, on which torchvision's weights were trained.
STANDARDISED = Preprocessing(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))


def njet_deeplab_voc() -> Recipe:
    """DeepLabv2 on PASCAL VOC ([njet] 4.2, experiment 2(B), Table 6).

    |            |                                                               |
    |------------|---------------------------------------------------------------|
    | data       | VOC 2012 and SBD, 10,582 photographs, 21 classes; tested on   |
    |            | the 1,449 of VOC's validation split, whole, on 513 px         |
    | networks   | ResNet-101 dilated to an eighth; heads: plain with dilations  |
    |            | 6, 12, 18, 24, four sets of weights, and tied; N-Jets of      |
    |            | orders 3, 2, 1, tied, four learned sigmas                     |
    | training   | 19 epochs (20,102 steps), batch 10, momentum 0.9, learning    |
    |            | rate 2.5e-4 times (1 - t / T)^0.9, ten times as much for the  |
    |            | head; batch normalisation is frozen                           |
    | loss       | cross entropy, L2 of 5e-4                                     |
    | changes    | horizontal flip, scale 0.5 to 1.5, crops of 321 px            |

    Command: `gdjax-train njet_deeplab_voc --data-dir FOLDER --backbone-weights
    resnet101.safetensors`, with VOCdevkit and SBD's benchmark_RELEASE in FOLDER.
    Published, mean IoU of 21 classes, the background among them: 76.13 % plain, 74.73 %
    tied, N-Jets 75.17, 74.58 and 74.89 %.

    Choice: the published backbone was trained on MS COCO, too; torchvision's
    (`load_resnet_weights` says how to make the file) knows ImageNet alone. What a scale
    below 1 leaves free is black, and doesn't count. One size of each image at a time,
    not several at once; sigmas that start at half the dilations. Whole epochs, the next
    number above the 20,000 steps of DeepLab; its L2 is not of 1 x 1 convolutions.
    """
    return Recipe(
        epochs=19,
        batch_size=10,
        nets=(
            "plain+relu+untied",
            "plain+relu",
            *(f"njet+relu+order{order}" for order in (3, 2, 1)),
        ),
        data=DataConfig(name="pascal_voc", lazy=True),
        preprocessing=STANDARDISED,
        model=NJetDeepLabConfig(),
        optimizer=OptimizerConfig(
            name="sgd",
            learning_rate=2.5e-4,
            min_learning_rate=0.0,
            power=0.9,
            head_rate=10.0,
        ),
        loss=LossConfig(l2=5e-4),
        augment=AugmentConfig(horizontal_flip=0.5, scale=(0.5, 1.5), crop=321),
        eval_batch_size=2,
        checkpoint_every=500,
    )


RECIPES = {"njet_deeplab_voc": njet_deeplab_voc}
