"""Mean and deviation of the grey levels of digits at drawn sizes on black canvases."""

from __future__ import annotations

import math

from gdjax.models import Preprocessing

from .scale_distribution import ScaleDistribution, mean_square


# Of the training images of MNIST, in grey levels 0..1; their side in px.
MEAN, STD, SIDE = 0.1307, 0.3081, 28


def standardised(
    canvas: int,
    scales: ScaleDistribution,
    *,
    mean: float = MEAN,
    std: float = STD,
    side: int = SIDE,
) -> Preprocessing:
    """Subtracts the mean of the canvases, and divides by their deviation.

    Sums of grey levels, and of their squares, grow with the square of the factor.

    Args:
      canvas: its side in px.
      scales: of the images on it; none reaches over its border with more than black.
      mean: of the images themselves, grey levels 0..1.
      std: of the images themselves.
      side: of the images in px.

    Returns:
      Both rounded to four decimals.

    [scale_learning] App. A.1: "After initialisation the dataset is normalised". Choice:
    by the distribution of factors, not by those that were drawn.
    """
    # More than the canvas is cut off.
    share = min(1.0, mean_square(scales) * (side / canvas) ** 2)
    square = share * (mean**2 + std**2)
    mean = share * mean
    return Preprocessing(
        mean=(round(mean, 4),), std=(round(math.sqrt(square - mean**2), 4),)
    )
