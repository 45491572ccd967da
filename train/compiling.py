"""What XLA is told about compiling."""

from __future__ import annotations

import os

from gdjax.scalespace.chunks import on_cpu


def compiler_options() -> dict[str, int]:
    """For `jax.jit(..., compiler_options=...)` of whole networks.

    On CPUs, level 1 of optimisation in place of the default: less time to compile, and
    steps that we found as fast, since the products are library calls. What `XLA_FLAGS`
    say comes first.
    """
    asked = "backend_optimization_level" in os.environ.get("XLA_FLAGS", "")
    return {} if asked or not on_cpu() else {"xla_backend_optimization_level": 1}
