"""Any Linen module, called as those of gdjax are."""

from __future__ import annotations

import dataclasses
import inspect
import sys
from typing import Any

import flax.linen as nn
import jax


# What says whether a module is being trained, and its value then.
FLAGS = {"train": True, "training": True, "deterministic": False}


# What is kept of a module's variables.
KEPT = "params", "batch_stats"


@dataclasses.dataclass(frozen=True, eq=False)
class AnyModule:
    """A Linen module that is called as `(x, train) -> (logits, aux)` (gdjax).

    Equal modules are equal, and have one compiled program; modules with fields that
    have no hash, such as lists, are themselves alone.

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
        call: Any = type(module).__call__
        if _is_nnx(module):
            call = vars(module.nnx_class).get("__call__", module.nnx_class)
        arguments = inspect.signature(call).parameters
        flag = next((name for name in FLAGS if name in arguments), None)
        return cls(module, flag)

    def init(self, key: Any, x: Any) -> Any:
        """Variables for images x: params and batch_stats."""
        if not _is_nnx(self.module):
            return self.module.init(key, x, **self._told(False))
        rngs = {"params": key, "dropout": jax.random.fold_in(key, 1)}
        return self.module.init(rngs, x, **self._told(False))

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

    def _told(self, train: bool) -> dict[str, Any]:
        flag = {} if self.flag is None else {self.flag: train == FLAGS[self.flag]}
        if _is_nnx(self.module):
            return flag | {"nnx_method": _trained if train else _evaluated}
        return flag

    def _key(self) -> Any:
        try:
            hash(self.module)
        except TypeError:
            return id(self.module)
        return self.module, self.flag

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AnyModule) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())


def _is_nnx(module: Any) -> bool:
    """Whether it is an NNX module by `flax.nnx.bridge.to_linen`."""
    # Who has one has imported this; it needs Optax, which networks don't.
    bridge: Any = sys.modules.get("flax.nnx.bridge")
    return bridge is not None and isinstance(module, bridge.ToLinen)


def _trained(module: Any, *arguments: Any, **options: Any) -> Any:
    """An NNX module's call, with batch statistics and dropout of trainings."""
    module.train()
    return module(*arguments, **options)


def _evaluated(module: Any, *arguments: Any, **options: Any) -> Any:
    module.eval()
    return module(*arguments, **options)


def _pair(found: Any) -> tuple[Any, Any]:
    """Logits and what came with them."""
    pair = found if isinstance(found, tuple) else (found, {})
    if len(pair) != 2 or not hasattr(pair[0], "ndim"):
        raise TypeError(
            f"`model` returns {type(found).__name__} of {len(pair)}: it must return"
            " logits, or a pair of logits and anything else."
        )
    return pair
