"""Scale-equivariant steerable networks, their internal scales fixed or learned."""

import functools
from collections.abc import Callable
from typing import Any, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from gdjax.layers.active_scales import ActiveScales, computed_scales
from gdjax.layers.learned_scales import (
    Form,
    Learned,
    LearnedScales,
    internal_scales,
)
from gdjax.layers.module import Module
from gdjax.layers.norm import SharedBatchNorm
from gdjax.layers.scale_conv import ScaleConv, check_reach
from gdjax.layers.selection import max_over_scales
from gdjax.models.configuration import configures
from gdjax.models.dense_head import HEAD_FIELDS, check_layers, dense_head
from gdjax.models.njet_classifiers import check_batch
from gdjax.models.njet_toy import cell_maxima
from gdjax.models.steerable_configuration import SCALE_FIELDS, SteerableConfig
from gdjax.scalespace.checks import check_order
from gdjax.scalespace.discretisation import Discretisation
from gdjax.scalespace.hermite import Basis, HermiteA, HermiteB
from gdjax.scalespace.kernels import SampledGaussianDerivatives


Kind = Literal["steerable", "plain"]


class SteerableNet(Module):
    """Base of the networks of scale convolutions that share their internal scales.

    With their logits they give a dict: `scales` in px, [S]; with `prune` also `active`,
    bool [S], and at scales out of use the finest of the others.

    Attributes:
      num_classes: K.
      kind: of filters, "steerable", or "plain": the twin of as many weights, with
        filters of side sqrt(F) px and without scales.
      count: number of internal scales.
      sigma: sigma_basis, the finest of them at the start, px.
      isr: Internal Scale Range at the start, coarsest over finest.
      learned: what is learned of them: None, "isr", "spacings" or "direct".
      form: how gamma stands for the range, see `LearnedScales`.
      learn_sigma: whether sigma_basis is learned with it.
      prune: whether scales can be taken out of use, see `ActiveScales`: they are left
        out of the maximum over scales and of all statistics.
      discretisation: of the Gaussian derivatives.
      extent: filters end at ceil(extent sigma) px.
      padding: border rule.
      batch_axis: over which the batch is spread, as of `SharedBatchNorm`.
      dtype: of the activations, default the input's.

    Raises:
      TypeError, ValueError: at construction or call, for arguments out of range.

    [scale_learning]; fixed scales: SESN [Sosnovik et al. 2020].
    """

    num_classes: int = 10
    kind: Kind = "steerable"
    count: int = 3
    sigma: float = 2.0
    isr: float = 3.0
    learned: Learned | None = None
    form: Form = "per_step"
    learn_sigma: bool = True
    prune: bool = False
    discretisation: Discretisation = SampledGaussianDerivatives()  # noqa: RUF009
    extent: float = 4.0
    padding: str = "zero"
    batch_axis: str | None = None
    dtype: Any = None

    def __post_init__(self):
        super().__post_init__()
        check_order(self.num_classes, name="num_classes", lowest=1)
        if self.kind == "plain" and self.learned is not None:
            raise ValueError(
                f"`learned={self.learned!r}`: plain filters have no scales to learn."
            )
        if self.kind == "plain" and self.prune:
            raise ValueError("`prune=True`: plain filters have no scales to prune.")
        # What these have against their fields.
        LearnedScales(**self._scale_fields(), parent=None)
        ScaleConv(1, basis=self.basis(), **self._layer_fields(), parent=None)

    @nn.nowrap
    def basis(self) -> Basis:
        """Of the filters."""
        raise NotImplementedError

    @nn.nowrap
    def _scale_fields(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in SCALE_FIELDS}

    @nn.nowrap
    def _layer_fields(self) -> dict[str, Any]:
        names = "discretisation", "extent", "padding", "dtype"
        return {name: getattr(self, name) for name in names}

    def _scales(self, sides: tuple[int, ...]) -> tuple[Any, ActiveScales | None]:
        """Internal scales, px [S], and which are in use, where not all have to be.

        The plain twin has one scale, which means nothing.

        Raises ValueError where images of these sides, px, are smaller than the filters
        of the coarsest scale at the start.
        """
        if self.kind == "plain":
            return np.ones(1), None
        layer = ScaleConv(1, basis=self.basis(), **self._layer_fields(), parent=None)
        coarsest = internal_scales(self.sigma, self.isr, self.count)[-1]
        check_reach(layer.filter(), float(coarsest), sides)
        scales = LearnedScales(**self._scale_fields(), name="scales")()
        if not self.prune:
            return scales, None
        use = ActiveScales(self.count, batch_axis=self.batch_axis, name="active_scales")
        return computed_scales(scales, use()), use

    def _convolved(self, x: jax.Array, features: int, scales: Any, name: str, *,
                   lift: bool = False, use_bias: bool = True) -> jax.Array:  # fmt: skip
        """[S, B, H, W, C], or [B, H, W, C] to be lifted -> [S, B, H, W, features]."""
        if self.kind == "plain":
            side = round(self.basis().functions ** 0.5)
            conv = nn.Conv(
                features, (side, side), use_bias=use_bias, dtype=self.dtype, name=name
            )
            return conv(x[None] if lift else x)
        layer = ScaleConv(
            features, basis=self.basis(), lift=lift, use_bias=use_bias, name=name,
            **self._layer_fields(),
        )  # fmt: skip
        return layer(x, scales=scales)

    def _normed(
        self, x: jax.Array, name: str, train: bool, use: ActiveScales | None = None
    ) -> jax.Array:
        """[..., C]; with `use` [S, ..., C], by the statistics of the scales in use."""
        norm = SharedBatchNorm(batch_axis=self.batch_axis, name=name)
        if use is None:
            return norm([x], train=train)[0]
        return jnp.stack(norm(list(x), train=train, keep=use()))

    def _projected(
        self, x: jax.Array, use: ActiveScales | None, train: bool,
        read: Callable[[jax.Array], jax.Array],
    ) -> jax.Array:  # fmt: skip
        """Maximum over the scales in use, [S, B, H, W, C] -> [B, H, W, C].

        `read`: the maxima over space that the network takes of it after ReLU.
        """
        if use is None:
            return max_over_scales(x, axis=0)
        if train and not self.is_initializing():
            use.observe(jax.vmap(read)(nn.relu(jax.lax.stop_gradient(x))))
        return max_over_scales(x, use(), axis=0)


class SESNToy(SteerableNet):
    """One scale convolution, the maximum over scales, maxima of cells, a readout.

    3,002 parameters with one input channel.

    Attributes:
      features: channels.
      order: highest order along each axis of the basis A.
      grid: the image is cut into grid x grid cells, whose maxima are read out; 42 px of
        168 each in the paper.
      ...: those of `SteerableNet`.

    [scale_learning] Table 1; ReLU before the normalisation, as in its code.
    """

    features: int = 16
    order: int = 4
    grid: int = 4

    def __post_init__(self):
        super().__post_init__()
        check_order(self.features, name="features", lowest=1)
        check_order(self.grid, name="grid", lowest=1)

    @nn.nowrap
    def basis(self) -> Basis:  # noqa: D102
        return HermiteA(self.order)

    @nn.compact
    def __call__(self, x: Any, train: bool = False) -> tuple[jax.Array, dict[str, Any]]:
        """[B, H, W, C] -> logits [B, K], and a dict, see `SteerableNet`."""
        x = check_batch(x)
        dtype = jnp.promote_types(x.dtype, jnp.float32)
        scales, use = self._scales(x.shape[1:3])
        y = self._convolved(x, self.features, scales, "conv_1", lift=True,
                            use_bias=False)  # fmt: skip
        read = functools.partial(cell_maxima, grid=self.grid)
        y = nn.relu(self._projected(y, use, train, read))
        y = read(self._normed(y, "norm_1", train)).reshape(x.shape[0], -1)
        logits = nn.Dense(self.num_classes, dtype=self.dtype, name="readout")(y)
        return logits.astype(dtype), told(scales, use)


class SESN(SteerableNet):
    """Three scale convolutions and two dense layers, for MNIST-Scale.

    494,549 parameters with one input channel; learned scales add 2 ("isr") or `count`.

    Attributes:
      widths: channels of the scale convolutions.
      order: highest total order of the basis B.
      mult: ratio of the scales of the basis.
      functions: of the basis, a square number for the plain twin.
      hidden: width of the dense layer.
      dropout: its rate.
      ...: those of `SteerableNet`.

    [scale_learning] sec. 4.3, Table 5; layers as in the code of SESN: ReLU, maxima of
    2 x 2 px and normalisation, and in the end the maximum over scales first. There,
    images are enlarged twice before, each pixel repeated (`Preprocessing`).
    """

    count: int = 4
    sigma: float = 1.5
    isr: float = 2.0
    widths: tuple[int, ...] = (32, 63, 95)
    order: int = 4
    mult: float = 1.4
    functions: int = 49
    hidden: int = 256
    dropout: float = 0.7

    def __post_init__(self):
        super().__post_init__()
        check_layers(self.widths, self.hidden, self.dropout)
        if self.kind == "plain" and round(self.functions**0.5) ** 2 != (self.functions):
            raise ValueError(
                f"`functions={self.functions}` of plain filters must be a square"
                " number, such as 49 for 7 x 7 px."
            )

    @nn.nowrap
    def basis(self) -> Basis:  # noqa: D102
        return HermiteB(self.order, self.mult, self.functions)

    @nn.compact
    def __call__(self, x: Any, train: bool = False) -> tuple[jax.Array, dict[str, Any]]:
        """[B, H, W, C] -> logits [B, K], and a dict, see `SteerableNet`."""
        x = check_batch(x)
        dtype = jnp.promote_types(x.dtype, jnp.float32)
        y, (scales, use) = x, self._scales(x.shape[1:3])
        for number, width in enumerate(self.widths, start=1):
            y = self._convolved(y, width, scales, f"conv_{number}", lift=number == 1)
            if number < len(self.widths):
                y = nn.max_pool(nn.relu(y), (1, 2, 2), (1, 2, 2))
                y = self._normed(y, f"norm_{number}", train, use)
        y = nn.relu(self._projected(y, use, train, quarter_maxima))
        y = self._normed(quarter_maxima(y), f"norm_{len(self.widths)}", train)
        fields = {name: getattr(self, name) for name in HEAD_FIELDS}
        logits = dense_head(y, train=train, normed=self._normed, **fields)
        return logits.astype(dtype), told(scales, use)


def told(scales: Any, use: ActiveScales | None) -> dict[str, Any]:
    """What a network says beside its logits, see `SteerableNet`."""
    found = {"scales": jnp.asarray(scales)}
    return found if use is None else {**found, "active": use()}


def quarter_maxima(x: jax.Array) -> jax.Array:
    """Maxima of n // 2 + 1 px, from 2 px outside on: [B, n, n, C] -> [B, 2, 2, C].

    As the code of SESN pools 14 px (8 px, padded by 2) and 7 px (4 px).
    """
    sides = [n // 2 + 1 for n in x.shape[1:3]]
    padding: Any = [(2, max(0, 2 * side - 2 - n)) for side, n in
                    zip(sides, x.shape[1:3], strict=True)]  # fmt: skip
    return nn.max_pool(x, tuple(sides), tuple(sides), padding)


@configures(SESNToy)
class SESNToyConfig(SteerableConfig):
    """One scale convolution, the maximum over scales, maxima of cells, a readout."""


@configures(SESN)
class SESNConfig(SteerableConfig):
    """Three scale convolutions and two dense layers, for MNIST-Scale."""
