"""Do operators and networks commute with shifts of the image, or ignore them?"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gdjax.metrics.covariance import worst_of
from gdjax.metrics.enlargement import check_border, floating_image, relative_l2
from gdjax.metrics.networks import batch_of, scores_of
from gdjax.metrics.scale_density import check_number
from gdjax.scalespace.arrays import check_callable, check_integers
from gdjax.scalespace.checks import real_array, shown


def translation_covariance_error(
    fn: Callable[[np.ndarray], Any],
    image: Any,
    *,
    shift: Sequence[int],
    border: int = 0,
    ndim: int = 2,
) -> np.ndarray:
    """Relative L2 difference between shifting before and after an operator.

      || F(T f) - T F(f) ||_2 / || F(f) ||_2

    with T the circular shift.

    Args:
      fn: the operator, image -> [(D,) (H,) W, ...].
      image: [(D,) (H,) W, ...].
      shift: whole px per spatial axis, positive towards larger indices; multiples of
        the stride, for operators that have one.
      border: px left out on each side, of both responses: the reach of an operator
        whose border rule is not "wrap".
      ndim: spatial dimensions, 1 to 3.

    Returns:
      One error per output: the trailing shape of the responses, float64.

    Raises:
      TypeError: if `shift` is not a sequence of ints, or the image not floating point.
      ValueError: if `shift` has not an entry per axis; for images that are empty or
        lack axes; if `border` is negative or leaves nothing, alone or with the shift;
        if the responses don't have the spatial shape of the image.

    [gaussderresnet] sec. 3.7, measured.
    """
    check_callable(fn, name="fn")
    image = floating_image(image, ndim)
    sizes = image.shape[:ndim]
    shift = _check_shift(shift, ndim)
    border = check_border(border, sizes)
    axes = tuple(range(ndim))
    inside = np.zeros(sizes, bool)
    inside[tuple(slice(border, size - border) for size in sizes)] = True
    inside &= np.roll(inside, shift, axes)
    if not inside.any():
        raise ValueError(
            f"`border={border}` and `shift={shift}` leave nothing of an image of shape"
            f" {image.shape}; make one of them smaller."
        )
    found, expected = (
        real_array(fn(x), name="fn", unit="responses")
        for x in (np.roll(image, shift, axes), image)
    )
    if found.shape != expected.shape or found.shape[:ndim] != sizes:
        raise ValueError(
            f"`fn` returned shape {found.shape} for an image of shape {image.shape}; it"
            " must keep the axes of space; for scores: `assert_translation_invariant`."
        )
    return relative_l2(found[inside], np.roll(expected, shift, axes)[inside], 0)


def assert_translation_covariant(
    fn: Callable[[np.ndarray], Any],
    image: Any,
    *,
    shift: Sequence[int],
    tolerance: float,
    border: int = 0,
    ndim: int = 2,
) -> None:
    """Asserts that every `translation_covariance_error` is at most `tolerance`.

    For tests of your own layers and networks; arguments as there.

    Raises:
      AssertionError: naming the worst output and its error.
      TypeError, ValueError: as `translation_covariance_error`.

    [gaussderresnet] sec. 3.7.
    """
    tolerance = check_number(tolerance, "tolerance", above=-math.inf, unit="tolerance")
    errors = translation_covariance_error(
        fn, image, shift=shift, border=border, ndim=ndim
    )
    if not np.all(errors <= tolerance):
        worst = worst_of(errors)
        where = f" (output {worst})" if errors.ndim else ""
        raise AssertionError(
            f"the translation covariance error at shift {tuple(shift)} px is"
            f" {errors[worst]:.2e}{where}, more than the tolerance {tolerance:.2e}."
        )


def assert_translation_invariant(
    predict: Callable[[np.ndarray], Any],
    images: Any,
    *,
    shift: Sequence[int],
    tolerance: float,
    ndim: int = 2,
) -> None:
    """Asserts that scores of circularly shifted images change by at most `tolerance`.

    As those of networks with `spatial_max` or `spatial_mean` and `padding="wrap"`.

    Args:
      predict: images [B, (D,) (H,) W, C] -> scores [B, K], of any framework.
      images: [B, (D,) (H,) W, C], floating point; without "wrap", objects on a constant
        background whose distance from the border exceeds shift and reach together.
      shift: whole px per spatial axis.
      tolerance: of the relative L2 change, over the classes.
      ndim: spatial dimensions, 1 to 3.

    Raises:
      AssertionError: naming the worst image and its error.
      TypeError: if `shift` is not a sequence of ints, or the images not floating point.
      ValueError: if `shift` has not an entry per axis; for images that are empty or
        have other axes; if `predict` gives another shape than [B, K].

    [gaussderresnet] sec. 3.7.
    """
    tolerance = check_number(tolerance, "tolerance", above=-math.inf, unit="tolerance")
    images = batch_of(images, ndim)
    shift = _check_shift(shift, ndim)
    moved = np.roll(images, shift, tuple(range(1, ndim + 1)))
    errors = relative_l2(scores_of(predict, moved), scores_of(predict, images), -1)
    if not np.all(errors <= tolerance):
        (worst,) = worst_of(errors)
        raise AssertionError(
            f"the scores change by {errors[worst]:.2e} at shift {shift} px (image"
            f" {worst}), more than the tolerance {tolerance:.2e}."
        )


def _check_shift(shift: Any, ndim: int) -> tuple[int, ...]:
    found = check_integers(shift, name="shift")
    if found.shape != (ndim,):
        raise ValueError(
            f"`shift={shown(shift)}` must have {ndim} entries, whole px per spatial"
            f" axis, with `ndim={ndim}`."
        )
    return tuple(found.tolist())
