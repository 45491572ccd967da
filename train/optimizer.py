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
    """Linear warm-up from a fraction of the learning rate, then half a cosine.

    Args:
      config: warm-up and minimum.
      learning_rate: at the top.
      steps: of the whole stage, the warm-up included.
      steps_per_epoch: to convert `warmup_epochs`.

    Returns:
      The learning rate as a function of the step.

    Raises:
      UserError: if the warm-up is as long as the stage or longer.
    """
    warmup = round(config.warmup_epochs * steps_per_epoch)
    if warmup >= steps:
        raise UserError(
            f"`warmup_epochs={config.warmup_epochs:g}` is not shorter than the "
            f"training of {steps / steps_per_epoch:g} epochs: give less"
        )
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
    return jax.tree_util.tree_map_with_path(
        lambda path, _: getattr(path[-1], "key", None) == "kernel", params
    )


def make_optimizer(
    config: OptimizerConfig, schedule: optax.Schedule
) -> optax.GradientTransformation:
    """Clipping, if any, then Adam or AdamW."""
    if config.name == "adam":
        optimizer = optax.adam(schedule)
    else:
        optimizer = optax.adamw(
            schedule, weight_decay=config.weight_decay, mask=decayed
        )
    if config.clip_norm is None:
        return optimizer
    return optax.chain(optax.clip_by_global_norm(config.clip_norm), optimizer)
