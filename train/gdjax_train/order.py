"""The order in which images are seen, as a function of seed and step alone."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .errors import UserError


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
