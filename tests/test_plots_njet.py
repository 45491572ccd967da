"""Figures of learned sigmas, sizes, segmentations and fits: what they show."""

import numpy as np
import pytest
from matplotlib.colors import to_hex

from gdjax.plots.filter_fit import filter_fits
from gdjax.plots.layers import feature_map_sizes, learned_sigmas, scores
from gdjax.plots.njet_filters import (
    basis_normalisation,
    fitted_patches,
    njet_terms,
)
from gdjax.plots.receptive_fields import FieldPoint, score_over_parameters
from gdjax.plots.segmentation import segmentation_sheet


def test_sigmas_are_drawn_per_layer_and_network():
    rows = [
        ("one", {"conv_1": 1.0, "conv_2": [1.0, 2.0, 4.0]}),
        ("two", {"conv_1": 0.5, "conv_2": 3.0}),
    ]
    (axes,) = learned_sigmas(rows, bounds=(0.25, 16.0)).axes
    heights = [container.lines[0].get_ydata() for container in axes.containers]
    np.testing.assert_allclose(heights, [[1.0, 2.0], [0.5, 3.0]])
    assert [text.get_text() for text in axes.get_xticklabels()] == ["conv_1", "conv_2"]
    with pytest.raises(ValueError, match="at least one"):
        learned_sigmas([])


def test_sizes_are_drawn_per_layer():
    (axes,) = feature_map_sizes([("one", [(32, 32), (20, 18)]), ("two", [(8, 8)])]).axes
    np.testing.assert_array_equal(axes.lines[0].get_ydata(), [32, 20])
    np.testing.assert_array_equal(axes.lines[1].get_ydata(), [8])
    with pytest.raises(ValueError, match="at least one"):
        feature_map_sizes([("none", [])])


def test_scores_are_bars():
    (axes,) = scores([("one", 97.0), ("two", 98.5)], "accuracy").axes
    assert [bar.get_width() for bar in axes.patches] == [97.0, 98.5]
    assert axes.get_xlim()[0] == 94.0


def test_scores_over_parameters_and_receptive_fields():
    points = [FieldPoint("one", 10_000, 64.0, 30.0, std=2.0, learned=True),
              FieldPoint("two", 500, 16.0, 20.0)]  # fmt: skip
    figure = score_over_parameters(points, "mean IoU")
    left, right = figure.axes
    places = [[each.lines[0].get_xydata()[0] for each in axes.containers]
              for axes in (left, right)]  # fmt: skip
    np.testing.assert_allclose(places[0], [[10_000, 30], [500, 20]])
    np.testing.assert_allclose(places[1], [[64, 30], [16, 20]])
    one, two = (container.lines[0] for container in left.containers)
    assert (one.get_marker(), two.get_marker()) == ("s", "o")
    # The area over the least one grows with the field, four times for four times.
    assert (one.get_markersize() - 4) / (two.get_markersize() - 4) == pytest.approx(2)
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts == ["one: 64 px", "two: 16 px"]
    for wrong in ([], [FieldPoint("x", 0, 3.0, 1.0)], [FieldPoint("x", 1, 0.0, 1.0)]):
        with pytest.raises(ValueError, match="`points"):
            score_over_parameters(wrong, "mean IoU")


def test_filters_are_drawn_with_and_without_their_factor():
    filters = np.stack([np.full((3, 3), 8.0), np.eye(3)])
    figure = basis_normalisation(filters, [(0, 0), (2, 1)], 2.0)
    plain, normalised = figure.axes[:2], figure.axes[2:]
    shown = [axes.images[0].get_array() for axes in normalised]
    np.testing.assert_array_equal(shown, [filters[0], 8 * filters[1]])
    for row in (plain, normalised):
        assert {axes.images[0].get_clim() for axes in row} == {(-8, 8)}
    assert [axes.get_xlabel() for axes in plain] == ["8", "1"]
    assert normalised[1].get_title() == "21"
    with pytest.raises(ValueError, match="one for each of the 1 `orders`"):
        basis_normalisation(filters, [(0, 0)], 2.0)


def test_terms_are_drawn_beside_their_sum():
    terms = np.random.default_rng(0).standard_normal((2, 5, 5, 3))
    figure = njet_terms(2 * terms[0], terms, [(0, 0), (1, 2)])
    assert [axes.get_title() for axes in figure.axes] == 3 * [
        "patch", "sum", "00", "12"
    ]  # fmt: skip
    shown = np.stack([axes.images[0].get_array() for axes in figure.axes[4:8]])
    green = terms[..., 1]
    np.testing.assert_allclose(shown, [2 * green[0], green.sum(0), *green])
    for orders, wrong in (([(0, 0)], terms), ([(0, 0), (1, 0)], terms[..., :2])):
        with pytest.raises(ValueError, match="the number of `orders`"):
            njet_terms(terms[0], wrong, orders)


def test_patches_are_drawn_above_their_fits():
    patches = np.random.default_rng(0).random((3, 11, 11, 3))
    figure = fitted_patches(patches, 2 * patches)
    shown = np.stack([axes.images[0].get_array() for axes in figure.axes])
    expected = np.concatenate([patches, np.clip(2 * patches, 0, 1)])
    np.testing.assert_allclose(shown, expected)
    for wrong in (patches[:2], patches[..., :2]):
        with pytest.raises(ValueError, match="must both be"):
            fitted_patches(patches if wrong is not patches else wrong, wrong)


def test_networks_have_the_colours_that_they_have_elsewhere():
    colours = {"one": "#123456", "two": "#654321"}
    (axes,) = learned_sigmas(
        [("one", {"a": 1.0}), ("two", {"a": 2.0})], colours=colours
    ).axes
    lines = [container.lines[0] for container in axes.containers]
    assert [line.get_color() for line in lines] == ["#123456", "#654321"]
    (axes,) = feature_map_sizes([("two", [(8, 8), (4, 4)])], colours=colours).axes
    assert axes.lines[0].get_color() == "#654321"
    (axes,) = scores([("two", 97.0), ("one", 98.0)], "accuracy", colours=colours).axes
    found = [to_hex(bar.get_facecolor()) for bar in axes.patches]
    assert found == ["#654321", "#123456"]
    with pytest.raises(ValueError, match="empty"):
        scores([], "accuracy")


def test_segmentations_show_truth_and_predictions_with_one_colour_each():
    images = np.zeros((2, 4, 5, 1), np.uint8)
    labels = np.array([0, 1, 2, 255], np.uint8)[None, :, None].repeat(2, 0).repeat(5, 2)
    found = np.where(labels == 255, 0, labels)
    figure = segmentation_sheet(
        images, labels, [("net", found)], num_classes=3, names=("none", "a", "b")
    )
    truth, guess = (figure.axes[k].images[0] for k in (1, 2))
    np.testing.assert_array_equal(truth.get_array()[:, 0], [0, 1, 2, 3])
    np.testing.assert_array_equal(guess.get_array()[:, 0], [0, 1, 2, 0])
    assert len(figure.axes) == 6
    with pytest.raises(ValueError, match="'net' have shape"):
        segmentation_sheet(images, labels, [("net", found[:1])], num_classes=3)
    with pytest.raises(ValueError, match="2 names; there are 3"):
        segmentation_sheet(images, labels, [], num_classes=3, names=("a", "b"))


def test_fits_show_what_is_left():
    patch = np.linspace(-1, 1, 25).reshape(5, 5)
    figure = filter_fits(patch, [("order 1", patch, np.array([0.25]))])
    assert figure.axes[3].get_xlabel() == "residual 25 %"
    np.testing.assert_allclose(figure.axes[3].images[0].get_array(), 0.5)
    with pytest.raises(ValueError, match="of the patch's shape"):
        filter_fits(patch, [("other", patch[:3], np.array([0.1]))])
