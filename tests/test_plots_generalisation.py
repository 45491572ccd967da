"""Curves of evaluation.json: colours, lines, means, and bars over a single factor."""

import json
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_hex

from gdjax.plots import generalisation_curve, net_colours
from gdjax.plots.colours import COLOURS


ROOT = Path(__file__).parents[1]
RESULTS = list(ROOT.glob("benchmarks/results/*/evaluation.json"))


def row(net, channels, pooling=None, *, accuracy=(0.5, 0.9), **more):
    """A row of evaluation.json."""
    label = "one channel" if channels == 1 else f"{channels} channels"
    name = ", ".join(part for part in (net, label, pooling) if part)
    own = {"name": name, "group": name, "net": net, "discretisation": net.split("+")[0]}
    own |= {"sigmas": [1.0] * channels, "pooling": pooling, "train_size": 1.0}
    return own | {"accuracy": list(accuracy)} | more


def curves(rows, **options):
    (axes,) = generalisation_curve((1.0, 2.0), rows, **options).axes
    return {line.get_label(): line for line in axes.lines}


def test_poolings_have_lines_and_networks_colours():
    rows = [
        row(net, channels, pooling)
        for net in ("discrete+relu", "discrete+relu+separable")
        for channels, pooling in ((1, None), (3, "max"), (3, "logsumexp"), (3, "mean"))
    ]
    lines = list(curves(rows).values())
    styles = [line.get_linestyle() for line in lines]
    assert styles == ["--", "-", "-.", ":"] * 2
    colours = [line.get_color() for line in lines]
    assert colours == [COLOURS[0]] * 4 + [COLOURS[1]] * 4
    assert net_colours(rows) == {
        each["name"]: colour for each, colour in zip(rows, colours, strict=True)
    }


def test_training_sizes_have_colours_and_so_have_rows_of_older_versions():
    rows = [row("discrete+relu", 3, "max", train_size=size) for size in (1.0, 2.0)]
    rows[1]["name"] = "discrete+relu, size 2, 3 channels, max"
    rows.append(rows[1] | {"name": "discrete+relu, size 2, 3 channels, mean"})
    for each in rows:
        del each["net"], each["group"]
    first, second, third = net_colours(rows).values()
    assert first != second == third


def test_more_networks_than_colours_still_have_one_each():
    rows = [{"name": str(k)} for k in range(20)]
    assert len(set(net_colours(rows).values())) == 20


def test_learned_sigmas_are_no_scale_channels():
    lines = curves([row("njet+relu", 1) | {"sigmas": {"conv_1": 1.5}}])
    assert [line.get_linestyle() for line in lines.values()] == ["-"]


def test_seeds_are_drawn_as_their_mean():
    seeds = [
        row("discrete+relu", 1, name=f"discrete+relu, seed {k}", accuracy=accuracy)
        for k, accuracy in enumerate(([0.4, 0.8], [0.6, 0.9]))
    ]
    other = row("spectral+relu", 1)
    (axes,) = generalisation_curve((1.0, 2.0), [*seeds, other]).axes
    mean, single = axes.lines
    assert mean.get_label() == "discrete+relu, one channel"
    np.testing.assert_allclose(mean.get_ydata(), [50, 85])
    np.testing.assert_allclose(single.get_ydata(), [50, 90])
    (band,) = axes.collections
    spread = band.get_paths()[0].vertices[:, 1]
    assert (spread.min(), spread.max()) == pytest.approx((40, 90))


def test_mean_iou_is_a_score_with_a_label_and_a_band_of_its_own():
    iou = {"mean_iou": [0.2, 0.3], "mean_iou_std": [0.1, 0.1], "std": [0.4, 0.4]}
    (axes,) = generalisation_curve(
        (1.0, 2.0), [row("a+relu", 1, **iou)], score="mean_iou"
    ).axes
    np.testing.assert_allclose(axes.lines[0].get_ydata(), [20, 30])
    assert axes.get_ylabel() == "mean IoU (%)"
    spread = axes.collections[0].get_paths()[0].vertices[:, 1]
    assert (spread.min(), spread.max()) == pytest.approx((10, 40))


def test_a_single_factor_is_drawn_as_bars():
    rows = [row("a+relu", 1, accuracy=[0.5]), row("a+relu", 2, "max", accuracy=[0.75])]
    rows.append({"name": "mean of seeds", "accuracy": [0.9], "std": [0.05]})
    figure = generalisation_curve((2.0,), rows, title="sizes")
    (axes,) = figure.axes
    assert [bar.get_width() for bar in axes.patches] == [50, 75, 90]
    colours = [to_hex(bar.get_facecolor()).upper() for bar in axes.patches]
    assert colours == [COLOURS[0], COLOURS[0], COLOURS[1]]
    names = [text.get_text() for text in axes.get_yticklabels()]
    assert names == [each["name"] for each in rows]
    assert axes.get_xlabel() == "test accuracy (%), size factor 2"
    assert axes.get_title() == "sizes" and axes.get_xlim() == (0, 102)
    (container,) = (each for each in axes.containers if hasattr(each, "errorbar"))
    segments = container.errorbar.lines[2][0].get_segments()
    assert [seg[1, 0] - seg[0, 0] for seg in segments] == pytest.approx([0, 0, 10])


@pytest.mark.parametrize("name", sorted(p.parent.name for p in RESULTS))
def test_results_can_be_drawn_as_the_docstring_says(name):
    (path,) = (path for path in RESULTS if path.parent.name == name)
    result = json.loads(path.read_text())
    figure = generalisation_curve(result["factors"], result["rows"])
    groups = {each.get("group", each["name"]) for each in result["rows"]}
    (axes,) = figure.axes
    drawn = len(axes.lines) if len(result["factors"]) > 1 else len(axes.patches)
    assert drawn == len(groups)


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(ValueError, match="empty"):
        generalisation_curve((1.0,), [])
    with pytest.raises(ValueError, match="accuracy, mean_iou"):
        generalisation_curve((1.0,), [row("a+relu", 1)], score="loss")
    with pytest.raises(ValueError, match="has no 'mean_iou'"):
        generalisation_curve((1.0,), [row("a+relu", 1)], score="mean_iou")
