"""Scale convolutions whose filters are given pixel by pixel. [scale_learning] (4)."""

import functools
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from gdjax.layers.learned_scales import check_scales
from gdjax.layers.module import Module
from gdjax.scalespace.checks import check_image, check_order, check_padding
from gdjax.scalespace.disco import DiscoBasis
from gdjax.scalespace.execution.products import HIGHEST
from gdjax.scalespace.scale_correlation import dilated_correlation


class DenseScaleConv(Module):
    """A convolution with the same filter at every internal scale, on fixed pixels.

      T -> H:  y(s, t) = b + sum_c kappa_c(s) * f_c
      H -> H:  y(s, t) = b + sum_c kappa_c(s) * f_c(s, .)

    kappa is a learned sum of the filters of a basis, as of `ScaleConv`; they have no
    formula at every scale, so the scales are fixed, and each is one convolution.
    Parameters `kernel` [F, C_in, C_out], `bias` [C_out], shared by all scales.

    Attributes:
      features: C_out.
      scales: sigma in px, finest first.
      basis: of the filters.
      lift: whether the input has no scale axis yet (T -> H).
      padding: "zero", "symmetric", "edge" or "wrap".
      use_bias: whether there is a bias.
      dtype: of the output, default that of the input.

    Raises:
      TypeError, ValueError: at construction or call, for arguments out of range.

    [scale_learning] (4), (5) and Table 5, DISCO; weights start as of `ScaleConv`.
    """

    features: int
    scales: tuple[float, ...]
    basis: DiscoBasis = DiscoBasis()  # noqa: RUF009 (frozen)
    lift: bool = False
    padding: str = "zero"
    use_bias: bool = True
    dtype: Any = None

    def __post_init__(self):
        self.scales = tuple(check_scales(self.scales).tolist())
        super().__post_init__()
        check_order(self.features, name="features", lowest=1)
        check_padding(self.padding)
        if not isinstance(self.basis, DiscoBasis):
            raise TypeError(f"`basis={self.basis!r}` must be a DiscoBasis.")
        self.basis.check(self.scales)

    @nn.compact
    def __call__(self, x: Any) -> jax.Array:
        """[..., H, W, C_in] (T -> H) or [S, ..., H, W, C_in] -> [S, ..., H, W, C_out].

        Floating point.
        """
        x, basis = check_image(x, ndim=2), self.basis
        self._check(x)
        # Uniform in +-1 / sqrt(fan-in).
        start = nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform")
        shape = (basis.functions, x.shape[-1], self.features)
        kernel = self.param("kernel", start, shape)
        x = x if self.dtype is None else x.astype(self.dtype)
        found = []
        for s, (filters, dilation) in enumerate(_tight_filters(basis, self.scales)):
            filters = jnp.asarray(filters, kernel.dtype)
            own = jnp.einsum("fyx,fco->yxco", filters, kernel, precision=HIGHEST)
            given = x if self.lift else x[s]
            images = given.reshape(-1, *given.shape[-3:])
            y = dilated_correlation(images, own.astype(x.dtype), dilation, self.padding)
            found.append(y.reshape(*given.shape[:-1], self.features))
        y = jnp.stack(found)
        if self.use_bias:
            bias = self.param("bias", nn.initializers.zeros, (self.features,))
            y = y + bias.astype(y.dtype)
        return y

    def _check(self, x: jax.Array) -> None:
        count, size = len(self.scales), self.basis.size
        if not self.lift and (x.ndim < 4 or len(x) != count):
            raise ValueError(
                f"the input of shape {x.shape} has not the {count} scales of the layer"
                " in front, [S, ..., H, W, C]; of a first layer set `lift=True`."
            )
        if size // 2 >= max(x.shape[-3:-1]):
            raise ValueError(
                f"`basis`: filters of {size} px reach beyond images of {x.shape[-3]} x"
                f" {x.shape[-2]} px; give a smaller `size`."
            )


@functools.lru_cache(maxsize=16)
def _tight_filters(
    basis: DiscoBasis, scales: tuple[float, ...]
) -> tuple[tuple[np.ndarray, int], ...]:
    """Of every scale the filters [F, n, n], and by what they are dilated.

    Without their zeros: neither around them nor, in dilated ones, between taps.
    """
    found = []
    for s, filters in enumerate(np.moveaxis(basis.filters(scales), 1, 0)):
        ratio = scales[s] / scales[0]
        dilation = round(ratio) if abs(ratio - round(ratio)) < 1e-6 else 1
        used = np.flatnonzero((filters != 0).any((0, 1)))
        taps = slice(used[0], used[-1] + 1, dilation)
        found.append((filters[:, taps, taps], dilation))
    return tuple(found)
