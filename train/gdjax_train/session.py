"""What the stages of a run share, and what follows for each from recipe and data."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import optax
from rich.console import Console

from .members import Member, Stage, build_model, member_recipe
from .optimizer import make_optimizer, make_schedule
from .order import steps_per_epoch
from .recipe import Recipe
from .resolution import Resolution
from .run_folder import RunFolder
from .splits import TrainingData


@dataclasses.dataclass(frozen=True)
class Session:
    """What all stages of a run share."""

    run: RunFolder
    recipe: Recipe
    console: Console
    data: TrainingData

    def say(self, text: str) -> None:
        """A line for the user."""
        self.console.print(text, highlight=False, soft_wrap=True)


@dataclasses.dataclass(frozen=True)
class Plan:
    """A stage with everything that follows from it and from the data."""

    member: Member
    run_recipe: Recipe
    recipe: Recipe  # the member's, with its variants
    stage: Stage
    image_shape: tuple[int, int, int]
    images: int
    epoch: int  # steps in it
    resolution: Resolution
    schedule: optax.Schedule
    optimizer: optax.GradientTransformation
    seed: int

    @property
    def steps(self) -> int:
        """Of the whole stage."""
        return self.epoch * self.stage.epochs

    @property
    def title(self) -> str:
        """For the user."""
        return f"{self.member.name} ({self.stage.name})"

    def model(self, sizes: tuple[int, ...] = ()) -> Any:
        """The Flax module; `sizes` of its feature maps, () for those of the last plan.

        They change nothing about the parameters.
        """
        sizes = sizes or self.resolution.now()
        return build_model(self.run_recipe, self.member, self.stage.sigmas, sizes)


def open_session(run: RunFolder, recipe: Recipe, console: Console) -> Session:
    """A session of a run, whose data are read when they are needed."""
    return Session(run, recipe, console, TrainingData(run, recipe))


def make_plan(session: Session, member: Member, stage: Stage) -> Plan:
    """Model, optimiser and number of steps of a stage."""
    recipe = member_recipe(session.recipe, member)
    facts = session.data.facts(member)
    epoch = steps_per_epoch(facts["images"], stage.batch_size)
    schedule = make_schedule(
        recipe.optimizer,
        learning_rate=stage.learning_rate,
        steps=epoch * stage.epochs,
        steps_per_epoch=epoch,
    )
    # Both stages draw from the same seed, but not the same numbers.
    number = ("single", "multi").index(stage.name)
    seed = int(np.random.SeedSequence([recipe.seed, number]).generate_state(1)[0])
    return Plan(
        member=member,
        run_recipe=session.recipe,
        recipe=recipe,
        stage=stage,
        image_shape=tuple(facts["shape"]),
        images=facts["images"],
        epoch=epoch,
        resolution=Resolution(session.run, recipe, member, max(facts["shape"][:2])),
        schedule=schedule,
        optimizer=make_optimizer(recipe.optimizer, schedule),
        seed=seed,
    )
