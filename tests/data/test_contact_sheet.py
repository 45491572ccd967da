"""The contact sheet that `gdjax-data show` draws."""

from __future__ import annotations

import numpy as np
import pytest

from gdjax.plots import contact_sheet


def test_one_strip_for_each_row_with_its_label():
    grey = np.full((3, 8, 8, 1), 255, np.uint8)
    colour = np.zeros((2, 4, 6, 3))
    figure = contact_sheet([grey, colour], ["a", "b"])
    assert [axes.get_ylabel() for axes in figure.axes] == ["a", "b"]
    strips = [np.asarray(axes.images[0].get_array()) for axes in figure.axes]
    assert strips[0].shape == (8, 3 * 8 + 2 * 2) and strips[0].min() == 1
    assert strips[1].shape == (4, 2 * 6 + 2, 3)


@pytest.mark.parametrize(
    ("rows", "labels", "words"),
    [
        ([], [], "at least one row"),
        ([np.zeros((1, 2, 2, 1))], [], "1 rows and 0 labels"),
        ([np.zeros((1, 2, 2))], ["a"], r"rows\[0\]"),
        ([np.zeros((1, 2, 2, 2))], ["a"], r"\(1, 2, 2, 2\)"),
        ([np.zeros((0, 2, 2, 1))], ["a"], r"rows\[0\].* is empty"),
    ],
)
def test_wrong_rows_are_named(rows, labels, words):
    with pytest.raises(ValueError, match=words):
        contact_sheet(rows, labels)
