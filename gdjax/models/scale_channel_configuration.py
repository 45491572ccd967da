"""What configurations of networks of parallel scale channels have in common."""

import dataclasses
from typing import Any, ClassVar, Self

from gdjax.models.configuration import NetworkConfig
from gdjax.scalespace.checks import check_sigma


@dataclasses.dataclass(frozen=True)
class ScaleChannelConfig(NetworkConfig):
    """Configuration of a network of parallel scale channels.

    Attributes:
      single_sigma: base scale in px of the net with one scale channel; multiplied by
        the training size.
      sigmas: base scales in px of the multi-scale net; empty: single channel only.
    """

    scale_channels: ClassVar[bool] = True
    figures: ClassVar[tuple[str, ...]] = ("generalisation", "scale_selection")

    single_sigma: float = 1.0
    sigmas: tuple[float, ...] = ()

    def check(self) -> None:
        """Raises TypeError or ValueError for what the module has against its fields."""
        super().check()
        check_sigma(self.single_sigma, name="single_sigma", positive=True)

    def at_scales(self, sigmas: tuple[float, ...]) -> Self:
        """The same weights in other scale channels, base scales in px."""
        # One channel is never dropped, so nothing is to be learned from trying.
        dropout = self.scale_dropout if len(sigmas) > 1 else 0.0
        return dataclasses.replace(self, sigmas=sigmas, scale_dropout=dropout)

    def module_fields(self) -> dict[str, Any]:
        """Fields of the module; without `sigmas` in the single channel."""
        fields = super().module_fields()
        return fields | {"sigmas": self.sigmas or (self.single_sigma,)}
