"""[scale_learning]: steerable networks whose internal scales are learned."""

from __future__ import annotations

import dataclasses

from gdjax.models import Preprocessing
from gdjax.models.sesn import SESNConfig, SESNToyConfig

from ..recipe import DataConfig, OptimizerConfig, Recipe, ScaleSchedule
from ..scale_distribution import ScaleDistribution


STEERABLE = "sampled_derivatives+relu"


def scale_learning_ranges() -> Recipe:
    """Are the internal scales learned? Digits at drawn sizes ([scale_learning] 4.1.2).

    |            |                                                               |
    |------------|---------------------------------------------------------------|
    | data       | Dynamic Scale MNIST, 10,000 digits on 168 px, factors         |
    |            | log-uniform from 1 to 8, three realisations                   |
    | network    | the toy of Table 1, three scales; sigma_basis 2 px and        |
    |            | ISR 3 at the start                                            |
    | training   | 60 epochs, batch 128, Adam, learning rate 0.01, a tenth of it |
    |            | after 20 and 40 epochs                                        |
    | scales     | learning rate 0.01, five epochs of warm-up, three quarters of |
    |            | it after 20 and 40                                            |

    Command: `gdjax-train scale_learning_ranges`; narrower: `--data.scales.high 2.83`,
    `4.76`. Published: ISR 4.20 +- 0.16, error 2.87 % on [1, 8]; 3.39, 2.29 % on
    [1, 2.83]. Ranges fixed by hand (4.1.1): `--model.learned None --model.isr 4.76`;
    other starts (4.2.1): `--model.sigma`, `--model.isr`; other parameterisations
    (4.2.2): `--model.learned spacings`, `direct`.
    """
    return Recipe(
        epochs=60,
        batch_size=128,
        nets=(STEERABLE,),
        data=DataConfig(
            name="mnist_scale/unscaled_{realisation}",
            realisations=(0, 1, 2),
            canvas=168,
            scales=ScaleDistribution("log_uniform", low=1.0, high=8.0),
        ),
        model=SESNToyConfig(learned="isr"),
        optimizer=OptimizerConfig(
            learning_rate=0.01,
            drops=(20, 40),
            scales=ScaleSchedule(
                learning_rate=0.01, warmup_epochs=5, drops=(20, 40), drop_factor=0.75
            ),
        ),
        eval_factors=tuple(2 ** (k / 4) for k in range(13)),
        eval_batch_size=100,
        checkpoint_every=500,
    )


def scale_learning_ranges_small() -> Recipe:
    """`scale_learning_ranges` with 1,000 digits, 400 tests and 12 epochs, ISR from 1.5.

    The batch is smaller, 16, so that there are 740 steps. About 10 minutes for each
    realisation on 2 cores.

    Command: `gdjax-train scale_learning_ranges_small`.
    """
    full = scale_learning_ranges()
    return dataclasses.replace(
        full,
        epochs=12,
        batch_size=16,
        data=dataclasses.replace(full.data, train_images=1_000, test_images=400),
        model=SESNToyConfig(learned="isr", isr=1.5),
        optimizer=OptimizerConfig(
            learning_rate=0.01,
            drops=(6, 9),
            scales=ScaleSchedule(
                learning_rate=0.01, warmup_epochs=1, drops=(6, 9), drop_factor=0.75
            ),
        ),
    )


def scale_learning_mnist_scale() -> Recipe:
    """SESN with learned, SESN with fixed scales, plain ([scale_learning] 4.3, Table 5).

    |            |                                                               |
    |------------|---------------------------------------------------------------|
    | data       | MNIST-Scale, 10,000 digits, six realisations; enlarged twice  |
    | networks   | SESN, four scales, sigma_basis 1.5 px, ISR 2 at the start;    |
    |            | basis B of order 4                                            |
    | training   | 60 epochs, batch 128, Adam, learning rate 0.01, a tenth of it |
    |            | after 20 and 40 epochs; the epoch that validates best         |
    | scales     | learning rate 0.005, ten epochs of warm-up, a tenth of it     |
    |            | after 20 and 40                                               |

    Command: `gdjax-train scale_learning_mnist_scale`. Published: error 1.72 +- 0.05 %
    with learned, 1.68 +- 0.06 % with fixed scales.
    """
    return Recipe(
        epochs=60,
        batch_size=128,
        nets=(STEERABLE, f"{STEERABLE}+fixed-scales", "plain+relu"),
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


RECIPES = {
    make.__name__: make
    for make in (
        scale_learning_ranges,
        scale_learning_ranges_small,
        scale_learning_mnist_scale,
    )
}
