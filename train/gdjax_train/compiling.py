"""What XLA is told about compiling."""

from __future__ import annotations

import os

import jax


def compiler_options() -> dict[str, int]:
    """For `jax.jit(..., compiler_options=...)` of whole networks.

    On CPUs, level 1 of optimisation in place of the default: less time to compile, and
    steps that we found as fast, since the products are library calls. What `XLA_FLAGS`
    say comes first.
    """
    asked = "backend_optimization_level" in os.environ.get("XLA_FLAGS", "")
    device = jax.config.jax_default_device  # pyright: ignore
    platform = getattr(device, "platform", device) or jax.default_backend()
    return {} if asked or platform != "cpu" else {"xla_backend_optimization_level": 1}
