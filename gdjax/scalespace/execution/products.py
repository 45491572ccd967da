"""Matrix products and what goes with them, in the form that CPUs are fastest at."""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from gdjax.scalespace.derivatives import (
    Orders,
    difference,
    difference_reach,
    stencil_reach,
)
from gdjax.scalespace.execution.apart import apart
from gdjax.scalespace.execution.chunks import (
    known_size,
    over_images,
    product_pixels,
)
from gdjax.scalespace.execution.routines import Routine, select
from gdjax.scalespace.separable import filter_terms, sum_terms


HIGHEST = jax.lax.Precision.HIGHEST


def matmul(a: jax.Array, b: jax.Array) -> jax.Array:
    """[..., M, N] times [N, R] in the precision of their dtype."""
    return jnp.matmul(a, b, precision=HIGHEST)


def summed_products(a: jax.Array, b: jax.Array) -> jax.Array:
    """[B, M, R] times [B, R, N], summed over B, each image by itself.

    What a gradient sums over all pixels has few results. As one product it has work for
    a few of a GPU's processors: a third to three quarters of a training step's time.
    """
    dtype = jnp.promote_types(a.dtype, jnp.float32)
    parts = jnp.matmul(a, b, precision=HIGHEST, preferred_element_type=dtype)
    return parts.sum(0).astype(a.dtype)


@dataclasses.dataclass(frozen=True)
class _MixPixels(Routine):
    options: tuple[tuple[str, Any], ...]  # of `dot_general`

    def plain(self, x, kernel):
        contracted = (((x.ndim - 1,), (0,)), ((), ()))
        return jax.lax.dot_general(x, kernel, contracted, **dict(self.options))

    def plain_backward(self, arrays, gradients, moved):
        (x, kernel), (gradient,) = arrays, gradients
        in_x = self.plain(gradient, kernel.T).astype(x.dtype)
        pixels = known_size(x.shape[1:][-3:-1]) if x.ndim > 2 else None
        # No more values than the gradient: else one product has work for all.
        parts = (1, -1) if pixels is None or pixels < x.shape[-1] else (-1, pixels)
        maps, each = (y.reshape(*parts, y.shape[-1]) for y in (x, gradient))
        in_kernel = summed_products(maps.swapaxes(1, 2), each).astype(kernel.dtype)
        return select((in_x, in_kernel), moved)


@dataclasses.dataclass(frozen=True)
class _MixSingle(Routine):
    """Maps [..., 1] one after the other: interleaving them is slow on CPUs."""

    def plain(self, kernel, *maps):
        return mix_pixels(jnp.concatenate(maps, axis=-1), kernel)

    def cpu(self, kernel, *maps):
        rows = jnp.stack([y.reshape(-1) for y in maps])
        contracted = (((0,), (0,)), ((), ()))
        y = jax.lax.dot_general(rows, kernel, contracted, precision=HIGHEST)
        return y.reshape(*maps[0].shape[:-1], -1)


def mix_single(maps: Sequence[jax.Array], kernel: jax.Array) -> jax.Array:
    """J maps [B, ..., 1] by a kernel [J, C_out]."""
    return _MixSingle()(kernel, *maps)


def mix_pixels(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """`matmul` of maps [B, ..., C] and a kernel [C, C_out]."""
    return _MixPixels((("precision", HIGHEST),))(x, kernel)


@dataclasses.dataclass(frozen=True)
class _Einsum(Routine):
    axes: str
    part: str = ""

    def plain(self, a, b):
        return jnp.einsum(self.axes, a, b, precision=HIGHEST)

    def backward(self, arrays, gradients, moved):
        (a, b), (g,) = arrays, gradients
        first, second, result = self.axes.replace("->", ",").split(",")
        in_a = _Einsum(f"{result},{second}->{first}").plain(g, b)
        in_b = _Einsum(f"{result},{first}->{second}").plain(g, a)
        return select((in_a, in_b), moved)

    def plain_backward(self, arrays, gradients, moved):
        if not self.part or not moved[1]:
            return self.backward(arrays, gradients, moved)
        first, second, result = self.axes.replace("->", ",").split(",")
        parts = _Einsum(f"{result},{first}->{self.part}{second}")
        in_b = parts.plain(gradients[0], arrays[0]).sum(0)
        return *self.backward(arrays, gradients, (moved[0], False)), in_b


def einsum(axes: str, a: jax.Array, b: jax.Array, *, part: str = "") -> jax.Array:
    """`jnp.einsum` whose gradients are einsums in the order of the arrays.

    Those of JAX have another order and are transposed. `part`: an axis of `a` and the
    result that is summed up last in the gradient in `b`, on accelerators.
    """
    return _Einsum(axes, part)(a, b)


def mix_channels(
    x: jax.Array, kernel: jax.Array, dimension_numbers: Any, **options: Any
) -> jax.Array:
    """[..., C] times [C, C_out]: the `dot_general` of `flax.linen.Dense`.

    With all pixels in one axis, else XLA transposes a copy of `x` for the gradient on
    CPUs.
    """
    del dimension_numbers  # those of `flax.linen.Dense`
    return _MixChannels(tuple(sorted(options.items())))(x, kernel)


@dataclasses.dataclass(frozen=True)
class _MixChannels(_MixPixels):
    def cpu(self, x, kernel):
        y = self.plain(x.reshape(-1, x.shape[-1]), kernel)
        return y.reshape(*x.shape[:-1], -1)


@dataclasses.dataclass(frozen=True)
class DifferenceProducts(Routine):
    """Differences and one matrix product, for `gdjax.scalespace.stencil`.

    With J maps per channel on that side, input or output, which has fewer channels:
    fewer operations than a convolution (5 terms against 9 taps for order 2), and a
    faster gradient. On a GPU convolutions were no faster, and XLA tries out many.
    """

    orders: Orders

    def plain(self, x, kernel, *bias):  # noqa: D102
        return difference_product(x, kernel, *bias, orders=self.orders)

    def cpu(self, x, kernel, *bias):  # noqa: D102
        def run(some):
            return (_differences_product(some, kernel, *bias, orders=self.orders),), ()

        return over_images(run, x, limit=self._limit(x, kernel))[0][0]

    def backward(self, arrays, gradients, moved):  # noqa: D102
        x, kernel, *_ = arrays

        def run(some, gradient):
            in_bias = gradient.sum(range(gradient.ndim - 1))
            found = *_gradients(some, kernel, gradient, self.orders), in_bias
            found = select(found[: len(moved)], moved)
            return found[: moved[0]], found[moved[0] :]

        limit = self._limit(x, kernel)
        in_x, others = over_images(run, x, *gradients, limit=limit)
        return *in_x, *others

    def _limit(self, x, kernel) -> int | None:
        return product_pixels(x.shape, len(self.orders), min(kernel.shape[1:]))


def _mixed_first(kernel: jax.Array) -> bool:
    return kernel.shape[2] <= kernel.shape[1]


def _differences_product(
    x: jax.Array, kernel: jax.Array, *bias: jax.Array, orders: Orders
) -> jax.Array:
    with_own = {"difference": _all_differences, "add": _add_differences, "mix": matmul}
    return difference_product(x, kernel, *bias, orders=orders, **with_own)


def difference_product(
    x: jax.Array,
    kernel: jax.Array,
    *bias: jax.Array,
    orders: Orders,
    difference: Callable[..., jax.Array] | None = None,
    add: Callable[..., jax.Array] | None = None,
    mix: Callable[[jax.Array, jax.Array], jax.Array] = mix_pixels,
) -> jax.Array:
    """Differences of `x`, or of what it is mixed to, whatever are fewer, and a bias."""
    if _mixed_first(kernel):
        mixed = mix(x, jnp.moveaxis(kernel, 0, 1).reshape(x.shape[-1], -1))
        return (add or _sum_differences)(mixed, *bias, orders=orders)
    maps = (difference or _differences)(x, orders=orders)
    y = mix(maps, kernel.reshape(-1, kernel.shape[-1]))
    return functools.reduce(jnp.add, bias, y)


def _gradients(x, kernel, gradient, orders) -> tuple[jax.Array, jax.Array]:
    """Those in `x` and in `kernel`.

    The adjoint of differences inside of a margin are the same differences of the
    gradient widened by zeros, with other signs.
    """
    terms, inputs, outputs = kernel.shape
    signs = jnp.asarray([(-1.0) ** sum(n) for n in orders], kernel.dtype)
    signs = signs[:, None, None]
    mirrored = signs * kernel.swapaxes(1, 2)
    if _mixed_first(kernel):
        maps = _all_differences(gradient, orders=orders, widen=True)
        products = matmul(_pixels(x).T, _pixels(maps)).reshape(inputs, terms, outputs)
        in_kernel = signs * products.swapaxes(0, 1)
        return matmul(maps, mirrored.reshape(-1, inputs)), in_kernel
    mixed = matmul(gradient, jnp.moveaxis(mirrored, 0, 1).reshape(outputs, -1))
    in_x = _add_differences(mixed, orders=orders, widen=True)
    maps = _all_differences(x, orders=orders)
    return in_x, matmul(_pixels(maps).T, _pixels(gradient)).reshape(kernel.shape)


def _pixels(x: jax.Array) -> jax.Array:
    return x.reshape(-1, x.shape[-1])


def _sum_differences(
    mixed: jax.Array, *bias: jax.Array, orders: Orders, widen: bool = False
) -> jax.Array:
    """[..., J C] -> [..., C]: the differences of every part, and the bias, added."""
    mixed = _widen(mixed, orders) if widen else mixed
    parts = jnp.split(mixed, len(orders), axis=-1)
    maps = dict(zip(orders, parts, strict=True))
    y = sum_terms(maps, _inside(orders), first=1)
    return functools.reduce(jnp.add, bias, y)


def _differences(x: jax.Array, *, orders: Orders, widen: bool = False) -> jax.Array:
    """[..., C] -> [..., J C]."""
    x = _widen(x, orders) if widen else x
    return jnp.concatenate(filter_terms(x, orders, _inside(orders)), axis=-1)


_add_differences = apart(_sum_differences)
_all_differences = apart(_differences)


def _widen(x: jax.Array, orders: Orders) -> jax.Array:
    margin = 2 * stencil_reach(orders)
    return jnp.pad(x, ((0, 0), *[(margin, margin)] * len(orders[0]), (0, 0)))


def _inside(orders: Orders) -> Callable[[jax.Array, int, int], jax.Array]:
    """Differences along one axis, so far inside of its ends as the largest of all."""
    reach = stencil_reach(orders)

    def along(y: jax.Array, order: int, depth: int) -> jax.Array:
        margin, axis = reach - difference_reach(order), y.ndim - 1 - depth
        inside = jax.lax.slice_in_dim(y, margin, y.shape[axis] - margin, axis=axis)
        return difference(inside, order, axis=axis)

    return along
