"""Scale convolutions with steerable filters. [scale_learning] (4), (5)."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from gdjax.layers.learned_scales import check_scales
from gdjax.layers.module import Module
from gdjax.scalespace.checks import (
    check_image,
    check_order,
    check_sigma,
    is_traced,
)
from gdjax.scalespace.discretisation import Discretisation
from gdjax.scalespace.hermite import (
    Basis,
    HermiteA,
    basis_filter,
    hermite_norms,
    mix_hermite,
)
from gdjax.scalespace.jets import smooth
from gdjax.scalespace.kernels import SampledGaussianDerivatives
from gdjax.scalespace.matrices import Filter
from gdjax.scalespace.scale_correlation import ScaleAxis, extend_scale_axis


# Half-width in px on which norms are taken, whatever the size of images: filters that
# don't end fall off slowly below 1 px, and equal layers must have equal filters.
NORM_WIDTH = 256


class ScaleConv(Module):
    """A convolution with the same filter at every internal scale.

      T -> H:  y(s, t) = b + sum_c kappa_c(s) * f_c
      H -> H:  y(s, t) = b + sum_c sum_i kappa_ci(s) * f_c(s + i, .),  i < scale_dim

    kappa is a learned sum of the filters of a basis; it runs as N-jets mixed, or by
    frequencies where that takes fewer products (`mix_hermite`), so that no filter is
    stored and learned scales compile nothing anew. Parameters `kernel`
    [F, scale_dim C_in, C_out], `bias` [C_out], both shared by all scales. A layer of
    1 x 1 px is `nn.Dense`; the maximum over scales `max_over_scales(y, axis=0)`.

    Attributes:
      features: C_out.
      scales: sigma in px, finest first; traced ones are given at the call instead.
      basis: of the filters.
      lift: whether the input has no scale axis yet (T -> H).
      scale_dim: neighbouring scales that are mixed, towards the coarse end.
      scale_axis: border rule of the scale axis, see `extend_scale_axis`; with "extend"
        the scale_dim - 1 coarsest scales are used up. "continue" is exact for features
        of order 0 alone: smoothed on, those of order n are ratio^n times too small.
      discretisation: of the Gaussian derivatives.
      extent: filters end at ceil(extent sigma) px; None: with the image.
      padding: "zero", "symmetric", "edge" or "wrap".
      use_bias: whether there is a bias.
      dtype: of the output, default that of the input.

    Raises:
      TypeError, ValueError: at construction or call, for arguments out of range.

    [scale_learning] (4), (5); weights start as those of its code, uniform in
    +-1 / sqrt(C_in scale_dim F). Through N-jets, and other rules than zeros beyond the
    coarsest scale: gdjax.
    """

    features: int
    scales: Any = None
    basis: Basis = HermiteA()  # noqa: RUF009 (frozen)
    lift: bool = False
    scale_dim: int = 1
    scale_axis: ScaleAxis = "replicate"
    discretisation: Discretisation = SampledGaussianDerivatives()  # noqa: RUF009
    extent: float | None = 4.0
    padding: str = "zero"
    use_bias: bool = True
    dtype: Any = None

    def __post_init__(self):
        if self.scales is not None:
            self.scales = tuple(check_scales(self.scales).tolist())
        super().__post_init__()
        check_order(self.features, name="features", lowest=1)
        check_order(self.scale_dim, name="scale_dim", lowest=1)
        if not isinstance(self.basis, Basis):
            raise TypeError(f"`basis={self.basis!r}` must be a HermiteA or a HermiteB.")
        if self.lift and self.scale_dim > 1:
            raise ValueError(
                f"`scale_dim={self.scale_dim}` of a layer that lifts: images have no"
                " scales to mix; give 1."
            )
        if self.extent is not None:
            check_sigma(self.extent, name="extent", positive=True)
        self.filter()

    @nn.nowrap
    def filter(self) -> Filter:
        """The operator without its scales."""
        return basis_filter(self.discretisation, self.padding, self.basis, self.extent)

    @nn.compact
    def __call__(self, x: Any, *, scales: Any = None) -> jax.Array:
        """[..., H, W, C_in] (T -> H) or [S, ..., H, W, C_in] -> [S, ..., H, W, C_out].

        Args:
          x: floating point.
          scales: px, [S]; overrides the field; may be traced and learned.
        """
        x, filter_ = check_image(x, ndim=2), self.filter()
        scales = self._scales(scales, x)
        if self.scales is not None:
            check_reach(filter_, self.scales[-1], x.shape[-3:-1])
        terms = (self.basis.functions, self.scale_dim * x.shape[-1])
        # Uniform in +-1 / sqrt(fan-in).
        start = nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform")
        kernel = self.param("kernel", start, (*terms, self.features))
        bias = None
        if self.use_bias:
            bias = self.param("bias", nn.initializers.zeros, (self.features,))
        # Weights may be of half precision, scales and kernels are not.
        if is_traced(scales):
            scales = scales.astype(jnp.promote_types(kernel.dtype, jnp.float32))
        finest = jnp.asarray(scales).min()
        norms = hermite_norms(
            finest, basis=self.basis, filter_=filter_,
            width=max(NORM_WIDTH, *x.shape[-3:-1]),
        )  # fmt: skip
        if not self.lift:
            x, scales = self._neighbours(x, scales)
        return mix_hermite(
            x, kernel, scales, norms=norms, basis=self.basis, filter_=filter_,
            dtype=self.dtype, bias=bias, lift=self.lift,
        )  # fmt: skip

    def _scales(self, scales: Any, x: jax.Array) -> Any:
        scales = self.scales if scales is None else scales
        if scales is None:
            raise ValueError("`scales` are given neither as a field nor at the call.")
        # Learned scales, each by itself, may pass each other.
        scales = check_scales(scales, increasing=False)
        if not self.lift and (x.ndim < 4 or len(x) != len(scales)):
            raise ValueError(
                f"the input of shape {x.shape} has not the {len(scales)} scales of the"
                " layer in front, [S, ..., H, W, C]; of a first layer set `lift=True`."
            )
        if self.scale_dim > len(scales):
            raise ValueError(
                f"`scale_dim={self.scale_dim}` is larger than the number of scales,"
                f" {len(scales)}."
            )
        return scales

    def _neighbours(self, x: jax.Array, scales: Any) -> tuple[jax.Array, Any]:
        """The channels of the scales that are mixed side by side, and the scales."""
        more = self.scale_dim - 1
        if not more:
            return x, scales
        if self.scale_axis == "continue":
            x = self._continued(x, scales, more)
        else:
            moved = jnp.moveaxis(x, 0, -4)
            moved = extend_scale_axis(moved, more, rule=self.scale_axis)
            x = jnp.moveaxis(moved, -4, 0)
        count = len(x) - more
        parts = [x[i : i + count] for i in range(self.scale_dim)]
        return jnp.concatenate(parts, axis=-1), scales[:count]

    def _continued(self, x: jax.Array, scales: Any, more: int) -> jax.Array:
        """Smoothed on to the scales that would come next, in the last ratio."""
        if len(scales) < 2:
            raise ValueError('`scale_axis="continue"` needs two scales or more.')
        last, ratio = scales[-1], scales[-1] / scales[-2]
        found = [x]
        for i in range(1, more + 1):
            sigma = last * jnp.sqrt(ratio ** (2 * i) - 1)
            y = smooth(
                x[-1], sigma, discretisation=self.discretisation, padding=self.padding
            )
            found.append(y[None])
        return jnp.concatenate(found)


def check_reach(filter_: Filter, coarsest: float, sides: tuple[int, ...]) -> None:
    """Raises ValueError where the filter at the coarsest scale exceeds the image."""
    if filter_.extent is None:
        return
    radius = filter_.radius(coarsest)
    if radius >= max(sides):
        raise ValueError(
            f"`scales`: at {coarsest:g} px filters have {2 * radius + 1} px and reach"
            f" beyond images of {sides[0]} x {sides[1]} px; give smaller scales or a"
            " smaller `extent`."
        )
