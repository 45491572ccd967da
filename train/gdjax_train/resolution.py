"""What shapes depend on over a training, decided anew before every epoch."""

from __future__ import annotations

from typing import Any

from .checkpoints import whole_steps
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

        Raises:
          UserError: if that is damaged, or gone though the network was trained.
        """
        self._run, self._model, self._side = run, phase.model, side
        self._name = f"resolution/{trial.slug}.json"
        self._plans = self._stored()
        trained = any(whole_steps(run.checkpoints(trial.slug, phase.name)))
        if trained and not self._plans and self._next(None):
            raise self._lost("has no sizes, or is not there")

    def now(self) -> tuple[int, ...]:
        """The last plan; that of the first epoch before there is one; () for none."""
        return self._plans[-1] if self._plans else self._next(None)

    def before(self, epoch: int, params: Any) -> tuple[int, ...]:
        """The plan of an epoch, counted from 0, which starts with these parameters.

        Raises:
          UserError: if there can be no network, or plans of epochs before are lost.
        """
        if epoch > len(self._plans) and self._next(None):
            raise self._lost(f"has sizes for {len(self._plans)} of {epoch} epochs")
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

    def _stored(self) -> list[tuple[int, ...]]:
        try:
            stored = self._run.read_json(self._name, list)
        except UserError as error:
            raise self._lost("is damaged") from error
        stored = [] if stored is None else stored
        if not _are_plans(stored):
            raise self._lost("is damaged")
        return [tuple(sizes) for sizes in stored]

    def _lost(self, what: str) -> UserError:
        return UserError(
            f"{self._run.path / self._name} {what}: the sizes of the feature maps that"
            " the network was trained with stand there alone. Put back a copy of it,"
            " or train anew under another name"
        )

    def _next(self, params: Any) -> tuple[int, ...]:
        previous = self._plans[-1] if self._plans else None
        try:
            return self._model.plan(params, side=self._side, previous=previous)
        except ValueError as error:
            raise UserError(f"safe subsampling: {error}") from error


def _are_plans(stored: list[Any]) -> bool:
    """Whether it is a list of plans, as many sides in px each."""
    if not all(isinstance(plan, list) for plan in stored):
        return False
    sides = [side for plan in stored for side in plan]
    whole = all(type(side) is int and side >= 1 for side in sides)
    return whole and len({len(plan) for plan in stored}) < 2 and [] not in stored
