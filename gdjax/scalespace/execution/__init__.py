"""The one room of speed: what is in here changes no value but by rounding (gdjax).

Everything else in `gdjax.scalespace` is mathematics. `plain` leaves this room out.
"""
