"""Figures, drawn with matplotlib, which is imported only here.

Every function returns a `matplotlib.figure.Figure` that is not pyplot's: a notebook
shows it at the end of a cell, `figure.savefig(path)` writes it.
"""

from gdjax import extras


extras.require("gdjax.plots", "plots")

from gdjax.plots.activation_maps import activation_maps
from gdjax.plots.colours import net_colours
from gdjax.plots.contact_sheet import contact_sheet
from gdjax.plots.effective_filters import filter_sheet
from gdjax.plots.filter_fit import filter_fits
from gdjax.plots.generalisation import error_panels, generalisation_curve
from gdjax.plots.layers import feature_map_sizes, learned_sigmas, scores
from gdjax.plots.njet_filters import basis_normalisation, fitted_patches, njet_terms
from gdjax.plots.prediction import prediction_overlay
from gdjax.plots.receptive_fields import FieldPoint, score_over_parameters
from gdjax.plots.scale_ranges import (
    RangePoint,
    ScaleLine,
    error_over_range,
    scales_over_training,
)
from gdjax.plots.scale_selection import scale_selection_map, scale_selection_maps
from gdjax.plots.segmentation import segmentation_sheet
from gdjax.plots.tolerance import tolerance_panels


__all__ = [
    "FieldPoint",
    "RangePoint",
    "ScaleLine",
    "activation_maps",
    "basis_normalisation",
    "contact_sheet",
    "error_over_range",
    "error_panels",
    "feature_map_sizes",
    "filter_fits",
    "filter_sheet",
    "fitted_patches",
    "generalisation_curve",
    "learned_sigmas",
    "net_colours",
    "njet_terms",
    "prediction_overlay",
    "scale_selection_map",
    "scale_selection_maps",
    "scales_over_training",
    "score_over_parameters",
    "scores",
    "segmentation_sheet",
    "tolerance_panels",
]
