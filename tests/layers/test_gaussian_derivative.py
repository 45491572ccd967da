"""The layer against a slow float64 twin, and its windows, gradients and precision."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gdjax
from gdjax.layers import GaussianDerivative
from gdjax.scalespace import centre_window, full_window, plan_windows


PADDINGS = ["zero", "symmetric", "edge", "wrap"]
DISCRETISATIONS = [
    gdjax.DiscreteGaussian(),
    gdjax.SampledGaussian(),
    gdjax.NormalizedSampledGaussian(),
    gdjax.IntegratedGaussian(),
    gdjax.LinearlyIntegratedGaussian(),
    gdjax.SampledGaussianDerivatives(),
    gdjax.IntegratedGaussianDerivatives(),
    gdjax.NormalizedSampledGaussianDerivatives(),
    gdjax.SpectralGaussian(),
]
every = pytest.mark.parametrize(
    "discretisation", DISCRETISATIONS, ids=lambda d: type(d).__name__
)


def with_two_paddings(first):
    """Every discretisation with two of the paddings; other tests have the others."""
    return pytest.mark.parametrize(
        ("discretisation", "padding"),
        [
            pytest.param(d, PADDINGS[(k + j) % 4], id=f"{type(d).__name__}-{j}")
            for k, d in enumerate(DISCRETISATIONS)
            for j in (first, first + 1)
        ],
    )


def noise(*shape, seed=0, dtype=np.float32):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def weights(order, inputs, outputs, *, zero_order=False, ndim=2, dtype=np.float32):
    count = len(gdjax.derivative_orders(order, zero_order=zero_order, ndim=ndim))
    kernel = noise(count, inputs, outputs, seed=1, dtype=dtype)
    return {"params": {"kernel": kernel, "bias": noise(outputs, seed=2, dtype=dtype)}}


def oracle(layer_oracle, variables, x, sigma, layer):
    parameters = variables["params"]
    return layer_oracle(
        x, parameters["kernel"], parameters["bias"], sigma, order=layer.order,
        zero_order=layer.zero_order, discretisation=layer.discretisation,
        padding=layer.padding, eps=layer.eps, ndim=layer.ndim,
    )  # fmt: skip


@with_two_paddings(0)
def test_layer_is_the_mixed_jet_in_float32(layer_oracle, discretisation, padding):
    x, variables = noise(2, 10, 9, 2), weights(2, 2, 3)
    for sigma in (0.6, 1, 2):
        layer = GaussianDerivative(
            3, sigma=sigma, discretisation=discretisation, padding=padding
        )
        expected = oracle(layer_oracle, variables, x, sigma, layer)
        y = layer.apply(variables, x)
        assert y.shape == (2, 10, 9, 3) and y.dtype == np.float32
        # Differences of a smoothed map: some roundings of values of size 10.
        assert abs(y - expected).max() <= 1e-5 * abs(expected).max()


@with_two_paddings(2)
@pytest.mark.parametrize("eps", [None, 0.005])
def test_layer_is_the_mixed_jet_in_float64(
    x64, layer_oracle, discretisation, padding, eps
):
    x = noise(1, 10, 9, 2, dtype=np.float64)
    rings = discretisation == gdjax.SpectralGaussian() and eps is None
    for order, sigma, zero_order in [(2, 0.7, True), (4, 6, False)]:
        if rings and padding != "zero":  # no finite oracle below sigma = 2.5 px
            sigma = max(sigma, 3)
        variables = weights(order, 2, 2, zero_order=zero_order, dtype=np.float64)
        layer = GaussianDerivative(
            2, order=order, zero_order=zero_order, padding=padding, eps=eps,
            discretisation=discretisation,
        )  # fmt: skip
        expected = oracle(layer_oracle, variables, x, sigma, layer)
        y = layer.apply(variables, x, sigma=sigma)
        assert y.dtype == np.float64
        assert abs(y - expected).max() <= 1e-10 * abs(expected).max()


@pytest.mark.parametrize("order", [1, 3])
@pytest.mark.parametrize("ndim", [1, 3])
def test_other_dimensions_and_orders(x64, layer_oracle, order, ndim):
    x = noise(2, *(7, 5, 6)[:ndim], 2, dtype=np.float64)
    variables = weights(order, 2, 2, ndim=ndim, dtype=np.float64)
    for discretisation in (gdjax.DiscreteGaussian(), gdjax.SpectralGaussian()):
        layer = GaussianDerivative(
            2, order=order, ndim=ndim, discretisation=discretisation
        )
        expected = oracle(layer_oracle, variables, x, 1.2, layer)
        y = layer.apply(variables, x, sigma=1.2)
        assert abs(y - expected).max() <= 1e-10 * abs(expected).max()


@every
def test_layer_is_the_librarys_own_jet_times_the_kernel(x64, discretisation):
    # Also where the kernel is wider than the image and nothing is truncated.
    x, variables = noise(8, 8, 2, dtype=np.float64), weights(2, 2, 3, dtype=np.float64)
    factors = np.array([1, 1, 1 / 2, 1, 1 / 2])
    for sigma in (1.0, 5.0):
        options = {"discretisation": discretisation, "eps": None}
        jet = gdjax.njet(x, sigma, **options)
        kernel = variables["params"]["kernel"]
        expected = np.einsum("hwac,aco,a->hwo", jet, kernel, factors)
        y = GaussianDerivative(3, **options).apply(variables, x, sigma=sigma)
        y = y - variables["params"]["bias"]
        np.testing.assert_allclose(y, expected, rtol=0, atol=1e-10)


@with_two_paddings(1)
def test_a_window_of_the_output_equals_that_of_full_evaluation(discretisation, padding):
    x, variables = noise(1, 18, 25, 2), weights(2, 2, 3)
    for eps, sigma in ((0.005, 1.0), (None, 4.0)):
        layer = GaussianDerivative(
            3, discretisation=discretisation, padding=padding, eps=eps
        )
        full = layer.apply(variables, x, sigma=sigma)
        plans = [
            plan_windows(centre_window(n), [layer.filter().reach(sigma)], padding)
            for n in (18, 25)
        ]
        sources, targets = zip(*plans, strict=True)
        crop, wanted = (
            (..., *[slice(w.start, w.stop) for w in windows], slice(None))
            for windows in (sources, targets)
        )
        y = layer.apply(
            variables, x[crop], sigma=sigma, sources=sources, targets=targets
        )
        assert y.shape[1:3] == (2, 1)
        scale = abs(np.asarray(full)).max()
        np.testing.assert_allclose(y, full[wanted], rtol=0, atol=1e-5 * scale)


def test_windows_at_the_border_are_clipped():
    x, variables = noise(1, 20, 20, 1), weights(2, 1, 2)
    layer = GaussianDerivative(2, sigma=1.0, padding="edge")
    full = layer.apply(variables, x)
    targets = (full_window(20)._replace(stop=3), full_window(20)._replace(start=18))
    reach = layer.filter().reach(1.0)
    sources = tuple(plan_windows(w, [reach], "edge")[0] for w in targets)
    assert sources[0].start == 0 and sources[1].stop == 20
    crop = x[:, sources[0].start : sources[0].stop, sources[1].start : sources[1].stop]
    y = layer.apply(variables, crop, sources=sources, targets=targets)
    np.testing.assert_allclose(y, full[:, :3, 18:], rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("discretisation", "padding"),
    [
        (gdjax.DiscreteGaussian(), "zero"),
        (gdjax.DiscreteGaussian(), "symmetric"),
        (gdjax.NormalizedSampledGaussian(), "edge"),
        (gdjax.SpectralGaussian(), "zero"),
        (gdjax.SpectralGaussian(), "wrap"),
    ],
    ids=str,
)
def test_vmap_over_sigma_equals_a_loop(discretisation, padding):
    # On 12 px the kernels of the two large sigmas don't fit the image.
    x, variables = noise(1, 12, 12, 2), weights(2, 2, 3)
    sigmas = np.array([0.5, 1.0, 1.7, 4.0, 6.0], np.float32)
    layer = GaussianDerivative(3, padding=padding, discretisation=discretisation)
    fn = jax.jit(jax.vmap(lambda s: layer.apply(variables, x, sigma=s)))
    loop = np.stack([layer.apply(variables, x, sigma=float(s)) for s in sigmas])
    # Kernels made in float32 instead of float64: 3e-7 of the peak, times sigma^2
    # where differences cancel.
    np.testing.assert_allclose(fn(sigmas), loop, rtol=0, atol=1e-4)


def test_jit_equals_eager_and_the_field_equals_the_argument():
    x, variables = noise(2, 9, 8, 2), weights(2, 2, 3)
    layer = GaussianDerivative(3, sigma=1.5)
    eager = layer.apply(variables, x)
    np.testing.assert_allclose(jax.jit(layer.apply)(variables, x), eager, atol=1e-5)
    called = GaussianDerivative(3).apply(variables, x, sigma=1.5)
    np.testing.assert_array_equal(called, eager)
    overridden = GaussianDerivative(3, sigma=9.0).apply(variables, x, sigma=1.5)
    np.testing.assert_array_equal(overridden, eager)
    one = layer.apply(variables, x[0])
    np.testing.assert_allclose(one, eager[0], atol=1e-5)
    many = layer.apply(variables, x[None, :, None])
    np.testing.assert_allclose(many[0, :, 0], eager, atol=1e-5)


@pytest.mark.parametrize(
    "discretisation", [DISCRETISATIONS[i] for i in (0, 2, 6, -1)], ids=str
)
def test_gradient_in_sigma_matches_difference_quotients(x64, discretisation):
    # 1.5 +- 1e-5 is no point where the radius jumps.
    x = noise(8, 1, dtype=np.float64)
    variables = weights(2, 1, 2, ndim=1, dtype=np.float64)
    eps = None if discretisation == gdjax.DiscreteGaussian() else 0.005
    layer = GaussianDerivative(
        2, discretisation=discretisation, padding="symmetric", eps=eps, ndim=1
    )

    @jax.jit
    def loss(sigma):
        return (layer.apply(variables, x, sigma=sigma) ** 2).sum()

    def concrete(sigma):
        return float((layer.apply(variables, x, sigma=sigma) ** 2).sum())

    sigma, step = 1.5, 1e-5
    assert loss(sigma) == pytest.approx(concrete(sigma), rel=1e-11)
    quotient = (concrete(sigma + step) - concrete(sigma - step)) / (2 * step)
    assert jax.grad(loss)(sigma) == pytest.approx(quotient, rel=1e-6)


def test_parameters_have_the_documented_names_and_shapes():
    x, key = noise(1, 6, 6, 2), jax.random.key(0)
    cases = [(1, False, 2), (2, False, 5), (2, True, 6), (4, False, 14)]
    for order, zero_order, count in cases:
        layer = GaussianDerivative(3, sigma=1.0, order=order, zero_order=zero_order)
        shapes = jax.eval_shape(layer.init, key, x)["params"]
        assert {k: v.shape for k, v in shapes.items()} == {
            "kernel": (count, 2, 3), "bias": (3,),
        }  # fmt: skip
    bare = jax.eval_shape(GaussianDerivative(3, sigma=1.0, use_bias=False).init, key, x)
    assert set(bare["params"]) == {"kernel"}


def test_initial_kernels_are_uniform_he_over_the_fan_in():
    kernel = np.asarray(
        GaussianDerivative(64, sigma=1.0).init(jax.random.key(0), noise(1, 6, 6, 16))[
            "params"
        ]["kernel"]
    )
    limit = np.sqrt(6 / (5 * 16))
    assert 0.99 * limit < abs(kernel).max() <= limit
    assert kernel.std() == pytest.approx(limit / np.sqrt(3), rel=0.05)


def test_bias_is_added_once_and_zero_order_sees_constants():
    x = np.full((1, 9, 9, 1), 2.0, np.float32)
    layer = GaussianDerivative(1, sigma=1.0, padding="edge", eps=None, zero_order=True)
    kernel, bias = np.ones((6, 1, 1), np.float32), np.array([0.5], np.float32)
    variables = {"params": {"kernel": kernel, "bias": bias}}
    # Derivatives of a constant vanish.
    np.testing.assert_allclose(layer.apply(variables, x), 2.5, atol=1e-5)


@pytest.mark.parametrize(
    "discretisation",
    [gdjax.DiscreteGaussian(), gdjax.SpectralGaussian()],
    ids=lambda d: type(d).__name__,
)
def test_bfloat16_output_stays_close_to_float32(discretisation):
    x, variables = noise(1, 16, 16, 4), weights(2, 4, 8)
    layer = GaussianDerivative(8, sigma=4.0, discretisation=discretisation)
    exact = layer.apply(variables, x)
    for dtype, inputs in [(jnp.bfloat16, x), (None, jnp.asarray(x, jnp.bfloat16))]:
        y = layer.clone(dtype=dtype).apply(variables, inputs)
        assert y.dtype == jnp.bfloat16
        error = np.linalg.norm(y.astype(jnp.float32) - exact) / np.linalg.norm(exact)
        # bfloat16 rounds to 2^-9 = 0.2 %; what is rounded is well scaled.
        assert error <= 0.03


def test_layer_accepts_strict_promotion():
    x, variables = noise(1, 6, 7, 2), weights(2, 2, 3)
    with jax.numpy_dtype_promotion("strict"):
        layer = GaussianDerivative(3)
        y = jax.jit(lambda s: layer.apply(variables, x, sigma=s))(np.float32(1.0))
    assert np.isfinite(y).all()


def test_layers_are_hashable_and_compare_by_their_fields():
    one, same, other = (GaussianDerivative(3, sigma=s) for s in (1.0, 1.0, 2.0))
    assert one == same and hash(one) == hash(same) and one != other


@pytest.mark.parametrize(
    ("fields", "error", "message"),
    [
        ({"features": 0}, ValueError, "features"),
        ({"features": 1.5}, TypeError, "features"),
        ({"order": 0}, ValueError, "order"),
        ({"order": -1}, ValueError, "order"),
        ({"sigma": -1.0}, ValueError, "sigma"),
        ({"sigma": "1"}, TypeError, "sigma"),
        ({"sigma": np.nan}, ValueError, "sigma"),
        ({"padding": "same"}, ValueError, "padding"),
        ({"eps": 2.0}, ValueError, "eps"),
        ({"ndim": 4}, ValueError, "ndim"),
        ({"discretisation": "spectral"}, (TypeError, ValueError), "discretisation"),
        (
            {"sigma": 0, "discretisation": gdjax.SampledGaussian()},
            ValueError, "sigma > 0",
        ),
    ],
)  # fmt: skip
def test_impossible_fields_raise(fields, error, message):
    with pytest.raises(error, match=message):
        layer = GaussianDerivative(**{"features": 2, "sigma": 1.0, **fields})
        jax.eval_shape(layer.init, jax.random.key(0), noise(1, 6, 6, 1))


@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        (np.zeros((6, 6, 1), np.uint8), TypeError, r"astype"),
        (np.zeros((6, 6), np.float32), ValueError, "channel"),
        (np.zeros((0, 6, 6, 1), np.float32), ValueError, "empty"),
        (np.zeros((2, 0, 6, 1), np.float32), ValueError, "empty"),
    ],
)
def test_impossible_images_raise(x, error, message):
    with pytest.raises(error, match=message):
        GaussianDerivative(2, sigma=1.0).apply(weights(2, 1, 2), x)


def test_a_missing_sigma_raises():
    with pytest.raises(ValueError, match="neither as a field nor at the call"):
        GaussianDerivative(2).apply(weights(2, 1, 2), noise(1, 6, 6, 1))


def test_one_sigma_per_channel_is_refused_by_the_layer():
    with pytest.raises(ValueError, match="sigma"):
        GaussianDerivative(2).apply(
            weights(2, 2, 2), noise(1, 6, 6, 2), sigma=np.array([1.0, 2.0])
        )


def test_layers_work_inside_other_modules():
    class Two(nn.Module):
        @nn.compact
        def __call__(self, x):
            x = nn.relu(GaussianDerivative(2, sigma=1.0)(x))
            return GaussianDerivative(1, sigma=1.5)(x)

    y, variables = Two().init_with_output(jax.random.key(0), noise(1, 6, 6, 1))
    assert y.shape == (1, 6, 6, 1)
    assert len(jax.tree.leaves(variables)) == 4
