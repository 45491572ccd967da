"""What a trained network says of many images, in batches of one size."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .compiling import compiler_options
from .losses import IGNORED
from .members import pooling_function
from .step import as_floats


def _per_scale(output: tuple[jax.Array, dict[str, Any]]) -> jax.Array:
    return output[1]["per_scale"]


def _classes(output: tuple[jax.Array, dict[str, Any]]) -> jax.Array:
    found = output[0].argmax(-1)
    return found.astype(jnp.uint8) if found.ndim > 1 else found


@functools.lru_cache(maxsize=16)
def _compiled(model: Any, choose: Callable[[Any], jax.Array]) -> Any:
    return jax.jit(
        lambda variables, image: choose(
            model.apply(variables, as_floats(image), train=False)
        ),
        compiler_options=compiler_options(),
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
    apply = _compiled(model, _per_scale)
    return _batched(apply, variables, images, batch_size).astype(np.float32)


def classes(
    model: Any, variables: dict[str, Any], images: np.ndarray, *, batch_size: int
) -> np.ndarray:
    """The class of every image, uint8 [N], or of every pixel, uint8 [N, H, W].

    Arguments as of `per_scale_logits`.
    """
    apply = _compiled(model, _classes)
    return _batched(apply, variables, images, batch_size)


def share_correct(found: np.ndarray, labels: np.ndarray) -> float:
    """Fraction of images, or of pixels that count, with the right class."""
    counted = labels != IGNORED if labels.ndim > 1 else np.ones(labels.shape, bool)
    return float((found == labels)[counted].mean())


def _batched(
    apply: Any, variables: dict[str, Any], images: np.ndarray, batch_size: int
) -> np.ndarray:
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
    return np.concatenate(jax.device_get(pending))[: len(images)]


def pooled(per_scale: np.ndarray, pooling: str) -> np.ndarray:
    """Logits [N, K] of the scale channels [N, S, K] pooled."""
    keep = np.ones(per_scale.shape[:-1], bool)
    return np.asarray(pooling_function(pooling)(per_scale, keep))
