import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from gdjax_train.batch import IGNORED
from gdjax_train.resizing import draw_factors, resize, resize_mask


FACTORS = (0.31, 0.5, 0.77, 1.0, 1.3, 2.0, 3.7)
# Of these, no place comes within 5e-3 px of where two pixels meet, for N <= 16, but for
# 2.0 in odd sizes, where places are exact.
UNEVEN = (0.317, 0.507, 0.771, 1.0, 1.313, 2.0, 3.713)
# A place in an image of N px is rounded a few times by half of 2^-23 N px, the weights
# then differ by so much, and grey levels by at most the sum of two of them; N <= 16.
ATOL = 1e-5


@pytest.fixture(autouse=True)
def strict():
    """No type and no rank is promoted unasked."""
    with jax.numpy_dtype_promotion("strict"), jax.numpy_rank_promotion("raise"):
        yield


def pictures(height, width, channels=2, count=7):
    generator = np.random.default_rng(0)
    shape = (count, height, width, channels)
    return generator.uniform(size=shape).astype(np.float32)


def masks(height, width, count=7):
    generator = np.random.default_rng(1)
    return generator.integers(0, 200, (count, height, width), np.uint8)


# Twins: from the definition in `resize`, in float64.


def places(length, factor):
    return length / 2 + (np.arange(length) + 0.5 - length / 2) / factor


def weights_twin(length, factor):
    """Of the pixels [N] in what each place [N] shows."""
    weights = np.zeros((length, length))
    for j, place in enumerate(places(length, factor)):
        if 0 <= place <= length:
            distance = abs(place - (np.arange(length) + 0.5)) * min(factor, 1)
            weights[j] = np.maximum(0, 1 - distance)
            weights[j] /= weights[j].sum()
    return weights


def mask_twin(mask, factor):
    y = np.full_like(mask, IGNORED)
    rows, columns = (places(length, factor) for length in mask.shape)
    for i, j in np.ndindex(mask.shape):
        if 0 <= rows[i] <= mask.shape[0] and 0 <= columns[j] <= mask.shape[1]:
            y[i, j] = mask[int(rows[i]), int(columns[j])]
    return y


@pytest.mark.parametrize("size", [(16, 16), (9, 12), (7, 7)])
@pytest.mark.parametrize("jit", [False, True])
def test_images_are_resized_as_defined(size, jit):
    x = pictures(*size)
    factors = jnp.asarray(FACTORS, jnp.float32)
    found = (jax.jit(resize) if jit else resize)(jnp.asarray(x), factors)
    for b, factor in enumerate(np.asarray(factors, np.float64)):
        rows, columns = (weights_twin(length, factor) for length in size)
        expected = np.einsum("ih,jw,hwc->ijc", rows, columns, x[b])
        np.testing.assert_allclose(found[b], expected, atol=ATOL)


@pytest.mark.parametrize("shown", [2, 6, 10, 14])
def test_smaller_images_are_those_of_pillow_in_the_middle(shown):
    x = pictures(16, 16, channels=1, count=1)
    found = resize(jnp.asarray(x), jnp.array([shown / 16]))[0, ..., 0]
    small = Image.fromarray(x[0, ..., 0]).resize(
        (shown, shown), Image.Resampling.BILINEAR
    )
    expected = np.pad(np.asarray(small), (16 - shown) // 2)
    np.testing.assert_allclose(found, expected, atol=ATOL)


@pytest.mark.parametrize("factor", [1.25, 2.0, 4.0])
def test_larger_images_are_those_of_pillow(factor):
    x = pictures(16, 16, channels=1, count=1)
    found = resize(jnp.asarray(x), jnp.array([factor]))[0, ..., 0]
    box = tuple(8 + side * 8 / factor for side in (-1, -1, 1, 1))
    expected = Image.fromarray(x[0, ..., 0]).resize(
        (16, 16), Image.Resampling.BILINEAR, box=box
    )
    np.testing.assert_allclose(found, expected, atol=ATOL)


def test_nothing_aliases_in_smaller_images():
    # Stripes of 1 px have the mean 1/2; at a third, a pixel averages over 6 px, so
    # that little is left of them, while each single pixel is 0 or 1.
    x = np.zeros((1, 48, 48, 1), np.float32)
    x[:, :, ::2] = 1
    y = np.asarray(resize(jnp.asarray(x), jnp.array([1 / 3])))[0, 16:32, 17:31, 0]
    # Weights of the triangle of 3 px at every second pixel: (1 +- 1/9) / 2 at most.
    assert abs(y - 0.5).max() <= 1 / 18 + ATOL


@pytest.mark.parametrize("size", [(16, 16), (9, 12), (7, 7)])
@pytest.mark.parametrize("jit", [False, True])
def test_masks_are_resized_as_defined(size, jit):
    x = masks(*size)
    rounded = np.asarray(UNEVEN, np.float32)
    resized = (jax.jit(resize_mask) if jit else resize_mask)(x, jnp.asarray(rounded))
    assert resized.dtype == jnp.uint8
    for mask, factor, found in zip(x, rounded, resized, strict=True):
        np.testing.assert_array_equal(found, mask_twin(mask, float(factor)))


@pytest.mark.parametrize("edge", [5, 8, 11])
@pytest.mark.parametrize("axis", [1, 2])
def test_an_edge_is_at_the_same_place_in_image_and_mask(edge, axis):
    # Weights are symmetric about a place: more than half of white is seen where the
    # place is beyond the edge, as its own pixel is, if the border is no nearer than
    # the 1 / 0.317 px to which weights reach.
    mask = np.broadcast_to(np.arange(16) >= edge, (len(UNEVEN), 16, 16))
    mask = mask if axis == 2 else mask.swapaxes(1, 2)
    mask = mask.astype(np.uint8)
    factors = jnp.asarray(UNEVEN, jnp.float32)
    image = np.asarray(resize(jnp.asarray(mask[..., None], jnp.float32), factors))
    moved = np.asarray(resize_mask(jnp.asarray(mask), factors))
    known = moved != IGNORED
    np.testing.assert_array_equal(image[known][:, 0] > 0.5, moved[known] == 1)
    np.testing.assert_array_equal(image[~known], 0)


def test_a_factor_of_one_changes_nothing():
    x, mask, ones = pictures(9, 12), masks(9, 12), jnp.ones(len(FACTORS))
    np.testing.assert_array_equal(resize(jnp.asarray(x), ones), x)
    np.testing.assert_array_equal(resize_mask(jnp.asarray(mask), ones), mask)


def test_one_grey_level_stays_in_range():
    x = jnp.ones((len(FACTORS), 11, 11, 1))
    y = np.asarray(resize(x, jnp.asarray(FACTORS, jnp.float32)))
    assert y.min() >= 0 and y.max() <= 1
    inside = y[y > 0]
    np.testing.assert_allclose(inside, 1, atol=1e-6)


def test_mapped_over_batches_equals_the_loop():
    x, mask = (np.stack([a, a[::-1]]) for a in (pictures(7, 9), masks(7, 9)))
    factors = jnp.asarray([FACTORS, FACTORS[::-1]], jnp.float32)
    images = jax.vmap(resize)(jnp.asarray(x), factors)
    moved = jax.vmap(resize_mask)(jnp.asarray(mask), factors)
    for n in range(2):
        alone = resize(jnp.asarray(x[n]), factors[n])
        np.testing.assert_allclose(images[n], alone, atol=1e-6)
        np.testing.assert_array_equal(
            moved[n], resize_mask(jnp.asarray(mask[n]), factors[n])
        )


def test_logarithms_of_factors_are_uniform_and_independent(assert_uniform):
    draw = functools.partial(draw_factors, count=10, scale=(0.5, 3.0))
    keys = jax.random.split(jax.random.key(11), 1000)
    logarithms = np.log(np.asarray(jax.vmap(draw)(keys)))
    assert_uniform(logarithms, math.log(0.5), math.log(3.0))
    correlations = np.corrcoef(logarithms.T)[np.triu_indices(10, 1)]
    assert (abs(correlations) <= 5 / np.sqrt(1000)).all()


def test_a_range_of_one_factor_draws_it():
    factors = draw_factors(jax.random.key(0), 3, scale=(1.7, 1.7))
    np.testing.assert_allclose(factors, 1.7, rtol=3e-7)
