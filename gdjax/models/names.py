"""Names of what modules hold as objects: kernels, activations, poolings."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from typing import Any

import flax.linen as nn

from gdjax.layers.selection import (
    centre_pixel,
    logsumexp_over_scales,
    max_over_scales,
    mean_over_scales,
    spatial_max,
    spatial_mean,
)
from gdjax.scalespace import kernels


DISCRETISATIONS: dict[str, Any] = {
    "discrete": kernels.DiscreteGaussian(),
    "sampled": kernels.SampledGaussian(),
    "normalized_sampled": kernels.NormalizedSampledGaussian(),
    "integrated": kernels.IntegratedGaussian(),
    "linearly_integrated": kernels.LinearlyIntegratedGaussian(),
    "sampled_derivatives": kernels.SampledGaussianDerivatives(),
    "integrated_derivatives": kernels.IntegratedGaussianDerivatives(),
    "normalized_sampled_derivatives": kernels.NormalizedSampledGaussianDerivatives(),
    "spectral": kernels.SpectralGaussian(),
}
ACTIVATIONS: dict[str, Any] = {
    "relu": nn.relu,
    "silu": nn.silu,
    "gelu": nn.gelu,
    "softplus": nn.softplus,
    "elu": nn.elu,
    "tanh": nn.tanh,
}
SPATIAL_SELECTIONS: dict[str, Any] = {
    "centre": centre_pixel,
    "max": spatial_max,
    "mean": spatial_mean,
}
SCALE_POOLINGS: dict[str, Any] = {
    "max": max_over_scales,
    "logsumexp": logsumexp_over_scales,
    "mean": mean_over_scales,
}
# Fields of modules that hold objects, and the names of these.
NAMED: dict[str, dict[str, Any]] = {
    "discretisation": DISCRETISATIONS,
    "activation": ACTIVATIONS,
    "spatial_selection": SPATIAL_SELECTIONS,
    "scale_pooling": SCALE_POOLINGS,
}


def unknown(
    kind: str,
    name: str,
    known: Iterable[Any],
    *,
    error: Callable[[str], Exception] = ValueError,
) -> Any:
    """The error for a name that is in no table, with the nearest one that is.

    Args:
      kind: what the name stands for, such as "recipe".
      name: as the user gave it.
      known: the valid names.
      error: its class.

    Returns:
      The error, to be raised by the caller.
    """
    known = sorted(str(each) for each in known)
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return error(f"unknown {kind} {name!r}: {hint}known are {', '.join(known)}")


def named(field: str, value: Any) -> Any:
    """The object that a name in a field stands for; the value itself in other fields.

    Raises:
      ValueError: for a name that there isn't, with the nearest one.
    """
    if field not in NAMED:
        return value
    if not isinstance(value, str) or value not in NAMED[field]:
        raise unknown(f"value of `{field}`", str(value), NAMED[field])
    return NAMED[field][value]


def name_of(field: str, value: Any) -> Any:
    """The name of an object that a field holds; the value itself in other fields.

    Raises:
      ValueError: for an object without a name.
    """
    if field not in NAMED:
        return value
    for name, known in NAMED[field].items():
        if known == value:
            return name
    raise ValueError(
        f"`{field}={value!r}` has no name, so it can't be written: take one of"
        f" {', '.join(NAMED[field])}."
    )
