"""Optimiser and learning rates of a phase."""

from __future__ import annotations

from typing import Any

import jax
import optax

from gdjax.models.configuration import is_scale

from .errors import UserError
from .recipe import OptimizerConfig, ScaleSchedule


def make_schedule(
    config: OptimizerConfig | ScaleSchedule,
    *,
    learning_rate: float,
    steps: int,
    steps_per_epoch: int,
) -> optax.Schedule:
    """Linear warm-up from a fraction of the rate, then half a cosine, drops or a power.

    Args:
      config: warm-up, drops and minimum.
      learning_rate: at the top.
      steps: of the whole phase, the warm-up included.
      steps_per_epoch: to convert epochs.

    Returns:
      The learning rate as a function of the step.

    Raises:
      UserError: if the warm-up is as long as the phase or longer.
    """
    warmup = round(config.warmup_epochs * steps_per_epoch)
    if warmup >= steps:
        raise UserError(
            f"`warmup_epochs={config.warmup_epochs:g}` is not shorter than the "
            f"training of {steps / steps_per_epoch:g} epochs: give less"
        )
    start, lowest = config.warmup_fraction * learning_rate, config.min_learning_rate
    if config.drops:
        places = [round(epoch * steps_per_epoch) for epoch in config.drops]
        if warmup and min(places) < warmup:
            raise UserError(
                f"`drops={config.drops}` begin within the warm-up of "
                f"{config.warmup_epochs:g} epochs: give later ones"
            )
        # Joined schedules count from where they begin.
        drops = {place - warmup: config.drop_factor for place in places}
        falling = optax.piecewise_constant_schedule(learning_rate, drops)
        return _after_warmup(falling, start, learning_rate, warmup)
    if power := getattr(config, "power", 0.0):  # learned scales have none of their own
        falling = optax.polynomial_schedule(
            learning_rate, lowest, power, steps - warmup
        )
        return _after_warmup(falling, start, learning_rate, warmup)
    if not warmup:
        return optax.cosine_decay_schedule(
            learning_rate, steps, alpha=lowest / learning_rate
        )
    return optax.warmup_cosine_decay_schedule(
        init_value=start,
        peak_value=learning_rate,
        warmup_steps=warmup,
        decay_steps=steps,
        end_value=lowest,
    )


def _after_warmup(
    falling: optax.Schedule, start: float, learning_rate: float, warmup: int
) -> optax.Schedule:
    """The schedule after so many steps of a linear rise; at once for none."""
    if not warmup:
        return falling
    rising = optax.linear_schedule(start, learning_rate, warmup)
    return optax.join_schedules([rising, falling], [warmup])


def decayed(params: Any) -> Any:
    """Mask of the parameters that weight decay acts on.

    Choice: kernels only. Decaying a bias or the scale of a normalisation only moves
    the operating point, and decaying a base scale would pull it to a size.
    """
    return jax.tree_util.tree_map_with_path(
        lambda path, _: getattr(path[-1], "key", None) == "kernel", params
    )


def make_optimizer(
    config: OptimizerConfig,
    schedule: optax.Schedule,
    *,
    scales: tuple[str, ...] = (),
    scale_schedule: optax.Schedule | None = None,
) -> optax.GradientTransformation:
    """Clipping, if any, then the optimiser, then the rate of learned scales.

    Args:
      config: which optimiser.
      schedule: learning rate of the weights.
      scales: patterns of the paths of learned scales, as
        `NetworkConfig.scale_parameters` declares them.
      scale_schedule: their own learning rate; None: that of the weights, times
        `sigma_rate`.
    """
    steps = []
    if config.clip_norm is not None:
        steps.append(optax.clip_by_global_norm(config.clip_norm))
    if scale_schedule is None:
        steps.append(_descent(config, schedule))
        if config.sigma_rate != 1.0:
            rate = optax.scale(config.sigma_rate)
            steps.append(optax.masked(rate, lambda params: _scales(params, scales)))
    else:
        rules = {
            False: _descent(config, schedule),
            True: _descent(config, scale_schedule),
        }
        steps.append(optax.partition(rules, lambda params: _scales(params, scales)))
    if config.head_rate != 1.0:
        steps.append(optax.masked(optax.scale(config.head_rate), _head))
    return optax.chain(*steps) if len(steps) > 1 else steps[0]


def _descent(
    config: OptimizerConfig, schedule: optax.Schedule
) -> optax.GradientTransformation:
    if config.name == "adam":
        return optax.adam(schedule)
    if config.name == "sgd":
        return optax.sgd(schedule, momentum=config.momentum)
    return optax.adamw(schedule, weight_decay=config.weight_decay, mask=decayed)


def _head(params: Any) -> Any:
    """Which parameters aren't the backbone's."""
    return jax.tree_util.tree_map_with_path(
        lambda path, _: getattr(path[0], "key", None) != "backbone", params
    )


def _scales(params: Any, patterns: tuple[str, ...]) -> Any:
    """Which parameters are learned scales."""

    def one(path: Any, _: Any) -> bool:
        names = "/".join(str(getattr(each, "key", each)) for each in path)
        return is_scale(patterns, names)

    return jax.tree_util.tree_map_with_path(one, params)
