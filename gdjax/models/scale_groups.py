"""Scale channels in groups of about equal shapes, each of them one `vmap` (gdjax)."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any

from gdjax.scalespace.matrices import LONGEST_DENSE_AXIS
from gdjax.scalespace.stacked import (
    StackedWindows,
    local,
    own_pixels,
    stack_windows,
    unstacked,
)
from gdjax.scalespace.windows import Windows


# What a channel may cost in a group, in its own cost.
MOST = 1.5
# What a pixel costs for each of its channels in normalisation and nonlinearity, forward
# and back, in multiplications; measured on two cores within a factor of two.
POINTWISE = 40


@dataclasses.dataclass(frozen=True)
class Plan:
    """One scale channel: what its layers are, and which pixels they take.

    Attributes:
      levels: sigma of every layer, px of its grid.
      windows: of every layer's input and of the output.
      centre: of its grid, by axis.
    """

    levels: tuple[float, ...]
    windows: tuple[Windows, ...]
    centre: Windows


@dataclasses.dataclass(frozen=True)
class ScaleGroup:
    """Scale channels whose maps are one array.

    Attributes:
      channels: which scale channels of the network.
      stacked: whether the array has an axis of channels in front.
      levels: sigma of every layer, px of the grid; where stacked, one for each channel.
      windows: of every layer's input and of the output.
      scale_channel_axis: axis of a mesh over which the channels are spread.
    """

    channels: tuple[int, ...]
    stacked: bool
    levels: tuple[Any, ...]
    windows: tuple[Any, ...]
    scale_channel_axis: str | None = None

    def run(self, layer: Callable[..., Any], x: Any, k: int) -> Any:
        """Layer number k, counted from 0, on the maps of the group."""
        sources, targets = self.windows[k], self.windows[k + 1]
        return layer(x, sigma=self.levels[k], sources=sources, targets=targets)

    def own_pixels(self, k: int) -> Any:
        """Which pixels of layer k's input are of the channels; None: all."""
        found = own_pixels(self.windows[k]) if self.stacked else None
        return None if found is None else local(found, self.scale_channel_axis)

    def of(self, k: int, channel: int) -> Windows:
        """The windows of layer k's input of the channel with a place in the group."""
        windows = self.windows[k]
        return unstacked(windows, channel) if self.stacked else windows


def grouped(
    plans: Sequence[Plan],
    cost: Callable[[Sequence[Windows | StackedWindows]], float],
) -> list[ScaleGroup]:
    """As many channels in a group as go, with nobody's cost above `MOST` of its own.

    Args:
      plans: of the channels.
      cost: of a channel on such windows, or in arrays of such lengths.
    """
    groups: list[list[int]] = []
    # Neighbours in cost are neighbours in shape.
    for s in sorted(range(len(plans)), key=lambda s: cost(plans[s].windows)):
        if groups and _fits([plans[m] for m in (*groups[-1], s)], cost):
            groups[-1].append(s)
        else:
            groups.append([s])
    return [_group(members, plans) for members in map(sorted, groups)]


def one_by_one(plans: Sequence[Plan]) -> list[ScaleGroup]:
    """A group for each channel."""
    return [_group([s], plans) for s in range(len(plans))]


def one_group(plans: Sequence[Plan], scale_channel_axis: str | None) -> ScaleGroup:
    """All channels in one, spread over an axis of a mesh."""
    group = _stacked_group(range(len(plans)), plans)
    return dataclasses.replace(group, scale_channel_axis=scale_channel_axis)


def _fits(plans: Sequence[Plan], cost: Callable[..., float]) -> bool:
    axes = [axis for plan in plans for windows in plan.windows for axis in windows]
    if max(axis.length for axis in axes) > LONGEST_DENSE_AXIS:
        return False
    together = cost(_stacked(plans))
    return all(together <= MOST * cost(plan.windows) for plan in plans)


def _stacked(plans: Sequence[Plan]) -> tuple[StackedWindows, ...]:
    centres = [plan.centre for plan in plans]
    layers = zip(*(plan.windows for plan in plans), strict=True)
    return tuple(stack_windows(windows, centres) for windows in layers)


def _group(members: Sequence[int], plans: Sequence[Plan]) -> ScaleGroup:
    if len(members) > 1:
        return _stacked_group(members, plans)
    only = plans[members[0]]
    return ScaleGroup(tuple(members), False, only.levels, only.windows)


def _stacked_group(members: Sequence[int], plans: Sequence[Plan]) -> ScaleGroup:
    chosen = [plans[m] for m in members]
    levels = tuple(zip(*(plan.levels for plan in chosen), strict=True))
    return ScaleGroup(tuple(members), True, levels, _stacked(chosen))


def multiplications(
    windows: Sequence[Windows | StackedWindows],
    features: Sequence[int],
    *,
    terms: int,
) -> float:
    """About those of a chain of Gaussian derivative layers.

    Args:
      windows: of every layer's input and of the output.
      features: channels of every layer's input and of the output.
      terms: of the N-jet.
    """
    total = 0.0
    for k in range(len(windows) - 1):
        sizes = [axis.length for axis in windows[k]]
        wanted = [axis.length for axis in windows[k + 1]]
        for axis, length in reversed(list(enumerate(wanted))):
            total += features[k] * math.prod(sizes) * length
            sizes[axis] = length
        pixels = math.prod(wanted)
        total += pixels * features[k + 1] * (terms * features[k] + POINTWISE)
    return total
