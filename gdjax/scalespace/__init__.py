"""Pure functions of scale-space theory: kernels, smoothing, N-jets."""

from gdjax.scalespace.bessel import (
    discrete_gaussian as discrete_gaussian,
    scaled_bessel as scaled_bessel,
)
from gdjax.scalespace.derivatives import (
    central_difference as central_difference,
    derivative_orders as derivative_orders,
    directional_derivative as directional_derivative,
)
from gdjax.scalespace.discretisation import Discretisation as Discretisation
from gdjax.scalespace.effective import effective_filters as effective_filters
from gdjax.scalespace.fitting import JetFit as JetFit, fit_njet as fit_njet
from gdjax.scalespace.gaussian_derivatives import (
    IntegratedGaussianDerivatives as IntegratedGaussianDerivatives,
    NormalizedSampledGaussianDerivatives as NormalizedSampledGaussianDerivatives,
    SampledGaussianDerivatives as SampledGaussianDerivatives,
    SpectralGaussian as SpectralGaussian,
)
from gdjax.scalespace.hybrids import (
    DiscreteGaussian as DiscreteGaussian,
    IntegratedGaussian as IntegratedGaussian,
    LinearlyIntegratedGaussian as LinearlyIntegratedGaussian,
    NormalizedSampledGaussian as NormalizedSampledGaussian,
    SampledGaussian as SampledGaussian,
)
from gdjax.scalespace.jets import (
    njet as njet,
    smooth as smooth,
)
from gdjax.scalespace.mixing import mix_njet as mix_njet
from gdjax.scalespace.scales import geometric_scales as geometric_scales
from gdjax.scalespace.truncation import truncation_radius as truncation_radius
from gdjax.scalespace.windows import (
    Window as Window,
    centre_window as centre_window,
    full_window as full_window,
    plan_windows as plan_windows,
)
