"""What XLA is told about whole networks, unless the user has said something else."""

import jax
import jax.numpy as jnp
import pytest

from gdjax_train.step import compiler_options


OPTIONS = {
    "cpu": {"xla_backend_optimization_level": 1},
    "gpu": {"xla_gpu_enable_triton_gemm": False},
    "tpu": {},
}
each = pytest.mark.parametrize("platform", OPTIONS)


@each
def test_the_user_comes_first(monkeypatch, platform):
    said = "--xla_backend_optimization_level=0 --xla_gpu_enable_triton_gemm=true"
    monkeypatch.setenv("XLA_FLAGS", said)
    monkeypatch.setattr(jax, "default_backend", lambda: platform)
    assert compiler_options() == {}


@each
def test_every_platform_has_its_options(monkeypatch, platform):
    monkeypatch.delenv("XLA_FLAGS", raising=False)
    monkeypatch.setattr(jax, "default_backend", lambda: platform)
    options = compiler_options()
    assert options == OPTIONS[platform]
    # XLA refuses options that it doesn't know, on any platform.
    double = jax.jit(lambda x: 2 * x, compiler_options=options)
    assert double(jnp.float32(3)) == 6
