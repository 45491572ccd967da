"""Scale channels by `vmap`: the only place that maps a module over scales."""

from collections.abc import Callable
from typing import Any

import flax.linen as nn


SCALE_AXIS = "scale"


def over_scales(target: Callable[..., Any]) -> Callable[..., Any]:
    """Maps `target(module, x, sigma)` over sigma, sharing parameters and statistics.

    Args:
      target: a function of a Linen module, an input that all scale channels share, and
        the channel's sigma (px).

    Returns:
      A function of (module, x, sigmas [S]) whose result has the scale axis in front.
      Batch normalisation inside pools over the channels with
      `axis_name=SCALE_AXIS`.

    [gaussdernet] sec. 5: weights and batch normalisation are shared between the
    scale channels.
    """
    return nn.vmap(
        target,
        in_axes=(None, 0),  # pyright: ignore[reportArgumentType] (Flax says int)
        out_axes=0,
        axis_name=SCALE_AXIS,
        variable_axes={"params": None, "batch_stats": None},
        split_rngs={"params": False, "dropout": True},
    )
