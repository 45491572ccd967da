import jax
import numpy as np
import pytest

import gdjax
from gdjax.metrics import (
    assert_translation_covariant,
    assert_translation_invariant,
    translation_covariance_error,
)


def noise(*shape):
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


def smoothing(padding):
    @jax.jit
    def run(image):
        return gdjax.smooth(image[..., None], 1.0, padding=padding, eps=0.01)

    return run


def test_shifts_commute_with_circular_smoothing():
    # float32: sums of at most 20 products.
    assert_translation_covariant(
        smoothing("wrap"), noise(20, 16), shift=(3, -5), tolerance=20 * 6e-8
    )


@pytest.mark.parametrize("shift", [(3, -5), (-7, 0), (0, 8)])
def test_other_border_rules_commute_inside_the_border(shift):
    run, image = smoothing("zero"), noise(20, 20)
    reach = gdjax.truncation_radius(1.0, eps=0.01)
    assert translation_covariance_error(run, image, shift=shift) > 0.01
    assert translation_covariance_error(run, image, shift=shift, border=1) > 1e-3
    assert_translation_covariant(
        run, image, shift=shift, border=reach, tolerance=20 * 6e-8
    )


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_errors_come_per_output_in_one_to_three_dimensions(ndim):
    shape = (4, 6, 8)[-ndim:]
    image = noise(*shape, 2)

    def weighted(x):
        ramp = np.arange(shape[-1], dtype=np.float32)[:, None]
        return np.stack([x, x * ramp], -1)

    shift = (0,) * (ndim - 1) + (2,)
    errors = translation_covariance_error(weighted, image, shift=shift, ndim=ndim)
    assert errors.shape == (2, 2)
    np.testing.assert_array_equal(errors[:, 0], 0)
    assert errors[:, 1].min() > 0.3
    with pytest.raises(AssertionError, match=rf"{errors.max():.2e}".replace("+", ".")):
        assert_translation_covariant(
            weighted, image, shift=shift, tolerance=0.1, ndim=ndim
        )


def test_scores_that_depend_on_the_place_are_refused():
    images = noise(3, 8, 8, 2)
    assert_translation_invariant(
        lambda x: x.max((1, 2)), images, shift=(2, 3), tolerance=0
    )
    images[:2] = 1  # only the last depends on it
    with pytest.raises(AssertionError, match=r"at shift \(2, 3\) px \(image 2\)"):
        assert_translation_invariant(
            lambda x: x[:, 4, 4], images, shift=(2, 3), tolerance=0.1
        )


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"shift": (1,)}, ValueError, r"`shift=\(1,\)` must have 2 entries"),
        ({"shift": 1}, ValueError, "`shift=1` must have 2 entries"),
        ({"shift": (1, 0.5)}, TypeError, "`shift` has dtype float64"),
        ({"border": 4}, ValueError, "`border=4` leaves nothing"),
        ({"border": -1}, ValueError, "`border=-1`"),
        ({"shift": (4, 4), "border": 3}, ValueError, "`border=3` and `shift=.*nothing"),
        ({"image": np.zeros(8)}, ValueError, "`ndim=2` spatial axes are needed"),
        ({"image": np.zeros((8, 0))}, ValueError, "empty"),
        ({"image": np.zeros((8, 8), int)}, TypeError, "dtype int64"),
        ({"fn": lambda x: x[1:]}, ValueError, "must keep the axes of space"),
    ],
)
def test_impossible_arguments_raise(arguments, error, match):
    defaults = {"fn": lambda x: x, "image": np.zeros((8, 8)), "shift": (1, 1)}
    with pytest.raises(error, match=match):
        translation_covariance_error(**defaults | arguments)


def test_impossible_batches_raise():
    with pytest.raises(ValueError, match=r"\[B, H, W, C\]"):
        assert_translation_invariant(
            lambda x: x, np.zeros((8, 8, 1)), shift=(1, 1), tolerance=1
        )
    with pytest.raises(ValueError, match="`shift=.*` must have 2 entries"):
        assert_translation_invariant(
            lambda x: x, np.zeros((1, 8, 8, 1)), shift=(1,), tolerance=1
        )
