"""Checks of user input, on the host and before anything is traced (gdjax).

A traced `sigma` can't be looked at; its bounds belong to its parameterisation.
"""

import math
from typing import Any

import jax
import jax.core
import jax.numpy as jnp
import numpy as np


PADDINGS = ("zero", "symmetric", "edge", "wrap")


def is_traced(value: Any) -> bool:
    """Whether `value` is known only inside a transformation (jit, grad, vmap)."""
    return isinstance(value, jax.core.Tracer)


def check_sigma(sigma: Any, *, name: str = "sigma", positive: bool = False) -> Any:
    """Returns a concrete `sigma` as float64 NumPy scalar or array, a traced one as is.

    Args:
      sigma: standard deviation in px, a number, array or tracer.
      name: what the caller calls it, for the message.
      positive: whether 0 (the unit impulse) is refused too.

    Raises:
      TypeError: if `sigma` is not a real number or an array of them.
      ValueError: if a concrete `sigma` is negative, NaN or infinite, or 0 where
        the kernel has no limit there.
    """
    if isinstance(sigma, (str, bytes, bool)) or sigma is None:
        raise TypeError(f"`{name}={sigma!r}` is not a number; give px as a float.")
    if is_traced(sigma):
        if jnp.issubdtype(sigma.dtype, jnp.floating):
            return sigma
        if jnp.issubdtype(sigma.dtype, jnp.integer):
            return sigma.astype(jnp.result_type(float))
        raise TypeError(f"`{name}` has dtype {sigma.dtype}; give px as floats.")
    if getattr(sigma, "dtype", None) == np.bool_:
        raise TypeError(f"`{name}={sigma!r}` is not a number; give px as a float.")
    try:
        value = np.asarray(sigma, np.float64)
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"`{name}={sigma!r}` is not a number; give px as a float."
        ) from error
    if not np.all(np.isfinite(value)) or np.any(value < 0):
        raise ValueError(f"`{name}={sigma}` must be finite and >= 0 px.")
    if positive and np.any(value == 0):
        raise ValueError(
            f"`{name}={sigma}`: this discretisation needs sigma > 0 px;"
            " `DiscreteGaussian` has the unit impulse as its limit."
        )
    return value


def check_scalar(value: Any, *, name: str = "sigma") -> Any:
    """Returns what `check_sigma` gave; raises ValueError if it is not one number."""
    if value.shape:
        raise ValueError(
            f"`{name}` has shape {value.shape}; give a scalar (one kernel),"
            " or map over several with `jax.vmap`."
        )
    return value


def check_order(order: Any, *, name: str = "order", lowest: int = 0) -> int:
    """Returns `order` as an int; ValueError below `lowest`, TypeError if no int."""
    if isinstance(order, bool) or not isinstance(order, (int, np.integer)):
        raise TypeError(f"`{name}={order!r}` must be an int.")
    if order < lowest:
        raise ValueError(f"`{name}={order}` must be >= {lowest}.")
    return int(order)


def check_rate(rate: Any, *, name: str) -> None:
    """Raises ValueError unless `rate` is a probability below 1."""
    if not 0 <= rate < 1:
        raise ValueError(f"`{name}={rate}` must be in [0, 1).")


def check_eps(eps: float | None) -> None:
    """Raises ValueError unless `eps` is None or lies in (0, 1)."""
    if eps is not None and not (
        isinstance(eps, (int, float)) and math.isfinite(eps) and 0 < eps < 1
    ):
        raise ValueError(
            f"`eps={eps!r}` must lie in (0, 1), or be None for the full support."
        )


def check_padding(padding: str) -> None:
    """Raises ValueError unless `padding` is one of the four border rules."""
    if padding not in PADDINGS:
        raise ValueError(f"`padding={padding!r}` must be one of {PADDINGS}.")


def check_image(x: Any, *, ndim: int) -> jax.Array:
    """Returns `x` as a JAX array of shape [..., (D,) (H,) W, C].

    Raises:
      TypeError: if `x` has an integer dtype (says how to convert).
      ValueError: if `ndim` is not 1, 2 or 3, or `x` lacks axes or is empty.
    """
    if ndim not in (1, 2, 3):
        raise ValueError(f"`ndim={ndim!r}` must be 1, 2 or 3 spatial dimensions.")
    x = x if isinstance(x, jax.Array) else np.asarray(x)
    if not jnp.issubdtype(x.dtype, jnp.floating):
        raise TypeError(
            f"the image has dtype {x.dtype}; convert it first, for instance"
            " `x.astype(jnp.float32) / 255`."
        )
    if x.ndim < ndim + 1:
        axes = ", ".join("DHW"[-ndim:] + "C")
        raise ValueError(
            f"the image has shape {x.shape}, but {ndim} spatial axes and a channel"
            f" axis are needed, [..., {axes}];"
            " add the channel axis with `x[..., None]`."
        )
    if x.size == 0:
        raise ValueError(f"the image is empty: its shape is {x.shape}.")
    return jnp.asarray(x)
