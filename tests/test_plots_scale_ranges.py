"""Figures of internal scale ranges: what they show."""

import numpy as np
import pytest

from gdjax.plots.generalisation import error_panels
from gdjax.plots.scale_ranges import (
    RangePoint,
    ScaleLine,
    error_over_range,
    scales_over_training,
)


def test_errors_are_drawn_over_the_range_of_each_distribution():
    fixed = {
        "narrow": [RangePoint(3.0, 2.5, error_std=0.1), RangePoint(1.5, 2.0)],
        "wide": [RangePoint(2.0, 4.0), RangePoint(6.0, 2.8)],
    }
    learned = {"wide": [RangePoint(4.2, 2.9, 0.2, 0.1)]}
    figure = error_over_range(fixed, learned=learned)
    (axes,) = figure.axes
    curves = {each.get_label(): each for each in axes.containers}
    assert list(curves) == ["narrow", "wide", "wide, learned"]
    # By their ranges, whatever their order.
    np.testing.assert_array_equal(curves["narrow"][0].get_xdata(), [1.5, 3.0])
    np.testing.assert_array_equal(curves["narrow"][0].get_ydata(), [2.0, 2.5])
    marker = curves["wide, learned"][0]
    assert marker.get_linestyle() == "None" and marker.get_fillstyle() == "none"
    assert marker.get_color() == curves["wide"][0].get_color()
    assert axes.get_xscale() == "log"
    figure.canvas.draw()
    texts = [text.get_text() for text in axes.get_xticklabels()]
    assert {"1.5", "2", "3", "4", "6"} <= set(texts)
    with pytest.raises(ValueError, match="at least one point"):
        error_over_range({"narrow": []})


def test_scales_over_training_has_a_line_for_every_training():
    def line(label, *isr):
        return ScaleLine(label, range(len(isr)), isr, [2.0] * len(isr))

    panels = {
        "narrow": [line("a", 3, 2), line("a", 3, 2.5), line("b", 3, 4)],
        "wide": [line("b", 3, 5, 6)],
    }
    figure = scales_over_training(panels, best={"wide": 5.35})
    first, second, below, _ = figure.axes
    assert first.get_title() == "narrow" and second.get_title() == "wide"
    assert len(first.lines) == len(below.lines) == 3
    np.testing.assert_array_equal(first.lines[2].get_ydata(), [3, 4])
    np.testing.assert_array_equal(below.lines[0].get_ydata(), [2, 2])
    colours = [each.get_color() for each in (*first.lines, second.lines[0])]
    assert colours[0] == colours[1] != colours[2] == colours[3]
    assert second.lines[1].get_linestyle() == "--"
    assert list(second.lines[1].get_ydata()) == [5.35, 5.35]
    (legend,) = figure.legends
    texts = [text.get_text() for text in legend.get_texts()]
    assert texts == ["a", "b", "best fixed ISR"]
    with pytest.raises(ValueError, match="at least one training"):
        scales_over_training({"narrow": []})


def test_networks_keep_the_colour_that_they_are_given():
    panels = {"wide": [ScaleLine("a", [0, 1], [3, 2], [1, 1], colour="#123456")]}
    assert scales_over_training(panels).axes[0].lines[0].get_color() == "#123456"
    rows = [{"name": "a", "accuracy": [0.9, 0.8], "colour": "#123456"}]
    (axes,) = error_panels((1.0, 8.0), [("wide", rows)]).axes
    assert axes.lines[0].get_color() == "#123456"


def test_errors_of_each_distribution_have_a_panel():
    rows = [
        {"name": "isr-1.5", "accuracy": [0.98, 0.9], "std": [0.0, 0.01]},
        {"name": "isr-6", "accuracy": [0.97, 1.0]},
    ]
    figure = error_panels((1.0, 8.0), [("narrow", rows), ("wide", rows[:1])])
    assert [axes.get_title() for axes in figure.axes] == ["narrow", "wide"]
    low, high = figure.axes[0].get_lines()
    np.testing.assert_allclose(low.get_ydata(), [2, 10])
    np.testing.assert_allclose(high.get_ydata(), [3, 0], atol=1e-12)
    assert not np.array_equal(low.get_color(), high.get_color())
    assert len(figure.axes[0].collections) == 1  # a band
    figure.canvas.draw()
    with pytest.raises(ValueError, match="'isr-6' has 2 accuracies for 3"):
        error_panels((1.0, 2.0, 8.0), [("wide", rows[1:])])
    with pytest.raises(ValueError, match="at least two"):
        error_panels((1.0,), [("wide", rows[1:])])
    with pytest.raises(ValueError, match="at least one"):
        error_panels((1.0,), [])
