"""The number of internal scales, found by learning their spacings (gdjax)."""

from __future__ import annotations

import dataclasses

from gdjax.models.scale_pruning import Pruning
from gdjax.models.sesn import SESNToyConfig

from ..grey_levels import standardised
from ..recipe import Recipe
from ..scale_distribution import ScaleDistribution
from .scale_learning_toy import (
    over_sizes,
    scale_learning_parameterisations,
    toy_optimizer,
)


def scale_learning_number() -> Recipe:
    """How many scales do the data need? Six are learned, and pruned (gdjax).

    |            |                                                               |
    |------------|---------------------------------------------------------------|
    | data       | Dynamic Scale MNIST, 10,000 digits on 168 px, factors         |
    |            | log-uniform from 1 to 2.83 and to 8, three realisations       |
    | networks   | the toy of [scale_learning] Table 1, six scales whose         |
    |            | spacings are learned, sigma_basis 2 px and ISR 6 at the       |
    |            | start; with and without pruning                               |
    | training   | as `scale_learning_ranges`                                    |
    | pruning    | after epochs 10, 12, ..., 40: of two scales nearer than a     |
    |            | quarter of an octave one goes, or the one without which less  |
    |            | than 2 % of the maxima over scales is lost (`prune_scales`)   |

    Command: `gdjax-train scale_learning_number`. Scales in use and what they
    contribute: `scale_use` in metrics.jsonl; their number: internal_scales.md.
    """
    return dataclasses.replace(
        scale_learning_parameterisations(),
        nets=over_sizes(("", "unpruned"), ("2.83", "8")),
        model=SESNToyConfig(
            learned="spacings", count=6, isr=6.0, prune=True,
            pruning=Pruning(start=10, stop=40, every=2),
        ),
    )  # fmt: skip


def scale_learning_number_small() -> Recipe:
    """`scale_learning_number` at half the size: 1,000 digits on 84 px, 16 epochs.

    Factors from 0.5 to 1.41 and to 4, sigma_basis 1 px, 1,000 tests; pruning after
    epochs 4, 5, ..., 12.

    Command: `gdjax-train scale_learning_number_small`.
    """
    full = scale_learning_number()
    canvas, scales = 84, ScaleDistribution("log_uniform", low=0.5, high=4.0)
    data = dataclasses.replace(
        full.data,
        train_images=1_000,
        test_images=1_000,
        canvas=canvas,
        scales=scales,
    )
    pruning = Pruning(start=4, stop=12)
    return dataclasses.replace(
        full,
        nets=over_sizes(("", "unpruned"), ("1.41", "4")),
        epochs=16,
        batch_size=32,
        data=data,
        preprocessing=standardised(canvas, scales),
        model=dataclasses.replace(full.model, sigma=1.0, pruning=pruning),
        optimizer=toy_optimizer(warmup=2, drops=(6, 12)),
        eval_factors=tuple(2 ** (k / 2) for k in range(-2, 5)),
        checkpoint_every=100,
    )


RECIPES = {
    make.__name__: make for make in (scale_learning_number, scale_learning_number_small)
}
