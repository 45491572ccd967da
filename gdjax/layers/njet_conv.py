"""The N-Jet layer, whose sigma is learned."""

import functools
import math
from typing import Any, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from gdjax.layers.fields import checked_field
from gdjax.layers.module import Module
from gdjax.scalespace.checks import (
    LARGEST_SIGMA,
    LEAST_SIGMA,
    check_image,
    check_kernel_sigma,
    check_order,
    check_sigma,
    is_traced,
    real_array,
    shown,
)
from gdjax.scalespace.combine import mix_njet
from gdjax.scalespace.derivatives import derivative_orders
from gdjax.scalespace.discretisation import Discretisation
from gdjax.scalespace.kernels import NormalizedSampledGaussianDerivatives
from gdjax.scalespace.matrices import Filter


Sharing = Literal["layer", "input", "output", "group"]


class LearnedSigma(Module):
    """A sigma, or several, that training moves between two bounds.

      sigma = 2^p,  p = lo + (hi - lo) / (1 + exp(-q)),  (lo, hi) = log2 of the bounds

    Parameter `logit` q, of `shape`. One instance, called by several layers, ties their
    sigmas.

    Attributes:
      initial: sigma at the start, px.
      bounds: lowest and highest sigma, 1e-4 to 1e5 px; never reached, whatever q is.
      shape: () for one sigma.

    Raises:
      TypeError, ValueError: unless 1e-4 <= lowest < initial < highest <= 1e5.

    Learning sigma: [njet] sec. 3.3; 2^p: its authors' code; the bounds: gdjax.
    """

    initial: float = 1.0
    bounds: tuple[float, float] = (0.25, 16.0)
    shape: tuple[int, ...] = ()

    def __post_init__(self):
        super().__post_init__()
        check_bounds(self.initial, self.bounds, name="initial")
        for size in self.shape:
            check_order(size, name="shape", lowest=1)

    @nn.compact
    def __call__(self) -> jax.Array:
        """Sigma in px, [*shape]."""
        low, high = (math.log2(bound) for bound in self.bounds)
        share = (math.log2(self.initial) - low) / (high - low)
        start = nn.initializers.constant(math.log(share / (1 - share)))
        return sigma_of(self.param("logit", start, self.shape), self.bounds)


def sigma_of(logit: Any, bounds: tuple[float, float]) -> jax.Array:
    """Sigma in px that a parameter `logit` of `LearnedSigma` stands for (gdjax).

    Args:
      logit: q, of any shape.
      bounds: lowest and highest sigma, px.

    Returns:
      Sigma of the shape of `logit`, floating point.

    Raises:
      TypeError, ValueError: unless `logit` has real numbers that aren't NaN, and the
        bounds are 1e-4 <= lowest < highest <= 1e5.
    """
    if not is_traced(logit):
        values = real_array(logit, name="logit", unit="what training has made of it")
        if np.isnan(values).any():
            raise ValueError(f"`logit={shown(logit)}` is NaN: there is no such sigma.")
        if not isinstance(logit, jax.Array):
            # The sigmoid is 0 or 1 long before that.
            logit = np.clip(values, -1e30, 1e30).astype(jnp.result_type(float))
    check_bounds(None, bounds)
    logit = jnp.asarray(logit)
    logit = logit.astype(jnp.promote_types(logit.dtype, jnp.float32))
    low, high = (math.log2(bound) for bound in bounds)
    return jnp.exp2(low + (high - low) * jax.nn.sigmoid(logit))


def check_bounds(initial: Any, bounds: Any, *, name: str = "sigma") -> None:
    """Raises TypeError or ValueError unless bounds[0] < initial < bounds[1].

    What is learned can't be looked at: no kernel is beyond what the bounds allow.

    Args:
      initial: sigma, or several; None: none is looked at.
      bounds: px.
      name: of the first.
    """
    low, high = checked_field("bounds", bounds, tuple[float, float])
    if not LEAST_SIGMA <= low < high <= LARGEST_SIGMA:
        raise ValueError(
            f"`bounds={bounds!r}` must be the lowest and the highest sigma in px, from"
            f" {LEAST_SIGMA:g} to {LARGEST_SIGMA:g}."
        )
    if initial is None:
        return
    value = check_sigma(initial, name=name, positive=True)
    if not np.all((bounds[0] < value) & (value < bounds[1])):
        raise ValueError(
            f"`{name}={initial}` must lie between the bounds {tuple(bounds)} px of"
            " learning: widen `bounds`, or start inside."
        )


class NJetConv(Module):
    """A convolution whose filters are N-jets of learned scale.

      y_o = b_o + sum_c sum_a w[a, c, o] sigma^|a| d_a (g_sigma * x_c),  0 <= |a| <= N

    Parameters `kernel` [J, C_in / groups, C_out], J as `derivative_orders` with the
    zero order, `bias` [C_out], and `sigma/logit` (`LearnedSigma`). Stride 1. Whatever
    sigma does, no shape changes and nothing is compiled again.

    Attributes:
      features: C_out.
      order: N, highest total order, >= 0.
      sigma: px, at the start (where it isn't learned: always).
      learn_sigma: whether sigma is a parameter.
      bounds: lowest and highest sigma, px.
      sharing: which channels have one sigma: "layer", all; "input", each input channel
        has its own; "output", each output channel; "group", each group.
      groups: C_in and C_out are cut into so many groups, mixed by themselves; C_in
        groups: depthwise.
      zero_order: whether the smoothed image is a term.
      discretisation: the kernels.
      extent: k, kernels end at ceil(k sigma) px; None: they cover the image.
      padding: "zero", "symmetric", "edge" or "wrap".
      use_bias: whether there is a bias.
      ndim: spatial dimensions, 1 to 3.
      dtype: of the output, default that of the input.
      gain: of the initial weights, relative to He's.

    Raises:
      TypeError, ValueError: at construction or call, for arguments out of range.

    [njet] (2), (3), (5). Choice: no 1 / a!, as there; weights start uniform over the
    fan-in, J C_in / groups, not N(0, 1), which is a gain of about 2 for 1 channel and
    of 4.5 for 4 channels of order 3. sigma per channel: future work there.
    """

    features: int
    order: int = 3
    sigma: float = 1.0
    learn_sigma: bool = True
    bounds: tuple[float, float] = (0.25, 16.0)
    sharing: Sharing = "layer"
    groups: int = 1
    zero_order: bool = True
    discretisation: Discretisation = NormalizedSampledGaussianDerivatives()  # noqa: RUF009
    extent: float | None = 2.0
    padding: str = "zero"
    use_bias: bool = True
    ndim: int = 2
    dtype: Any = None
    gain: float = 1.0

    def __post_init__(self):
        super().__post_init__()
        check_order(self.features, name="features", lowest=1)
        if self.gain <= 0:
            raise ValueError(
                f"`gain={self.gain}` must be positive: 1 for He's weights."
            )
        check_order(self.order, lowest=0 if self.zero_order else 1)
        check_order(self.groups, name="groups", lowest=1)
        if self.features % self.groups:
            raise ValueError(
                f"`groups={self.groups}` must divide `features={self.features}`."
            )
        if self.learn_sigma:
            check_bounds(self.sigma, self.bounds)
        else:
            limit = self.discretisation.impulse_limit
            check_kernel_sigma(self.sigma, impulse_limit=limit)
        if self.extent is not None:
            check_sigma(self.extent, name="extent", positive=True)
        self.filter()

    @nn.nowrap
    def filter(self) -> Filter:
        """The operator without its sigma."""
        return Filter(
            self.discretisation, self.padding, None, self.ndim, self.order, self.extent
        )

    @nn.compact
    def __call__(self, x: Any, *, sigma: Any = None) -> jax.Array:
        """[..., (D,) (H,) W, C_in] -> [..., (D,) (H,) W, C_out].

        Args:
          x: floating point.
          sigma: px, instead of the layer's own: for sigmas tied over layers. A scalar,
            or one per channel or group, as `sharing` says.
        """
        x = check_image(x, ndim=self.ndim)
        channels = x.shape[-1]
        if channels % self.groups:
            raise ValueError(
                f"the input has {channels} channels, which `groups={self.groups}`"
                " doesn't divide."
            )
        orders = derivative_orders(
            self.order, zero_order=self.zero_order, ndim=self.ndim
        )
        shape = len(orders), channels // self.groups, self.features
        start = nn.initializers.variance_scaling(
            2.0 * self.gain**2, "fan_in", "uniform"
        )
        kernel = self.param("kernel", start, shape)
        sigma = self._sigma(channels, sigma)
        x = x if self.dtype is None else x.astype(self.dtype)
        bias = None
        if self.use_bias:
            bias = self.param("bias", nn.initializers.zeros, (self.features,))
        return self._mix(x, kernel, sigma, orders, bias)

    def _sigma(self, channels: int, given: Any) -> Any:
        count = {
            "layer": (), "input": (channels,), "output": (self.features,),
            "group": (self.groups,),
        }[self.sharing]  # fmt: skip
        if given is None and self.learn_sigma:
            return LearnedSigma(self.sigma, self.bounds, count, name="sigma")()
        sigma = check_kernel_sigma(
            self.sigma if given is None else given,
            impulse_limit=self.discretisation.impulse_limit,
        )
        if sigma.shape not in ((), count):
            raise ValueError(
                f'`sigma` has shape {sigma.shape}; with `sharing="{self.sharing}"` it'
                f" has shape {count}, or is one number."
            )
        xp = jnp if is_traced(sigma) else np
        return sigma if sigma.shape == count else xp.broadcast_to(sigma, count)

    def _mix(self, x, kernel, sigma, orders, bias) -> jax.Array:
        mix = functools.partial(
            mix_njet, x, filter_=self.filter(), orders=orders, taylor=False, bias=bias
        )
        depthwise = self.groups == x.shape[-1] == self.features
        if self.sharing == "layer" and (depthwise or self.groups == 1):
            return mix(kernel[:, 0] if depthwise else kernel, sigma)
        if self.sharing == "output":
            return mix(kernel, sigma, per="output", groups=self.groups)
        each = x.shape[-1] // (1 if self.sharing == "layer" else sigma.shape[0])
        xp = jnp if is_traced(sigma) else np
        sigma = xp.repeat(xp.atleast_1d(sigma), each)
        return mix(kernel, sigma, per="input", groups=self.groups)
