"""What a trained network says of many images, in batches of one size."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from gdjax.models import Preprocessing
from gdjax.models.any_module import AnyModule
from gdjax.models.names import SCALE_POOLINGS
from gdjax.models.preprocessing import as_floats

from .batch import IGNORED
from .placing import on_canvas
from .step import compiler_options


# One for each network of a sweep: they are tested in turn, at every size factor.
@functools.lru_cache(maxsize=64)
def _compiled(model: Any, preprocessing: Preprocessing, canvas: int | None) -> Any:
    def scores(variables: Any, image: jax.Array, factor: Any) -> jax.Array:
        x = preprocessing(on_canvas(as_floats(image), factor, canvas))
        logits, aux = model.apply(variables, x, train=False)
        if logits.ndim > 2:  # of a segmentation, logits of all images would be large
            return logits.argmax(-1).astype(jnp.uint8)
        per_scale = aux.get("per_scale") if isinstance(aux, dict) else None
        return logits[:, None] if per_scale is None else per_scale

    return jax.jit(scores, compiler_options=compiler_options())


def scores(
    model: Any,
    variables: dict[str, Any],
    images: np.ndarray,
    *,
    batch_size: int,
    preprocessing: Preprocessing = Preprocessing(),  # noqa: B008 (frozen)
    factors: np.ndarray | None = None,
    canvas: int | None = None,
    seen: Callable[[float], None] | None = None,
) -> np.ndarray:
    """Logits of every scale channel for every image, or the classes of its pixels.

    The last batch is filled up with its first image and cropped, so that the network is
    compiled once.

    Args:
      model: Flax module.
      variables: params and batch_stats.
      images: as stored, uint8 [N, H, W, C].
      batch_size: images per call; fewer images make one smaller batch.
      preprocessing: of the images.
      factors: by which they are placed on the canvas, [N], where there is one.
      canvas: its side in px; None: images are as they are.
      seen: called with the share of the images that is done.

    Returns:
      [N, S, K] float32, with S = 1 where there are no scale channels; of segmentations
      the classes of the pixels, uint8 [N, H, W].
    """
    # Modules with fields that have no hash have one as these.
    module = AnyModule.of(model) if isinstance(model, nn.Module) else model
    apply = _compiled(module, preprocessing, canvas)
    variables = jax.device_put(variables)
    parts = in_batches(apply, variables, images, factors, batch_size, seen)
    found = np.concatenate([np.asarray(part) for part in parts])[: len(images)]
    return found if found.dtype == np.uint8 else found.astype(np.float32)


def ranking(logits: jax.Array) -> jax.Array:
    """An increasing function of each class's probability, spread over 0..1.

    An eighth of the log-odds, squashed: probabilities near 1 themselves would share a
    bin of `gdjax.metrics.score_histograms`.
    """
    logits = logits.astype(jnp.float32)
    others = jnp.where(jnp.eye(logits.shape[-1], dtype=bool), -jnp.inf, 0.0)
    rest = jax.nn.logsumexp(logits[..., None, :] + others, axis=-1)
    return jax.nn.sigmoid((logits - rest) / 8)


@functools.lru_cache(maxsize=16)
def _compiled_pixels(model: Any, preprocessing: Preprocessing) -> Any:
    def scores(variables: Any, image: jax.Array, factor: None) -> tuple[Any, Any]:
        del factor  # Those of segmentations are a matter of the data.
        x = preprocessing(as_floats(image))
        logits, _ = model.apply(variables, x, train=False)
        return logits.argmax(-1).astype(jnp.uint8), ranking(logits)

    return jax.jit(scores, compiler_options=compiler_options())


def pixels(
    model: Any,
    variables: dict[str, Any],
    images: np.ndarray,
    labels: np.ndarray,
    *,
    batch_size: int,
    preprocessing: Preprocessing = Preprocessing(),  # noqa: B008 (frozen)
    seen: Callable[[float], None] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Classes of the pixels, and how well each class's scores order them.

    Args:
      model: Flax module of a segmentation.
      variables: params and batch_stats.
      images: as stored, uint8 [N, H, W, C].
      labels: classes of the pixels, uint8 [N, H, W].
      batch_size: images per call.
      preprocessing: of the images.
      seen: called with the share of the images that is done.

    Returns:
      uint8 [N, H, W]; histograms [2, K, 4096] (`gdjax.metrics.score_histograms`).
    """
    from gdjax.metrics import score_histograms

    apply = _compiled_pixels(model, preprocessing)
    found, total, start = [], None, 0
    variables = jax.device_put(variables)
    for part in in_batches(apply, variables, images, None, batch_size, seen):
        classes, ranked = jax.device_get(part)
        count = min(len(classes), len(images) - start)
        counts = score_histograms(
            labels[start : start + count], ranked[:count], bins=4096,
            ignore_index=IGNORED,
        )  # fmt: skip
        total = counts if total is None else total + counts
        found.append(classes[:count])
        start += count
    assert total is not None
    return np.concatenate(found), total


def in_batches(
    apply: Any,
    variables: dict[str, Any],
    images: Any,
    factors: np.ndarray | None,
    batch_size: int,
    seen: Callable[[float], None] | None = None,
) -> Iterator[Any]:
    """What `apply` says of batches of one size; the last one is filled up."""
    size = min(batch_size, len(images))
    pending = None
    for start in range(0, len(images), size):
        # Of the last batch, the first image fills what is missing.
        rows = start + np.arange(size)
        rows = np.where(rows < len(images), rows, start)
        factor = None if factors is None else factors[rows]
        coming = apply(variables, np.asarray(images[rows]), factor)
        # The device runs ahead of the host by one batch, not by the whole test set.
        if pending is not None:
            yield pending
            if seen is not None:
                seen(start / len(images))
        pending = coming
    yield pending
    if seen is not None:
        seen(1.0)


def pooled(per_scale: np.ndarray, pooling: str) -> np.ndarray:
    """Logits [N, K] of the scale channels [N, S, K] pooled."""
    keep = np.ones(per_scale.shape[:-1], bool)
    return np.asarray(SCALE_POOLINGS[pooling](per_scale, keep))


def classes(found: np.ndarray, pooling: str) -> np.ndarray:
    """Classes [N] of logits [N, S, K] pooled; classes [N, H, W] of pixels as they are.

    Args:
      found: as from `scores`.
      pooling: over scale channels.
    """
    return found if found.dtype == np.uint8 else pooled(found, pooling).argmax(-1)


def accuracy(found: np.ndarray, labels: np.ndarray, pooling: str) -> float:
    """Fraction of images, or of pixels that count, with the right class.

    Args:
      found: as from `scores`.
      labels: of the images [N], or of their pixels [N, H, W].
      pooling: over scale channels.
    """
    from gdjax.metrics import accuracy_per_factor

    (share,) = accuracy_per_factor(
        lambda rows: classes(rows, pooling),
        [(found, labels)],
        batch_size=min(1000, len(labels)),
        ignore_index=IGNORED if labels.ndim > 1 else None,
    )
    return float(share)
