"""Linen modules that are given in Python, as networks of a recipe."""

from __future__ import annotations

import dataclasses
import re
from typing import Any, ClassVar, Self

import jax
import jax.numpy as jnp

from gdjax.models import NetworkConfig
from gdjax.models.any_module import KEPT, AnyModule
from gdjax.models.families import FAMILIES

from .errors import UserError
from .fingerprints import empty_shapes, traced


# What recipe.json and the names of nets call them.
FAMILY = "own"

# What this process was given, by what `described` says of it.
MODULES: dict[str, AnyModule] = {}


@dataclasses.dataclass(frozen=True)
class OwnNetworkConfig(NetworkConfig):
    """A Linen module that was given in Python (gdjax).

    Attributes:
      described: its class and fields.
      num_classes: K of its logits.
      segments: whether it classifies every pixel.
    """

    module: ClassVar[Any] = AnyModule

    described: str = ""
    num_classes: int = 1
    segments: bool = False  # pyright: ignore (of all others, the family says it)

    @property
    def given(self) -> AnyModule:
        """The module.

        Raises:
          UserError: if this process wasn't given it.
        """
        if self.described not in MODULES:
            raise UserError(
                f"the network {self.described} was given in Python: go on by"
                " `gdjax_train.train_recipe`, or read the run by"
                " `gdjax_train.load_run`, with the same `model`"
            )
        return MODULES[self.described]

    def build(self, **fields: Any) -> Any:
        """The module; its only field that can be set is `dtype`.

        Raises:
          UserError: if this process wasn't given it, or it has no such field.
        """
        given = self.given
        if not fields:
            return given
        unknown = set(fields) - {each.name for each in dataclasses.fields(given.module)}
        if unknown:
            raise UserError(
                f"`model` has no field {', '.join(sorted(unknown))}: give it one, or"
                " leave `precision` at float32"
            )
        return dataclasses.replace(given, module=given.module.clone(**fields))

    def with_net(self, filters: str, activation: str) -> Self:
        """The same; it has one name only."""
        self.check_net(filters, activation)
        return self

    @classmethod
    def filters(cls) -> tuple[str, ...]:
        """The one name."""
        return (FAMILY,)

    @classmethod
    def activations(cls) -> tuple[str, ...]:
        """The one name."""
        return (FAMILY,)


def register_family() -> None:
    """Let recipes be read whose network was given in Python."""
    FAMILIES.setdefault(FAMILY, OwnNetworkConfig)


def register(model: Any) -> str:
    """Keep a module for this process.

    Returns:
      What describes it: its class and fields, without addresses in memory.

    Raises:
      TypeError: if it is no Linen module.
    """
    register_family()
    module = AnyModule.of(model)
    described = describe(module)
    MODULES[described] = module
    return described


def describe(model: AnyModule) -> str:
    """A module's class and fields, without addresses in memory."""
    kind = type(model.module)
    fields = re.sub(r" at 0x[0-9a-f]+", "", repr(model.module))
    fields = re.sub(r"# (attributes|children)", "", fields)
    return f"{kind.__module__}.{' '.join(fields.split())}"


def logits_shape(model: AnyModule, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Shape of the logits for one image of a shape (H, W, C), traced alone.

    Raises:
      TypeError, ValueError: see `traced_network`.
    """
    return tuple(traced_network(model, shape)[2].shape)


def traced_network(model: AnyModule, shape: tuple[int, ...]) -> tuple[Any, Any, Any]:
    """A module's work on one image of a shape (H, W, C), traced alone.

    Returns:
      Its variables, the jaxpr of its logits, and these; all but the jaxpr are shapes.

    Raises:
      TypeError, ValueError: if the module can't take it, leaves nothing of it, or
        stores what isn't kept.
    """
    blank = jax.ShapeDtypeStruct((1, *shape), jnp.float32)
    try:
        variables = jax.eval_shape(lambda x: model.init(jax.random.key(0), x), blank)
        jaxpr, logits = traced(lambda *a: model.apply(*a)[0], variables, blank)
    except Exception as error:  # whatever a module of anybody's raises
        kind = type(error) if isinstance(error, TypeError | ValueError) else ValueError
        name = "" if isinstance(error, kind) else f"{type(error).__name__}: "
        raise kind(
            f"`model` can't take images of shape {list(shape)}: {name}{error}"
        ) from error
    other = sorted(set(variables) - set(KEPT))
    if other:
        raise ValueError(
            f"`model` has variables {other}: only params and batch_stats are kept;"
            " take out what else it stores."
        )
    if (empty := next(empty_shapes(jaxpr.jaxpr), None)) is not None:
        raise ValueError(
            f"`model` leaves nothing of images of shape {list(shape)}: a map inside has"
            f" shape {list(empty)}; give larger images, or a network that reduces them"
            " less."
        )
    return variables, jaxpr, logits
