"""What a training notes: rows of metrics.jsonl, and of TensorBoard."""

from __future__ import annotations

from typing import Any

import numpy as np
import optax

from .errors import UserError
from .progress import Progress as Progress, say as say
from .run_files import RunFolder
from .step import Metrics, State
from .stepping import Window
from .trials import Phase, Trial


class Log:
    """Rows of metrics.jsonl, and of TensorBoard where the recipe asks for it."""

    def __init__(
        self,
        run: RunFolder,
        trial: Trial,
        phase: Phase,
        *,
        epoch: int,
        start: int,
        rates: dict[str, optax.Schedule],
    ):
        """A log whose first row begins after step `start`.

        Args:
          run: folder of the run.
          trial: whose rows these are.
          phase: of it.
          epoch: steps in it.
          start: steps done before.
          rates: "learning_rate", and others that there are, over the steps.
        """
        self._run, self._trial, self._phase = run, trial, phase
        self._epoch, self._rates = epoch, rates
        self.window = Window()
        self._board = None
        if trial.recipe.tensorboard:
            self._board = _tensorboard(run, trial, phase, start)

    def add(self, metrics: Metrics) -> None:
        """Metrics of a step, still on the device: reading them would wait for it."""
        self.window.add(metrics)

    def close_window(
        self, done: int, state: State
    ) -> tuple[dict[str, Any], int | None]:
        """Write the means since the last call, and learned scales, as a row.

        Args:
          done: steps done.
          state: after them.

        Returns:
          The row, and the number of the first step whose loss or gradient is not
          finite, if any (then nothing is written).
        """
        means, ago = self.window.close(self._phase.batch_size)
        row: dict[str, Any] = dict(means)
        for name, rate in self._rates.items():
            row[name] = float(np.asarray(rate(done - 1)))
        if ago is not None:
            return row, done - ago
        stats, model = state.batch_stats, self._phase.model
        for name, said in (
            ("scales", model.learned_scales(state.params, batch_stats=stats)),
            ("scale_use", model.scale_use(stats)),
        ):
            if said:
                row[name] = {each: value.tolist() for each, value in said.items()}
        self.write(done, row)
        return row, None

    def close(self) -> None:
        """Finish the files of TensorBoard."""
        if self._board is not None:
            self._board.close()

    def write(self, done: int, values: dict[str, Any]) -> None:
        """A row of metrics.jsonl after `done` steps."""
        # The keys that files of runs have.
        place = {
            "member": self._trial.slug,
            "stage": self._phase.name,
            "step": done,
            "epoch": done / self._epoch,
        }
        self._run.append_metrics(place | values)
        if self._board is None:
            return
        scales = values.get("scales", {})
        numbers = {
            n: value for n, value in values.items() if not isinstance(value, dict)
        }
        numbers |= {f"scales/{name}": np.median(each) for name, each in scales.items()}
        if "scale_use" in values:
            numbers["scales/active"] = sum(values["scale_use"]["active"])
        for name, value in numbers.items():
            self._board.add_scalar(name, value, done)


def best_before(run: RunFolder, trial: Trial, phase: Phase) -> float:
    """The highest validation accuracy in the rows of a phase; -1 without weights."""
    if not run.weights(trial.slug, phase.name, best=True).exists():
        return -1.0
    return max(
        (
            row["validation_accuracy"]
            for row in run.metrics()
            if (row["member"], row["stage"]) == (trial.slug, phase.name)
            and "validation_accuracy" in row
        ),
        default=-1.0,
    )


def _tensorboard(run: RunFolder, trial: Trial, phase: Phase, start: int) -> Any:
    try:
        import tensorboardX
    except ImportError:
        raise UserError(
            "`tensorboard=True` needs tensorboardX: pip install tensorboardX"
        ) from None
    folder = run.path / "tensorboard" / f"{trial.slug}-{phase.name}"
    return tensorboardX.SummaryWriter(str(folder), purge_step=start + 1)
