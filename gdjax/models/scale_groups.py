"""Scale channels in groups of about equal shapes, each of them one `vmap` (gdjax)."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gdjax.layers.selection import centre_pixel
from gdjax.scalespace.grids import Grid, on_image
from gdjax.scalespace.matrices import LONGEST_DENSE_AXIS
from gdjax.scalespace.stacked import (
    StackedWindows,
    own_pixels,
    settled,
    stack_windows,
    unstack,
    unstacked,
)
from gdjax.scalespace.windows import Windows, crop, full_window


# What a channel may cost in a group, in its own cost. On CPUs what a group saves is
# compiling alone: at 1.5, steps of pyramids took 1.2 times as long as at 1.15.
MOST = 1.15
# What a pixel costs for each of its channels in normalisation and nonlinearity, in
# multiplications: a guess, which decides on groups alone.
POINTWISE = 40


@dataclasses.dataclass(frozen=True)
class Plan:
    """One scale channel: what its layers are, and which pixels they take.

    Attributes:
      levels: sigma of every layer, px of its grid.
      windows: of every layer's input and of the output.
      centre: of its grid, by axis.
      alone: whether it is in no group, whatever the shapes.
    """

    levels: tuple[float, ...]
    windows: tuple[Windows, ...]
    centre: Windows
    alone: bool = False


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
        y = layer(x, sigma=self.levels[k], sources=sources, targets=targets)
        return settled(y, targets, self.scale_channel_axis) if self.stacked else y

    def own_pixels(self, k: int) -> Any:
        """Which pixels of layer k's input are of the channels; None: all."""
        if not self.stacked:
            return None
        return own_pixels(self.windows[k], self.scale_channel_axis)

    def filled(self, k: int) -> bool:
        """Whether it has several channels that fill their array before layer k."""
        return self.stacked and own_pixels(self.windows[k]) is None

    def each(self, y: jax.Array) -> list[jax.Array]:
        """The maps of every channel, from those of the last layer."""
        return unstack(y, self.windows[-1]) if self.stacked else [y]

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
    if any(plan.alone for plan in plans):
        return False
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


def read_out(
    groups: Sequence[ScaleGroup],
    outputs: Sequence[jax.Array],
    grids: Sequence[tuple[Grid, ...]],
    *,
    select: Callable[..., jax.Array],
) -> jax.Array:
    """What is selected of the maps of every channel, [B, S, K].

    Args:
      groups: of the channels.
      outputs: the last layer's maps of every group.
      grids: of every channel.
      select: `centre_pixel` or another selection of [B, (D,) (H,) W, K].
    """

    def selected(y: jax.Array, own: tuple[Grid, ...]) -> jax.Array:
        if select is centre_pixel and _is_whole(y, own):
            full = [full_window(grid.size) for grid in own]
            y = crop(y, full, [grid.centre for grid in own])
        return select(y, ndim=len(own))

    found, order = [], []
    for group, y in zip(groups, outputs, strict=True):
        own = [grids[s] for s in group.channels]
        places = {tuple((grid.size, grid.centre) for grid in each) for each in own}
        if group.filled(-1) and len(places) == 1:
            found.append(jax.vmap(functools.partial(selected, own=own[0]))(y))
        else:
            pairs = zip(group.each(y), own, strict=True)
            found.append(jnp.stack([selected(*pair) for pair in pairs]))
        order += group.channels
    together = jnp.concatenate(found) if len(found) > 1 else found[0]
    if order != sorted(order):
        together = together[np.argsort(order)]
    return jnp.moveaxis(together, 0, -2)


def image_maps(
    groups: Sequence[ScaleGroup],
    outputs: Sequence[jax.Array],
    grids: Sequence[tuple[Grid, ...]],
) -> list[jax.Array]:
    """The maps of every channel, at the pixels of the images where they are whole."""
    found: dict[int, jax.Array] = {}
    for group, ys in zip(groups, outputs, strict=True):
        for s, y in zip(group.channels, group.each(ys), strict=True):
            found[s] = on_image(y, grids[s]) if _is_whole(y, grids[s]) else y
    return [found[s] for s in range(len(found))]


def _is_whole(y: jax.Array, grids: Sequence[Grid]) -> bool:
    """Whether a map has all pixels of its grid, not the ones read out alone."""
    return y.shape[1:-1] == tuple(grid.size for grid in grids)


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
