"""Table 5 of [scale_learning] beside what the paper has: Gaussian derivative networks.

`scale_learning_mnist_scale` has the rows of the paper.
"""

from __future__ import annotations

import dataclasses

from gdjax.models import NetworkConfig, gaussdernet, gaussderresnet

from ..recipe import OptimizerConfig, Recipe, ScaleSchedule
from .scale_learning import STEERABLE, scale_learning_mnist_scale


BOTH = "discrete+relu", "spectral+relu"


def _in_channels(recipe: Recipe, model: NetworkConfig) -> Recipe:
    """The data and the training of a recipe, with a network of scale channels.

    Digits come at all sizes at once, so the channels are trained together and from the
    start.
    """
    return dataclasses.replace(
        recipe,
        epochs=0,
        multi_epochs=recipe.epochs,
        multi_from="scratch",
        nets=BOTH,
        model=model,
        optimizer=dataclasses.replace(recipe.optimizer, scales=ScaleSchedule()),
    )


def scale_learning_mnist_scale_gaussdernet() -> Recipe:
    """GaussDerNet of as many parameters in `scale_learning_mnist_scale`.

    |            |                                                               |
    |------------|---------------------------------------------------------------|
    | data       | MNIST-Scale, 10,000 digits, six realisations; enlarged twice  |
    | networks   | 32-64-96-192-356-10, r = 1.25, 495,070 parameters; discrete,  |
    |            | spectral                                                      |
    | channels   | 1/2, 1/sqrt 2, 1, sqrt 2, 2 px, shared weights, max           |
    | training   | 60 epochs, batch 128, Adam, learning rate 0.01, a tenth of it |
    |            | after 20 and 40 epochs; the epoch that validates best         |

    Command: `gdjax-train scale_learning_mnist_scale_gaussdernet`. Not in the paper: its
    training, with another network.
    """
    return _in_channels(scale_learning_mnist_scale(), gaussdernet.MNIST_SCALE)


def scale_learning_mnist_scale_gaussderresnet() -> Recipe:
    """GaussDerResNet of as many parameters in `scale_learning_mnist_scale`.

    |            |                                                               |
    |------------|---------------------------------------------------------------|
    | networks   | 48-32-40-40-64-64-96-96-144-10, r = 1.13, 496,722 parameters; |
    |            | discrete, spectral                                            |
    | channels   | 1/2, 1/sqrt 2, 1, sqrt 2, 2 px, shared weights, max; dropout  |
    |            | of channels 0.2                                               |

    All else as `scale_learning_mnist_scale_gaussdernet`. Command:
    `gdjax-train scale_learning_mnist_scale_gaussderresnet`. Not in the paper.
    """
    return _in_channels(scale_learning_mnist_scale(), gaussderresnet.MNIST_SCALE)


def _small() -> Recipe:
    """`scale_learning_mnist_scale` cut down: digits, epochs, batch, realisations."""
    full = scale_learning_mnist_scale()
    drops = (8, 10)
    return dataclasses.replace(
        full,
        epochs=12,
        batch_size=32,
        data=dataclasses.replace(
            full.data,
            realisations=(0, 1, 2),
            train_images=1_000,
            validation_images=500,
        ),
        optimizer=OptimizerConfig(
            learning_rate=0.01,
            drops=drops,
            scales=ScaleSchedule(learning_rate=0.005, warmup_epochs=2, drops=drops),
        ),
        checkpoint_every=50,
    )


def scale_learning_mnist_scale_small() -> Recipe:
    """`scale_learning_mnist_scale` cut down for two CPU cores.

    |            |                                                               |
    |------------|---------------------------------------------------------------|
    | data       | three realisations; 1,000 of the digits of each, 500 to       |
    |            | validate, all 50,000 test digits                              |
    | networks   | SESN with learned and with fixed scales, plain, DSS           |
    | training   | 12 epochs, batch 32, a tenth of the learning rates after 8    |
    |            | and 10 epochs; two epochs of warm-up for scales               |

    Command: `gdjax-train scale_learning_mnist_scale_small`.
    """
    nets = STEERABLE, f"{STEERABLE}+fixed-scales", "plain+relu", "discrete+relu+dss"
    return dataclasses.replace(_small(), nets=nets)


def scale_learning_mnist_scale_gaussdernet_small() -> Recipe:
    """GaussDerNet in `scale_learning_mnist_scale_small`; coarse channels on halves.

    From 1 px on images are halved until sigma_0 is 1/2 or 1/sqrt 2 px there. Command:
    `gdjax-train scale_learning_mnist_scale_gaussdernet_small`.
    """
    model = dataclasses.replace(gaussdernet.MNIST_SCALE, pyramid=0.5)
    return _in_channels(_small(), model)


def scale_learning_mnist_scale_gaussderresnet_small() -> Recipe:
    """GaussDerResNet in `scale_learning_mnist_scale_small`; coarse channels on halves.

    As `scale_learning_mnist_scale_gaussdernet_small`. Command:
    `gdjax-train scale_learning_mnist_scale_gaussderresnet_small`.
    """
    model = dataclasses.replace(gaussderresnet.MNIST_SCALE, pyramid=0.5)
    return _in_channels(_small(), model)


RECIPES = {
    make.__name__: make
    for make in (
        scale_learning_mnist_scale_small,
        scale_learning_mnist_scale_gaussdernet,
        scale_learning_mnist_scale_gaussdernet_small,
        scale_learning_mnist_scale_gaussderresnet,
        scale_learning_mnist_scale_gaussderresnet_small,
    )
}
