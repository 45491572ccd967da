import colorsys
import dataclasses
import functools
import itertools
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gdjax_train import augment as augmentation
from gdjax_train.augment import (
    ColourDraws,
    adjust_colours,
    augment,
    colour_jitter,
    crop,
    cut,
    cutout,
    draw_centres,
    draw_colours,
    draw_corners,
    draw_flips,
    flip,
    horizontal_flip,
    random_crop,
)
from gdjax_train.augment_config import AugmentConfig, validate_augment
from gdjax_train.errors import UserError


PAPER = AugmentConfig(
    horizontal_flip=0.5,
    brightness=0.2,
    contrast=0.2,
    saturation=0.2,
    hue=0.05,
    crop_padding=3,
    cutout=4,
)
GREY = (0.2989, 0.587, 0.114)


@pytest.fixture(autouse=True)
def strict():
    """No type and no rank is promoted unasked."""
    with jax.numpy_dtype_promotion("strict"), jax.numpy_rank_promotion("raise"):
        yield


def pictures(count=5, height=7, width=9, channels=3, seed=0):
    """Bytes as 0..1, with black, white, grey and pure colours in the first rows."""
    generator = np.random.default_rng(seed)
    bytes_ = generator.integers(0, 256, (count, height, width, channels), np.uint8)
    if channels == 3:
        corners = list(itertools.product((0, 255), repeat=3))
        bytes_[0, 0, :8] = corners
        bytes_[0, 1, :3] = [(90, 90, 90), (200, 200, 10), (10, 200, 200)]
    return bytes_.astype(np.float32) / 255


# Twins: from the definitions, in float64, one pixel at a time.


def flip_twin(x, mirrored):
    y = np.zeros_like(x)
    for b, i, j in np.ndindex(x.shape[:3]):
        y[b, i, j] = x[b, i, x.shape[2] - 1 - j] if mirrored[b] else x[b, i, j]
    return y


def crop_twin(x, corners, padding):
    y = np.zeros_like(x)
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


def grey_twin(pixel):
    if len(pixel) != 3:
        return sum(pixel) / len(pixel)
    return sum(w * v for w, v in zip(GREY, pixel, strict=True))


def clip_twin(value):
    return min(max(value, 0.0), 1.0)


def hue_twin(pixel, turn):
    hue, saturation, value = colorsys.rgb_to_hsv(*pixel)
    return colorsys.hsv_to_rgb((hue + turn) % 1.0, saturation, value)


def adjust_twin(image, name, amount):
    height, width, channels = image.shape
    pixels = [image[i, j].tolist() for i in range(height) for j in range(width)]
    mean = sum(map(grey_twin, pixels)) / len(pixels)
    y = []
    for pixel in pixels:
        if name == "hue":
            y.append(hue_twin(pixel, amount))
            continue
        other = {"brightness": 0.0, "contrast": mean, "saturation": grey_twin(pixel)}
        y.append([clip_twin(amount * v + (1 - amount) * other[name]) for v in pixel])
    return np.array(y).reshape(height, width, channels)


def colour_twin(x, draws):
    names = [name for name in draws._fields[:4] if getattr(draws, name) is not None]
    y = x.astype(np.float64)
    for b in range(len(x)):
        for which in draws.order:
            amount = float(getattr(draws, names[which])[b])
            y[b] = adjust_twin(y[b], names[which], amount)
    return y


def colour_draws(order, **amounts):
    fields = {name: amounts.get(name) for name in ColourDraws._fields[:4]}
    arrays = {
        name: None if values is None else np.asarray(values, np.float32)
        for name, values in fields.items()
    }
    return ColourDraws(**arrays, order=np.asarray(order, np.int32))


STRONG = {
    "brightness": [0.5, 1.0, 1.6, 0.0, 0.9],
    "contrast": [1.5, 0.0, 0.7, 1.0, 1.2],
    "saturation": [2.0, 0.4, 0.0, 1.3, 1.0],
    "hue": [0.5, -0.5, 0.11, -0.27, 0.0],
}


def on_device(draws):
    return jax.tree.map(jnp.asarray, draws)


def test_flip_equals_loops():
    x, mirrored = pictures(), np.array([True, False, True, True, False])
    y = jax.jit(flip)(x, mirrored)
    np.testing.assert_array_equal(y, flip_twin(x, mirrored))


@pytest.mark.parametrize("padding", [1, 3, 9])
def test_crop_equals_loops(padding):
    x = pictures()
    top = 2 * padding
    corners = np.array([[0, 0], [top, top], [0, top], [padding, padding], [1, 2]])
    corners = corners.astype(np.int32)
    y = jax.jit(functools.partial(crop, padding=padding))(x, corners)
    np.testing.assert_array_equal(y, crop_twin(x, corners, padding))
    np.testing.assert_array_equal(y[3], x[3])


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


@pytest.mark.parametrize("name", STRONG)
def test_each_colour_adjustment_equals_loops(name):
    x, draws = pictures(), colour_draws([0], **{name: STRONG[name]})
    y = jax.jit(adjust_colours)(x, draws)
    np.testing.assert_allclose(y, colour_twin(x, draws), atol=2e-6)


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_colour_adjustments_equal_loops_in_every_order(order):
    # Each of the four steps may enlarge the error of the one before, saturation by
    # 2 + grey and hue by up to the slope of its ramp; float32 rounds at 6e-8.
    x = pictures(height=4, width=8)
    mild = {name: np.array(values) * 0.5 for name, values in STRONG.items()}
    draws = colour_draws(order, **mild)
    y = jax.jit(adjust_colours)(x, draws)
    np.testing.assert_allclose(y, colour_twin(x, draws), atol=1e-5)


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_brightness_and_contrast_need_no_colours(channels):
    x = pictures(channels=channels)
    draws = colour_draws(
        [1, 0], brightness=STRONG["brightness"], contrast=STRONG["contrast"]
    )
    y = adjust_colours(jnp.asarray(x), on_device(draws))
    np.testing.assert_allclose(y, colour_twin(x, draws), atol=2e-6)


@pytest.mark.parametrize("strengths", [(0.0, 0.2), (0.2, 0.0)])
@pytest.mark.parametrize("channels", [1, 4])
def test_saturation_and_hue_without_three_channels_are_refused(strengths, channels):
    saturation, hue = strengths
    x = jnp.asarray(pictures(channels=channels))
    jitter = functools.partial(
        colour_jitter, brightness=0.0, contrast=0.0, saturation=saturation, hue=hue
    )
    with pytest.raises(ValueError, match=f"C={channels}: set both to 0"):
        jax.jit(jitter)(jax.random.key(0), x)


def test_turning_the_hue_by_thirds_permutes_the_channels():
    x = jnp.asarray(pictures(count=1))
    third = on_device(colour_draws([0], hue=[1 / 3]))
    np.testing.assert_allclose(
        adjust_colours(x, third), jnp.roll(x, 1, axis=-1), atol=1e-6
    )


def test_turning_the_hue_keeps_grey():
    x = jnp.asarray(np.repeat(pictures(channels=1), 3, axis=-1))
    draws = on_device(colour_draws([0], hue=STRONG["hue"]))
    np.testing.assert_array_equal(adjust_colours(x, draws), x)


def functions():
    """Name -> function of key and images, with the draws of the paper's kind."""
    return {
        "flip": functools.partial(horizontal_flip, probability=0.5),
        "jitter": functools.partial(
            colour_jitter, brightness=0.2, contrast=0.2, saturation=0.2, hue=0.05
        ),
        "crop": functools.partial(random_crop, padding=3),
        "cutout": functools.partial(cutout, side=4),
        "augment": functools.partial(augment, config=PAPER),
    }


@pytest.mark.parametrize("name", functions())
def test_functions_are_pure_and_stay_in_range(name):
    function, x = functions()[name], jnp.asarray(pictures())
    jitted = jax.jit(function)
    once, again = (jitted(jax.random.key(3), x) for _ in range(2))
    np.testing.assert_array_equal(once, again)
    np.testing.assert_allclose(once, function(jax.random.key(3), x), atol=2e-6)
    assert once.shape == x.shape
    assert once.dtype == jnp.float32
    assert 0 <= once.min() and once.max() <= 1
    others = [np.asarray(jitted(jax.random.key(k), x)) for k in range(4, 10)]
    assert any((np.asarray(once) != other).any() for other in others)


@pytest.mark.parametrize("name", functions())
def test_images_of_a_batch_are_changed_independently(name):
    x = jnp.asarray(np.repeat(pictures(count=1), 40, axis=0))
    y = np.asarray(functions()[name](jax.random.key(0), x))
    kinds = len(np.unique(y.reshape(40, -1), axis=0))
    assert kinds == 2 if name == "flip" else kinds > 10


def test_augment_applies_its_parts_in_order():
    x, key = jnp.asarray(pictures()), jax.random.key(5)
    parts = list(functions().values())[:4]
    expected = x
    for part, part_key in zip(parts, jax.random.split(key, 4), strict=True):
        expected = part(part_key, expected)
    np.testing.assert_array_equal(augment(key, x, PAPER), expected)


@pytest.mark.parametrize("field", [f.name for f in dataclasses.fields(AugmentConfig)])
def test_fields_left_at_zero_change_nothing_and_nothing_of_the_others(field):
    """One field alone draws what it draws beside the others."""
    x, key = jnp.asarray(pictures()), jax.random.key(7)
    alone = AugmentConfig(**{field: getattr(PAPER, field)})
    changed = np.asarray(augment(key, x, alone))
    assert (changed != np.asarray(x)).any()
    flip_key, colour_key, crop_key, cutout_key = jax.random.split(key, 4)
    if field == "horizontal_flip":
        expected = flip_twin(np.asarray(x), draw_flips(flip_key, 5, probability=0.5))
    elif field == "crop_padding":
        expected = crop_twin(np.asarray(x), draw_corners(crop_key, 5, padding=3), 3)
    elif field == "cutout":
        centres = np.asarray(draw_centres(cutout_key, 5, height=7, width=9))
        expected = cut_twin(np.asarray(x), centres, 4)
    else:
        every = draw_colours(
            colour_key, 5, brightness=0.2, contrast=0.2, saturation=0.2, hue=0.05
        )
        expected = colour_twin(
            np.asarray(x), colour_draws([0], **{field: getattr(every, field)})
        )
    np.testing.assert_allclose(changed, expected, atol=2e-6)


@pytest.mark.parametrize("jit", [False, True])
def test_zero_strengths_are_the_identity(jit):
    x, key = jnp.asarray(pictures()), jax.random.key(0)
    for function in (
        functools.partial(horizontal_flip, probability=0.0),
        functools.partial(
            colour_jitter, brightness=0.0, contrast=0.0, saturation=0.0, hue=0.0
        ),
        functools.partial(random_crop, padding=0),
        functools.partial(cutout, side=0),
        functools.partial(augment, config=AugmentConfig()),
    ):
        y = (jax.jit(function) if jit else function)(key, x)
        np.testing.assert_array_equal(y, x)


def test_default_config_does_nothing_at_all():
    x = jnp.asarray(pictures())
    assert augment(jax.random.key(0), x, AugmentConfig()) is x


def test_neutral_draws_are_the_identity():
    # Only the hue is rounded: twice, as a number of up to 12 sixths of a turn, so by
    # half of 2^-20 each time.
    x, ones = jnp.asarray(pictures()), np.ones(5)
    neutral = {"brightness": ones, "contrast": ones, "saturation": ones}
    draws = on_device(colour_draws([2, 0, 1], **neutral))
    np.testing.assert_array_equal(adjust_colours(x, draws), x)
    draws = on_device(colour_draws([2, 3, 0, 1], **neutral, hue=np.zeros(5)))
    np.testing.assert_allclose(adjust_colours(x, draws), x, atol=2**-20 + 2**-22)


def keys(count):
    return jax.random.split(jax.random.key(11), count)


@pytest.mark.parametrize("probability", [0.0, 0.1, 0.5, 1.0])
def test_flips_come_with_their_probability(probability):
    draw = functools.partial(draw_flips, count=10, probability=probability)
    flips = np.asarray(jax.vmap(draw)(keys(1000)))
    # Five standard deviations of a binomial mean.
    bound = 5 * np.sqrt(probability * (1 - probability) / flips.size)
    assert abs(flips.mean() - probability) <= bound


def assert_uniform(values, low, high):
    """Range, mean and variance, within five standard deviations of each."""
    values = np.asarray(values, np.float64).ravel()
    n, width = values.size, high - low
    assert low - 1e-6 <= values.min() and values.max() <= high + 1e-6
    unit = (values - low) / width - 0.5
    assert abs(unit.mean()) <= 5 * np.sqrt(1 / 12 / n)
    assert abs((unit**2).mean() - 1 / 12) <= 5 * np.sqrt(1 / 180 / n)


def test_colour_draws_are_uniform_and_independent():
    draw = functools.partial(
        draw_colours, count=10, brightness=0.2, contrast=1.5, saturation=0.4, hue=0.05
    )
    draws = jax.vmap(draw)(keys(1000))
    assert_uniform(draws.brightness, 0.8, 1.2)
    assert_uniform(draws.contrast, 0.0, 2.5)
    assert_uniform(draws.saturation, 0.6, 1.4)
    assert_uniform(draws.hue, -0.05, 0.05)
    amounts = np.stack([np.asarray(a).ravel() for a in draws[:4]])
    correlations = np.corrcoef(amounts)[np.triu_indices(4, 1)]
    assert (abs(correlations) <= 5 / np.sqrt(amounts.shape[1])).all()
    neighbours = np.corrcoef(np.asarray(draws.brightness).T)[np.triu_indices(10, 1)]
    assert (abs(neighbours) <= 5 / np.sqrt(1000)).all()


def test_every_order_of_adjustments_is_equally_likely():
    draw = functools.partial(
        draw_colours, count=1, brightness=0.1, contrast=0.1, saturation=0.1, hue=0.1
    )
    orders = np.asarray(jax.vmap(draw)(keys(6000)).order)
    found, counts = np.unique(orders, axis=0, return_counts=True)
    assert sorted(map(tuple, found)) == list(itertools.permutations(range(4)))
    assert (abs(counts - 250) <= 5 * np.sqrt(6000 / 24 * 23 / 24)).all()


def test_adjustments_of_no_strength_are_not_drawn():
    draws = draw_colours(
        jax.random.key(0), 3, brightness=0.0, contrast=0.2, saturation=0.0, hue=0.1
    )
    assert draws.brightness is None and draws.saturation is None
    assert sorted(np.asarray(draws.order)) == [0, 1]


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


def test_augment_refuses_bytes():
    x = jnp.asarray(pictures() * 255, jnp.uint8)
    with pytest.raises(ValueError, match="uint8: expected float32 in 0..1"):
        augment(jax.random.key(0), x, PAPER)


def test_augment_is_traced_once_and_the_key_is_an_argument(monkeypatch):
    calls = []
    original = augmentation.flip
    monkeypatch.setattr(
        augmentation, "flip", lambda *args: calls.append(1) or original(*args)
    )
    jitted = jax.jit(functools.partial(augment, config=PAPER))
    for seed in range(3):
        jitted(jax.random.key(seed), jnp.asarray(pictures()))
    assert len(calls) == 1


@pytest.mark.parametrize(
    "field, value",
    [
        ("horizontal_flip", 1.5),
        ("horizontal_flip", -0.1),
        ("horizontal_flip", float("nan")),
        ("brightness", -0.2),
        ("brightness", float("inf")),
        ("contrast", float("nan")),
        ("saturation", -1.0),
        ("hue", 0.6),
        ("hue", -0.1),
        ("crop_padding", -1),
        ("crop_padding", 1.5),
        ("cutout", -32),
    ],
)
def test_values_without_a_meaning_are_refused(field, value):
    config = AugmentConfig(**{field: value})
    with pytest.raises(UserError, match=f"`{field}={value}`: give .*0 leaves"):
        validate_augment(config)
    with pytest.raises(UserError, match=field):
        augment(jax.random.key(0), jnp.asarray(pictures()), config)


@pytest.mark.parametrize(
    "config", [PAPER, AugmentConfig(), AugmentConfig(1.0, 3.0, 1.0, 2.0, 0.5, 0, 99)]
)
def test_meaningful_values_are_accepted(config):
    validate_augment(config)


def test_config_does_not_import_jax():
    code = "import sys, gdjax_train.augment_config; sys.exit('jax' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
