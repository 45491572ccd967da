"""Sizes of the feature maps over a training, decided before every epoch."""

from __future__ import annotations

from typing import Any

from . import njet
from .members import Member
from .recipe import Recipe
from .run_folder import RunFolder


class Resolution:
    """The plans of safe subsampling of a member, in resolution/<member>.json.

    A plan is kept in the file, since the next one depends on it: so a resumed run
    trains the network that it stopped with. [njet] sec. 4.1.
    """

    def __init__(self, run: RunFolder, recipe: Recipe, member: Member, side: int):
        """Reads what was planned before.

        Args:
          run: folder of the run.
          recipe: the member's, with its variants.
          member: whose network it is.
          side: of the images, px.
        """
        self._run, self._model, self._member = run, recipe.model, member
        self._side = side
        self._name = f"resolution/{member.slug}.json"
        stored = run.read_json(self._name) or []
        self._plans = [tuple(sizes) for sizes in stored]

    def now(self) -> tuple[int, ...]:
        """The last plan; that of the first epoch before there is one; () for none."""
        return self._plans[-1] if self._plans else self._plan(None)

    def before(self, epoch: int, params: Any) -> tuple[int, ...]:
        """The plan of an epoch, counted from 0, which starts with these parameters.

        Raises:
          UserError: if a side would fall below 1 px.
        """
        if self._model.njet.subsampling != "safe" or not njet.is_njet(self._model):
            return ()
        if epoch < len(self._plans):  # resumed: later plans are made again
            del self._plans[epoch + 1 :]
        else:
            self._plans.append(self._plan(params))
        self._run.write_json(self._name, [list(sizes) for sizes in self._plans])
        return self._plans[epoch]

    def compilations(self) -> int:
        """How often the training step was compiled, if the run was never stopped."""
        return max(1, len(set(self._plans)))

    def _plan(self, params: Any) -> tuple[int, ...]:
        if not njet.is_njet(self._model):
            return ()
        previous = self._plans[-1] if self._plans else None
        return njet.plan_sizes(self._model, self._member, params, self._side, previous)
