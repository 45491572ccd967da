"""A small N-Jet network without normalisation or subsampling, and its plain twins."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from gdjax.layers.convolutions import Convolution, njet_convolution
from gdjax.layers.fields import check_widths
from gdjax.layers.module import Module
from gdjax.models.configuration import configures
from gdjax.models.njet_classifiers import check_batch
from gdjax.models.njet_configuration import NJetNetworkConfig
from gdjax.scalespace.checks import check_order


class NJetToy(Module):
    """Convolutions and ReLU alone, the maxima of a few cells, a linear readout.

    Attributes:
      widths: output channels of the layers; two or four layers in the paper.
      num_classes: K.
      convolution: as of `ConvolutionNet`.
      kernel_size: of the plain twin.
      grid: the image is cut into grid x grid cells, whose maxima are read out.
      dtype: of the activations, default the input's.

    Raises:
      TypeError, ValueError: at construction or call, for arguments out of range.

    [njet] Fig. 5a, experiments 1.2(A), 4(A). Choice: widths, maxima and the linear
    readout, which the paper doesn't give. It must tell places apart: with two layers of
    3 x 3 filters, Table 5 has 86 % on digits enlarged four times, of which they see
    5 x 5 px.
    """

    widths: tuple[int, ...] = (16, 32)
    num_classes: int = 10
    convolution: Convolution = njet_convolution
    kernel_size: int = 3
    grid: int = 2
    dtype: Any = None

    def __post_init__(self):
        super().__post_init__()
        check_widths(self.widths, num_classes=self.num_classes)
        check_order(self.kernel_size, name="kernel_size", lowest=1)
        check_order(self.grid, name="grid", lowest=1)

    @nn.compact
    def __call__(self, x: Any, train: bool = False) -> tuple[jax.Array, dict[str, Any]]:
        """[B, H, W, C] -> logits [B, K], and a dict: `sizes`."""
        del train
        x = check_batch(x)
        if min(x.shape[1:3]) < self.grid:
            raise ValueError(
                f"an image of {x.shape[1]} x {x.shape[2]} px has fewer px than"
                f" `grid={self.grid}` cells."
            )
        dtype = jnp.promote_types(x.dtype, jnp.float32)
        for k, width in enumerate(self.widths):
            layer = self.convolution(
                width, size=self.kernel_size, dtype=self.dtype, name=f"conv_{k + 1}"
            )
            x = nn.relu(layer(x))
        sizes = [x.shape[1:3]] * len(self.widths)
        maxima = cell_maxima(x, self.grid).reshape(x.shape[0], -1)
        logits = nn.Dense(self.num_classes, name="readout")(maxima)
        return logits.astype(dtype), {"sizes": sizes}


def cell_maxima(x: jax.Array, grid: int) -> jax.Array:
    """[B, H, W, C] -> [B, grid, grid, C]; cells at the border may be smaller."""
    cells = [-(-n // grid) for n in x.shape[1:3]]
    spare = [c * grid - n for c, n in zip(cells, x.shape[1:3], strict=True)]
    padding: Any = [(n // 2, n - n // 2) for n in spare]  # Flax says str only
    return nn.max_pool(x, tuple(cells), tuple(cells), padding)


@configures(NJetToy)
class NJetToyConfig(NJetNetworkConfig):
    """Convolutions and ReLU alone, the maxima of a few cells, a linear readout."""

    @classmethod
    def sized(cls, size: int) -> dict[str, Any]:
        """Fields for plain filters of that size, px."""
        return {"kernel_size": size}
