"""Windows: which pixels of an axis an operator reads and which it computes (gdjax).

A network that is read out at the centre pixel depends, in every layer, on a window
that grows downward by the reach of the kernels. Where a window meets the image border
it is clipped, and the border rule applies there as it does in full evaluation.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from gdjax.scalespace.checks import LARGEST_RADIUS, check_order, check_padding, shown


class Window(NamedTuple):
    """Pixels start..stop - 1 of an axis of `size` pixels."""

    size: int
    start: int
    stop: int

    @property
    def length(self) -> int:
        """Number of pixels."""
        return self.stop - self.start


Windows = tuple[Window, ...]


def full_window(size: int) -> Window:
    """All pixels of an axis; TypeError or ValueError unless `size` is an int >= 1."""
    size = check_order(size, name="size", lowest=1)
    return Window(size, 0, size)


def spatial_windows(x: Any, ndim: int) -> Windows:
    """Full windows of the spatial axes of `x` [..., (D,) (H,) W, C]."""
    return tuple(full_window(n) for n in x.shape[-ndim - 1 : -1])


def centre_window(size: int) -> Window:
    """The middle pixel, or the two middle ones of an axis of even size.

    TypeError or ValueError unless `size` is an int >= 1.
    """
    size = check_order(size, name="size", lowest=1)
    return Window(size, (size - 1) // 2, size // 2 + 1)


def extend(positions: np.ndarray, size: int, padding: str) -> np.ndarray:
    """The pixel that the border rule puts at each position of an axis of `size` px.

    "zero" gives -1 outside: no pixel; "symmetric" is d c b a | a b c d, "edge"
    a a | a b.
    """
    if padding == "zero":
        return np.where((positions >= 0) & (positions < size), positions, -1)
    if padding == "edge":
        return np.clip(positions, 0, size - 1)
    if padding == "wrap":
        return positions % size
    folded = positions % (2 * size)
    return np.where(folded < size, folded, 2 * size - 1 - folded)


def input_window(output: Window, reach: int | None, padding: str) -> Window:
    """The pixels that an output window depends on.

    `reach` is that of the operator, in px; None: all pixels.
    """
    if reach is None:
        return full_window(output.size)
    wanted = np.arange(output.start - reach, output.stop + reach)
    pixels = extend(wanted, output.size, padding)
    pixels = pixels[pixels >= 0]
    return Window(output.size, int(pixels.min()), int(pixels.max()) + 1)


def plan_windows(
    readout: Window, reaches: Sequence[int | None], padding: str
) -> tuple[Window, ...]:
    """Windows of a chain of operators: the input of each, and the readout.

    `reaches` are those of the operators, in px, first layer first; None: all pixels.
    TypeError or ValueError for what is no window, no reaches or no border rule.
    """
    if not isinstance(readout, Window):
        raise TypeError(f"`readout={shown(readout)}` must be a `Window`.")
    if not isinstance(reaches, (tuple, list)):
        raise TypeError(f"`reaches={shown(reaches)}` must be a list of px, or None.")
    reaches = [
        None if r is None else check_order(r, name="reaches", highest=LARGEST_RADIUS)
        for r in reaches
    ]
    check_padding(padding)
    windows = [readout]
    for reach in reversed(reaches):
        windows.append(input_window(windows[-1], reach, padding))
    return tuple(reversed(windows))


def crop(x: Any, sources: Sequence[Window], targets: Sequence[Window]) -> Any:
    """The pixels of `targets`, from [..., (D,) (H,) W, C] on those of `sources`."""
    pairs = zip(sources, targets, strict=True)
    cut = [slice(t.start - s.start, t.stop - s.start) for s, t in pairs]
    return x[(..., *cut, slice(None))]
