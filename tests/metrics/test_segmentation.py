"""Intersection over union against sets of pixels."""

import numpy as np
import pytest

from gdjax.metrics import (
    confusion_matrix,
    intersection_over_union,
    inverse_frequency_weights,
    mean_iou,
)


def masks(classes=4, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, (3, 8, 7)).astype(np.uint8)
    labels[rng.uniform(size=labels.shape) < 0.2] = 255
    return labels, rng.integers(0, classes, labels.shape)


def test_iou_is_that_of_sets_of_pixels():
    labels, predictions = masks()
    found = intersection_over_union(
        confusion_matrix(labels, predictions, num_classes=5)
    )
    counted = labels.ravel() != 255
    for k in range(4):
        true = set(np.flatnonzero(counted & (labels.ravel() == k)))
        given = set(np.flatnonzero(counted & (predictions.ravel() == k)))
        assert found[k] == len(true & given) / len(true | given)
    assert np.isnan(found[4])


def test_means_leave_out_the_background_and_classes_that_do_not_occur():
    confusion = np.array([[90, 10, 0], [0, 5, 0], [0, 0, 0]])
    assert mean_iou(confusion) == 5 / 15
    assert mean_iou(confusion, background=None) == (0.9 + 5 / 15) / 2
    assert np.isnan(mean_iou(np.zeros((3, 3))))


def test_batches_add_up():
    labels, predictions = masks()
    parts = [
        confusion_matrix(one, two, num_classes=4)
        for one, two in zip(labels, predictions, strict=True)
    ]
    whole = confusion_matrix(labels, predictions, num_classes=4)
    np.testing.assert_array_equal(sum(parts), whole)
    assert whole.sum() == (labels != 255).sum()


def test_weights_give_every_class_the_same_say():
    labels = np.array([0] * 90 + [1] * 9 + [2] + [255] * 7)
    weights = inverse_frequency_weights(labels, num_classes=4)
    np.testing.assert_allclose(weights[:3] * [90, 9, 1], 100 / 3, rtol=1e-6)
    assert weights[3] == 0
    np.testing.assert_allclose(weights[labels[:100]].mean(), 1, rtol=1e-6)


@pytest.mark.parametrize(
    ("labels", "predictions", "error", "message"),
    [
        ([0.0], [0], TypeError, "`labels` has dtype float64"),
        ([0], [0.0], TypeError, "`predictions` has dtype float64"),
        ([0, 1], [0], ValueError, r"`labels` has shape \(2,\)"),
        ([7], [0], ValueError, r"`labels` holds the classes \[7\]; known are 0 to 3"),
        ([-1], [0], ValueError, r"`labels` holds the classes \[-1\]"),
        ([0], [4], ValueError, r"`predictions` holds the classes \[4\]"),
    ],
)
def test_bad_masks_are_named(labels, predictions, error, message):
    with pytest.raises(error, match=message):
        confusion_matrix(labels, predictions, num_classes=4)


@pytest.mark.parametrize("ignore", [[], (1, 2), None])
def test_one_label_is_ignored(ignore):
    with pytest.raises(TypeError, match="`ignore_index=.*must be an int"):
        inverse_frequency_weights(np.array([0, 1]), num_classes=2, ignore_index=ignore)
