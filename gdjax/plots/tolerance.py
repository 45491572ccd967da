"""Internal scales and their tolerances, over data. [scale_learning] Figs. 2 and 5."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gdjax.metrics.scale_density import ScaleDensity, check_number, check_positive
from gdjax.metrics.tolerance import tolerance_components, tolerance_mixture
from gdjax.plots.checks import check_tuples
from gdjax.plots.notebook import NotebookFigure
from gdjax.scalespace.checks import shown


# (title, density of the data, internal scales [N], tau in octaves).
Panel = tuple[str, ScaleDensity, Sequence[float] | np.ndarray, float]

_DATA, _MODEL = "#D55E00", "#0072B2"
_POINTS = 1000


def tolerance_panels(panels: Sequence[Panel]) -> Figure:
    """The density of the data, and the mixture of tolerances that is fitted to it.

    The data are filled, darker between their borders (dotted) than in the extension;
    the mixture is a line, its components thin lines that add up to it, the internal
    scales dashed lines.

    Args:
      panels: (title, density of the data, internal scales [N], tau in octaves) each;
        the last two from `gdjax.metrics.fit_tolerance`. A density that isn't extended
        is, as in the fit.

    Returns:
      The figure, at most three panels wide, with log2 axes of the scale.

    Raises:
      TypeError: for what is of another type.
      ValueError: if there are no panels, or for scales or tau that aren't positive.

    [scale_learning] Figs. 2 and 5.
    """
    parts = "title", "density", "scales", "tau"
    panels = [_checked(*each) for each in check_tuples(panels, name="panels", of=parts)]
    if not panels:
        raise ValueError("`panels` needs at least one (title, density, scales, tau).")
    lines = -(-len(panels) // 3)
    columns = -(-len(panels) // lines)
    size = (3.6 * columns + 0.4, 2.6 * lines + 0.4)
    figure = NotebookFigure(figsize=size, layout="constrained")
    grid = figure.subplots(lines, columns, squeeze=False, sharex=True, sharey=True)
    for axes, (title, density, internal, tau) in zip(grid.flat, panels, strict=False):
        _draw(axes, density, internal, tau)
        axes.set_title(title, fontsize=9)
    for axes in grid.flat[len(panels) :]:
        axes.set_visible(False)
    for axes in grid[:, 0]:
        axes.set_ylabel("density per octave")
    # Once all are drawn: before, their common range would end at the first one's.
    grid[0, 0].set_ylim(bottom=0)
    handles, labels = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=8)
    return figure


def _checked(
    title: Any, density: Any, internal: Any, tau: Any
) -> tuple[str, ScaleDensity, np.ndarray, float]:
    if not isinstance(density, ScaleDensity):
        raise TypeError(f"`panels` holds {shown(density)}; give a `ScaleDensity`.")
    if density.extension is None:
        density = density.extended()
    found = check_positive(internal, "panels", unit="scale")
    if found.ndim != 1 or not found.size:
        raise ValueError(
            f"`panels` has scales of shape {found.shape}; give [N], N >= 1."
        )
    tau = check_number(tau, "panels", unit="tau in octaves")
    return str(title), density, found, tau


def _draw(axes: Axes, density: ScaleDensity, internal: np.ndarray, tau: float) -> None:
    low, high = density.borders
    # Six widths of the extension would leave the curves little room.
    margin = 2 ** max(4 * density.extension, 0.5) if density.extension else 2.0
    ends = min(low / margin, internal.min()), max(high * margin, internal.max())
    scales = np.geomspace(*ends, _POINTS)
    data = density.density(scales)
    inside = (scales >= low) & (scales <= high)
    axes.fill_between(scales, data, color=_DATA, alpha=0.15, lw=0, label="extension")
    axes.fill_between(
        scales, data, where=inside.tolist(), color=_DATA, alpha=0.3, lw=0, label="data"
    )
    mixture = tolerance_mixture(scales, internal, tau=tau)
    parts = tolerance_components(scales, internal, tau=tau)
    parts /= len(internal) * tau * np.sqrt(2 * np.pi)
    axes.plot(scales, mixture, color=_MODEL, linewidth=1.6, label="mixture")
    for k, part in enumerate(parts):
        label = None if k else "tolerances"
        axes.plot(scales, part, color=_MODEL, lw=0.7, alpha=0.7, label=label)
    for k, scale in enumerate(internal):
        label = None if k else "internal scales"
        axes.axvline(scale, color=_MODEL, linestyle="--", linewidth=0.9, label=label)
    for k, border in enumerate((low, high)):
        label = None if k else "borders"
        axes.axvline(border, color=_DATA, linestyle=":", linewidth=1.2, label=label)
    _label(axes)


def _label(axes: Axes) -> None:
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.set_xlabel("scale of the data")
    axes.tick_params(labelsize=8, labelbottom=True)
    axes.spines[["top", "right"]].set_visible(False)
