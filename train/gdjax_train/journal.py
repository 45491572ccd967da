"""Metrics of the steps, collected into rows of metrics.jsonl."""

from __future__ import annotations

import time
from typing import Any

import jax
import numpy as np

from . import predict
from .errors import UserError
from .njet import is_njet
from .run_folder import RunFolder
from .session import Plan, Session
from .step import Metrics, State, evaluated_variables


class Journal:
    """Rows of metrics.jsonl, and of TensorBoard where the recipe asks for it."""

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
          The row, and the number of the first step whose loss or gradient is not
          finite, if any (then nothing is written).
        """
        steps = jax.device_get(self._pending)
        self._pending = []
        values = {
            name: np.array([step[name] for step in steps], np.float64)
            for name in ("loss", "accuracy", "gradient_norm")
        }
        now, count = time.monotonic(), len(steps)
        seconds, self._began = now - self._began, now
        row = {
            **{name: float(each.mean()) for name, each in values.items()},
            "learning_rate": float(np.asarray(self.plan.schedule(done - 1))),
            "images_per_second": count * self.plan.stage.batch_size / seconds,
        }
        # A finite loss with a gradient that is not spoils the parameters all the same.
        finite = np.isfinite(values["loss"]) & np.isfinite(values["gradient_norm"])
        if not finite.all():
            return row, done - count + 1 + int(np.argmin(finite))
        self._write(done, row)
        return row, None

    def validate(self, model: Any, state: State, done: int) -> None:
        """Write the accuracy on the validation images, where the recipe has some."""
        data = self._session.data.validation(self.plan.member)
        if data is None:
            return
        variables = evaluated_variables(state)
        size = self._session.recipe.eval_batch_size
        if is_njet(self.plan.recipe.model):
            found = predict.classes(model, variables, data.image, batch_size=size)
        else:
            per_scale = predict.per_scale_logits(
                model, variables, data.image, batch_size=size
            )
            pooling = self.plan.recipe.model.scale_pooling
            found = predict.pooled(per_scale, pooling).argmax(-1)
        share = predict.share_correct(found, data.label)
        self._write(done, {"validation_accuracy": share})

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
            "`tensorboard=True` needs tensorboardX: pip install tensorboardX"
        ) from None
    folder = run.path / "tensorboard" / f"{plan.member.slug}-{plan.stage.name}"
    return tensorboardX.SummaryWriter(str(folder), purge_step=start + 1)
