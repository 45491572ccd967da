"""Small images on canvases: Pillow's bicubic transform, with a gradient."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from gdjax.data import rescale
from gdjax_train.placing import place_scaled


# Places below 32 px are known to 2e-6 px; weights of a place change by at most 10/3 per
# px together, and their absolute values add up to 3/2 at most; there are two axes.
ATOL = 2 * 2e-6 * (10 / 3) * (3 / 2) + 5e-6

OPTIONS = ("size", "cubic", "antialias")

place = jax.jit(place_scaled, static_argnames=OPTIONS)

FACTORS = [0.3, 0.71, 1.0, 1.5, 2.83, 4.76, 8.0]


def noise(count, side=28, channels=1, seed=0):
    """Grey levels up to the border of the image, uint8."""
    generator = np.random.default_rng(seed)
    return generator.integers(0, 256, (count, side, side, channels), np.uint8)


def floats(images):
    return jnp.asarray(images, jnp.float32) / 255


def pillow(image, factor, size):
    """The affine transform of the padded image, float64 [size, size] in 0..1."""
    margin = (size - image.shape[0]) // 2
    padded = np.pad(image.astype(np.float32), margin)
    step = 1 / factor
    shift = size / 2 * (1 - step)
    moved = Image.fromarray(padded).transform(
        (size, size), Image.Transform.AFFINE, (step, 0, shift, 0, step, shift),
        Image.Resampling.BICUBIC,
    )  # fmt: skip
    return np.clip(np.asarray(moved, np.float64) / 255, 0, 1)


def keys_twin(x, a):
    x = abs(x)
    if x <= 1:
        return (a + 2) * x**3 - (a + 3) * x**2 + 1
    return a * (x**3 - 5 * x**2 + 8 * x - 4) if x < 2 else 0.0


def weights_twin(length, size, factor, a):
    weights = np.zeros((size, length))
    for j, i in np.ndindex(size, length):
        place = length / 2 + (j + 0.5 - size / 2) / factor
        weights[j, i] = keys_twin(place - (i + 0.5), a)
    return weights


@pytest.mark.parametrize("size", [168, 60])
def test_canvases_are_those_of_pillow(size):
    images = noise(len(FACTORS))
    factors = jnp.asarray(FACTORS, jnp.float32)
    found = np.asarray(place(floats(images), factors, size=size))
    assert found.shape == (len(FACTORS), size, size, 1)
    for image, factor, canvas in zip(images, np.float64(factors), found, strict=True):
        expected = pillow(image[..., 0], factor, size)
        np.testing.assert_allclose(canvas[..., 0], expected, atol=ATOL)


@pytest.mark.parametrize("factor", [0.3, 0.5, 0.83, 1.0, 1.7, 8.0])
def test_antialiased_canvases_are_those_of_rescale(factor):
    images = noise(2)
    given = floats(images), jnp.full(2, factor)
    found = place(*given, size=72, cubic=-0.5, antialias=True)
    for image, canvas in zip(images, np.asarray(found), strict=True):
        expected = rescale(image, np.float64(np.float32(factor)), size=72)
        # Half a grey level of rounding, and the float32 of both.
        assert abs(255 * canvas - expected).max() <= 0.5 + 4e-3


@pytest.mark.parametrize("cubic", [-1.0, -0.5, -0.75])
@pytest.mark.parametrize("shape", [(5, 9), (8, 4)])
def test_oblong_colour_images_are_sampled_as_defined(shape, cubic):
    images = np.random.default_rng(2).random((3, *shape, 3))
    factors = np.array([0.6, 1.3, 2.7])
    with jax.enable_x64(True):
        found = place(jnp.asarray(images), factors, size=13, cubic=cubic)
        assert found.dtype == jnp.float64
    for image, factor, canvas in zip(images, factors, np.asarray(found), strict=True):
        rows, columns = (weights_twin(n, 13, factor, cubic) for n in shape)
        expected = np.einsum("ih,jw,hwc->ijc", rows, columns, image)
        np.testing.assert_allclose(canvas, np.clip(expected, 0, 1), atol=1e-12)


@pytest.mark.parametrize("antialias", [False, True])
@pytest.mark.parametrize("size", [168, 28, 20])
def test_a_factor_of_one_copies(size, antialias):
    images = floats(noise(2, channels=3))
    found = place(images, jnp.ones(2), size=size, antialias=antialias)
    margin = (size - 28) // 2
    if margin < 0:
        expected = images[:, -margin:margin, -margin:margin]
    else:
        expected = np.pad(images, ((0, 0), (margin,) * 2, (margin,) * 2, (0, 0)))
    np.testing.assert_array_equal(found, expected)


def test_the_digits_box_fits_at_eight_times_the_size():
    images = np.zeros((1, 28, 28, 1), np.float32)
    images[:, 4:24, 4:24] = 1
    canvas = np.asarray(place(jnp.asarray(images), jnp.array([8.0])))[0, ..., 0]
    box = np.zeros(168, bool)
    box[4:164] = True
    # 1/2 at its edges, by symmetry.
    np.testing.assert_array_equal(canvas[84] > 0.5, box)
    np.testing.assert_array_equal(canvas[:, 84] > 0.5, box)


@pytest.mark.parametrize("cubic", [-1.0, -0.5])
def test_a_constant_stays_when_antialiased_at_any_factor(cubic):
    # At 1/50 the kernel has 200 px: they are no longer added up.
    images, factors = jnp.full((3, 400, 400, 1), 0.6), jnp.array([0.37, 0.05, 0.02])
    found = place(images, factors, size=4, cubic=cubic, antialias=True)
    np.testing.assert_allclose(found, 0.6, atol=1e-5)


@pytest.mark.parametrize("antialias", [False, True])
def test_compiled_once_for_all_factors(antialias):
    traces = []

    @jax.jit
    def counted(images, factors):
        traces.append(1)
        return place_scaled(images, factors, size=40, antialias=antialias)

    images = floats(noise(3, side=12))
    for factors in ([0.4, 1.0, 2.0], [1.1, 3.0, 0.9]):
        factors = jnp.array(factors)
        eager = place_scaled(images, factors, size=40, antialias=antialias)
        np.testing.assert_allclose(counted(images, factors), eager, atol=2e-6)
    assert len(traces) == 1


def test_mapped_over_batches_equals_the_loop():
    images = floats(np.stack([noise(3, side=9), noise(3, side=9, seed=1)]))
    factors = jnp.array([[0.5, 1.0, 2.0], [1.2, 0.9, 3.0]])
    mapped = jax.vmap(lambda x, f: place(x, f, size=24))(images, factors)
    for n in range(2):
        alone = place(images[n], factors[n], size=24)
        np.testing.assert_allclose(mapped[n], alone, atol=1e-6)


def test_an_image_is_the_same_in_any_batch():
    images, factors = floats(noise(5)), jnp.array([0.7, 1.0, 1.9, 3.3, 8.0])
    whole = place(images, factors, size=80)
    for rows in ([3], [4, 0], [2, 3, 1]):
        part = place(images[jnp.array(rows)], factors[jnp.array(rows)], size=80)
        np.testing.assert_allclose(part, whole[jnp.array(rows)], atol=1e-6)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("antialias", [False, True])
def test_factors_have_a_gradient(antialias):
    images = jnp.asarray(np.random.default_rng(4).random((4, 11, 11, 2)))
    factors = np.array([0.55, 0.93, 1.37, 4.1])
    weights = np.random.default_rng(5).standard_normal((4, 30, 30, 2))

    @jax.jit
    def score(factors):
        canvases = place(images, factors, size=30, antialias=antialias)
        return (weights * canvases).sum((1, 2, 3))

    gradient = jax.jit(jax.grad(lambda factors: score(factors).sum()))(factors)
    step = 1e-6
    slopes = (score(factors + step) - score(factors - step)) / (2 * step)
    # Rounding: 1e-15 * 900 / 1e-6; pieces of cubics: second derivatives jump.
    np.testing.assert_allclose(gradient, slopes, rtol=2e-4, atol=1e-4)
    assert (abs(gradient) > 1e-2).all()


@pytest.mark.parametrize("antialias", [False, True])
def test_gradients_are_finite_at_extreme_factors(antialias):
    images = floats(noise(4, side=6))
    factors = jnp.array([1e-6, 1.0, 3e-2, 1e4])
    gradient = jax.jit(
        jax.grad(lambda f: place(images, f, size=10, antialias=antialias).sum())
    )(factors)
    assert np.isfinite(gradient).all()


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16, jnp.float32])
def test_the_dtype_is_that_of_the_images(dtype):
    images, factors = floats(noise(2)).astype(dtype), jnp.array([1.7, 8.0])
    found = place(images, factors)
    assert found.dtype == dtype
    precise = place(images.astype(jnp.float32), factors)
    # Two programs may differ in the last bits of float32, and so by one step of a type.
    step = float(jnp.finfo(dtype).eps)
    np.testing.assert_allclose(
        found.astype(jnp.float32), precise, rtol=step, atol=1e-6 + step**2
    )


@pytest.mark.parametrize(
    ("images", "factors", "options", "error", "words"),
    [
        (np.zeros((1, 4, 4, 1), np.uint8), [1.0], {}, TypeError, "use `as_floats`"),
        (np.zeros((4, 4, 1)), [1.0], {}, ValueError, r"\(4, 4, 1\)"),
        (np.zeros((2, 4, 4, 1)), [1.0], {}, ValueError, r"`factors` \(1,\)"),
        (np.zeros((1, 4, 4, 1)), 1.0, {}, ValueError, r"`factors` \(\)"),
        (np.zeros((1, 4, 4, 1)), [1.0], {"size": 0}, ValueError, "size=0"),
        (np.zeros((1, 4, 4, 1)), [0.0], {}, ValueError, "must be positive"),
        (np.zeros((1, 4, 4, 1)), [float("nan")], {}, ValueError, "and finite"),
    ],
)
def test_wrong_arguments_are_named(images, factors, options, error, words):
    with pytest.raises(error, match=words):
        place_scaled(images, np.array(factors), **options)
