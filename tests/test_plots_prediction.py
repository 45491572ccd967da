"""The overlay of a prediction: what it shows."""

import numpy as np
import pytest
from matplotlib.colors import to_rgba

from gdjax.plots import prediction_overlay


IMAGE = np.random.default_rng(0).integers(0, 256, (6, 5, 3), np.uint8)
SCORES = np.array([[1.0, 0, 2, -1, 3, 0.5], [2.0, 9, 2, -1, 1, 0.5]])
SIGMAS = (2.0, 0.5)
NAMES = list("abcdef")


def test_the_best_five_classes_have_bars():
    figure = prediction_overlay(IMAGE, scores=SCORES[0], class_names=NAMES)
    picture, bars = figure.axes
    np.testing.assert_allclose(picture.images[0].get_array(), IMAGE / 255)
    assert picture.get_title() == "e"
    assert [bar.get_width() for bar in bars.patches] == [3, 2, 1, 0.5, 0]
    names = [text.get_text() for text in bars.get_yticklabels()]
    assert names == ["e", "c", "a", "f", "b"]


def test_few_classes_have_numbers_and_bars_each():
    picture, bars = prediction_overlay(IMAGE[..., 0], scores=np.array([0.2, 0.8])).axes
    assert picture.get_title() == "class 1" and len(bars.patches) == 2
    assert picture.images[0].get_array().shape == (6, 5)


def test_scores_of_channels_are_drawn_over_sigma_and_the_selected_is_marked():
    figure = prediction_overlay(IMAGE, scores=SCORES, class_names=NAMES, sigmas=SIGMAS)
    _, bars, channels = figure.axes
    # The maximum over the channels.
    assert [bar.get_width() for bar in bars.patches] == [9, 3, 2, 2, 0.5]
    *lines, mark, ring = channels.lines
    assert [line.get_label() for line in lines] == ["b", "e", "a", "c", "f"]
    # From the finest on.
    np.testing.assert_array_equal(lines[0].get_xdata(), [0.5, 2.0])
    np.testing.assert_array_equal(lines[0].get_ydata(), [9, 0])
    np.testing.assert_array_equal(lines[1].get_ydata(), [1, 3])
    assert set(mark.get_xdata()) == {0.5}
    assert (list(ring.get_xdata()), list(ring.get_ydata())) == ([0.5], [9])
    assert "0.5 px" in channels.get_title() and channels.get_xscale() == "log"
    colours = [line.get_color() for line in lines]

    assert [to_rgba(c) for c in colours] == [
        bar.get_facecolor() for bar in bars.patches
    ]


def test_pooled_scores_decide_where_they_are_given():
    pooled = SCORES.mean(0)
    figure = prediction_overlay(IMAGE, scores=SCORES, sigmas=SIGMAS, pooled=pooled)
    widths = [bar.get_width() for bar in figure.axes[1].patches]
    assert widths == sorted(pooled, reverse=True)[:5]


def test_one_channel_has_no_curve_of_a_single_dot():
    figure = prediction_overlay(IMAGE, scores=SCORES[:1], sigmas=(1.5,))
    assert len(figure.axes) == 2
    assert "1.5 px" in figure.axes[0].get_xlabel()


@pytest.mark.parametrize(
    ("image", "options", "words"),
    [
        (IMAGE[0, 0], {"scores": SCORES[0]}, r"`image` of shape \(3,\)"),
        (IMAGE[None], {"scores": SCORES[0]}, "`image` of shape"),
        (IMAGE, {"scores": SCORES}, "got none"),
        (IMAGE, {"scores": SCORES, "sigmas": (1.0,)}, "got 1"),
        (IMAGE, {"scores": SCORES, "sigmas": (1.0, -1.0)}, "positive"),
        (IMAGE, {"scores": SCORES[0], "class_names": ["a"]}, "1 names; there are 6"),
        (IMAGE, {"scores": np.array([1.0, np.nan])}, "finite"),
        (IMAGE, {"scores": SCORES[0], "pooled": np.zeros(2)}, "`pooled`"),
        (IMAGE, {"scores": np.zeros(0)}, "`scores`"),
    ],
)
def test_what_does_not_fit_is_refused(image, options, words):
    with pytest.raises(ValueError, match=words):
        prediction_overlay(image, **options)
