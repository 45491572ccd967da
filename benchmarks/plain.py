"""Plain convolutional twins: networks of the same widths with 3 x 3 convolutions."""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax


class PlainCNN(nn.Module):
    """`GaussDerNet` with 3 x 3 convolutions and one channel; logits and {}."""

    widths: tuple[int, ...]
    num_classes: int = 10
    activation: Any = nn.relu

    @nn.compact
    def __call__(self, x: jax.Array, train: bool = False) -> tuple[jax.Array, Any]:
        """[B, H, W, C] -> [B, K]."""
        for width in self.widths:
            x = nn.Conv(width, (3, 3))(x)
            x = nn.BatchNorm(use_running_average=not train)(x)
            self.sow("intermediates", "stages", x)
            x = self.activation(x)
        x = nn.Conv(self.num_classes, (3, 3))(x)
        self.sow("intermediates", "stages", x)
        return x.mean((1, 2)), {}


class PlainResNet(nn.Module):
    """`GaussDerResNet` with 3 x 3 convolutions and one channel; logits and {}."""

    widths: tuple[int, ...]
    num_classes: int = 10
    activation: Any = nn.relu

    @nn.compact
    def __call__(self, x: jax.Array, train: bool = False) -> tuple[jax.Array, Any]:
        """[B, H, W, C] -> [B, K]."""

        def norm(x: jax.Array) -> jax.Array:
            return nn.BatchNorm(use_running_average=not train)(x)

        x = norm(nn.Conv(self.widths[0], (3, 3))(x))
        self.sow("intermediates", "stages", x)
        x = self.activation(x)
        for width in self.widths[1:]:
            y = self.activation(norm(nn.Conv(width, (3, 3))(x)))
            y = norm(nn.Conv(width, (3, 3))(y))
            if x.shape[-1] != width:
                x = norm(nn.Dense(width)(x))
            x = self.activation(x + y)
            self.sow("intermediates", "stages", x)
        x = nn.Conv(self.num_classes, (3, 3))(x)
        self.sow("intermediates", "stages", x)
        return x.mean((1, 2)), {}
