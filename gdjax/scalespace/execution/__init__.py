"""The one room of speed: what is in here changes no value but by rounding (gdjax).

Everything else in `gdjax.scalespace` is mathematics. `plain` leaves this room out.

  routines    functions in two forms, of which CPUs take the second
  chunks      a few images at a time, and from which size on
  products    matrix products, and differences as matrix products
  recompute   rematerialisation
"""
