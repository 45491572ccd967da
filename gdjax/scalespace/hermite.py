"""Hermite-Gaussian bases of scale-equivariant steerable networks. [scale_learning].

He_n(x / sigma) g(x; sigma) = (-sigma)^n d^n g / dx^n: the basis of steerable networks
is that of scale-normalised Gaussian derivatives, and what it gives is an N-jet. A layer
therefore mixes jets (`mix_hermite`) and stores no basis.
"""

import dataclasses
import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gdjax.scalespace.checks import (
    HIGHEST_ORDER,
    LARGEST_RADIUS,
    LARGEST_SIGMA,
    check_flag,
    check_kernel_sigma,
    check_number,
    check_order,
    check_sigma,
    hold_ints,
    is_traced,
)
from gdjax.scalespace.combine import mix_njet
from gdjax.scalespace.derivatives import Orders
from gdjax.scalespace.frequencies import (
    circles,
    jet_transfers,
    mix_by_frequencies,
    worth_frequencies,
)
from gdjax.scalespace.kernels import SampledGaussianDerivatives
from gdjax.scalespace.matrices import Filter, truncated_taps


@dataclasses.dataclass(frozen=True)
class HermiteA:
    """One scale, all orders n, m = 0..order of the two axes.

    Attributes:
      order: highest order along each axis; 4 gives the 25 functions of 5 x 5 px.

    [scale_learning] sec. 3.1.2.
    """

    order: int = 4

    def __post_init__(self):
        hold_ints(self, order=0)
        check_order(self.order, highest=HIGHEST_ORDER)

    @property
    def functions(self) -> int:
        """F, how many there are."""
        return (self.order + 1) ** 2

    def parts(self) -> tuple[tuple[float, Orders], ...]:
        """By what the scale is divided, and the orders (n_x, n_y) at that scale."""
        orders = range(self.order + 1)
        return ((1.0, tuple((n, m) for m in orders for n in orders)),)


@dataclasses.dataclass(frozen=True)
class HermiteB:
    """Total orders up to `order` at the scales sigma, sigma / mult, sigma / mult^2, ...

    Attributes:
      order: highest total order; 4 gives 15 functions a scale.
      mult: ratio of neighbouring scales, > 1.
      functions: F; what goes beyond is left out, at the finest of these scales.

    [scale_learning] sec. 4.3: 49 functions, the last four at sigma / mult^3 and along
    one axis.
    """

    order: int = 4
    mult: float = 1.4
    functions: int = 49

    def __post_init__(self):
        hold_ints(self, order=0, functions=1)
        check_order(self.order, highest=HIGHEST_ORDER)
        check_order(self.functions, name="functions", highest=10**5)
        mult = check_number(self.mult, name="mult", least=-math.inf, most=math.inf)
        if not 1 < mult < math.inf:
            raise ValueError(f"`mult={self.mult}` must be greater than 1, and finite.")
        each = (self.order + 1) * (self.order + 2) // 2
        if (self.functions - 1) // each * math.log(mult) > math.log(LARGEST_SIGMA):
            raise ValueError(
                f"`functions={self.functions}` with `mult={self.mult}` and"
                f" `order={self.order}` take scales below sigma / {LARGEST_SIGMA:g}."
            )
        object.__setattr__(self, "mult", mult)

    def parts(self) -> tuple[tuple[float, Orders], ...]:
        """By what the scale is divided, and the orders (n_x, n_y) at that scale."""
        total, found, left = self.order, [], self.functions
        every = tuple((n, m) for m in range(total + 1) for n in range(total + 1 - m))
        while left > 0:
            found.append((self.mult ** len(found), every[:left]))
            left -= len(every)
        return tuple(found)


Basis = HermiteA | HermiteB


def hermite_basis_a(
    scales: Any,
    *,
    size: int,
    order: int = 4,
    extent: float | None = None,
    normalised: bool = True,
) -> jax.Array:
    """Filters of `HermiteA` on a grid of pixels.

      2 pi sigma^(n + m) k_n(x) k_m(y),  k_n the kernel of d^n g / dx^n

    Args:
      scales: sigma in px, [S], positive, the finest first; traced and differentiable.
      size: side of the filters in px, odd.
      order: highest order along each axis.
      extent: filters end at ceil(extent sigma) px; None: with the grid.
      normalised: whether all are divided by their norm at the first scale.

    Returns:
      [F, S, size, size] in correlation form, rows y, columns x; the order along x runs
      fastest.

    Raises:
      TypeError, ValueError: for arguments out of range.

    [scale_learning] sec. 3.1.2; divided as in the code of its authors.
    """
    basis = HermiteA(order)
    return _dense(basis, scales, size, extent, normalised)


def hermite_basis_b(
    scales: Any,
    *,
    size: int,
    order: int = 4,
    mult: float = 1.4,
    functions: int = 49,
    extent: float | None = None,
    normalised: bool = True,
) -> jax.Array:
    """Filters of `HermiteB` on a grid of pixels, as `hermite_basis_a`.

    Args:
      scales: sigma in px, [S].
      size: side of the filters in px, odd.
      order: highest total order.
      mult: ratio of neighbouring scales of the basis.
      functions: F.
      extent: as there, of sigma itself at all scales of the basis.
      normalised: as there.

    Returns:
      [F, S, size, size].

    Raises:
      TypeError, ValueError: for arguments out of range.

    [scale_learning] sec. 4.3.
    """
    basis = HermiteB(order, mult, functions)
    return _dense(basis, scales, size, extent, normalised)


def _dense(
    basis: Basis, scales: Any, size: int, extent: float | None, normalised: bool
) -> jax.Array:
    scales = check_kernel_sigma(scales, name="scales", impulse_limit=False)
    if extent is not None:
        most = LARGEST_RADIUS
        extent = check_number(extent, name="extent", least=0, most=most, unit="sigma")
    normalised = check_flag(normalised, name="normalised")
    if scales.ndim != 1 or not scales.size:
        raise ValueError(f"`scales` of shape {scales.shape}: give one or more, [S].")
    size = check_order(size, name="size", lowest=1)
    if size % 2 == 0:
        raise ValueError(f"`size={size}` must be odd, with a pixel in the centre.")
    filter_ = basis_filter(SampledGaussianDerivatives(), "zero", basis, extent)
    scales, found = jnp.asarray(scales), []
    for divisor, orders in basis.parts():
        each = functools.partial(
            _axis_taps, divisor=divisor, filter_=filter_, width=size // 2
        )
        top = max(max(pair) for pair in orders)
        taps = jax.vmap(each, in_axes=(0, None), out_axes=1)(scales, top)
        found += [jnp.einsum("sy,sx->syx", taps[m], taps[n]) for n, m in orders]
    filters = jnp.stack(found)
    if not normalised:
        return filters
    squares = (filters[:, :1] ** 2).sum((-2, -1), keepdims=True)
    return filters / _roots(squares)


def _roots(squares: jax.Array) -> jax.Array:
    """Norms to divide by; 1 of a function that is 0 on all pixels, and stays so."""
    return jnp.sqrt(jnp.where(squares > 0, squares, 1))


def basis_filter(
    discretisation: Any, padding: str, basis: Basis, extent: float | None
) -> Filter:
    """Kernels, border rule and ends of a basis, as `mix_hermite` wants them (gdjax)."""
    top = max(n + m for _, orders in basis.parts() for n, m in orders)
    return Filter(discretisation, padding, None, 2, top, extent)


def _axis_taps(
    sigma: jax.Array, top: int, *, divisor: float, filter_: Filter, width: int
) -> jax.Array:
    """sqrt(2 pi) sigma'^n k_n for n = 0..top, [top + 1, 2 width + 1]; sigma' smaller.

    Cut where the kernels of sigma itself are.
    """
    own = sigma / divisor
    radius = filter_.radius(sigma, width) if filter_.is_cut else width
    taps = [truncated_taps(jnp, filter_, own, n, width, radius) for n in range(top + 1)]
    powers = [own**n for n in range(top + 1)]
    return math.sqrt(2 * math.pi) * jnp.stack(
        [t * p for t, p in zip(taps, powers, strict=True)]
    )


def hermite_norms(
    finest: Any, *, basis: Basis, filter_: Filter, width: int
) -> jax.Array:
    """Norms of the filters at the finest scale, [F]; differentiable (gdjax).

    Args:
      finest: sigma in px.
      basis: the functions.
      filter_: kernels and where they end.
      width: half-width in px of the grid on which norms are taken.
    """
    finest, norms = check_sigma(finest), []
    for divisor, orders in basis.parts():
        top = max(max(pair) for pair in orders)
        taps = _axis_taps(
            jnp.asarray(finest), top, divisor=divisor, filter_=filter_, width=width
        )
        each = _roots((taps**2).sum(-1))
        norms += [each[n] * each[m] for n, m in orders]
    return jnp.stack(norms)


def mix_hermite(
    x: jax.Array,
    kernel: jax.Array,
    scales: Any,
    *,
    norms: jax.Array,
    basis: Basis,
    filter_: Filter,
    dtype: Any = None,
    bias: jax.Array | None = None,
    lift: bool = False,
) -> jax.Array:
    """Correlations with the filters of a basis at every scale, mixed.

      y_o(s) = b_o + sum_c sum_f w[f, c, o] / norms[f] (psi_f(s) * x_c(s))

    Args:
      x: [S, ..., H, W, C_in]; with `lift` [..., H, W, C_in], the same at all scales.
      kernel: [F, C_in, C_out].
      scales: sigma in px, [S]; traced and differentiable.
      norms: [F], `hermite_norms` of the finest scale.
      basis: the functions.
      filter_: kernels, border rule and where they end.
      dtype: of the result; default that of `x`.
      bias: [C_out].
      lift: whether `x` has no axis of scales.

    Returns:
      [S, ..., H, W, C_out].

    [scale_learning] (4); through the N-jet, or by frequencies: gdjax.
    """
    weights = kernel * (2 * math.pi / norms)[:, None, None]
    dtype = jnp.dtype(x.dtype if dtype is None else dtype)
    reach = _known_reach(scales, filter_)
    one = x if lift else x[0]
    if worth_frequencies(one, kernel.shape, filter_, reach):
        around = circles(x.shape[-3:-1], filter_.padding, reach)
        y = _by_frequencies(x, weights, scales, basis, filter_, around, bias, lift)
        return y.astype(dtype)
    # Scales are traced within `jax.vmap`, so that all of them are one operation.
    scales = jnp.asarray(scales, jnp.promote_types(kernel.dtype, jnp.float32))
    mix = functools.partial(
        _mix_at_scale, weights=weights, basis=basis, filter_=filter_, dtype=dtype,
        bias=bias,
    )  # fmt: skip
    return jax.vmap(mix, in_axes=(None if lift else 0, 0))(x, scales)


def _known_reach(scales: Any, filter_: Filter) -> int | None:
    """How far in px filters look at most, if that is known."""
    if is_traced(scales) or not filter_.is_cut:
        return None
    return filter_.reach(float(np.max(scales)))


def _by_frequencies(x, weights, scales, basis: Basis, filter_: Filter, around, bias,
                    lift: bool) -> jax.Array:  # fmt: skip
    orders = tuple(a for _, every in basis.parts() for a in every)

    def transfers(sigma: Any) -> Any:
        found = []
        for divisor, every in basis.parts():
            own = sigma / divisor
            found += jet_transfers(own, _wider(filter_, divisor), every, around)
        return (jnp if is_traced(sigma) else np).stack(found, -1)

    if is_traced(scales):
        found = jax.vmap(transfers)(scales)
    else:
        found = np.stack([transfers(np.float64(s)) for s in scales])
    if lift:
        x = jnp.broadcast_to(x, (len(scales), *x.shape))
    return mix_by_frequencies(x, weights, found, orders, around, bias=bias)


def _mix_at_scale(x, sigma, *, weights, basis: Basis, filter_: Filter, dtype, bias):
    sigma, start, total = filter_.check_sigma(sigma), 0, None
    for divisor, orders in basis.parts():
        stop = start + len(orders)
        y = mix_njet(
            x, weights[start:stop], sigma / divisor, filter_=_wider(filter_, divisor),
            orders=orders, taylor=False, dtype=dtype,
            bias=bias if start == 0 else None,
        )  # fmt: skip
        total, start = y if total is None else total + y, stop
    assert total is not None
    return total


def _wider(filter_: Filter, divisor: float) -> Filter:
    """The filter whose kernels of sigma / divisor end where those of sigma do."""
    if filter_.extent is None:
        return filter_
    return dataclasses.replace(filter_, extent=filter_.extent * divisor)
