"""A convolution whose taps move."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from gdjax.layers.gaussian_derivative import he_uniform
from gdjax.layers.module import Module
from gdjax.scalespace.checks import check_image, check_order
from gdjax.scalespace.execution.products import einsum
from gdjax.scalespace.resampling import sample_bilinear


class DeformableConv(Module):
    """A convolution that reads each tap where the image itself says.

      y(p) = b + sum_n w_n x(p + p_n + d_n(p))

    The offsets d_n come from a plain convolution of the input, of the same size and
    dilation, which starts at zero: the layer starts as the plain convolution. Between
    pixels `x` is interpolated bilinearly, outside it is zero. Parameters `kernel`
    [size, size, C_in / groups, C_out], `bias` [C_out], `offsets/kernel`
    [size, size, C_in, 2 size^2], `offsets/bias`: in px, (down, right) of each tap.

    Attributes:
      features: C_out.
      size: px; odd.
      groups: C_in and C_out are cut into so many groups, mixed by themselves; all read
        at the same positions.
      use_bias: whether there is a bias.
      dilation: px between the taps.
      ndim: 2, the only spatial dimensions there are.
      dtype: of the output, default that of the input.

    Raises:
      TypeError, ValueError: at construction or call, for arguments out of range.

    [Dai et al. 2017] (1)-(4), a plain twin in [njet] Table 5, experiment 4(A).
    """

    features: int
    size: int = 3
    groups: int = 1
    use_bias: bool = True
    dilation: int = 1
    ndim: int = 2
    dtype: Any = None

    def __post_init__(self):
        super().__post_init__()
        for name in ("features", "size", "groups", "dilation"):
            check_order(getattr(self, name), name=name, lowest=1)
        if self.size % 2 == 0:
            raise ValueError(f"`size={self.size}` must be odd, to have a middle pixel.")
        if self.ndim != 2:
            raise ValueError(f"`ndim={self.ndim!r}` must be 2.")
        if self.features % self.groups:
            raise ValueError(
                f"`groups={self.groups}` must divide `features={self.features}`."
            )

    @nn.compact
    def __call__(self, x: Any) -> jax.Array:
        """[..., H, W, C_in] -> [..., H, W, C_out], floating point."""
        x = check_image(x, ndim=2)
        channels, size = x.shape[-1], self.size
        if channels % self.groups:
            raise ValueError(
                f"the input has {channels} channels, which `groups={self.groups}`"
                " doesn't divide."
            )
        x = x if self.dtype is None else x.astype(self.dtype)
        images = x.reshape(-1, *x.shape[-3:])
        zeros = nn.initializers.zeros
        offsets = nn.Conv(
            2 * size**2, (size, size), kernel_dilation=self.dilation, dtype=self.dtype,
            kernel_init=zeros, bias_init=zeros, name="offsets",
        )(images)  # fmt: skip
        taps = self._taps(images, offsets)
        shape = size, size, channels // self.groups, self.features
        kernel = self.param("kernel", he_uniform, shape).astype(x.dtype)
        kernel = kernel.reshape(size**2, -1, self.groups, self.features // self.groups)
        taps = taps.reshape(*taps.shape[:-1], self.groups, -1)
        y = einsum("bhwngc,ncgo->bhwgo", taps, kernel, part="h")
        y = y.reshape(*x.shape[:-1], self.features)
        if self.use_bias:
            y = y + self.param("bias", zeros, (self.features,)).astype(y.dtype)
        return y

    def _taps(self, x: jax.Array, offsets: jax.Array) -> jax.Array:
        """What each tap reads, [B, H, W, size^2, C]."""
        # Positions need float32's precision.
        offsets = offsets.astype(jnp.promote_types(offsets.dtype, jnp.float32))
        offsets = offsets.reshape(*offsets.shape[:-1], self.size**2, 2)
        height, width = x.shape[1:3]
        grid = self.dilation * (jnp.arange(self.size) - self.size // 2)
        down, right = (g.reshape(-1) for g in jnp.meshgrid(grid, grid, indexing="ij"))
        rows = jnp.arange(height)[:, None, None] + down
        columns = jnp.arange(width)[:, None] + right
        return sample_bilinear(
            x, offsets[..., 0] + rows, offsets[..., 1] + columns[None]
        )  # fmt: skip
