"""What is printed of a data set, and what becomes of its class names."""

from __future__ import annotations

import copy
import pickle

import jax
import numpy as np
import pytest

from gdjax.data import Examples, load, load_at_factor


IMAGE, LABEL = np.zeros((4, 8, 6, 3), np.uint8), np.arange(4, dtype=np.int32)


def test_one_line_is_printed_and_no_pixel():
    examples = Examples(IMAGE, LABEL, classes=("cat", "dog"))
    expected = "<Examples: image uint8 (4, 8, 6, 3), label int32 (4,)"
    assert repr(examples) == f"{expected}, 2 classes: cat, dog>"
    assert repr(Examples(IMAGE, LABEL)) == f"{expected}>"
    assert repr(Examples(IMAGE, LABEL, classes=["a"])) == f"{expected}, 1 class: a>"
    many = Examples(IMAGE, LABEL, classes="abcdefg")
    assert repr(many) == f"{expected}, 7 classes: a, b, c, d, e, ...>"
    # Whatever a transformation puts in the arrays' places.
    assert repr(Examples(None, 3)) == "<Examples: image NoneType (), label int ()>"


@pytest.mark.parametrize("lazy", [False, True])
def test_sets_of_gdjax_have_their_classes(lazy):
    examples = load("rescaled_digits/tiny", "train", lazy=lazy)
    digits = tuple("0123456789")
    assert examples.classes == digits
    assert repr(examples) == (
        "<Examples: image uint8 (64, 40, 40, 1), label int32 (64,), "
        "10 classes: 0, 1, 2, 3, 4, ...>"
    )
    assert load_at_factor("rescaled_digits/tiny", 1.1).classes == digits


def test_it_is_still_a_pair():
    examples = Examples(IMAGE, LABEL, classes=("cat", "dog"))
    image, label = examples
    assert image is IMAGE and label is LABEL and len(examples) == 2
    assert Examples._fields == ("image", "label")
    replaced = examples._replace(image=IMAGE[:2])
    assert replaced.image.shape[0] == 2 and replaced.classes == ("cat", "dog")
    for same in (copy.copy(examples), pickle.loads(pickle.dumps(examples))):
        assert same.classes == examples.classes and (same.label == LABEL).all()
    doubled = jax.tree.map(lambda array: array * 2, examples)
    assert isinstance(doubled, Examples) and (doubled.label == 2 * LABEL).all()
