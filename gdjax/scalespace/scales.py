"""Grids of scale levels."""

from gdjax.scalespace.checks import check_order, check_sigma


def geometric_scales(sigma_0: float, ratio: float, count: int) -> tuple[float, ...]:
    """The scale levels sigma_k = ratio^(k - 1) sigma_0, k = 1..count.

    Args:
      sigma_0: finest level in px, > 0.
      ratio: r >= 1 between adjacent levels, dimensionless.
      count: number of levels.

    Returns:
      `count` floats in px: over the layers of a network, or over its scale channels.

    Raises:
      ValueError: if `sigma_0` <= 0, `ratio` < 1 or `count` < 1.

    [gaussdernet] (6).
    """
    finest = float(check_sigma(sigma_0, name="sigma_0"))
    if finest == 0:
        raise ValueError("`sigma_0=0` has no coarser levels; give sigma_0 > 0 px.")
    if not float(check_sigma(ratio, name="ratio")) >= 1:
        raise ValueError(f"`ratio={ratio}` must be >= 1: layers get coarser.")
    count = check_order(count, name="count", lowest=1)
    return tuple(finest * float(ratio) ** k for k in range(count))
