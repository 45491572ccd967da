"""Scale-equivariant networks with the basis of DISCO. [scale_learning] Table 5."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from gdjax.layers.dense_scale_conv import DenseScaleConv
from gdjax.layers.learned_scales import LearnedScales, internal_scales
from gdjax.layers.module import Module
from gdjax.layers.norm import SharedBatchNorm
from gdjax.layers.selection import max_over_scales
from gdjax.models.configuration import NetworkConfig, configures
from gdjax.models.dense_head import HEAD_FIELDS, check_layers, dense_head
from gdjax.models.njet_classifiers import check_batch
from gdjax.scalespace.checks import check_order
from gdjax.scalespace.disco import DiscoBasis
from gdjax.scalespace.discretisation import Discretisation
from gdjax.scalespace.kernels import SampledGaussianDerivatives


class DISCO(Module):
    """Three scale convolutions and two dense layers: those of `SESN`, other filters.

    494,549 parameters with one input channel.

    Attributes:
      num_classes: K.
      count: number of internal scales.
      sigma: the finest of them, px.
      isr: coarsest over finest scale.
      widths: channels of the scale convolutions.
      order: highest total order of the basis.
      mult: ratio of the scales of the basis.
      functions: of the basis, the square of an odd number.
      size: side of the filters, px.
      hidden: width of the dense layer.
      dropout: its rate.
      discretisation: of the Gaussian derivatives at the finest scale.
      padding: border rule.
      batch_axis: over which the batch is spread, as of `SharedBatchNorm`.
      dtype: of the activations, default the input's.

    Raises:
      TypeError, ValueError: at construction or call, for arguments out of range.

    [scale_learning] Table 5; numbers and layers as in the code of DISCO, which pools by
    means of 2 x 2 px in the place of maxima (Table 6 has 1.8 px for the finest scale).
    The basis: `disco_basis`. There, images are enlarged twice before, each pixel
    repeated (`Preprocessing`).
    """

    num_classes: int = 10
    count: int = 4
    sigma: float = 1.9
    isr: float = 2.0
    widths: tuple[int, ...] = (32, 63, 95)
    order: int = 4
    mult: float = 1.5
    functions: int = 49
    size: int = 15
    hidden: int = 256
    dropout: float = 0.7
    discretisation: Discretisation = SampledGaussianDerivatives()  # noqa: RUF009
    padding: str = "zero"
    batch_axis: str | None = None
    dtype: Any = None

    def __post_init__(self):
        super().__post_init__()
        check_order(self.num_classes, name="num_classes", lowest=1)
        check_layers(self.widths, self.hidden, self.dropout)
        # What these have against their fields.
        LearnedScales(self.count, self.sigma, self.isr, parent=None)
        self._layer(1, parent=None)

    @nn.nowrap
    def _layer(self, features: int, **fields: Any) -> DenseScaleConv:
        names = "order", "mult", "functions", "size", "discretisation"
        basis = DiscoBasis(**{name: getattr(self, name) for name in names})
        scales = tuple(internal_scales(self.sigma, self.isr, self.count).tolist())
        return DenseScaleConv(
            features, scales, basis, padding=self.padding, dtype=self.dtype, **fields
        )

    @nn.compact
    def __call__(self, x: Any, train: bool = False) -> tuple[jax.Array, dict[str, Any]]:
        """[B, H, W, C] -> logits [B, K], and a dict: `scales` in px, [S]."""
        x = check_batch(x)
        dtype, y = jnp.promote_types(x.dtype, jnp.float32), x
        for number, width in enumerate(self.widths, start=1):
            y = self._layer(width, lift=number == 1, name=f"conv_{number}")(y)
            if number < len(self.widths):
                y = nn.avg_pool(nn.relu(y), (1, 2, 2), (1, 2, 2))
            else:
                y = quarter_means(nn.relu(max_over_scales(y, axis=0)))
            y = self._normed(y, f"norm_{number}", train)
        fields = {name: getattr(self, name) for name in HEAD_FIELDS}
        logits = dense_head(y, train=train, normed=self._normed, **fields)
        scales = internal_scales(self.sigma, self.isr, self.count)
        return logits.astype(dtype), {"scales": jnp.asarray(scales, dtype)}

    def _normed(self, x: jax.Array, name: str, train: bool) -> jax.Array:
        norm = SharedBatchNorm(batch_axis=self.batch_axis, name=name)
        return norm([x], train=train)[0]


def quarter_means(x: jax.Array) -> jax.Array:
    """Means of 2 x 2 px of the maxima of n // 2 px: [B, n, n, C] -> [B, 2, 2, C].

    As the code of DISCO pools 14 px: maxima of 7 px around every pixel that has them,
    8 px, and means that begin at the first and at the fifth of these. n is at least 3.
    """
    maxima = nn.max_pool(x, tuple(n // 2 for n in x.shape[1:3]))
    return nn.avg_pool(maxima, (2, 2), tuple(n // 2 for n in maxima.shape[1:3]))


@configures(DISCO)
class DISCOConfig(NetworkConfig):
    """Three scale convolutions and two dense layers: those of `SESN`, other filters."""
