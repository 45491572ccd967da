import dataclasses
import functools
import zlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gdjax_train import augment as augmentation
from gdjax_train.augment import (
    augment,
    crop,
    cut,
    cutout,
    draw_centres,
    draw_corners,
    draw_flips,
    flip,
    horizontal_flip,
    quarter_turns,
    random_crop,
    random_scale,
    vertical_flip,
)
from gdjax_train.augment_config import AugmentConfig
from gdjax_train.batch import IGNORED, Batch
from gdjax_train.colours import (
    adjust_colours,
    brightness_shift,
    colour_jitter,
    draw_colours,
)
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
EVERYTHING = dataclasses.replace(
    PAPER,
    vertical_flip=0.5,
    quarter_turns=True,
    scale=(0.5, 2.0),
    brightness_shift=0.1,
)
# Without crops of other sides, which test_augment_crop.py is about.
FIELDS = [f.name for f in dataclasses.fields(AugmentConfig) if f.name != "crop"]


@pytest.fixture(autouse=True)
def strict():
    """No type and no rank is promoted unasked."""
    with jax.numpy_dtype_promotion("strict"), jax.numpy_rank_promotion("raise"):
        yield


def pictures(count=5, height=7, width=9, channels=3):
    generator = np.random.default_rng(0)
    bytes_ = generator.integers(0, 256, (count, height, width, channels), np.uint8)
    return bytes_.astype(np.float32) / 255


def batch_of(x):
    """Images with classes of their own."""
    return Batch(jnp.asarray(x), jnp.arange(len(x), dtype=jnp.int32))


def with_masks(x):
    """Images with a mask each, without pixels that are ignored."""
    mask = np.random.default_rng(1).integers(0, 9, x.shape[:3], np.uint8)
    return Batch(jnp.asarray(x), jnp.asarray(mask))


def on_images(change):
    """A change of images alone as one of batches."""

    def changed(key, batch):
        return batch._replace(image=change(key, batch.image))

    return changed


def parts():
    """Field -> function of key and batch, as in `EVERYTHING`, in their order."""
    colours = functools.partial(
        colour_jitter, brightness=0.2, contrast=0.2, saturation=0.2, hue=0.05
    )
    return {
        "horizontal_flip": functools.partial(horizontal_flip, probability=0.5),
        "vertical_flip": functools.partial(vertical_flip, probability=0.5),
        "quarter_turns": quarter_turns,
        "scale": functools.partial(random_scale, scale=(0.5, 2.0)),
        "colours": on_images(colours),
        "brightness_shift": on_images(
            functools.partial(brightness_shift, strength=0.1)
        ),
        "crop_padding": functools.partial(random_crop, padding=3),
        "cutout": on_images(functools.partial(cutout, side=4)),
    }


def keys_of_parts(key):
    flip_key, colour_key, crop_key, cutout_key = jax.random.split(key, 4)
    later = [jax.random.fold_in(key, n) for n in (4, 5, 6, 7)]
    return [flip_key, *later[:3], colour_key, later[3], crop_key, cutout_key]


def functions():
    return parts() | {"augment": functools.partial(augment, config=EVERYTHING)}


@pytest.mark.parametrize("name", functions())
def test_functions_are_pure_and_stay_in_range(name):
    function, batch = functions()[name], with_masks(pictures(height=8, width=8))
    jitted = jax.jit(function)
    once, again = (jitted(jax.random.key(3), batch) for _ in range(2))
    jax.tree.map(np.testing.assert_array_equal, once, again)
    eager = function(jax.random.key(3), batch)
    np.testing.assert_allclose(once.image, eager.image, atol=2e-6)
    np.testing.assert_array_equal(once.label, eager.label)
    assert once.image.shape == batch.image.shape
    assert once.image.dtype == jnp.float32 and once.label.dtype == jnp.uint8
    assert 0 <= once.image.min() and once.image.max() <= 1
    others = [jitted(jax.random.key(k), batch).image for k in range(4, 10)]
    assert any((np.asarray(once.image) != other).any() for other in others)


@pytest.mark.parametrize("name", functions())
def test_images_of_a_batch_are_changed_independently(name):
    x = np.repeat(pictures(count=1, height=8, width=8), 40, axis=0)
    y = np.asarray(functions()[name](jax.random.key(0), batch_of(x)).image)
    kinds = len(np.unique(y.reshape(40, -1), axis=0))
    few = {"horizontal_flip": 2, "vertical_flip": 2, "quarter_turns": 4}
    assert kinds == few[name] if name in few else kinds > 10


@pytest.mark.parametrize("config", [PAPER, EVERYTHING])
def test_augment_applies_its_parts_in_order(config):
    batch, key = with_masks(pictures(height=8, width=8)), jax.random.key(5)
    expected = batch
    for (name, part), part_key in zip(parts().items(), keys_of_parts(key), strict=True):
        default = getattr(AugmentConfig(), name, None)
        if name == "colours" or getattr(config, name) != default:
            expected = part(part_key, expected)
    found = augment(key, batch, config)
    jax.tree.map(np.testing.assert_array_equal, found, expected)


def test_no_two_changes_share_a_key():
    # `split(key, 4)` and `fold_in(key, 0..3)` are the same keys.
    key = jax.random.key(5)
    data = [tuple(jax.random.key_data(k).tolist()) for k in keys_of_parts(key)]
    assert len(set(data)) == len(data)


def test_draws_and_images_are_those_of_runs_begun_earlier():
    """Recorded when the flip, colours, crop and cutout were all that there was."""
    key, x = jax.random.key(5), jnp.asarray(pictures())
    flip_key, colour_key, crop_key, cutout_key = jax.random.split(key, 4)
    mirrored = draw_flips(flip_key, 5, probability=0.5)
    np.testing.assert_array_equal(mirrored, [False, False, True, False, False])
    corners = draw_corners(crop_key, 5, padding=3)
    np.testing.assert_array_equal(corners, [[4, 0], [2, 6], [0, 0], [0, 0], [4, 5]])
    centres = draw_centres(cutout_key, 5, height=7, width=9)
    np.testing.assert_array_equal(centres, [[0, 3], [0, 2], [0, 2], [4, 0], [4, 1]])
    draws = draw_colours(
        colour_key, 5, brightness=0.2, contrast=0.2, saturation=0.2, hue=0.05
    )
    np.testing.assert_array_equal(draws.order, [0, 2, 3, 1])
    for values, (first, last) in zip(
        draws[:4],
        [
            (1.1645172, 1.1864821),
            (1.0143905, 0.85322636),
            (0.9881411, 0.9907973),
            (0.01837007, 0.01822737),
        ],
        strict=True,
    ):
        # Bits times the width plus the least, which some machines round once.
        np.testing.assert_allclose(values[::4], [first, last], rtol=2e-7, atol=6e-9)
    colourless = dict.fromkeys(("brightness", "contrast", "saturation", "hue"), 0.0)
    moved = augment(key, batch_of(x), dataclasses.replace(PAPER, **colourless)).image
    levels = np.round(np.asarray(moved) * 255).astype(np.uint8)
    assert zlib.crc32(levels.tobytes()) == 2743132607
    found = augment(key, batch_of(x), PAPER).image
    recorded = [
        [0.03369255, 0.448531, 0.9629283],
        [0.01982171, 0.0, 0.13674371],
        [1.0, 0.3216553, 1.0],
        [0.48193356, 0.6413312, 0.22381283],
        [0.9325077, 0.26807052, 0.68708205],
    ]
    np.testing.assert_allclose(found[:, 3, 4], recorded, atol=2e-6)


def expected_alone(field, key, batch):
    """What `augment` makes of the batch if only `field` is as in `EVERYTHING`."""
    flip_key, colour_key, crop_key, cutout_key = jax.random.split(key, 4)
    x = batch.image
    if field == "horizontal_flip":
        return flip(x, draw_flips(flip_key, 5, probability=0.5))
    if field == "crop_padding":
        return crop(x, draw_corners(crop_key, 5, padding=3), padding=3)
    if field == "cutout":
        return cut(x, draw_centres(cutout_key, 5, height=8, width=8), side=4)
    if field in ("brightness", "contrast", "saturation", "hue"):
        every = draw_colours(
            colour_key, 5, brightness=0.2, contrast=0.2, saturation=0.2, hue=0.05
        )
        others = {name: None for name in every._fields[:4] if name != field}
        alone = every._replace(**others, order=jnp.zeros(1, jnp.int32))
        return adjust_colours(x, alone)
    number = {
        "vertical_flip": 4,
        "quarter_turns": 5,
        "scale": 6,
        "brightness_shift": 7,
    }[field]
    return parts()[field](jax.random.fold_in(key, number), batch).image


@pytest.mark.parametrize("field", FIELDS)
def test_one_field_alone_draws_what_it_draws_beside_the_others(field):
    batch, key = batch_of(pictures(height=8, width=8)), jax.random.key(7)
    alone = AugmentConfig(**{field: getattr(EVERYTHING, field)})
    changed = augment(key, batch, alone)
    assert (np.asarray(changed.image) != batch.image).any()
    expected = expected_alone(field, key, batch)
    np.testing.assert_allclose(changed.image, expected, atol=2e-6)
    assert changed.label is batch.label
    assert (changed.factor is None) == (field != "scale")


@pytest.mark.parametrize("field", FIELDS)
def test_masks_follow_what_moves_pixels_and_nothing_else(field):
    batch, key = with_masks(pictures(height=8, width=8)), jax.random.key(7)
    changed = augment(key, batch, AugmentConfig(**{field: getattr(EVERYTHING, field)}))
    moves = ("horizontal_flip", "vertical_flip", "quarter_turns", "scale")
    if field in (*moves, "crop_padding"):
        assert (np.asarray(changed.label) != batch.label).any()
    else:
        np.testing.assert_array_equal(changed.label, batch.label)
    emptied = field in ("scale", "crop_padding")
    assert (np.asarray(changed.label) == IGNORED).any() == emptied


def test_default_config_does_nothing_at_all():
    batch = batch_of(pictures())
    assert augment(jax.random.key(0), batch, AugmentConfig()) is batch


def test_mapped_over_keys_equals_the_loop():
    batch = with_masks(pictures(height=8, width=8))
    keys = jax.random.split(jax.random.key(11), 3)
    change = jax.jit(functools.partial(augment, config=EVERYTHING))
    mapped = jax.jit(jax.vmap(change, in_axes=(0, None)))(keys, batch)
    for n, key in enumerate(keys):
        alone = change(key, batch)
        np.testing.assert_allclose(mapped.image[n], alone.image, atol=2e-6)
        np.testing.assert_array_equal(mapped.label[n], alone.label)
        np.testing.assert_allclose(mapped.factor[n], alone.factor, rtol=1e-6)


def test_augment_refuses_bytes():
    batch = batch_of(np.uint8(pictures() * 255))
    with pytest.raises(ValueError, match="uint8: expected float32 in 0..1"):
        augment(jax.random.key(0), batch, PAPER)


def test_masks_of_another_size_are_refused():
    batch = Batch(jnp.asarray(pictures()), jnp.zeros((5, 9, 7), jnp.uint8))
    with pytest.raises(ValueError, match=r"`label` .*\(5, 9, 7\).* \(5, 7, 9\)"):
        augment(jax.random.key(0), batch, PAPER)


def test_augment_is_traced_once_and_the_key_is_an_argument(monkeypatch):
    calls = []
    original = augmentation.flip
    monkeypatch.setattr(
        augmentation,
        "flip",
        lambda *args, **kw: calls.append(1) or original(*args, **kw),
    )
    jitted = jax.jit(functools.partial(augment, config=PAPER))
    for seed in range(3):
        jitted(jax.random.key(seed), batch_of(pictures()))
    assert len(calls) == 1


def test_fields_outside_their_range_are_refused():
    with pytest.raises(UserError, match="hue"):
        augment(jax.random.key(0), batch_of(pictures()), AugmentConfig(hue=0.6))
