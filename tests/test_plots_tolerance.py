"""Figures of the tolerance model: what they show."""

import numpy as np
import pytest

from gdjax.metrics import log_uniform, tolerance_mixture
from gdjax.plots.tolerance import tolerance_panels


def test_panels_show_data_mixture_tolerances_and_scales():
    panels = [
        ("narrow", log_uniform(1, 2), [1, 1.5, 2.25], 0.4),
        ("wide", log_uniform(1, 8).extended(width=0.2), [1.2, 7], 0.6),
    ]
    figure = tolerance_panels(panels)
    assert [axes.get_title() for axes in figure.axes] == ["narrow", "wide"]
    for axes, (_, density, scales, tau) in zip(figure.axes, panels, strict=True):
        assert axes.get_xscale() == "log"
        mixture, *rest = axes.lines
        x, y = mixture.get_data()
        np.testing.assert_allclose(y, tolerance_mixture(x, scales, tau=tau))
        parts, marks = rest[: len(scales)], rest[len(scales) :]
        np.testing.assert_allclose(sum(part.get_ydata() for part in parts), y)
        places = [mark.get_xdata()[0] for mark in marks]
        np.testing.assert_allclose(places, [*scales, *density.borders])
        # What is drawn goes on beyond the borders, and no curve is cut.
        assert x[0] < density.borders[0] and x[-1] > density.borders[1]
        assert axes.get_ylim()[0] == 0 and axes.get_ylim()[1] > y.max()
    assert len(figure.legends[0].get_texts()) == 6
    figure.canvas.draw()


def test_panels_fill_lines_of_three():
    panel = ("", log_uniform(1, 2), [1.0, 2.0], 0.4)
    visible = [axes.get_visible() for axes in tolerance_panels([panel] * 5).axes]
    assert visible == [True] * 5 + [False]
    with pytest.raises(ValueError, match="at least one"):
        tolerance_panels([])
    with pytest.raises(ValueError, match="`panels` holds 0"):
        tolerance_panels([("", log_uniform(1, 2), [0.0, 1.0], 0.4)])
