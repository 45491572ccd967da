"""Checks of arrays that users pass, in addition to those of images (gdjax).

Names in messages are those of the arguments. What is traced is looked at by its shape
and type alone.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.export
import jax.numpy as jnp
import numpy as np

from gdjax.scalespace.checks import (
    check_order,
    floating_array,
    is_traced,
    real_array,
    shown,
)


def check_floats(x: Any, *, name: str, axes: str = "") -> jax.Array:
    """Returns an array of floats as JAX's.

    Args:
      x: array or tracer.
      name: of the argument.
      axes: that it must have, such as "B, S, K"; "": any.

    Raises:
      TypeError: for other types.
      ValueError: for arrays that are empty or have other axes.
    """
    x = floating_array(x, name=f"`{name}`")
    check_axes(x, name=name, axes=axes)
    if not isinstance(x, jax.Array):
        with np.errstate(over="ignore"):
            found = x.astype(jax.dtypes.canonicalize_dtype(x.dtype))
        if np.any(np.isinf(found) & ~np.isinf(x)):
            raise ValueError(f"`{name}` has numbers beyond {found.dtype}.")
        x = found
    return jnp.asarray(x)


def check_axes(x: Any, *, name: str, axes: str = "") -> None:
    """Raises ValueError for arrays that are empty or have other axes."""
    wanted = axes.split(", ") if axes else None
    if wanted is not None and x.ndim != len(wanted):
        raise ValueError(f"`{name}` has shape {x.shape}; give [{axes}].")
    if x.size == 0:
        raise ValueError(f"`{name}` is empty: its shape is {x.shape}.")


def check_numbers(
    value: Any, *, name: str, unit: str = "numbers", axes: str = ""
) -> np.ndarray:
    """Returns finite real numbers on the host as float64.

    Args:
      value: a number, an array or nested sequences.
      name: of the argument.
      unit: what to give.
      axes: that they must have, such as "N, S, K"; "": any.

    Raises:
      TypeError: for what is no number.
      ValueError: for numbers that aren't finite, for none, or for other axes.
    """
    found = real_array(value, name=name, unit=unit)
    check_axes(found, name=name, axes=axes)
    if not np.isfinite(found).all():
        raise ValueError(f"`{name}={shown(value)}` must be finite; give {unit}.")
    return found


def check_integers(value: Any, *, name: str) -> np.ndarray:
    """Returns integers as NumPy's; TypeError for other types, ValueError if ragged."""
    found = _array(value, name)
    if found.dtype.kind not in "iu":
        raise TypeError(
            f"`{name}` has dtype {found.dtype}, {shown(value)}; give integers."
        )
    return found


def check_mask(mask: Any, *, name: str) -> Any:
    """Returns an array of bools as it is.

    Raises TypeError for other types, ValueError for rows of different lengths.
    """
    if not isinstance(mask, jax.Array | np.ndarray):
        mask = _array(mask, name) if isinstance(mask, list | tuple) else mask
    if getattr(mask, "dtype", None) != np.bool_:
        kind = getattr(mask, "dtype", type(mask).__name__)
        raise TypeError(f"`{name}` is {kind}; give an array of bools.")
    return mask


def _array(value: Any, name: str) -> np.ndarray:
    try:
        return np.asarray(value)
    except ValueError as error:
        raise ValueError(f"`{name}` is no array: {error}.") from error


def check_callable(function: Any, *, name: str) -> None:
    """Raises TypeError for what can't be called."""
    if not callable(function):
        raise TypeError(f"`{name}={shown(function)}` must be a function.")


def check_axis(axis: Any, ndim: int) -> int:
    """Returns which of `ndim` axes it is, counted from 0; TypeError or ValueError."""
    return check_order(axis, name="axis", lowest=-ndim, highest=ndim - 1) % ndim


def check_key(key: Any) -> None:
    """Raises TypeError for what is no single PRNG key, of the new or the old kind."""
    dtype, shape = getattr(key, "dtype", None), np.shape(key) if _is_array(key) else ()
    new = dtype is not None and jnp.issubdtype(dtype, jax.dtypes.prng_key)
    if not (new and shape == ()) and not (dtype == np.uint32 and len(shape) == 1):
        raise TypeError(
            f"`key={shown(key)}` must be a PRNG key, such as `jax.random.key(0)`."
        )


def _is_array(value: Any) -> bool:
    return isinstance(value, jax.Array | np.ndarray) or is_traced(value)


def check_shape(shape: Any, *, axes: str) -> tuple[Any, ...]:
    """Returns a shape with such axes, "B, S", of ints >= 1 or symbolic sizes."""
    if not isinstance(shape, tuple | list) or len(shape) != len(axes.split(", ")):
        raise ValueError(f"`shape={shown(shape)}` must be ({axes}).")
    return tuple(
        size
        if jax.export.is_symbolic_dim(size)
        else check_order(size, name="shape", lowest=1)
        for size in shape
    )
