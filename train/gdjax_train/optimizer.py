"""Optimiser and learning-rate schedule of a stage."""

from __future__ import annotations

from typing import Any

import jax
import optax

from .errors import UserError
from .recipe import OptimizerConfig


def make_schedule(
    config: OptimizerConfig, *, learning_rate: float, steps: int, steps_per_epoch: int
) -> optax.Schedule:
    """Linear warm-up from a fraction of the rate, then half a cosine; or steps.

    Args:
      config: warm-up and minimum.
      learning_rate: at the top.
      steps: of the whole stage, the warm-up included.
      steps_per_epoch: to convert `warmup_epochs`.

    Returns:
      The learning rate as a function of the step.

    Raises:
      UserError: if the warm-up is as long as the stage or longer, or there are steps as
        well.
    """
    warmup = round(config.warmup_epochs * steps_per_epoch)
    if warmup >= steps:
        raise UserError(
            f"`warmup_epochs={config.warmup_epochs:g}` is not shorter than the "
            f"training of {steps / steps_per_epoch:g} epochs: give less"
        )
    if config.drops:
        if warmup:
            raise UserError("`drops` and `warmup_epochs` exclude each other: leave one")
        places = {round(epoch * steps_per_epoch): 0.1 for epoch in config.drops}
        return optax.piecewise_constant_schedule(learning_rate, places)
    lowest = config.min_learning_rate
    if not warmup:
        return optax.cosine_decay_schedule(
            learning_rate, steps, alpha=lowest / learning_rate
        )
    return optax.warmup_cosine_decay_schedule(
        init_value=config.warmup_fraction * learning_rate,
        peak_value=learning_rate,
        warmup_steps=warmup,
        decay_steps=steps,
        end_value=lowest,
    )


def decayed(params: Any) -> Any:
    """Mask of the parameters that weight decay acts on.

    Choice: kernels only. Decaying a bias or the scale of a normalisation only moves
    the operating point, and decaying a base scale would pull it to a size.
    """
    return _named(params, "kernel")


def make_optimizer(
    config: OptimizerConfig, schedule: optax.Schedule
) -> optax.GradientTransformation:
    """Clipping, if any, then the optimiser, then the rate of learned sigmas."""
    steps = []
    if config.clip_norm is not None:
        steps.append(optax.clip_by_global_norm(config.clip_norm))
    if config.name == "adam":
        steps.append(optax.adam(schedule))
    elif config.name == "sgd":
        steps.append(optax.sgd(schedule, momentum=config.momentum))
    else:
        steps.append(
            optax.adamw(schedule, weight_decay=config.weight_decay, mask=decayed)
        )
    if config.sigma_rate != 1.0:
        steps.append(optax.masked(optax.scale(config.sigma_rate), _sigmas))
    return optax.chain(*steps) if len(steps) > 1 else steps[0]


def _sigmas(params: Any) -> Any:
    return _named(params, "logit")


def _named(params: Any, name: str) -> Any:
    return jax.tree_util.tree_map_with_path(
        lambda path, _: getattr(path[-1], "key", None) == name, params
    )
