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

from gdjax.scalespace.axis_filter import AxisFilter, Span
from gdjax.scalespace.checks import is_traced
from gdjax.scalespace.derivatives import Orders
from gdjax.scalespace.matrices import Filter, known_filter
from gdjax.scalespace.windows import Windows


# Singular values below so many roundings of the dtype are left out.
ROUNDINGS = 8
# Share of the operations of the direct way below which this one is faster.
WORTH = 0.7
# An SVD of a longer axis takes seconds.
LONGEST_AXIS = 1024


class LowRank(NamedTuple):
    """The filters of one axis, factorised."""

    down: AxisFilter  # V^T, [r, source.length]
    jets: dict[int, AxisFilter]  # of order n: sigma^n Q^T A_n V [q, r]
    up: AxisFilter  # Q, [target.length, q]


@functools.lru_cache(maxsize=1024)
def factorised(
    filter_: Filter, sigma: float, orders: tuple[int, ...], span: Span, dtype: Any
) -> LowRank:
    """The factors of one axis; made once on the host and kept."""
    precision = jnp.finfo(jnp.promote_types(dtype, jnp.float32)).eps
    # Of the whole axis: tiles have a matrix of their own.
    matrices = [known_filter(filter_, sigma, n, span, False).matrix for n in orders]
    seen = _leading(np.concatenate(matrices).T, float(precision))
    answered = _leading(np.concatenate(matrices, axis=1), float(precision))
    jets = (AxisFilter(answered.T @ matrix @ seen) for matrix in matrices)
    return LowRank(
        AxisFilter(seen.T), dict(zip(orders, jets, strict=True)), AxisFilter(answered)
    )


def _leading(matrix: np.ndarray, precision: float) -> np.ndarray:
    """Orthonormal basis of what the columns span, [rows, rank]."""
    u, s, _ = np.linalg.svd(matrix, full_matrices=False)
    return u[:, : max(1, np.count_nonzero(s > ROUNDINGS * precision * s[0]))]


def expected_rank(source: int, target: int, sigma: float, order: int) -> int:
    """About the rank of N-jets from `source` to `target` px, without an SVD.

    Frequencies pass up to u / sigma, with u^order exp(-u^2 / 2) at float32's precision:
    so many waves fit into the shorter side, and some more at its ends.
    """
    waves = (5 + order / 2) * min(source, target) / (np.pi * sigma)
    return min(source, target, math.ceil(waves) + 6)


def worth_low_rank(
    kernel_shape: Sequence[int],
    sigma: Any,
    filter_: Filter,
    orders: Orders,
    sources: Windows,
    targets: Windows,
) -> bool:
    """Whether the subspace saves operations: for known sigma and kernels not cut.

    The jumps at the ends of a truncated kernel have all frequencies.
    """
    outer = [w.length for w in sources], [w.length for w in targets]
    if filter_.is_cut or is_traced(sigma) or max(*outer[0], *outer[1]) > LONGEST_AXIS:
        return False
    if sigma < 1:  # the rank is full there, or nearly so
        return False
    channels, features = kernel_shape[1], kernel_shape[-1]
    inner = [
        expected_rank(*lengths, float(sigma), filter_.max_order)
        for lengths in zip(*outer, strict=True)
    ]
    mixing = len(orders) * channels * (features if len(kernel_shape) == 3 else 1)
    separable = 1 + len(orders) / 2  # products along the axes, in the separable order
    smoothing = 1 if filter_.discretisation.shared_smoothing else separable
    direct = smoothing * channels * _products(*outer) + mixing * math.prod(outer[1])
    saving = (
        channels * _products(outer[0], inner)
        + separable * channels * _products(inner, inner)
        + mixing * math.prod(inner)
        + features * _products(inner, outer[1])
    )
    return saving < WORTH * direct


def _products(sizes: Sequence[int], wanted: Sequence[int]) -> int:
    """Multiplications of one channel by a matrix along every axis in turn."""
    now, total = list(sizes), 0
    for axis, length in reversed(list(enumerate(wanted))):
        total += math.prod(now) * length
        now[axis] = length
    return total
