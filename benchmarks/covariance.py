"""Errors between maps that should be equal: the definitions that the papers use."""

from __future__ import annotations

from typing import Any

import numpy as np

import gdjax


def relative(found: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """|| found - expected ||_2 / || expected ||_2 over all axes but the last."""
    axes = tuple(range(expected.ndim - 1))
    energy = np.sum(expected**2, axis=axes)
    difference = np.sum((found - expected) ** 2, axis=axes)
    return np.sqrt(difference / np.where(energy > 0, energy, 1))


def errors(found: np.ndarray, expected: np.ndarray) -> dict[str, Any]:
    """Errors of maps [H, W, C]; the border is a quarter of the side wide.

    `interior`, `border`: relative L2 difference of each channel, apart.
    `sesn`: the interior's squared L2 difference over the squared norm, all channels
    together, as in the paper of scale-equivariant steerable networks.
    """
    border = len(expected) // 4
    inside = np.zeros(expected.shape[:2], bool)
    inside[border:-border, border:-border] = True
    whole = relative(found[inside].reshape(-1, 1), expected[inside].reshape(-1, 1))
    return {
        "interior": relative(found[inside], expected[inside]),
        "border": relative(found[~inside], expected[~inside]),
        "sesn": float(whole[0] ** 2),
    }


def medians(found: dict[str, Any]) -> dict[str, float]:
    """Medians over the channels."""
    return {name: float(np.median(values)) for name, values in found.items()}


def reduced_error(fn_at_sigma: Any, images: np.ndarray, *, sigma: float) -> float:
    """[dss] (25) for l = 1, all channels of all `images` [H, W, P] together.

    || F[f](2 sigma)(2 x) - F[S f](sigma)(x) || / || F[f](2 sigma)(2 x) ||, with S the
    image blurred by the discrete Gaussian of variance (4 - 1) / 4 px^2 and subsampled.
    """
    blurred = gdjax.smooth(images, np.sqrt(0.75), eps=None)
    small = np.asarray(blurred, images.dtype)[::2, ::2]
    large = np.asarray(fn_at_sigma(images, 2 * sigma), np.float64)[::2, ::2]
    reduced = np.asarray(fn_at_sigma(small, sigma), np.float64)
    return float(relative(reduced.reshape(-1, 1), large.reshape(-1, 1))[0])
