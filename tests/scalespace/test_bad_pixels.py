"""Pixels that are NaN or infinite reach as far as the kernels, no further."""

import jax
import numpy as np
import pytest

import gdjax


def images(size):
    x = np.random.default_rng(0).uniform(size=(size, 11, 2)).astype(np.float32)
    bad = x.copy()
    bad[5, 4, 0] = np.nan
    bad[9, 2, 1] = -np.inf
    return x, bad


def within(shape, y, x, reach):
    """Pixels no further than `reach` px from (y, x) along both axes."""
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    return (abs(rows - y) <= reach) & (abs(columns - x) <= reach)


# One dense matrix, and tiles.
@pytest.mark.parametrize("size", [14, 600])
@pytest.mark.parametrize("sigma", [0.8, [0.8, 0.8], {"x": 0.8, "y": 0.8}])
def test_what_lies_beyond_the_kernel_is_untouched(size, sigma):
    x, bad = images(size)
    radius = gdjax.truncation_radius(0.8)
    clean, found = (
        np.asarray(gdjax.smooth(image, sigma, eps=0.005, padding="symmetric"))
        for image in (x, bad)
    )
    for channel, place in enumerate([(5, 4), (9, 2)]):
        reached = within(x.shape, *place, radius)
        one = found[..., channel]
        assert np.all(np.isnan(one[reached]))
        np.testing.assert_array_equal(one[~reached], clean[..., channel][~reached])


def test_derivatives_look_one_pixel_further():
    x, bad = images(14)
    clean, found = (np.asarray(gdjax.njet(v, 0.8, eps=0.005)) for v in (x, bad))
    reach = gdjax.truncation_radius(0.8) + 1
    reached = within(x.shape, 5, 4, reach)
    found, clean = found[..., 0], clean[..., 0]
    np.testing.assert_array_equal(found[~reached], clean[~reached])
    # An odd derivative has no tap in the middle: of y there is none along this row.
    assert np.isnan(found[5, 5]).tolist() == [True, False, True, False, True]


@pytest.mark.parametrize("mode", ["reflect", "nearest", "wrap", "constant"])
def test_bad_pixels_of_scipys_filter(mode):
    x, bad = (v[..., 0] for v in images(14))
    clean, found = (
        np.asarray(gdjax.gaussian_filter(v, 0.7, mode=mode)) for v in (x, bad)
    )
    reached = within(x.shape, 5, 4, 3)  # int(4 * 0.7 + 0.5)
    assert np.all(np.isnan(found[reached]))
    np.testing.assert_array_equal(found[~reached], clean[~reached])


def test_gradients_of_what_is_not_reached():
    _, bad = images(14)
    gradient = jax.grad(lambda x: gdjax.smooth(x, 0.8, eps=0.005)[13, 10, 0])(bad)
    # Eagerly, values are known under `grad`, too.
    assert np.all(np.isfinite(gradient))
    wanted = jax.grad(lambda x: gdjax.smooth(x, 0.8, eps=0.005)[13, 10, 0])(
        images(14)[0]
    )
    np.testing.assert_array_equal(gradient, wanted)


def test_where_values_are_not_known_nothing_is_done():
    x, bad = images(14)
    run = jax.jit(lambda x: gdjax.smooth(x, 0.8, eps=0.005))
    np.testing.assert_allclose(run(x), gdjax.smooth(x, 0.8, eps=0.005), atol=1e-6)
    assert np.isnan(run(bad)[5, 4, 0])
    # What the docstring says of it.
    assert np.isnan(run(bad)[13, 10, 0])
