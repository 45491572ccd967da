"""Segmentation: intersection over union, average precision, weights of classes.

[njet] sec. 4.2; [dss] Table 1.
"""

from typing import Any

import numpy as np

from gdjax.scalespace.arrays import check_integers
from gdjax.scalespace.checks import LARGEST_INT, check_order, real_array, shown


# More would not fit into memory, squared.
MOST_CLASSES = 2**13
# Of all histograms together.
MOST_COUNTS = 2**26


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
    labels = check_integers(labels, name="labels")
    predictions = check_integers(predictions, name="predictions")
    _check_counts(num_classes, ignore_index)
    if labels.shape != predictions.shape:
        raise ValueError(
            f"`labels` has shape {labels.shape}, but `predictions` {predictions.shape}."
        )
    counted = labels != ignore_index
    labels = labels[counted].astype(np.int64)
    predictions = predictions[counted].astype(np.int64)
    for name, value in (("labels", labels), ("predictions", predictions)):
        _check_classes(name, value, num_classes, ignore_index)
    pairs = np.bincount(num_classes * labels + predictions, minlength=num_classes**2)
    return pairs.reshape(num_classes, num_classes)


def intersection_over_union(confusion: Any) -> np.ndarray:
    """TP / (TP + FP + FN) of every class, NaN where a class never occurs.

    Args:
      confusion: [K, K], rows true classes.

    Returns:
      [K] float64.

    Raises:
      TypeError: for counts that are no numbers.
      ValueError: for counts that aren't [K, K], finite and >= 0.

    [njet] sec. 4.2.
    """
    confusion = _checked_counts(confusion, "confusion", "K, K")
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

    Raises:
      TypeError, ValueError: as `intersection_over_union`, and for a background that is
        none of the classes.

    [njet] experiment 1.1(B): over all object classes.
    """
    values = intersection_over_union(confusion)
    if background is not None:
        check_order(background, name="background", highest=len(values) - 1)
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
    labels = check_integers(labels, name="labels")
    _check_counts(num_classes, ignore_index)
    counts = confusion_matrix(
        labels,
        np.where(labels == ignore_index, 0, labels),
        num_classes=num_classes,
        ignore_index=ignore_index,
    ).sum(1)
    known = counts > 0
    shares = counts.sum() / np.where(known, counts, 1) / max(1, known.sum())
    return np.where(known, shares, 0).astype(np.float32)


def score_histograms(
    labels: Any, probabilities: Any, *, bins: int = 1024, ignore_index: int = 255
) -> np.ndarray:
    """How many pixels have which probability of each class, for `average_precision`.

    Only the order of the pixels matters to the latter: instead of probabilities p, any
    increasing function of them will do. Networks that are sure of themselves have most
    pixels in the last bin, whose order is lost: average precision was 0.1 too low where
    half of the pixels had a probability above 1 - 1 / 1024. Give q / (q + r) then, with
    q = p^(1/8) and r = (1 - p)^(1/8), an eighth of the log-odds, and 4096 bins: errors
    were below 0.001.

    Args:
      labels: integers of any shape [...], 0 to K - 1, or `ignore_index`.
      probabilities: of the K classes, [..., K], each in [0, 1].
      bins: number of equally wide bins of [0, 1]; a bin has its lower edge, the last
        one 1 as well. In all batches the same.
      ignore_index: label of pixels that don't count.

    Returns:
      [2, K, bins] int64: pixels that are of class k, and pixels that are not, by their
      probability of class k. Those of several batches may be added up.

    Raises:
      TypeError: if labels are not integers.
      ValueError: if shapes don't fit, a class is unknown, a probability of a pixel that
        counts is outside [0, 1] or NaN, or there is no bin.

    gdjax.
    """
    labels = check_integers(labels, name="labels")
    probabilities = real_array(probabilities, name="probabilities", unit="numbers")
    check_order(bins, name="bins", lowest=1, highest=MOST_COUNTS)
    if probabilities.ndim == 0 or probabilities.shape[:-1] != labels.shape:
        raise ValueError(
            f"`probabilities` has shape {probabilities.shape}, but `labels`"
            f" {labels.shape}; give one probability a class in a last axis."
        )
    num_classes = probabilities.shape[-1]
    if not 1 <= num_classes * bins <= MOST_COUNTS:
        raise ValueError(
            f"`probabilities` of shape {probabilities.shape} and `bins={bins}` make no"
            " histograms, or too large ones."
        )
    _check_counts(num_classes, ignore_index)
    counted = labels != ignore_index
    labels = labels[counted].astype(np.int64)
    _check_classes("labels", labels, num_classes, ignore_index)
    found = np.empty((2, num_classes, bins), np.int64)
    for k in range(num_classes):  # One class at a time: pixels are many.
        which = _bin_numbers(probabilities[..., k][counted], bins)
        counts = np.bincount(which + bins * (labels != k), minlength=2 * bins)
        found[:, k] = counts.reshape(2, bins)
    return found


def average_precision(histograms: Any) -> np.ndarray:
    """Sum of (R_n - R_(n-1)) P_n over thresholds, NaN where a class never occurs.

    R_n and P_n are recall and precision of a class if the pixels in the n highest bins
    are taken for it: scikit-learn's definition, without interpolation, of probabilities
    that are rounded down to bins. Pixels in one bin have one threshold. What that
    changes is at most the share of a class's pixels in a bin, times the change of
    precision within it, summed over the bins.

    Args:
      histograms: [2, K, bins], as `score_histograms`.

    Returns:
      [K] float64, 0 to 1.

    Raises:
      ValueError: if histograms have another shape.

    gdjax.
    """
    histograms = _checked_counts(histograms, "histograms", "2, K, bins")
    inside, outside = np.cumsum(histograms[..., ::-1], axis=-1, dtype=np.float64)
    precision = inside / np.maximum(inside + outside, 1)
    total = histograms[0].sum(-1)
    steps = histograms[0, :, ::-1] / np.maximum(total, 1)[:, None]
    return np.where(total > 0, (steps * precision).sum(-1), np.nan)


def mean_average_precision(histograms: Any) -> float:
    """Mean of `average_precision` over the classes that occur.

    Args:
      histograms: [2, K, bins], as `score_histograms`.

    Returns:
      0 to 1; NaN if no class occurs.

    Raises:
      ValueError: if histograms have another shape.

    [dss] Table 1, which names mean average precision without defining it.
    Choice: the macro mean, all classes alike, of the average precision over pixels.
    """
    values = average_precision(histograms)
    values = values[~np.isnan(values)]
    return float(values.mean()) if len(values) else float("nan")


def _bin_numbers(probabilities: np.ndarray, bins: int) -> np.ndarray:
    """Integers [N], 0 to bins - 1, of probabilities [N]."""
    probabilities = probabilities.astype(np.float64)
    wrong = probabilities[~((probabilities >= 0) & (probabilities <= 1))]
    if len(wrong):
        raise ValueError(
            f"`probabilities` holds {wrong[0]:.9g}, outside [0, 1]; give those of a"
            " softmax."
        )
    return np.minimum((bins * probabilities).astype(np.int64), bins - 1)


def _check_counts(num_classes: Any, ignore_index: Any) -> None:
    check_order(num_classes, name="num_classes", lowest=1, highest=MOST_CLASSES)
    check_order(ignore_index, name="ignore_index", lowest=-LARGEST_INT)


def _checked_counts(counts: Any, name: str, axes: str) -> np.ndarray:
    """Numbers >= 0 with such axes, those of one letter as long as each other."""
    found = real_array(counts, name=name, unit="how often each case occurs")
    wanted = axes.split(", ")
    sizes: dict[str, int] = {"2": 2}
    fits = (
        found.ndim == len(wanted)
        and found.size
        and all(
            sizes.setdefault(axis, size) == size
            for axis, size in zip(wanted, found.shape, strict=True)
        )
    )
    if not fits:
        raise ValueError(f"`{name}` has shape {found.shape}, expected [{axes}].")
    if not (np.isfinite(found) & (found >= 0)).all():
        raise ValueError(f"`{name}={shown(counts)}` must be finite and >= 0: counts.")
    return found


def _check_classes(
    name: str, value: np.ndarray, num_classes: int, ignore_index: int
) -> None:
    unknown = np.unique(value[(value < 0) | (value >= num_classes)])
    if len(unknown):
        raise ValueError(
            f"`{name}` holds the classes {unknown[:5].tolist()}; known are 0 to"
            f" {num_classes - 1}, and {ignore_index} in labels for pixels that"
            " don't count."
        )
