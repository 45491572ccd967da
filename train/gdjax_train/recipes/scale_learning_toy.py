"""[scale_learning] 4.1 and 4.2: the toy network on digits at drawn sizes.

Each experiment is a command. Its nets are named by what its table lists: `up-to-8`,
the largest size; `isr-3` and `sigma-basis-2`, Internal Scale Range and finest scale in
px, at the start where they are learned; `fixed-scales`; `learned-direct`, what is
learned.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from gdjax.models.sesn import SESNToyConfig

from ..grey_levels import standardised
from ..recipe import DataConfig, OptimizerConfig, Recipe, ScaleSchedule
from ..scale_distribution import ScaleDistribution
from .scale_learning import STEERABLE


# 2^1.5, 2^2.25 and 2^3, as the tables have them.
LARGEST = "2.83", "4.76", "8"
# Half-octaves of Fig. 4.
HALF_OCTAVES = tuple(2 ** (k / 2) for k in range(-1, 8))


def isr_grid() -> tuple[str, ...]:
    """The 15 ranges of Fig. 3, 1.5 to 7.56: 1.5 * 2^(k/6), three digits each."""
    return tuple(f"isr-{1.5 * 2 ** (k / 6):.3g}" for k in range(15))


def starts(
    sigmas: Iterable[str] = ("1", "2", "4"), isrs: Iterable[str] = ("1.5", "3", "6")
) -> tuple[str, ...]:
    """Every sigma_basis (px) with every ISR at the start, as of Table 3."""
    return tuple(f"sigma-basis-{sigma}+isr-{isr}" for sigma in sigmas for isr in isrs)


def over_sizes(
    variants: Iterable[str], largest: Iterable[str] = LARGEST
) -> tuple[str, ...]:
    """Names of nets: every variant, "" the recipe itself, on every range of sizes."""
    parts = (
        (STEERABLE, f"up-to-{size}", name) for size in largest for name in variants
    )
    return tuple("+".join(filter(None, each)) for each in parts)


def _toy(nets: tuple[str, ...], *, learned: str | None = "isr") -> Recipe:
    """What all of these experiments share."""
    canvas, scales = 168, ScaleDistribution("log_uniform", low=1.0, high=8.0)
    return Recipe(
        epochs=60,
        batch_size=128,
        nets=nets,
        data=DataConfig(
            name="mnist_scale/unscaled_{realisation}",
            realisations=(0, 1, 2),
            canvas=canvas,
            scales=scales,
        ),
        preprocessing=standardised(canvas, scales),
        model=SESNToyConfig(learned=learned),
        optimizer=toy_optimizer(warmup=5, drops=(20, 40)),
        eval_factors=HALF_OCTAVES,
        eval_batch_size=100,
        checkpoint_every=500,
    )


def toy_optimizer(*, warmup: float, drops: tuple[float, ...]) -> OptimizerConfig:
    """A tenth of the learning rate, three quarters of the scales', after `drops`."""
    return OptimizerConfig(
        learning_rate=0.01,
        drops=drops,
        scales=ScaleSchedule(
            learning_rate=0.01, warmup_epochs=warmup, drops=drops, drop_factor=0.75
        ),
    )


def _small(recipe: Recipe, nets: tuple[str, ...], realisations: int = 1) -> Recipe:
    """1,000 digits, 400 tests, 8 epochs in batches of 16: 496 steps."""
    data = dataclasses.replace(
        recipe.data,
        train_images=1_000,
        test_images=400,
        realisations=tuple(range(realisations)),
    )
    optimizer = toy_optimizer(warmup=1, drops=(4, 6))
    return dataclasses.replace(
        recipe, nets=nets, data=data, epochs=8, batch_size=16, optimizer=optimizer
    )


def scale_learning_sweep() -> Recipe:
    """Do the internal scales matter? 15 fixed ranges ([scale_learning] 4.1.1, Fig. 3).

    |            |                                                               |
    |------------|---------------------------------------------------------------|
    | data       | Dynamic Scale MNIST, 10,000 digits on 168 px, factors         |
    |            | log-uniform from 1 to 2.83, 4.76 and 8, three realisations    |
    |            | standardised                                                  |
    | network    | the toy of Table 1, three fixed scales from 2 px on, ISR      |
    |            | 1.5 * 2^(k/6), k = 0..14                                      |
    | training   | 60 epochs, batch 128, Adam, learning rate 0.01, a tenth of it |
    |            | after 20 and 40 epochs                                        |

    Command: `gdjax-train scale_learning_sweep` (135 trainings). Published: the least
    errors 2.24 +- 0.06 % at ISR 2.38, 2.50 +- 0.05 % at 4.76, 2.81 +- 0.03 % at 5.35.
    Writes error_over_isr.png (Fig. 3), errors.png (Fig. 4), internal_scales.md.
    """
    return _toy(over_sizes(isr_grid()), learned=None)


def scale_learning_sweep_small() -> Recipe:
    """`scale_learning_sweep` with 1,000 digits, 400 tests, 8 epochs, five ISRs.

    Sizes up to 2.83 and 8, one realisation.

    Command: `gdjax-train scale_learning_sweep_small`.
    """
    nets = over_sizes(isr_grid()[::3], largest=("2.83", "8"))
    return _small(scale_learning_sweep(), nets)


def scale_learning_ranges() -> Recipe:
    """Are the internal scales learned? Digits at drawn sizes ([scale_learning] 4.1.2).

    |            |                                                               |
    |------------|---------------------------------------------------------------|
    | data       | as of `scale_learning_sweep`                                  |
    | network    | the toy of Table 1, three scales; sigma_basis 2 px and ISR 3  |
    |            | at the start; beside it the best fixed ones                   |
    | training   | as of `scale_learning_sweep`                                  |
    | scales     | learning rate 0.01, five epochs of warm-up, three quarters of |
    |            | it after 20 and 40                                            |

    Command: `gdjax-train scale_learning_ranges`. Published (Table 2): ISR 3.39 +- 0.55,
    3.32 +- 0.02 and 4.20 +- 0.16 learned, error 2.29 +- 0.07, 2.51 +- 0.08 and 2.87 +-
    0.07 %. Writes scales_over_training.png (Fig. 6), too.
    """
    best = zip(LARGEST, ("2.38", "4.76", "5.35"), strict=True)
    nets = [
        net
        for size, isr in best
        for net in over_sizes(["", f"isr-{isr}+fixed-scales"], [size])
    ]
    recipe = _toy(tuple(nets))
    factors = tuple(2 ** (k / 4) for k in range(13))
    return dataclasses.replace(recipe, eval_factors=factors)


def scale_learning_ranges_small() -> Recipe:
    """Learned scales from ISR 1.5, sizes up to 2.83 and 8; 1,000 digits, 8 epochs.

    Command: `gdjax-train scale_learning_ranges_small`, about half an hour for each
    range of sizes on 2 cores.
    """
    nets = over_sizes([""], largest=("2.83", "8"))
    recipe = _small(scale_learning_ranges(), nets, realisations=3)
    return dataclasses.replace(recipe, model=SESNToyConfig(learned="isr", isr=1.5))


def scale_learning_initialisation() -> Recipe:
    """How do learned scales depend on their start? ([scale_learning] 4.2.1, Table 3).

    As `scale_learning_ranges`, from sigma_basis 1, 2 and 4 px, each with ISR 1.5, 3 and
    6, on three ranges of sizes.

    Command: `gdjax-train scale_learning_initialisation` (81 trainings). Published: on
    [1, 8] from 2 px, ISR 3.44, 4.10 and 5.05, error 3.01, 2.92 and 2.75 %.
    """
    return _toy(over_sizes(starts()))


def scale_learning_initialisation_small() -> Recipe:
    """Four starts, sizes up to 8, 1,000 digits, 400 tests, 8 epochs.

    Command: `gdjax-train scale_learning_initialisation_small`.
    """
    nets = over_sizes(starts(("1", "2"), ("1.5", "6")), largest=("8",))
    return _small(scale_learning_initialisation(), nets)


# The last: the formula of the paper, (6), where its tables are of the code's.
PARAMETERISATIONS = "learned-isr", "learned-spacings", "learned-direct", "range-form"


def scale_learning_parameterisations() -> Recipe:
    """ISR, spacings or scales, which to learn? ([scale_learning] 4.2.2, Table 4).

    As `scale_learning_ranges`, with the ISR learned, each spacing, each scale; and with
    the ISR by the formula (6) of the paper, ISR = 1 + gamma^2, where its tables were
    made with (1 + gamma^2)^(N - 1).

    Command: `gdjax-train scale_learning_parameterisations` (36 trainings). Published:
    on [1, 8] error 2.87 +- 0.07, 3.01 +- 0.05 and 3.06 +- 0.02 %, coarsest scale 8.15,
    8.09 and 7.00 px.
    """
    return _toy(over_sizes(PARAMETERISATIONS))


def scale_learning_parameterisations_small() -> Recipe:
    """The same with sizes up to 8, 1,000 digits, 400 tests, 8 epochs.

    Command: `gdjax-train scale_learning_parameterisations_small`.
    """
    nets = over_sizes(PARAMETERISATIONS, largest=("8",))
    return _small(scale_learning_parameterisations(), nets)


RECIPES = {
    make.__name__: make
    for make in (
        scale_learning_sweep,
        scale_learning_sweep_small,
        scale_learning_ranges,
        scale_learning_ranges_small,
        scale_learning_initialisation,
        scale_learning_initialisation_small,
        scale_learning_parameterisations,
        scale_learning_parameterisations_small,
    )
}
