"""What the networks of MNIST-Scale have after their convolutions. [scale_learning]."""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax

from gdjax.scalespace.checks import check_order, check_rate


HEAD_FIELDS = "num_classes", "hidden", "dropout", "dtype"


def check_layers(widths: tuple[int, ...], hidden: int, dropout: float) -> None:
    """Raises TypeError or ValueError for widths, or a head, that can't be."""
    check_order(hidden, name="hidden", lowest=1)
    for width in widths:
        check_order(width, name="widths", lowest=1)
    check_rate(dropout, name="dropout")
    if len(widths) < 2:
        raise ValueError(f"`widths={widths}` must have two layers or more.")


def dense_head(
    y: jax.Array,
    *,
    num_classes: int,
    hidden: int,
    dropout: float,
    train: bool,
    normed: Callable[..., jax.Array],
    dtype: Any = None,
) -> jax.Array:
    """Two dense layers, within the module that calls: [B, ...] -> logits [B, K].

    Args:
      y: features.
      num_classes: K.
      hidden: width of the first layer.
      dropout: rate before the second.
      train: whether it acts.
      normed: normalisation, (y, name, train) -> y, as the module has it.
      dtype: of the activations, default the input's.

    [scale_learning] App. B.2.
    """
    y = y.reshape(y.shape[0], -1)
    y = nn.Dense(hidden, use_bias=False, dtype=dtype, name="dense")(y)
    y = nn.relu(normed(y, "norm_dense", train))
    y = nn.Dropout(dropout, deterministic=not train)(y)
    return nn.Dense(num_classes, dtype=dtype, name="readout")(y)
