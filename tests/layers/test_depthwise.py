"""The depthwise layer: the N-jet of every channel, mixed by weights of its own."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.ndimage

import gdjax
from gdjax.layers import GaussianDerivative
from gdjax.scalespace import centre_window, full_window, plan_windows
from gdjax.scalespace.stencil import convolve_depthwise


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
# One that shares a smoothing kernel between the orders, and one that does not.
both = pytest.mark.parametrize(
    "discretisation",
    [gdjax.DiscreteGaussian(), gdjax.SpectralGaussian()],
    ids=lambda d: type(d).__name__,
)
JETS = [
    (1, False, 2, "symmetric"), (2, True, 2, "zero"), (2, False, 2, "edge"),
    (2, False, 2, "wrap"), (3, False, 2, "zero"), (4, True, 2, "symmetric"),
    (2, False, 1, "symmetric"), (3, False, 1, "wrap"), (4, True, 1, "zero"),
    (1, True, 3, "edge"), (2, False, 3, "zero"), (3, True, 3, "symmetric"),
]  # fmt: skip
# Compiling takes most of the time here.
jit = functools.partial(
    jax.jit, compiler_options={"xla_backend_optimization_level": "0"}
)


def noise(*shape, seed=0, dtype=np.float32):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def weights(order, channels, *, zero_order=False, ndim=2, dtype=np.float32):
    count = len(gdjax.derivative_orders(order, zero_order=zero_order, ndim=ndim))
    kernel = noise(count, channels, seed=1, dtype=dtype)
    return {"params": {"kernel": kernel, "bias": noise(channels, seed=2, dtype=dtype)}}


def depthwise(features=3, **fields):
    return GaussianDerivative(features, depthwise=True, **fields)


def diagonal(kernel):
    """[..., C] -> [..., C, C]: the same weights, for a layer that mixes channels."""
    return jnp.asarray(kernel)[..., None] * jnp.eye(
        kernel.shape[-1], dtype=kernel.dtype
    )


@pytest.mark.parametrize("ndim", [1, 2, 3])
@pytest.mark.parametrize("size", [1, 3, 5])
def test_the_depthwise_convolution_correlates_every_channel_by_itself(x64, ndim, size):
    x = noise(2, *(7, 6, 5)[:ndim], 3, dtype=np.float64)
    kernel = noise(*[size] * ndim, 3, seed=1, dtype=np.float64)
    y = np.asarray(convolve_depthwise(jnp.asarray(x), jnp.asarray(kernel)))
    reach = size // 2
    inside = tuple(slice(reach, n - reach) for n in x.shape[1:-1])
    for c in range(3):
        for b in range(2):
            expected = scipy.ndimage.correlate(x[b, ..., c], kernel[..., c])[inside]
            np.testing.assert_allclose(y[b, ..., c], expected, rtol=0, atol=1e-13)


@every
def test_the_depthwise_layer_is_the_jet_mixed_channel_by_channel(x64, discretisation):
    # Also where the kernel is wider than the image and nothing is truncated.
    x = noise(2, 8, 7, 3, dtype=np.float64)
    variables = weights(2, 3, dtype=np.float64)
    factors = np.array([1, 1, 1 / 2, 1, 1 / 2])
    for sigma in (1.0, 5.0):
        options = {"discretisation": discretisation, "eps": None}
        jet = gdjax.njet(x, sigma, **options)
        kernel = variables["params"]["kernel"]
        expected = np.einsum("bhwac,ac,a->bhwc", jet, kernel, factors)
        y = depthwise(**options).apply(variables, x, sigma=sigma)
        y = y - variables["params"]["bias"]
        np.testing.assert_allclose(y, expected, rtol=0, atol=1e-10)


@both
@pytest.mark.parametrize(("order", "zero_order", "ndim", "padding"), JETS)
def test_the_depthwise_layer_equals_its_slow_twin(
    x64, layer_oracle, discretisation, order, zero_order, ndim, padding
):
    options = {"order": order, "zero_order": zero_order, "ndim": ndim, "eps": 0.005}
    options |= {"padding": padding, "discretisation": discretisation}
    x = noise(1, *(8, 6, 5)[:ndim], 2, dtype=np.float64)
    variables = weights(order, 2, zero_order=zero_order, ndim=ndim, dtype=np.float64)
    y = depthwise(2, **options).apply(variables, x, sigma=1.3)
    for c in range(2):
        kernel = variables["params"]["kernel"][:, c, None, None]
        bias = variables["params"]["bias"][c]
        one = x[..., c, None]
        expected = layer_oracle(one, kernel, bias, 1.3, **options)[..., 0]
        atol = 1e-10 * abs(expected).max()
        np.testing.assert_allclose(y[..., c], expected, rtol=0, atol=atol)


@pytest.mark.parametrize(
    ("discretisation", "padding"),
    [(gdjax.DiscreteGaussian(), "symmetric"), (gdjax.SpectralGaussian(), "zero")],
    ids=str,
)
def test_a_window_of_the_output_equals_that_of_full_evaluation(discretisation, padding):
    x, variables = noise(1, 18, 25, 3), weights(2, 3)
    for eps, sigma in ((0.005, 1.0), (None, 4.0)):
        layer = depthwise(discretisation=discretisation, padding=padding, eps=eps)
        full = layer.apply(variables, x, sigma=sigma)
        reach = layer.filter().reach(sigma)
        for wanted in (
            (centre_window(18), centre_window(25)),
            (full_window(18)._replace(stop=2), full_window(25)._replace(start=23)),
        ):
            plans = [plan_windows(window, [reach], padding) for window in wanted]
            sources, targets = zip(*plans, strict=True)
            crop, kept = (
                (..., *[slice(w.start, w.stop) for w in windows], slice(None))
                for windows in (sources, targets)
            )
            y = layer.apply(
                variables, x[crop], sigma=sigma, sources=sources, targets=targets
            )
            assert y.shape[1:3] == tuple(w.length for w in wanted)
            atol = 1e-5 * abs(np.asarray(full)).max()
            np.testing.assert_allclose(y, full[kept], rtol=0, atol=atol)


@pytest.mark.parametrize(
    ("discretisation", "ndim"),
    [(gdjax.DiscreteGaussian(), 1), (gdjax.SpectralGaussian(), 2),
     (gdjax.DiscreteGaussian(), 3)],
    ids=str,
)  # fmt: skip
def test_gradients_are_those_of_the_dense_layer(x64, discretisation, ndim):
    x = noise(2, *(7, 6, 5)[:ndim], 3, dtype=np.float64)
    parameters = weights(2, 3, ndim=ndim, dtype=np.float64)["params"]
    layer = depthwise(ndim=ndim, discretisation=discretisation, sigma=1.2)
    dense = layer.clone(depthwise=False)

    def energy(layer, embed):
        def loss(parameters, x):
            kernel = embed(parameters["kernel"])
            variables = {"params": {**parameters, "kernel": kernel}}
            return (layer.apply(variables, x) ** 2).sum()

        return jit(jax.value_and_grad(loss, argnums=(0, 1)))

    found = energy(layer, lambda kernel: kernel)(parameters, x)
    expected = energy(dense, diagonal)(parameters, x)
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        assert np.isfinite(a).all() and abs(a).max() > 0
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-12 * abs(b).max())


@both
def test_gradient_in_sigma_matches_difference_quotients(x64, discretisation):
    # 1.5 +- 1e-5 is no point where the radius jumps.
    x, variables = noise(8, 2, dtype=np.float64), weights(2, 2, ndim=1)
    layer = depthwise(2, discretisation=discretisation, padding="symmetric", ndim=1)

    def loss(sigma):
        return (layer.apply(variables, x, sigma=sigma) ** 2).sum()

    sigma, step = 1.5, 1e-5
    quotient = float(loss(sigma + step) - loss(sigma - step)) / (2 * step)
    assert jit(jax.grad(loss))(sigma) == pytest.approx(quotient, rel=1e-6)


@both
def test_vmap_over_sigma_equals_a_loop(discretisation):
    # On 12 px the kernels of the largest sigma don't fit the image.
    x, variables = noise(1, 12, 12, 2), weights(2, 2)
    sigmas = np.array([0.5, 1.0, 4.0], np.float32)
    layer = depthwise(2, padding="symmetric", discretisation=discretisation)
    fn = jit(jax.vmap(lambda s: layer.apply(variables, x, sigma=s)))
    loop = np.stack([layer.apply(variables, x, sigma=float(s)) for s in sigmas])
    # Kernels made in float32 instead of float64: 3e-7 of the peak, times sigma^2
    # where differences cancel.
    np.testing.assert_allclose(fn(sigmas), loop, rtol=0, atol=1e-4)


@both
def test_channels_do_not_see_each_other(discretisation):
    x, variables = noise(2, 9, 8, 3), weights(2, 3)
    layer = depthwise(sigma=1.2, discretisation=discretisation)
    y = layer.apply(variables, x)
    changed = x.copy()
    changed[..., 1] = np.nan
    other = np.asarray(layer.apply(variables, changed))
    np.testing.assert_array_equal(other[..., [0, 2]], y[..., [0, 2]])
    assert np.isnan(other[..., 1]).all()


def test_jit_and_other_batch_shapes_give_the_same():
    x, variables = noise(2, 9, 8, 3), weights(2, 3)
    layer = depthwise(sigma=1.5)
    eager = layer.apply(variables, x)
    np.testing.assert_allclose(jax.jit(layer.apply)(variables, x), eager, atol=1e-5)
    np.testing.assert_allclose(layer.apply(variables, x[0]), eager[0], atol=1e-5)
    many = layer.apply(variables, x[None, :, None])
    np.testing.assert_allclose(many[0, :, 0], eager, atol=1e-5)


def test_parameters_have_the_documented_names_and_shapes():
    x, key = noise(1, 6, 6, 3), jax.random.key(0)
    for order, zero_order, count in [(1, False, 2), (2, True, 6), (4, False, 14)]:
        layer = depthwise(sigma=1.0, order=order, zero_order=zero_order)
        shapes = jax.eval_shape(layer.init, key, x)["params"]
        assert {k: v.shape for k, v in shapes.items()} == {
            "kernel": (count, 3), "bias": (3,),
        }  # fmt: skip
    bare = jax.eval_shape(depthwise(sigma=1.0, use_bias=False).init, key, x)
    assert set(bare["params"]) == {"kernel"}


def test_initial_kernels_are_uniform_he_over_the_terms_of_one_channel():
    layer = depthwise(1000, sigma=1.0, ndim=1)
    variables = layer.init(jax.random.key(0), noise(3, 1000))
    kernel = np.asarray(variables["params"]["kernel"])
    limit = np.sqrt(6 / 2)
    assert 0.99 * limit < abs(kernel).max() <= limit
    assert kernel.std() == pytest.approx(limit / np.sqrt(3), rel=0.05)


@both
def test_bfloat16_output_stays_close_to_float32(discretisation):
    x, variables = noise(1, 16, 16, 4), weights(2, 4)
    layer = depthwise(4, sigma=4.0, discretisation=discretisation)
    exact = layer.apply(variables, x)
    assert exact.dtype == jnp.float32
    for dtype, inputs in [(jnp.bfloat16, x), (None, jnp.asarray(x, jnp.bfloat16))]:
        y = layer.clone(dtype=dtype).apply(variables, inputs)
        assert y.dtype == jnp.bfloat16
        error = np.linalg.norm(y.astype(jnp.float32) - exact) / np.linalg.norm(exact)
        # bfloat16 rounds to 2^-9 = 0.2 %; what is rounded is well scaled.
        assert error <= 0.03


@both
def test_the_layer_accepts_strict_promotion(discretisation):
    x, variables = noise(1, 6, 7, 3), weights(2, 3)
    layer = depthwise(discretisation=discretisation)
    with jax.numpy_dtype_promotion("strict"):
        y = jit(lambda s: layer.apply(variables, x, sigma=s))(np.float32(1.0))
    assert y.dtype == jnp.float32 and np.isfinite(y).all()


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_other_features_than_channels_raise(channels):
    layer, x = depthwise(sigma=1.0), noise(1, 6, 6, channels)
    message = rf"`features=3`.*{channels} channels"
    with pytest.raises(ValueError, match=message):
        layer.init(jax.random.key(0), x)
    with pytest.raises(ValueError, match=message):
        layer.apply(weights(2, 3), x)


def test_parameters_for_other_channels_raise():
    layer = depthwise(2, sigma=1.0)
    with pytest.raises(ValueError, match="2 channels.* were made for 3"):
        layer.apply(weights(2, 3), noise(1, 6, 6, 2))
