"""A phase with everything that follows for it from the recipe and the images."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import numpy as np
import optax

from gdjax.models.network_files import network_bytes

from .batch import steps_per_epoch
from .data import TrainingData, class_names, source
from .initial_weights import started
from .optimizer import make_optimizer, make_schedule
from .own_networks import OwnNetworkConfig
from .resolution import Plans
from .run_files import RunFolder
from .step import State, abstract, initial_state
from .trials import Phase, Trial, build


def _steps(epoch: int, phase: Phase) -> int:
    """Of a phase, from those of an epoch."""
    return max(1, round(epoch * phase.epochs))


class PhaseTraining(NamedTuple):
    """A phase, and what follows for it from the training images.

    Attributes:
      run: folder of the run.
      trial: of it.
      phase: of the trial.
      images: how many there are.
      image_shape: (H, W, C) before preprocessing.
      epoch: steps in it.
      rates: schedules of the learning rates, by their names in metrics.jsonl.
      optimizer: with these rates.
      seed: of weights, order and dropout.
    """

    run: RunFolder
    trial: Trial
    phase: Phase
    images: int
    image_shape: tuple[int, int, int]
    epoch: int
    rates: dict[str, optax.Schedule]
    optimizer: optax.GradientTransformation
    seed: int

    @classmethod
    def of(
        cls, run: RunFolder, data: TrainingData, trial: Trial, phase: Phase
    ) -> PhaseTraining:
        """Steps, schedules, optimiser and seed of a phase."""
        config, facts = trial.recipe.optimizer, data.facts(trial)
        epoch = steps_per_epoch(facts["images"], phase.batch_size)
        length = {"steps": _steps(epoch, phase), "steps_per_epoch": epoch}
        rates = {
            "learning_rate": make_schedule(
                config, learning_rate=phase.learning_rate, **length
            )
        }
        if config.scales.learning_rate is not None:
            rates["scale_learning_rate"] = make_schedule(
                config.scales, learning_rate=config.scales.learning_rate, **length
            )
        optimizer = make_optimizer(
            config,
            rates["learning_rate"],
            scales=phase.model.scale_parameters,
            scale_schedule=rates.get("scale_learning_rate"),
        )
        # Both phases draw from the same seed, but not the same numbers.
        number = ("single", "multi").index(phase.name)
        sequence = np.random.SeedSequence([trial.recipe.seed, number])
        seed = int(sequence.generate_state(1)[0])
        shape = tuple(facts["shape"])
        return cls(
            run, trial, phase, facts["images"], shape, epoch, rates, optimizer, seed
        )

    @property
    def steps(self) -> int:
        """Of the whole phase."""
        return _steps(self.epoch, self.phase)

    @property
    def title(self) -> str:
        """For the user."""
        return f"{self.trial.name} ({self.phase.name})"

    @property
    def preprocessed(self) -> tuple[int, int, int]:
        """(H, W, C) of what the network sees."""
        return self.trial.recipe.preprocessing.shape(self.image_shape)

    def plans(self) -> Plans:
        """What shapes depend on, as it was decided until now."""
        side = max(self.preprocessed[:2])
        return Plans(self.run, self.trial, self.phase, side=side)

    def model(self, plan: tuple[int, ...]) -> Any:
        """The Flax module; a plan changes nothing about its parameters."""
        return build(self.phase.model, self.trial.recipe.precision, plan)

    def fresh_state(self, variables: Any = None) -> State:
        """The state before the first step.

        Args:
          variables: that it starts from; None: random ones, and of a file where the
            recipe has one.

        Raises:
          UserError: for such a file that is missing, or another network's.
        """
        recipe = self.trial.recipe
        if variables is None and (recipe.backbone_weights or recipe.initial_weights):
            state = self._state()
            random = {"params": state.params, "batch_stats": state.batch_stats}
            variables = started(recipe, random)
        return self._state(variables)

    def _state(self, variables: Any = None) -> State:
        return initial_state(
            self.model(self.plans().now()),
            self.optimizer,
            jax.random.key(self.seed),
            image_shape=self.preprocessed,
            ema=self.trial.recipe.optimizer.ema_decay is not None,
            variables=variables,
        )

    def template(self) -> State:
        """Shapes and dtypes of the state, without computing anything."""
        return abstract(self._state)

    def write_weights(self, name: str, variables: Any) -> None:
        """A file of weights that says what it is."""
        names = class_names(source(self.trial, "train"))
        precision = self.trial.recipe.precision
        config = self.phase.saved.planned(self.plans().now())
        own = isinstance(config, OwnNetworkConfig)
        content = network_bytes(
            config.given.module if own else config,
            variables,
            dtype=None if precision == "float32" else precision,
            checked=False,  # they are those of its own training
            class_names=names if len(names) == self.phase.model.num_classes else (),
            image_shape=self.image_shape,
            preprocessing=self.trial.recipe.preprocessing,
            precision=precision,
            trial=self.trial.slug,
            phase=self.phase.name,
            plan=self.plans().now(),
            recipe=self.run.digest(),
        )
        self.run.write_bytes(f"weights/{name}", content)
