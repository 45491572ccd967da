"""Gaussians and their derivatives at real positions, by Hermite polynomials."""

import math
from typing import Any


def hermite(order: int, x: Any) -> Any:
    """Probabilists' Hermite polynomial He_n(x), by recurrence; same shape as `x`.

    He_{n+1} = x He_n - n He_{n-1}: [njet] (2) up to its normalisation.
    """
    previous, current = 0 * x, 0 * x + 1
    for n in range(order):
        previous, current = current, x * current - n * previous
    return current


def gaussian(xp: Any, x: Any, sigma: Any) -> Any:
    """g(x; sigma), the continuous 1-D Gaussian, at `x` in px. [gaussdernet] (2)."""
    return xp.exp(-(x**2) / (2 * sigma**2)) / (math.sqrt(2 * math.pi) * sigma)


def gaussian_derivative(xp: Any, order: int, x: Any, sigma: Any) -> Any:
    """(-1)^a d^a g / dx^a = sigma^-a He_a(x / sigma) g(x): taps in correlation form."""
    return hermite(order, x / sigma) * gaussian(xp, x, sigma) / sigma**order
