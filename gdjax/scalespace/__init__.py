"""Pure functions of scale-space theory: kernels, smoothing, N-jets.

Four steps lead from a scale to a layer, one file each:

1. A discretisation gives 1-D kernels of every derivative order (`kernels`, on the
   protocol of `discretisation`; the discrete Gaussian itself is `bessel`).
2. Along an axis, with its border rule, a kernel is a matrix (`matrices`).
3. One axis after the other, the matrices give the scale-space representation and its
   N-jet (`jets`, in the order of `separable`).
4. A layer is a learned combination of the N-jet, which is never stored (`combine`):
   differences of a smoothed map as one small convolution (`stencil`), matrices of every
   order with the mixing between the axes (`separable`), or the same in the few
   dimensions where a coarse jet lives (`low_rank`).

What changes only speed is in `execution`; `with plain():` leaves it out. Around it:
`derivatives` (multi-indices and differences), `windows` (which pixels are needed),
`resampling` (other grids), `scales`, `filters` (effective filters and fits), `checks`.

Scale spaces over the semigroup of downscalings are in `semigroup` (lift, action,
correlation) and `scale_correlation`.
"""

from gdjax.scalespace.bessel import (
    discrete_gaussian as discrete_gaussian,
    scaled_bessel as scaled_bessel,
)
from gdjax.scalespace.combine import mix_njet as mix_njet
from gdjax.scalespace.derivatives import (
    central_difference as central_difference,
    derivative_orders as derivative_orders,
    directional_derivative as directional_derivative,
)
from gdjax.scalespace.disco import (
    DiscoBasis as DiscoBasis,
    disco_basis as disco_basis,
    equivariance_loss as equivariance_loss,
)
from gdjax.scalespace.discretisation import (
    Discretisation as Discretisation,
    truncation_radius as truncation_radius,
)
from gdjax.scalespace.execution.routines import plain as plain
from gdjax.scalespace.filters import (
    JetFit as JetFit,
    effective_filters as effective_filters,
    fit_njet as fit_njet,
)
from gdjax.scalespace.hermite import (
    HermiteA as HermiteA,
    HermiteB as HermiteB,
    hermite_basis_a as hermite_basis_a,
    hermite_basis_b as hermite_basis_b,
)
from gdjax.scalespace.jets import (
    njet as njet,
    smooth as smooth,
)
from gdjax.scalespace.kernels import (
    DiscreteGaussian as DiscreteGaussian,
    IntegratedGaussian as IntegratedGaussian,
    IntegratedGaussianDerivatives as IntegratedGaussianDerivatives,
    LinearlyIntegratedGaussian as LinearlyIntegratedGaussian,
    NormalizedSampledGaussian as NormalizedSampledGaussian,
    NormalizedSampledGaussianDerivatives as NormalizedSampledGaussianDerivatives,
    SampledGaussian as SampledGaussian,
    SampledGaussianDerivatives as SampledGaussianDerivatives,
    SpectralGaussian as SpectralGaussian,
)
from gdjax.scalespace.matrices import Filter as Filter
from gdjax.scalespace.ndimage import gaussian_filter as gaussian_filter
from gdjax.scalespace.scale_correlation import (
    extend_scale_axis as extend_scale_axis,
    scale_space_correlation as scale_space_correlation,
)
from gdjax.scalespace.scales import geometric_scales as geometric_scales
from gdjax.scalespace.semigroup import (
    scale_action as scale_action,
    scale_space_lift as scale_space_lift,
    semigroup_correlation as semigroup_correlation,
    shift_levels as shift_levels,
)
from gdjax.scalespace.windows import (
    Window as Window,
    centre_window as centre_window,
    full_window as full_window,
    plan_windows as plan_windows,
)
