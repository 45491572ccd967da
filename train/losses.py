"""Losses of the recipes, averaged over the batch."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax

from .recipe import LossConfig


# (logits [B, K], labels [B]) -> scalar.
Loss = Callable[[jax.Array, jax.Array], jax.Array]


def make_loss(config: LossConfig) -> Loss:
    """The loss `(logits [B, K], labels [B]) -> scalar` that the configuration names.

    Choice: binary cross entropy ([gaussdernet] sec. 4) is averaged over the classes,
    and label smoothing is (1 - a) * onehot + a / K in both kinds.
    """

    def loss(logits: jax.Array, labels: jax.Array) -> jax.Array:
        logits = logits.astype(jnp.float32)
        onehot = jax.nn.one_hot(labels, logits.shape[-1], dtype=jnp.float32)
        target = optax.smooth_labels(onehot, config.label_smoothing)
        if config.kind == "softmax":
            return optax.softmax_cross_entropy(logits, target).mean()
        return optax.sigmoid_binary_cross_entropy(logits, target).mean()

    return loss
