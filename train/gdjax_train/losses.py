"""Losses of the recipes, averaged over the batch, and a penalty on weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from .batch import IGNORED, Batch
from .recipe import LossConfig, Recipe


# (logits [B, ..., K], the batch that they are of) -> scalar.
Loss = Callable[[jax.Array, Batch], jax.Array]


def make_loss(config: LossConfig, weights: np.ndarray | None = None) -> Loss:
    """The loss `(logits [B, K], batch) -> scalar` that the configuration names.

    Of segmentations, logits [B, H, W, K] and labels [B, H, W], it is the mean over
    pixels of the cross entropy, weighted by `weights` [K] of their classes ([njet]
    sec. 4.2); pixels that are `IGNORED` don't count.

    Choice: binary cross entropy ([gaussdernet] sec. 4) is averaged over the classes,
    and label smoothing is (1 - a) * onehot + a / K in both kinds.
    """

    def loss(logits: jax.Array, batch: Batch) -> jax.Array:
        logits, labels = logits.astype(jnp.float32), jnp.asarray(batch.label)
        if labels.ndim > 1:
            return _pixels(logits, labels, weights)
        onehot = jax.nn.one_hot(labels, logits.shape[-1], dtype=jnp.float32)
        target = optax.smooth_labels(onehot, config.label_smoothing)
        if config.kind == "softmax":
            return optax.softmax_cross_entropy(logits, target).mean()
        return optax.sigmoid_binary_cross_entropy(logits, target).mean()

    return loss


def class_weights(recipe: Recipe, labels: np.ndarray) -> np.ndarray | None:
    """Weights [K] of the pixels' classes; None where all count alike.

    Args:
      recipe: says which.
      labels: of all training images, uint8 [N, H, W], all of which are read.
    """
    if recipe.loss.class_weights == "equal":
        return None
    from gdjax.metrics import inverse_frequency_weights

    classes = recipe.model.num_classes
    labels = np.asarray(labels)
    return inverse_frequency_weights(labels, num_classes=classes, ignore_index=IGNORED)


def _pixels(
    logits: jax.Array, labels: jax.Array, weights: np.ndarray | None
) -> jax.Array:
    counted = labels != IGNORED
    known = jnp.where(counted, labels, 0).astype(jnp.int32)
    each = optax.softmax_cross_entropy_with_integer_labels(logits, known)
    weight = jnp.asarray(1.0 if weights is None else weights, jnp.float32)
    weight = counted * (weight[known] if weight.ndim else weight)
    return (weight * each).sum() / jnp.maximum(weight.sum(), 1e-6)


def penalty(params: Any, l2: float) -> jax.Array:
    """l2 / 2 times the sum of squares of the weights of convolutions.

    [njet] sec. 4.1. N-Jet kernels are [J, C_in, C_out], plain ones [h, w, C_in, C_out];
    matrices, of 1 x 1 and dense layers, are not counted.
    """
    squares = [
        (leaf.astype(jnp.float32) ** 2).sum()
        for path, leaf in jax.tree_util.tree_leaves_with_path(params)
        if getattr(path[-1], "key", None) == "kernel" and leaf.ndim > 2
    ]
    return 0.5 * l2 * jnp.sum(jnp.array(squares)) if squares else jnp.zeros(())
