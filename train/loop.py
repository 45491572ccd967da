"""Members and stages of a run, one after the other, from wherever it stopped."""

from __future__ import annotations

import dataclasses
import time
from typing import Any

import jax
import numpy as np
import optax
from rich.console import Console

from . import export, predict
from .checkpoints import Checkpoints, is_full_disk
from .errors import UserError
from .losses import make_loss
from .members import Member, Stage, build_model, members, stages
from .optimizer import make_optimizer, make_schedule
from .order import batch_indices, steps_per_epoch
from .progress import Progress
from .recipe import Recipe
from .run_folder import RunFolder
from .splits import TrainingData
from .step import (
    Batch,
    Metrics,
    State,
    compile_step,
    evaluated_variables,
    initial_state,
)


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
    stage: Stage
    image_shape: tuple[int, int, int]
    images: int
    epoch: int  # steps in it
    model: Any
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


def open_session(run: RunFolder, recipe: Recipe, console: Console) -> Session:
    """A session of a run, whose data are read when they are needed."""
    return Session(run, recipe, console, TrainingData(run, recipe))


def train(session: Session) -> None:
    """Train what is not trained yet, and export the weights.

    Raises:
      UserError: if the loss is not finite, a checkpoint belongs to another network or
        cannot be written, or the data are missing or have changed.
    """
    for member in members(session.recipe):
        done: dict[str, Any] = {}
        for stage in stages(session.recipe, member):
            done[stage.name] = _run_stage(session, member, stage, done)
            weights = session.run.weights(member.slug, stage.name)
            if not weights.exists():
                export.write(session.run, weights, done[stage.name])


def final_variables(session: Session, member: Member, stage: str) -> dict[str, Any]:
    """The weights that a finished stage ended with.

    Raises:
      UserError: if the stage is not finished.
    """
    (wanted,) = (s for s in stages(session.recipe, member) if s.name == stage)
    plan = make_plan(session, member, wanted)
    folder = session.run.checkpoints(member.slug, stage)
    restored = None
    if folder.exists():
        with Checkpoints(folder, say=session.say) as checkpoints:
            restored = checkpoints.restore(_template(session.recipe, plan))
    if restored is None or restored[0] < plan.steps:
        raise UserError(
            f"{plan.title} is not trained to its end: continue with "
            f"gdjax-train --resume {session.run.path}"
        )
    return evaluated_variables(restored[1])


def make_plan(session: Session, member: Member, stage: Stage) -> Plan:
    """Model, optimiser and number of steps of a stage."""
    recipe = session.recipe
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
        stage=stage,
        image_shape=tuple(facts["shape"]),
        images=facts["images"],
        epoch=epoch,
        model=build_model(recipe, member, stage.sigmas),
        schedule=schedule,
        optimizer=make_optimizer(recipe.optimizer, schedule),
        seed=seed,
    )


def _fresh_state(recipe: Recipe, plan: Plan, variables: Any = None) -> State:
    return initial_state(
        plan.model,
        plan.optimizer,
        jax.random.key(plan.seed),
        image_shape=plan.image_shape,
        ema=recipe.optimizer.ema_decay is not None,
        variables=variables,
    )


def _template(recipe: Recipe, plan: Plan) -> State:
    """Shapes and dtypes of the state, without computing anything."""
    here = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    shapes = jax.eval_shape(lambda: _fresh_state(recipe, plan))
    return jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=here), shapes
    )


def _run_stage(
    session: Session, member: Member, stage: Stage, done: dict[str, Any]
) -> dict[str, Any]:
    """Train a stage to its end; returns its final variables."""
    plan = make_plan(session, member, stage)
    folder = session.run.checkpoints(member.slug, stage.name)
    begun = folder.exists()
    with Checkpoints(folder, say=session.say) as checkpoints:
        restored = checkpoints.restore(_template(session.recipe, plan)) if begun else None
        if restored is None:
            if begun:
                session.say(f"{plan.title}: no usable checkpoint, starts anew")
            start = done[stage.start] if stage.start else None
            restored = 0, _fresh_state(session.recipe, plan, start)
        step, state = restored
        if step == plan.steps:
            session.say(f"{plan.title}: finished before")
            return evaluated_variables(state)
        if step:
            session.say(f"{plan.title}: continues after step {step} of {plan.steps}")
        session.run.rewind_metrics(member.slug, stage.name, step)
        try:
            return evaluated_variables(_advance(session, plan, checkpoints, state, step))
        except OSError as error:
            if not is_full_disk(error):
                raise
            raise UserError(
                f"no space left on the disk for {session.run.path}; "
                f"{checkpoints.last_good()}; free some space and continue with --resume"
            ) from error


def _advance(
    session: Session, plan: Plan, checkpoints: Checkpoints, state: State, start: int
) -> State:
    """Steps `start`..`plan.steps`, with rows and checkpoints on the way."""
    recipe = session.recipe
    data = session.data.train(plan.member)
    indices = batch_indices(plan.images, plan.stage.batch_size, seed=plan.seed)
    step_fn = compile_step(
        plan.model,
        plan.optimizer,
        make_loss(recipe.loss),
        ema_decay=recipe.optimizer.ema_decay,
    )
    journal = Journal(session, plan, start)
    with Progress(session.console, plan.title, start=start, steps=plan.steps) as bar:
        for step in range(start, plan.steps):
            chosen = indices(step)
            state, metrics = step_fn(
                state, Batch(data.image[chosen], data.label[chosen])
            )
            journal.add(metrics)
            done = step + 1
            last = done == plan.steps
            save = last or done % recipe.checkpoint_every == 0
            # A row at each checkpoint: so rows after a resume average the same steps.
            if save or done % recipe.log_every == 0:
                _report(journal, bar, checkpoints, done)
            if done % plan.epoch == 0:
                journal.validate(state, done)
            if save:
                checkpoints.save(done, state, wait=last)
    return state


def _report(
    journal: Journal, bar: Progress, checkpoints: Checkpoints, done: int
) -> None:
    row, bad = journal.close_window(done)
    if bad is not None:
        checkpoints.wait()
        raise UserError(
            f"the loss of {journal.plan.title} is not finite at step {bad}; "
            f"{checkpoints.last_good()}; try a lower --optimizer.learning-rate or "
            "--optimizer.clip-norm 1 in a new run"
        )
    bar.update(
        done, loss=row["loss"], accuracy=row["accuracy"], speed=row["images_per_second"]
    )


class Journal:
    """Collects the metrics of the steps into rows of metrics.jsonl (and TensorBoard)."""

    def __init__(self, session: Session, plan: Plan, start: int):
        """A journal whose first window begins after step `start`."""
        self.plan = plan
        self._session = session
        self._pending: list[Metrics] = []
        self._began = time.monotonic()
        self._board = None
        if session.recipe.tensorboard:
            self._board = _tensorboard(session.run, plan, start)

    def add(self, metrics: Metrics) -> None:
        """Metrics of a step, still on the device: reading them would wait for it."""
        self._pending.append(metrics)

    def close_window(self, done: int) -> tuple[dict[str, Any], int | None]:
        """Write the means since the last call as a row.

        Args:
          done: steps done.

        Returns:
          The row, and the number of the first step whose loss is not finite, if any
          (then nothing is written).
        """
        steps = jax.device_get(self._pending)
        self._pending = []
        losses = np.array([step["loss"] for step in steps], np.float64)
        now, count = time.monotonic(), len(steps)
        seconds, self._began = now - self._began, now
        row = {
            "loss": float(losses.mean()),
            "accuracy": float(np.mean([step["accuracy"] for step in steps])),
            "learning_rate": float(self.plan.schedule(done - 1)),
            "images_per_second": count * self.plan.stage.batch_size / seconds,
        }
        if not np.isfinite(losses).all():
            return row, done - count + 1 + int(np.argmin(np.isfinite(losses)))
        self._write(done, row)
        return row, None

    def validate(self, state: State, done: int) -> None:
        """Write the accuracy on the validation images, where the recipe has some."""
        data = self._session.data.validation(self.plan.member)
        if data is None:
            return
        per_scale = predict.per_scale_logits(
            self.plan.model,
            evaluated_variables(state),
            data.image,
            batch_size=self._session.recipe.eval_batch_size,
        )
        pooling = self._session.recipe.model.scale_pooling
        found = predict.pooled(per_scale, pooling).argmax(-1)
        self._write(done, {"validation_accuracy": float((found == data.label).mean())})

    def _write(self, done: int, values: dict[str, float]) -> None:
        place = {
            "member": self.plan.member.slug,
            "stage": self.plan.stage.name,
            "step": done,
            "epoch": done / self.plan.epoch,
        }
        self._session.run.append_metrics(place | values)
        if self._board is not None:
            for name, value in values.items():
                self._board.add_scalar(name, value, done)


def _tensorboard(run: RunFolder, plan: Plan, start: int) -> Any:
    try:
        import tensorboardX
    except ImportError:
        raise UserError(
            "`tensorboard=True` needs the package tensorboardX: pip install tensorboardX"
        ) from None
    folder = run.path / "tensorboard" / f"{plan.member.slug}-{plan.stage.name}"
    return tensorboardX.SummaryWriter(str(folder), purge_step=start + 1)
