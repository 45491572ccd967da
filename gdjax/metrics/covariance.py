"""Scale covariance error: does an operator commute with enlarging the image?"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from gdjax.metrics.enlargement import (
    axes_of,
    check_border,
    enlarge,
    floating_image,
    fourier_resample,
    relative_l2,
    spatial_shape,
)
from gdjax.metrics.scale_density import check_number
from gdjax.scalespace.arrays import check_callable
from gdjax.scalespace.checks import check_scalar, check_sigma, real_array


def scale_covariance_maps(
    fn_at_sigma: Callable[[np.ndarray, float], Any],
    image: Any,
    *,
    sigma: float,
    factor: float,
    enlargement: Callable[[Any, float], Any] | None = None,
    ndim: int = 2,
) -> tuple[np.ndarray, np.ndarray]:
    """Responses to the enlarged and to the small image, which should be the same.

    Args:
      fn_at_sigma: the operator, (image, sigma in px) -> [(D,) (H,) W, ...]; it gets
        images of the dtype of `image`.
      image: [(D,) (H,) W, ...], floating point, best periodic or windowed, and
        band-limited.
      sigma: px, on the small image; S sigma on the large one.
      factor: S, > 0, finite; the sizes are rounded to whole pixels, and S with them.
      enlargement: (image, S) -> the large image, whose pixel i lies at i / S px of the
        small one; default: `enlarge`, exact for periodic band-limited images.
      ndim: spatial dimensions, 1 to 3.

    Returns:
      F(E f; S sigma)(S x) and F(f; sigma)(x): float64, [(D,) (H,) W, ...] on the small
      grid. Responses to the large image are interpolated there where the grids differ.

    Raises:
      TypeError: if the image is not floating point, or an argument is not a number.
      ValueError: if the responses don't have the spatial shape of the image, `sigma` is
        negative or not finite, and as `enlarge` does for `factor`, `image`, `ndim`.

    [gaussdernet] (7)-(9), measured. For accelerators, let `fn_at_sigma` compute with
    precision "highest": TF32 alone makes errors of 1e-3.
    """
    check_callable(fn_at_sigma, name="fn_at_sigma")
    image = floating_image(image, ndim)
    sigma = float(check_scalar(check_sigma(sigma)))
    factor = check_number(factor, "factor", unit="ratio of sizes")
    if enlargement is None:
        large = enlarge(image, factor, ndim=ndim)
    else:
        large = floating_image(enlargement(image, factor), ndim, name="enlargement")
    expected = _response(fn_at_sigma, image, sigma, ndim)
    sigma = sigma * (large.shape[0] / len(image))
    found = _response(fn_at_sigma, large.astype(image.dtype), sigma, ndim)
    for axis in range(ndim):
        found = fourier_resample(found, image.shape[axis], axis=axis)
    return found, expected


def scale_covariance_error(
    fn_at_sigma: Callable[[np.ndarray, float], Any],
    image: Any,
    *,
    sigma: float,
    factor: float,
    border: int = 0,
    ndim: int = 2,
) -> np.ndarray:
    """Relative L2 difference between enlarging before and after an operator.

      || F(E f; S sigma)(S x) - F(f; sigma)(x) ||_2 / || F(f; sigma)(x) ||_2

    with E the enlargement of the image by S, by Fourier interpolation. 0 for a scale
    covariant operator.

    Args:
      fn_at_sigma: the operator, (image, sigma in px) -> [(D,) (H,) W, ...].
      image: [(D,) (H,) W, ...], floating point, best periodic or windowed, and
        band-limited.
      sigma: px, on the small image; S sigma on the large one.
      factor: S, > 0, finite; the sizes are rounded to whole pixels, and S with them.
      border: px of the small image left out on each side.
      ndim: spatial dimensions, 1 to 3.

    Returns:
      One error per output: the trailing shape of the responses, float64.

    Raises:
      TypeError, ValueError: as `scale_covariance_maps`, and if `border` is negative or
        leaves nothing.

    [gaussdernet] (7)-(9), measured: `scale_covariance_maps`.
    """
    check_callable(fn_at_sigma, name="fn_at_sigma")
    sizes = spatial_shape(image, ndim)
    border = check_border(border, sizes)
    found, expected = scale_covariance_maps(
        fn_at_sigma, image, sigma=sigma, factor=factor, ndim=ndim
    )
    inside = tuple(slice(border, size - border) for size in sizes)
    return relative_l2(found[inside], expected[inside], tuple(range(ndim)))


def _response(fn: Any, image: np.ndarray, sigma: float, ndim: int) -> np.ndarray:
    # Not checked to be finite: errors of NaN are larger than any.
    response = real_array(fn(image, sigma), name="fn_at_sigma", unit="responses")
    if response.shape[:ndim] != image.shape[:ndim]:
        names = "height and width" if ndim == 2 else f"axes {axes_of(ndim)}"
        raise ValueError(
            f"`fn_at_sigma` returned shape {response.shape} for an image of shape"
            f" {image.shape}; it must keep the {names}."
        )
    return response


def assert_scale_covariant(
    fn_at_sigma: Callable[[np.ndarray, float], Any],
    image: Any,
    *,
    sigma: float,
    factor: float,
    tolerance: float,
    border: int = 0,
    ndim: int = 2,
) -> None:
    """Asserts that every output's `scale_covariance_error` is at most `tolerance`.

    For tests of your own layers and networks; arguments as there.

    Raises:
      AssertionError: naming the worst output and its error.
      TypeError, ValueError: as `scale_covariance_error`.

    [gaussdernet] (7)-(9).
    """
    tolerance = check_number(tolerance, "tolerance", above=-math.inf, unit="tolerance")
    errors = scale_covariance_error(
        fn_at_sigma, image, sigma=sigma, factor=factor, border=border, ndim=ndim
    )
    if not np.all(errors <= tolerance):
        worst = worst_of(errors)
        where = f" (output {worst})" if errors.ndim else ""
        raise AssertionError(
            f"the scale covariance error at sigma = {sigma} px and factor {factor} is"
            f" {errors[worst]:.2e}{where}, more than the tolerance {tolerance:.2e}."
        )


def worst_of(errors: np.ndarray) -> tuple[int, ...]:
    """Index of the largest error; NaN is larger than any. gdjax."""
    flat = np.argmax(np.nan_to_num(errors, nan=np.inf))
    return tuple(map(int, np.unravel_index(flat, errors.shape)))
