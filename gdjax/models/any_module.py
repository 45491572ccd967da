"""Any Linen module, called as those of gdjax are."""

from __future__ import annotations

import dataclasses
import inspect
from typing import Any

import flax.linen as nn


# What says whether a module is being trained, and its value then.
FLAGS = {"train": True, "training": True, "deterministic": False}


@dataclasses.dataclass(frozen=True)
class AnyModule:
    """A Linen module that is called as `(x, train) -> (logits, aux)` (gdjax).

    Attributes:
      module: gives logits, or logits and whatever else, of images x. Whether it is
        trained, it is told by an argument `train`, `training` or `deterministic`, if it
        has one.
      flag: the name of that argument; None: it has none.
    """

    module: nn.Module
    flag: str | None = None

    @classmethod
    def of(cls, module: Any) -> AnyModule:
        """Of a module, whose arguments are looked at.

        Raises:
          TypeError: if it is no Linen module.
        """
        if isinstance(module, cls):
            return module
        if not isinstance(module, nn.Module):
            raise TypeError(
                f"`model` is a {type(module).__name__}: give a Flax Linen module"
                " (`flax.linen.Module`), not its class, its variables or a function;"
                " modules of Flax NNX by `flax.nnx.bridge.to_linen`."
            )
        arguments = inspect.signature(type(module).__call__).parameters
        flag = next((name for name in FLAGS if name in arguments), None)
        return cls(module, flag)

    def init(self, key: Any, x: Any) -> Any:
        """Variables for images x."""
        return self.module.init(key, x, **self._told(False))

    def apply(
        self, variables: Any, x: Any, *, train: bool = False, **options: Any
    ) -> tuple[Any, Any]:
        """(logits, aux); with `mutable` among the options, that and the new variables.

        Raises:
          TypeError: if the module gives something else.
        """
        found = self.module.apply(variables, x, **self._told(train), **options)
        if "mutable" in options:
            found, updated = found
            return _pair(found), updated
        return _pair(found)

    def _told(self, train: bool) -> dict[str, bool]:
        if self.flag is None:
            return {}
        return {self.flag: train == FLAGS[self.flag]}


def _pair(found: Any) -> tuple[Any, Any]:
    """Logits and what came with them."""
    pair = found if isinstance(found, tuple) else (found, {})
    if len(pair) != 2 or not hasattr(pair[0], "ndim"):
        raise TypeError(
            f"`model` returns {type(found).__name__} of {len(pair)}: it must return"
            " logits, or a pair of logits and anything else."
        )
    return pair
