"""Exported networks in files."""

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
import pytest

from gdjax.models import GaussDerNet


def test_exported_networks_are_written_and_read():
    pytest.importorskip("flatbuffers")  # of the extra `export`
    net = GaussDerNet(widths=(), num_classes=2)
    x = jnp.linspace(0, 1, 50).reshape(2, 5, 5, 1)
    variables = net.init(jax.random.key(0), x)
    (batch,) = jax.export.symbolic_shape("batch")
    run = jax.jit(lambda x: net.apply(variables, x)[0])
    shape = jax.ShapeDtypeStruct((batch, 5, 5, 1), x.dtype)
    content = jax.export.export(run)(shape).serialize()
    again = jax.export.deserialize(content)
    # The same program, but for what another batch size leaves to XLA.
    np.testing.assert_allclose(again.call(x), run(x), rtol=1e-6, atol=1e-6)
