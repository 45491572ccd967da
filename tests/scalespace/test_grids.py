"""Grids that fit a scale: where their pixels lie, and what they show."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gdjax.metrics.enlargement import fourier_resample
from gdjax.models import GaussDerNet
from gdjax.scalespace.grids import (
    Grid,
    check_memory,
    image_on,
    interpolation,
    octaves_of,
    on_image,
)
from gdjax.scalespace.windows import Window, extend, full_window


PADDINGS = "zero", "symmetric", "edge", "wrap"


@pytest.mark.parametrize(
    ("sigma", "finest", "enlarge", "octaves"),
    [
        (0.5, 0.7, 0, 0), (1, 0.7, 0, 0), (2**0.5, 0.7, 0, 1), (2, 0.7, 0, 1),
        (8, 0.7, 0, 3), (8, 1, 0, 3),
        (2**1.5, 2**-0.5, 0, 2), (0.5, 1.0, 1, -1),  # equal but for rounding
        (0.5, 1.4, 1, -1), (0.5, 1.4, 2, -2), (2**-0.5, 1.4, 2, -1), (1.0, 1.4, 3, -1),
        (1.4, 1.4, 2, 0), (2.8, 1.4, 2, 1), (0.01, 1.0, 3, -3),
    ],
)  # fmt: skip
def test_sigma_stays_above_the_finest(sigma, finest, enlarge, octaves):
    assert octaves_of(sigma, finest, enlarge=enlarge) == octaves


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("octaves", [-2, -1, 0, 1, 2])
@pytest.mark.parametrize("size", [14, 15])
def test_the_centre_is_that_of_the_image(size, octaves, padding):
    grid = Grid(size, octaves, padding)
    positions, centre = grid.positions(), grid.centre
    assert len(positions) == grid.size == centre.size
    np.testing.assert_array_equal(grid.positions(1, 3), positions[1:3])
    found = positions[centre.start : centre.stop].mean()
    assert found == pytest.approx((size - 1) / 2)
    # Read out exactly: on a pixel, but for images themselves of an even side.
    assert centre.length == 1 or octaves == 0 and size % 2 == 0
    np.testing.assert_allclose(np.diff(positions), 2.0**octaves)


@pytest.mark.parametrize("size", [14, 15])
def test_periodic_interpolation_is_fouriers(size):
    x, grid = np.random.default_rng(0).standard_normal(size), Grid(size, -2, "wrap")
    found = interpolation(size, grid.positions(), "wrap") @ x
    expected = fourier_resample(x, 4 * size, axis=0)
    np.testing.assert_allclose(np.roll(found, -2), expected, atol=1e-13)


@pytest.mark.parametrize("padding", ["zero", "symmetric", "edge"])
@pytest.mark.parametrize("size", [5, 6])
def test_interpolation_is_that_of_the_extended_axis(size, padding):
    x, reach = np.random.default_rng(0).standard_normal(size), 40_000
    positions = Grid(size, -2, padding).positions()
    found = interpolation(size, positions, padding) @ x
    pixels = np.arange(-reach, reach + size)
    shown = extend(pixels, size, padding)
    values = np.where(shown < 0, 0, x[shown])
    expected = [np.sinc(t - pixels) @ values for t in positions]
    # The sum's tails alternate: what is left out is below 1 / reach.
    np.testing.assert_allclose(found, expected, atol=2 / reach)


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("octaves", [-2, -1])
def test_pixels_of_the_image_are_kept(octaves, padding):
    x = np.random.default_rng(0).standard_normal((2, 6, 7, 3)).astype(np.float32)
    grids = [Grid(n, octaves, padding) for n in (6, 7)]
    whole = [full_window(grid.size) for grid in grids]
    fine = image_on(jnp.asarray(x), grids, whole)
    assert fine.shape == (2, *(grid.size for grid in grids), 3)
    np.testing.assert_array_equal(on_image(fine, grids), x)
    # A window is what it is of the whole.
    windows = tuple(Window(grid.size, 3, 9) for grid in grids)
    part = image_on(jnp.asarray(x), grids, windows)
    np.testing.assert_allclose(part, fine[:, 3:9, 3:9], atol=1e-6)


def test_maps_of_reduced_grids_come_back():
    """A wave that the coarse grid holds, away from the border."""
    n, grid = np.arange(64), Grid(64, 1, "symmetric")
    wave = np.cos(0.3 * n).astype(np.float32)[None, :, None]
    coarse = image_on(jnp.asarray(wave), [grid], (full_window(grid.size),))
    assert coarse.shape == (1, 33, 1)
    back = on_image(coarse, [grid])
    # Lanczos' low-pass is 1 to about 1 % there.
    np.testing.assert_allclose(back[0, 12:-12], wave[0, 12:-12], atol=0.02)


def test_what_no_memory_holds_is_refused():
    check_memory(2**28, (1, 2, 2), enlarge=1, available=2**31)
    with pytest.raises(ValueError, match="`enlarge=3` takes 4.0 GiB .* are 2.0 GiB"):
        check_memory(2**30, (1, 2, 2), enlarge=3, available=2**31)
    # Axes of which the matrix that interpolates is what takes it.
    net = GaussDerNet(
        widths=(2,), sigmas=(0.7,), pyramid=1.4, enlarge=1, ndim=1, windowed=False
    )
    with pytest.raises(ValueError, match="`enlarge=1` takes 29,80.* GiB for interp"):
        jax.eval_shape(net.init, jax.random.key(0), jnp.zeros((1, 1_414_214, 1)))
