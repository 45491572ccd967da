"""Checks of user input, on the host and before anything is traced (gdjax).

A traced `sigma` can't be looked at; its bounds belong to its parameterisation.
"""

import reprlib
import sys
from typing import Any

import jax
import jax.core
import jax.numpy as jnp
import numpy as np


PADDINGS = ("zero", "symmetric", "edge", "wrap")
# px, of kernels that are made on the host: beyond it they take seconds and GiB.
LARGEST_SIGMA = 1e5
# px, of kernels without the unit impulse as their limit: below it, float32 doesn't
# hold what they are divided by.
LEAST_SIGMA = 1e-4
# px, of kernels of a given width.
LARGEST_RADIUS = 10**7
# What indices of arrays are: nothing that is counted is more.
LARGEST_INT = 2**31 - 1
# Of derivatives: factors of higher ones are beyond float32.
HIGHEST_ORDER = 20


def is_traced(value: Any) -> bool:
    """Whether `value` is known only inside a transformation (jit, grad, vmap)."""
    return isinstance(value, jax.core.Tracer)


def shown(value: Any) -> str:
    """`value` in a message: its `repr`, shortened."""
    try:
        return reprlib.repr(value)
    except ValueError:  # Python writes no int of more than 4300 digits
        return f"<{type(value).__name__} of {value.bit_length()} bits>"


def real_array(value: Any, *, name: str, unit: str) -> np.ndarray:
    """Returns real numbers that are known as float64.

    Args:
      value: a number, an array of any real dtype and byte order, or a sequence.
      name: what the caller calls it, for the message.
      unit: what to give, for the message.

    Raises:
      TypeError: if it is not a real number or an array of them.
      ValueError: if one is beyond the range of float64.
    """
    wrong = f"`{name}={shown(value)}` is not a number; give {unit}."
    if value is None or isinstance(value, (str, bytes)):
        raise TypeError(wrong)
    try:
        found = np.asarray(value)
        # Lists of numbers of several types; JAX's own floats are of kind V.
        real = found.dtype.kind in "iufO" or jnp.issubdtype(found.dtype, jnp.floating)
        nothing = found.dtype == object and any(v is None for v in found.flat)
        if not real or nothing:
            raise TypeError(wrong)
        with np.errstate(over="ignore"):
            return found.astype(np.float64)
    except OverflowError as error:
        raise ValueError(
            f"`{name}={shown(value)}` is beyond the range of floats; give {unit}."
        ) from error
    except (TypeError, ValueError) as error:
        raise TypeError(wrong) from error


def check_sigma(
    sigma: Any,
    *,
    name: str = "sigma",
    positive: bool = False,
    highest: float | None = None,
) -> Any:
    """Returns a concrete `sigma` as float64 NumPy scalar or array, a traced one as is.

    Args:
      sigma: standard deviation in px, a number, array or tracer.
      name: what the caller calls it, for the message.
      positive: whether 0 (the unit impulse) is refused too.
      highest: the largest one.

    Returns:
      A traced one at least in float32: no kernel is made in half precision.

    Raises:
      TypeError: if `sigma` is not a real number or an array of them.
      ValueError: if a concrete `sigma` is negative, NaN or infinite, or 0 where
        the kernel has no limit there, or more than `highest`.
    """
    if is_traced(sigma):
        if jnp.issubdtype(sigma.dtype, jnp.floating):
            return sigma.astype(jnp.promote_types(sigma.dtype, jnp.float32))
        if jnp.issubdtype(sigma.dtype, jnp.integer):
            return sigma.astype(jnp.result_type(float))
        raise TypeError(f"`{name}` has dtype {sigma.dtype}; give px as floats.")
    value = real_array(sigma, name=name, unit="px as a float")
    if not np.all(np.isfinite(value)) or np.any(value < 0):
        raise ValueError(f"`{name}={shown(sigma)}` must be finite and >= 0 px.")
    if positive and np.any(value == 0):
        raise ValueError(
            f"`{name}={shown(sigma)}`: this discretisation needs sigma > 0 px;"
            " `DiscreteGaussian` has the unit impulse as its limit."
        )
    if highest is not None and np.any(value > highest):
        raise ValueError(f"`{name}={shown(sigma)}` must be at most {highest:g} px.")
    return value if value.ndim else value[()]


def check_kernel_sigma(
    sigma: Any, *, name: str = "sigma", impulse_limit: bool = True
) -> Any:
    """`check_sigma` of what kernels are made of.

    Args:
      sigma: standard deviation in px, a number, array or tracer.
      name: what the caller calls it, for the message.
      impulse_limit: whether the kernels have the unit impulse as their limit.

    Raises:
      TypeError, ValueError: as `check_sigma`; also above `LARGEST_SIGMA`, and without
        the limit below `LEAST_SIGMA`.
    """
    value = check_sigma(
        sigma, name=name, positive=not impulse_limit, highest=LARGEST_SIGMA
    )
    if not (impulse_limit or is_traced(value)) and np.any(value < LEAST_SIGMA):
        raise ValueError(
            f"`{name}={shown(sigma)}`: this discretisation needs at least"
            f" {LEAST_SIGMA:g} px; `DiscreteGaussian` has the unit impulse as its"
            " limit."
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


def check_number(
    value: Any, *, name: str, least: float, most: float, unit: str = "a number"
) -> float:
    """Returns a number that is known as a float.

    Args:
      value: of any real type.
      name: what the caller calls it, for the message.
      least: the lowest one.
      most: the highest one.
      unit: what to give, for the message.

    Raises:
      TypeError: if it is no number, or traced.
      ValueError: if it is not one number from `least` to `most`.
    """
    if is_traced(value):
        raise TypeError(f"`{name}` is traced, but must be known on the host.")
    found = real_array(value, name=name, unit=unit)
    if found.shape or not least <= found <= most:
        raise ValueError(
            f"`{name}={shown(value)}` must be {unit} from {least:g} to {most:g}."
        )
    return float(found)


def check_order(
    order: Any,
    *,
    name: str = "order",
    lowest: int = 0,
    highest: int = LARGEST_INT,
) -> int:
    """Returns `order` as an int.

    Raises:
      TypeError: if it is no int.
      ValueError: if it is below `lowest` or above `highest`.
    """
    if isinstance(order, bool) or not isinstance(order, (int, np.integer)):
        raise TypeError(f"`{name}={shown(order)}` must be an int.")
    if order < lowest:
        raise ValueError(f"`{name}={shown(order)}` must be >= {lowest}.")
    if order > highest:
        raise ValueError(f"`{name}={shown(order)}` must be at most {highest}.")
    return int(order)


def check_ndim(ndim: Any) -> int:
    """Returns `ndim` as an int; TypeError if it is none, ValueError unless 1 to 3."""
    if check_order(ndim, name="ndim", lowest=-LARGEST_INT) not in (1, 2, 3):
        raise ValueError(f"`ndim={ndim!r}` must be 1, 2 or 3 spatial dimensions.")
    return int(ndim)


def hold_ints(instance: Any, **lowest: int) -> None:
    """Makes ints of Python's of the fields of a frozen dataclass, or raises.

    NumPy's have a few bits: -np.uint8(2) is 254.

    Args:
      instance: the dataclass.
      **lowest: the fields' names, and what they are at least.

    Raises:
      TypeError, ValueError: as `check_order`.
    """
    for name, least in lowest.items():
        value = check_order(getattr(instance, name), name=name, lowest=least)
        object.__setattr__(instance, name, value)


def check_flag(flag: Any, *, name: str) -> bool:
    """Returns `flag` as a bool; TypeError if it is none of Python's or NumPy's."""
    if not isinstance(flag, (bool, np.bool_)):
        raise TypeError(f"`{name}={shown(flag)}` must be True or False.")
    return bool(flag)


def check_rate(rate: Any, *, name: str) -> None:
    """Raises TypeError or ValueError unless `rate` is a probability below 1."""
    value = check_scalar(real_array(rate, name=name, unit="a number"), name=name)
    if not 0 <= value < 1:
        raise ValueError(f"`{name}={rate}` must be in [0, 1).")


def check_eps(eps: Any) -> float | None:
    """Returns `eps` as a float; TypeError or ValueError unless it is None or in (0, 1).

    A number of NumPy's serves as one of Python's.
    """
    if eps is None:
        return None
    value = real_array(eps, name="eps", unit="a number in (0, 1), or None")
    if value.shape or not 0 < value < 1:
        raise ValueError(
            f"`eps={shown(eps)}` must lie in (0, 1), or be None for the full support."
        )
    return float(value)


def check_padding(padding: Any) -> None:
    """Raises ValueError unless `padding` is one of the four border rules."""
    if not isinstance(padding, str) or padding not in PADDINGS:
        raise ValueError(f"`padding={shown(padding)}` must be one of {PADDINGS}.")


def floating_array(x: Any, *, name: str = "the image") -> Any:
    """Returns `x` as an array of floats that JAX has, in this machine's byte order.

    Args:
      x: an array of either byte order, a tracer, or nested sequences of numbers.
      name: how messages call it.

    Raises:
      TypeError: if `x` holds anything but floats, or floats that JAX does not have
        (says how to convert).
      ValueError: if its rows have different lengths.
    """
    if not isinstance(x, jax.Array):
        try:
            x = np.asarray(x)
        except ValueError as error:
            raise ValueError(f"{name} is no array: {error}.") from error
    if not jnp.issubdtype(x.dtype, jnp.floating):
        raise TypeError(
            f"{name} has dtype {x.dtype}; convert it first, for instance"
            " `x.astype(jnp.float32) / 255`."
        )
    if isinstance(x, jax.Array):
        return x
    if x.dtype.kind == "f" and x.dtype.itemsize > 8:
        raise TypeError(
            f"{name} has dtype {x.dtype}, which JAX does not have; convert it first:"
            " `x.astype(np.float64)`."
        )
    swapped = x.dtype.byteorder == (">" if sys.byteorder == "little" else "<")
    return x.astype(x.dtype.newbyteorder("=")) if swapped else x


def check_image(x: Any, *, ndim: int, name: str = "the image") -> jax.Array:
    """Returns `x` as a JAX array of shape [..., (D,) (H,) W, C].

    Arrays of either byte order will do.

    Raises:
      TypeError: if `x` has an integer dtype, or one that JAX does not have (says how
        to convert), or `ndim` is no int.
      ValueError: if `ndim` is not 1, 2 or 3, or `x` lacks axes or is empty.
    """
    ndim = check_ndim(ndim)
    x = floating_array(x, name=name)
    if x.ndim < ndim + 1:
        axes = ", ".join("DHW"[-ndim:] + "C")
        raise ValueError(
            f"{name} has shape {x.shape}, but {ndim} spatial axes and a channel"
            f" axis are needed, [..., {axes}];"
            " add the channel axis with `x[..., None]`."
        )
    if x.size == 0:
        raise ValueError(f"{name} is empty: its shape is {x.shape}.")
    return jnp.asarray(x)
