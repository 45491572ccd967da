"""What XLA is told: level 1 on CPUs, unless the user has said something else."""

import jax
import jax.numpy as jnp
import pytest

from gdjax_train.step import compiler_options


def test_the_user_comes_first(monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "--xla_backend_optimization_level=0")
    assert compiler_options() == {}


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="concerns CPUs")
def test_cpus_compile_at_a_low_level(monkeypatch):
    monkeypatch.delenv("XLA_FLAGS", raising=False)
    options = compiler_options()
    assert options == {"xla_backend_optimization_level": 1}
    # XLA refuses options that it doesn't know.
    double = jax.jit(lambda x: 2 * x, compiler_options=options)
    assert double(jnp.float32(3)) == 6
