"""How the sizes of the data are distributed, over log2 of the scale.

[scale_learning] sec. 3.2, which takes this distribution as known.
"""

import dataclasses
import math
from typing import Any

import numpy as np

from gdjax.scalespace.checks import check_order, real_array


# Octaves: of scales that floats hold, and of widths that can be told from 0.
MOST_OCTAVES, LEAST_WIDTH = 1000, 1e-6
_POINTS = 2001  # of the table of a log-normal
_REACH = 6.0  # standard deviations to which a log-normal and an extension go
_BINS = 512  # of the estimate from samples


def check_positive(
    value: Any, name: str, *, above: float = 0.0, unit: str = "scale"
) -> np.ndarray:
    """Returns `value` as a float64 array of any shape.

    Args:
      value: a number or an array of them.
      name: what the caller calls it, for the message.
      above: what every number must exceed.
      unit: what the numbers are, for the message.

    Raises:
      TypeError: if it isn't real numbers.
      ValueError: if one is not finite, or not larger than `above`.

    gdjax.
    """
    array = np.array(real_array(value, name=name, unit=f"a {unit} as float"))
    wrong = array[~(np.isfinite(array) & (array > above))]
    if wrong.size:
        first = f"{wrong[0]:g}"
        what = f"`{name}` holds {first}; all" if array.ndim else f"`{name}={first}`"
        bound = f" and > {above:g}" if math.isfinite(above) else ""
        raise ValueError(f"{what} must be finite{bound}: give a {unit}{bound[4:]}.")
    return array


def check_number(
    value: Any, name: str, *, above: float = 0.0, unit: str = "scale"
) -> float:
    """Returns a single number as float; else as `check_positive`. gdjax."""
    array = check_positive(value, name, above=above, unit=unit)
    if array.ndim:
        raise TypeError(f"`{name}` has shape {array.shape}; give one {unit}.")
    return float(array)


def _width(value: Any, name: str) -> float:
    """A width in octaves: of scales that floats hold, and that can be told from 0."""
    width = check_number(value, name, unit="width in octaves")
    if not LEAST_WIDTH <= width <= MOST_OCTAVES:
        raise ValueError(
            f"`{name}={width:g}` must be a width in octaves, {LEAST_WIDTH:g} to"
            f" {MOST_OCTAVES}."
        )
    return width


@dataclasses.dataclass(frozen=True, eq=False)
class ScaleDensity:
    """A density over log2 of the scale, from a table.

    Between the scales of the table it is linear in log2 of the scale, and outside of
    them 0, or with an extension the half of a log-normal whose peak continues the value
    at the border: what networks still generalise to beyond the data.

    Attributes:
      scales: [G], G >= 2, ascending, dimensionless: scale 1 is what the user takes for
        it, such as the size of the training images.
      values: [G], per octave (a density per unit of scale times the scale), >= 0, of
        any total: densities are normalised.
      extension: standard deviation of the half log-normals in octaves, 1e-6 to 1000, or
        None.

    Raises:
      TypeError: if a field isn't numbers.
      ValueError: if the scales aren't positive and ascending; if the values are not
        finite, negative, zero everywhere, or not one for each scale; if the extension
        isn't positive.

    [scale_learning] sec. 3.2.
    """

    scales: np.ndarray
    values: np.ndarray
    extension: float | None = None

    def __post_init__(self):
        scales = check_positive(self.scales, "scales")
        if scales.ndim != 1 or len(scales) < 2 or np.any(np.diff(scales) <= 0):
            raise ValueError(
                f"`scales` of shape {scales.shape} must be at least two ascending"
                " scales [G]: a density needs a support."
            )
        # Nothing is below minus infinity: signs are the next line's to check.
        values = check_positive(
            self.values, "values", above=-math.inf, unit="density per octave"
        )
        if values.shape != scales.shape or np.any(values < 0) or not values.any():
            raise ValueError(
                f"`values` of shape {values.shape}, from {values.min(initial=0):g} to"
                f" {values.max(initial=0):g}, must be a density per octave for each of"
                f" the {len(scales)} `scales`: >= 0, and not 0 everywhere."
            )
        if self.extension is not None:
            width = _width(self.extension, "extension")
            with np.errstate(over="ignore"):
                more = np.exp2(_REACH * width)
                reach = scales[[0, -1]] * [1 / more, more]
            if not (reach[0] > 0 and reach[1] < math.inf):
                raise ValueError(
                    f"`extension={width:g}` reaches to scales that are beyond the range"
                    " of floats: give a width in octaves, log2 of the scale."
                )
            object.__setattr__(self, "extension", width)
        object.__setattr__(self, "scales", scales)
        object.__setattr__(self, "values", values)

    def extended(self, *, width: float = 0.4) -> "ScaleDensity":
        """The same density with half log-normals at its borders.

        Args:
          width: their standard deviation in octaves, 1e-6 to 1000.

        Returns:
          A density; one that was extended before has the new width instead.

        Raises:
          TypeError, ValueError: if the width isn't a number in this range.

        [scale_learning] sec. 3.2.
        """
        width = _width(width, "width")
        return dataclasses.replace(self, extension=width)

    @property
    def borders(self) -> tuple[float, float]:
        """The smallest and the largest scale of the table, without the extension."""
        return float(self.scales[0]), float(self.scales[-1])

    @property
    def reach(self) -> tuple[float, float]:
        """The borders, moved outwards by six times the width of the extension."""
        more = 2 ** (_REACH * (self.extension or 0.0))
        return float(self.scales[0] / more), float(self.scales[-1] * more)

    def density(self, scales: Any) -> np.ndarray:
        """The density at given scales.

        Args:
          scales: of any shape, > 0.

        Returns:
          Per octave, float64 of the same shape. Its integral over all octaves is 1, the
          extension's share included.

        Raises:
          TypeError, ValueError: if the scales are no positive numbers.

        [scale_learning] sec. 3.2.
        """
        at = np.log2(check_positive(scales, "scales"))
        table, values = np.log2(self.scales), self.values / self.values.max()
        found = np.interp(at, table, values, left=0.0, right=0.0)
        mass = np.trapezoid(values, table)
        if self.extension is not None:
            outside = (at < table[0]) | (at > table[-1])
            nearest = np.clip(at, table[0], table[-1])
            fall = np.exp(-(((at - nearest) / self.extension) ** 2) / 2)
            found = np.where(outside, np.interp(nearest, table, values) * fall, found)
            half = self.extension * math.sqrt(math.pi / 2)
            mass += (values[0] + values[-1]) * half
        return found / mass


def log_uniform(low: float, high: float) -> ScaleDensity:
    """The same density at all scales of a range, over log2 of the scale.

    Args:
      low: smallest scale, > 0.
      high: largest scale, > low.

    Returns:
      The density, not extended.

    Raises:
      TypeError, ValueError: if `low` and `high` are not 0 < low < high.

    [scale_learning] sec. 4: its data sets are [1, 2.83], [1, 4.76] and [1, 8].
    """
    low = check_number(low, "low")
    high = check_number(high, "high")
    if not low < high:
        raise ValueError(
            f"`high={high:g}` must be > `low={low:g}`: a density needs a support."
        )
    return ScaleDensity(np.array([low, high]), np.ones(2))


def log_normal(mean: float, std: float) -> ScaleDensity:
    """A normal density over log2 of the scale.

    Args:
      mean: in octaves, log2 of the median scale.
      std: standard deviation in octaves, > 0.

    Returns:
      The density, not extended; a table of 2,001 scales that ends at 6 standard
      deviations.

    Raises:
      TypeError, ValueError: if `mean` isn't finite, or `std` not positive.

    gdjax.
    """
    unit = "number of octaves"
    mean = check_number(mean, "mean", above=-math.inf, unit=unit)
    std = check_number(std, "std", above=LEAST_WIDTH, unit=unit)
    if abs(mean) + _REACH * std > MOST_OCTAVES:
        raise ValueError(
            f"`mean={mean:g}` and `std={std:g}` reach to scales beyond"
            f" 2^{MOST_OCTAVES}: give numbers of octaves, log2 of the scale."
        )
    z = np.linspace(-_REACH, _REACH, _POINTS)
    return ScaleDensity(2.0 ** (mean + std * z), np.exp(-(z**2) / 2))


def density_of_samples(samples: Any, *, bandwidth: float | None = None) -> ScaleDensity:
    """The density of scales that were drawn or measured.

    A Gaussian kernel estimate over log2 of the scale on 512 bins from the smallest to
    the largest sample, mirrored at both: a range with hard borders keeps its height
    there.

    Args:
      samples: scales of any shape, > 0, at least two different ones.
      bandwidth: standard deviation of the kernel in octaves, 1e-6 to 1000; by default
        0.9 times the smaller of standard deviation and interquartile range / 1.34, both
        in octaves, times n^(-1/5) (Silverman's).

    Returns:
      The density, not extended.

    Raises:
      TypeError, ValueError: if samples or bandwidth are no such numbers, or all
        samples are the same.

    gdjax.
    """
    import scipy.ndimage  # scipy takes longer to import than all of gdjax

    octaves = np.log2(check_positive(samples, "samples").ravel())
    if octaves.size == 0 or np.ptp(octaves) < 1e-6:
        raise ValueError(
            f"`samples` holds {octaves.size} scales, none different: a density needs"
            " a support. Give `log_normal(mean, std)` for data of one size."
        )
    if bandwidth is None:
        low, high = np.percentile(octaves, [25, 75])
        spread = min(octaves.std(), (high - low) / 1.34) or octaves.std()
        width = 0.9 * spread * octaves.size**-0.2
    else:
        width = _width(bandwidth, "bandwidth")
    counts, edges = np.histogram(octaves, _BINS)
    # Mirrored, ten times the range is as flat as any more.
    bins = min(width / (edges[1] - edges[0]), 10.0 * _BINS)
    smooth = scipy.ndimage.gaussian_filter1d(
        counts.astype(np.float64), bins, mode="reflect", truncate=_REACH
    )  # fmt: skip
    places = np.concatenate([edges[:1], (edges[1:] + edges[:-1]) / 2, edges[-1:]])
    return ScaleDensity(2.0**places, np.pad(smooth, 1, mode="edge"))


def on_grid(
    density: ScaleDensity, grid: tuple[float, float] | None, points: int
) -> tuple[np.ndarray, np.ndarray]:
    """Octaves and log-densities for numerical integration.

    Args:
      density: of the data.
      grid: (smallest, largest scale), or None for the whole reach of the density.
      points: how many, >= 2, evenly in log2 of the scale.

    Returns:
      Octaves [points], and natural logarithms [points] of the density, divided by its
      sum over the grid. Nothing is smaller than 1e-12 of the peak.

    Raises:
      TypeError, ValueError: if the grid is no ascending pair of scales, or the density
        is 0 all over it.

    gdjax.
    """
    points = check_order(points, name="points", lowest=2)
    ends = check_positive(density.reach if grid is None else grid, "grid")
    if ends.shape != (2,) or not ends[0] < ends[1]:
        raise ValueError(f"`grid={grid}` must be (smallest, largest scale), ascending.")
    low, high = np.log2(ends).tolist()
    octaves = np.linspace(low, high, points)
    values = density.density(2.0**octaves)
    if not values.any():
        raise ValueError(
            f"`grid={grid}` holds none of the data, whose scales go from"
            f" {density.borders[0]:g} to {density.borders[1]:g}; give one that does."
        )
    logs = np.log(np.maximum(values, 1e-12 * values.max()))
    return octaves, logs - np.log(np.exp(logs).sum())
