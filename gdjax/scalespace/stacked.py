"""Scale channels in one array, [S, ...], each with pixels of its own (gdjax).

The channels' windows, on grids of their own, lie with their centres on one another; the
array is as long as all of them together. Matrices have zeros where a channel has no
pixels: what an array holds there, the value at the centre, makes no difference to any
operator, and counts in no statistics.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from gdjax.scalespace.axis_filter import AxisFilter, spans
from gdjax.scalespace.low_rank import LowRank
from gdjax.scalespace.matrices import Filter, known_filter
from gdjax.scalespace.windows import Window, Windows, full_window


class StackedWindow(NamedTuple):
    """Windows of S scale channels in an axis of `length` pixels.

    Attributes:
      windows: of every channel, on its own grid.
      offsets: where each begins in the array.
      length: of the array's axis, px.
      centre: where the (first) pixel at the centre of every grid lies in the array.
    """

    windows: tuple[Window, ...]
    offsets: tuple[int, ...]
    length: int
    centre: int

    @property
    def alike(self) -> bool:
        """Whether every channel fills the array."""
        return all(window.length == self.length for window in self.windows)

    def of(self, channel: int) -> slice:
        """The pixels of one channel in the array."""
        start = self.offsets[channel]
        return slice(start, start + self.windows[channel].length)


StackedWindows = tuple[StackedWindow, ...]


def stack_windows(
    windows: Sequence[Windows], centres: Sequence[Windows]
) -> StackedWindows:
    """Windows of S channels, aligned at the centres of their grids, by axis."""
    found = []
    axes = zip(zip(*windows, strict=True), zip(*centres, strict=True), strict=True)
    for own, middles in axes:
        starts = [w.start - c.start for w, c in zip(own, middles, strict=True)]
        stops = [w.stop - c.start for w, c in zip(own, middles, strict=True)]
        first = min(starts)
        offsets = tuple(start - first for start in starts)
        found.append(StackedWindow(tuple(own), offsets, max(stops) - first, -first))
    return tuple(found)


def full_stack(x: Any, ndim: int, channels: int) -> StackedWindows:
    """Full windows of arrays [S, ..., (D,) (H,) W, C]."""
    return tuple(
        StackedWindow((full_window(n),) * channels, (0,) * channels, n, (n - 1) // 2)
        for n in x.shape[-ndim - 1 : -1]
    )


def whole_stack(windows: StackedWindows) -> StackedWindows:
    """All pixels of the channels' grids, from windows on them."""
    every, centres = [], []
    for axis in windows:
        pairs = list(zip(axis.windows, axis.offsets, strict=True))
        starts = [w.start - offset + axis.centre for w, offset in pairs]
        every.append([full_window(w.size) for w in axis.windows])
        centres.append(
            [Window(w.size, c, c + 1) for (w, _), c in zip(pairs, starts, strict=True)]
        )
    channels = zip(*every, strict=True), zip(*centres, strict=True)
    return stack_windows(*(list(each) for each in channels))


def unstacked(windows: StackedWindows, channel: int) -> Windows:
    """The windows of one channel."""
    return tuple(axis.windows[channel] for axis in windows)


def stack(xs: Sequence[jax.Array], windows: StackedWindows) -> jax.Array:
    """Arrays [..., (D,) (H,) W, C] of S channels in one, zeros beyond their pixels."""
    if all(x is xs[0] for x in xs) and all(axis.alike for axis in windows):
        return jnp.broadcast_to(xs[0], (len(xs), *xs[0].shape))
    padded = []
    for channel, x in enumerate(xs):
        width = [(0, 0)] * x.ndim
        for axis, window in enumerate(windows):
            before = window.offsets[channel]
            after = window.length - before - window.windows[channel].length
            width[axis - len(windows) - 1] = before, after
        padded.append(jnp.pad(x, width) if np.any(width) else x)
    return jnp.stack(padded)


def unstack(x: jax.Array, windows: StackedWindows) -> list[jax.Array]:
    """The pixels of every channel: the inverse of `stack`."""
    return [
        x[(channel, ..., *(axis.of(channel) for axis in windows), slice(None))]
        for channel in range(x.shape[0])
    ]


def own_pixels(windows: StackedWindows, axis: str | None = None) -> Any:
    """Which pixels are a channel's, bool [S, 1, (D,) (H,) W, 1]; None: all of them.

    `axis`: of a mesh over which the channels are spread: those of this device.
    """
    if all(each.alike for each in windows):
        return None
    channels = len(windows[0].windows)
    found = np.zeros((channels, 1, *(each.length for each in windows), 1), bool)
    for channel in range(channels):
        found[(channel, 0, *(each.of(channel) for each in windows), 0)] = True
    return local(found, axis)


def settled(x: jax.Array, windows: StackedWindows, axis: str | None = None) -> Any:
    """Maps [S, ..., C] with the value at the centre where a channel has no pixels.

    So that no nonlinearity meets what a channel alone hasn't: 0 times infinity is none.
    `axis`: of a mesh over which the channels are spread.
    """
    own = own_pixels(windows, axis)
    if own is None:
        return x
    place = [slice(each.centre, each.centre + 1) for each in windows]
    centre = jax.lax.stop_gradient(x[(..., *place, slice(None))])
    return jnp.where(own, x, centre)


def crop_stack(x: jax.Array, sources: StackedWindows, targets: StackedWindows) -> Any:
    """The pixels of `targets`, from [S, ..., (D,) (H,) W, C] on those of `sources`.

    One slice for all, since both are aligned at the centres.
    """
    cut = []
    for source, target in zip(sources, targets, strict=True):
        pairs = zip(source.windows, target.windows, strict=True)
        start = source.offsets[0] + next(t.start - s.start for s, t in pairs)
        start -= target.offsets[0]
        cut.append(slice(start, start + target.length))
    return x[(..., *cut, slice(None))]


def local(tree: Any, axis: str | None) -> Any:
    """This device's channels of arrays [S, ...], in `jax.shard_map`; None: all.

    Raises:
      ValueError: if they can't be spread evenly.
    """
    if axis is None:
        return tree
    try:
        devices = jax.lax.axis_size(axis)
    except NameError as error:
        raise ValueError(
            f"`scale_channel_axis={axis!r}` is no axis of a mesh here: call in"
            " `jax.shard_map` over a mesh that has it, or leave it out."
        ) from error
    channels = len(jax.tree.leaves(tree)[0])
    if channels % devices:
        raise ValueError(
            f"{channels} scale channels can't be spread over the {devices} devices of"
            f" `scale_channel_axis={axis!r}`: their number must be a multiple."
        )
    start = jax.lax.axis_index(axis) * (channels // devices)
    if devices > 1 and axis not in jax.typeof(start).manual_axis_type.varying:
        raise ValueError(
            f"`scale_channel_axis={axis!r}` needs `jax.shard_map` with its default"
            " `check_vma=True`: gradients would be those of one device."
        )

    def part(array: Any) -> jax.Array:
        array = jnp.asarray(array)
        return jax.lax.dynamic_slice_in_dim(array, start, channels // devices)

    return jax.tree.map(part, tree)


def gathered(x: jax.Array, channels: int, axis: str | None) -> jax.Array:
    """The inverse of `local`: [S, ...] on every device."""
    if axis is None:
        return x
    start = jax.lax.axis_index(axis) * len(x)
    whole = jnp.zeros((channels, *x.shape[1:]), x.dtype)
    # A sum, not `all_gather`: its result is known to be the same everywhere.
    placed = jax.lax.dynamic_update_slice_in_dim(whole, x, start, 0)
    return jax.lax.psum(placed, axis)


def stacked_filters(
    filter_: Filter,
    sigmas: Sequence[float],
    orders: Sequence[Sequence[int]],
    sources: StackedWindows,
    targets: StackedWindows,
    *,
    margin: int = 0,
) -> dict[tuple[int, int], AxisFilter]:
    """As `axis_filters`, of S channels: matrices [S, rows, columns].

    `margin` px more than `targets` on either side.
    """
    found, known = {}, {}
    for depth, wanted in enumerate(orders, start=1):
        source, target = sources[-depth], targets[-depth]
        for n in sorted(set(wanted)):
            # Axes of the same windows share an array: it is one constant.
            key = source, target, n
            if key not in known:
                known[key] = _stacked_filter(filter_, sigmas, *key, margin=margin)
            found[depth, n] = known[key]
    return found


def _stacked_filter(
    filter_: Filter,
    sigmas: Sequence[float],
    source: StackedWindow,
    target: StackedWindow,
    order: int,
    *,
    margin: int,
) -> AxisFilter:
    along = spans(source.windows, target.windows, margin=margin)
    matrices = [
        known_filter(filter_, float(sigma), order, span, False).matrix
        for sigma, span in zip(sigmas, along, strict=True)
    ]
    shape = target.length + 2 * margin, source.length
    return AxisFilter(jnp.asarray(_embedded(matrices, shape, target, source)))


def stacked_factors(
    factors: Sequence[dict[int, LowRank]],
    sources: StackedWindows,
    targets: StackedWindows,
) -> dict[int, LowRank]:
    """Factors of S channels by depth, as arrays with the channels in front."""
    found = {}
    for depth in factors[0]:
        own = [each[depth] for each in factors]
        downs = [np.asarray(each.down.matrix) for each in own]
        ups = [np.asarray(each.up.matrix) for each in own]
        source, target = sources[-depth], targets[-depth]
        seen = max(len(down) for down in downs)
        answered = max(up.shape[1] for up in ups)
        down = _embedded(downs, (seen, source.length), None, source)
        up = _embedded(ups, (target.length, answered), target, None)
        jets = {
            n: AxisFilter(
                jnp.asarray(
                    _embedded(
                        [np.asarray(e.jets[n].matrix) for e in own], (answered, seen)
                    )
                )
            )
            for n in own[0].jets
        }
        found[depth] = LowRank(
            AxisFilter(jnp.asarray(down)), jets, AxisFilter(jnp.asarray(up))
        )
    return found


def _embedded(
    matrices: Sequence[np.ndarray],
    shape: tuple[int, int],
    rows: StackedWindow | None = None,
    columns: StackedWindow | None = None,
) -> np.ndarray:
    """Matrices of S channels in zeros [S, *shape], where their pixels are."""
    found = np.zeros((len(matrices), *shape))
    for channel, matrix in enumerate(matrices):
        top = rows.offsets[channel] if rows else 0
        left = columns.offsets[channel] if columns else 0
        m, n = matrix.shape
        found[channel, top : top + m, left : left + n] = matrix
    return found
