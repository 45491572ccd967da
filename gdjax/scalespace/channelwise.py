"""Learned combinations of the N-jet with a sigma of its own for every channel (gdjax).

Smoothing acts on each channel by itself, so a sigma per channel only makes the matrix
of an axis a matrix per channel. Maps have their channels first then, [C, H, B, W]: a
product along an axis is one product of matrices per channel, with nothing to transpose.
"""

import functools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from gdjax.scalespace.apart import apart
from gdjax.scalespace.checks import is_traced
from gdjax.scalespace.chunks import MAPS, PIXELS, on_cpu, over_images, worth_chunks
from gdjax.scalespace.derivatives import Orders
from gdjax.scalespace.operators import Filter, scaled_matrix
from gdjax.scalespace.products import contraction
from gdjax.scalespace.separable import Along, filter_terms, sum_terms
from gdjax.scalespace.windows import full_window


# Of every axis (x first) and order: [C, n, n].
Matrices = list[list[jax.Array]]


def mix_per_input(
    x: jax.Array,
    kernel: jax.Array,
    sigma: Any,
    *,
    filter_: Filter,
    orders: Orders,
    groups: int = 1,
) -> jax.Array:
    """Every input channel is smoothed at its own scale.

      y_o = sum_c sum_a w[a, c, o] sigma_c^|a| d_a (g(.; sigma_c) * x_c)

    Args:
      x: [..., (D,) (H,) W, C].
      kernel: [J, C / groups, C_out], J as `orders`.
      sigma: [C], px; traced and differentiable.
      filter_: kernels, border rule and truncation.
      orders: the multi-indices of the J terms.
      groups: channels are mixed within so many groups.

    Returns:
      [..., (D,) (H,) W, C_out].
    """
    way = _filter_each if _depthwise(kernel, groups) else _filter_and_mix
    return _over_chunks(way, x, kernel, sigma, filter_, orders, groups)


def mix_per_output(
    x: jax.Array,
    kernel: jax.Array,
    sigma: Any,
    *,
    filter_: Filter,
    orders: Orders,
    groups: int = 1,
) -> jax.Array:
    """Every output channel sees the input at its own scale.

      y_o = sum_a sigma_o^|a| d_a (g(.; sigma_o) * sum_c w[a, c, o] x_c)

    Channels are mixed first, one map per term and output: J C_out maps are filtered
    along the first axis, where `mix_per_input` has J C_in along the last.

    Args and returns:
      as `mix_per_input`, with `sigma` [C_out].
    """
    way = _filter_each if _depthwise(kernel, groups) else _mix_and_filter
    return _over_chunks(way, x, kernel, sigma, filter_, orders, groups)


def _depthwise(kernel: jax.Array, groups: int) -> bool:
    return kernel.shape[1] == 1 and kernel.shape[2] == groups


def _over_chunks(
    way: Callable[..., jax.Array], x, kernel, sigma, filter_: Filter, orders, groups
) -> jax.Array:
    """Prepares the matrices, and runs `way` on [B, ..., C], in chunks on CPUs."""
    ndim = filter_.ndim
    sizes = x.shape[-2 : -ndim - 2 : -1]
    made = {n: _matrices(filter_, sigma, n) for n in sizes}
    matrices = [made[n] for n in sizes]
    images = x.reshape(-1, *x.shape[-ndim - 1 :])
    if on_cpu() and worth_chunks(images.shape, kernel.shape[-1]):
        y = _chunked(images, kernel, matrices, way=way, orders=orders, groups=groups)
    else:
        y = _on_channels(images, kernel, matrices, way, orders, groups)
    return y.reshape(*x.shape[:-1], y.shape[-1])


# As in mixing.py: not compiled at every call, and buffers of its own.
@apart
def _chunked(x, kernel, matrices, *, way, orders, groups):
    return over_images(
        lambda some: _on_channels(some, kernel, matrices, way, orders, groups),
        x,
        limit=PIXELS // MAPS,
    )


def _matrices(filter_: Filter, sigma: Any, size: int) -> list[jax.Array]:
    """Of every order along an axis of `size` px, [C, size, size]."""
    window = full_window(size)
    found = (
        scaled_matrix(filter_, sigma, n, window, 0, size)
        for n in range(filter_.max_order + 1)
    )
    dtype = sigma.dtype if is_traced(sigma) else jnp.result_type(float)
    return [jnp.asarray(matrix, dtype) for matrix in found]


def _on_channels(x, kernel, matrices, way, orders, groups) -> jax.Array:
    """`way` on [B, (D,) (H,) W, C], as [C, (D,) (H,) B, W]."""
    x = jnp.moveaxis(jnp.moveaxis(x, 0, -3), -1, 0)
    y = way(x, kernel.astype(x.dtype), matrices, orders, groups).astype(x.dtype)
    return jnp.moveaxis(jnp.moveaxis(y, 0, -1), -3, 0)


def _filter_and_mix(x, kernel, matrices, orders, groups) -> jax.Array:
    terms = filter_terms(x, orders, _by(matrices))
    maps = jnp.stack(terms).astype(x.dtype)
    maps = maps.reshape(len(orders), groups, kernel.shape[1], -1)
    maps = jnp.moveaxis(maps, 1, 0).reshape(groups, -1, maps.shape[-1])
    weights = _grouped(kernel, groups)
    weights = weights.reshape(groups, -1, weights.shape[-1])
    return contraction("gkp,gko->gop")(maps, weights).reshape(-1, *x.shape[1:])


def _mix_and_filter(x, kernel, matrices, orders, groups) -> jax.Array:
    grouped = x.reshape(groups, kernel.shape[1], -1)
    weights, mix = _grouped(kernel, groups), contraction("gcp,gco->gop")
    maps = {
        a: mix(grouped, weights[:, j]).reshape(-1, *x.shape[1:])
        for j, a in enumerate(orders)
    }
    return sum_terms(maps, _by(matrices), first=1)


def _grouped(kernel: jax.Array, groups: int) -> jax.Array:
    """[J, C / groups, C_out] -> [groups, J, C / groups, C_out / groups]."""
    return jnp.moveaxis(kernel.reshape(*kernel.shape[:2], groups, -1), 2, 0)


def _filter_each(x, kernel, matrices, orders, groups) -> jax.Array:
    del groups
    weights, maps = kernel[:, 0].astype(matrices[0][0].dtype), {}
    for rest in sorted({a[1:] for a in orders}):
        # Along x, the terms' weighted sum is one matrix.
        terms = [
            weights[j][:, None, None] * matrices[0][a[0]]
            for j, a in enumerate(orders)
            if a[1:] == rest
        ]
        maps[rest] = _along(x, functools.reduce(jnp.add, terms), 1)
    return sum_terms(maps, _by(matrices), first=2)


def _by(matrices: Matrices) -> Along:
    """Filters by the matrices of an axis and order."""
    return lambda x, n, depth: _along(x, matrices[depth - 1][n], depth)


def _along(x: jax.Array, matrices: jax.Array, depth: int) -> jax.Array:
    """Every channel of [C, (D,) (H,) B, W] by its matrix, along x for depth 1."""
    axis = x.ndim - 1 if depth == 1 else x.ndim - 1 - depth
    matrices = matrices.astype(jnp.promote_types(x.dtype, matrices.dtype))
    before, after = math.prod(x.shape[1:axis]), math.prod(x.shape[axis + 1 :])
    flat = x.astype(matrices.dtype).reshape(x.shape[0], before, -1, after)
    if depth == 1:
        y = contraction("cpi,coi->cpo")(flat[..., 0], matrices)
    elif before == 1:
        y = contraction("coi,ciq->coq")(matrices, flat[:, 0])
    else:
        y = contraction("coi,cpiq->cpoq")(matrices, flat)
    return y.reshape(*x.shape[:axis], -1, *x.shape[axis + 1 :])
