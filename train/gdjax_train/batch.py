"""What a training step sees of its data."""

from __future__ import annotations

from typing import NamedTuple

import jax
import numpy as np


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
