"""The Gaussian derivative layer."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from gdjax.layers.fields import check_dtype
from gdjax.layers.module import Module
from gdjax.scalespace.arrays import check_key, check_shape
from gdjax.scalespace.checks import check_image, check_order, is_traced
from gdjax.scalespace.combine import mix_njet, mix_njet_stacked
from gdjax.scalespace.derivatives import derivative_orders
from gdjax.scalespace.discretisation import Discretisation
from gdjax.scalespace.kernels import DiscreteGaussian
from gdjax.scalespace.matrices import Filter
from gdjax.scalespace.stacked import StackedWindow, StackedWindows
from gdjax.scalespace.windows import Windows


_HE = nn.initializers.variance_scaling(2.0, "fan_in", "uniform")


# A function with a name can be pickled.
def he_uniform(
    key: jax.Array, shape: tuple[int, ...], dtype: Any = jnp.float32
) -> jax.Array:
    """Initial weights by He, uniform over the fan-in, such as J C_in (gdjax).

    Args:
      key: PRNG key.
      shape: of the weights, the last axis C_out.
      dtype: of the weights.

    Returns:
      Weights of that shape, of variance 2 / fan-in.

    Raises:
      TypeError, ValueError: for arguments out of range.
    """
    check_key(key)
    rank = len(shape) if isinstance(shape, tuple | list) else 0
    check_shape(shape, axes=", ".join([*["..."] * max(1, rank - 1), "C_out"]))
    return _HE(key, shape, check_dtype(dtype))


class GaussianDerivative(Module):
    """Learned linear combinations of scale-normalised Gaussian derivatives.

      y_o = b_o + sum_c sum_a w[a, c, o] sigma^|a| / a! d_a (g_sigma * x_c)

    Parameters `kernel` [J, C_in, C_out], J as `derivative_orders`, and `bias` [C_out];
    with `depthwise`, `kernel` [J, C] and y_c depends on x_c alone.

    Attributes:
      features: C_out.
      sigma: standard deviation in px, > 0; may be given at the call instead.
      order: highest total order, >= 1.
      zero_order: whether the smoothed image itself is a term.
      discretisation: the kernels.
      padding: "zero", "symmetric", "edge" or "wrap".
      eps: mass that truncation may lose; None: no truncation. A pixel that is NaN or
        infinite may reach further than the kernels: layers don't look at values.
      use_bias: whether there is a bias.
      ndim: spatial dimensions, 1 to 3.
      dtype: of the output (activations), default that of the input.
      depthwise: whether each channel is filtered by itself; C_out = C_in then.
      scale_channel_axis: axis of a mesh over which scale channels are spread in
        `jax.shard_map`; each device calls the layer with its own.

    Raises:
      TypeError, ValueError: at construction or call, for arguments out of range.

    [gaussdernet] (3), whose C_0 is one bias per output here (Choice: a bias per pair of
    channels adds nothing but parameters); 1 / a! as in the Taylor expansion.
    Depthwise: [gaussderresnet] (54)-(55).
    """

    features: int
    sigma: Any = None
    order: int = 2
    zero_order: bool = False
    discretisation: Discretisation = DiscreteGaussian()  # noqa: RUF009 (frozen)
    padding: str = "zero"
    eps: float | None = 0.005
    use_bias: bool = True
    ndim: int = 2
    dtype: Any = None
    depthwise: bool = False
    scale_channel_axis: str | None = None

    def __post_init__(self):
        super().__post_init__()
        check_order(self.features, name="features", lowest=1)
        check_order(self.order, lowest=0 if self.zero_order else 1)
        filter_ = self.filter()
        if self.sigma is not None:
            filter_.check_sigma(self.sigma)

    @nn.nowrap
    def filter(self) -> Filter:
        """The operator without its sigma; its `reach(sigma)` sizes windows."""
        return Filter(
            self.discretisation, self.padding, self.eps, self.ndim, self.order
        )

    @nn.compact
    def __call__(
        self,
        x: Any,
        *,
        sigma: Any = None,
        sources: Windows | StackedWindows | None = None,
        targets: Windows | StackedWindows | None = None,
    ) -> jax.Array:
        """[..., (D,) (H,) W, C_in] -> [..., (D,) (H,) W, C_out].

        Args:
          x: floating point, on the pixels of `sources`.
          sigma: px, a scalar; overrides the field; may be traced. A tuple of S
            concrete numbers: of scale channels, which `x` [S, B, ...] has in front and
            which run in one `vmap`.
          sources: which pixels of each spatial axis `x` holds (default: all).
          targets: which pixels are wanted (default: all).
        """
        x = check_image(x, ndim=self.ndim)
        sigma = self.sigma if sigma is None else sigma
        if sigma is None:
            raise ValueError("`sigma` is given neither as a field nor at the call.")
        filter_ = self.filter()
        several = isinstance(sigma, tuple)
        axis = None if self.is_initializing() else self.scale_channel_axis
        if several:
            devices = 1 if axis is None else jax.lax.axis_size(axis)
            check_windows("sources", sources, len(sigma))
            check_windows("targets", targets, len(sigma))
            sigma = check_sigmas(filter_, x, sigma, devices)
        else:
            sigma = filter_.check_sigma(sigma)
        orders = derivative_orders(
            self.order, zero_order=self.zero_order, ndim=self.ndim
        )
        kernel = self._kernel(len(orders), x.shape[-1])
        bias = None
        if self.use_bias:
            bias = self.param("bias", nn.initializers.zeros, (self.features,))
        options: dict[str, Any] = {"scale_channel_axis": axis} if several else {}
        return (mix_njet_stacked if several else mix_njet)(
            x, kernel, sigma, filter_=filter_, orders=orders, sources=sources,
            targets=targets, dtype=self.dtype, bias=bias, **options,
        )  # fmt: skip

    def _kernel(self, terms: int, channels: int) -> jax.Array:
        if self.depthwise and channels != self.features:
            raise ValueError(
                f"`features={self.features}` of a depthwise layer, but its input has"
                f" {channels} channels: give `features={channels}`."
            )
        if self.has_variable("params", "kernel"):
            known = self.get_variable("params", "kernel").shape[1]
            if known != channels:
                raise ValueError(
                    f"the input has {channels} channels, but the parameters of"
                    f" {self.name or 'this layer'} were made for {known}: give images"
                    f" with {known} channels, or initialise the parameters anew."
                )
        shape = (terms, channels)
        if not self.depthwise:
            shape += (self.features,)
        return self.param("kernel", he_uniform, shape)


def check_sigmas(
    filter_: Filter, x: jax.Array, sigmas: tuple[Any, ...], devices: int = 1
) -> tuple[float, ...]:
    """One for each scale channel of `x` [S, B, ...], as numbers.

    Args:
      filter_: the operator.
      x: maps; of the channels of this device.
      sigmas: px.
      devices: over which channels are spread.

    Raises:
      TypeError, ValueError: for no positive numbers, traced ones, or not as many as
        channels.
    """
    if x.ndim != filter_.ndim + 3 or len(sigmas) != len(x) * devices:
        raise ValueError(
            f"`sigma` has {len(sigmas)} entries, but the maps have shape {x.shape}: one"
            " for each index of the first axis is needed, before the batch."
        )
    if any(map(is_traced, sigmas)):
        raise TypeError(
            "a tuple of `sigma` must hold numbers: matrices of scale channels are made"
            " on the host; use `jax.vmap` over a traced scalar instead."
        )
    return tuple(float(filter_.check_sigma(sigma)) for sigma in sigmas)


def check_windows(name: str, windows: Any, channels: int) -> None:
    """Raises ValueError for windows that aren't those of so many stacked channels."""
    for axis in windows or ():
        if not isinstance(axis, StackedWindow) or len(axis.windows) != channels:
            raise ValueError(
                f"`{name}` must be stacked windows of {channels} scale channels, as"
                f" many as `sigma` has, got {axis}."
            )
