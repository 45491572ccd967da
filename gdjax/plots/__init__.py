"""Figures, drawn with matplotlib, which is imported only here."""

from gdjax.plots.contact_sheet import contact_sheet


__all__ = ["contact_sheet"]
