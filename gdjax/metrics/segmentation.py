"""Segmentation: intersection over union, and weights against class imbalance.

[njet] sec. 4.2.
"""

from typing import Any

import numpy as np


def confusion_matrix(
    labels: Any, predictions: Any, *, num_classes: int, ignore_index: int = 255
) -> np.ndarray:
    """How many pixels of each class were given each class.

    Args:
      labels: integers of any shape, 0 to num_classes - 1, or `ignore_index`.
      predictions: integers of the same shape, 0 to num_classes - 1.
      num_classes: K.
      ignore_index: label of pixels that don't count.

    Returns:
      [K, K] int64, rows true classes, columns predicted ones. Those of several batches
      may be added up.

    Raises:
      TypeError: if labels or predictions are not integers.
      ValueError: if shapes differ or a class is unknown.

    gdjax.
    """
    labels, predictions = np.asarray(labels), np.asarray(predictions)
    for name, value in (("labels", labels), ("predictions", predictions)):
        if not np.issubdtype(value.dtype, np.integer):
            raise TypeError(
                f"`{name}` has dtype {value.dtype}; give class numbers as integers."
            )
    if labels.shape != predictions.shape:
        raise ValueError(
            f"`labels` has shape {labels.shape}, but `predictions` {predictions.shape}."
        )
    counted = labels != ignore_index
    labels = labels[counted].astype(np.int64)
    predictions = predictions[counted].astype(np.int64)
    for name, value in (("labels", labels), ("predictions", predictions)):
        unknown = np.unique(value[(value < 0) | (value >= num_classes)])
        if len(unknown):
            raise ValueError(
                f"`{name}` holds the classes {unknown[:5].tolist()}; known are 0 to"
                f" {num_classes - 1}, and {ignore_index} in labels for pixels that"
                " don't count."
            )
    pairs = np.bincount(num_classes * labels + predictions, minlength=num_classes**2)
    return pairs.reshape(num_classes, num_classes)


def intersection_over_union(confusion: Any) -> np.ndarray:
    """TP / (TP + FP + FN) of every class, NaN where a class never occurs.

    Args:
      confusion: [K, K], rows true classes.

    Returns:
      [K] float64.

    [njet] sec. 4.2.
    """
    confusion = np.asarray(confusion, np.float64)
    both = np.diag(confusion)
    either = confusion.sum(0) + confusion.sum(1) - both
    return np.where(either > 0, both / np.where(either > 0, either, 1), np.nan)


def mean_iou(confusion: Any, *, background: int | None = 0) -> float:
    """Mean of `intersection_over_union` over the classes that occur.

    Args:
      confusion: [K, K], rows true classes.
      background: a class that is left out; None: none is.

    Returns:
      0 to 1; NaN if no class occurs.

    [njet] experiment 1.1(B): over all object classes.
    """
    values = intersection_over_union(confusion)
    if background is not None:
        values = np.delete(values, background)
    values = values[~np.isnan(values)]
    return float(values.mean()) if len(values) else float("nan")


def inverse_frequency_weights(
    labels: Any, *, num_classes: int, ignore_index: int = 255
) -> np.ndarray:
    """Weights of the classes in the loss: 1 / frequency, of mean 1 over the pixels.

    Args:
      labels: integers of any shape.
      num_classes: K.
      ignore_index: label of pixels that don't count.

    Returns:
      [K] float32; 0 for classes that don't occur.

    Raises:
      TypeError, ValueError: as `confusion_matrix`.

    [njet] sec. 4.2.
    """
    labels = np.asarray(labels)
    counts = confusion_matrix(
        labels,
        np.where(labels == ignore_index, 0, labels),
        num_classes=num_classes,
        ignore_index=ignore_index,
    ).sum(1)
    known = counts > 0
    shares = counts.sum() / np.where(known, counts, 1) / max(1, known.sum())
    return np.where(known, shares, 0).astype(np.float32)
