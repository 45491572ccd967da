"""Which scale channel a network selects at each size factor ([gaussdernet] Fig. 8)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from gdjax.plots.checks import (
    check_colours,
    check_positive,
    check_text,
    check_tuples,
)
from gdjax.plots.notebook import NotebookFigure
from gdjax.scalespace.checks import real_array


# (title, histogram [F, S], sigmas [S]).
Panel = tuple[str, np.ndarray, Sequence[float]]


def scale_selection_map(
    histogram: np.ndarray | Sequence[Sequence[float]],
    factors: Sequence[float],
    sigmas: Sequence[float],
    *,
    title: str | None = None,
) -> Figure:
    """Heat map of the selected scale channel over the size factor.

    For a scale covariant network the selected base scale is proportional to the size:
    the map is a diagonal. A row of evaluation.json has its histogram as "selected"::

        result = json.loads(Path("runs/RUN/evaluation.json").read_text())
        row = result["rows"][-1]
        scale_selection_map(row["selected"], result["factors"], row["sigmas"])

    Args:
      histogram: [F, S], fraction of the test images of factor f that select channel s.
      factors: size factors of the test images, [F].
      sigmas: base scales of the channels, px, [S].
      title: above the map.

    Returns:
      The figure.

    Raises:
      TypeError: for what is of another type.
      ValueError: if the histogram does not fit factors and sigmas.
    """
    check_text(title, name="title")
    factors = check_positive(factors, name="factors", unit="size factors").tolist()
    checked = _checked(histogram, factors, sigmas)
    return scale_selection_maps([(title or "", *checked)], factors)


def scale_selection_maps(
    panels: Sequence[Panel],
    factors: Sequence[float],
    *,
    colours: Mapping[str, str] | None = None,
) -> Figure:
    """Several heat maps with one colour scale; over a single factor, bars.

    Args:
      panels: (title, histogram [F, S], sigmas [S]) of each network.
      factors: size factors of the test images, the same for all, [F].
      colours: of the bars by the titles, as from `net_colours`; None: grey. Maps share
        their colours.

    Returns:
      The figure, at most two panels wide.

    Raises:
      TypeError: for what is of another type.
      ValueError: if there are no panels, or a histogram does not fit factors and
        sigmas.
    """
    parts = "title", "histogram", "sigmas"
    panels = check_tuples(panels, name="panels", of=parts)
    factors = check_positive(factors, name="factors", unit="size factors").tolist()
    colours = check_colours(colours)
    if not panels:
        raise ValueError("`panels` needs at least one (title, histogram, sigmas).")
    columns = min(2, len(panels))
    lines = -(-len(panels) // columns)
    size = (4.2 * columns + 0.6, 3.2 * lines)
    figure = NotebookFigure(figsize=size, layout="constrained")
    grid = figure.subplots(lines, columns, squeeze=False)
    image = None
    for axes, (title, histogram, sigmas) in zip(grid.flat, panels, strict=False):
        title = str(title)
        histogram, sigmas = _checked(histogram, factors, sigmas, also="panels")
        if len(factors) == 1:
            colour = (colours or {}).get(title, "0.5")
            _draw_bars(axes, histogram[0], factors[0], sigmas, colour)
        else:
            image = _draw(axes, histogram, factors, sigmas)
        axes.set_title(title, fontsize=9)
    for axes in grid.flat[len(panels) :]:
        axes.set_visible(False)
    if image is not None:
        bar = figure.colorbar(image, ax=grid, shrink=0.9)
        bar.set_label("fraction of the test images")
    return figure


def _checked(
    histogram: Any, factors: Sequence[float], sigmas: Any, *, also: str = ""
) -> tuple[np.ndarray, list[float]]:
    """The histogram and the sigmas, which are named as those of `also`."""
    sigmas = check_positive(sigmas, name=also or "sigmas", unit="sigmas in px")
    histogram = real_array(histogram, name=also or "histogram", unit="fractions")
    if histogram.shape != (len(factors), len(sigmas)):
        raise ValueError(
            f"`histogram` of shape {histogram.shape} does not fit {len(factors)} "
            f"`factors` and {len(sigmas)} `sigmas`; expected [factors, sigmas]"
            + (f" in each of the `{also}`" if also else "")
        )
    return histogram, sigmas.tolist()


def _draw_bars(
    axes: Axes,
    fractions: np.ndarray,
    factor: float,
    sigmas: Sequence[float],
    colour: str,
) -> None:
    """A map of one column would have nothing beside it to be compared with."""
    axes.barh(range(len(sigmas)), fractions, color=colour)
    axes.set_xlim(0, 1)
    axes.set_xlabel(f"fraction of the test images, size factor {factor:.3g}")
    _label_sigmas(axes, sigmas)


def _label_sigmas(axes: Axes, sigmas: Sequence[float]) -> None:
    axes.set_yticks(range(len(sigmas)), [f"{sigma:.3g}" for sigma in sigmas])
    axes.set_ylabel(r"selected $\sigma_0$ (px)")
    axes.tick_params(labelsize=8)


def _draw(
    axes: Axes,
    histogram: np.ndarray,
    factors: Sequence[float],
    sigmas: Sequence[float],
) -> AxesImage:
    image = axes.imshow(
        histogram.T, origin="lower", aspect="auto", cmap="Blues", vmin=0, vmax=1
    )
    stride = 1 if len(factors) <= 9 else 2
    axes.set_xticks(
        range(0, len(factors), stride), [f"{f:.3g}" for f in factors[::stride]]
    )
    axes.set_xlabel("size factor of the test images")
    _label_sigmas(axes, sigmas)
    return image
