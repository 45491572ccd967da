"""The training of a run: for every trial, for every phase, from wherever it stopped."""

from __future__ import annotations

import contextlib
import dataclasses
import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
from rich.console import Console

from gdjax.models.network_loading import read_arrays

from . import predict
from .batch import Batch, batch_indices, batches
from .checkpoints import Checkpoints, is_full_disk
from .data import TrainingData
from .errors import UserError
from .interruption import between_steps
from .log import Log, best_before
from .losses import class_weights, make_loss
from .phases import PhaseTraining
from .progress import Progress, say, waiting
from .recipe import Recipe
from .run_files import RunFolder
from .step import Metrics, State, compile_step, evaluated_variables
from .stepping import Rhythm, run_steps
from .trials import trials


def train(run: RunFolder, recipe: Recipe, console: Console) -> None:
    """Train what is not trained yet, and write the weights.

    Args:
      run: folder of the run.
      recipe: of the run.
      console: to say on what happens.

    Raises:
      UserError: if the loss is not finite, a checkpoint belongs to another network or
        recipe, or cannot be written, or the data are missing or have changed.
    """
    data = TrainingData(run, recipe)
    for trial in trials(recipe):
        finished: dict[str, Any] = {}
        for phase in trial.phases:
            start = finished[phase.start] if phase.start else None
            with waiting(console, "reading the images"):
                training = PhaseTraining.of(run, data, trial, phase)
            finished[phase.name] = _train_phase(training, data, console, start)
            path = run.weights(trial.slug, phase.name)
            if not path.exists() or _is_damaged(path, console):
                training.write_weights(path.name, finished[phase.name])


def _is_damaged(path: pathlib.Path, console: Console) -> bool:
    """Whether weights are not what was written; said, since they are written anew."""
    try:
        read_arrays(path)
    except ValueError as error:
        say(console, f"{error}: it is written anew from the last checkpoint")
        return True
    return False


def _train_phase(
    training: PhaseTraining, data: TrainingData, console: Console, start: Any
) -> dict[str, Any]:
    """Train a phase to its end; returns its final variables."""
    run, title = training.run, training.title
    folder = run.checkpoints(training.trial.slug, training.phase.name)
    begun = folder.exists()
    with Checkpoints(
        folder,
        recipe=run.digest(),
        phase=f"{training.trial.slug}/{training.phase.name}",
        say=lambda text: say(console, text),
    ) as checkpoints:
        restored = checkpoints.restore(training.template()) if begun else None
        if restored is None:
            if begun:
                say(console, f"{title}: no usable checkpoint, starts anew")
            with waiting(console, f"{title}: compiling the initial weights"):
                restored = 0, training.fresh_state(start)
        step, state = restored
        if step == training.steps:
            say(console, f"{title}: finished before")
            return evaluated_variables(state)
        if step:
            say(console, f"{title}: continues after step {step} of {training.steps}")
        run.rewind_metrics(training.trial.slug, training.phase.name, step)
        try:
            state = _advance(training, data, checkpoints, console, state, step)
        except OSError as error:
            if not is_full_disk(error):
                raise
            raise UserError(
                f"no space left on the disk for {run.path}; "
                f"{checkpoints.last_good()}; free some space and continue with "
                f"gdjax-train --resume {run.path}"
            ) from error
    return evaluated_variables(state)


def _advance(
    training: PhaseTraining,
    data: TrainingData,
    checkpoints: Checkpoints,
    console: Console,
    state: State,
    start: int,
) -> State:
    """Steps from `start` to the last, with rows and checkpoints on the way."""
    recipe, examples = training.trial.recipe, data.train(training.trial)
    log = Log(
        training.run, training.trial, training.phase, epoch=training.epoch, start=start,
        rates=training.rates,
    )  # fmt: skip
    indices = batch_indices(
        training.images, training.phase.batch_size, seed=training.seed
    )
    coming = batches(examples, indices, start=start, stop=training.steps)
    rhythm = Rhythm(
        training.steps, training.epoch, recipe.log_every, recipe.checkpoint_every
    )
    with (
        contextlib.closing(log),
        Progress(console, training.title, start=start, steps=training.steps) as bar,
        between_steps(bar.stopping) as stop,
    ):
        take_step = _Step(training, examples.label, bar, log)
        watcher = _Watcher(training, data, take_step, log, bar, checkpoints)
        return run_steps(
            take_step, state, coming, watcher, start=start, rhythm=rhythm,
            stopped=lambda: stop.made,
        )  # fmt: skip


class _Step:
    """The compiled step, compiled anew where a plan asks for another network."""

    def __init__(self, training: PhaseTraining, labels: Any, bar: Progress, log: Log):
        self._training, self._plans = training, training.plans()
        self._bar, self._log = bar, log
        self._loss = make_loss(
            training.trial.recipe.loss, class_weights(training.trial.recipe, labels)
        )
        self.model: Any = None
        self._step: Callable[..., Any]

    def __call__(self, state: State, batch: Batch, step: int) -> Any:
        training, recipe = self._training, self._training.trial.recipe
        # Checkpoints are of before: a resumed run does it again.
        if step % training.epoch == 0:
            state = _between_epochs(training, state, step // training.epoch)
        if step % training.epoch == 0 or self.model is None:
            model = training.model(
                self._plans.before(step // training.epoch, state.params)
            )
            if model is not self.model:
                self.model = model
                self._step = compile_step(
                    model,
                    training.optimizer,
                    self._loss,
                    augment=recipe.augment,
                    preprocessing=recipe.preprocessing,
                    ema_decay=recipe.optimizer.ema_decay,
                    l2=recipe.loss.l2,
                    channels=recipe.loss.channels,
                    canvas=recipe.data.canvas,
                )
                with self._bar.compiling():
                    return self._log.window.compile(self._step, state, batch)
        return self._step(state, batch)


def _between_epochs(training: PhaseTraining, state: State, epochs: int) -> State:
    """The state as the network wants it after so many epochs."""
    variables = {"params": state.params, "batch_stats": state.batch_stats}
    return state._replace(**training.phase.model.between_epochs(variables, epochs))


@dataclasses.dataclass
class _Watcher:
    """Log, bar, validation and checkpoints of a phase."""

    training: PhaseTraining
    data: TrainingData
    take_step: _Step
    log: Log
    bar: Progress
    checkpoints: Checkpoints

    def __post_init__(self):
        training = self.training
        self.best = best_before(training.run, training.trial, training.phase)

    def add(self, metrics: Metrics) -> None:
        self.log.add(metrics)

    def report(self, done: int, state: State) -> None:
        row, bad = self.log.close_window(done, state)
        if bad is not None:
            self.checkpoints.wait()
            raise UserError(
                f"the loss of {self.training.title}, or its gradient, is not finite at "
                f"step {bad}; {self.checkpoints.last_good()}; in a new run, try a "
                "lower --optimizer.learning-rate or --optimizer.clip-norm 1"
            )
        self.bar.update(
            done, loss=row["loss"], accuracy=row["accuracy"],
            speed=row["images_per_second"],
        )  # fmt: skip

    def end_epoch(self, done: int, state: State) -> None:
        with (
            self.bar.during("classifying the validation images"),
            self.log.window.paused(),
        ):
            self.best = _validate(
                self.training, self.data, self.log, self.take_step.model, state, done,
                self.best,
            )  # fmt: skip

    def save(self, done: int, state: State, *, last: bool) -> None:
        self.checkpoints.save(done, state, wait=last)


def _validate(
    training: PhaseTraining,
    data: TrainingData,
    log: Log,
    model: Any,
    state: State,
    done: int,
    best: float,
) -> float:
    """Log the accuracy on the validation images; keep the weights if it is the best."""
    examples = data.validation(training.trial)
    if examples is None:
        return best
    recipe, variables = training.trial.recipe, evaluated_variables(state)
    found = predict.scores(
        model,
        variables,
        examples.image,
        preprocessing=recipe.preprocessing,
        batch_size=recipe.eval_batch_size,
        factors=getattr(examples, "factor", None),
        canvas=recipe.data.canvas,
    )
    pooling = recipe.model.scale_pooling if recipe.model.scale_channels else "max"
    accuracy = predict.accuracy(found, np.asarray(examples.label), pooling)
    log.write(done, {"validation_accuracy": accuracy})
    if accuracy > best:
        path = training.run.weights(training.trial.slug, training.phase.name, best=True)
        training.write_weights(path.name, variables)
    return max(best, accuracy)
