"""The one room of speed: what is in here changes no value but by rounding (gdjax).

Everything else in `gdjax.scalespace` is mathematics. `plain` leaves this room out.

  routines    functions in two forms, of which CPUs take the second
  chunks      a few images at a time, and from which size on
  products    matrix products, and differences as matrix products
  recompute   rematerialisation
"""

from gdjax.scalespace.execution.chunks import (
    MAPS as MAPS,
    PIXELS as PIXELS,
    in_chunks as in_chunks,
    worth_chunks as worth_chunks,
)
from gdjax.scalespace.execution.products import (
    HIGHEST as HIGHEST,
    along_axis as along_axis,
    difference_products as difference_products,
    difference_products_backward as difference_products_backward,
    einsum as einsum,
    matmul as matmul,
    mix_channels as mix_channels,
)
from gdjax.scalespace.execution.recompute import recomputed as recomputed
from gdjax.scalespace.execution.routines import (
    Routine as Routine,
    kept_apart as kept_apart,
    plain as plain,
    plainly as plainly,
)
