"""Random crops of images and their masks, for networks that classify every pixel."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gdjax_train import recipes
from gdjax_train.augment import augment
from gdjax_train.augment_config import AugmentConfig
from gdjax_train.batch import Batch
from gdjax_train.errors import UserError
from gdjax_train.validation import validate


CROP = AugmentConfig(crop=4)


def places():
    """200 images of 6 x 9 px whose levels, and masks, say where a pixel was."""
    index = np.arange(54).reshape(6, 9)
    image = np.broadcast_to((index / 255)[None, ..., None], (200, 6, 9, 1))
    mask = np.broadcast_to(index.astype(np.uint8), (200, 6, 9))
    return Batch(jnp.asarray(image, jnp.float32), jnp.asarray(mask))


def test_crops_are_windows_at_all_places_with_their_masks():
    found = jax.jit(lambda k, b: augment(k, b, CROP))(jax.random.key(1), places())
    assert found.image.shape == (200, 4, 4, 1) and found.label.shape == (200, 4, 4)
    mask = np.asarray(found.label).astype(int)
    np.testing.assert_array_equal(np.rint(255 * found.image[..., 0]), mask)
    offsets = mask - mask[:, :1, :1]
    np.testing.assert_array_equal(offsets[0], 9 * np.arange(4)[:, None] + np.arange(4))
    assert (offsets == offsets[0]).all()
    # 3 rows and 6 columns where a window may begin: 200 draws reach all 18 of them
    # but with a probability below 18 (17 / 18)^200 = 2e-4.
    corners = {(place // 9, place % 9) for place in mask[:, 0, 0].tolist()}
    assert corners == {(y, x) for y in range(3) for x in range(6)}


def test_the_same_crop_beside_other_changes():
    alone = augment(jax.random.key(3), places(), CROP)
    both = dataclasses.replace(CROP, brightness_shift=0.1)
    label = augment(jax.random.key(3), places(), both).label
    np.testing.assert_array_equal(label, alone.label)


def test_crops_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match="`crop=7` is larger than the images, 6 x 9"):
        augment(jax.random.key(0), places(), AugmentConfig(crop=7))
    with pytest.raises(UserError, match="`crop=-1`"):
        augment(jax.random.key(0), places(), AugmentConfig(crop=-1))
    digits = recipes.find("rescaled_digits").recipe
    with pytest.raises(UserError, match="`augment.crop=4`: .*every pixel"):
        validate(dataclasses.replace(digits, augment=CROP))
    segments = recipes.find("dss_garments").recipe
    validate(dataclasses.replace(segments, augment=CROP))
