"""Figures of `gdjax.plots` under whatever users pass."""

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st
from matplotlib.figure import Figure
from strategies import obeys, odd_objects, scalars, small_arrays

from gdjax import plots
from gdjax.metrics import log_uniform


ANYTHING = st.one_of(scalars(), small_arrays(), odd_objects())
IMAGES, LABELS = np.zeros((1, 4, 4, 1)), np.zeros((1, 4, 4), np.uint8)
ROWS = [{"name": "a", "accuracy": [0.5, 0.9]}]
KINDS = {"FieldPoint", "RangePoint", "ScaleLine"}
LINE = plots.ScaleLine("a", [0, 1], [3.0, 2.0], [1.0, 1.0])
GOOD = {
    "activation_maps": {
        "images": IMAGES, "maps": [np.zeros((1, 4, 4))], "sigmas": [1.0],
        "labels": ["a"], "selected": [0], "title": "a",
    },
    "basis_normalisation": {
        "filters": np.ones((2, 3, 3)), "orders": [(0, 0), (1, 0)], "sigma": 2.0,
    },
    "contact_sheet": {"rows": [IMAGES], "labels": ["a"]},
    "error_over_range": {
        "fixed": {"a": [plots.RangePoint(2.0, 4.0)]}, "learned": None,
    },
    "error_panels": {"factors": [1.0, 2.0], "panels": [("wide", ROWS)]},
    "feature_map_sizes": {"rows": [("a", [(8, 8), (4, 4)])], "colours": None},
    "filter_fits": {"patch": np.eye(3), "fits": [("a", np.eye(3), [0.1])]},
    "filter_sheet": {"filters": {"conv": [np.eye(3)]}, "title": None},
    "fitted_patches": {"patches": IMAGES, "approximations": IMAGES},
    "generalisation_curve": {
        "factors": [1.0, 2.0], "rows": ROWS, "title": None, "score": "accuracy",
    },
    "learned_sigmas": {"rows": [("a", {"conv_1": 1.0})], "bounds": (0.5, 2.0)},
    "net_colours": {"rows": ROWS},
    "njet_terms": {"patch": IMAGES[0], "terms": IMAGES, "orders": [(0, 0)]},
    "prediction_overlay": {
        "image": IMAGES[0], "scores": np.ones((2, 3)), "class_names": None,
        "sigmas": [1.0, 2.0], "pooled": None,
    },
    "scale_selection_map": {
        "histogram": np.eye(2), "factors": [1.0, 2.0], "sigmas": [1.0, 2.0],
    },
    "scale_selection_maps": {
        "panels": [("a", np.eye(2), [1.0, 2.0])], "factors": [1.0, 2.0],
    },
    "scales_over_training": {"panels": {"wide": [LINE]}, "best": {"wide": 3.0}},
    "score_over_parameters": {
        "points": [plots.FieldPoint("a", 10, 3.0, 97.0)], "title": "accuracy",
        "colours": None,
    },
    "scores": {"rows": [("a", 97.0)], "title": "accuracy", "colours": None},
    "segmentation_sheet": {
        "images": IMAGES, "labels": LABELS, "predictions": [("a", LABELS)],
        "num_classes": 2, "names": (), "ignore_index": 255,
    },
    "tolerance_panels": {"panels": [("a", log_uniform(1.0, 4.0), [1.0, 2.0], 0.5)]},
}  # fmt: skip


def test_every_figure_is_tried():
    assert set(plots.__all__) - set(GOOD) == KINDS


@pytest.mark.parametrize("name", GOOD)
@hypothesis.given(st.data())
@hypothesis.settings(max_examples=max(4, hypothesis.settings().max_examples // 4))
def test_figures(name, data):
    argument = data.draw(st.sampled_from(sorted(GOOD[name])))
    given = GOOD[name] | {argument: data.draw(ANYTHING)}
    # Arguments that have to fit each other name one or the other.
    found = obeys(getattr(plots, name), **given, finite=False)
    assert found is None or isinstance(found, Figure | dict)


LISTS = {
    name: [key for key, value in given.items() if isinstance(value, list | dict)]
    for name, given in GOOD.items()
}


@pytest.mark.parametrize("name", [name for name in GOOD if LISTS[name]])
@hypothesis.given(ANYTHING)
@hypothesis.settings(max_examples=max(4, hypothesis.settings().max_examples // 4))
def test_figures_of_lists_that_hold_garbage(name, value):
    first = LISTS[name][0]
    held = {"a": value} if isinstance(GOOD[name][first], dict) else [value]
    obeys(getattr(plots, name), **GOOD[name] | {first: held}, finite=False)
