"""Filters as pictures: of learned combinations, and fits by N-jets.

[gaussderresnet] A.6, [njet] (5).
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from gdjax.scalespace.checks import (
    LARGEST_RADIUS,
    check_flag,
    check_kernel_sigma,
    check_order,
    check_scalar,
    floating_array,
    is_traced,
)
from gdjax.scalespace.derivatives import derivative_orders, taylor_factors
from gdjax.scalespace.discretisation import Discretisation, check_discretisation
from gdjax.scalespace.execution.products import HIGHEST
from gdjax.scalespace.kernels import (
    DiscreteGaussian,
    NormalizedSampledGaussianDerivatives,
)


def effective_filters(
    kernel: Any,
    sigma: Any,
    *,
    radius: int,
    order: int = 2,
    zero_order: bool = False,
    discretisation: Discretisation = DiscreteGaussian(),  # noqa: B008 (frozen)
    ndim: int = 2,
    taylor: bool = True,
) -> jax.Array:
    """The dense filters of a Gaussian derivative layer, in correlation form.

      k[..., c, o] = sum_a w[a, c, o] / a! sigma^|a| d_a g_sigma

    Args:
      kernel: [J, C_in, C_out], or [J, C] of a depthwise layer; J as
        `derivative_orders(order, zero_order=zero_order, ndim=ndim)`.
      sigma: px, a scalar.
      radius: half-width of the filters in px; what lies outside is cut off.
      order: highest derivative order.
      zero_order: whether the first term is the smoothing kernel itself.
      discretisation: the kernels.
      ndim: spatial dimensions, 1 to 3.
      taylor: whether terms are multiplied by 1 / a!, as in `GaussianDerivative`.

    Returns:
      [2 radius + 1, ..., C_in, C_out] or [2 radius + 1, ..., C], y down, x right.

    Raises:
      TypeError: if `kernel` holds no floats, or another argument has a wrong type.
      ValueError: if `kernel` has another number of terms, or another argument is out
        of range.

    [gaussderresnet] A.6, Fig. 23.
    """
    kernel = jnp.asarray(floating_array(kernel, name="`kernel`"))
    orders = derivative_orders(order, zero_order=zero_order, ndim=ndim)
    check_discretisation(discretisation)
    taylor = check_flag(taylor, name="taylor")
    if kernel.ndim not in (2, 3) or len(kernel) != len(orders):
        raise ValueError(
            f"`kernel` of shape {kernel.shape} must be [J, C_in, C_out] or [J, C] with"
            f" J = {len(orders)} terms of `order={order}`, `zero_order={zero_order}`."
        )
    radius = check_order(radius, name="radius", highest=LARGEST_RADIUS)
    limit = discretisation.impulse_limit
    sigma = check_scalar(check_kernel_sigma(sigma, impulse_limit=limit))
    # Scaled before they are rounded: neither factor need be a float32.
    xp, dtype = jnp if is_traced(sigma) else np, jnp.promote_types(kernel.dtype, "f4")
    taps = {
        n: jnp.asarray(sigma**n * discretisation.taps(xp, sigma, n, radius), dtype)
        for n in sorted({n for multi_index in orders for n in multi_index})
    }
    factors = taylor_factors(orders) if taylor else [1.0] * len(orders)
    basis = []
    for multi_index, factor in zip(orders, factors, strict=True):
        term = jnp.asarray(factor, dtype)
        for n in reversed(multi_index):  # z, y, x: the last axis is x
            term = term[..., None] * taps[n]
        basis.append(term)
    stacked = jnp.stack(basis, axis=-1).astype(kernel.dtype)
    return jnp.tensordot(stacked, kernel, axes=1, precision=HIGHEST)


class JetFit(NamedTuple):
    """What `fit_njet` found.

    Attributes:
      coefficients: alpha, [J, C].
      approximation: the combination of derivatives, the shape of the patch.
      residual: the norm of patch - approximation, relative to that of the patch;
        one number per colour, [C].
    """

    coefficients: jax.Array
    approximation: jax.Array
    residual: jax.Array


def fit_njet(
    patch: Any,
    order: int,
    sigma: Any,
    *,
    margin: int = 0,
    discretisation: Discretisation = NormalizedSampledGaussianDerivatives(),  # noqa: B008
) -> JetFit:
    """The combination of Gaussian derivatives that is nearest to a patch.

      F(x, y, c) = sum_a alpha[a, c] sigma^|a| d_a g(x, y; sigma) + R,  0 <= |a| <= N

    about the middle pixel, with the least sum of squares of R.

    Args:
      patch: [size, size, C], or [size, size]; `size` odd.
      order: N, highest total order, >= 0.
      sigma: px, a scalar; traced and differentiable.
      margin: so many pixels on every side don't count, 0 to (size - 1) / 2.
      discretisation: the kernels.

    Returns:
      `JetFit`: coefficients [J, C], J as `derivative_orders(order, zero_order=True)`,
      approximation, residual [C].

    Raises:
      TypeError: if `patch` holds no floats, or another argument has a wrong type.
      ValueError: if the patch isn't square with odd sides, has fewer pixels that count
        than there are derivatives, or another argument is out of range.

    [njet] (5). Filters in correlation form, x to the right, y down.
    """
    orders = derivative_orders(order, zero_order=True)
    patch = jnp.asarray(floating_array(patch, name="`patch`"))
    if patch.ndim not in (2, 3) or patch.shape[0] != patch.shape[1]:
        raise ValueError(
            f"`patch` has shape {patch.shape}; a square is needed, [size, size, C]."
        )
    size, margin = patch.shape[0], check_order(margin, name="margin")
    if size % 2 == 0:
        raise ValueError(
            f"`patch` of shape {patch.shape} has no middle pixel: give an odd size."
        )
    inner = size - 2 * margin
    if inner < 1 or inner**2 < len(orders):
        raise ValueError(
            f"{max(inner, 0)} x {max(inner, 0)} px of `patch` count, too few for the"
            f" {len(orders)} derivatives of `order={order}`: give a larger patch, a"
            " smaller `margin` or a lower order."
        )
    dtype = jnp.promote_types(patch.dtype, jnp.float32)
    flat = patch.reshape(size, size, -1).astype(dtype)
    basis = effective_filters(
        jnp.eye(len(orders), dtype=dtype)[:, None], sigma, radius=size // 2,
        order=order, zero_order=True, discretisation=discretisation, taylor=False,
    )[:, :, 0]  # fmt: skip
    rows = slice(margin, size - margin)
    wanted, seen = (y[rows, rows].reshape(inner**2, -1) for y in (flat, basis))
    # Columns of one length: high orders are small, and the cut would drop them. Those
    # of a tiny sigma are 0, and their gradient of a root would be none.
    squares = jnp.square(seen).sum(0)
    lengths = jnp.sqrt(jnp.where(squares > 0, squares, 1))
    coefficients = least_squares(seen / lengths, wanted) / lengths[:, None]
    fitted = jnp.einsum("yxj,jc->yxc", basis, coefficients, precision="highest")
    missed = jnp.square(wanted - seen @ coefficients).sum(0)
    whole = jnp.square(wanted).sum(0)
    share = missed / jnp.where(whole == 0, 1, whole)
    residual = jnp.where(share > 0, jnp.sqrt(jnp.where(share > 0, share, 1)), 0)
    return JetFit(coefficients, fitted.reshape(patch.shape), residual)


def least_squares(columns: jax.Array, wanted: jax.Array) -> jax.Array:
    """C with the least sum of squares of wanted - columns c, [M, J], [M, C] -> [J, C].

    As `jnp.linalg.lstsq`, whose derivatives are NaN where singular values are equal,
    as those of d_x and d_y are; these are of the normal equations.
    """
    inverse = jnp.linalg.pinv(jax.lax.stop_gradient(columns))

    def product(a: jax.Array, b: jax.Array) -> jax.Array:
        return jnp.matmul(a, b, precision=HIGHEST)

    def solve(right: jax.Array) -> jax.Array:
        return jax.lax.custom_linear_solve(
            lambda c: product(columns.T, product(columns, c)),
            product(columns.T, right),
            lambda _, b: product(inverse, product(inverse.T, b)),
            symmetric=True,
        )

    first = solve(wanted)
    # Once more, as the equations' condition is that of the columns squared.
    return first + solve(wanted - product(columns, first))
