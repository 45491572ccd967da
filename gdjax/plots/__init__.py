"""Figures, drawn with matplotlib, which is imported only here."""

from gdjax import extras


extras.require("gdjax.plots", "plots")

from gdjax.plots.contact_sheet import contact_sheet


__all__ = ["contact_sheet"]
