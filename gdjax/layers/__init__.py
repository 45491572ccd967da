"""Flax Linen layers: one learnable idea a file."""

from gdjax.layers.active_scales import ActiveScales as ActiveScales
from gdjax.layers.convolutions import (
    dilated_convolution as dilated_convolution,
    njet_convolution as njet_convolution,
    plain_convolution as plain_convolution,
)
from gdjax.layers.deformable import DeformableConv as DeformableConv
from gdjax.layers.dense_scale_conv import DenseScaleConv as DenseScaleConv
from gdjax.layers.gaussian_derivative import (
    GaussianDerivative as GaussianDerivative,
    he_uniform as he_uniform,
)
from gdjax.layers.learned_scales import LearnedScales as LearnedScales
from gdjax.layers.njet_conv import (
    LearnedSigma as LearnedSigma,
    NJetConv as NJetConv,
    sigma_of as sigma_of,
)
from gdjax.layers.norm import SharedBatchNorm as SharedBatchNorm
from gdjax.layers.residual import ResidualBlock as ResidualBlock
from gdjax.layers.scale_conv import ScaleConv as ScaleConv
from gdjax.layers.scale_correlation import (
    ScaleSpaceCorrelation as ScaleSpaceCorrelation,
)
from gdjax.layers.selection import (
    centre_pixel as centre_pixel,
    keep_scales as keep_scales,
    logsumexp_over_scales as logsumexp_over_scales,
    max_over_scales as max_over_scales,
    mean_over_scales as mean_over_scales,
    spatial_max as spatial_max,
    spatial_mean as spatial_mean,
)
from gdjax.scalespace.resampling import (
    safe_sizes as safe_sizes,
    subsample_to as subsample_to,
)
