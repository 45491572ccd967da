"""Who is trained in a run: members, their stages, and the networks to evaluate."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, Literal

from . import njet, variants
from .errors import UserError, unknown_name
from .recipe import Recipe


# The command line speaks in names, the library in objects: this is the only place
# where one becomes the other. Names, so that `--help` need not import JAX.
DISCRETISATIONS = {
    "discrete": "DiscreteGaussian",
    "sampled": "SampledGaussian",
    "normalized_sampled": "NormalizedSampledGaussian",
    "integrated": "IntegratedGaussian",
    "linearly_integrated": "LinearlyIntegratedGaussian",
    "sampled_derivatives": "SampledGaussianDerivatives",
    "integrated_derivatives": "IntegratedGaussianDerivatives",
    "normalized_sampled_derivatives": "NormalizedSampledGaussianDerivatives",
    "spectral": "SpectralGaussian",
}
ACTIVATIONS = ("relu", "silu", "gelu", "softplus", "elu", "tanh")
SPATIAL_SELECTIONS = {
    "centre": "centre_pixel",
    "max": "spatial_max",
    "mean": "spatial_mean",
}
SCALE_POOLINGS = {
    "max": "max_over_scales",
    "logsumexp": "logsumexp_over_scales",
    "mean": "mean_over_scales",
}
# Of `ModelConfig`; only gaussderresnet has them.
RESIDUAL_FIELDS = ("separable_from", "activate", "remat")


@dataclasses.dataclass(frozen=True)
class Member:
    """One net flavour at one training size.

    Attributes:
      discretisation: a name of `DISCRETISATIONS`; of networks of [njet] also "njet", or
        the name of a fixed filter (`gdjax_train.njet`).
      activation: a name of `ACTIVATIONS`.
      variants: names of `gdjax_train.variants`, applied to the recipe of the run.
      train_size: size factor of its training images; None: the only one there is.
    """

    discretisation: str
    activation: str
    variants: tuple[str, ...] = ()
    train_size: float | None = None

    @property
    def name(self) -> str:
        """For tables, such as "spectral+silu, size 2"."""
        flavour = "+".join((self.discretisation, self.activation, *self.variants))
        return flavour if self.train_size is None else f"{flavour}, size {self.size:g}"

    @property
    def slug(self) -> str:
        """For files, such as "spectral-silu-size2p000"."""
        flavour = "-".join((self.discretisation, self.activation, *self.variants))
        flavour = flavour.replace(".", "p")
        if self.train_size is None:
            return flavour
        return f"{flavour}-size{self.size:.3f}".replace(".", "p")

    @property
    def size(self) -> float:
        """The size factor of the training images, 1 where there is one size only."""
        return 1.0 if self.train_size is None else self.train_size


@dataclasses.dataclass(frozen=True)
class Stage:
    """One training: a model, a start, a schedule.

    Attributes:
      name: "single" or "multi".
      sigmas: base scales of the scale channels, px; () for networks of [njet].
      epochs: at least 1.
      batch_size: images per step.
      learning_rate: at the top of the schedule.
      start: stage whose final weights it starts from; None: random weights.
    """

    name: Literal["single", "multi"]
    sigmas: tuple[float, ...]
    epochs: int
    batch_size: int
    learning_rate: float
    start: str | None


@dataclasses.dataclass(frozen=True)
class Network:
    """A row (or several, one for each pooling) of the evaluation.

    Attributes:
      label: "one channel" or "5 channels".
      stage: whose final weights it has.
      sigmas: its scale channels, px.
    """

    label: str
    stage: str
    sigmas: tuple[float, ...]


def parse_net(text: str) -> tuple[str, str, tuple[str, ...]]:
    """Split "spectral+silu+separable" into discretisation, activation and variants.

    Raises:
      UserError: for anything else, with the nearest name.
    """
    discretisation, *others = text.split("+")
    if not others:
        raise UserError(
            f"`nets` got {text!r}: give discretisation+activation, as in discrete+relu"
        )
    activation, *names = others
    filters = {njet.NJET, *DISCRETISATIONS, *njet.FIXED}
    if discretisation not in filters:
        raise unknown_name("discretisation", discretisation, filters)
    if activation not in ACTIVATIONS:
        raise unknown_name("activation", activation, ACTIVATIONS)
    return discretisation, activation, tuple(names)


def members(recipe: Recipe) -> tuple[Member, ...]:
    """All nets of a run: flavours x training sizes."""
    sizes = recipe.data.train_sizes or (None,)
    return tuple(Member(*parse_net(net), size) for size in sizes for net in recipe.nets)


def member_recipe(recipe: Recipe, member: Member) -> Recipe:
    """What a member follows: the recipe of the run with the member's variants."""
    return variants.apply(recipe, member.variants)


def stages(recipe: Recipe, member: Member) -> tuple[Stage, ...]:
    """The trainings of a member, in order; those of no epochs are left out."""
    recipe = member_recipe(recipe, member)
    rate = recipe.optimizer.learning_rate
    found = []
    if recipe.epochs:
        sigmas = (recipe.model.single_sigma * member.size,)
        if njet.is_njet(recipe.model):
            sigmas = ()
        found.append(
            Stage("single", sigmas, recipe.epochs, recipe.batch_size, rate, None)
        )
    if recipe.multi_epochs:
        found.append(
            Stage(
                "multi",
                recipe.model.sigmas,
                recipe.multi_epochs,
                recipe.multi_batch_size or recipe.batch_size,
                recipe.multi_learning_rate or rate,
                "single" if recipe.multi_from == "single" else None,
            )
        )
    return tuple(found)


def networks(
    recipe: Recipe, member: Member, *, sigmas: tuple[float, ...] = ()
) -> tuple[Network, ...]:
    """What is evaluated of a member.

    Args:
      recipe: of the run.
      member: one of its members.
      sigmas: channels of the multi-scale net in place of the recipe's; empty: those.

    Returns:
      The single channel if it was trained, then the multi-scale net if there is one.
    """
    recipe = member_recipe(recipe, member)
    found = []
    if recipe.epochs:
        own = (recipe.model.single_sigma * member.size,)
        found.append(Network("one channel", "single", own))
    channels = sigmas or recipe.model.sigmas
    if channels:
        weights = "multi" if recipe.multi_epochs else "single"
        plural = "s" if len(channels) > 1 else ""
        found.append(Network(f"{len(channels)} channel{plural}", weights, channels))
    return tuple(found)


def pooling_function(name: str) -> Callable[..., Any]:
    """The function of `gdjax.layers` that pools over scale channels."""
    import gdjax.layers

    return getattr(gdjax.layers, SCALE_POOLINGS[name])


@functools.cache
def build_model(
    recipe: Recipe,
    member: Member,
    sigmas: tuple[float, ...],
    sizes: tuple[int, ...] = (),
) -> Any:
    """The Flax module of a member.

    Args:
      recipe: of the run.
      member: one of its members.
      sigmas: base scales of the scale channels, px; networks of [njet] have none.
      sizes: of the feature maps in px, for safe subsampling.
    """
    import flax.linen as nn
    import jax.numpy as jnp

    import gdjax.layers
    import gdjax.models
    import gdjax.scalespace

    model = member_recipe(recipe, member).model
    dtype = None if recipe.precision == "float32" else jnp.bfloat16
    if njet.is_njet(model):
        return njet.build(model, member, sizes=sizes, dtype=dtype)
    discretisation = getattr(gdjax.scalespace, DISCRETISATIONS[member.discretisation])
    if model.family == "gaussderresnet":
        network, own = gdjax.models.GaussDerResNet, RESIDUAL_FIELDS
    else:
        network, own = gdjax.models.GaussDerNet, ()
    return network(
        widths=model.widths,
        num_classes=model.num_classes,
        sigmas=sigmas,
        ratio=model.ratio,
        order=model.order,
        zero_order=model.zero_order,
        discretisation=discretisation(),
        activation=getattr(nn, member.activation),
        padding=model.padding,
        eps=model.eps,
        truncated=model.truncated,
        pyramid=model.pyramid,
        spatial_selection=getattr(
            gdjax.layers, SPATIAL_SELECTIONS[model.spatial_selection]
        ),
        scale_pooling=pooling_function(model.scale_pooling),
        # One channel is never dropped, so nothing is to be learned from trying.
        scale_dropout=model.scale_dropout if len(sigmas) > 1 else 0.0,
        dtype=dtype,
        **{name: getattr(model, name) for name in own},
    )
