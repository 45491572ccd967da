import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gdjax_train.augment import (
    crop,
    cut,
    cutout,
    draw_centres,
    draw_corners,
    draw_flips,
    draw_turns,
    flip,
    horizontal_flip,
    quarter_turns,
    random_crop,
    random_scale,
    turn,
    vertical_flip,
)
from gdjax_train.batch import IGNORED, Batch
from gdjax_train.resizing import draw_factors, resize, resize_mask


@pytest.fixture(autouse=True)
def strict():
    """No type and no rank is promoted unasked."""
    with jax.numpy_dtype_promotion("strict"), jax.numpy_rank_promotion("raise"):
        yield


def pictures(count=5, height=7, width=9, channels=3):
    generator = np.random.default_rng(0)
    bytes_ = generator.integers(0, 256, (count, height, width, channels), np.uint8)
    return bytes_.astype(np.float32) / 255


def masks(count=5, height=7, width=9):
    """Classes that are neither black nor `IGNORED` as grey levels."""
    generator = np.random.default_rng(1)
    return generator.integers(1, 255, (count, height, width), np.uint8)


def rendered(mask):
    """The mask as grey levels; exact, as these are numbers up to 255 of bytes."""
    return jnp.asarray(mask[..., None], jnp.float32) / 256


# Twins: from the definitions, one pixel at a time.


def flip_twin(x, mirrored):
    y = np.zeros_like(x)
    for b, i, j in np.ndindex(x.shape[:3]):
        y[b, i, j] = x[b, i, x.shape[2] - 1 - j] if mirrored[b] else x[b, i, j]
    return y


def crop_twin(x, corners, padding, fill=0):
    y = np.full_like(x, fill)
    for b, i, j in np.ndindex(x.shape[:3]):
        row, column = i + corners[b][0] - padding, j + corners[b][1] - padding
        if 0 <= row < x.shape[1] and 0 <= column < x.shape[2]:
            y[b, i, j] = x[b, row, column]
    return y


def cut_twin(x, centres, side):
    y = x.copy()
    for b, (row, column) in enumerate(centres):
        for i in range(row - side // 2, row - side // 2 + side):
            for j in range(column - side // 2, column - side // 2 + side):
                if 0 <= i < x.shape[1] and 0 <= j < x.shape[2]:
                    y[b, i, j] = 0
    return y


def test_flip_equals_loops():
    x, mirrored = pictures(), np.array([True, False, True, True, False])
    y = jax.jit(flip)(x, mirrored)
    np.testing.assert_array_equal(y, flip_twin(x, mirrored))
    upright = flip_twin(x.swapaxes(1, 2), mirrored).swapaxes(1, 2)
    y = jax.jit(functools.partial(flip, axis=1))(x, mirrored)
    np.testing.assert_array_equal(y, upright)


@pytest.mark.parametrize("make", [pictures, masks])
def test_turn_equals_numpy(make):
    x, turns = make(height=6, width=6), np.array([0, 1, 2, 3, 1], np.int32)
    y = jax.jit(turn)(x, turns)
    assert y.dtype == x.dtype
    for found, image, quarters in zip(y, x, turns, strict=True):
        np.testing.assert_array_equal(found, np.rot90(image, quarters))


def test_images_that_are_not_square_are_not_turned():
    batch = Batch(jnp.asarray(pictures()), jnp.zeros(5, jnp.int32))
    with pytest.raises(ValueError, match="quarter_turns=True.*square.*7 x 9 px"):
        jax.jit(quarter_turns)(jax.random.key(0), batch)


@pytest.mark.parametrize("padding", [1, 3, 9])
def test_crop_equals_loops(padding):
    x = pictures()
    top = 2 * padding
    corners = np.array([[0, 0], [top, top], [0, top], [padding, padding], [1, 2]])
    corners = corners.astype(np.int32)
    y = jax.jit(functools.partial(crop, padding=padding))(x, corners)
    np.testing.assert_array_equal(y, crop_twin(x, corners, padding))
    np.testing.assert_array_equal(y[3], x[3])


def test_masks_are_cropped_with_nothing_known_around():
    mask, corners = masks(), np.array([[0, 0], [6, 6], [0, 6], [3, 3], [1, 2]])
    corners = corners.astype(np.int32)
    y = jax.jit(functools.partial(crop, padding=3, fill=IGNORED))(mask, corners)
    assert y.dtype == jnp.uint8
    np.testing.assert_array_equal(y, crop_twin(mask, corners, 3, IGNORED))


@pytest.mark.parametrize("side", [1, 3, 4, 20])
def test_cut_equals_loops(side):
    x = pictures()
    centres = np.array([[0, 0], [6, 8], [3, 4], [0, 8], [5, 1]], np.int32)
    y = jax.jit(functools.partial(cut, side=side))(x, centres)
    np.testing.assert_array_equal(y, cut_twin(x, centres, side))


def test_cutout_of_even_side_is_that_of_devries_and_taylor():
    # Their code: y1 = clip(y - length // 2, 0, h), y2 = clip(y + length // 2, 0, h).
    x, side = np.ones((1, 12, 12, 1), np.float32), 6
    for row, column in np.ndindex(12, 12):
        expected = x.copy()
        top, bottom = np.clip([row - side // 2, row + side // 2], 0, 12)
        left, right = np.clip([column - side // 2, column + side // 2], 0, 12)
        expected[:, top:bottom, left:right] = 0
        found = cut(jnp.asarray(x), jnp.array([[row, column]], jnp.int32), side=side)
        np.testing.assert_array_equal(found, expected)


def keys(count):
    return jax.random.split(jax.random.key(11), count)


@pytest.mark.parametrize("probability", [0.0, 0.1, 0.5, 1.0])
def test_flips_come_with_their_probability(probability):
    draw = functools.partial(draw_flips, count=10, probability=probability)
    flips = np.asarray(jax.vmap(draw)(keys(1000)))
    # Five standard deviations of a binomial mean.
    bound = 5 * np.sqrt(probability * (1 - probability) / flips.size)
    assert abs(flips.mean() - probability) <= bound


def assert_equally_likely(values, count):
    values, n = np.asarray(values).ravel(), np.asarray(values).size
    found, counts = np.unique(values, return_counts=True)
    np.testing.assert_array_equal(found, np.arange(count))
    bound = 5 * np.sqrt(n / count * (1 - 1 / count))
    assert (abs(counts - n / count) <= bound).all()


def test_corners_of_crops_are_equally_likely():
    draw = functools.partial(draw_corners, count=10, padding=2)
    corners = np.asarray(jax.vmap(draw)(keys(1000))).reshape(-1, 2)
    assert_equally_likely(corners[:, 0] * 5 + corners[:, 1], 25)


def test_centres_of_squares_are_equally_likely():
    draw = functools.partial(draw_centres, count=10, height=4, width=6)
    centres = np.asarray(jax.vmap(draw)(keys(1000))).reshape(-1, 2)
    assert_equally_likely(centres[:, 0] * 6 + centres[:, 1], 24)


# Changes that move pixels of square images by whole pixels.
MOVES = {
    "horizontal_flip": functools.partial(horizontal_flip, probability=0.5),
    "vertical_flip": functools.partial(vertical_flip, probability=0.5),
    "quarter_turns": quarter_turns,
    "crop": functools.partial(random_crop, padding=3),
}
SCALED = {"scale": functools.partial(random_scale, scale=(0.5, 2.0))}


@pytest.mark.parametrize("name", MOVES)
@pytest.mark.parametrize("jit", [False, True])
def test_masks_move_like_images(name, jit):
    mask = masks(40, 8, 8)
    batch = Batch(rendered(mask), jnp.asarray(mask))
    moved = (jax.jit(MOVES[name]) if jit else MOVES[name])(jax.random.key(1), batch)
    assert moved.label.dtype == jnp.uint8 and moved.image.dtype == jnp.float32
    unknown = np.asarray(moved.label) == IGNORED
    expected = np.where(unknown[..., None], 0, rendered(moved.label))
    np.testing.assert_array_equal(moved.image, expected)
    assert unknown.any() == (name == "crop")
    changed = (np.asarray(moved.label) != mask).any((1, 2))
    assert changed.any() and not changed.all()


def test_masks_are_resized_like_images_by_factors_that_are_kept():
    key, scale = jax.random.key(1), (0.5, 2.0)
    x, mask = jnp.asarray(pictures()), jnp.asarray(masks())
    moved = random_scale(key, Batch(x, mask), scale=scale)
    factors = draw_factors(key, 5, scale=scale)
    np.testing.assert_array_equal(moved.factor, factors)
    np.testing.assert_array_equal(moved.image, resize(x, factors))
    np.testing.assert_array_equal(moved.label, resize_mask(mask, factors))


def test_the_factor_multiplies_the_one_before():
    before = jnp.array([0.5, 1.0, 2.0, 4.0, 3.0])
    batch = Batch(jnp.asarray(pictures()), jnp.zeros(5, jnp.int32), factor=before)
    moved = random_scale(jax.random.key(1), batch, scale=(0.5, 2.0))
    drawn = draw_factors(jax.random.key(1), 5, scale=(0.5, 2.0))
    np.testing.assert_array_equal(moved.factor, np.asarray(before) * drawn)
    assert moved.factor.dtype == jnp.float32


@pytest.mark.parametrize("name", [*MOVES, *SCALED])
def test_classes_of_images_and_places_in_the_data_stay(name):
    label, index = np.arange(5, dtype=np.int32), np.arange(7, 12, dtype=np.int32)
    batch = Batch(jnp.asarray(pictures(height=8, width=8)), label, index)
    moved = (MOVES | SCALED)[name](jax.random.key(0), batch)
    assert moved.label is label and moved.index is index
    assert (moved.factor is None) == (name in MOVES)


@pytest.mark.parametrize("name", [*MOVES, *SCALED])
def test_mapped_over_keys_and_batches_equals_the_loop(name):
    change, keys_ = (MOVES | SCALED)[name], keys(3)
    x, mask = pictures(15, 8, 8), masks(15, 8, 8)
    batches = Batch(x.reshape(3, 5, 8, 8, 3), mask.reshape(3, 5, 8, 8))
    mapped = jax.vmap(change)(keys_, batches)
    for n in range(3):
        alone = change(
            keys_[n], jax.tree.map(lambda a, n=n: jnp.asarray(a[n]), batches)
        )
        # Sums of weights may be rounded otherwise where images are resized.
        atol = 1e-6 if name in SCALED else 0
        np.testing.assert_allclose(mapped.image[n], alone.image, rtol=0, atol=atol)
        np.testing.assert_array_equal(mapped.label[n], alone.label)


def test_turns_are_equally_likely():
    turns = jax.vmap(functools.partial(draw_turns, count=10))(keys(1000))
    assert_equally_likely(turns, 4)


@pytest.mark.parametrize("jit", [False, True])
def test_zero_strengths_are_the_identity(jit):
    x, mask, key = jnp.asarray(pictures()), jnp.asarray(masks()), jax.random.key(0)
    for change in (
        functools.partial(horizontal_flip, probability=0.0),
        functools.partial(vertical_flip, probability=0.0),
        functools.partial(random_scale, scale=(1.0, 1.0)),
        functools.partial(random_crop, padding=0),
    ):
        moved = (jax.jit(change) if jit else change)(key, Batch(x, mask))
        np.testing.assert_array_equal(moved.image, x)
        np.testing.assert_array_equal(moved.label, mask)
    np.testing.assert_array_equal(cutout(key, x, side=0), x)
