"""Smoothing and N-jets against pyscsp and against dense scipy correlations."""

import jax
import jax.numpy as jnp
import numpy as np
import pyscsp.discscsp as discscsp
import pytest
import scipy.ndimage
import skimage.data

import gdjax
from gdjax.scalespace.matrices import Filter, truncated_taps


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


@pytest.fixture(scope="module")
def photograph():
    return skimage.data.camera()[100:180, 200:296] / 255


def noise(*shape, seed=0, dtype=np.float32):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def relative(actual, expected):
    """Relative L2 error of each response [..., J, C], per J."""
    axes = tuple(i for i in range(expected.ndim) if i != expected.ndim - 2)
    error = ((np.asarray(actual, np.float64) - expected) ** 2).sum(axes)
    return np.sqrt(error / (expected**2).sum(axes))


@pytest.mark.parametrize("eps", [1e-8, 0.01])
@pytest.mark.parametrize("sigma", [0.5, 1, 2, 4, 8])
def test_njet_matches_pyscsp_on_a_photograph(photograph, sigma, eps):
    # pyscsp's y axis points up: odd orders in y change sign.
    orders = gdjax.derivative_orders(4)
    jet = gdjax.njet(
        photograph[..., None].astype(np.float32), sigma, order=4, padding="symmetric",
        eps=eps,
    )  # fmt: skip
    method = discscsp.scspnormdermethodobject("discgauss", "varnorm", eps)
    expected = np.stack(
        [
            (-1) ** y
            * discscsp.computeNjetfcn(
                photograph, "L" + "x" * x + "y" * y, float(sigma), method
            )
            for x, y in orders
        ],
        axis=-1,
    )[..., None]
    assert jet.shape == (80, 96, 14, 1)
    assert relative(jet, expected).max() <= 1e-5


@pytest.mark.parametrize("sigma", [0.5, 1, 2, 4, 8])
def test_njet_in_float32_is_that_in_float64(photograph, sigma):
    # Two matrix products whose matrices were differenced in float64: a few roundings.
    image = photograph[..., None] - photograph.mean()
    image = image + noise(*image.shape, dtype=np.float64)
    single = gdjax.njet(image.astype(np.float32), sigma, order=4, padding="wrap")
    with jax.enable_x64(True):
        exact = image.astype(np.float32).astype(np.float64)
        double = gdjax.njet(exact, sigma, order=4, padding="wrap")
        assert double.dtype == jnp.float64
    assert single.dtype == jnp.float32
    assert relative(single, np.asarray(double)).max() <= 1e-6


@every
@pytest.mark.parametrize("padding", PADDINGS)
def test_njet_matches_dense_correlation(x64, njet_oracle, discretisation, padding):
    x = noise(2, 9, 12, 2, dtype=np.float64)
    # The spectral kernel rings below sigma = 2 px; uncut it has no finite oracle there.
    rings = discretisation == gdjax.SpectralGaussian() and padding != "zero"
    finest = 3.0 if rings else 0.7
    for sigma, eps in [(finest, None), (2, 0.01)]:
        options = {
            "order": 3, "zero_order": True, "discretisation": discretisation,
            "padding": padding, "eps": eps,
        }  # fmt: skip
        jet = gdjax.njet(x, sigma, **options)
        expected = njet_oracle(x, sigma, **options)
        np.testing.assert_allclose(jet, expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize(
    ("ndim", "shape"),
    [(1, (11, 2)), (1, (2, 3, 11, 1)), (2, (3, 2, 5, 6, 2)), (3, (4, 6, 5, 1))],
)
def test_one_to_three_dimensions_and_leading_axes(
    x64, njet_oracle, ndim, shape, padding
):
    x = noise(*shape, dtype=np.float64)
    options = {"order": 2, "padding": padding, "eps": 0.005, "ndim": ndim}
    jet = gdjax.njet(x, 1.3, **options)
    assert jet.shape == (*shape[:-1], {1: 2, 2: 5, 3: 9}[ndim], shape[-1])
    expected = njet_oracle(x, 1.3, **options)
    np.testing.assert_allclose(jet, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("length", [1, 2, 3])
def test_axes_shorter_than_the_kernel(x64, njet_oracle, length, padding):
    x = noise(length, 4, 1, dtype=np.float64)
    for eps in (None, 0.01):
        options = {"order": 2, "zero_order": True, "padding": padding, "eps": eps}
        jet = gdjax.njet(x, 2.0, **options)
        expected = njet_oracle(x, 2.0, **options)
        np.testing.assert_allclose(jet, expected, rtol=0, atol=1e-11)


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("eps", [None, 0.005])
def test_a_long_axis_in_tiles_equals_dense_correlation(x64, njet_oracle, padding, eps):
    x = noise(4096, 1, dtype=np.float64)
    options = {"order": 2, "zero_order": True, "padding": padding, "ndim": 1}
    jet = gdjax.njet(x, 2.0, eps=eps, **options)
    # Uncut kernels are cut at 1e-8 on an axis that is tiled.
    expected = njet_oracle(x, 2.0, eps=eps, **options)
    atol = 1e-12 if eps else 1e-6
    np.testing.assert_allclose(jet, expected, rtol=0, atol=atol)


@pytest.mark.parametrize(
    "discretisation",
    [gdjax.SpectralGaussian(), gdjax.NormalizedSampledGaussian()],
    ids=lambda d: type(d).__name__,
)
def test_tiles_with_other_kernels(x64, njet_oracle, discretisation):
    x = noise(1301, 2, dtype=np.float64)
    options = {"order": 2, "eps": 0.005, "ndim": 1, "discretisation": discretisation}
    jet = gdjax.njet(x, 1.1, **options)
    expected = njet_oracle(x, 1.1, **options)
    np.testing.assert_allclose(jet, expected, rtol=0, atol=1e-11)


@pytest.mark.parametrize("eps", [None, 0.005])
def test_one_sigma_per_channel(eps):
    x, sigmas = noise(10, 12, 3), np.array([0.5, 1.0, 2.0], np.float32)
    jet = gdjax.njet(x, sigmas, padding="edge", eps=eps)
    traced = jax.jit(lambda s: gdjax.njet(x, s, padding="edge", eps=eps))(sigmas)
    smoothed = gdjax.smooth(x, sigmas, padding="edge", eps=eps)
    for c, sigma in enumerate(sigmas):
        alone = x[..., c : c + 1]
        options = {"padding": "edge", "eps": eps}
        expected = gdjax.njet(alone, sigma, **options)[..., 0]
        np.testing.assert_allclose(jet[..., c], expected, atol=1e-6)
        np.testing.assert_allclose(traced[..., c], expected, atol=3e-6)
        expected = gdjax.smooth(alone, sigma, **options)[..., 0]
        np.testing.assert_allclose(smoothed[..., c], expected, atol=1e-6)


@every
@pytest.mark.parametrize(("padding", "eps"), [("zero", 0.005), ("symmetric", None)])
def test_traced_sigma_gives_the_same_jet(x64, discretisation, padding, eps):
    # The kernel of the last sigma is wider than the image.
    x = noise(9, 1, dtype=np.float64)
    options = {"padding": padding, "eps": eps, "discretisation": discretisation}
    fn = jax.jit(lambda s: gdjax.njet(x, s, order=3, ndim=1, **options))
    for sigma in (0.8, 2.0, 4.5):
        expected = gdjax.njet(x, sigma, order=3, ndim=1, **options)
        np.testing.assert_allclose(fn(sigma), expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("padding", PADDINGS)
def test_smooth_is_the_zero_order_of_the_jet_and_keeps_the_dtype(padding):
    x = jnp.asarray(noise(2, 8, 7, 2))
    smoothed = gdjax.smooth(x, 1.5, padding=padding)
    jet = gdjax.njet(x, 1.5, order=1, zero_order=True, padding=padding)
    np.testing.assert_allclose(smoothed, jet[..., 0, :], atol=1e-6)
    for dtype in (jnp.bfloat16, jnp.float16, jnp.float32):
        low = gdjax.smooth(x.astype(dtype), 1.5, padding=padding)
        assert low.dtype == dtype and low.shape == x.shape
        np.testing.assert_allclose(low.astype(jnp.float32), smoothed, atol=0.03)


def test_a_constant_image_stays_constant_but_for_zero_padding():
    x = np.full((6, 5, 1), 3.0, np.float32)
    for padding in ("symmetric", "edge", "wrap"):
        np.testing.assert_allclose(gdjax.smooth(x, 2.0, padding=padding), 3, atol=1e-5)
        jet = gdjax.njet(x, 2.0, padding=padding)
        np.testing.assert_allclose(jet, 0, atol=1e-5)
    # A corner sees little more than a quarter of the kernel.
    assert gdjax.smooth(x, 2.0)[0, 0, 0] < 1.5


def test_jets_and_smoothing_accept_strict_promotion():
    x = noise(6, 7, 2)
    with jax.numpy_dtype_promotion("strict"):
        gdjax.njet(x, 1.0)
        jax.jit(lambda s: gdjax.njet(x, s))(np.float32(1.0))


def test_gradient_of_the_jet_in_sigma(x64):
    x, step = noise(8, 1, dtype=np.float64), 1e-5
    for padding in PADDINGS:
        options = {"order": 3, "padding": padding, "ndim": 1}
        fn = jax.jit(lambda s, options=options: gdjax.njet(x, s, **options))
        _, slope = jax.jvp(fn, (1.4,), (1.0,))
        high, low = (gdjax.njet(x, 1.4 + d, **options) for d in (step, -step))
        # Step^2 and 1e-16 / step.
        np.testing.assert_allclose(slope, (high - low) / (2 * step), atol=1e-8)


def test_orders_go_by_total_order_then_descending_x():
    assert gdjax.derivative_orders(2) == ((1, 0), (0, 1), (2, 0), (1, 1), (0, 2))
    assert gdjax.derivative_orders(1, zero_order=True) == ((0, 0), (1, 0), (0, 1))
    assert gdjax.derivative_orders(3, ndim=1) == ((1,), (2,), (3,))
    third = ((3, 0), (2, 1), (1, 2), (0, 3))
    assert gdjax.derivative_orders(3)[5:] == third
    assert gdjax.derivative_orders(0, zero_order=True) == ((0, 0),)
    assert gdjax.derivative_orders(2, ndim=3) == (
        (1, 0, 0), (0, 1, 0), (0, 0, 1),
        (2, 0, 0), (1, 1, 0), (1, 0, 1), (0, 2, 0), (0, 1, 1), (0, 0, 2),
    )  # fmt: skip


def test_axes_are_x_to_the_right_and_y_down():
    d, h, w = np.meshgrid(range(9), range(10), range(11), indexing="ij")
    ramp = (2.0 * w + 3.0 * h - d)[..., None].astype(np.float32)
    jet = gdjax.njet(ramp, 0.5, order=1, eps=0.01, ndim=3)[4, 5, 5, :, 0]
    np.testing.assert_allclose(jet / 0.5, [2, 3, -1], rtol=0.02)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x: gdjax.njet(x.astype(np.uint8), 1.0), TypeError, "astype"),
        (lambda x: gdjax.njet(x[..., 0], 1.0), ValueError, "channel"),
        (lambda x: gdjax.njet(x[:0], 1.0), ValueError, "empty"),
        (lambda x: gdjax.njet(x, -1.0), ValueError, ">= 0"),
        (lambda x: gdjax.njet(x, None), TypeError, "not a number"),
        (lambda x: gdjax.njet(x, [1.0, 2.0, 3.0]), ValueError, "per channel"),
        (lambda x: gdjax.njet(x, 1.0, order=0), ValueError, "zero_order"),
        (lambda x: gdjax.njet(x, 1.0, order=-1), ValueError, "order"),
        (lambda x: gdjax.njet(x, 1.0, padding="reflect"), ValueError, "padding"),
        (lambda x: gdjax.njet(x, 1.0, eps=0), ValueError, "eps"),
        (lambda x: gdjax.njet(x, 1.0, eps=1.0), ValueError, "eps"),
        (lambda x: gdjax.njet(x, 1.0, ndim=4), ValueError, "ndim"),
        (
            lambda x: gdjax.njet(x, 0, discretisation=gdjax.SampledGaussian()),
            ValueError, "sigma > 0",
        ),
        (
            lambda x: gdjax.njet(x, 1, discretisation=gdjax.SampledGaussian),
            TypeError, "instance",
        ),
        (lambda x: gdjax.smooth(x.astype(int), 1.0), TypeError, "astype"),
    ],
)  # fmt: skip
def test_impossible_arguments_raise(call, error, message):
    with pytest.raises(error, match=message):
        call(noise(6, 7, 2))


@every
@pytest.mark.parametrize("eps", [None, 0.01])
def test_a_sigma_for_each_axis(x64, discretisation, eps):
    """Axis by axis with one sigma each: kernels are separable."""
    x, sigmas = noise(5, 9, 11, 2, dtype=np.float64), {"x": 1.3, "y": 0.8, "z": 2.1}
    options = {"discretisation": discretisation, "padding": "symmetric", "eps": eps}
    orders = gdjax.derivative_orders(2, ndim=3)
    jet = gdjax.njet(x, sigmas, order=2, ndim=3, **options)
    for j, multi_index in enumerate(orders):
        expected = x
        for n, name, axis in zip(multi_index, "xyz", (-2, -3, -4), strict=True):
            expected = np.moveaxis(
                along_last(np.moveaxis(expected, axis, -1), sigmas[name], n, options),
                -1, axis,
            )  # fmt: skip
        np.testing.assert_allclose(jet[..., j, :], expected, atol=1e-12)


def along_last(x, sigma, n, options):
    """One axis of three, which share the mass that is lost."""
    if options["eps"] is None:
        jet = gdjax.njet(
            x[..., None], sigma, order=2, zero_order=True, ndim=1, **options
        )
        return jet[..., n, 0]
    filter_ = Filter(**options, ndim=3, max_order=2)
    radius = filter_.radius(sigma)
    taps = truncated_taps(
        np, filter_, np.float64(sigma), n, radius + filter_.beyond, radius
    )
    return sigma**n * scipy.ndimage.correlate1d(x, taps, mode="reflect")


def test_sigmas_of_axes_are_traced_and_per_channel(x64):
    x, per_channel = noise(8, 9, 2, dtype=np.float64), jnp.array([0.7, 1.9])

    def smoothed(sigma):
        return gdjax.smooth(x, sigma, padding="wrap")

    whole = jax.jit(smoothed)({"x": 1.2, "y": per_channel})
    for channel, own in enumerate(per_channel):
        one = gdjax.smooth(
            x[..., channel : channel + 1], {"x": 1.2, "y": float(own)}, padding="wrap"
        )
        np.testing.assert_allclose(whole[..., channel], one[..., 0], atol=1e-12)
    # The same along both is what one sigma is.
    np.testing.assert_array_equal(smoothed({"x": 1.5, "y": 1.5}), smoothed(1.5))
    gradient = jax.grad(lambda s: (smoothed(s) ** 3).sum())({"x": 1.2, "y": 0.6})
    step = 1e-5
    for name in "xy":
        around = [
            (smoothed({"x": 1.2, "y": 0.6} | {name: value}) ** 3).sum()
            for value in ({"x": 1.2, "y": 0.6}[name] + step * np.array([1, -1]))
        ]
        expected = float(around[0] - around[1]) / (2 * step)
        assert float(gradient[name]) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("sigma", "message"),
    [
        ({"x": 1.0}, r'each of the 2 axes, {"x": ..., "y": ...}'),
        ({"x": 1.0, "y": 1.0, "z": 1.0}, "each of the 2 axes"),
        ({"x": 1.0, "y": -1.0}, r'`sigma\["y"\]=-1.0`'),
        ({"x": 1.0, "y": np.ones(3)}, r'`sigma\["y"\]` has shape \(3,\)'),
    ],
)
def test_mappings_that_do_not_fit(sigma, message):
    with pytest.raises(ValueError, match=message):
        gdjax.smooth(np.zeros((4, 4, 2)), sigma)
