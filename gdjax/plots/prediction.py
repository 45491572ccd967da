"""What a network says of one image: its best classes, its scale channels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from gdjax.plots.checks import check_list, check_positive
from gdjax.plots.colours import COLOURS
from gdjax.plots.notebook import NotebookFigure
from gdjax.plots.pictures import draw_picture
from gdjax.scalespace.arrays import check_numbers


_BEST = 5


def prediction_overlay(
    image: np.ndarray,
    *,
    scores: np.ndarray,
    class_names: Sequence[str] | None = None,
    sigmas: Sequence[float] | None = None,
    pooled: np.ndarray | None = None,
) -> Figure:
    """An image, the scores of its best five classes, and those of the scale channels.

    The classes have one colour each in both charts. The channel that is selected, with
    the largest score of the best class, is marked.

    Args:
      image: [H, W] or [H, W, 1 or 3], integers in 0..255 or floating point in 0..1.
      scores: of K classes, [K], or those of every scale channel, [S, K]: logits or
        probabilities, which are drawn as they are.
      class_names: K of them; None: numbers.
      sigmas: base scales of the scale channels in px, [S]; None: there are none. A
        single one has no chart, but is named below the image.
      pooled: scores of the classes over all channels, [K], where channels are not
        pooled by their maximum; None: the maximum of each class over them.

    Returns:
      The figure: the image, the bars, and where there are several scale channels the
      scores of the same classes over sigma.

    Raises:
      TypeError: for what is of another type.
      ValueError: if shapes, names and sigmas do not fit together, or scores are not
        finite.

    gdjax; the scores over sigma as in [gaussdernet] Fig. 8.
    """
    picture = _checked_image(image)
    channels, base, total = _checked_scores(scores, sigmas, pooled)
    names = _checked_names(class_names, len(total))
    best = np.argsort(-total, kind="stable")[:_BEST].tolist()
    columns = 2 + (len(base) > 1)
    size = (3.1 * columns + 0.6, 3.0)
    figure = NotebookFigure(figsize=size, layout="constrained")
    left, middle, *right = figure.subplots(1, columns)
    draw_picture(left, picture)
    left.set_title(names[best[0]], fontsize=10)
    if len(base) == 1:
        left.set_xlabel(rf"$\sigma_0$ = {base[0]:.3g} px", fontsize=9)
    _draw_bars(middle, [names[k] for k in best], total[best])
    if right:
        _draw_channels(right[0], base, channels[:, best], [names[k] for k in best])
    return figure


def _draw_bars(axes: Axes, names: list[str], values: np.ndarray) -> None:
    """The best classes, the best one above."""
    places = range(len(names))
    bars = axes.barh(places, values, color=COLOURS[: len(names)])
    axes.bar_label(bars, fmt="%.3g", fontsize=8, padding=2)
    axes.set_yticks(places, names)
    axes.invert_yaxis()
    axes.margins(x=0.2)  # for the numbers at the bars' ends
    axes.axvline(0, color="0.3", linewidth=0.8)
    axes.set_xlabel("score")
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)


def _draw_channels(
    axes: Axes, sigmas: np.ndarray, values: np.ndarray, names: list[str]
) -> None:
    """Scores [S, classes] of the channels; the best class's largest one is marked."""
    for k, name in enumerate(names):
        style: Any = {"color": COLOURS[k], "marker": "o", "markersize": 3}
        width = 2.0 if k == 0 else 1.0
        axes.plot(sigmas, values[:, k], label=name, linewidth=width, **style)
    chosen = int(values[:, 0].argmax())
    mark: Any = {"color": COLOURS[0], "linestyle": "--", "linewidth": 1.0}
    axes.axvline(sigmas[chosen], **mark)
    axes.plot(
        sigmas[chosen], values[chosen, 0], "o", color=COLOURS[0], markersize=10,
        fillstyle="none", label="selected",
    )  # fmt: skip
    axes.set_xscale("log", base=2)
    stride = -(-len(sigmas) // 9)
    axes.xaxis.set_major_locator(FixedLocator(sigmas[::stride].tolist()))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.3g}")
    axes.set_title(rf"selected $\sigma_0$ = {sigmas[chosen]:.3g} px", fontsize=9)
    axes.set_xlabel(r"$\sigma_0$ of the scale channel (px)")
    axes.set_ylabel("score")
    axes.tick_params(labelsize=8)
    axes.grid(alpha=0.25, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)


def _checked_image(image: Any) -> np.ndarray:
    """[H, W, 1 or 3]."""
    check_numbers(image, name="image", unit="grey levels")
    found = np.asarray(image)
    found = found[..., None] if found.ndim == 2 else found
    if found.ndim != 3 or found.shape[-1] not in (1, 3) or 0 in found.shape:
        raise ValueError(
            f"`image` of shape {np.shape(image)} must be [H, W] or [H, W, 1 or 3]"
        )
    return found


def _checked_scores(
    scores: Any, sigmas: Any, pooled: Any
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores [S, K] of the channels, their sigmas ([] for none), and pooled ones [K].

    The channels from the finest on, so that their lines run to the right.
    """
    found = check_numbers(scores, name="scores", unit="logits")
    shape = found.shape
    found = found[None] if found.ndim == 1 else found
    base = np.asarray([], float)
    if sigmas is not None:
        base = check_positive(sigmas, name="sigmas", unit="px")
    wanted = 1 if sigmas is None else len(base)
    if found.ndim != 2 or found.shape[1] == 0 or len(found) != wanted:
        raise ValueError(
            f"`scores` of shape {shape} must be [K], or [S, K] with S `sigmas`; got "
            f"{'none' if sigmas is None else len(base)} of these"
        )
    total = found.max(0) if pooled is None else _pooled(pooled)
    if total.shape != found.shape[1:]:
        raise ValueError(
            f"`pooled` of shape {total.shape} must have {found.shape[1]} scores"
        )
    order = np.argsort(base, kind="stable") if len(base) else [0]
    return found[order], base[order] if len(base) else base, total


def _pooled(pooled: Any) -> np.ndarray:
    return check_numbers(pooled, name="pooled", unit="logits")


def _checked_names(names: Sequence[str] | None, classes: int) -> list[str]:
    if names is None:
        return [f"class {k}" for k in range(classes)]
    names = check_list(names, name="class_names", of="strings")
    if len(names) != classes:
        raise ValueError(
            f"`class_names` has {len(names)} names; there are {classes} classes"
        )
    return [str(name) for name in names]
