"""How large the objects of a data set are: distributions and draws, on the host."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Literal

import numpy as np

from .errors import UserError


@dataclasses.dataclass(frozen=True)
class ScaleDistribution:
    """Size factors (dimensionless) of images; by default all of them are 1.

    Attributes:
      kind: "values": one of `values` each; "log_uniform": uniform in its logarithm
        from `low` to `high`; "log_normal": its logarithm is normal, and what is not
        from `low` to `high` is left out.
      values: of "values".
      weights: of these, relative to each other; empty: all are equally probable.
      low: least factor; None for "log_normal": there is none.
      high: largest factor; None for "log_normal": there is none.
      mean: of "log_normal", before anything is left out, in octaves: of log2 of the
        factor.
      std: standard deviation of "log_normal" before that, in octaves.

    [scale_learning] App. A.1 ("log_uniform"); the others: gdjax.
    """

    kind: Literal["values", "log_uniform", "log_normal"] = "values"
    values: tuple[float, ...] = (1.0,)
    weights: tuple[float, ...] = ()
    low: float | None = None
    high: float | None = None
    mean: float = 0.0
    std: float = 0.0


# The fields that each kind has.
_FIELDS = {
    "values": ("values", "weights"),
    "log_uniform": ("low", "high"),
    "log_normal": ("mean", "std", "low", "high"),
}


def draw_factors(
    distribution: ScaleDistribution, count: int, *, seed: int | Sequence[int]
) -> np.ndarray:
    """The factor of each of `count` images, drawn once.

    Factor i depends on `distribution`, `seed` and i alone: the first of more factors
    are the same. It is the quantile of the i-th number of
    `np.random.default_rng(np.random.SeedSequence(seed))`, so that distributions of one
    seed have their large objects in the same images.

    Args:
      distribution: of the factors.
      count: number of images, at least 0.
      seed: one or several whole numbers, at least 0.

    Returns:
      Factors (dimensionless), float32 [count].

    Raises:
      UserError: if the distribution has no meaning.
      ValueError: if `count` or `seed` is negative.

    gdjax; that factors are drawn once per image: [scale_learning] App. A.1.
    """
    validate_scales(distribution)
    if count < 0:
        raise ValueError(f"`count={count}` must be at least 0.")
    seeds = np.random.SeedSequence(seed)
    # 0 has no quantile where there is no least factor.
    parts = np.maximum(np.random.default_rng(seeds).random(count), 2.0**-54)
    return _quantiles(distribution, parts).astype(np.float32)


def mean_square(distribution: ScaleDistribution) -> float:
    """Expectation of the square of a factor: how much larger areas are.

    Args:
      distribution: of the factors.

    Returns:
      The mean over 10,000 quantiles.

    Raises:
      UserError: if the distribution has no meaning.

    gdjax.
    """
    validate_scales(distribution)
    parts = (np.arange(10_000) + 0.5) / 10_000
    return float((_quantiles(distribution, parts) ** 2).mean())


def describe(distribution: ScaleDistribution) -> str:
    """For tables, such as "log-uniform [1, 8]"."""
    kind, low, high = distribution.kind, distribution.low, distribution.high
    if kind == "values":
        texts = [f"{value:.3g}" for value in distribution.values]
        if distribution.weights:
            pairs = zip(texts, distribution.weights, strict=True)
            texts = [f"{text} ({weight:g})" for text, weight in pairs]
        return ", ".join(texts)
    bounds = [f"{0.0 if low is None else low:.3g}"]
    bounds.append("inf" if high is None else f"{high:.3g}")
    text = f"{kind.replace('_', '-')} [{', '.join(bounds)}]"
    if kind == "log_uniform":
        return text
    return f"{text}, {distribution.mean:g} +- {distribution.std:g} octaves"


def validate_scales(distribution: ScaleDistribution) -> None:
    """Refuses distributions without a meaning.

    Args:
      distribution: of size factors.

    Raises:
      UserError: for an unknown kind, fields of another kind, factors that are not
        positive and finite, weights that are none of their number, and bounds with
        nothing of the distribution between them.
    """
    kind = distribution.kind
    if kind not in _FIELDS:
        raise UserError(f"`kind={kind!r}`: expected one of {', '.join(_FIELDS)}")
    for field in dataclasses.fields(distribution)[1:]:
        value = getattr(distribution, field.name)
        if field.name not in _FIELDS[kind] and value != field.default:
            raise UserError(
                f"`{field.name}={value}`: {kind!r} has only "
                f"{', '.join(_FIELDS[kind])}, so leave it out, or take another `kind`"
            )
    if kind == "values":
        _check_values(distribution)
    else:
        _check_range(distribution)


def _check_values(distribution: ScaleDistribution) -> None:
    values, weights = distribution.values, distribution.weights
    if not values or not all(0 < value < math.inf for value in values):
        raise UserError(f"`values={values}`: expected positive factors, at least one")
    if not weights:
        return
    valid = len(weights) == len(values) and all(0 <= w < math.inf for w in weights)
    if not valid or not 0 < sum(weights) < math.inf:
        raise UserError(
            f"`weights={weights}`: expected one for each of the {len(values)} values, "
            "none negative and not all 0"
        )


def _check_range(distribution: ScaleDistribution) -> None:
    kind, low, high = distribution.kind, distribution.low, distribution.high
    if kind == "log_uniform" and None in (low, high):
        raise UserError(f"`low={low}`, `high={high}`: {kind!r} needs both of them")
    least, largest = low or math.ulp(0.0), math.inf if high is None else high
    bounds = [bound for bound in (low, high) if bound is not None]
    if not all(0 < b < math.inf for b in bounds) or not least <= largest:
        raise UserError(
            f"`low={low}`, `high={high}`: expected finite factors, 0 < low <= high"
        )
    if kind == "log_uniform":
        return
    mean, std = distribution.mean, distribution.std
    if not (math.isfinite(mean) and 0 < std < math.inf):
        raise UserError(
            f"`mean={mean}`, `std={std}`: expected a finite mean and a positive "
            'deviation, in octaves; for a single factor, take kind "values"'
        )
    first, last = _cut(distribution)
    if not first < last:
        raise UserError(
            f"`low={low}`, `high={high}`: nothing of the log-normal distribution with "
            f"`mean={mean}` and `std={std}` octaves lies between them"
        )


def _quantiles(distribution: ScaleDistribution, parts: np.ndarray) -> np.ndarray:
    """The factors, float64, below which the given parts in (0, 1) of all lie."""
    if distribution.kind == "values":
        values = np.array(distribution.values, np.float64)
        weights = np.array(distribution.weights or np.ones(len(values)), np.float64)
        sums = np.cumsum(weights) / weights.sum()
        # The last sum is 1 but for rounding: no part is beyond it.
        last = np.flatnonzero(weights)[-1]
        return values[np.minimum(np.searchsorted(sums, parts, side="right"), last)]
    if distribution.kind == "log_uniform":
        ends = np.log2(np.array([distribution.low, distribution.high], np.float64))
        return 2 ** (ends[0] + parts * (ends[1] - ends[0]))
    from scipy.special import ndtri

    first, last = _cut(distribution)
    normal = ndtri(first + parts * (last - first))
    return 2 ** (distribution.mean + distribution.std * normal)


def _cut(distribution: ScaleDistribution) -> tuple[float, float]:
    """Which parts of a log-normal distribution lie below `low`, and below `high`."""
    from scipy.special import ndtr

    ends = []
    for bound, part in ((distribution.low, 0.0), (distribution.high, 1.0)):
        if bound is not None:
            part = ndtr((math.log2(bound) - distribution.mean) / distribution.std)
        ends.append(float(part))
    return ends[0], ends[1]
