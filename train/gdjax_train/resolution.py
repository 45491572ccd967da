"""What shapes depend on over a training, decided anew before every epoch."""

from __future__ import annotations

from typing import Any

from .errors import UserError
from .run_files import RunFolder
from .trials import Phase, Trial


class Plans:
    """The plans of a trial, such as those of safe subsampling.

    They are kept in resolution/<trial>.json, since the next one depends on the last: so
    a resumed run trains the network that it stopped with. [njet] sec. 4.1.
    """

    def __init__(self, run: RunFolder, trial: Trial, phase: Phase, *, side: int):
        """Reads what was planned before.

        Args:
          run: folder of the run.
          trial: whose network it is.
          phase: with the model that plans.
          side: of the images, px.
        """
        self._run, self._model, self._side = run, phase.model, side
        self._name = f"resolution/{trial.slug}.json"
        stored = run.read_json(self._name, list) or []
        self._plans = [tuple(sizes) for sizes in stored]

    def now(self) -> tuple[int, ...]:
        """The last plan; that of the first epoch before there is one; () for none."""
        return self._plans[-1] if self._plans else self._next(None)

    def before(self, epoch: int, params: Any) -> tuple[int, ...]:
        """The plan of an epoch, counted from 0, which starts with these parameters.

        Raises:
          UserError: if there can be no network.
        """
        if epoch < len(self._plans):  # resumed: later plans are made again
            del self._plans[epoch + 1 :]
        else:
            plan = self._next(params)
            if not plan:
                return ()
            self._plans.append(plan)
        self._run.write_json(self._name, [list(sizes) for sizes in self._plans])
        return self._plans[epoch]

    def compilations(self) -> int:
        """How often the training step was compiled, if the run was never stopped."""
        return max(1, len(set(self._plans)))

    def _next(self, params: Any) -> tuple[int, ...]:
        previous = self._plans[-1] if self._plans else None
        try:
            return self._model.plan(params, side=self._side, previous=previous)
        except ValueError as error:
            raise UserError(f"safe subsampling: {error}") from error
