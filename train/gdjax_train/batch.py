"""What a training step sees of its data, and in which order."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import numpy as np

from .errors import UserError


# Label of pixels that don't count.
IGNORED = 255


class Batch(NamedTuple):
    """Images and their classes, and what is known of each image.

    Attributes:
      image: [B, H, W, C], uint8 as stored, or float32 in 0..1 once converted.
      label: classes, int32 [B], or uint8 [B, H, W] of every pixel (a mask), where
        `IGNORED` doesn't count.
      index: place of each image in its training set, int32 [B].
      factor: size factor of each image, float32 [B], dimensionless; augmentation
        multiplies it by that of the resizing.
    """

    image: jax.Array | np.ndarray
    label: jax.Array | np.ndarray
    index: jax.Array | np.ndarray | None = None
    factor: jax.Array | np.ndarray | None = None


def steps_per_epoch(images: int, batch_size: int) -> int:
    """Whole batches in an epoch; the images that are left over wait for the next one.

    Raises:
      UserError: if the data do not fill one batch.
    """
    if not 1 <= batch_size <= images:
        raise UserError(
            f"`batch_size={batch_size}` does not fit {images} training images: "
            f"use 1 to {images}"
        )
    return images // batch_size


def batch_indices(
    images: int, batch_size: int, *, seed: int
) -> Callable[[int], np.ndarray]:
    """Which images are in the batch of a step.

    Stateless, so that a resumed run needs nothing but its step. Every epoch is a new
    permutation and no image comes twice in it: the remainder is dropped *before* the
    epochs are joined.

    Args:
      images: number of training images.
      batch_size: images per step.
      seed: of the permutations.

    Returns:
      A function from the step (0, 1, ...) to `batch_size` indices.
    """
    # Lazily: grain takes seconds to import, and `--help` has no use for it.
    import grain

    steps_per_epoch(images, batch_size)  # raises where no batch can be filled
    order = grain.MapDataset.range(images).seed(seed).shuffle()
    order = order.batch(batch_size, drop_remainder=True).repeat(None)
    return lambda step: np.asarray(order[step])


def batches(
    examples: Any, indices: Callable[[int], np.ndarray], *, start: int, stop: int
) -> Iterator[Batch]:
    """The batches of steps `start`..`stop` - 1; the next one is read meanwhile.

    Args:
      examples: images and labels, arrays or read when they are needed; a `factor` of
        each image, where they have one.
      indices: as of `batch_indices`.
      start: first step.
      stop: the step after the last.
    """
    factors = examples.factor if "factor" in examples._fields else None

    def read(step: int) -> Batch:
        chosen = indices(step)
        return Batch(
            image=examples.image[chosen],
            label=examples.label[chosen],
            index=chosen.astype(np.int32),
            factor=None if factors is None else factors[chosen].astype(np.float32),
        )

    with concurrent.futures.ThreadPoolExecutor(max_workers=1) as reader:
        ahead = reader.submit(read, start)
        for step in range(start, stop):
            batch = ahead.result()
            if step + 1 < stop:
                ahead = reader.submit(read, step + 1)
            yield batch
