"""gdjax: networks that generalise over image scale, in JAX.

The pure functions of `gdjax.scalespace` are re-exported here; modules are in
`gdjax.layers` and `gdjax.models`, measurement in `gdjax.metrics`, data in `gdjax.data`.
"""

from gdjax.scalespace import (
    DiscreteGaussian as DiscreteGaussian,
    Discretisation as Discretisation,
    IntegratedGaussian as IntegratedGaussian,
    IntegratedGaussianDerivatives as IntegratedGaussianDerivatives,
    LinearlyIntegratedGaussian as LinearlyIntegratedGaussian,
    NormalizedSampledGaussian as NormalizedSampledGaussian,
    NormalizedSampledGaussianDerivatives as NormalizedSampledGaussianDerivatives,
    SampledGaussian as SampledGaussian,
    SampledGaussianDerivatives as SampledGaussianDerivatives,
    SpectralGaussian as SpectralGaussian,
    central_difference as central_difference,
    derivative_orders as derivative_orders,
    directional_derivative as directional_derivative,
    discrete_gaussian as discrete_gaussian,
    effective_filters as effective_filters,
    fit_njet as fit_njet,
    gaussian_filter as gaussian_filter,
    geometric_scales as geometric_scales,
    njet as njet,
    scaled_bessel as scaled_bessel,
    smooth as smooth,
    truncation_radius as truncation_radius,
)


__version__ = "0.1.0"
