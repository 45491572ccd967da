"""How many internal scales a network needs: which of them it can do without."""

import dataclasses
from typing import Any

import numpy as np

from gdjax.scalespace.checks import check_order, check_rate, check_sigma


@dataclasses.dataclass(frozen=True)
class Pruning:
    """When scales are taken out of use, and by what; see `prune_scales`.

    Attributes:
      start: epochs after which they may be, for the first time.
      stop: epochs after which they may be for the last time; None: before every one.
      every: epochs from one time to the next.
      merge_octaves: below which distance of neighbouring scales one of them goes.
      least: below which contribution a scale goes.

    gdjax.
    """

    start: int = 5
    stop: int | None = None
    every: int = 1
    merge_octaves: float = 0.25
    least: float = 0.02

    def check(self) -> None:
        """Raises TypeError or ValueError for fields out of range."""
        check_order(self.start, name="start", lowest=1)
        check_order(self.every, name="every", lowest=1)
        if self.stop is not None:
            check_order(self.stop, name="stop", lowest=self.start)
        _check_criterion(self.merge_octaves, self.least)

    def due(self, epochs: int) -> bool:
        """Whether scales may be taken out of use after so many epochs."""
        since = epochs - self.start
        last = self.stop is None or epochs <= self.stop
        return since >= 0 and last and since % self.every == 0


def prune_scales(
    scales: Any,
    active: Any,
    contributions: Any,
    *,
    merge_octaves: float = 0.25,
    least: float = 0.02,
) -> np.ndarray:
    """Takes one of the scales in use out of use, or none.

    1. Of the two nearest scales in use, if they are nearer to each other than
       `merge_octaves`, the one with the smaller contribution goes. Where all scales
       share their filters, two at the same place are one.
    2. Otherwise the scale with the smallest contribution goes, if that is below
       `least`. A contribution is the part of the maxima over scales that is lost
       without the scale, so it counts what the others don't give; it grows as others
       go, and the elimination ends by itself.

    At most one goes, so that the others can take over before the next is decided on,
    and the last one stays. Of equals the coarser goes.

    Args:
      scales: px, [N], in any order.
      active: which are in use, bool [N], at least one.
      contributions: in [0, 1], [N], such as the state of `ActiveScales`; those of
        scales out of use are not looked at.
      merge_octaves: distance in log2 of the scale, >= 0; 0: nothing merges.
      least: contribution, in [0, 1); 0: nothing goes for being unused.

    Returns:
      bool [N], on the host.

    Raises:
      TypeError, ValueError: for arguments out of range or of different lengths.

    gdjax.
    """
    _check_criterion(merge_octaves, least)
    scales, active, contributions = _checked(scales, active, contributions)
    order = np.argsort(scales, kind="stable")
    order = order[active[order]]
    gone = None
    if len(order) > 1:
        own = contributions[order]
        gaps = np.diff(np.log2(scales[order]))
        near = int(gaps.argmin())
        if gaps[near] < merge_octaves:
            gone = near + int(own[near + 1] <= own[near])
        elif own.min() < least:
            gone = len(own) - 1 - int(own[::-1].argmin())
    kept = active.copy()
    if gone is not None:
        kept[order[gone]] = False
    return kept


def _check_criterion(merge_octaves: float, least: float) -> None:
    check_sigma(merge_octaves, name="merge_octaves")
    check_rate(least, name="least")


def _checked(scales: Any, active: Any, contributions: Any) -> tuple[np.ndarray, ...]:
    scales = np.asarray(check_sigma(scales, name="scales", positive=True))
    active, contributions = np.asarray(active), np.asarray(contributions, np.float64)
    shapes = scales.shape, active.shape, contributions.shape
    if scales.ndim != 1 or len(set(shapes)) > 1:
        raise ValueError(
            "`scales`, `active` and `contributions` have the shapes"
            f" {', '.join(map(str, shapes))}: give one number per scale, [N], in each."
        )
    if active.dtype != np.bool_:
        raise TypeError(f"`active` has dtype {active.dtype}: give bools.")
    if not active.any():
        raise ValueError("`active` has no scale in use: give one or more.")
    if not (np.isfinite(contributions) & (contributions >= 0)).all():
        raise ValueError(
            f"`contributions={contributions.tolist()}` must be finite and >= 0: give"
            " parts of the maxima over scales, such as the state of `ActiveScales`."
        )
    return scales, active, contributions
