"""Arrays of networks in files: what is written can be read, the rest is refused."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gdjax.models import NJetToy, load_network, save_network


TOY, OWN = NJetToy(widths=(2,), num_classes=3), nn.Dense(3)
SHAPE = (6, 6, 1)


@pytest.fixture(scope="module")
def variables():
    blank = jax.ShapeDtypeStruct((1, *SHAPE), jnp.float32)
    wanted = jax.eval_shape(lambda x: TOY.init(jax.random.key(0), x), blank)
    rng = np.random.default_rng(0)
    return jax.tree.map(lambda a: rng.random(a.shape, np.float32), wanted)


@pytest.mark.parametrize("dtype", ["<f4", ">f4", ">f8", ">f2", ">i4", jnp.bfloat16])
def test_any_byte_order_is_written(dtype, tmp_path):
    array = np.arange(6).reshape(2, 3).astype(dtype)
    save_network(tmp_path / "net", OWN, {"params": {"kernel": array}})
    found = load_network(tmp_path / "net", model=OWN).variables["params"]["kernel"]
    assert found.dtype == array.dtype.newbyteorder("=")
    np.testing.assert_array_equal(found, array)


def test_networks_in_the_other_byte_order_come_back(variables, tmp_path):
    swapped = jax.tree.map(lambda a: a.astype(">f4"), variables)
    save_network(tmp_path / "net", TOY, swapped, image_shape=SHAPE)
    found = load_network(tmp_path / "net").variables
    jax.tree.map(np.testing.assert_array_equal, found, variables)


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        ({}, ValueError, '`variables` has no arrays in "params"'),
        ({"a": {}}, ValueError, '`variables` has no arrays in "params"'),
        ({"a": np.zeros(2, jnp.float8_e5m2)}, TypeError, "params/a is float8"),
        ({"a": np.zeros(2, jnp.float8_e4m3fn)}, TypeError, "params/a is float8"),
        ({"a": np.zeros(2, jnp.int4)}, ValueError, "params/a is int4; give"),
        ({"a": np.zeros(2, complex)}, ValueError, "params/a is complex128; give"),
        ({"a": [[1], [1, 2]]}, ValueError, "params/a is no array"),
        ({0: np.zeros(2)}, TypeError, "`variables`: params has the name 0: give str"),
        ({"a/b": np.zeros(2)}, ValueError, "params has the name 'a/b'"),
    ],
)
def test_what_could_not_be_loaded_is_not_saved(params, error, message, tmp_path):
    with pytest.raises(error, match=message):
        save_network(tmp_path / "net", OWN, {"params": params})
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(np.longdouble(0).itemsize <= 8, reason="longdouble is float64 here")
def test_long_doubles_are_named(tmp_path):
    with pytest.raises(TypeError, match=r"params/a is .*astype\(np.float32\)"):
        save_network(
            tmp_path / "net", OWN, {"params": {"a": np.zeros(2, np.longdouble)}}
        )


def test_arrays_of_other_networks_are_not_saved(variables, tmp_path):
    short = jax.tree.map(lambda a: np.ones(7, np.float32), variables)
    for model in (TOY, TOY.clone(widths=(4,))):
        given = short if model is TOY else variables
        with pytest.raises(ValueError, match="`variables` are not those.*expected"):
            save_network(tmp_path / "net", model, given, image_shape=SHAPE)
    with pytest.raises(ValueError, match=r"`image_shape=\(1, 1, 1\)` is none"):
        save_network(tmp_path / "net", TOY, variables, image_shape=(1, 1, 1))
    assert not list(tmp_path.iterdir())
