"""Networks by names: what command lines, recipes and files of weights say of them.

A configuration is a frozen dataclass of numbers and names. Its fields are those of a
Linen module (`configures`), with the names of discretisations, activations and poolings
in the place of the objects; `build()` makes the module, which checks them; `of` is the
inverse. Beside that it says what training and evaluation must know of a family.
"""

from __future__ import annotations

import dataclasses
import fnmatch
import inspect
import re
import typing
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal, Self, TypeVar

import flax.linen as nn
import flax.traverse_util
import numpy as np

from gdjax.layers.fields import checked_field, field_types
from gdjax.models.names import (
    ACTIVATIONS,
    DISCRETISATIONS,
    NAMED,
    name_of,
    named,
    unknown,
)


# Of Linen, and what concerns the execution of a network, not the network.
LEFT_OUT = ("parent", "name", "dtype", "batch_axis", "scale_channel_axis")

Configuration = TypeVar("Configuration", bound=type)


class ModuleConfig:
    """A module by numbers and names; made a frozen dataclass by `configures` (gdjax).

    Attributes:
      module: the Linen module.
    """

    module: ClassVar[Callable[..., nn.Module]]

    if typing.TYPE_CHECKING:  # its fields come from the module

        def __init__(self, **fields: Any) -> None: ...

        def __getattr__(self, name: str) -> Any: ...

    def build(self, **fields: Any) -> nn.Module:
        """The module.

        Args:
          **fields: of the module, in place of those of the configuration: `dtype`,
            `batch_axis`, objects that have no name.

        Raises:
          TypeError, ValueError: what the module has against its fields.
        """
        return type(self).module(**{**self.module_fields(), **fields})

    def module_fields(self) -> dict[str, Any]:
        """Fields of the module, with objects in the place of their names.

        Raises:
          TypeError, ValueError: for a field of another type.
          ValueError: for a name that there isn't, with the nearest one.
        """
        checked = check_configuration(self)
        return {name: named(name, checked[name]) for name in _own_fields(type(self))}

    @classmethod
    def of(cls, module: nn.Module) -> Self:
        """The configuration that builds a module.

        Raises:
          ValueError: for another module, or a field whose value has no name.
        """
        if type(module) is not cls.module:
            raise ValueError(
                f"{type(module).__name__} can't be written by {cls.__name__}."
            )
        found = cls(**cls.named_fields(module))
        kept = {
            name: getattr(module, name) for name in LEFT_OUT if hasattr(module, name)
        }
        again = found.build(**kept | {"parent": None})
        for field in dataclasses.fields(typing.cast(Any, module)):
            value, other = (getattr(each, field.name) for each in (module, again))
            if field.name not in (*LEFT_OUT, *_own_fields(cls)) and value != other:
                raise ValueError(
                    f"`{field.name}={value!r}` can't be written, {other!r} alone can."
                )
        return found

    @classmethod
    def named_fields(cls, module: nn.Module) -> dict[str, Any]:
        """Fields of the configuration for a module, names in the place of objects."""
        return {name: name_of(name, getattr(module, name)) for name in _own_fields(cls)}


class NetworkConfig(ModuleConfig):
    """Base of the configurations of all families (gdjax).

    A subclass is made a frozen dataclass by `configures`, and overrides what its family
    does otherwise.

    Attributes:
      scale_channels: whether the network runs in parallel scale channels that are not
        among its weights: its module has `sigmas`, and `aux["per_scale"]` the logits of
        every channel. Then it can be trained in one channel and evaluated in others.
      segments: whether it classifies every pixel.
      scale_parameters: patterns of the paths, such as "conv_1/sigma/logit", of those
        parameters that are learned scales: they have a learning rate of their own, and
        no weight decay.
      figures: names of the plots of an evaluation.
    """

    scale_channels: ClassVar[bool] = False
    segments: ClassVar[bool] = False
    scale_parameters: ClassVar[tuple[str, ...]] = ()
    figures: ClassVar[tuple[str, ...]] = ("generalisation",)

    def check(self) -> None:
        """Raises TypeError or ValueError for what the module has against its fields."""
        self.build()

    def with_net(self, filters: str, activation: str) -> Self:
        """With what the two halves of a net's name say, as "discrete+relu".

        Args:
          filters: one of `filters()`.
          activation: one of `activations()`.

        Raises:
          ValueError: for others, with the nearest name.
        """
        self.check_net(filters, activation)
        own = {field.name for field in dataclasses.fields(typing.cast(Any, self))}
        halves = {"discretisation": filters, "activation": activation}
        return dataclasses.replace(
            typing.cast(Any, self), **{k: v for k, v in halves.items() if k in own}
        )

    def check_net(self, filters: str, activation: str) -> None:
        """Raises ValueError for halves of a net's name that the family hasn't."""
        if filters not in self.filters():
            raise unknown("first half of a net", filters, self.filters())
        if activation not in self.activations():
            raise unknown("second half of a net", activation, self.activations())

    @classmethod
    def activations(cls) -> tuple[str, ...]:
        """What the second half of a net's name may be."""
        own = {field.name for field in dataclasses.fields(typing.cast(Any, cls))}
        return tuple(ACTIVATIONS) if "activation" in own else ("relu",)

    @classmethod
    def filters(cls) -> tuple[str, ...]:
        """What the first half of a net's name may be."""
        return tuple(DISCRETISATIONS)

    def at_scales(self, sigmas: tuple[float, ...]) -> Self:
        """The same weights in other scale channels, base scales in px.

        Families without scale channels have none to choose.
        """
        del sigmas
        return self

    @property
    def scale_bounds(self) -> tuple[float, float] | None:
        """Lowest and highest learned scale, px; None where none are learned."""
        return None

    def learned_scales(
        self, params: Any, *, batch_stats: Any = None
    ) -> dict[str, np.ndarray]:
        """What the parameters say of the learned scales, by layer, in px.

        Args:
          params: of the network.
          batch_stats: with them, of the scales alone that are in use.
        """
        del params, batch_stats
        return {}

    def internal_scales(
        self, params: Any = None, *, batch_stats: Any = None
    ) -> np.ndarray | None:
        """Scales of the filters of scale convolutions, px [S], learned or fixed.

        Args:
          params: of the network; None: the scales at the start of a training.
          batch_stats: as of `learned_scales`.

        Returns:
          The scales; None for families, and networks, that have none.
        """
        del params, batch_stats
        return None

    def scale_use(self, batch_stats: Any) -> dict[str, np.ndarray]:
        """What the running statistics say of how scales are used; {} for nothing."""
        del batch_stats
        return {}

    def between_epochs(self, variables: Any, epochs: int) -> Any:
        """Changes the network before an epoch, without other shapes or types.

        Args:
          variables: {"params": ..., "batch_stats": ...}.
          epochs: that were trained until now; once for each number.

        Returns:
          The variables to go on with.
        """
        del epochs
        return variables

    def plan(
        self, params: Any, *, side: int, previous: tuple[int, ...] | None
    ) -> tuple[int, ...]:
        """Numbers that shapes depend on, decided anew before every epoch; () for none.

        Args:
          params: before the epoch; None: those of the first step.
          side: of the images, px.
          previous: the plan of the last epoch.

        Raises:
          ValueError: if there can be no network.
        """
        del params, side, previous
        return ()

    def planned(self, plan: tuple[int, ...]) -> Self:
        """The configuration that a plan stands for."""
        del plan
        return self


def configures(
    module: Callable[..., nn.Module], *, without: tuple[str, ...] = ()
) -> Callable[[Configuration], Configuration]:
    """Makes a class the configuration of a module: a frozen dataclass of its fields.

    Fields that the class has itself come first and are its own; so are their defaults.

    Args:
      module: Linen module.
      without: fields of it that are not to be configured.

    Returns:
      A decorator of classes.

    Raises:
      TypeError: for a field without a default.
    """

    def decorate(cls: Configuration) -> Configuration:
        cls.module = module
        typed = dict(cls.__annotations__)
        inherited = getattr(cls, "__dataclass_fields__", {})
        for field in dataclasses.fields(typing.cast(Any, module)):
            name, own = field.name, field.name in vars(cls)
            if name in (*LEFT_OUT, *without, *typed) or (name in inherited and not own):
                continue
            typed[name] = _hint(field, module)
            if name in NAMED:
                typed[name] = Literal[tuple(NAMED[name])]
            # What the class sets without a type is a default of its own.
            if not own:
                setattr(cls, name, name_of(name, _default(field, module)))
        cls.__annotations__ = typed
        made = dataclasses.dataclass(frozen=True)(cls)
        made.__doc__ = _described(made, module)
        return made

    return decorate


def check_configuration(config: Any) -> dict[str, Any]:
    """The fields of a configuration, as `checked_fields` has those of modules.

    Names are left to `named`, which knows the nearest ones.
    """
    return {
        name: value
        if name in NAMED
        else checked_field(name, value, field_types(type(config))[name])
        for name, value in _values(config).items()
    }


def _values(config: Any) -> dict[str, Any]:
    return {f.name: getattr(config, f.name) for f in dataclasses.fields(config)}


def is_scale(patterns: tuple[str, ...], path: str) -> bool:
    """Whether a parameter, "conv_1/sigma/logit", is a learned scale."""
    return any(fnmatch.fnmatchcase(path, pattern) for pattern in patterns)


def scale_parameters(config: NetworkConfig, params: Any) -> dict[str, Any]:
    """The learned scales among parameters as they are stored, by path."""
    flat = flax.traverse_util.flatten_dict(params, sep="/")
    patterns = config.scale_parameters
    return {path: leaf for path, leaf in flat.items() if is_scale(patterns, path)}


def _hint(field: dataclasses.Field[Any], module: Any) -> Any:
    """The type; one that is written as a string means what it does in its own file."""
    if not isinstance(field.type, str):
        return field.type
    try:
        return typing.get_type_hints(module)[field.name]
    except NameError:  # known to type checkers alone
        return field.type


def _default(field: dataclasses.Field[Any], module: Any) -> Any:
    if field.default is not dataclasses.MISSING:
        return field.default
    if field.default_factory is not dataclasses.MISSING:
        made = field.default_factory()
        return tuple(made) if isinstance(made, list) else made
    raise TypeError(
        f"`{field.name}` of {module.__name__} has no default: give it one, or leave it"
        f" out by `without=({field.name!r},)`."
    )


def _own_fields(config: type) -> list[str]:
    """Fields of a configuration that are fields of its module."""
    of_module = {field.name for field in dataclasses.fields(config.module)}
    names = [field.name for field in dataclasses.fields(config)]
    return [name for name in names if name in of_module]


def _described(config: type, module: Any) -> str:
    """The docstring of a configuration, with the attributes of the module."""
    texts: dict[str, str] = {}
    for cls in (*reversed(module.__mro__), *reversed(config.__mro__)):
        texts |= _attributes(cls.__doc__ or "")
    lines = [
        f"  {field.name}: {texts[field.name]}"
        for field in dataclasses.fields(config)
        if field.name in texts
    ]
    head = (config.__doc__ or "").partition("Attributes:")[0].strip()
    return "\n".join([head, "", "Attributes:", *lines])


def _attributes(doc: str) -> Mapping[str, str]:
    """What the section "Attributes:" of a docstring says, by name."""
    section = re.search(r"Attributes:\n(.*?)(\n\n|\Z)", inspect.cleandoc(doc), re.S)
    if section is None:
        return {}
    entry = re.compile(r"^  (\w+): (.*?)(?=^  \w+: |^  \.\.\.|\Z)", re.M | re.S)
    found = entry.findall(section[1])
    return {name: " ".join(text.split()) for name, text in found}
