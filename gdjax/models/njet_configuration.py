"""What the configurations of networks of N-Jet layers have in common."""

import dataclasses
import functools
from typing import Any, ClassVar, Literal, Self

import flax.linen as nn
import numpy as np

from gdjax.layers.convolutions import (
    dilated_convolution,
    njet_convolution,
    plain_convolution,
)
from gdjax.layers.deformable import DeformableConv
from gdjax.layers.njet_conv import NJetConv, sigma_of
from gdjax.models.configuration import (
    ModuleConfig,
    NetworkConfig,
    check_configuration,
    configures,
    scale_parameters,
)
from gdjax.models.names import DISCRETISATIONS, unknown
from gdjax.scalespace.checks import check_sigma
from gdjax.scalespace.resampling import safe_sizes


Convolutions = Literal["njet", "plain", "dilated", "deformable"]
FIXED: dict[str, Any] = {
    "plain": plain_convolution,
    "dilated": dilated_convolution,
    "deformable": DeformableConv,
}
# Plain twins with filters of one size, by the names that nets have for them.
SIZES = {f"{size}x{size}": size for size in (3, 4, 5, 7, 9, 11)}


FIGURES = "scores", "learned_sigmas", "feature_map_sizes"
SEGMENTATION_FIGURES = *FIGURES, "segmentation"

# Makes configurations of N-Jet layers, without what networks say of them themselves.
configures_layers = configures(
    NJetConv, without=("features", "order", "use_bias", "groups", "ndim")
)


@configures_layers
class NJetLayers(ModuleConfig):
    """N-Jet layers; only networks of [njet] have them."""


@configures_layers
class SubsampledLayers(NJetLayers):
    """N-Jet layers of networks that can be subsampled.

    Attributes:
      subsampling: "none": full size everywhere; "published": where the plain network
        has it; "safe": as much as the learned sigmas allow, decided before every epoch.
      r: px of sigma that halve a side, for "safe".
    """

    subsampling: Literal["none", "published", "safe"] = "none"
    r: float = 4.0


@dataclasses.dataclass(frozen=True)
class NJetNetworkConfig(NetworkConfig):
    """Base of the configurations of networks of [njet].

    Attributes:
      order: highest order of the N-Jet layers.
      convolution: what the layers are: N-Jets, or fixed filters.
      njet: the N-Jet layers.
    """

    scale_parameters: ClassVar[tuple[str, ...]] = ("*sigma*/logit",)
    figures: ClassVar[tuple[str, ...]] = FIGURES

    order: int = 3
    convolution: Convolutions = "njet"
    njet: NJetLayers = NJetLayers()  # noqa: RUF009 (frozen)

    def module_fields(self) -> dict[str, Any]:
        """Fields of the module, with the convolution that makes its layers.

        Raises:
          ValueError: for a convolution that there isn't, with the nearest name.
        """
        if not isinstance(self.convolution, str) or self.convolution not in (
            "njet",
            *FIXED,
        ):
            kind = "value of `convolution`"
            raise unknown(kind, str(self.convolution), ("njet", *FIXED))
        fields = {
            name: value
            for name, value in super().module_fields().items()
            if name != "order"
        }
        if self.convolution in FIXED:
            return fields | {"convolution": FIXED[self.convolution]}
        own = self.njet.module_fields()
        # What layers have against their fields is known once there are images.
        NJetConv(1, order=self.order, **own, parent=None)
        made = functools.partial(njet_convolution, order=self.order, **own)
        return fields | {"convolution": made}

    @classmethod
    def named_fields(cls, module: nn.Module) -> dict[str, Any]:
        """Fields of the configuration, with what a partial of `njet_convolution` has.

        Raises:
          ValueError: for layers that are neither N-Jets nor known fixed filters.
        """
        fields = {**super().named_fields(module), "njet": cls._layers(module)}
        made = fields["convolution"]
        for name, fixed in FIXED.items():
            if made is fixed:
                return fields | {"convolution": name}
        given = made.keywords if isinstance(made, functools.partial) else {}
        own = [field.name for field in dataclasses.fields(NJetLayers)]
        if getattr(made, "func", made) is not njet_convolution or not {*given}.issubset(
            [*own, "order"]
        ):
            raise ValueError(
                f"`convolution={made!r}` can't be written: take `njet_convolution`, a"
                f" partial of it with some of {', '.join(own)}, order, or one of"
                " `plain_convolution`, `dilated_convolution`, `DeformableConv`."
            )
        layer = NJetConv(1, **given)
        njet = dataclasses.replace(fields["njet"], **NJetLayers.named_fields(layer))
        return fields | {"convolution": "njet", "njet": njet, "order": layer.order}

    @classmethod
    def _layers(cls, module: nn.Module) -> NJetLayers:
        """The part `njet`, with what it says of the whole network."""
        del module
        return cls.njet

    @classmethod
    def filters(cls) -> tuple[str, ...]:
        """N-Jets as published, of other discretisations, and fixed filters."""
        sizes = [name for name, size in SIZES.items() if cls.sized(size) is not None]
        return "njet", *DISCRETISATIONS, *FIXED, *sizes

    @classmethod
    def sized(cls, size: int) -> dict[str, Any] | None:
        """Fields for plain filters of that size, px; None: there are none."""
        return {} if size == 3 else None

    def with_net(self, filters: str, activation: str) -> Self:
        """With what the two halves of a net's name say, as "3x3+relu".

        Sizes that the first half doesn't say stay what they are.

        Raises:
          ValueError: for halves that the family hasn't, with the nearest name.
        """
        self.check_net(filters, activation)
        named: dict[str, Any] = {"convolution": "njet"}
        if len(self.activations()) > 1:
            named["activation"] = activation
        if filters in FIXED:
            named["convolution"] = filters
        elif filters in SIZES:
            named["convolution"] = "plain"
        elif filters != "njet":
            named["njet"] = dataclasses.replace(self.njet, discretisation=filters)
        size = 3 if filters in ("dilated", "deformable") else SIZES.get(filters)
        return dataclasses.replace(self, **named, **(size and self.sized(size) or {}))

    @property
    def scale_bounds(self) -> tuple[float, float]:
        """Lowest and highest learned sigma, px."""
        return self.njet.bounds

    def learned_scales(
        self, params: Any, *, batch_stats: Any = None
    ) -> dict[str, np.ndarray]:
        """Sigma in px of every N-Jet layer, in the order of their names.

        Returns:
          {layer: sigma}, such as {"conv_1": array(1.3)}; arrays where a layer has
          several.
        """
        del batch_stats  # all are in use
        found = {
            "/".join(part for part in path.split("/")[:-1] if part != "sigma"): leaf
            for path, leaf in scale_parameters(self, params).items()
        }
        return {
            name: np.asarray(sigma_of(found[name], self.scale_bounds))
            for name in sorted(found, key=_by_number)
        }


def _by_number(name: str) -> list[tuple[bool, int, str]]:
    """conv_2 before conv_10."""
    parts = name.replace("/", "_").split("_")
    return [
        (part.isdigit(), int(part) if part.isdigit() else 0, part) for part in parts
    ]


@dataclasses.dataclass(frozen=True)
class SubsampledConfig(NJetNetworkConfig):
    """Base of the configurations of networks that can be subsampled."""

    njet: SubsampledLayers = SubsampledLayers()  # noqa: RUF009 (frozen)
    sizes: tuple[int, ...] = ()

    def module_fields(self) -> dict[str, Any]:
        """Fields of the module."""
        return super().module_fields() | {"subsampling": self.njet.subsampling}

    @classmethod
    def _layers(cls, module: nn.Module) -> NJetLayers:
        subsampling = module.subsampling  # pyright: ignore
        return dataclasses.replace(cls.njet, subsampling=subsampling)

    def plan(
        self, params: Any, *, side: int, previous: tuple[int, ...] | None
    ) -> tuple[int, ...]:
        """Sides of the feature maps for the next epoch; () without safe subsampling.

        Raises:
          ValueError: if a side would fall below 1 px.

        [njet] sec. 4.1.
        """
        if self.njet.subsampling != "safe" or self.sizes:
            return self.sizes
        learned = self.learned_scales(params or {})
        # Of several sigmas in a layer the finest: its channels hold the most detail.
        sigmas = [
            float(np.min(learned[name])) if name in learned else self.njet.sigma
            for name in self._full_size().spot_layers()  # pyright: ignore
        ]
        return safe_sizes(sigmas, side, r=self.njet.r, previous=previous)

    def planned(self, plan: tuple[int, ...]) -> Self:
        """With these sides of the feature maps."""
        return dataclasses.replace(self, sizes=plan)

    def check(self) -> None:
        """Raises what the module has against its fields, whatever is planned."""
        check_configuration(self)
        if self.convolution in FIXED and self.njet.subsampling == "safe":
            raise ValueError(
                f"safe subsampling goes by learned sigmas, which {self.convolution}"
                ' filters don\'t have: take "published" or "none".'
            )
        check_sigma(self.njet.r, name="r", positive=True)
        if self.njet.subsampling != "safe" or self.sizes:
            self.build()
        self._full_size()

    def _full_size(self) -> nn.Module:
        return self.build(subsampling="none", sizes=())
