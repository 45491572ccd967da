"""Residual blocks of two Gaussian derivative layers at one scale."""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp

from gdjax.layers.gaussian_derivative import GaussianDerivative, he_uniform
from gdjax.layers.module import Module
from gdjax.layers.norm import SharedBatchNorm
from gdjax.scalespace.checks import check_order
from gdjax.scalespace.discretisation import Discretisation
from gdjax.scalespace.execution.products import HIGHEST, mix_channels
from gdjax.scalespace.kernels import DiscreteGaussian
from gdjax.scalespace.stacked import (
    StackedWindows,
    crop_stack,
    full_stack,
    own_pixels,
    settled,
)
from gdjax.scalespace.windows import Windows, crop, spatial_windows


# Windows of the block's input, of what its first layer computes, and of its output.
BlockWindows = (
    tuple[Windows, Windows, Windows]
    | tuple[StackedWindows, StackedWindows, StackedWindows]
)


class ResidualBlock(Module):
    """Two Gaussian derivative layers of one sigma, and a skip connection.

      y = act(P x + BN(D_2(act(BN(D_1 x)))))

    with D_1, D_2 Gaussian derivative layers (with `separable`, each a depthwise one
    followed by a pointwise one) and P the identity, or BN after a 1 x 1 convolution
    where the widths differ. All initial weights are He's uniform ones: in +-sqrt(6 / n)
    for n terms that a unit adds up.

    All scale channels go through a block together, because they share the batch
    statistics.

    Attributes:
      features: C_out of both layers.
      separable: whether the layers are depthwise-separable.
      zero_order: whether the smoothed image is a term.
      order: highest derivative order.
      discretisation: the kernels.
      activation: pointwise nonlinearity `act`.
      activate: "sum": as above; "branch": y = P x + act(BN(D_2 ...)).
      normalized: whether there is batch normalisation.
      padding: border rule.
      eps: mass that truncation may lose; None: no truncation.
      ndim: spatial dimensions, 1 to 3.
      dtype: of the activations, default that of the input.
      scale_channel_axis: axis of a mesh over which scale channels are spread in
        `jax.shard_map`.
      batch_axis: over which the batch is spread, as of `SharedBatchNorm`.

    Raises:
      TypeError, ValueError: for what `GaussianDerivative` refuses; ValueError for
        another `activate`.

    [gaussderresnet] (28)-(29), (33)-(34); separable: (53)-(55). Choice: the
    nonlinearity after the sum, as in [He et al. 2016]; the formulas are lost, and the
    text leans to the branch: secs. 3.1.3, "output from each convolution stage", and
    3.2, "1 + correction". Trained side by side both are right equally often
    (benchmarks/results/gaussderresnet_fashion_mnist_small), and saved networks have the
    sum. The biases are those of `GaussianDerivative`, one per output,
    and one per output of a projection.
    """

    features: int
    separable: bool = False
    zero_order: bool = False
    order: int = 2
    discretisation: Discretisation = DiscreteGaussian()  # noqa: RUF009 (frozen)
    activation: Callable[[jax.Array], jax.Array] = nn.relu
    activate: Literal["sum", "branch"] = "sum"
    normalized: bool = True
    padding: str = "zero"
    eps: float | None = 0.005
    ndim: int = 2
    dtype: Any = None
    scale_channel_axis: str | None = None
    batch_axis: str | None = None

    def __post_init__(self):
        super().__post_init__()
        check_order(self.features, name="features", lowest=1)
        # What its layers have against their fields.
        names = "order", "zero_order", "discretisation", "padding", "eps", "ndim"
        own = {name: getattr(self, name) for name in names}
        GaussianDerivative(self.features, **own, parent=None)

    @nn.compact
    def __call__(
        self,
        xs: Sequence[jax.Array],
        *,
        sigmas: Sequence[Any],
        windows: Sequence[BlockWindows] | None = None,
        train: bool = False,
    ) -> list[jax.Array]:
        """[..., (D,) (H,) W, C_in] -> [..., (D,) (H,) W, C_out], per scale channel.

        Args:
          xs: one array per scale channel, on the pixels of its first windows; or per
            group of S of them, [S, B, ...].
          sigmas: px, one scalar per scale channel; a tuple of S for a group.
          windows: of input, middle and output, per scale channel (default: all
            pixels).
          train: whether to use batch statistics.
        """
        if windows is None:
            windows = [
                self._full(x, sigma) for x, sigma in zip(xs, sigmas, strict=True)
            ]
        dtype = xs[0].dtype if self.dtype is None else self.dtype
        ys, several = list(xs), [isinstance(sigma, tuple) for sigma in sigmas]
        own = [
            [
                own_pixels(p[k], self._spread()) if g else None
                for g, p in zip(several, windows, strict=True)
            ]
            for k in (1, 2)
        ]
        for k in (0, 1):
            layer = self._layer(k + 1, ys[0].shape[-1], dtype)
            ys = [
                layer(y, sigma=sigma, sources=plan[k], targets=plan[k + 1])
                for y, sigma, plan in zip(ys, sigmas, windows, strict=True)
            ]
            ys = [
                settled(y, p[k + 1], self._spread()) if g else y
                for y, p, g in zip(ys, windows, several, strict=True)
            ]
            ys = self._normalize(ys, f"norm_{k + 1}", train, own[k])
            if k == 0 or self.activate == "branch":
                ys = [self.activation(y) for y in ys]
        skips = [
            (crop_stack if g else crop)(x, plan[0], plan[2]).astype(dtype)
            for x, plan, g in zip(xs, windows, several, strict=True)
        ]
        if skips[0].shape[-1] != self.features:
            project = nn.Dense(
                self.features, dtype=dtype, dot_general=mix_channels,
                precision=HIGHEST, kernel_init=he_uniform, name="projection",
            )  # fmt: skip
            skips = [project(x) for x in skips]
            skips = self._normalize(skips, "projection_norm", train, own[1])
        sums = [x + y for x, y in zip(skips, ys, strict=True)]
        return sums if self.activate == "branch" else [self.activation(y) for y in sums]

    def _layer(
        self, number: int, channels: int, dtype: Any
    ) -> Callable[..., jax.Array]:
        derive = GaussianDerivative(
            channels if self.separable else self.features,
            order=self.order, zero_order=self.zero_order, padding=self.padding,
            discretisation=self.discretisation, eps=self.eps, ndim=self.ndim,
            dtype=dtype, depthwise=self.separable, name=f"layer_{number}",
            scale_channel_axis=self.scale_channel_axis,
        )  # fmt: skip
        if not self.separable:
            return derive
        mix = nn.Dense(
            self.features, dtype=dtype, dot_general=mix_channels,
            precision=HIGHEST, kernel_init=he_uniform, name=f"pointwise_{number}",
        )  # fmt: skip
        return lambda x, **where: mix(derive(x, **where))

    def _spread(self) -> str | None:
        """The axis over which channels are spread; parameters are made without."""
        return None if self.is_initializing() else self.scale_channel_axis

    def _full(self, x: jax.Array, sigma: Any) -> BlockWindows:
        if isinstance(sigma, tuple):
            stacked = full_stack(x, self.ndim, len(sigma))
            return stacked, stacked, stacked
        full = spatial_windows(jnp.asarray(x), self.ndim)
        return full, full, full

    def _normalize(self, xs, name: str, train: bool, pixels: Sequence[Any]):
        if not self.normalized:
            return xs
        norm = SharedBatchNorm(
            axis_name=self.scale_channel_axis, batch_axis=self.batch_axis, name=name
        )
        return norm(xs, train=train, pixels=pixels)
