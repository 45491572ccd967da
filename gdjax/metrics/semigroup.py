"""Equivariance over the semigroup of downscalings, measured. [dss]."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gdjax.scalespace.discretisation import Discretisation
from gdjax.scalespace.kernels import DiscreteGaussian
from gdjax.scalespace.semigroup import scale_action, scale_space_lift, shift_levels


def semigroup_equivariance_error(
    fn: Callable[[jax.Array], Any],
    image: Any,
    *,
    steps: int,
    base: float = 2.0,
    levels: int = 8,
    zero_scale: float = 0.5,
    discretisation: Discretisation = DiscreteGaussian(),  # noqa: B008 (frozen)
    padding: str = "wrap",
) -> np.ndarray:
    """How far an operator on scale spaces is from commuting with downscaling.

      L(base^-n, k) = |F[f](k + n, base^n .) - F[S f](k, .)| / |F[f](k + n, base^n .)|

    Args:
      fn: the operator, lifted [K, H, W, C] -> lifted [K', H, W, C'].
      image: [H, W, C], floating point.
      steps: n, by which the image is made smaller.
      base: of the levels, > 1.
      levels: that images are lifted to.
      zero_scale: px.
      discretisation: the kernels of lift and action.
      padding: border rule of both; only "wrap" has no border of its own.

    Returns:
      Relative L2 errors of the levels k that both have, [K' - n], float64. Where the
      operator mixes levels, the coarsest ones depend on the border of the scale axis.

    Raises:
      TypeError, ValueError: for arguments out of range; if `fn` returns too few levels.

    [dss] (25), Fig. 4.
    """
    options: dict[str, Any] = {
        "base": base, "zero_scale": zero_scale, "discretisation": discretisation,
        "padding": padding,
    }  # fmt: skip
    image = jnp.asarray(image)
    small = scale_action(image, steps=steps, **options)
    found = jnp.asarray(fn(scale_space_lift(small, levels=levels, **options)))
    whole = jnp.asarray(fn(scale_space_lift(image, levels=levels, **options)))
    if whole.ndim != 4 or len(whole) <= steps:
        raise ValueError(
            f"`fn` returns an array of shape {whole.shape}; it must be [K, H, W, C]"
            f" with more levels K than `steps={steps}`."
        )
    expected = shift_levels(whole, steps=steps, base=base, padding=padding)
    pairs = [np.asarray(y, np.float64)[: len(expected)] for y in (found, expected)]
    axes = (1, 2, 3)
    norm = np.sqrt(np.square(pairs[1]).sum(axes))
    return np.sqrt(np.square(pairs[0] - pairs[1]).sum(axes)) / norm
