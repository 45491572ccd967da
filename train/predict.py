"""Logits of a trained network for many images, in batches of one size."""

from __future__ import annotations

import functools
from typing import Any

import jax
import numpy as np

from .members import pooling_function
from .step import as_floats


@functools.lru_cache(maxsize=16)
def _compiled(model: Any) -> Any:
    return jax.jit(
        lambda variables, image: model.apply(variables, as_floats(image), train=False)[
            1
        ]["per_scale"]
    )


def per_scale_logits(
    model: Any,
    variables: dict[str, Any],
    images: np.ndarray,
    *,
    batch_size: int,
) -> np.ndarray:
    """Logits of every scale channel for every image.

    The last batch is filled up with its first image and cropped, so that the network is
    compiled once.

    Args:
      model: Flax module.
      variables: params and batch_stats.
      images: as stored, uint8 [N, H, W, C].
      batch_size: images per call; fewer images make one smaller batch.

    Returns:
      One array [N, S, K].
    """
    apply = _compiled(model)
    size = min(batch_size, len(images))
    pending = []
    for start in range(0, len(images), size):
        batch = images[start : start + size]
        missing = size - len(batch)
        if missing:
            batch = np.concatenate([batch, np.repeat(batch[:1], missing, axis=0)])
        pending.append(apply(variables, batch))
        # The device runs ahead of the host by one batch, not by the whole test set.
        if len(pending) > 1:
            pending[-2] = np.asarray(pending[-2])
    return np.concatenate(jax.device_get(pending))[: len(images)].astype(np.float32)


def pooled(per_scale: np.ndarray, pooling: str) -> np.ndarray:
    """Logits [N, K] of the scale channels [N, S, K] pooled."""
    keep = np.ones(per_scale.shape[:-1], bool)
    return np.asarray(pooling_function(pooling)(per_scale, keep))
