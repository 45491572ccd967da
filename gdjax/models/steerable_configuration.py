"""What the configurations of steerable networks have in common."""

import dataclasses
import typing
from typing import Any, ClassVar, Self

import jax.numpy as jnp
import numpy as np

from gdjax.layers.learned_scales import (
    LearnedScales,
    internal_scales,
    inverse_softplus,
)
from gdjax.models.configuration import NetworkConfig
from gdjax.models.names import DISCRETISATIONS
from gdjax.models.scale_pruning import Pruning, prune_scales


# Of networks, as they are of `LearnedScales`.
SCALE_FIELDS = "count", "sigma", "isr", "learned", "form", "learn_sigma"


@dataclasses.dataclass(frozen=True)
class SteerableConfig(NetworkConfig):
    """Base of the configurations of scale-equivariant steerable networks.

    Attributes:
      pruning: when and by what scales are taken out of use, with `prune`.
    """

    scale_parameters: ClassVar[tuple[str, ...]] = ("scales/*",)
    figures: ClassVar[tuple[str, ...]] = ("generalisation", "internal_scales")

    pruning: Pruning = Pruning()

    if typing.TYPE_CHECKING:  # the other fields come from the module

        def __init__(self, **fields: Any) -> None: ...

    def check(self) -> None:
        """Raises TypeError or ValueError for what the module has against its fields."""
        super().check()
        self.pruning.check()

    @classmethod
    def filters(cls) -> tuple[str, ...]:
        """Discretisations of the steerable filters, and the plain twin."""
        return *DISCRETISATIONS, "plain"

    def with_net(self, filters: str, activation: str) -> Self:
        """With what the two halves of a net's name say, "plain" the twin."""
        if filters != "plain":
            return super().with_net(filters, activation)
        self.check_net(filters, activation)
        return self._with(kind="plain", learned=None, prune=False)

    def learned_scales(
        self, params: Any, *, batch_stats: Any = None
    ) -> dict[str, np.ndarray]:
        """The internal scales, px, where they are learned."""
        if self.learned is None:
            return {}
        scales = self._scales(params)
        use = self.scale_use(batch_stats) if batch_stats is not None else {}
        return {"scales": scales[use["active"]] if use else scales}

    def internal_scales(
        self, params: Any = None, *, batch_stats: Any = None
    ) -> np.ndarray | None:
        """As learned or as fixed, px [S]; None for the plain twin."""
        if self.kind == "plain":
            return None
        if params is not None and self.learned is not None:
            return self.learned_scales(params, batch_stats=batch_stats)["scales"]
        return internal_scales(self.sigma, self.isr, self.count)

    def scale_use(self, batch_stats: Any) -> dict[str, np.ndarray]:
        """`active`, bool [N], and `contributions`, [N], with `prune`."""
        if not self.prune:
            return {}
        state = batch_stats["active_scales"]
        return {name: np.asarray(state[name]) for name in ("active", "contributions")}

    def between_epochs(self, variables: Any, epochs: int) -> Any:
        """Takes a scale out of use where `pruning` says so.

        It still has its place in the parameters, which it no longer moves but, with
        "spacings", where they are those of coarser scales, too: of two neighbouring
        gammas both then move these, as one spacing with two parameters.
        """
        if not (self.prune and self.pruning.due(epochs)):
            return variables
        stats = variables["batch_stats"]
        kept = prune_scales(
            self._scales(variables["params"]),
            **self.scale_use(stats),
            merge_octaves=self.pruning.merge_octaves,
            least=self.pruning.least,
        )
        state = stats["active_scales"]
        # Made of the old array, so that a compiled step takes it for the same kind.
        state = {**state, "active": state["active"] & jnp.asarray(kept)}
        return {**variables, "batch_stats": {**stats, "active_scales": state}}

    def compacted(self, variables: Any) -> tuple[Self, dict[str, Any]]:
        """The same network with the scales in use alone, each a parameter ("direct").

        Args:
          variables: {"params": ..., "batch_stats": ...} of this network.

        Returns:
          Its configuration, where `sigma` and `isr` still say how the training
          started; its variables. Outputs are equal to rounding.

        Raises:
          ValueError: for the plain twin, which has no scales.
        """
        if self.kind == "plain":
            raise ValueError('`kind="plain"`: there are no scales to leave out.')
        params, stats = dict(variables["params"]), dict(variables["batch_stats"])
        scales = self._scales(params)
        if self.prune:
            scales = scales[self.scale_use(stats)["active"]]
            del stats["active_scales"]
        raw = inverse_softplus(np.sort(scales).astype(np.float64))
        params["scales"] = {"scales": jnp.asarray(raw, jnp.float32)}
        made = self._with(
            count=len(scales), learned="direct", learn_sigma=True, prune=False
        )
        return made, {"params": params, "batch_stats": stats}

    def _scales(self, params: Any) -> np.ndarray:
        """Of all channels, px [N], in use or not."""
        module = LearnedScales(**{name: getattr(self, name) for name in SCALE_FIELDS})
        return np.asarray(module.apply({"params": params.get("scales", {})}))

    def _with(self, **fields: Any) -> Self:
        own: Any = self
        return dataclasses.replace(own, **fields)
