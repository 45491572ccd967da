"""Grids of scale levels."""

import math
from collections.abc import Sequence
from typing import Any

from gdjax.scalespace.checks import (
    LARGEST_SIGMA,
    check_order,
    check_scalar,
    check_sigma,
    is_traced,
    shown,
)


def geometric_scales(sigma_0: float, ratio: float, count: int) -> tuple[float, ...]:
    """The scale levels sigma_k = ratio^(k - 1) sigma_0, k = 1..count.

    Args:
      sigma_0: finest level in px, > 0.
      ratio: r >= 1 between adjacent levels, dimensionless.
      count: number of levels.

    Returns:
      `count` floats in px: over the layers of a network, or over its scale channels.

    Raises:
      TypeError: if `sigma_0` or `ratio` is no number, `count` no int.
      ValueError: if `sigma_0` <= 0, `ratio` < 1 or `count` not 1 to 1e6, or levels are
        beyond the range of floats.

    [gaussdernet] (6).
    """
    finest = _number(sigma_0, "sigma_0")
    if finest == 0:
        raise ValueError("`sigma_0=0` has no coarser levels; give sigma_0 > 0 px.")
    factor = _number(ratio, "ratio")
    if not factor >= 1:
        raise ValueError(f"`ratio={ratio}` must be >= 1: layers get coarser.")
    count = check_order(count, name="count", lowest=1, highest=10**6)
    if math.log(finest) + (count - 1) * math.log(factor) > math.log(1e300):
        raise ValueError(
            f"`count={count}` levels of `ratio={ratio}` are beyond the range of floats."
        )
    return tuple(finest * factor**k for k in range(count))


def check_levels(levels: Sequence[float], *, sigmas: Any, ratio: float) -> None:
    """Raises ValueError for levels without kernels, in px of their grid (gdjax)."""
    coarsest = max(levels, default=0.0)
    if coarsest > LARGEST_SIGMA:
        raise ValueError(
            f"`sigmas={shown(sigmas)}` make {coarsest:g} px of a layer, with"
            f" `ratio={ratio:g}`: at most {LARGEST_SIGMA:g} px."
        )


def _number(value: Any, name: str) -> float:
    if is_traced(value):
        raise TypeError(f"`{name}` is traced, but levels are numbers of the host.")
    return float(check_scalar(check_sigma(value, name=name), name=name))
