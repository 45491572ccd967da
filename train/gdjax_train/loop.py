"""Members and stages of a run, one after the other, from wherever it stopped."""

from __future__ import annotations

from typing import Any

import jax

from . import export
from .checkpoints import Checkpoints, is_full_disk
from .errors import UserError
from .journal import Journal
from .losses import Loss, class_weights, make_loss
from .members import Member, Stage, members, stages
from .order import batch_indices
from .progress import Progress
from .session import Plan, Session, make_plan
from .step import Batch, State, compile_step, evaluated_variables, initial_state


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
            restored = checkpoints.restore(_template(plan))
    if restored is None or restored[0] < plan.steps:
        raise UserError(
            f"{plan.title} is not trained to its end: continue with "
            f"gdjax-train --resume {session.run.path}"
        )
    return evaluated_variables(restored[1])


def _fresh_state(plan: Plan, variables: Any = None) -> State:
    return initial_state(
        plan.model(),
        plan.optimizer,
        jax.random.key(plan.seed),
        image_shape=plan.image_shape,
        ema=plan.recipe.optimizer.ema_decay is not None,
        variables=variables,
    )


def _template(plan: Plan) -> State:
    """Shapes and dtypes of the state, without computing anything."""
    here = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    shapes = jax.eval_shape(lambda: _fresh_state(plan))
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
        template = _template(plan)
        restored = checkpoints.restore(template) if begun else None
        if restored is None:
            if begun:
                session.say(f"{plan.title}: no usable checkpoint, starts anew")
            start = done[stage.start] if stage.start else None
            restored = 0, _fresh_state(plan, start)
        step, state = restored
        if step == plan.steps:
            session.say(f"{plan.title}: finished before")
            return evaluated_variables(state)
        if step:
            session.say(f"{plan.title}: continues after step {step} of {plan.steps}")
        session.run.rewind_metrics(member.slug, stage.name, step)
        try:
            state = _advance(session, plan, checkpoints, state, step)
        except OSError as error:
            if not is_full_disk(error):
                raise
            raise UserError(
                f"no space left on the disk for {session.run.path}; "
                f"{checkpoints.last_good()}; free some space and continue with --resume"
            ) from error
    return evaluated_variables(state)


def _advance(
    session: Session, plan: Plan, checkpoints: Checkpoints, state: State, start: int
) -> State:
    """Steps `start`..`plan.steps`, with rows and checkpoints on the way."""
    recipe = plan.recipe
    data = session.data.train(plan.member)
    indices = batch_indices(plan.images, plan.stage.batch_size, seed=plan.seed)
    loss = make_loss(recipe.loss, class_weights(recipe, data.label))
    journal = Journal(session, plan, start)
    model = plan.model(plan.resolution.before(start // plan.epoch, state.params))
    step_fn = _step_of(plan, model, loss)
    with Progress(session.console, plan.title, start=start, steps=plan.steps) as bar:
        for step in range(start, plan.steps):
            if step % plan.epoch == 0 and step > start:
                sizes = plan.resolution.before(step // plan.epoch, state.params)
                if plan.model(sizes) is not model:
                    model = plan.model(sizes)
                    step_fn = _step_of(plan, model, loss)
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
                journal.validate(model, state, done)
            if save:
                checkpoints.save(done, state, wait=last)
    return state


def _step_of(plan: Plan, model: Any, loss: Loss) -> Any:
    recipe = plan.recipe
    return compile_step(
        model,
        plan.optimizer,
        loss,
        augment=recipe.augment,
        ema_decay=recipe.optimizer.ema_decay,
        l2=recipe.loss.l2,
    )


def _report(
    journal: Journal, bar: Progress, checkpoints: Checkpoints, done: int
) -> None:
    row, bad = journal.close_window(done)
    if bad is not None:
        checkpoints.wait()
        raise UserError(
            f"the loss of {journal.plan.title}, or its gradient, is not finite at step "
            f"{bad}; {checkpoints.last_good()}; in a new run, try a lower "
            "--optimizer.learning-rate or --optimizer.clip-norm 1"
        )
    bar.update(
        done, loss=row["loss"], accuracy=row["accuracy"], speed=row["images_per_second"]
    )
