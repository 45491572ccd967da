"""Levels and grids of scale spaces over the semigroup of downscalings. [dss]."""

import math
from typing import Any

import numpy as np

from gdjax.scalespace.checks import (
    LARGEST_SIGMA,
    LEAST_SIGMA,
    check_scalar,
    check_sigma,
    is_traced,
    real_array,
    shown,
)
from gdjax.scalespace.discretisation import check_discretisation
from gdjax.scalespace.windows import extend


# Half-width of Lanczos' kernel in px, for borders that repeat their last pixel.
_LANCZOS = 16


def check_base(base: Any) -> float:
    """Returns `base` as a float; ValueError unless it is a finite number above 1."""
    try:
        found = real_array(base, name="base", unit="a number above 1")
    except TypeError:
        found = np.zeros(())
    if found.shape or not 1 < found <= LARGEST_SIGMA:
        raise ValueError(
            f"`base={shown(base)}` must be a number above 1: each level stands for a"
            " smaller image than the one before."
        )
    return float(found)


def check_zero_scale(zero_scale: Any) -> float:
    """Returns `zero_scale` as a float; TypeError or ValueError unless it is one > 0."""
    found = check_sigma(
        zero_scale, name="zero_scale", positive=True, highest=LARGEST_SIGMA
    )
    if is_traced(found):
        raise TypeError("`zero_scale` is traced, but levels are made on the host.")
    return float(check_scalar(found, name="zero_scale"))


def check_factor(base: float, count: int, *, name: str) -> float:
    """Returns base^count; ValueError if no image is as large, with `name` of count."""
    if count * math.log(base) > math.log(LARGEST_SIGMA):
        raise ValueError(
            f"`{name}={count}` with `base={base:g}` makes images smaller by more than"
            f" {LARGEST_SIGMA:g}."
        )
    return base**count


def check_level(sigma: float, *, zero_scale: float, discretisation: Any) -> None:
    """Raises ValueError unless there is a kernel of a level's sigma in px."""
    check_discretisation(discretisation)
    least = 0.0 if discretisation.impulse_limit else LEAST_SIGMA
    if not least <= sigma <= LARGEST_SIGMA:
        raise ValueError(
            f"`zero_scale={zero_scale:g}` makes a level of {sigma:.3g} px, but kernels"
            f" have {least:g} to {LARGEST_SIGMA:g} px."
        )


def level_sigma(k: float, *, base: float, zero_scale: float) -> float:
    """Sigma of level k in px: t_k = s_0^2 (base^(2 k) - 1). [dss] (5)."""
    return zero_scale * math.sqrt(max(base ** (2 * k) - 1, 0.0))


def sample_matrix(positions: np.ndarray, size: int, padding: str) -> np.ndarray:
    """Band-limited interpolation of an axis at real positions, as a matrix (gdjax).

    Args:
      positions: [M], px.
      size: N.
      padding: what lies beyond the border: "wrap" interpolates the periodic image
        trigonometrically, "symmetric" the mirrored one; "zero" by the sinc, "edge" by
        Lanczos' kernel of 16 px.

    Returns:
      [M, N], float64; rows of whole positions are those of the identity.
    """
    positions = np.asarray(positions, np.float64)
    if padding == "wrap":
        return _dirichlet(positions[:, None] - np.arange(size), size)
    if padding == "symmetric":
        mirrored = _dirichlet(positions[:, None] - np.arange(2 * size), 2 * size)
        return mirrored[:, :size] + mirrored[:, size:][:, ::-1]
    if padding == "zero":
        return np.sinc(positions[:, None] - np.arange(size))
    nearest = np.floor(positions).astype(int)[:, None]
    taps = nearest + np.arange(1 - _LANCZOS, _LANCZOS + 1)
    offset = positions[:, None] - taps
    weights = np.sinc(offset) * np.sinc(offset / _LANCZOS)
    weights /= weights.sum(1, keepdims=True)
    matrix = np.zeros((len(positions), size))
    rows = np.broadcast_to(np.arange(len(positions))[:, None], taps.shape)
    np.add.at(matrix, (rows, extend(taps, size, padding)), weights)
    return matrix


def _dirichlet(offset: np.ndarray, size: int) -> np.ndarray:
    """Trigonometric interpolation of `size` equidistant samples.

      D(x) = sin(pi x) / (N sin(pi x / N)) for odd N, with tan in place of sin for even

    sin(pi x) is taken of the distance to the nearest whole number, so that rows at
    whole positions are those of the identity.
    """
    offset = offset - size * np.rint(offset / size)  # the nearest period
    whole = np.rint(offset)
    sign = 1.0 - 2.0 * (np.abs(whole) % 2)
    above = sign * np.sin(np.pi * (offset - whole))
    angle = np.pi * offset / size
    below = size * (np.tan(angle) if size % 2 == 0 else np.sin(angle))
    at_sample = np.abs(offset) < 1e-12
    return np.where(at_sample, 1.0, above / np.where(at_sample, 1.0, below))
