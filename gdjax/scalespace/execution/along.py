"""Matrices along the axes of maps, in the form that CPUs are fastest at."""

import dataclasses
import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp

from gdjax.scalespace.execution.apart import apart
from gdjax.scalespace.execution.chunks import known_size
from gdjax.scalespace.execution.products import HIGHEST, matmul, summed_products
from gdjax.scalespace.execution.routines import Routine, select, vjp


def along_axis(matrix: jax.Array, x: jax.Array, *, axis: int) -> jax.Array:
    """A matrix [m, n] along one axis: [..., n, ..., C] -> [..., m, ..., C]."""
    return _Along((axis,))(x, matrix)


def along_axes(
    matrices: Sequence[jax.Array], x: jax.Array, *, axes: Sequence[int]
) -> jax.Array:
    """`along_axis` with one matrix after the other, each along its own axis."""
    return _Along(tuple(axes))(x, *matrices)


@dataclasses.dataclass(frozen=True)
class _Along(Routine):
    axes: tuple[int, ...]

    def plain(self, x, *matrices):
        if len(matrices) == 1:
            (matrix,), (axis,) = matrices, self.axes
            y = jnp.tensordot(matrix, x, axes=(1, axis), precision=HIGHEST)
            return jnp.moveaxis(y, 0, axis)
        for matrix, axis in zip(matrices, self.axes, strict=True):
            x = along_axis(matrix, x, axis=axis)
        return x

    def cpu(self, x, *matrices):
        # One copy from each axis to the next: they are put in order at the end alone.
        first = min(axis % x.ndim for axis in self.axes)
        y = x.reshape(math.prod(x.shape[:first]), *x.shape[first:])
        order = list(range(y.ndim))
        for matrix, axis in zip(matrices, self.axes, strict=True):
            place = order.index(axis % x.ndim - first + 1)
            y = _product(matrix, y, place)
            order.insert(0, order.pop(place))
        y = _in_order(y, order)
        return y.reshape(*x.shape[:first], *y.shape[1:])

    def plain_backward(self, arrays, gradients, moved):
        (x, *matrices), (gradient,), axis = arrays, gradients, self.axes[0]
        # The first axis is the images', unless it's this one.
        size = known_size(x.shape[1:])
        if len(matrices) > 1 or axis % x.ndim == 0 or size is None:
            return vjp(self.on(False), arrays, gradients, moved)
        rest = size // x.shape[axis]  # not -1: there may be no image
        first, each = (
            jnp.moveaxis(y, axis, 1).reshape(y.shape[0], y.shape[axis], rest)
            for y in (gradient, x)
        )
        in_matrix = summed_products(first, each.swapaxes(1, 2))
        return select((self.plain(gradient, matrices[0].T), in_matrix), moved)


def _product(matrix: jax.Array, x: jax.Array, place: int) -> jax.Array:
    """A matrix along axis `place`, which comes first then."""
    before, after = x.shape[:place], x.shape[place + 1 :]
    first = _swap(x.reshape(math.prod(before), x.shape[place], math.prod(after)))
    y = matmul(matrix, first.reshape(x.shape[place], -1))
    return y.reshape(matrix.shape[0], *before, *after)


def _in_order(x: jax.Array, order: Sequence[int]) -> jax.Array:
    """Axes `order` as 0, 1, ...; those at the end that are so already in one."""
    moved = 1 + max(place for place, axis in enumerate(order) if place != axis)
    flat = x.reshape(*x.shape[:moved], math.prod(x.shape[moved:]))
    flat = _transposed(flat, order=(*map(order.index, range(moved)), moved))
    return flat.reshape(*flat.shape[:-1], *x.shape[moved:])


@apart
def _swap(x: jax.Array) -> jax.Array:
    return jnp.swapaxes(x, 0, 1)


@apart
def _transposed(x: jax.Array, *, order: tuple[int, ...]) -> jax.Array:
    return x.transpose(order)
