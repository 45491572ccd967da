"""Mixed N-jets as products of frequencies, where many terms meet many channels (gdjax).

A sum of mixed jets is one correlation with a C_in x C_out matrix of filters. On J terms
it takes J C_in C_out products a pixel, by frequencies 4 C_in C_out for half of them,
and two transforms that know nothing of the number of terms. Bases of steerable networks
have 25 or 49 terms. A border of zeros becomes periodic by so many zeros as filters
reach; transforms are matrices, as everything along an axis is here.
"""

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gdjax.scalespace.axis_filter import spans
from gdjax.scalespace.derivatives import Orders
from gdjax.scalespace.execution.chunks import in_chunks, known_size
from gdjax.scalespace.execution.products import matmul
from gdjax.scalespace.execution.routines import plainly
from gdjax.scalespace.matrices import LONGEST_DENSE_AXIS, Filter, axis_filters
from gdjax.scalespace.windows import full_window


# Pixels at a time: with 32 to 95 channels, 16 to 32 images of 14 to 28 px were fastest.
PIXELS = 32 * 28 * 28
# Measured on a CPU, with 1 to 64 channels on 14 to 168 px: fewer terms are as fast as
# jets; a product of filtering takes as long as seven of mixing; and to make and to keep
# the matrix of a frequency as long as 600 products with it, whatever the batch.
LEAST_TERMS = 16
FILTERING = 7
MATRIX = 600


@dataclasses.dataclass(frozen=True)
class Circle:
    """An axis of `size` px on a circle of `period` px, zeros in between.

    `half`: the frequencies up to half of the period alone, as of real images.
    """

    size: int
    period: int
    half: bool

    @property
    def count(self) -> int:
        """Of frequencies."""
        return self.period // 2 + 1 if self.half else self.period

    def _phases(self) -> np.ndarray:
        """[frequencies, pixels]."""
        k, t = np.arange(self.count), np.arange(self.size)
        return 2 * np.pi / self.period * ((k[:, None] * t) % self.period)

    def waves(self) -> np.ndarray:
        """e^(-i w t) as (real, imaginary), [2, frequencies, pixels]."""
        phases = self._phases()
        return np.stack([np.cos(phases), -np.sin(phases)])

    def shares(self) -> np.ndarray:
        """By what a frequency counts in the inverse, [frequencies]."""
        shares = np.full(self.count, 1 / self.period)
        if self.half:
            shares[1 : (self.period + 1) // 2] *= 2
        return shares

    def transfer(self, matrix: Any, order: int) -> Any:
        """Of a filter from its matrix [pixels, pixels]: real, or i times that, [count].

        Kernels are even or odd, as their order is, so that the first row has all of
        one; of a closed axis it has the other half of the kernel at its end.
        """
        phases = self._phases()
        table = np.sin(phases) if order % 2 else np.cos(phases)
        if self.period > self.size:
            table[:, 1:] *= 2
        if isinstance(matrix, np.ndarray):
            return table @ matrix[0]
        return matmul(jnp.asarray(table, matrix.dtype), matrix[0])


def circles(
    sides: Sequence[int], padding: str, reach: int | None
) -> tuple[Circle, Circle]:
    """Of the axes (H, W), px; filters look `reach` px far at most (None: anywhere)."""
    y, x = sides
    if padding == "wrap":
        return Circle(y, y, True), Circle(x, x, False)
    far_y, far_x = (n - 1 if reach is None else min(reach, n - 1) for n in sides)
    return Circle(y, y + far_y, True), Circle(x, x + far_x, False)


def worth_frequencies(
    x: jax.Array, shape: tuple[int, ...], filter_: Filter, reach: int | None
) -> bool:
    """Whether a sum of mixed jets of [..., H, W, C_in] is faster by frequencies.

    `shape` of its weights: (J, C_in, C_out). Not in half precision, nor on borders that
    mirror, nor on long axes, whose transforms would be large.
    """
    count, sides = known_size(x.shape[:-3]), x.shape[-3:-1]
    known = all(isinstance(n, int) and n <= LONGEST_DENSE_AXIS for n in sides)
    if not (known and count) or plainly(x) or filter_.padding not in ("zero", "wrap"):
        return False
    terms, inputs, outputs = shape
    if jnp.finfo(x.dtype).bits < 32 or terms < LEAST_TERMS:
        return False
    y, around_x = circles(sides, filter_.padding, reach)
    pixels, frequencies = sides[0] * sides[1], y.count * around_x.count
    mixing = inputs * outputs
    # Of maps of all terms, or of the orders along each axis: see `separable`.
    maps = min(terms * inputs, round(terms**0.5) * (inputs + outputs))
    jets = pixels * (terms * mixing + FILTERING * maps * sides[1])
    transform = 2 * y.count * pixels + 4 * frequencies * sides[1]
    products = frequencies * mixing * (4 + MATRIX / count)
    return products + (inputs + outputs) * transform < jets


def jet_transfers(
    sigma: Any, filter_: Filter, orders: Orders, around: tuple[Circle, Circle]
) -> list[Any]:
    """Of every term of the N-jet, times sigma^|a|: [frequencies], y then x.

    Of terms with |a| odd they are i times that. `sigma` in px, a scalar; NumPy arrays
    for a concrete one.
    """
    along = [[a[axis] for a in orders] for axis in range(2)]
    whole = tuple(full_window(circle.size) for circle in around)
    filters = axis_filters(filter_, sigma, along, spans(whole, whole))
    of_axis = {
        (depth, n): around[-depth].transfer(filters[depth, n].matrix, n)
        for depth, n in filters
    }
    # Odd orders give i, of both axes i^2.
    signs = [-1 if n % 2 and m % 2 else 1 for n, m in orders]
    return [
        sign * (of_axis[2, m][:, None] * of_axis[1, n]).reshape(-1)
        for sign, (n, m) in zip(signs, orders, strict=True)
    ]


def mix_by_frequencies(
    x: jax.Array,
    kernel: jax.Array,
    transfers: Any,
    orders: Orders,
    around: tuple[Circle, Circle],
    *,
    bias: jax.Array | None,
) -> jax.Array:
    """Mixed jets of S scales.

    Args:
      x: [S, ..., H, W, C_in].
      kernel: [J, C_in, C_out], of all scales.
      transfers: [S, frequencies, J], see `jet_transfers`.
      orders: of the J terms.
      around: the axes (H, W).
      bias: [C_out].

    Returns:
      [S, ..., H, W, C_out].
    """
    matrices = _transfer_matrices(kernel, transfers, orders)
    given = () if bias is None else (bias,)
    images, run = x.reshape(len(x), -1, *x.shape[-3:]), _Correlation(*around)
    found = [
        in_chunks(run, each, own, given, limit=PIXELS)
        for each, own in zip(images, matrices, strict=True)
    ]
    return jnp.stack(found).reshape(*x.shape[:-1], -1)


def _transfer_matrices(
    kernel: jax.Array, transfers: Any, orders: Orders
) -> list[tuple[jax.Array, jax.Array]]:
    """What maps channels at every frequency: of each scale the real and imaginary part.

    [frequencies, C_out, C_in].
    """
    terms, inputs, outputs = kernel.shape
    rows = kernel.swapaxes(1, 2).reshape(terms, -1)
    odd = np.array([sum(a) % 2 for a in orders], bool)

    def summed(transfers: Any, chosen: np.ndarray) -> jax.Array:
        part = jnp.asarray(transfers[:, chosen], kernel.dtype)
        return matmul(part, rows[chosen]).reshape(-1, outputs, inputs)

    return [(summed(each, ~odd), summed(each, odd)) for each in transfers]


@dataclasses.dataclass(frozen=True)
class _Correlation:
    """[B, H, W, C_in] and the matrices of all frequencies -> [B, H, W, C_out]."""

    y: Circle
    x: Circle

    def __call__(self, images: jax.Array, weights: Any, bias: Any) -> jax.Array:
        (y, x), (count, *_, channels) = (self.y, self.x), images.shape
        real, imag = weights
        to_y, to_x, from_x, from_y = (
            jnp.asarray(m, real.dtype) for m in _transforms(y, x)
        )
        # Images last: products of frequencies then have them in one row.
        z = images.transpose(1, 2, 3, 0).reshape(y.size, -1)
        z = matmul(to_y, z).reshape(y.count, 2 * x.size, -1)
        z = _each(to_x, z).reshape(y.count * x.count, 2, channels, count)
        a, b = z[:, 0], z[:, 1]
        parts = matmul(real, a) - matmul(imag, b), matmul(real, b) + matmul(imag, a)
        z = jnp.stack(parts, 1).reshape(y.count, 2 * x.count, -1)
        z = _each(from_x, z).reshape(2 * y.count, -1)
        z = matmul(from_y, z).reshape(y.size, x.size, -1, count)
        z = z.transpose(3, 0, 1, 2)
        return functools.reduce(jnp.add, bias, z).astype(images.dtype)


def _each(matrix: jax.Array, z: jax.Array) -> jax.Array:
    """[m, n] times each of [K, n, R]; as one product of all, XLA transposes on CPUs."""
    return matmul(jnp.broadcast_to(matrix, (len(z), *matrix.shape)), z)


@functools.lru_cache(maxsize=64)
def _transforms(y: Circle, x: Circle) -> tuple[np.ndarray, ...]:
    """Along y, along x, back along x, back along y, complex numbers as two rows.

    [(K_y, 2), H], [(K_x, 2), (2, W)], [(2, W), (K_x, 2)], [H, (K_y, 2)].
    """
    cos, sin = y.waves()
    to_y = np.stack([cos, sin], 1).reshape(-1, y.size)
    from_y = (np.stack([cos, sin]) * y.shares()[:, None]).transpose(2, 1, 0)
    cos, sin = x.waves()
    # [2 of the result, 2 of what is given, K_x, W]
    to_x = np.array([[cos, -sin], [sin, cos]])
    from_x = np.array([[cos, sin], [-sin, cos]]) * x.shares()[:, None]
    return (
        to_y,
        to_x.transpose(2, 0, 1, 3).reshape(2 * x.count, -1),
        from_x.transpose(0, 3, 2, 1).reshape(2 * x.size, -1),
        from_y.reshape(y.size, -1),
    )
