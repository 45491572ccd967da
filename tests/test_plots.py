"""All figures: what `gdjax.plots` exports, and that notebooks show them."""

import ast
import struct
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

import gdjax.plots as plots
from gdjax.metrics import log_uniform


SIGNATURE = b"\x89PNG\r\n\x1a\n"
FOLDER = Path(plots.__file__).parent
# Drawn by several of them, and not made to be called.
PARTS = {"bar_chart", "draw_picture", "grey_levels", "without_ticks", "line_of"}
PARTS |= {"channels", "NotebookFigure"}

ROWS = [{"name": "a", "accuracy": [0.5, 0.9]}, {"name": "b", "accuracy": [0.6, 0.7]}]
IMAGES, MAPS = np.zeros((1, 5, 6, 1)), np.zeros((1, 5, 6))
POINTS = {"wide": [plots.RangePoint(2.0, 4.0), plots.RangePoint(6.0, 2.8)]}
LINE = plots.ScaleLine("a", [0, 1], [3.0, 2.0], [1.0, 1.0])
FIELD = plots.FieldPoint("a", 10, 3.0, 97.0)
HISTOGRAM = np.array([[1.0, 0.0], [0.5, 0.5]])
LABELS = np.zeros((1, 5, 6), np.uint8)

CALLS = {
    "activation_maps": lambda f: f(IMAGES, [MAPS], [1.0], selected=[0]),
    "basis_normalisation": lambda f: f(np.ones((2, 3, 3)), [(0, 0), (1, 0)], 2.0),
    "contact_sheet": lambda f: f([IMAGES], ["a"]),
    "error_over_range": lambda f: f(POINTS, learned=POINTS),
    "error_panels": lambda f: f([1.0, 2.0], [("wide", ROWS)]),
    "feature_map_sizes": lambda f: f([("a", [(8, 8), (4, 4)])]),
    "filter_fits": lambda f: f(np.eye(3), [("order 1", np.eye(3), np.array([0.1]))]),
    "filter_sheet": lambda f: f({"conv": [np.eye(3)]}),
    "fitted_patches": lambda f: f(IMAGES, IMAGES),
    "generalisation_curve": lambda f: f([1.0, 2.0], ROWS),
    "learned_sigmas": lambda f: f([("a", {"conv_1": 1.0, "conv_2": 2.0})]),
    "njet_terms": lambda f: f(IMAGES[0], IMAGES, [(0, 0)]),
    "prediction_overlay": lambda f: f(IMAGES[0], scores=np.arange(3.0)),
    "scale_selection_map": lambda f: f(HISTOGRAM, [1.0, 2.0], [1.0, 2.0]),
    "scale_selection_maps": lambda f: f([("a", HISTOGRAM, [1.0, 2.0])], [1.0, 2.0]),
    "scales_over_training": lambda f: f({"wide": [LINE]}, best={"wide": 3.0}),
    "score_over_parameters": lambda f: f([FIELD], "accuracy"),
    "scores": lambda f: f([("a", 97.0)], "accuracy"),
    "segmentation_sheet": lambda f: f(
        np.zeros((1, 5, 6, 1), np.uint8), LABELS, [("a", LABELS)], num_classes=2
    ),
    "tolerance_panels": lambda f: f([("a", log_uniform(1.0, 4.0), [1.0, 2.0], 0.5)]),
}
# What belongs to them and draws nothing.
OTHERS = {"FieldPoint", "RangePoint", "ScaleLine", "net_colours"}


def test_everything_that_is_public_is_exported():
    defined = set()
    for path in FOLDER.glob("*.py"):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                defined |= {node.name} if node.name[0] != "_" else set()
    defined -= {name for name in defined if name.startswith("check_")}
    assert defined - PARTS == set(plots.__all__) == set(CALLS) | OTHERS
    assert sorted(plots.__all__) == plots.__all__
    assert all(callable(getattr(plots, name)) for name in plots.__all__)


@pytest.mark.parametrize("name", CALLS)
def test_notebooks_show_every_figure(name):
    figure = CALLS[name](getattr(plots, name))
    assert isinstance(figure, Figure)
    canvas = figure.canvas
    content = figure._repr_png_()
    assert content.startswith(SIGNATURE)
    width, height = struct.unpack(">II", content[16:24])
    assert (width, height) == tuple(map(int, figure.get_size_inches() * figure.dpi))
    assert figure.canvas is canvas  # that of whoever shows it otherwise


def test_figures_are_not_kept():
    plots.scores([("a", 97.0)], "accuracy")
    from matplotlib import pyplot

    assert pyplot.get_fignums() == []
