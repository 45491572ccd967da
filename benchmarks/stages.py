"""What networks compute on the way: the maps of their stages, at one scale."""

from __future__ import annotations

import functools
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from plain import PlainCNN, PlainResNet

import gdjax
from gdjax.layers import GaussianDerivative, ResidualBlock, SharedBatchNorm, spatial_max
from gdjax.models import GaussDerNet, GaussDerResNet


WIDTHS = (16,) * 4
FULL: dict[str, Any] = {
    "ratio": 1.25, "eps": None, "windowed": False, "spatial_selection": spatial_max,
}  # fmt: skip
# To add a network is to add a line here, and a case to `_found` if its stages are
# recorded in a new way.
NETWORKS = {
    "GaussDerNet, 16 x 4": GaussDerNet(widths=WIDTHS, **FULL),
    "GaussDerResNet, 16 x 5": GaussDerResNet(widths=(*WIDTHS, 16), **FULL),
    "plain CNN, 16 x 4": PlainCNN(widths=WIDTHS),
    "plain ResNet, 16 x 5": PlainResNet(widths=(*WIDTHS, 16)),
}
PLAIN = (PlainCNN, PlainResNet)


def stage_maps(
    net: Any, images: np.ndarray, sigma: float, train: bool = True
) -> list[np.ndarray]:
    """Outputs of all stages of one scale channel with random weights.

    Stages are normalised layers, residual blocks, and the last layer.

    Args:
      net: one of `NETWORKS`, or a flavour of it; plain ones do not know of `sigma`.
      images: [H, W, P], a photograph per channel.
      sigma: base scale, px.
      train: whether maps are normalised by the statistics of these images, or not.

    Returns:
      Per stage [H, W, P C].
    """
    variables = _variables(_plainest(net))
    channel = _at(net, float(sigma))

    @jax.jit
    def run(variables: Any, x: jax.Array) -> list[jax.Array]:
        _, updated = channel.apply(
            variables, x, train=train, mutable=["batch_stats", "intermediates"],
            capture_intermediates=_is_stage,
        )  # fmt: skip
        return _found(net, updated["intermediates"])

    with jax.default_matmul_precision("highest"):
        maps = run(variables, jnp.moveaxis(jnp.asarray(images), -1, 0)[..., None])
    flat = [np.moveaxis(np.asarray(y), 0, 2) for y in maps]
    return [y.reshape(*y.shape[:2], -1) for y in flat]


@functools.lru_cache
def _variables(net: Any) -> Any:
    return jax.jit(net.init)(jax.random.key(0), jnp.zeros((1, 8, 8, 1)))


def _plainest(net: Any) -> Any:
    """Weights depend on the key alone: no sigma, no discretisation, no activation."""
    net = net.clone(activation=nn.relu)
    if isinstance(net, PLAIN):
        return net
    return net.clone(sigmas=(1.0,), discretisation=gdjax.DiscreteGaussian())


def _at(net: Any, sigma: float) -> Any:
    return net if isinstance(net, PLAIN) else net.clone(sigmas=(sigma,))


def _is_stage(module: nn.Module, method: str) -> bool:
    kinds = (ResidualBlock, SharedBatchNorm, GaussianDerivative)
    top_level = len(module.path) == 1
    return method == "__call__" and top_level and isinstance(module, kinds)


def _found(net: Any, intermediates: Any) -> list[jax.Array]:
    if isinstance(net, PLAIN):
        return list(intermediates["stages"])
    maps = []
    for name in _stage_names(net):
        (value,) = intermediates[name]["__call__"]
        maps.append(value[0] if isinstance(value, list) else value)
    return maps


def _stage_names(net: Any) -> list[str]:
    if isinstance(net, GaussDerResNet):
        blocks = [f"block_{b}" for b in range(1, len(net.widths))]
        return ["norm_1", *blocks, net.layer_names()[-1]]
    return [f"norm_{k + 1}" for k in range(len(net.widths))] + [net.layer_names()[-1]]
