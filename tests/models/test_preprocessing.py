"""Preprocessing against NumPy and PIL, and the images that networks accept."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from gdjax.models import Preprocessing
from gdjax.models.preprocessing import as_floats, check_images


def images(*shape, seed=0):
    return np.random.default_rng(seed).random(shape, np.float32)


def enlarged(x, sides, method):
    """Every channel by PIL."""
    filters = {"linear": Image.Resampling.BILINEAR, "nearest": Image.Resampling.NEAREST}
    done = [
        [Image.fromarray(c).resize(sides[::-1], filters[method]) for c in image]
        for image in np.moveaxis(x, -1, 1)
    ]
    return np.moveaxis(
        np.array([[np.asarray(c) for c in image] for image in done]), 1, -1
    )


def twin(x, *, mean=(), std=(), sides=None, method="linear", padding=0):
    """Normalised, then enlarged, then padded with zeros."""
    for k in range(x.shape[-1]):
        if mean:
            x[..., k] -= mean[k % len(mean)]
        if std:
            x[..., k] /= std[k % len(std)]
    if sides:
        x = enlarged(x, sides, method)
    margin = (padding, padding)
    return np.pad(x, ((0, 0), margin, margin, (0, 0)))


def test_without_fields_nothing_happens():
    x = images(2, 3, 4, 2)
    np.testing.assert_array_equal(Preprocessing()(x), x)
    assert Preprocessing().shape((3, 4, 2)) == (3, 4, 2)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("mean", [(), (0.25,), (0.1, 0.2, 0.7)])
@pytest.mark.parametrize("std", [(), (0.5,), (0.1, 0.2, 3.0)])
def test_grey_levels_are_normalised_by_one_number_or_one_per_channel(
    mean, std, channels
):
    x = images(2, 3, 4, channels)
    change = Preprocessing(mean=mean, std=std)
    if channels == 1 and 3 in (len(mean), len(std)):
        with pytest.raises(ValueError, match="give one number, or one for each of the"):
            change(x)
        return
    np.testing.assert_allclose(change(x), twin(x.copy(), mean=mean, std=std), rtol=1e-5)


@pytest.mark.parametrize(
    ("method", "factor"),
    [("linear", 2), ("linear", 1.5), ("nearest", 2), ("nearest", 3)],
)
def test_images_are_enlarged_as_pil_enlarges_them(method, factor):
    x = images(2, 4, 6, 2)
    sides = (round(4 * factor), round(6 * factor))
    found = Preprocessing(enlarge=factor, method=method)(x)
    np.testing.assert_allclose(found, enlarged(x, sides, method), atol=1e-6)


@pytest.mark.parametrize("method", ["linear", "nearest"])
def test_images_are_normalised_then_enlarged_then_padded(method):
    x = images(2, 4, 3, 2)
    fields = {"mean": (0.4, 0.6), "std": (0.5, 0.2), "method": method, "padding": 2}
    change = Preprocessing(enlarge=2, **fields)
    found = change(x)
    np.testing.assert_allclose(found, twin(x.copy(), sides=(8, 6), **fields), atol=1e-5)
    # Padding is of the mean grey level, which isn't mixed with the border's.
    assert (found[:, :2] == 0).all() and (found[:, 2] != 0).any()
    assert found.shape[1:] == change.shape((4, 3, 2)) == (12, 10, 2)
    eager, compiled = change(jnp.asarray(x)), jax.jit(change)(x)
    np.testing.assert_allclose(compiled, eager, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("sides", [(5,), (3, 4, 5)])
def test_images_of_other_dimensions_are_changed_along_all_their_axes(sides):
    x = images(2, *sides, 3)
    change = Preprocessing(mean=(0.5,), enlarge=2, method="nearest", padding=1)
    wanted = x - np.float32(0.5)
    for axis in range(1, x.ndim - 1):
        wanted = np.repeat(wanted, 2, axis)
    wanted = np.pad(wanted, ((0, 0), *[(1, 1)] * len(sides), (0, 0)))
    np.testing.assert_array_equal(change(x), wanted)
    assert change.shape((*sides, 3)) == wanted.shape[1:]


def test_numbers_lists_and_arrays_are_means_and_deviations():
    wanted = Preprocessing(mean=(0.25, 0.5), std=(2.0,))
    given = Preprocessing(mean=np.array([0.25, 0.5], np.float32), std=2)  # pyright: ignore
    assert given == wanted and hash(given) == hash(wanted)
    assert all(type(value) is float for value in (*given.mean, *given.std))
    assert Preprocessing(mean=[], std=[]) == Preprocessing()  # pyright: ignore


@pytest.mark.parametrize(
    ("fields", "error", "name"),
    [
        ({"mean": (float("nan"),)}, ValueError, "mean"),
        ({"std": (1.0, 0.0)}, ValueError, "std"),
        ({"std": (float("inf"),)}, ValueError, "std"),
        ({"enlarge": 0.5}, ValueError, "enlarge"),
        ({"enlarge": float("nan")}, ValueError, "enlarge"),
        ({"enlarge": float("inf")}, ValueError, "enlarge"),
        ({"method": "bilinear"}, ValueError, "method"),
        ({"padding": -1}, ValueError, "padding"),
        ({"padding": 1.5}, TypeError, "padding"),
    ],
)
def test_numbers_without_a_meaning_are_refused(fields, error, name):
    with pytest.raises(error, match=f"`{name}="):
        Preprocessing(**fields)


def test_stored_grey_levels_become_floats_from_0_to_1():
    for kind, largest in ((np.uint8, 255), (np.uint16, 65535)):
        stored = np.array([0, 1, largest // 2, largest], kind)
        found = as_floats(stored)
        assert found.dtype == jnp.float32
        wanted = stored.astype(np.float64) / largest
        np.testing.assert_allclose(found, wanted, rtol=2e-7)
        np.testing.assert_allclose(jax.jit(as_floats)(stored), wanted, rtol=2e-7)
    np.testing.assert_array_equal(as_floats(np.array([0.0, 0.3])), np.float32([0, 0.3]))


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (np.zeros((3, 3, 1)), ValueError, r"\(3, 3, 1\); give \[B, H, W, C\]"),
        (np.zeros((0, 3, 3, 1)), ValueError, "at least one image"),
        (np.zeros((1, 3, 0, 1)), ValueError, "at least 1 px"),
        (np.zeros((1, 3, 3, 2)), ValueError, "have 2 channels, the network has 1"),
        (np.zeros((1, 3, 3, 1), int), TypeError, "are int64: give uint8"),
        (np.zeros((1, 3, 3, 1), bool), TypeError, "are bool"),
        (np.full((1, 3, 3, 1), 255.0), ValueError, "from 255 to 255"),
        (np.full((1, 3, 3, 1), -0.1), ValueError, "must lie in 0..1"),
        (np.full((1, 3, 3, 1), np.nan), ValueError, "must lie in 0..1"),
    ],
)
def test_other_images_are_refused_with_the_remedy(given, error, message):
    with pytest.raises(error, match=message):
        check_images(given, channels=1)


def test_images_stay_as_they_are_stored_but_for_floats():
    for kind in (np.uint8, np.uint16):
        given = np.ones((1, 2, 2, 1), kind)
        assert check_images(given) is given
    for kind in (np.float64, np.float16, jnp.bfloat16):
        found = check_images(np.ones((1, 2, 2, 1), kind))
        assert found.dtype == np.float32
    assert check_images([[[[0.5]]]]).shape == (1, 1, 1, 1)


def test_images_of_other_dimensions_are_asked_for_by_their_axes():
    assert check_images(np.zeros((2, 5, 1)), ndim=1).shape == (2, 5, 1)
    assert check_images(np.zeros((2, 5, 5, 5, 1)), ndim=3).ndim == 5
    with pytest.raises(ValueError, match=r"give \[B, W, C\]"):
        check_images(np.zeros((2, 5, 5, 1)), ndim=1)
    with pytest.raises(ValueError, match=r"give \[B, D, H, W, C\]"):
        check_images(np.zeros((2, 5, 5, 1)), ndim=3)
