"""Learned combinations of the N-jet."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gdjax.scalespace.apart import apart
from gdjax.scalespace.axes import (
    AxisFilter,
    apply_along,
    axis_filter,
    matrix_filter,
)
from gdjax.scalespace.checks import is_traced
from gdjax.scalespace.chunks import (
    MAPS,
    PIXELS,
    on_cpu,
    over_images,
    product_pixels,
    worth_chunks,
)
from gdjax.scalespace.derivatives import Orders, stencil_reach, taylor_factors
from gdjax.scalespace.jets import Windows, spatial_windows
from gdjax.scalespace.low_rank import low_rank_parts, worth_low_rank
from gdjax.scalespace.operators import HIGHEST, Filter
from gdjax.scalespace.separable import Along, filter_terms, sum_terms
from gdjax.scalespace.stencil import add_bias, combine, combine_by_products
from gdjax.scalespace.windows import full_window


# [B, ..., C_in], weights, bias, how to take differences and mix -> [B, ..., C_out].
Mixing = Callable[[jax.Array, jax.Array, jax.Array | None, Any], jax.Array]


def mix_njet(
    x: jax.Array,
    kernel: jax.Array,
    sigma: Any,
    *,
    filter_: Filter,
    orders: Orders,
    taylor: bool = True,
    sources: Windows | None = None,
    targets: Windows | None = None,
    dtype: Any = None,
    bias: jax.Array | None = None,
) -> jax.Array:
    """Learned combinations of the N-jet.

      y_o = sum_c sum_a w[a, c, o] / a! sigma^|a| d_a L_c

    Equals `njet` followed by the mixing, without storing the jet: one smoothing and
    one small convolution where the discretisation shares a smoothing kernel, else
    matrix products along one axis, mixing, matrix products along the next. Large
    layers take a few images at a time on CPUs, which fit into the cache. For the
    gradient, the smoothed map is kept in the former case; large layers of the latter,
    or of a learned sigma, compute what is between input and output again.

    Args:
      x: [..., (D,) (H,) W, C_in] on the pixels of `sources`.
      kernel: [J, C_in, C_out], J as `orders`; or [J, C], each channel by itself.
      sigma: px, a scalar, checked before (`check_sigma`).
      filter_: kernels, border rule and truncation.
      orders: the multi-indices of the J terms.
      taylor: whether terms are multiplied by 1 / a!.
      sources: which pixels of each spatial axis `x` holds (default: all).
      targets: which pixels are computed (default: all).
      dtype: of the result; default that of `x`. A smoothed map and its differences
        are never below float32, since they cancel; the mixing in the separable order,
        where every factor is well scaled, runs in `dtype`.
      bias: [C_out], added to the result.

    Returns:
      [..., (D,) (H,) W, C_out] on the pixels of `targets`.

    [gaussdernet] (3); design: gdjax.
    """
    ndim = filter_.ndim
    sources = sources or spatial_windows(x, ndim)
    targets = targets or tuple(full_window(w.size) for w in sources)
    dtype = jnp.dtype(x.dtype if dtype is None else dtype)
    if taylor:
        kernel = _scale_terms(kernel, taylor_factors(orders))
    kernel = kernel.astype(jnp.promote_types(x.dtype, jnp.float32))
    lead, images = x.shape[: -ndim - 1], x.reshape(-1, *x.shape[-ndim - 1 :])
    where = filter_, orders, sources, targets, dtype
    prepare = _choose(kernel.shape, sigma, *where)
    limit = _pixels_at_once(prepare, sigma, images.shape, kernel.shape)
    if limit is not None:
        traced, known = (sigma, None) if is_traced(sigma) else (None, float(sigma))
        y = _mix_large(
            images, kernel, bias, traced, known=known, limit=limit, where=where
        )
    else:
        run, weights = prepare(kernel, sigma, *where)
        y = mix_at_once(run, weights, bias, images)
    return y.reshape(*lead, *y.shape[1:])


# Otherwise a loop over chunks is compiled at every call outside of `jit`, and XLA makes
# the buffers of all loops of a network at its start.
@apart
def _mix_large(x, kernel, bias, traced, *, known, limit, where):
    sigma = np.float64(known) if traced is None else traced
    prepare = _choose(kernel.shape, sigma, *where)
    run, weights = prepare(kernel, sigma, *where)
    # The others have little to keep.
    recompute = traced is not None or prepare is prepare_separable
    return mix_in_chunks(run, weights, bias, x, recompute=recompute, limit=limit)


def _pixels_at_once(prepare, sigma, shape, kernel_shape) -> int | None:
    """How many pixels a large layer takes at a time on CPUs; None: all."""
    # Not `jax.lax.platform_dependent`, which differentiates both: half of all tracing.
    if not on_cpu():
        return None
    if prepare is prepare_smoothing and not is_traced(sigma):
        return product_pixels(shape, kernel_shape)
    if not worth_chunks(shape, kernel_shape[-1]):
        return None
    return PIXELS // MAPS if prepare is prepare_separable else PIXELS


def _choose(kernel_shape, sigma, filter_, *where) -> Callable[..., Any]:
    if worth_low_rank(kernel_shape, sigma, filter_, *where):
        return prepare_low_rank
    shared = filter_.discretisation.shared_smoothing
    return prepare_smoothing if shared else prepare_separable


def mix_at_once(
    run: Mixing, weights: jax.Array, bias: jax.Array | None, x: jax.Array
) -> jax.Array:
    """All images together, with what the device is fastest at."""
    combination = combine_by_products if on_cpu() else combine
    return run(x, weights, bias, combination)


def mix_in_chunks(
    run: Mixing,
    weights: jax.Array,
    bias: jax.Array | None,
    x: jax.Array,
    *,
    recompute: bool = True,
    limit: int = PIXELS,
) -> jax.Array:
    """A few images at a time, as matrix products alone."""
    return over_images(
        lambda some: run(some, weights, bias, combine_by_products),
        x,
        recompute=recompute,
        limit=limit,
    )


def prepare_smoothing(
    kernel, sigma, filter_, orders, sources, targets, dtype
) -> tuple[Mixing, jax.Array]:
    """Smoothing, then weighted differences of the smoothed map."""
    reach = stencil_reach(orders)
    smoothings = [
        axis_filter(
            sigma, filter_=filter_, order=0, source=source,
            start=target.start - reach, stop=target.stop + reach,
        )
        for source, target in zip(sources, targets, strict=True)
    ]  # fmt: skip
    sigma = jnp.asarray(sigma, kernel.dtype)
    weights = _scale_terms(kernel, jnp.stack([sigma ** sum(n) for n in orders]))

    def run(x, weights, bias, combination):
        x = x.astype(jnp.promote_types(x.dtype, jnp.float32))
        for axis, smoothing in enumerate(smoothings, start=-filter_.ndim - 1):
            x = apply_along(smoothing, x, axis)
        return combination(x, weights, orders, bias).astype(dtype)

    return run, weights


def prepare_separable(
    kernel, sigma, filter_, orders, sources, targets, dtype
) -> tuple[Mixing, jax.Array]:
    """Filter along x; mix the channels into one map per remaining orders; and so on."""
    filters = {
        (depth, n): axis_filter(
            sigma, filter_=filter_, order=n, source=sources[-depth],
            start=targets[-depth].start, stop=targets[-depth].stop,
        )
        for depth in range(1, filter_.ndim + 1)
        for n in sorted({a[depth - 1] for a in orders})
    }  # fmt: skip

    few = kernel.ndim == 3 and worth_jet(kernel.shape, orders)
    run = (jet_order if few else separable_order)(filters, orders, dtype)
    return run, kernel.astype(dtype)


def worth_jet(kernel_shape: Sequence[int], orders: Orders) -> bool:
    """Whether to filter all of the jet's maps before they are mixed: few channels."""
    _, channels, features = kernel_shape
    jet = separable = 0
    for depth in range(2, len(orders[0]) + 1):
        jet += channels * len({a[:depth] for a in orders})
        separable += features * len({a[depth - 1 :] for a in orders})
    return jet < separable


def prepare_low_rank(
    kernel, sigma, filter_, orders, sources, targets, dtype
) -> tuple[Mixing, jax.Array]:
    """The separable order on the coefficients of a subspace (`LowRank`)."""
    parts = low_rank_parts(filter_, float(sigma), orders, sources, targets, dtype)
    filters = {
        (depth, n): matrix_filter(jet)
        for depth in range(1, filter_.ndim + 1)
        for n, jet in parts[-depth].jets
    }
    mix = separable_order(filters, orders, dtype)

    def run(x, weights, bias, combination):
        for depth in range(1, filter_.ndim + 1):
            x = apply_along(matrix_filter(parts[-depth].down), x, -1 - depth)
        y = mix(x, weights, None, combination)
        for depth in range(1, filter_.ndim + 1):
            y = apply_along(matrix_filter(parts[-depth].up), y, -1 - depth)
        return add_bias(y, bias)

    return run, kernel.astype(dtype)


def jet_order(
    filters: dict[tuple[int, int], AxisFilter], orders: Orders, dtype: Any
) -> Mixing:
    """All axes, then mixing; arguments as of `separable_order`."""
    along = _by(filters)

    def run(x, weights, bias, combination):
        del combination
        terms = filter_terms(x, orders, along)
        return add_bias(mix_maps([term.astype(dtype) for term in terms], weights), bias)

    return run


def separable_order(
    filters: dict[tuple[int, int], AxisFilter], orders: Orders, dtype: Any
) -> Mixing:
    """Mixing between the axes; `filters` by depth (1: x) and order along that axis."""
    along = _by(filters)

    def run(x, weights, bias, combination):
        del combination
        along_x = {n: along(x, n, 1) for n in sorted({a[0] for a in orders})}
        maps = {}
        for rest in sorted({a[1:] for a in orders}):
            terms = [(a[0], orders.index(a)) for a in orders if a[1:] == rest]
            inputs = [along_x[n].astype(dtype) for n, _ in terms]
            maps[rest] = mix_maps(inputs, weights[np.array([j for _, j in terms])])
        return add_bias(sum_terms(maps, along, first=2), bias)

    return run


def _by(filters: dict[tuple[int, int], AxisFilter]) -> Along:
    return lambda x, n, depth: apply_along(filters[depth, n], x, -1 - depth)


def _scale_terms(kernel: jax.Array, factors: Any) -> jax.Array:
    """Multiplies the J terms of a kernel [J, ...] by factors [J]."""
    factors = jnp.asarray(factors, kernel.dtype)
    return kernel * factors.reshape(-1, *[1] * (kernel.ndim - 1))


def mix_maps(inputs: Sequence[jax.Array], weights: jax.Array) -> jax.Array:
    """Sum over j of inputs[j] [..., C] times weights[j] ([C, C_out] or [C])."""
    if weights.ndim == 2:
        terms = [x * w for x, w in zip(inputs, weights, strict=True)]
        return functools.reduce(jnp.add, terms)
    stacked = jnp.concatenate(inputs, axis=-1)
    weights = weights.reshape(-1, weights.shape[-1])
    return jnp.matmul(stacked, weights, precision=HIGHEST)
