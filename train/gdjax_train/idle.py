"""Options that would do nothing where they are given: refused rather than ignored."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

from .errors import UserError
from .recipe import Recipe
from .trials import resolved


class Effect(NamedTuple):
    """When a field has an effect, as a test of a resolved recipe and in words."""

    holds: Callable[[Recipe], bool]
    words: str


def _several_channels(recipe: Recipe) -> bool:
    model = recipe.model
    if not model.scale_channels:  # then it is of levels, if of anything
        return True
    return bool(recipe.multi_epochs) and len(model.sigmas) > 1


_SECOND = Effect(
    lambda r: r.multi_epochs > 0, "there is no second phase: --multi-epochs"
)

EFFECTS = {
    "single_pyramid": Effect(
        lambda r: r.epochs > 0 and r.model.scale_channels, "there is no first phase"
    ),
    "multi_batch_size": _SECOND,
    "multi_learning_rate": _SECOND,
    "multi_from": _SECOND,
    "multi_sigmas": _SECOND,
    "optimizer.sigma_rate": Effect(
        lambda r: bool(r.model.scale_parameters), "no net learns scales"
    ),
    "optimizer.momentum": Effect(
        lambda r: r.optimizer.name == "sgd", "it is of --optimizer.name sgd"
    ),
    "optimizer.weight_decay": Effect(
        lambda r: r.optimizer.name == "adamw", "it is of --optimizer.name adamw"
    ),
    "optimizer.drop_factor": Effect(
        lambda r: bool(r.optimizer.drops), "there are no --optimizer.drops"
    ),
    "optimizer.min_learning_rate": Effect(
        lambda r: not r.optimizer.drops, "the rate falls by --optimizer.drops"
    ),
    "optimizer.warmup_fraction": Effect(
        lambda r: r.optimizer.warmup_epochs > 0, "no --optimizer.warmup-epochs"
    ),
    "data.enlarge": Effect(
        lambda r: bool(r.data.train_sizes), "there are no --data.train-sizes"
    ),
    "loss.channels": Effect(
        lambda r: r.model.scale_channels and _several_channels(r),
        "no training has several scale channels: --multi-epochs",
    ),
    "loss.class_weights": Effect(
        lambda r: r.model.segments, "it is for segmentations"
    ),
    "model.scale_dropout": Effect(
        _several_channels, "no training has several scale channels: --multi-epochs"
    ),
}  # fmt: skip


def check_idle(recipe: Recipe, usual: Recipe) -> None:
    """Refuse what a user has changed without any effect.

    Args:
      recipe: as changed.
      usual: before that.

    Raises:
      UserError: naming the field, its value and what it would need.
    """
    nets = [resolved(recipe, net) for net in recipe.nets]
    for name, effect in EFFECTS.items():
        value, before = _field(recipe, name), _field(usual, name)
        if value != before and not any(effect.holds(own) for own in nets):
            raise UserError(
                f"`{name}={value}` does nothing here ({effect.words}): leave it out, or"
                " give that, too"
            )


def _field(recipe: Recipe, name: str) -> Any:
    """Its value; None where networks have no such field."""
    return functools.reduce(
        lambda part, field: getattr(part, field, None), name.split("."), recipe
    )
