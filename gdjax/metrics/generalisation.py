"""Scale generalisation: accuracy and selected scales over size factors."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gdjax.scalespace.arrays import check_callable, check_integers, check_numbers
from gdjax.scalespace.checks import LARGEST_INT, check_order, shown


# A histogram of more bins is a mistake.
LARGEST_COUNT = 2**20


def accuracy_per_factor(
    predict: Callable[[np.ndarray], Any],
    datasets: Sequence[tuple[Any, Any]],
    *,
    batch_size: int = 256,
    ignore_index: int | None = None,
) -> np.ndarray:
    """Fraction of right predictions for each size factor.

    Args:
      predict: images [batch_size, H, W, C] -> class indices [batch_size], or
        [batch_size, H, W] of their pixels. Always called with whole batches (the last
        one is padded), so that it compiles once.
      datasets: one (images [N, H, W, C], labels [N] or [N, H, W]) per size factor. In
        the place of images, anything that has N rows will do, such as logits.
      batch_size: images per call, at most; no more than the largest data set has.
      ignore_index: label that doesn't count; None: all count.

    Returns:
      [F], float64, in [0, 1]; NaN where no label counts.

    Raises:
      TypeError: if labels or predictions aren't integers, or an argument has another
        type.
      ValueError: if there is no data set, one is empty or its labels are of another
        length, or predictions have another shape than labels.

    [gaussdernet] Figs. 6-7.
    """
    check_callable(predict, name="predict")
    batch_size = check_order(batch_size, name="batch_size", lowest=1)
    if ignore_index is not None:
        ignore_index = check_order(
            ignore_index, name="ignore_index", lowest=-LARGEST_INT
        )
    pairs = [_pair(index, each) for index, each in enumerate(_sequence(datasets))]
    # Filled up beyond that, a batch would hold nothing but what is thrown away.
    batch_size = min(batch_size, max(len(images) for images, _ in pairs))
    return np.array(
        [_accuracy(predict, *pair, batch_size, ignore_index) for pair in pairs]
    )


def _sequence(datasets: Any) -> list[Any]:
    if not isinstance(datasets, Sequence) or isinstance(datasets, str) or not datasets:
        raise ValueError(
            f"`datasets={shown(datasets)}` must be a list of pairs (images, labels), at"
            " least one."
        )
    return list(datasets)


def _pair(index: int, given: Any) -> tuple[np.ndarray, np.ndarray]:
    name = f"datasets[{index}]"
    if not isinstance(given, tuple | list) or len(given) != 2:
        raise ValueError(f"`{name}={shown(given)}` must be a pair (images, labels).")
    images = real_rows(given[0], name=name)
    labels = check_integers(given[1], name=name)
    if labels.ndim == 0 or len(images) == 0 or len(images) != len(labels):
        raise ValueError(
            f"`{name}` has {len(images)} images and {len(np.atleast_1d(labels))}"
            " labels; both must be equal and more than 0."
        )
    return images, labels


def real_rows(images: Any, *, name: str) -> np.ndarray:
    """Images, or whatever else there is a row of for each; of any type of numbers."""
    try:
        found = np.asarray(images)
    except ValueError as error:
        raise ValueError(f"`{name}` has images that are no array: {error}.") from error
    if found.ndim == 0 or found.dtype == object:
        raise TypeError(f"`{name}` has images {shown(images)}: give [N, H, W, C].")
    return found


def _accuracy(
    predict: Callable[[np.ndarray], Any],
    images: np.ndarray,
    labels: np.ndarray,
    size: int,
    ignore_index: int | None,
) -> float:
    found = [
        check_integers(predict(_whole(images[k : k + size], size)), name="predict")
        for k in range(0, len(images), size)
    ]
    for each in found:
        if each.shape != (size, *labels.shape[1:]):
            raise ValueError(
                f"`predict` returned shape {each.shape} for {size} images and labels of"
                f" shape {labels.shape}; give the class of each of these."
            )
    right = np.concatenate(found)[: len(labels)] == labels
    counted = np.ones(labels.shape, bool)
    if ignore_index is not None:
        counted = labels != ignore_index
    return right[counted].mean() if counted.any() else np.nan


def _whole(batch: np.ndarray, size: int) -> np.ndarray:
    missing = size - len(batch)
    return np.concatenate([batch, np.repeat(batch[-1:], missing, axis=0)])


def scale_selection_histogram(
    selected: Sequence[Any], *, num_scales: int
) -> np.ndarray:
    """How often each scale channel is selected, for each size factor.

    Args:
      selected: per size factor the indices of the selected channels, ints [N].
      num_scales: S, number of scale channels.

    Returns:
      [F, S], float64; rows sum to 1.

    Raises:
      TypeError: for indices that aren't integers.
      ValueError: if an index is outside 0..S - 1, a factor has none, or there is none.

    [gaussdernet] Fig. 8.
    """
    check_order(num_scales, name="num_scales", lowest=1, highest=LARGEST_COUNT)
    listed = isinstance(selected, Sequence) or (
        isinstance(selected, np.ndarray) and selected.ndim
    )
    if not listed or not len(selected):
        raise ValueError(
            f"`selected={shown(selected)}` must be a list with the channels of each"
            " size factor, at least one."
        )
    rows = []
    for index, chosen in enumerate(selected):
        chosen = check_integers(chosen, name=f"selected[{index}]")
        if chosen.size == 0 or chosen.min() < 0 or chosen.max() >= num_scales:
            raise ValueError(
                f"`selected[{index}]` must hold indices from 0 to {num_scales - 1},"
                " at least one."
            )
        rows.append(np.bincount(chosen.ravel(), minlength=num_scales) / chosen.size)
    return np.stack(rows)


def scale_contributions(per_scale: Any, *, pooling: str) -> np.ndarray:
    """What each scale channel contributes to the logit of the predicted class.

    Args:
      per_scale: logits [N, S, K] of the scale channels.
      pooling: "max": all of it is the largest channel's; "logsumexp": softmax over the
        channels, the derivative of the pooled logit; "mean": the channels' shares of
        the sum of the positive logits (equal shares where none is positive).

    Returns:
      [N, S], float64, rows sum to 1; its mean over the images of a size factor is a
      row of a scale-selection histogram.

    Raises:
      TypeError: for logits that are no numbers.
      ValueError: for another pooling, logits that aren't finite, or an array that is
        empty or of another rank.

    [gaussderresnet] Figs. 9, 11, 16, 18-20. Choice: the weights of "mean"; the paper
    speaks of relative contributions without a formula.
    """
    per_scale = check_numbers(
        per_scale, name="per_scale", unit="logits", axes="images, channels, classes"
    )
    if not isinstance(pooling, str) or pooling not in ("max", "logsumexp", "mean"):
        raise ValueError(f'`pooling={pooling!r}`: give "max", "logsumexp" or "mean"')
    pooled = {
        "max": per_scale.max(1),
        "logsumexp": np.logaddexp.reduce(per_scale, axis=1),
        "mean": per_scale.mean(1),
    }[pooling]
    decisive = per_scale[np.arange(len(per_scale)), :, pooled.argmax(-1)]
    if pooling == "max":
        return np.eye(per_scale.shape[1])[decisive.argmax(-1)]
    if pooling == "logsumexp":
        weights = np.exp(decisive - decisive.max(-1, keepdims=True))
    else:
        weights = np.maximum(decisive, 0)
        weights /= np.maximum(weights.max(-1, keepdims=True), 1e-300)
        weights[weights.sum(-1) == 0] = 1
    return weights / weights.sum(-1, keepdims=True)
