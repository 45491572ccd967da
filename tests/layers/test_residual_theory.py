"""Residual blocks as a step of affine diffusion, and under changes of scale."""

import functools

import jax
import numpy as np
import pytest

import gdjax
from gdjax.layers import GaussianDerivative, ResidualBlock
from gdjax.metrics import scale_covariance_error


# Compiling takes most of the time here.
jit = functools.partial(
    jax.jit, compiler_options={"xla_backend_optimization_level": "0"}
)


def noise(*shape, seed=0, dtype=np.float32):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def identity(x):
    return x


def variables_of(block, channels, *, dtype=np.float32, seed=3):
    """Variables with biases and running statistics that are not 0 and 1."""
    image = np.zeros((1, *[4] * block.ndim, channels), np.float32)
    init = functools.partial(block.init, sigmas=[1.0])
    shapes = jax.eval_shape(init, jax.random.key(0), [image])
    rng = np.random.default_rng(seed)

    def draw(path, leaf):
        values = rng.standard_normal(leaf.shape) / 2
        if path[-1].key in ("var", "scale"):
            values = 1 + abs(values)
        return values.astype(dtype)

    return jax.tree_util.tree_map_with_path(draw, shapes)


def run(block, variables, x, sigma=1.2, **options):
    return block.apply(variables, [x], sigmas=[sigma], **options)[0]


# The diffusion equation d_t u = 1/2 div(Sigma grad u) - v . grad u, (24), with Sigma
# and v in px^2 and px per unit of time, x first.
COVARIANCE = np.array([[1.0, 0.4], [0.4, 0.6]])
VELOCITY = np.array([0.5, -0.3])


def diffusion_weights(step, sigma):
    """Weights of (10, 01, 20, 11, 02) with which a layer is `step` times (24)'s right.

    (26) and (27): sigma^2 w_20 = h Sigma_11, sigma^2 w_11 = h Sigma_12 and so on, and
    sigma w_10 = -h v_1: the Taylor factors 1/2 are those of (24).
    """
    (s11, s12), (_, s22) = COVARIANCE
    terms = np.array([*(-VELOCITY * sigma), s11, s12, s22]) * step / sigma**2
    return terms[:, None, None]


def smooth_image(size=16):
    y, x = np.mgrid[:size, :size] * 2 * np.pi / size
    return np.sin(x) + np.cos(2 * y - 1) + np.sin(2 * x - 3 * y + 0.5) + np.cos(3 * x)


def diffusion_symbol(size=16):
    wx, wy = np.meshgrid(*[2 * np.pi * np.fft.fftfreq(size)] * 2)
    w = np.stack([wx, wy], axis=-1)
    return -np.einsum("yxi,ij,yxj->yx", w, COVARIANCE, w) / 2 - 1j * w @ VELOCITY


def multiplied(image, spectrum):
    return np.fft.ifft2(np.fft.fft2(image) * spectrum).real


def euler_step(kind, step, sigma):
    """One step by a linear block: (8) with one layer, or two, the first the identity"""
    u = smooth_image()[None, :, :, None]
    kernel = diffusion_weights(step, sigma)
    fields = {
        "discretisation": gdjax.SpectralGaussian(), "padding": "wrap", "eps": None,
    }  # fmt: skip
    bias = np.zeros(1)
    if kind == "primitive":
        layer = GaussianDerivative(1, sigma=sigma, **fields)
        return (u + layer.apply({"params": {"kernel": kernel, "bias": bias}}, u))[0]
    block = ResidualBlock(
        1, zero_order=True, activation=identity, normalized=False, **fields
    )
    params = {
        "layer_1": {"kernel": np.eye(6)[0][:, None, None], "bias": bias},
        "layer_2": {"kernel": np.pad(kernel, [(1, 0), (0, 0), (0, 0)]), "bias": bias},
    }
    return run(block, {"params": params}, u, sigma)[0]


@pytest.mark.parametrize("kind", ["primitive", "block"])
def test_a_linear_block_is_an_euler_step_of_affine_diffusion(x64, kind):
    # [gaussderresnet] sec. 3.2, (23)-(27), without the nonlinearity, and with so little
    # smoothing, sigma^2 / 2 = 5e-9 px^2, that what is left is the step's error.
    errors = []
    for step in (0.04, 0.02, 0.01):
        exact = multiplied(smooth_image(), np.exp(step * diffusion_symbol()))
        found = np.asarray(euler_step(kind, step, 1e-4))[..., 0]
        errors.append(np.linalg.norm(found - exact) / np.linalg.norm(exact))
    # The first term that the step leaves out of the exponential: h^2 / 2 times the
    # symbol squared.
    left_out = multiplied(smooth_image(), diffusion_symbol() ** 2) / 2
    left_out = np.linalg.norm(left_out) / np.linalg.norm(smooth_image())
    assert errors[-1] == pytest.approx(0.01**2 * left_out, rel=0.05)
    for coarse, fine in zip(errors, errors[1:], strict=False):
        assert coarse / fine == pytest.approx(4, rel=0.1)


@pytest.mark.parametrize("kind", ["primitive", "block"])
def test_smoothing_bounds_the_step_of_the_diffusion(x64, kind):
    # With a sigma of 1 px the symbol is that of (24) times the Gaussian's, which
    # vanishes where the explicit scheme would amplify: sec. 3.2, last paragraph.
    frequencies = 2 * np.pi * np.fft.fftfreq(16)
    gaussian = np.exp(-np.add.outer(frequencies**2, frequencies**2) / 2)
    if kind == "primitive":
        spectrum = 1 + 0.7 * diffusion_symbol() * gaussian
    else:  # both layers smooth
        spectrum = 1 + 0.7 * diffusion_symbol() * gaussian**2
    found = np.asarray(euler_step(kind, 0.7, 1.0))[..., 0]
    np.testing.assert_allclose(found, multiplied(smooth_image(), spectrum), atol=1e-12)
    if kind == "primitive":
        unsmoothed = abs(1 + 0.7 * diffusion_symbol()).max()
        assert abs(spectrum).max() <= 1 + 1e-12 < 2 < unsmoothed


def band_limited(size=24, seed=0):
    """A periodic image, 1/f spectrum below a third of the sampling rate, variance 1."""
    f = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.fftfreq(size))
    weight = np.where((f > 0) & (f < 1 / 3), 1 / np.maximum(f, 1 / size), 0)
    values = np.fft.fft2(noise(size, size, seed=seed)) * weight
    image = np.fft.ifft2(values).real
    return (image / image.std()).astype(np.float32)


def covariance_error(sigma, factor=2, same_sigma=False, **fields):
    block = ResidualBlock(
        2, **{"padding": "wrap", "eps": None, "normalized": False, **fields}
    )
    variables = variables_of(block, 1)
    for layer in variables["params"].values():
        layer["bias"] = 0 * layer["bias"]  # so that both signs meet the nonlinearity

    @jit
    def respond(image, sigma):
        return run(block, variables, image[None, ..., None], sigma)[0]

    def at(image, level):
        return respond(image, np.float32(sigma if same_sigma else level))

    image = band_limited()
    return scale_covariance_error(at, image, sigma=sigma, factor=factor).max()


def test_linear_spectral_blocks_are_scale_covariant():
    # (14): at 2 sigma on the enlarged image. Band-limited images stay so without
    # nonlinearity, and the spectral kernels make no error: 1e-5 is float32.
    fields = {"activation": identity, "discretisation": gdjax.SpectralGaussian()}
    assert covariance_error(0.7, **fields) <= 1e-5
    assert covariance_error(1.5, factor=1.5, **fields) <= 1e-5
    assert covariance_error(1.0, separable=True, zero_order=True, **fields) <= 1e-5
    # Truncation adds its own share.
    assert covariance_error(1.0, eps=0.001, **fields) <= 2e-3
    assert covariance_error(1.0, same_sigma=True, **fields) > 0.1


def test_blocks_get_covariant_with_sigma():
    for fields in (
        {"activation": identity},  # central differences: falls with sigma^2
        {"discretisation": gdjax.SpectralGaussian()},  # ReLUs make high frequencies
        {},
    ):
        fine, coarse = covariance_error(1.0, **fields), covariance_error(2.0, **fields)
        assert coarse < fine / 2 and coarse < 0.05
