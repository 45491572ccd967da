"""The one order of the partial derivatives, differences that stand for them, steering.

The central differences of [gaussdernet] sec. 4.1, delta_x = (-1/2, 0, 1/2) and
delta_xx = (1, -2, 1), odd orders delta_x delta_xx^((a - 1) / 2), even orders
delta_xx^(a / 2), have three forms here: along an axis of an array (`difference`), in
the Fourier domain (`difference_transfer`), and as stencils of multi-indices.
"""

import functools
import itertools
import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gdjax.scalespace.checks import (
    HIGHEST_ORDER,
    check_flag,
    check_ndim,
    check_order,
    floating_array,
    is_traced,
    real_array,
    shown,
)


Orders = tuple[tuple[int, ...], ...]


def derivative_orders(order: int, *, zero_order: bool = False, ndim: int = 2) -> Orders:
    """The multi-indices of all partial derivatives up to total order `order`.

    Args:
      order: highest total order, >= 0 (0 only with `zero_order`).
      zero_order: whether the smoothed image itself comes first.
      ndim: spatial dimensions, 1 to 3.

    Returns:
      Tuples (n_x, n_y, n_z)[:ndim], by total order, then by descending n_x, then n_y:
      ((1, 0), (0, 1), (2, 0), (1, 1), (0, 2)) for order 2. x is the last spatial axis
      (W, to the right), y is H (down), z is D.

    Raises:
      TypeError: if `order` or `ndim` is no int, `zero_order` no bool.
      ValueError: if `order` is not 0 to 20, `ndim` not 1 to 3, or no derivative is
        left.

    [gaussdernet] (3).
    """
    order, ndim = check_order(order, highest=HIGHEST_ORDER), check_ndim(ndim)
    zero_order = check_flag(zero_order, name="zero_order")
    if order == 0 and not zero_order:
        raise ValueError("`order=0` leaves no derivative; set `zero_order=True`.")
    return _multi_indices(order, zero_order, ndim)


# After the checks: to a cache 2.0 and True are the same as 2 and 1.
@functools.lru_cache(maxsize=256)
def _multi_indices(order: int, zero_order: bool, ndim: int) -> Orders:
    every = itertools.product(range(order, -1, -1), repeat=ndim)
    chosen = [n for n in every if (0 if zero_order else 1) <= sum(n) <= order]
    return tuple(sorted(chosen, key=lambda n: (sum(n), [-i for i in n])))


def taylor_factors(orders: Orders) -> np.ndarray:
    """1 / a! = 1 / (a_x! a_y! ...) for each multi-index, [J]. [gaussdernet] (3)."""
    return np.array([1 / math.prod(map(math.factorial, n)) for n in orders])


def difference(x: Any, order: int, *, axis: int = 0) -> Any:
    """delta^order x along `axis` of a NumPy or JAX array, [gaussdernet] sec. 4.1.

    Over interior positions: n - 2 `difference_reach(order)` px of n.
    """

    def cut(y: Any, first: int, last: int) -> Any:
        index = [slice(None)] * y.ndim
        index[axis] = slice(first, y.shape[axis] - last)
        return y[tuple(index)]

    for _ in range(order // 2):
        x = cut(x, 2, 0) - 2 * cut(x, 1, 1) + cut(x, 0, 2)
    return (cut(x, 2, 0) - cut(x, 0, 2)) / 2 if order % 2 else x


def difference_taps(taps: Any, order: int) -> Any:
    """`difference` of a kernel in correlation form, [R] -> [R - 2 reach].

    The kernel's flip is what is smoothed with, so odd orders change sign.
    """
    differences = difference(taps, order)
    return -differences if order % 2 else differences


def difference_reach(order: int) -> int:
    """How far in px the central difference of order `order` looks."""
    return (order + 1) // 2


def difference_transfer(xp: Any, order: int, frequency: Any) -> Any:
    """h(w) of the transfer function i^(a mod 2) h(w) of delta_x^a, w in rad/px."""
    second = -4.0 * xp.sin(frequency / 2) ** 2
    return xp.sin(frequency) ** (order % 2) * second ** (order // 2)


def central_difference(order: int) -> np.ndarray:
    """Taps of the central difference delta_x^order, correlation form.

    Args:
      order: derivative order a >= 0.

    Returns:
      [2 reach + 1] float64, reach = (a + 1) // 2: (-1/2, 0, 1/2), (1, -2, 1), ...

    Raises:
      TypeError: if `order` is no int.
      ValueError: if `order` is not 0 to 20.

    [gaussdernet] sec. 4.1; [gaussderresnet] sec. 4.
    """
    order = check_order(order, highest=HIGHEST_ORDER)
    impulse = np.zeros(4 * difference_reach(order) + 1)
    impulse[2 * difference_reach(order)] = 1
    return difference_taps(impulse, order)


@functools.lru_cache(maxsize=64)
def difference_stencils(orders: Orders) -> np.ndarray:
    """Stencils of all `orders` in one window, [J, ..., size_y, size_x] float64.

    Orders 1 and 2 fill 3 pixels per axis, 3 and 4 fill 5. Their combination with
    learned weights is one small convolution.
    """
    reach = stencil_reach(orders)
    size = 2 * reach + 1
    stencils = np.zeros((len(orders), *[size] * len(orders[0])))
    for stencil, multi_index in zip(stencils, orders, strict=True):
        product = np.ones(())
        for n in multi_index:  # x first: the last axis
            taps = central_difference(n)
            taps = np.pad(taps, reach - len(taps) // 2)
            product = np.multiply.outer(taps, product)
        stencil[...] = product
    return stencils


def stencil_reach(orders: Orders) -> int:
    """How far in px `difference_stencils(orders)` look."""
    return max(difference_reach(n) for multi_index in orders for n in multi_index)


def directional_derivative(
    jet: Any, angle: Any, *, order: int, orders: Sequence[tuple[int, int]]
) -> jax.Array:
    """Derivative of order m in the direction `angle`, from the partial derivatives.

      L_phi^m = sum_i binom(m, i) cos^i(phi) sin^(m - i)(phi) d_x^i d_y^(m - i) L

    Args:
      jet: [..., H, W, J, C], as `njet` returns it.
      angle: phi in rad, from the x axis (right) towards +y (down); a scalar or any
        shape that broadcasts with [..., H, W, C]; traced and differentiable.
      order: m >= 0.
      orders: multi-indices of the J responses, `derivative_orders(...)`.

    Returns:
      [..., H, W, C].

    Raises:
      TypeError: if `jet` does not hold floats, `angle` no numbers, or `orders` no
        multi-indices.
      ValueError: if `orders` has another length than J or lacks a derivative of
        order m, or `angle` is not finite or does not fit the jet.

    [gaussdernet] (4)-(5), for any order.
    """
    order = check_order(order, highest=HIGHEST_ORDER)
    jet, orders = floating_array(jet, name="`jet`"), _pairs(orders)
    if jet.ndim < 2:
        raise ValueError(f"`jet` has shape {jet.shape}; give [..., H, W, J, C].")
    if jet.shape[-2] != len(orders):
        raise ValueError(
            f"`orders` names {len(orders)} derivatives, but the jet of shape"
            f" {jet.shape} holds {jet.shape[-2]} on its axis -2."
        )
    missing = [n for i in range(order + 1) if (n := (i, order - i)) not in orders]
    if missing:
        raise ValueError(
            f"`orders={orders}` lacks {missing}, needed for order {order}; take"
            f" `derivative_orders({order}, ...)`."
        )
    jet = jnp.asarray(jet)
    angle = _angles(angle, jet)
    cosine, sine = jnp.cos(angle), jnp.sin(angle)
    result = jnp.zeros((), jet.dtype)
    for i in range(order + 1):
        weight = math.comb(order, i) * cosine**i * sine ** (order - i)
        result = result + weight * jet[..., orders.index((i, order - i)), :]
    return result


def _pairs(orders: Any) -> tuple[tuple[int, int], ...]:
    """Multi-indices of two axes, as tuples of ints."""
    try:
        return tuple((int(x), int(y)) for x, y in orders)
    except (TypeError, ValueError, OverflowError) as error:
        raise TypeError(
            f"`orders={shown(orders)}` must be pairs of orders along x and y, as of"
            " `derivative_orders`."
        ) from error


def _angles(angle: Any, jet: jax.Array) -> jax.Array:
    """In rad, in the dtype of the jet, of a shape that goes with it."""
    if not is_traced(angle):
        found = real_array(angle, name="angle", unit="rad")
        if not np.all(np.isfinite(found)):
            raise ValueError(f"`angle={shown(angle)}` must be finite, in rad.")
        found = np.fmod(found, 2 * np.pi)  # float32 has few digits for many turns
    else:
        found = angle
    shape = (*jet.shape[:-2], jet.shape[-1])
    try:
        np.broadcast_shapes(np.shape(found), shape)
    except ValueError as error:
        raise ValueError(
            f"`angle` has shape {np.shape(found)}, which does not go with that of"
            f" the responses, {shape}."
        ) from error
    return jnp.asarray(found, jet.dtype)
