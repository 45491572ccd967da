"""The ranges of a recipe's numbers."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

from .errors import UserError
from .recipe import Recipe


class Range(NamedTuple):
    """Which numbers a field may have, in words and as a test."""

    words: str
    holds: Callable[[Any], bool]


def _at_least(least: int, most: float = math.inf) -> Range:
    words = f"at least {least}"
    if most < math.inf:
        words += f" and at most {most:g}"
    return Range(words, lambda value: least <= value <= most)


POSITIVE = Range("a positive number", lambda value: 0 < value < math.inf)
NOT_NEGATIVE = Range("a number from 0 on", lambda value: 0 <= value < math.inf)
SIZE = Range("a number from 1/64 to 64", lambda value: 1 / 64 <= value <= 64)
PART = Range("a part, from 0 to 1", lambda value: 0 <= value <= 1)
PART_BELOW_1 = Range("a part below 1", lambda value: 0 <= value < 1)
# Seeds are those of a numpy.random.SeedSequence, and of 64-bit keys.
SEED = _at_least(0, 2**63 - 1)
# Steps are counted in 32 bits.
EPOCHS = _at_least(0, 10**6)

# Fields by their places in the recipe; None stands for a default everywhere.
RANGES = {
    "seed": SEED,
    "seeds": SEED,
    "epochs": EPOCHS,
    "multi_epochs": EPOCHS,
    "single_pyramid": POSITIVE,
    "batch_size": _at_least(1),
    "multi_sigmas": POSITIVE,
    "multi_batch_size": _at_least(1),
    "multi_learning_rate": POSITIVE,
    "eval_batch_size": _at_least(1),
    "eval_training_images": _at_least(0),
    "eval_factors": POSITIVE,
    "checkpoint_every": _at_least(1),
    "log_every": _at_least(1),
    "data.train_images": _at_least(1),
    "data.validation_images": _at_least(0),
    "data.test_images": _at_least(1),
    "data.train_sizes": SIZE,
    "data.realisations": _at_least(0),
    "data.canvas": _at_least(1, 2**14),
    "optimizer.learning_rate": POSITIVE,
    "optimizer.min_learning_rate": NOT_NEGATIVE,
    "optimizer.drops": POSITIVE,
    "optimizer.drop_factor": PART,
    "optimizer.power": NOT_NEGATIVE,
    "optimizer.momentum": PART_BELOW_1,
    "optimizer.sigma_rate": NOT_NEGATIVE,
    "optimizer.head_rate": NOT_NEGATIVE,
    "optimizer.warmup_epochs": NOT_NEGATIVE,
    "optimizer.warmup_fraction": PART,
    "optimizer.weight_decay": NOT_NEGATIVE,
    "optimizer.clip_norm": POSITIVE,
    "optimizer.ema_decay": PART_BELOW_1,
    "optimizer.scales.learning_rate": POSITIVE,
    "optimizer.scales.min_learning_rate": NOT_NEGATIVE,
    "optimizer.scales.drops": POSITIVE,
    "optimizer.scales.drop_factor": PART,
    "optimizer.scales.warmup_epochs": NOT_NEGATIVE,
    "optimizer.scales.warmup_fraction": PART,
    "loss.label_smoothing": PART_BELOW_1,
    "loss.l2": NOT_NEGATIVE,
    "loss.channels": NOT_NEGATIVE,
}


def check_numbers(recipe: Recipe) -> None:
    """Refuse numbers out of their ranges.

    Raises:
      UserError: naming the field, its value and the range.
    """
    for name, allowed in RANGES.items():
        value = functools.reduce(getattr, name.split("."), recipe)
        values: Any = value if isinstance(value, tuple) else (value,)
        for each in values:
            if each is not None and not allowed.holds(each):
                raise UserError(f"`{name}={each}`: expected {allowed.words}")


def check_rates(recipe: Recipe) -> None:
    """Refuse learning rates that rise where they should fall.

    Raises:
      UserError: naming both.
    """
    config = recipe.optimizer
    tops = {
        "optimizer.learning_rate": config.learning_rate if recipe.epochs else None,
        "multi_learning_rate": recipe.multi_learning_rate,
    }
    lowest = "optimizer.min_learning_rate", config.min_learning_rate
    pairs = [(name, rate, *lowest) for name, rate in tops.items()]
    scales = config.scales
    where = "optimizer.scales."
    pairs.append(
        (f"{where}learning_rate", scales.learning_rate)
        + (f"{where}min_learning_rate", scales.min_learning_rate)
    )
    for name, rate, name_of_least, least in pairs:
        if rate is not None and rate < least:
            raise UserError(
                f"`{name}={rate}` is below `{name_of_least}={least}`, at which it ends:"
                " give a smaller end"
            )
