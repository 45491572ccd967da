"""Plain convolutional twins: networks of the same widths with 3 x 3 convolutions."""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax


class PlainResNet(nn.Module):
    """`GaussDerResNet` with 3 x 3 convolutions and one channel; logits and {}."""

    widths: tuple[int, ...]
    num_classes: int = 10

    @nn.compact
    def __call__(self, x: jax.Array, train: bool = False) -> tuple[jax.Array, Any]:
        """[B, H, W, C] -> [B, K]."""

        def norm(x: jax.Array) -> jax.Array:
            return nn.BatchNorm(use_running_average=not train)(x)

        x = nn.relu(norm(nn.Conv(self.widths[0], (3, 3))(x)))
        for width in self.widths[1:]:
            y = nn.relu(norm(nn.Conv(width, (3, 3))(x)))
            y = norm(nn.Conv(width, (3, 3))(y))
            if x.shape[-1] != width:
                x = norm(nn.Dense(width)(x))
            x = nn.relu(x + y)
        return nn.Conv(self.num_classes, (3, 3))(x).mean((1, 2)), {}
