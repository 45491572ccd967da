"""Scale generalisation: accuracy and selected scales over size factors."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np


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
      batch_size: images per call.
      ignore_index: label that doesn't count; None: all count.

    Returns:
      [F], float64, in [0, 1].

    Raises:
      ValueError: if a data set is empty or its labels are of another length.

    [gaussdernet] Figs. 6-7.
    """
    accuracies = []
    for images, labels in datasets:
        images, labels = np.asarray(images), np.asarray(labels)
        if len(images) == 0 or len(images) != len(labels):
            raise ValueError(
                f"a data set has {len(images)} images and {len(labels)} labels; both"
                " must be equal and more than 0."
            )
        found = [
            np.asarray(predict(_whole(images[first : first + batch_size], batch_size)))
            for first in range(0, len(images), batch_size)
        ]
        right = np.concatenate(found)[: len(labels)] == labels
        counted = np.ones(labels.shape, bool)
        if ignore_index is not None:
            counted = labels != ignore_index
        accuracies.append(right[counted].mean() if counted.any() else np.nan)
    return np.array(accuracies)


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
      ValueError: if an index is outside 0..S - 1, or a factor has none.

    [gaussdernet] Fig. 8.
    """
    rows = []
    for index, chosen in enumerate(selected):
        chosen = np.asarray(chosen)
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
      ValueError: for another pooling, or an array of another rank.

    [gaussderresnet] Figs. 9, 11, 16, 18-20. Choice: the weights of "mean"; the paper
    speaks of relative contributions without a formula.
    """
    per_scale = np.asarray(per_scale, np.float64)
    if per_scale.ndim != 3 or 0 in per_scale.shape:
        raise ValueError(
            f"`per_scale` of shape {per_scale.shape} must be [images, channels,"
            " classes]."
        )
    if pooling not in ("max", "logsumexp", "mean"):
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
        weights[weights.sum(-1) == 0] = 1
    return weights / weights.sum(-1, keepdims=True)
