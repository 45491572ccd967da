"""[scale_learning]: steerable networks whose internal scales are learned."""

from __future__ import annotations

from gdjax.models import Preprocessing
from gdjax.models.sesn import SESNConfig

from ..recipe import DataConfig, OptimizerConfig, Recipe, ScaleSchedule


STEERABLE = "sampled_derivatives+relu"


def scale_learning_mnist_scale() -> Recipe:
    """SESN and what it is compared with on MNIST-Scale ([scale_learning] 4.3, Table 5).

    |            |                                                               |
    |------------|---------------------------------------------------------------|
    | data       | MNIST-Scale, 10,000 digits, six realisations; enlarged twice  |
    | networks   | SESN, four scales, learned (sigma_basis 1.5 px, ISR 2 at the  |
    |            | start) and fixed, basis B of order 4; the plain network; DSS, |
    |            | two levels; DISCO, four scales from 1.9 px on                 |
    | training   | 60 epochs, batch 128, Adam, learning rate 0.01, a tenth of it |
    |            | after 20 and 40 epochs; the epoch that validates best         |
    | scales     | learning rate 0.005, ten epochs of warm-up, a tenth of it     |
    |            | after 20 and 40                                               |

    Command: `gdjax-train scale_learning_mnist_scale`. Published: error 1.72 +- 0.05 %
    with learned, 1.68 +- 0.06 % with fixed scales, plain 2.02 +- 0.07 %, DSS 1.97 +-
    0.08 %, DISCO 1.52 +- 0.06 %. More rows of the paper: `learned-spacings`,
    `learned-direct`. Choice: of the scales' two rates in B.2, 0.005 and 0.01, the
    first.
    """
    return Recipe(
        epochs=60,
        batch_size=128,
        nets=(
            STEERABLE,
            f"{STEERABLE}+fixed-scales",
            "plain+relu",
            "discrete+relu+dss",
            f"{STEERABLE}+disco",
        ),
        evaluated="best",
        data=DataConfig(
            name="mnist_scale/published_{realisation}",
            realisations=(0, 1, 2, 3, 4, 5),
            validation_images=None,
        ),
        preprocessing=Preprocessing(
            mean=(0.0607,), std=(0.2161,), enlarge=2.0, method="nearest"
        ),
        model=SESNConfig(learned="isr"),
        optimizer=OptimizerConfig(
            learning_rate=0.01,
            drops=(20, 40),
            scales=ScaleSchedule(learning_rate=0.005, warmup_epochs=10, drops=(20, 40)),
        ),
        eval_batch_size=100,
        checkpoint_every=500,
    )


RECIPES = {make.__name__: make for make in (scale_learning_mnist_scale,)}
