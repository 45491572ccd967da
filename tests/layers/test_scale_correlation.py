"""The layer of deep scale-spaces: values by loops, initial weights, fields."""

import math

import flax.errors
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

import gdjax
from gdjax.layers import ScaleSpaceCorrelation
from gdjax.layers.scale_correlation import he_levels, matched_pairs


def noise(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def variables_of(layer, inputs, *, seed=3):
    """Variables in float64 with a bias that is not 0."""
    x = np.zeros((layer.scale_dim, 8, 8, inputs), np.float32)
    shapes = jax.eval_shape(layer.init, jax.random.key(0), x)
    rng = np.random.default_rng(seed)
    return jax.tree.map(lambda leaf: rng.standard_normal(leaf.shape), shapes)


FIELDS = {
    "default": {},
    "levels": {"scale_dim": 2, "scale_axis": "continue", "zero_scale": 0.6},
    "base 3, even": {"base": 3, "scale_dim": 2, "kernel_size": (2, 3)},
    "real": {"base": 1.5, "padding": "wrap", "scale_dim": 3, "scale_axis": "extend"},
    "no bias": {"use_bias": False, "padding": "edge", "scale_axis": "replicate"},
}


@pytest.mark.parametrize("name", FIELDS)
def test_the_layer_is_the_correlation_by_loops_and_a_bias(
    scale_correlation_oracle, name
):
    layer = ScaleSpaceCorrelation(3, **FIELDS[name])
    x, variables = noise(2, 3, 11, 10, 2), variables_of(layer, 2)
    params = variables["params"]
    wanted = scale_correlation_oracle(
        x, params["kernel"], base=layer.base, padding=layer.padding,
        scale_axis=layer.scale_axis, zero_scale=layer.zero_scale,
    )  # fmt: skip
    assert ("bias" in params) == layer.use_bias
    if layer.use_bias:  # one for all levels
        wanted = wanted + params["bias"]
    # Sums of up to 54 products, as in the tests of the function.
    for dtype, tolerance in ((np.float32, 1e-5), (np.float64, 1e-12)):
        with jax.enable_x64(dtype == np.float64):
            cast = jax.tree.map(lambda leaf, dtype=dtype: leaf.astype(dtype), variables)
            found = jax.jit(layer.apply)(cast, x.astype(dtype))
            assert found.dtype == dtype and found.shape == wanted.shape
            np.testing.assert_allclose(
                found, wanted, rtol=0, atol=tolerance * np.abs(wanted).max()
            )


def test_parameters_have_the_shapes_of_the_docstring():
    layer = ScaleSpaceCorrelation(5, kernel_size=[3, 2], scale_dim=2)
    variables = jax.jit(layer.init)(jax.random.key(0), jnp.zeros((2, 8, 8, 3)))
    params = variables["params"]
    assert params["kernel"].shape == (2, 3, 2, 3, 5)
    assert params["bias"].shape == (5,) and not params["bias"].any()
    assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {np.dtype("float32")}
    assert set(variables) == {"params"}


def test_the_discretisation_is_that_of_continued_levels():
    x = noise(1, 6, 6, 1).astype(np.float32)
    kernel = np.zeros((2, 1, 1, 1, 1), np.float32)
    kernel[1] = 1  # x as the next level would be
    for kind in (gdjax.DiscreteGaussian(), gdjax.SampledGaussian()):
        layer = ScaleSpaceCorrelation(
            1, (1, 1), 2, scale_axis="continue", discretisation=kind
        )
        # The layer needs as many levels as its filters have.
        found = layer.apply(
            {"params": {"kernel": kernel, "bias": np.zeros(1)}}, np.stack([x[0]] * 2)
        )
        wanted = gdjax.smooth(x[0], math.sqrt(3.75 - 0.75), discretisation=kind)
        np.testing.assert_allclose(found[1], wanted, atol=1e-6)


# --------------------------------------------------------------------- initial weights


@pytest.mark.parametrize(
    ("inputs", "outputs", "taps"),
    [(4, 4, (3, 3)), (4, 8, (2, 4)), (6, 4, (3, 3)), (1, 3, (1, 5)), (3, 5, (3, 2))],
)
def test_matched_pairs_have_the_centres_of_their_formula(inputs, outputs, taps):
    draw = jax.jit(matched_pairs, static_argnums=1)
    kernel = np.asarray(draw(jax.random.key(1), (2, *taps, inputs, outputs)))
    common = math.gcd(inputs, outputs)
    for i, o in np.ndindex(inputs, outputs):
        matched = math.floor(i * common / inputs) == math.floor(o * common / outputs)
        centres = kernel[:, taps[0] // 2, taps[1] // 2, i, o]
        if matched:
            np.testing.assert_array_equal(centres, np.float32(common / outputs))
        else:  # noise, as at all other places
            assert (np.abs(centres) < 6e-2).all() and (centres != 0).all()
    # What a level hands on: each input once, in parts; so sums over channels are kept,
    # and means between layers of as many channels. Noise is below a tenth of that.
    centres = kernel[:, taps[0] // 2, taps[1] // 2]
    centres = np.where(np.abs(centres) < 6e-2, 0, centres)
    np.testing.assert_allclose(centres.sum(-1), 1, rtol=1e-6)
    if inputs == outputs:
        np.testing.assert_array_equal(centres, np.stack([np.eye(inputs)] * 2))


def test_all_but_the_centre_is_noise_of_a_hundredth():
    kernel = np.array(matched_pairs(jax.random.key(0), (2, 5, 5, 16, 16)))
    off = np.ones((5, 5), bool)
    off[2, 2] = False
    values = kernel[:, off]
    # 12288 draws: the deviation is known to 1 / sqrt(2 n) = 0.6 %.
    np.testing.assert_allclose(values.std(), 1e-2, rtol=0.03)
    assert abs(values.mean()) < 5e-4 and (values != 0).all()


def test_one_level_and_one_channel_are_handed_on_but_for_noise():
    layer = ScaleSpaceCorrelation(1)
    x = noise(2, 8, 8, 1).astype(np.float32)
    y, _ = jax.jit(layer.init_with_output)(jax.random.key(0), x)
    # 8 terms of noise of a hundredth.
    assert np.abs(y - x).std() < 2 * math.sqrt(8) * 1e-2 * x.std()


def test_he_weights_have_the_variance_of_all_that_is_summed():
    shape = (2, 2, 3, 32, 64)
    kernel = np.asarray(he_levels(jax.random.key(0), shape))
    fan_in = math.prod(shape[:-1])
    # Uniform, n = 24576: the variance is known to sqrt(0.8 / n) = 0.6 %.
    np.testing.assert_allclose(kernel.var(), 2 / fan_in, rtol=0.03)
    assert np.abs(kernel).max() <= math.sqrt(6 / fan_in) * (1 + 1e-6)
    layer = ScaleSpaceCorrelation(
        shape[-1], shape[1:3], shape[0], start="he", use_bias=False
    )
    x = jnp.zeros((shape[0], 4, 4, shape[3]))
    drawn = jax.jit(layer.init)(jax.random.key(0), x)["params"]["kernel"]
    np.testing.assert_allclose(np.asarray(drawn).var(), 2 / fan_in, rtol=0.03)


# ---------------------------------------------------------------- under JAX's functions


def test_gradients_are_finite_differences(x64):
    layer = ScaleSpaceCorrelation(2, scale_dim=2, scale_axis="continue")
    variables = variables_of(layer, 2)
    check_grads(
        jax.jit(layer.apply), (variables, noise(2, 5, 4, 2)), order=1,
        modes=("rev",), atol=1e-6, rtol=1e-6,
    )  # fmt: skip


@pytest.mark.parametrize("name", ["levels", "real"])
def test_gradients_of_initial_weights_are_finite(name):
    layer = ScaleSpaceCorrelation(3, **FIELDS[name])
    x = noise(3, 10, 10, 2).astype(np.float32)
    variables = jax.jit(layer.init)(jax.random.key(0), x)

    def loss(variables, x):
        return jnp.square(layer.apply(variables, x)).sum()

    for leaf in jax.tree.leaves(jax.jit(jax.grad(loss, (0, 1)))(variables, x)):
        assert np.isfinite(leaf).all() and np.abs(leaf).max() > 0


def test_leading_axes_and_vmap_are_a_loop(x64):
    layer = ScaleSpaceCorrelation(2, scale_dim=2)
    variables, x = variables_of(layer, 2), noise(2, 2, 3, 6, 6, 2)
    run = jax.jit(layer.apply)
    wanted = np.stack([[run(variables, one) for one in row] for row in x])
    for found in (run(variables, x), jax.vmap(run, (None, 0))(variables, x)):
        np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-12)


def test_bfloat16_stays_and_dtype_sets_that_of_the_output():
    x = noise(2, 8, 8, 2).astype(np.float32)
    layer = ScaleSpaceCorrelation(2, scale_dim=2)
    variables = jax.tree.map(lambda v: v.astype(np.float32), variables_of(layer, 2))
    wanted = np.asarray(jax.jit(layer.apply)(variables, x))
    low = jnp.asarray(x, jnp.bfloat16)
    for kind, given in ((layer, low), (layer.clone(dtype=jnp.bfloat16), x)):
        found = jax.jit(kind.apply)(variables, given)
        assert found.dtype == jnp.bfloat16
        # Rounded to 2^-9 = 0.2 %, some times in a row.
        np.testing.assert_allclose(
            found.astype(np.float32), wanted, rtol=0, atol=0.02 * np.abs(wanted).max()
        )
    assert layer.clone(dtype=jnp.float32).apply(variables, low).dtype == jnp.float32


# -------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("fields", "error", "message"),
    [
        ({"features": 0}, ValueError, "`features=0` must be >= 1"),
        ({"features": 2.5}, TypeError, "`features=2.5` must be an int"),
        ({"kernel_size": 3}, TypeError, "`kernel_size=3` must be a tuple of 2 ints"),
        ({"kernel_size": (3,)}, ValueError, r"`kernel_size=\(3,\)` must be a tuple"),
        ({"kernel_size": (3, 0)}, ValueError, "`kernel_size=0` must be >= 1"),
        ({"kernel_size": (3, 1.5)}, TypeError, "`kernel_size=.* a tuple of 2 ints"),
        ({"scale_dim": 0}, ValueError, "`scale_dim=0` must be >= 1"),
        ({"scale_dim": True}, TypeError, "`scale_dim=True` must be an int"),
        ({"base": 1}, ValueError, "`base=1.0` must be a number above 1"),
        ({"base": math.nan}, ValueError, "`base=nan` must be a finite"),
        ({"scale_axis": "zero"}, ValueError, "`scale_axis='zero'` must be one of"),
        ({"padding": "reflect"}, ValueError, "`padding='reflect'` must be one of"),
        ({"start": "identity"}, ValueError, "`start='identity'` must be one of"),
        ({"zero_scale": 0}, ValueError, "`zero_scale=0.0`"),
        ({"zero_scale": math.nan}, ValueError, "`zero_scale=nan` must be a finite"),
    ],
)
def test_bad_fields_are_named(fields, error, message):
    with pytest.raises(error, match=message):
        ScaleSpaceCorrelation(**({"features": 2} | fields))


@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        (np.zeros((2, 8, 8, 1), np.int32), TypeError, "dtype int32; convert it first"),
        (np.zeros((8, 8, 1)), ValueError, r"`f` of shape \(8, 8, 1\) must be lifted"),
        (
            np.zeros((1, 8, 8, 1)),
            ValueError,
            "scale dimension 2 .* the 1 levels of `f`",
        ),
        (np.zeros((5, 8, 8, 1)), ValueError, "8 x 8 px are too small .* 16 px"),
    ],
)
def test_bad_input_is_named(x, error, message):
    layer = ScaleSpaceCorrelation(2, scale_dim=2)
    with pytest.raises(error, match=message):
        layer.init(jax.random.key(0), x)


def test_another_number_of_channels_than_at_the_start():
    layer = ScaleSpaceCorrelation(2)
    variables = layer.init(jax.random.key(0), jnp.zeros((2, 8, 8, 3)))
    with pytest.raises(flax.errors.ScopeParamShapeError, match="kernel"):
        layer.apply(variables, jnp.zeros((2, 8, 8, 1)))
