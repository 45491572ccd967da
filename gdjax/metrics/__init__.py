"""Measurement: covariance, generalisation over size factors, internal scales."""

from gdjax.metrics.covariance import (
    assert_scale_covariant as assert_scale_covariant,
    scale_covariance_error as scale_covariance_error,
    scale_covariance_maps as scale_covariance_maps,
)
from gdjax.metrics.enlargement import (
    enlarge as enlarge,
    fourier_resample as fourier_resample,
)
from gdjax.metrics.generalisation import (
    accuracy_per_factor as accuracy_per_factor,
    scale_contributions as scale_contributions,
    scale_selection_histogram as scale_selection_histogram,
)
from gdjax.metrics.networks import (
    assert_scale_invariant as assert_scale_invariant,
    scale_channel_error as scale_channel_error,
    scale_invariance_error as scale_invariance_error,
)
from gdjax.metrics.scale_density import (
    ScaleDensity as ScaleDensity,
    density_of_samples as density_of_samples,
    log_normal as log_normal,
    log_uniform as log_uniform,
)
from gdjax.metrics.segmentation import (
    average_precision as average_precision,
    confusion_matrix as confusion_matrix,
    intersection_over_union as intersection_over_union,
    inverse_frequency_weights as inverse_frequency_weights,
    mean_average_precision as mean_average_precision,
    mean_iou as mean_iou,
    score_histograms as score_histograms,
)
from gdjax.metrics.semigroup import (
    semigroup_equivariance_error as semigroup_equivariance_error,
)
from gdjax.metrics.tolerance import (
    internal_scales as internal_scales,
    suggest_scales as suggest_scales,
    tolerance_components as tolerance_components,
    tolerance_mixture as tolerance_mixture,
)
from gdjax.metrics.tolerance_fit import (
    ToleranceFit as ToleranceFit,
    fit_tolerance as fit_tolerance,
)
from gdjax.metrics.translation import (
    assert_translation_covariant as assert_translation_covariant,
    assert_translation_invariant as assert_translation_invariant,
    translation_covariance_error as translation_covariance_error,
)
