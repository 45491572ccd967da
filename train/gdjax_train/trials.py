"""Who is trained in a run: trials, their phases, and the networks to evaluate."""

from __future__ import annotations

import dataclasses
import functools
import itertools
from typing import Any, Literal

import flax.linen as nn
import jax.numpy as jnp

from gdjax.models import NetworkConfig
from gdjax.models.families import FAMILIES, family_of
from gdjax.models.names import ACTIVATIONS, unknown

from . import ablations, own_networks
from .errors import UserError
from .recipe import Recipe


@dataclasses.dataclass(frozen=True)
class Trial:
    """One net at one training size, of one realisation of the data, with one seed.

    Attributes:
      net: its name, "discretisation+activation", perhaps with "+ablation"s.
      recipe: what it follows: the recipe of the run with its ablations and its seed,
        the model with its kernels and activation.
      train_size: size factor of its training images; None: the only one there is.
      realisation: of the data set; None: the only one there is.
      seed: where the run has several; None: the only one there is.
    """

    net: str
    recipe: Recipe
    train_size: float | None = None
    realisation: int | None = None
    seed: int | None = None

    @property
    def name(self) -> str:
        """For tables, such as "spectral+silu, size 2, seed 1"."""
        if self.realisation is None and self.seed is None:
            return self.group
        parts = {"realisation": self.realisation, "seed": self.seed}
        given = [f"{name} {n}" for name, n in parts.items() if n is not None]
        return ", ".join([self.group, *given])

    @property
    def group(self) -> str:
        """What realisations and seeds of a net have in common."""
        return (
            self.net if self.train_size is None else f"{self.net}, size {self.size:g}"
        )

    @property
    def slug(self) -> str:
        """For files, such as "spectral-silu-size2p000-seed1"."""
        parts = [self.net.replace("+", "-")]
        if self.train_size is not None:
            parts.append(f"size{self.size:.3f}")
        if self.realisation is not None:
            parts.append(f"realisation{self.realisation}")
        if self.seed is not None:
            parts.append(f"seed{self.seed}")
        return "-".join(parts).replace(".", "p")

    @property
    def size(self) -> float:
        """The size factor of the training images, 1 where there is one size only."""
        return 1.0 if self.train_size is None else self.train_size

    @property
    def phases(self) -> tuple[Phase, ...]:
        """The trainings, in order; those of no epochs are left out."""
        recipe, found = self.recipe, []
        rate = recipe.optimizer.learning_rate
        if recipe.epochs:
            model = single_model(recipe, self.size)
            found.append(
                Phase(
                    "single", model, model, recipe.epochs, recipe.batch_size, rate, None
                )
            )
        if recipe.multi_epochs:
            found.append(
                Phase(
                    "multi",
                    recipe.model.at_scales(self._trained_sigmas()),
                    recipe.model.at_scales(recipe.model.sigmas),
                    recipe.multi_epochs,
                    or_default(recipe.multi_batch_size, recipe.batch_size),
                    or_default(recipe.multi_learning_rate, rate),
                    "single" if recipe.multi_from == "single" else None,
                )
            )
        return tuple(found)

    def networks(self, sigmas: tuple[float, ...] = ()) -> tuple[TrainedNetwork, ...]:
        """What is evaluated.

        Args:
          sigmas: channels of the multi-scale net in place of the recipe's, px; empty:
            those.

        Returns:
          The single channel if it was trained, then the multi-scale net if there is
          one; of families without scale channels the one network that there is.
        """
        recipe, found = self.recipe, []
        if not recipe.model.scale_channels:
            return (TrainedNetwork("", "single", recipe.model),)
        if recipe.epochs:
            found.append(
                TrainedNetwork("one channel", "single", single_model(recipe, self.size))
            )
        channels = sigmas or recipe.model.sigmas
        if channels:
            weights = "multi" if recipe.multi_epochs else "single"
            label = f"{len(channels)} channel{'s' if len(channels) > 1 else ''}"
            model = recipe.model.at_scales(channels)
            found.append(TrainedNetwork(label, weights, model))
        return tuple(found)

    def _trained_sigmas(self) -> tuple[float, ...]:
        own = tuple(sigma * self.size for sigma in self.recipe.multi_sigmas)
        return own or self.recipe.model.sigmas


def single_model(recipe: Recipe, size: float = 1.0) -> NetworkConfig:
    """The network of the first phase; the only one of families without channels.

    Args:
      recipe: resolved or not.
      size: of the objects in its training images.
    """
    model = recipe.model
    if not model.scale_channels:
        return model
    model = model.at_scales((model.single_sigma * size,))
    if recipe.single_pyramid is None:
        return model
    return ablations.with_fields(model, pyramid=recipe.single_pyramid)


def or_default(value: Any, default: Any) -> Any:
    """What is meant where None stands for a default; 0 is a value."""
    return default if value is None else value


@dataclasses.dataclass(frozen=True)
class Phase:
    """One training: a model, a start, a schedule.

    Attributes:
      name: "single" or "multi".
      model: what is trained.
      saved: what its weights are kept as: it has the channels that are evaluated.
      epochs: more than 0.
      batch_size: images per step.
      learning_rate: at the top of the schedule.
      start: phase whose final weights it starts from; None: random weights.
    """

    name: Literal["single", "multi"]
    model: NetworkConfig
    saved: NetworkConfig
    epochs: float
    batch_size: int
    learning_rate: float
    start: str | None


@dataclasses.dataclass(frozen=True)
class TrainedNetwork:
    """A row (or several, one for each pooling) of the evaluation.

    Attributes:
      label: "one channel" or "5 channels"; "" where there are no scale channels.
      phase: whose weights it has.
      model: the network.
    """

    label: str
    phase: str
    model: NetworkConfig

    @property
    def sigmas(self) -> tuple[float, ...]:
        """Its scale channels, px; () where there are none."""
        return self.model.sigmas if self.model.scale_channels else ()


def trials(recipe: Recipe) -> tuple[Trial, ...]:
    """All trials of a run: training sizes x realisations x nets x seeds.

    Raises:
      UserError: for a net that there isn't, with the nearest name.
    """
    dimensions = (
        recipe.data.train_sizes or (None,),
        recipe.data.realisations or (None,),
        recipe.nets,
        recipe.seeds or (None,),
    )
    return tuple(
        Trial(net, resolved(recipe, net, seed, realisation), size, realisation, seed)
        for size, realisation, net, seed in itertools.product(*dimensions)
    )


@functools.cache
def resolved(
    recipe: Recipe, net: str, seed: int | None = None, realisation: int | None = None
) -> Recipe:
    """What a trial follows; see `Trial`.

    Raises:
      UserError: for a net or an ablation that there isn't, with the nearest name.
    """
    filters, activation, names = parse_net(net)
    recipe = ablations.apply(recipe, names)
    check_net(recipe.model, filters, activation)
    data = recipe.data
    if realisation is not None:
        name = data.name.replace("{realisation}", str(realisation))
        data = dataclasses.replace(data, name=name)
    return dataclasses.replace(
        recipe,
        seed=recipe.seed if seed is None else seed,
        data=data,
        model=recipe.model.with_net(filters, activation),
    )


def parse_net(text: str) -> tuple[str, str, tuple[str, ...]]:
    """Split "spectral+silu+separable" into filters, activation and ablations.

    Raises:
      UserError: for anything else, with the nearest name.
    """
    if text == own_networks.FAMILY:
        return text, text, ()
    filters, *others = text.split("+")
    if not others:
        raise UserError(
            f"`nets` got {text!r}: give discretisation+activation, as in discrete+relu"
        )
    activation, *names = others
    known = {name for kind in FAMILIES.values() for name in kind.filters()}
    if filters not in known:
        raise unknown("discretisation", filters, known, error=UserError)
    if activation not in ACTIVATIONS:
        raise unknown("activation", activation, ACTIVATIONS, error=UserError)
    return filters, activation, tuple(names)


def check_net(model: NetworkConfig, filters: str, activation: str) -> None:
    """Refuse kernels and activations that other families have.

    Raises:
      UserError: naming those families.
    """
    for name, own in (
        (filters, model.filters()),
        (activation, model.activations()),
    ):
        if name in own:
            continue
        others = [
            family
            for family, kind in FAMILIES.items()
            if name in (*kind.filters(), *kind.activations())
        ]
        raise UserError(
            f"`nets` has {name!r}, which {family_of(model)} does not have: take one of "
            f"{', '.join(own)}, or another family, by another recipe or --model.family "
            f"({', '.join(others)})"
        )


def give_network(model: Any) -> str:
    """Keep a Linen module for this process, as `own_networks.register` does.

    A class that is defined anew in a notebook is described as before: what was built
    of the old one is forgotten.
    """
    build.cache_clear()
    return own_networks.register(model)


@functools.cache
def build(
    model: NetworkConfig, precision: str, plan: tuple[int, ...] = ()
) -> nn.Module:
    """The Flax module of a phase or of a network.

    Args:
      model: its configuration.
      precision: type of the activations, as of the recipe.
      plan: what was decided before an epoch (`NetworkConfig.plan`).
    """
    fields: dict[str, Any] = {}
    if precision != "float32":
        fields["dtype"] = jnp.dtype(precision)
    return (model.planned(plan) if plan else model).build(**fields)
