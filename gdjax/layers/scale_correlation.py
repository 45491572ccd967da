"""The layer of deep scale-spaces: a correlation over the semigroup of downscalings."""

import math
from collections.abc import Callable
from typing import Any, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp

from gdjax.layers.gaussian_derivative import he_uniform
from gdjax.layers.module import Module
from gdjax.scalespace.checks import check_image, check_order, check_padding, check_sigma
from gdjax.scalespace.discretisation import Discretisation
from gdjax.scalespace.kernels import DiscreteGaussian
from gdjax.scalespace.scale_correlation import ScaleAxis, scale_space_correlation
from gdjax.scalespace.semigroup_grids import check_base


Start = Literal["he", "matched"]


def matched_pairs(
    key: jax.Array, shape: tuple[int, ...], dtype: Any = jnp.float32
) -> jax.Array:
    """Initial weights [N, h, w, C_in, C_out] that hand their input on, and noise.

    Noise of standard deviation 10^-2; at the centre of all levels, C / C_out with
    C = gcd(C_in, C_out) for pairs with floor(i C / C_in) = floor(o C / C_out), so that
    each level keeps, but for the noise, the sum over its channels.

    [dss] sec. 3, from [Yu and Koltun 2015]. Choice: matched pairs, as in the authors'
    code; the text reads as if every pair had a one, which multiplies activations by
    C_in.
    """
    _, height, width, inputs, outputs = shape
    common = math.gcd(inputs, outputs)
    own = jnp.arange(inputs)[:, None] * common // inputs
    matched = own == jnp.arange(outputs)[None] * common // outputs
    noise = 1e-2 * jax.random.normal(key, shape, dtype)
    middle = noise[:, height // 2, width // 2]
    centre = jnp.where(matched, jnp.asarray(common / outputs, dtype), middle)
    return noise.at[:, height // 2, width // 2].set(centre)


def he_levels(
    key: jax.Array, shape: tuple[int, ...], dtype: Any = jnp.float32
) -> jax.Array:
    """He's initial weights [N, h, w, C_in, C_out], fan-in N h w C_in. gdjax."""
    return he_uniform(key, (math.prod(shape[:-1]), shape[-1]), dtype).reshape(shape)


STARTS: dict[str, Callable[..., jax.Array]] = {
    "he": he_levels,
    "matched": matched_pairs,
}


class ScaleSpaceCorrelation(Module):
    """The same filter at every level of a scale space, dilated with the level.

      y_k(z) = b + sum_l sum_u psi_l(u) x_{k + l}(base^k u + z)

    Parameters `kernel` [N, h, w, C_in, C_out] and `bias` [C_out], shared by the levels.

    Attributes:
      features: C_out.
      kernel_size: (h, w) in px of the finest level.
      scale_dim: N, levels that a filter mixes; 1: none.
      base: of the levels, > 1; where its powers are whole, the layer is exact.
      scale_axis: border rule of the scale axis, see `extend_scale_axis`; with "extend"
        the layer has N - 1 levels less.
      padding: border rule of the images.
      use_bias: whether there is a bias.
      start: initial weights, "he" or "matched", see `matched_pairs`.
      zero_scale: of the levels, px, for the rule "continue", as is:
      discretisation: the kernels.
      dtype: of the output, default that of the input.

    Raises:
      TypeError, ValueError: at construction or call, for arguments out of range.

    [dss] (20), (24).
    """

    features: int
    kernel_size: tuple[int, int] = (3, 3)
    scale_dim: int = 1
    base: float = 2.0
    scale_axis: ScaleAxis = "truncate"
    padding: str = "zero"
    use_bias: bool = True
    start: Start = "matched"
    zero_scale: float = 0.5
    discretisation: Discretisation = DiscreteGaussian()  # noqa: RUF009 (frozen)
    dtype: Any = None

    def __post_init__(self):
        super().__post_init__()
        check_order(self.features, name="features", lowest=1)
        check_order(self.scale_dim, name="scale_dim", lowest=1)
        for size in self.kernel_size:
            check_order(size, name="kernel_size", lowest=1)
        check_base(self.base)
        check_padding(self.padding)
        check_sigma(self.zero_scale, name="zero_scale", positive=True)

    @nn.compact
    def __call__(self, x: Any) -> jax.Array:
        """[..., K, H, W, C_in] -> [..., K, H, W, C_out], lifted and floating point."""
        x = check_image(x, ndim=2)
        shape = (self.scale_dim, *self.kernel_size, x.shape[-1], self.features)
        kernel = self.param("kernel", STARTS[self.start], shape)
        x = x if self.dtype is None else x.astype(self.dtype)
        y = scale_space_correlation(
            x,
            kernel,
            base=self.base,
            scale_axis=self.scale_axis,
            padding=self.padding,
            zero_scale=self.zero_scale,
            discretisation=self.discretisation,
        )
        if self.use_bias:
            bias = self.param("bias", nn.initializers.zeros, (self.features,))
            y = y + bias.astype(y.dtype)
        return y
