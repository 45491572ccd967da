"""Enlargement of periodic images, and checks of what is measured on them."""

from typing import Any

import numpy as np

from gdjax.metrics.scale_density import check_number
from gdjax.scalespace.arrays import check_axis, check_numbers
from gdjax.scalespace.checks import (
    check_flag,
    check_ndim,
    check_order,
    floating_array,
    real_array,
)


# Numbers of the largest matrix that resamples an axis: 2 GiB of float64.
LONGEST = 2**28


def fourier_resample(
    x: Any, size: int, *, axis: int, centred: bool = False
) -> np.ndarray:
    """Trigonometric interpolation of a periodic axis at `size` equidistant points.

    Exact for band-limited periodic signals when enlarging; when reducing, the
    interpolant is sampled without a low-pass, so that points which coincide with old
    ones keep their values.

    Args:
      x: any shape, real; computed in float64.
      size: new length of the axis, >= 1.
      axis: the axis.
      centred: whether the middle of the axis stays where it is, or sample 0.

    Returns:
      float64, `size` along `axis`.

    Raises:
      TypeError: if `size` or `axis` is no int, `centred` no bool, or `x` has no real
        numbers.
      ValueError: if `size` is below 1 or more than memory holds, or `x` is empty, not
        finite or lacks the axis.

    gdjax.
    """
    size = check_order(size, name="size", lowest=1, highest=LONGEST)
    centred = check_flag(centred, name="centred")
    x = check_numbers(x, name="x", unit="samples")
    if x.ndim == 0:
        raise ValueError("`x` is a number; give an array with the axis.")
    axis = check_axis(axis, x.ndim)
    if size * x.shape[axis] > LONGEST:
        raise ValueError(
            f"`size={size}`, from {x.shape[axis]} samples, needs more memory than"
            f" there is: take at most {LONGEST // x.shape[axis]}."
        )
    x = np.moveaxis(x, axis, 0)
    old = x.shape[0]
    position = np.arange(size) * (old / size)
    if centred:
        position += (old / size - 1) / 2
    spectrum = np.fft.rfft(x, axis=0) / old
    frequency = np.arange(len(spectrum))
    # All but the mean and Nyquist's frequency stand for two, +f and -f.
    twice = 2 - np.isin(frequency, (0, old / 2))
    waves = twice * np.exp(2j * np.pi / old * np.outer(position, frequency))
    found = np.real(np.tensordot(waves, spectrum, axes=(1, 0)))
    return np.moveaxis(found, 0, axis)


def enlarge(
    image: Any, factor: float, *, ndim: int = 2, centred: bool = False
) -> np.ndarray:
    """A periodic image enlarged by Fourier interpolation, float64.

    Args:
      image: [(D,) (H,) W, ...], `ndim` spatial axes first.
      factor: > 0, finite; the new sizes are rounded to whole pixels.
      ndim: spatial dimensions, 1 to 3.
      centred: whether the middle of the image stays where it is (as networks need that
        read out the centre), or pixel 0.

    Raises:
      TypeError: if `factor` is not a number, `ndim` no int or `centred` no bool, or the
        image has others than real numbers.
      ValueError: if `factor` is not positive and finite, so small that nothing is
        left, or larger than memory; if rounding would change the axes by different
        factors; if the image is empty, not finite or lacks axes, or `ndim` is not 1, 2
        or 3.

    gdjax.
    """
    centred = check_flag(centred, name="centred")
    image = check_numbers(image, name="image", unit="grey levels")
    old = spatial_shape(image, ndim)
    factor = check_number(factor, "factor", unit="ratio of sizes")
    if factor * max(old) > LONGEST // max(old):
        raise ValueError(
            f"`factor={factor:g}` makes images of {_px(old)} too large: take one of at"
            f" most {LONGEST / max(old) ** 2:.3g}."
        )
    new = tuple(round(n * factor) for n in old)
    if 0 in new:
        raise ValueError(
            f"`factor={factor}` leaves nothing of an image of {_px(old)}; take one of"
            f" at least {1 / min(old):.2g}."
        )
    if any(m * old[0] != new[0] * n for m, n in zip(new, old, strict=True)):
        raise ValueError(
            f"`factor={factor}` takes {_px(old)} to {_px(new)}, which is not the same"
            f" factor on {'both' if ndim == 2 else 'all'} axes; take an image with"
            " equal sides or a factor that gives whole pixels."
        )
    for axis, size in enumerate(new):
        image = fourier_resample(image, size, axis=axis, centred=centred)
    return image


def spatial_shape(image: Any, ndim: int, *, name: str = "image") -> tuple[int, ...]:
    """The sizes of the first `ndim` axes, in px.

    Raises:
      TypeError: if `ndim` is no int.
      ValueError: if `ndim` is not 1, 2 or 3, or the image is empty or lacks axes.

    gdjax.
    """
    ndim = check_ndim(ndim)
    shape = real_shape(image, name=name)
    if len(shape) < ndim:
        raise ValueError(
            f"`{name}` has shape {shape}, but `ndim={ndim}` spatial axes are needed,"
            f" [{axes_of(ndim)}, ...]; give `ndim` its number of spatial axes."
        )
    if 0 in shape:
        raise ValueError(f"`{name}` is empty: its shape is {shape}; give it pixels.")
    return shape[:ndim]


def real_shape(image: Any, *, name: str) -> tuple[int, ...]:
    """Of an array of real numbers; TypeError for anything else. gdjax."""
    return real_array(image, name=name, unit="an array").shape


def floating_image(
    image: Any, ndim: int, *, others: str | None = None, name: str = "image"
) -> np.ndarray:
    """Returns `image` as a NumPy array if it is one of floats with `ndim` axes.

    Args:
      image: [(D,) (H,) W, ...], or what `others` says.
      ndim: spatial dimensions, 1 to 3.
      others: the letters of all axes, such as "BHWC"; None: any may follow.
      name: what the caller calls it, for the message.

    Raises:
      TypeError: for images of integers, which would be rounded when enlarged.
      ValueError: for images that are empty or have other axes.

    gdjax.
    """
    spatial_shape(image, ndim, name=name)
    image = np.asarray(floating_array(image, name=f"`{name}`"))
    if others is not None and image.ndim != len(others):
        raise ValueError(
            f"`{name}` has shape {image.shape}, but [{', '.join(others)}] is needed,"
            f" with `ndim={ndim}`; add what is missing with `x[None]` or"
            " `x[..., None]`, or give another `ndim`."
        )
    check_numbers(image, name=name, unit="grey levels")
    return image


def axes_of(ndim: int) -> str:
    """Such as "H, W"."""
    return ", ".join("DHW"[-ndim:])


def check_border(border: int, sizes: tuple[int, ...]) -> int:
    """Returns a border in px that leaves something of an image.

    Raises:
      TypeError: if it is no int.
      ValueError: if it is negative, or nothing is left.

    gdjax.
    """
    border = check_order(border, name="border")
    if 2 * border >= min(sizes):
        raise ValueError(
            f"`border={border}` leaves nothing of an image of {_px(sizes)}; it must be"
            f" below half of its sides."
        )
    return border


def relative_l2(found: np.ndarray, expected: np.ndarray, axis: Any) -> np.ndarray:
    """|| found - expected ||_2 / || expected ||_2 over `axis`; the norm if 0. gdjax."""
    difference = np.sum((found - expected) ** 2, axis=axis)
    energy = np.sum(expected**2, axis=axis)
    return np.sqrt(difference / np.where(energy > 0, energy, 1))


def _px(sizes: tuple[int, ...]) -> str:
    return " x ".join(map(str, sizes)) + " px"
