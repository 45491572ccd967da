"""Size factors and the names that they have in split names."""

from __future__ import annotations

import math


def factor_tag(factor: float) -> str:
    """Three decimals with a "p" for the point: 0.5 -> "0p500".

    TFDS split names may hold letters, digits, "_" and "-", hence no point.

    Args:
      factor: size factor (dimensionless), positive.

    Returns:
      The tag that stands in names such as `test_scale_0p500`.

    Raises:
      ValueError: if `factor` is not a positive finite number.
    """
    if not (math.isfinite(factor) and factor > 0):
        raise ValueError(f"`factor={factor}` must be positive and finite.")
    return f"{factor:.3f}".replace(".", "p")


def quarter_octaves(first: int, last: int) -> tuple[float, ...]:
    """The factors 2^(k/4) for k = first..last, both included.

    Args:
      first: smallest exponent, in quarters of an octave.
      last: largest exponent, in quarters of an octave.

    Returns:
      The factors (dimensionless), ascending.
    """
    return tuple(2.0 ** (k / 4) for k in range(first, last + 1))


def find_factor(factor: float, known: tuple[float, ...]) -> float | None:
    """The member of `known` that a user means by `factor`.

    A factor is named exactly or by its three decimals (0.595 for 2^(-3/4)).
    Anything else, however near, is another factor: 1.0004 is not 1.

    Args:
      factor: size factor as typed.
      known: size factors to look among.

    Returns:
      The member of `known`, or None if none is meant.
    """
    for member in known:
        if math.isclose(factor, member, rel_tol=1e-9) or factor == round(member, 3):
            return member
    return None
