"""The convolutions that networks are built from: N-Jets, and their plain twins (gdjax).

Networks name a layer's `size` in pixels, which only the plain twins need.
`DeformableConv` is one, too: `convolution=DeformableConv`.
"""

from collections.abc import Callable
from typing import Any

import flax.linen as nn

from gdjax.layers.copies import Copied
from gdjax.layers.fields import checked_field
from gdjax.layers.gaussian_derivative import he_uniform
from gdjax.layers.njet_conv import NJetConv
from gdjax.scalespace.checks import check_ndim, check_order


# Makes a layer: (features, *, size, groups, use_bias, ndim, dtype, name).
Convolution = Callable[..., nn.Module]


def njet_convolution(
    features: int, *, size: int, dilation: int = 1, **fields: Any
) -> NJetConv:
    """An `NJetConv`; its extent is learned, whatever `size` and `dilation` a twin has.

    Other discretisations, orders and sharings by `functools.partial`:
    `convolution=partial(njet_convolution, order=2, sharing="input")`.
    """
    del size, dilation
    return NJetConv(features, **fields)


class Conv(Copied, nn.Conv):
    """Flax's, which can be pickled."""


def plain_convolution(
    features: int,
    *,
    size: int,
    groups: int = 1,
    use_bias: bool = True,
    dilation: int = 1,
    ndim: int = 2,
    dtype: Any = None,
    name: str | None = None,
) -> nn.Conv:
    """A convolution with `size`^ndim weights per pair of channels, zeros outside."""
    given = {"features": features, "size": size, "groups": groups, "dilation": dilation}
    for field, value in given.items():
        check_order(value, name=field, lowest=1)
    if features % groups:
        raise ValueError(f"`groups={groups}` must divide `features={features}`.")
    checked_field("use_bias", use_bias, bool)
    checked_field("dtype", dtype, Any)
    ndim = check_ndim(ndim)
    return Conv(
        features,
        (size,) * ndim,
        feature_group_count=groups,
        use_bias=use_bias,
        kernel_dilation=dilation,
        kernel_init=he_uniform,
        dtype=dtype,
        name=name,
    )


def dilated_convolution(
    features: int, *, size: int, dilation: int = 2, **fields: Any
) -> nn.Conv:
    """`plain_convolution` with `dilation` px between its taps; the others as there.

    [njet] Table 5, experiment 4(A): 2 px, whatever the images' size.
    """
    return plain_convolution(features, size=size, dilation=dilation, **fields)
