"""Equivariance over the semigroup of downscalings, measured. [dss]."""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gdjax.scalespace.arrays import check_callable
from gdjax.scalespace.checks import check_image, check_order
from gdjax.scalespace.discretisation import Discretisation
from gdjax.scalespace.kernels import DiscreteGaussian
from gdjax.scalespace.semigroup import scale_action, scale_space_lift, shift_levels
from gdjax.scalespace.semigroup_grids import check_base


# By which images are made smaller at most, as a power of 2.
MOST_OCTAVES = 16


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
      Relative L2 errors of the levels k that both have, [K' - n], float64; where a
      level is 0, the norm. Where the
      operator mixes levels, the coarsest ones depend on the border of the scale axis.

    Raises:
      TypeError, ValueError: for arguments out of range; if `fn` returns too few levels.

    [dss] (25), Fig. 4.
    """
    check_callable(fn, name="fn")
    image = check_image(image, ndim=2)
    if image.ndim != 3:
        raise ValueError(f"`image` has shape {image.shape}; give [H, W, C].")
    check_base(base)
    steps = check_order(steps, name="steps")
    check_order(levels, name="levels", lowest=1)
    if (steps + levels) * math.log2(base) > MOST_OCTAVES:
        raise ValueError(
            f"`levels={levels}` and `steps={steps}` at `base={base}` leave nothing of"
            " any image: give fewer."
        )
    options: dict[str, Any] = {
        "base": base, "zero_scale": zero_scale, "discretisation": discretisation,
        "padding": padding,
    }  # fmt: skip
    small = scale_action(image, steps=steps, **options)
    found = jnp.asarray(fn(scale_space_lift(small, levels=levels, **options)))
    whole = jnp.asarray(fn(scale_space_lift(image, levels=levels, **options)))
    if whole.ndim != 4 or len(whole) <= steps or found.ndim != 4:
        raise ValueError(
            f"`fn` returns an array of shape {whole.shape}; it must be [K, H, W, C]"
            f" with more levels K than `steps={steps}`."
        )
    expected = shift_levels(whole, steps=steps, base=base, padding=padding)
    pairs = [np.asarray(y, np.float64)[: len(expected)] for y in (found, expected)]
    axes = (1, 2, 3)
    norm = np.sqrt(np.square(pairs[1]).sum(axes))
    return np.sqrt(np.square(pairs[0] - pairs[1]).sum(axes)) / np.where(norm, norm, 1)
