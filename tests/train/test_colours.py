import colorsys
import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gdjax_train.colours import (
    ColourDraws,
    add_brightness,
    adjust_colours,
    brightness_shift,
    colour_jitter,
    draw_colours,
    draw_shifts,
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


def keys(count):
    return jax.random.split(jax.random.key(11), count)


# Twins: from the definitions, in float64, one pixel at a time.


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


def test_neutral_draws_are_the_identity():
    # Only the hue is rounded: twice, as a number of up to 12 sixths of a turn, so by
    # half of 2^-20 each time.
    x, ones = jnp.asarray(pictures()), np.ones(5)
    neutral = {"brightness": ones, "contrast": ones, "saturation": ones}
    draws = on_device(colour_draws([2, 0, 1], **neutral))
    np.testing.assert_array_equal(adjust_colours(x, draws), x)
    draws = on_device(colour_draws([2, 3, 0, 1], **neutral, hue=np.zeros(5)))
    np.testing.assert_allclose(adjust_colours(x, draws), x, atol=2**-20 + 2**-22)


def test_colour_draws_are_uniform_and_independent(assert_uniform):
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


@pytest.mark.parametrize("jit", [False, True])
def test_added_brightness_equals_numpy(jit):
    # One addition each, rounded once in float32 as in numpy.
    x, shifts = pictures(), np.array([0.5, -0.5, 0.0, 1.0, -0.01], np.float32)
    y = (jax.jit(add_brightness) if jit else add_brightness)(x, jnp.asarray(shifts))
    expected = np.clip(x + shifts[:, None, None, None], 0, 1)
    np.testing.assert_array_equal(y, expected)


def test_shifts_are_uniform_and_each_image_has_its_own(assert_uniform):
    draw = functools.partial(draw_shifts, count=10, strength=0.3)
    shifts = np.asarray(jax.vmap(draw)(keys(1000)))
    assert_uniform(shifts, -0.3, 0.3)
    correlations = np.corrcoef(shifts.T)[np.triu_indices(10, 1)]
    assert (abs(correlations) <= 5 / np.sqrt(1000)).all()


def test_brightness_shift_draws_and_adds():
    x, key = jnp.asarray(pictures()), jax.random.key(2)
    shifts = draw_shifts(key, 5, strength=0.3)
    y = brightness_shift(key, x, strength=0.3)
    np.testing.assert_array_equal(y, add_brightness(x, shifts))


def test_added_brightness_mapped_equals_the_loop():
    # A sum of two numbers is rounded once, whatever surrounds it.
    x, several = jnp.asarray(pictures()), keys(3)
    change = functools.partial(brightness_shift, strength=0.3)
    mapped = jax.vmap(change, in_axes=(0, None))(several, x)
    for key, y in zip(several, mapped, strict=True):
        np.testing.assert_array_equal(y, change(key, x))


@pytest.mark.parametrize("jit", [False, True])
def test_zero_strengths_are_the_identity(jit):
    x, key = jnp.asarray(pictures()), jax.random.key(0)
    for change in (
        functools.partial(
            colour_jitter, brightness=0.0, contrast=0.0, saturation=0.0, hue=0.0
        ),
        functools.partial(brightness_shift, strength=0.0),
    ):
        y = (jax.jit(change) if jit else change)(key, x)
        np.testing.assert_array_equal(y, x)
