"""Fits of the tolerance model to densities of scales. [scale_learning] sec. 3.2."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from gdjax.metrics.scale_density import ScaleDensity, check_positive, on_grid
from gdjax.scalespace.checks import check_order, shown


# Lower bounds of the fit; the first one for data that begin at scale 1.
_LOWEST = {"reference": 0.5, "isr": 1.5, "tau": 0.1}

_OPTIONS = {"xatol": 1e-6, "fatol": 1e-10, "maxiter": 10_000, "maxfev": 10_000}


def positions(count: int) -> np.ndarray:
    """The exponents i / (N - 1) of the internal scales, [N]; 0 for a single one."""
    return np.arange(count) / max(count - 1, 1)


@dataclasses.dataclass(frozen=True, eq=False)
class ToleranceFit:
    """Internal scales for D distributions of the data's scales.

    Attributes:
      reference: smallest internal scales [D], dimensionless.
      isr: internal scale ranges [D], the largest scale over the smallest; 1 for a
        single internal scale.
      tau: the tolerance they share, in octaves.
      scales: internal scales [D, N], dimensionless. Times the sigma that fits data of
        scale 1 they are sigmas in px.
      kl: Kullback-Leibler divergences of the mixtures from the data [D], in nats.

    [scale_learning] sec. 3.2.
    """

    reference: np.ndarray
    isr: np.ndarray
    tau: float
    scales: np.ndarray
    kl: np.ndarray


def fit_tolerance(
    distributions: ScaleDensity | Sequence[ScaleDensity],
    count: int,
    *,
    reference: Any = None,
    isr: Any = None,
    tau: float | None = None,
    start: tuple[Any, Any, float] | None = None,
    grid: tuple[float, float] | None = None,
    points: int = 10_000,
) -> ToleranceFit:
    """Fits mixtures of N tolerances to distributions of the data's scales.

    The sum of KL(mixture, data) over the distributions is minimised by the method of
    Nelder and Mead, with one tau for all. Bounds: reference >= 0.5 (for data that begin
    at a scale below 1, 0.5 times that one), isr >= 1.5, tau >= 0.1; and no internal
    scale leaves the grid. The minimum is a local one: from a start far away another may
    be found, and a gap in the data that is wider than tau may be left as it is.

    Args:
      distributions: one, or D of them. Those that aren't extended are, by 0.4 octaves.
      count: N >= 1, internal scales for each.
      reference: smallest internal scale to hold fixed, a number or [D], > 0.
      isr: internal scale range to hold fixed, a number or [D], > 1; a single internal
        scale has none.
      tau: tolerance to hold fixed, in octaves, > 0.
      start: (reference, isr, tau) to begin at, numbers or the first two [D]; by default
        from quantiles of the data. What is held fixed does not count.
      grid: (smallest, largest scale) to integrate over; by default everything that a
        distribution extends to.
      points: of the grid, evenly in log2 of the scale.

    Returns:
      The fit.

    Raises:
      TypeError, ValueError: for arguments out of range.
      RuntimeError: if 10,000 steps don't suffice.

    [scale_learning] sec. 3.2, Figs. 2 and 5. Choice: the paper is silent on the grid.
    Its tau = .459 follows from (0.5, 17) for all three distributions, which cuts their
    lower extensions at 2.5 widths; over all that they extend to, tau is .452. Mixture
    and data are normalised over the grid.
    """
    data = [distributions] if isinstance(distributions, ScaleDensity) else distributions
    data = _extended(data)
    count = check_order(count, name="count", lowest=1)
    fixed = _parameters((reference, isr, tau), len(data), count)
    tables = [on_grid(density, grid, points) for density in data]
    octaves, logs = (np.stack(arrays) for arrays in zip(*tables, strict=True))
    lowest = _lowest(data)
    if start is None:
        begin = np.maximum(_start(octaves, logs, count), lowest)
    else:
        begin = _parameters(_three(start), len(data), count)
    begin = np.where(np.isnan(fixed), begin, fixed)
    _check_start(begin, np.where(np.isnan(fixed), lowest, -np.inf), octaves)
    found = _minimise(octaves, logs, count, fixed, begin, lowest)
    references, isrs = found[:-1].reshape(2, -1)
    kl = _divergences(octaves, logs, found, count)
    scales = references[:, None] * isrs[:, None] ** positions(count)
    return ToleranceFit(references, isrs, float(found[-1]), scales, kl)


def _three(start: Any) -> Sequence[Any]:
    """`start`, of three parts; TypeError or ValueError for anything else."""
    if isinstance(start, np.ndarray) and start.ndim:
        start = list(start)
    if not isinstance(start, list | tuple):
        raise TypeError(f"`start={shown(start)}` must be (reference, isr, tau).")
    if len(start) != 3:
        raise ValueError(
            f"`start={shown(start)}` has {len(start)} parts; give (reference, isr,"
            " tau)."
        )
    return start


def _extended(distributions: Any) -> list[ScaleDensity]:
    found = list(distributions) if isinstance(distributions, Sequence) else []
    if not found or not all(isinstance(one, ScaleDensity) for one in found):
        raise TypeError(
            f"`distributions={distributions!r}` must be a ScaleDensity or a sequence of"
            " them: give `log_uniform`, `log_normal` or `density_of_samples`."
        )
    return [one if one.extension is not None else one.extended() for one in found]


def _lowest(data: Sequence[ScaleDensity]) -> np.ndarray:
    """Lower bounds in the layout of `_parameters`."""
    # 0.5 alone would be too large for data of scales far below 1.
    references = [_LOWEST["reference"] * min(1.0, d.borders[0]) for d in data]
    return np.array([*references, *[_LOWEST["isr"]] * len(data), _LOWEST["tau"]])


def _overshoot(octaves: np.ndarray, parameters: np.ndarray) -> float:
    """Octaves by which internal scales and tau leave their grids, in total."""
    first, width = np.log2(parameters[:-1]).reshape(2, -1)
    low, high = octaves[:, 0] - 1e-9, octaves[:, -1] + 1e-9
    beyond = [low - first, first + width - high, parameters[-1] - (high - low)]
    return float(np.maximum(beyond, 0.0).sum())


def _parameters(given: Sequence[Any], number: int, count: int) -> np.ndarray:
    """D references, D ranges and tau as one vector [2 D + 1]; NaN for None."""
    found = []
    rows = zip(("reference", "isr", "tau"), given, (0, 1, 0), strict=True)
    for name, value, above in rows:
        size = 1 if name == "tau" else number
        if value is None:
            found.append(np.full(size, np.nan))
            continue
        array = check_positive(value, name, above=above, unit=f"{name} as number")
        if array.ndim and array.shape != (size,):
            raise ValueError(
                f"`{name}` of shape {array.shape} must be a number or [{size}], one for"
                " each distribution."
            )
        found.append(np.broadcast_to(array, size))
    if count == 1:
        found[1] = np.ones(number)  # a single scale has no range
    return np.concatenate(found)


def _start(octaves: np.ndarray, logs: np.ndarray, count: int) -> np.ndarray:
    """Internal scales at the (i + 1/2) / N quantiles of the data, tau half a step."""
    ends = []
    for x, log_q in zip(octaves, logs, strict=True):
        share = np.cumsum(np.exp(log_q))
        ends.append(np.interp([0.5 / count, 1 - 0.5 / count], share, x))
    low, high = np.transpose(ends)
    tau = 0.5 * np.mean(high - low) / (count - 1) if count > 1 else 1.0
    return np.array([*2**low, *2 ** (high - low), tau])


def _divergences(
    octaves: np.ndarray, logs: np.ndarray, parameters: np.ndarray, count: int
) -> np.ndarray:
    """KL(mixture, data) of every distribution, [D]; octaves and logs are [D, P]."""
    references, isrs = np.log2(parameters[:-1]).reshape(2, -1, 1)
    centres = (references + isrs * positions(count))[..., None]  # [D, N, 1]
    exponents = -(((octaves[:, None] - centres) / parameters[-1]) ** 2) / 2
    # The largest is 0, so that the sum can't underflow far away from the grid.
    exponents -= exponents.max((1, 2), keepdims=True)
    mixture = np.exp(exponents).sum(1)
    mixture /= mixture.sum(-1, keepdims=True)
    own = np.log(np.maximum(mixture, np.finfo(np.float64).tiny))
    return (mixture * (own - logs)).sum(-1)


def _check_start(begin: np.ndarray, lowest: np.ndarray, octaves: np.ndarray) -> None:
    if not np.all(begin >= lowest):  # NaN included
        raise ValueError(
            f"The fit can't begin at references, ranges and tau {begin.tolist()}, whose"
            f" bounds are {lowest.tolist()}; give all of `start` within them."
        )
    if _overshoot(octaves, begin) > 0:
        raise ValueError(
            f"References, ranges and tau {begin.tolist()} leave the grid of scales from"
            f" {2 ** octaves[:, 0].min():g} to {2 ** octaves[:, -1].max():g}; give a"
            " larger `grid`, or other values to hold fixed or start at."
        )


def _minimise(
    octaves: np.ndarray,
    logs: np.ndarray,
    count: int,
    fixed: np.ndarray,
    begin: np.ndarray,
    lowest: np.ndarray,
) -> np.ndarray:
    """The parameters of the least total divergence; those fixed stay."""
    from scipy import optimize  # scipy takes longer to import than all of gdjax

    free = np.isnan(fixed)
    unit = begin[free]

    def complete(x: np.ndarray) -> np.ndarray:
        parameters = fixed.copy()
        parameters[free] = x * unit
        return parameters

    def total(x: np.ndarray) -> float:
        parameters = complete(x)
        # Outside of the grid an internal scale would cost nothing.
        outside = 100 * _overshoot(octaves, parameters)
        return float(_divergences(octaves, logs, parameters, count).sum()) + outside

    x, least = np.ones(len(unit)), np.inf
    limits = [(bound, None) for bound in lowest[free] / unit]
    # The simplex may collapse before the minimum: again, until that brings nothing.
    while len(unit) and (value := total(x)) < least - 1e-8:
        least = value
        result = optimize.minimize(
            total, x, method="Nelder-Mead", bounds=limits, options=_OPTIONS
        )
        if not result.success:
            raise RuntimeError(
                f"The fit didn't converge ({result.message}); give another `start`,"
                " nearer to the scales of the data."
            )
        x = result.x
    return complete(x)
