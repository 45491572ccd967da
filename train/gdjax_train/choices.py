"""What a user may ask of an evaluation, and what is refused."""

from __future__ import annotations

import dataclasses
import math
from typing import Literal

from .errors import UserError
from .recipe import Pooling, Recipe


# Names in the folder of a run, as a file system that ignores case has them.
TAKEN = {
    "recipe", "data", "versions", "metrics", "fit", "checkpoints", "weights",
    "resolution", "tensorboard", "lock",
}  # fmt: skip
LONGEST_NAME = 64


@dataclasses.dataclass(frozen=True)
class Choices:
    """What is evaluated; where empty or None: as the recipe says.

    Attributes:
      factors: size factors of the test images.
      sigmas: base scales in px of the multi-scale nets.
      poolings: over scale channels.
      test_images: the first so many of each factor.
      weights: the last ones, or those that did best in validation.
      figures: "curves": accuracies and scale selection; "all": also activation maps
        and effective filters of networks in scale channels (`insight.write_all`).
      name: of the JSON file, and what the names of the figures begin with.
    """

    factors: tuple[float, ...] = ()
    sigmas: tuple[float, ...] = ()
    poolings: tuple[Pooling, ...] = ()
    test_images: int | None = None
    weights: Literal["last", "best"] | None = None
    figures: Literal["curves", "all"] = "curves"
    name: str = "evaluation"


def check_choices(choices: Choices, recipe: Recipe) -> None:
    """Refuse what has no meaning, before anything is read.

    Args:
      choices: of the user.
      recipe: of the run.

    Raises:
      UserError: naming the argument, its value and the remedy.
    """
    check_name(choices.name)
    scale_channels = recipe.model.scale_channels
    if not scale_channels and (choices.sigmas or choices.poolings):
        raise UserError(
            "the networks have no scale channels: leave sigmas and poolings out"
        )
    for name in ("factors", "sigmas"):
        wrong = [value for value in getattr(choices, name) if not 0 < value < math.inf]
        if wrong:
            raise UserError(f"`{name}={wrong[0]}`: expected positive numbers")
    if choices.test_images is not None and choices.test_images < 1:
        raise UserError(f"`test_images={choices.test_images}`: expected at least 1")
    poolings, sigmas = choices.poolings, choices.sigmas
    for name in ("factors", "sigmas", "poolings"):
        values = getattr(choices, name)
        if len(set(values)) != len(values):
            raise UserError(f"`{name}={values}`: give each once")
    if poolings and scale_channels and len(sigmas or recipe.model.sigmas) < 2:
        raise UserError(
            f"`poolings={poolings}` are over scale channels, of which there is one: "
            "give --sigmas, or leave the poolings out"
        )


def check_name(name: str) -> None:
    """Refuse what is no plain file name, or one that the run needs itself.

    Raises:
      UserError: naming it.
    """
    plain = name.replace("-", "").replace("_", "")
    if not (plain.isascii() and plain.isalnum()) or len(name) > LONGEST_NAME:
        raise UserError(
            f"`name={name[:80]!r}`: use at most {LONGEST_NAME} letters, digits, - and _"
        )
    if name.lower() in TAKEN:
        raise UserError(
            f"`name={name!r}` is that of a file or folder of the run: give another"
        )
