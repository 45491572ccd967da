"""Scale covariance error: does an operator commute with enlarging the image?"""

from collections.abc import Callable
from typing import Any

import numpy as np


def fourier_resample(x: Any, size: int, *, axis: int) -> np.ndarray:
    """Trigonometric interpolation of a periodic axis at `size` equidistant points.

    Sample 0 stays where it is. Exact for band-limited periodic signals when enlarging;
    when reducing, the interpolant is sampled without a low-pass, so that points which
    coincide with old ones keep their values.

    Args:
      x: any shape, real; computed in float64.
      size: new length of the axis.
      axis: the axis.

    Returns:
      float64, `size` along `axis`.

    gdjax.
    """
    x = np.moveaxis(np.asarray(x, np.float64), axis, 0)
    old = x.shape[0]
    offset = np.arange(size)[:, None] * (old / size) - np.arange(old)
    frequency = np.arange(1, (old + 1) // 2)
    matrix = 1 + 2 * np.cos(2 * np.pi * offset[..., None] * frequency / old).sum(-1)
    if old % 2 == 0:
        matrix = matrix + np.cos(np.pi * offset)
    return np.moveaxis(np.tensordot(matrix / old, x, axes=(1, 0)), 0, axis)


def enlarge(image: Any, factor: float) -> np.ndarray:
    """A periodic image [H, W, ...] enlarged by Fourier interpolation, float64.

    Args:
      image: [H, W, ...].
      factor: > 0; the new sizes are rounded to whole pixels.

    Raises:
      ValueError: if rounding would change the two axes by different factors.

    gdjax.
    """
    height, width = np.shape(image)[:2]
    new_height, new_width = round(height * factor), round(width * factor)
    if new_height * width != new_width * height:
        raise ValueError(
            f"`factor={factor}` takes {height} x {width} px to {new_height} x"
            f" {new_width} px, which is not the same factor on both axes; take a"
            " square image or a factor that gives whole pixels."
        )
    image = fourier_resample(image, new_height, axis=0)
    return fourier_resample(image, new_width, axis=1)


def scale_covariance_maps(
    fn_at_sigma: Callable[[np.ndarray, float], Any],
    image: Any,
    *,
    sigma: float,
    factor: float,
    enlargement: Callable[[Any, float], Any] = enlarge,
) -> tuple[np.ndarray, np.ndarray]:
    """Responses to the enlarged and to the small image, which should be the same.

    Args:
      fn_at_sigma: the operator, (image, sigma in px) -> [H, W, ...]; it gets images of
        the dtype of `image`.
      image: [H, W, ...], best periodic or windowed, and band-limited.
      sigma: px, on the small image; S sigma on the large one.
      factor: S; the sizes are rounded to whole pixels, and S with them.
      enlargement: (image, S) -> the large image, whose pixel i lies at i / S px of the
        small one; default: `enlarge`, exact for periodic band-limited images.

    Returns:
      F(E f; S sigma)(S x) and F(f; sigma)(x): float64, [H, W, ...] on the small grid.
      Responses to the large image are interpolated there where the grids differ.

    Raises:
      ValueError: if the responses don't have the image's height and width, or `factor`
        fits the two axes differently.

    [gaussdernet] (7)-(9), measured. For accelerators, let `fn_at_sigma` compute with
    precision "highest": TF32 alone makes errors of 1e-3.
    """
    image = np.asarray(image)
    height, width = image.shape[:2]
    large = np.asarray(enlargement(image, factor))
    expected = _response(fn_at_sigma, image, sigma)
    actual_factor = large.shape[0] / height
    found = _response(fn_at_sigma, large.astype(image.dtype), sigma * actual_factor)
    found = fourier_resample(found, height, axis=0)
    return fourier_resample(found, width, axis=1), expected


def scale_covariance_error(
    fn_at_sigma: Callable[[np.ndarray, float], Any],
    image: Any,
    *,
    sigma: float,
    factor: float,
    border: int = 0,
) -> np.ndarray:
    """Relative L2 difference between enlarging before and after an operator.

      || F(E f; S sigma)(S x) - F(f; sigma)(x) ||_2 / || F(f; sigma)(x) ||_2

    with E the enlargement of the image by S, by Fourier interpolation. 0 for a scale
    covariant operator.

    Args:
      fn_at_sigma: the operator, (image, sigma in px) -> [H, W, ...].
      image: [H, W, ...], best periodic or windowed, and band-limited.
      sigma: px, on the small image; S sigma on the large one.
      factor: S; the sizes are rounded to whole pixels, and S with them.
      border: px of the small image left out on each side.

    Returns:
      One error per output: the trailing shape of the responses, float64.

    Raises:
      ValueError: if the responses don't have the image's height and width, nothing is
        left inside `border`, or `factor` fits the two axes differently.

    [gaussdernet] (7)-(9), measured: `scale_covariance_maps`.
    """
    height, width = np.shape(image)[:2]
    if border < 0 or 2 * border >= min(height, width):
        raise ValueError(
            f"`border={border}` leaves nothing of an image of {height} x {width} px."
        )
    found, expected = scale_covariance_maps(
        fn_at_sigma, image, sigma=sigma, factor=factor
    )
    inside = (slice(border, height - border), slice(border, width - border))
    difference = np.sum((found - expected)[inside] ** 2, axis=(0, 1))
    energy = np.sum(expected[inside] ** 2, axis=(0, 1))
    return np.sqrt(difference / np.where(energy > 0, energy, 1))


def _response(fn_at_sigma: Any, image: np.ndarray, sigma: float) -> np.ndarray:
    response = np.asarray(fn_at_sigma(image, sigma), np.float64)
    if response.shape[:2] != image.shape[:2]:
        raise ValueError(
            f"`fn_at_sigma` returned shape {response.shape} for an image of shape"
            f" {image.shape}; it must keep the height and width."
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
) -> None:
    """Asserts that every output's `scale_covariance_error` is at most `tolerance`.

    For tests of your own layers and networks; arguments as there.

    Raises:
      AssertionError: naming the worst output and its error.

    [gaussdernet] (7)-(9).
    """
    errors = scale_covariance_error(
        fn_at_sigma, image, sigma=sigma, factor=factor, border=border
    )
    if not np.all(errors <= tolerance):
        worst = np.unravel_index(
            np.argmax(np.nan_to_num(errors, nan=np.inf)), errors.shape
        )
        where = f" (output {tuple(map(int, worst))})" if errors.ndim else ""
        raise AssertionError(
            f"the scale covariance error at sigma = {sigma} px and factor {factor} is"
            f" {errors[worst]:.2e}{where}, more than the tolerance {tolerance:.2e}."
        )
