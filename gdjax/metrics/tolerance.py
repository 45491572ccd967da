"""Internal scales for data of known sizes: the tolerance model of [scale_learning].

Every internal scale of a network covers a range of scales of the data, a Gaussian over
log2 of the scale. The mixture of these tolerances is fitted to the distribution of the
data's scales. Scales are dimensionless, relative to the scale 1 of the data; tolerances
are in octaves.
"""

import math
from typing import Any

import numpy as np

from gdjax.metrics.scale_density import (
    LEAST_WIDTH,
    MOST_OCTAVES,
    ScaleDensity,
    check_number,
    check_positive,
    density_of_samples,
)
from gdjax.metrics.tolerance_fit import fit_tolerance, positions
from gdjax.scalespace.checks import check_order


# In octaves, for N internal scales: fitted jointly to log-uniform [1, 2^1.5],
# [1, 2^2.25] and [1, 2^3] over scales from .5 to 17, which gives the paper's at N = 3.
_TAU = {
    1: 0.954, 2: 0.608, 3: 0.459, 4: 0.388, 5: 0.350, 6: 0.331, 7: 0.320, 8: 0.313,
}  # fmt: skip


def internal_scales(reference: float, isr: float, count: int) -> np.ndarray:
    """S = [reference isr^(i / (N - 1)) for i in 0..N - 1].

    Args:
      reference: the smallest scale, > 0, dimensionless or in px.
      isr: internal scale range, the largest scale over the smallest, > 1.
      count: N >= 1; one scale is the reference, whatever the range.

    Returns:
      [N], float64, in the unit of `reference`.

    Raises:
      TypeError, ValueError: for arguments out of range.

    [scale_learning] (3).
    """
    count = check_order(count, name="count", lowest=1)
    first = check_number(reference, "reference")
    isr = check_number(isr, "isr", above=1.0, unit="ratio")
    if math.log2(first) + math.log2(isr) > MOST_OCTAVES:
        raise ValueError(
            f"`reference={first:g}` and `isr={isr:g}` make scales beyond"
            f" 2^{MOST_OCTAVES}: give smaller ones."
        )
    return first * isr ** positions(count)


def tolerance_components(scales: Any, internal: Any, *, tau: float) -> np.ndarray:
    """exp(-(x - log2 s_i)^2 / (2 tau^2)) for every internal scale s_i.

    Args:
      scales: of the data, [P], > 0; x is their log2.
      internal: internal scales [N], > 0.
      tau: tolerance, the standard deviation in octaves, > 0.

    Returns:
      [N, P], float64, with the peak 1.

    Raises:
      TypeError, ValueError: for arguments out of range.

    [scale_learning] sec. 3.2.
    """
    octaves = np.log2(check_positive(scales, "scales"))
    internal = check_positive(internal, "internal")
    if octaves.ndim != 1 or internal.ndim != 1 or internal.size == 0:
        raise ValueError(
            f"`scales` and `internal` of shapes {octaves.shape} and {internal.shape}"
            " must be [P] and [N], N >= 1."
        )
    tau = check_number(tau, "tau", above=LEAST_WIDTH, unit="width in octaves")
    return np.exp(-(((octaves - np.log2(internal)[:, None]) / tau) ** 2) / 2)


def tolerance_mixture(scales: Any, internal: Any, *, tau: float) -> np.ndarray:
    """The mixture of the tolerances, all of the same weight.

    Args:
      scales: of the data, [P], > 0.
      internal: internal scales [N], > 0.
      tau: tolerance, the standard deviation in octaves, > 0.

    Returns:
      [P], float64, per octave; the integral over all octaves is 1.

    Raises:
      TypeError, ValueError: for arguments out of range.

    [scale_learning] sec. 3.2.
    """
    components = tolerance_components(scales, internal, tau=tau)
    return components.mean(0) / (float(tau) * np.sqrt(2 * np.pi))


def suggest_scales(
    data: Any, count: int, *, sigma: float = 1.0, tau: float | None = None
) -> np.ndarray:
    """Internal scales, or sigmas of scale channels, for data of given scales.

    Args:
      data: a `ScaleDensity`, or scales [n] that were drawn or measured
        (`density_of_samples`), relative to the scale 1 of the data.
      count: N >= 1 internal scales.
      sigma: what fits data of scale 1, px. The default leaves the scales dimensionless.
      tau: tolerance in octaves, > 0. By default that of N scales fitted jointly to the
        paper's three distributions, .459 for N = 3 (N = 1 to 8: .954, .608, .459, .388,
        .350, .331, .320, .313); above, it is fitted to these data.

    Returns:
      [N], float64, ascending, in the unit of `sigma`.

    Raises:
      TypeError, ValueError: for arguments out of range.
      RuntimeError: if the fit needs more than 10,000 steps.

    [scale_learning] sec. 3.2.
    """
    sigma = check_number(sigma, "sigma", unit="sigma in px")
    count = check_order(count, name="count", lowest=1)
    density = data if isinstance(data, ScaleDensity) else density_of_samples(data)
    tau = _TAU.get(count) if tau is None else tau
    found = fit_tolerance(density, count, tau=tau).scales[0]
    if not math.log2(sigma) + math.log2(found[-1]) < MOST_OCTAVES:
        raise ValueError(f"`sigma={sigma:g}` px is too large for these scales.")
    return sigma * found
