"""Are whole networks scale covariant and invariant? For their users' test suites.

What a network of random weights attains (`benchmarks/network_covariance.py`) stands at
`scale_channel_error`.
"""

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from gdjax.metrics.covariance import worst_of
from gdjax.metrics.enlargement import enlarge, floating_image, relative_l2
from gdjax.metrics.scale_density import check_number, check_positive
from gdjax.scalespace.arrays import check_callable
from gdjax.scalespace.checks import check_ndim, real_array


def scale_channel_error(
    net: Any, variables: Any, image: Any, *, factor: float
) -> np.ndarray:
    """Relative L2 difference, over the classes, of every scale channel's scores.

      || F(E f; S sigma) - F(f; sigma) ||_2 / || F(f; sigma) ||_2

    with E the enlargement of the image by S about its middle, and F(.; sigma) the
    scores of the scale channel with base scale sigma. 0 for a scale covariant network.

    Args:
      net: `GaussDerNet` or `GaussDerResNet`, with any readout over space; or another
        network with fields `sigmas` (px) and `ndim`, that `clone(sigmas=...)` takes to
        other scales, and `per_scale` [B, S, K] in its second output.
      variables: parameters and statistics, as for `net.apply`.
      image: [(D,) (H,) W, C], floating point, best periodic (with `padding="wrap"`) or
        windowed, and band-limited.
      factor: S, > 0, finite; the sizes are rounded to whole pixels, and S with them.

    Returns:
      [S], float64: one error per scale channel, in the order of `net.sigmas`.

    Raises:
      TypeError: if `net` has no scale channels, or the image is not floating point.
      ValueError: for an image that is empty or has other axes, or a factor that is not
        positive and finite, leaves nothing, or differs between the axes.

    The network runs in evaluation mode, compiled, with precision "highest". Large
    biases of the last layer hide errors, as they are part of the scores.

    What tests can ask for depends on the kernels, most at fine scales. Measured with
    random weights, GaussDerNet of four layers / GaussDerResNet of two blocks, the worst
    of 8 images of 1/f noise, 63 px, border rule "wrap", no truncation, float32:

      kernels, activation 1 px, sqrt 2  1 px, 2      2 px, sqrt 2     2 px, 2
      discrete, ReLU      .13 / .32     .18 / .41    .035 / .079      .045 / .12
      discrete, SiLU      .14 / .36     .20 / .54    .035 / .078      .049 / .12
      sampled, ReLU       .20 / .47     .31 / .69    .066 / .078      .090 / .12
      sampled, SiLU       .25 / .50     .38 / .81    .070 / .11       .10 / .16
      integrated, ReLU    .27 / .62     .43 / .98    .091 / .099      .13 / .15
      integrated, SiLU    .33 / .67     .50 / 1.2    .095 / .15       .14 / .22
      spectral, ReLU      .082 / .10    .083 / .11   .015 / .018      .012 / .018
      spectral, SiLU      .013 / .017   .034 / .049  7.3e-5 / 4.9e-4  9.1e-3 / 9.6e-3

    with the centre read out. Sampled derivatives do what spectral ones do. ReLU aliases
    and SiLU hardly does from 2 px on, but the centre of an even side, here of 126 px at
    factor 2, is the mean of two pixels; at factor 3, 189 px, SiLU has 1e-4. With
    spatial maxima, which the pixels of the large image come nearer to, spectral
    networks err by about .01 at 2 px and .04 at 1 px, with either activation. Without
    aliasing (few frequencies, polynomial activations) they err by rounding alone, below
    1e-12 in float64.

    [gaussdernet] (7)-(9) for the last layer; [gaussderresnet] (49).
    """
    if not all(hasattr(net, name) for name in ("sigmas", "ndim", "clone", "apply")):
        raise TypeError(
            f"`net` is of type {type(net).__name__}, without the fields `sigmas` and"
            " `ndim` of a network of scale channels; `scale_covariance_error` takes any"
            " function of image and sigma."
        )
    if not isinstance(variables, Mapping):
        raise TypeError('`variables` must be {"params": ..., ...}, as for `net.apply`.')
    ndim = check_ndim(net.ndim)
    image = floating_image(image, ndim, others="DHW"[-ndim:] + "C")
    large = enlarge(image, factor, ndim=ndim, centred=True)
    ratio = large.shape[0] / image.shape[0]
    at_large = net.clone(sigmas=tuple(ratio * sigma for sigma in net.sigmas))
    found = _per_scale(at_large, variables, large.astype(image.dtype))
    return relative_l2(found, _per_scale(net, variables, image), -1)


def _per_scale(net: Any, variables: Any, image: np.ndarray) -> np.ndarray:
    with jax.default_matmul_precision("highest"):
        return np.asarray(_compiled(net, variables, image[None])[0], np.float64)


@functools.partial(jax.jit, static_argnums=0)  # compiled once for all images of a size
def _compiled(net: Any, variables: Any, images: Any) -> jax.Array:
    return net.apply(variables, images)[1]["per_scale"]


def scale_invariance_error(
    predict: Callable[[np.ndarray], Any],
    images: Any,
    *,
    factors: Sequence[float],
    ndim: int = 2,
) -> np.ndarray:
    """Relative L2 change of pooled scores, over the classes, when images are rescaled.

      || P(E f) - P(f) ||_2 / || P(f) ||_2

    with E the enlargement by Fourier interpolation about the middle of the image.

    Args:
      predict: images [B, (D,) (H,) W, C] -> scores [B, K], of any framework; it gets
        images of the dtype of `images`, and of other sizes.
      images: [B, (D,) (H,) W, C], floating point, best periodic or windowed, and
        band-limited: for factors below 1, at the reduced size.
      factors: S, > 0, finite; the sizes are rounded to whole pixels.
      ndim: spatial dimensions, 1 to 3.

    Returns:
      [F, B], float64: one error per factor and image.

    Raises:
      TypeError: if the images are not floating point, or a factor is not a number.
      ValueError: if there are no factors, or one is not positive and finite, leaves
        nothing, or differs between the axes; for images that are empty or have other
        axes; if `predict` gives another shape than [B, K].

    [gaussdernet] (10)-(12), [gaussderresnet] (47)-(48), measured.
    """
    images = batch_of(images, ndim)
    ratios = check_positive(factors, "factors", unit="ratio of sizes")
    if not ratios.size:
        raise ValueError(f"`factors={factors}` is empty; give at least one.")
    many = np.moveaxis(images, 0, ndim)
    large = []
    for factor in ratios.ravel().tolist():
        one = enlarge(many, factor, ndim=ndim, centred=True)
        large.append(np.moveaxis(one, ndim, 0).astype(images.dtype))
    expected = scores_of(predict, images)
    return np.stack([relative_l2(scores_of(predict, x), expected, -1) for x in large])


def assert_scale_invariant(
    predict: Callable[[np.ndarray], Any],
    images: Any,
    *,
    factors: Sequence[float],
    tolerance: float,
    ndim: int = 2,
) -> None:
    """Asserts that every `scale_invariance_error` is at most `tolerance`.

    For tests of your own networks; arguments as there. A network with finitely many
    scale channels, at the ratio of `factors` or a root of it, is invariant for images
    whose decisive channels are not among those at the ends ([gaussdernet] sec. 3.2), up
    to what the table at `scale_channel_error` says.

    Raises:
      AssertionError: naming the worst factor, image and error.
      TypeError, ValueError: as `scale_invariance_error`.

    [gaussdernet] (10)-(12), [gaussderresnet] (47)-(48).
    """
    tolerance = check_number(tolerance, "tolerance", above=-math.inf, unit="tolerance")
    errors = scale_invariance_error(predict, images, factors=factors, ndim=ndim)
    if not np.all(errors <= tolerance):
        factor, image = worst_of(errors)
        raise AssertionError(
            f"the scores change by {errors[factor, image]:.2e} at factor"
            f" {np.ravel(factors)[factor]:g} (image {image}), more than the tolerance"
            f" {tolerance:.2e}."
        )


def batch_of(images: Any, ndim: int) -> np.ndarray:
    """Returns `images` as an array if it is [B, (D,) (H,) W, C] of floats. gdjax."""
    ndim = check_ndim(ndim)
    others = "B" + "DHW"[-ndim:] + "C"
    return floating_image(images, ndim, others=others, name="images")


def scores_of(predict: Any, images: np.ndarray) -> np.ndarray:
    """Returns what `predict` says, [B, K] float64; ValueError otherwise. gdjax."""
    check_callable(predict, name="predict")
    found = predict(images)
    several = isinstance(found, tuple)
    scores = None if several else real_array(found, name="predict", unit="scores")
    if scores is None or scores.ndim != 2 or len(scores) != len(images):
        shape = "a tuple" if scores is None else f"shape {scores.shape}"
        raise ValueError(
            f"`predict` returned {shape} for {len(images)} images; it must return the"
            " scores [B, K] alone, such as `lambda x: net.apply(variables, x)[0]`."
        )
    return scores
