"""The few dimensions in which a coarse N-jet lives (gdjax).

A Gaussian of sigma px hardly passes frequencies above 5 / sigma: on n px, all its
derivatives together have a rank of about 2 n / sigma, to the precision of float32.
With V an orthonormal basis of what they see, and Q of what they answer,

  A_n = Q (Q^T A_n V) V^T     for all orders n,

the map is taken to the subspace (V^T), filtered and mixed there, where there are few
values, and brought back once (Q). No approximation but for rounding.
"""

import functools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from gdjax.scalespace.checks import is_traced
from gdjax.scalespace.derivatives import Orders
from gdjax.scalespace.operators import Filter, scaled_matrix
from gdjax.scalespace.windows import Window


# Singular values below so many roundings of the dtype are left out.
ROUNDINGS = 8
# Share of the operations of the direct way below which this one is faster.
WORTH = 0.7
# An SVD of a longer axis takes seconds.
LONGEST_AXIS = 1024


class LowRank(NamedTuple):
    """The filters of one axis, factorised.

    Attributes:
      down: V^T, [r, source.length].
      jets: (order n, sigma^n Q^T A_n V [q, r]) for every order needed.
      up: Q, [target.length, q].
    """

    down: np.ndarray
    jets: tuple[tuple[int, np.ndarray], ...]
    up: np.ndarray


def low_rank_parts(
    filter_: Filter,
    sigma: float,
    orders: Orders,
    sources: Sequence[Window],
    targets: Sequence[Window],
    dtype: Any,
) -> list[LowRank]:
    """The factors of every axis, as (D, H, W); made once on the host and kept."""
    precision = jnp.finfo(jnp.promote_types(dtype, jnp.float32)).eps
    parts = []
    for axis, windows in enumerate(zip(sources, targets, strict=True)):
        along = tuple(sorted({a[filter_.ndim - 1 - axis] for a in orders}))
        tolerance = ROUNDINGS * float(precision)
        parts.append(_factorise(filter_, sigma, along, *windows, tolerance))
    return parts


@functools.lru_cache(maxsize=1024)
def _factorise(filter_, sigma, orders, source, target, tolerance) -> LowRank:
    matrices = [
        scaled_matrix(
            filter_, np.float64(sigma), n, source, target.start, target.stop
        )
        for n in orders
    ]  # fmt: skip
    seen = _leading(np.concatenate(matrices).T, tolerance)
    answered = _leading(np.concatenate(matrices, axis=1), tolerance)
    jets = (answered.T @ matrix @ seen for matrix in matrices)
    return LowRank(seen.T, tuple(zip(orders, jets, strict=True)), answered)


def _leading(matrix: np.ndarray, tolerance: float) -> np.ndarray:
    """Orthonormal basis of what the columns span, [rows, rank]."""
    u, s, _ = np.linalg.svd(matrix, full_matrices=False)
    return u[:, : max(1, np.count_nonzero(s > tolerance * s[0]))]


def worth_low_rank(
    kernel_shape: Sequence[int],
    sigma: Any,
    filter_: Filter,
    orders: Orders,
    sources: Sequence[Window],
    targets: Sequence[Window],
    dtype: Any,
) -> bool:
    """Whether the subspace saves operations: for known sigma and kernels not cut.

    The jumps at the ends of a truncated kernel have all frequencies.
    """
    lengths = [w.length for w in (*sources, *targets)]
    if filter_.is_cut or is_traced(sigma) or max(lengths) > LONGEST_AXIS:
        return False
    if sigma < 1:  # the rank is full there, or nearly so
        return False
    channels, features = kernel_shape[1], kernel_shape[-1]
    parts = low_rank_parts(filter_, float(sigma), orders, sources, targets, dtype)
    mixing = len(orders) * channels * (features if len(kernel_shape) == 3 else 1)
    outer = [w.length for w in sources], [w.length for w in targets]
    inner = [len(p.down) for p in parts], [p.up.shape[1] for p in parts]
    separable = 1 + len(orders) / 2  # products along the axes, in the separable order
    smoothing = 1 if filter_.discretisation.shared_smoothing else separable
    direct = smoothing * channels * _products(*outer) + mixing * math.prod(outer[1])
    saving = (
        channels * _products(outer[0], inner[0])
        + separable * channels * _products(*inner)
        + mixing * math.prod(inner[1])
        + features * _products(inner[1], outer[1])
    )
    return saving < WORTH * direct


def _products(sizes: Sequence[int], wanted: Sequence[int]) -> int:
    """Multiplications of one channel by a matrix along every axis in turn."""
    now, total = list(sizes), 0
    for axis, length in reversed(list(enumerate(wanted))):
        total += math.prod(now) * length
        now[axis] = length
    return total
