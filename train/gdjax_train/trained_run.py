"""A finished run, as networks."""

from __future__ import annotations

import dataclasses
import os
import pathlib
from typing import Any, Literal

import numpy as np

import gdjax
from gdjax.models.any_module import AnyModule
from gdjax.models.network_loading import Network
from gdjax.scalespace.checks import shown

from . import run_folder
from .data import TrainingData, class_names, source
from .errors import UserError
from .evaluation import Choices, find_candidates
from .figures import Candidate
from .own_networks import OwnNetworkConfig
from .paths import checked_path
from .recipe import Recipe
from .trials import give_network
from .versions import require_same_types


WEIGHTS = "last", "best"


@dataclasses.dataclass(frozen=True, eq=False)
class TrainedRun:
    """The networks of a finished run (gdjax).

    Attributes:
      path: of its folder.
      networks: by their names, as rows of evaluation.json begin with, such as
        "spectral+silu, 5 channels".
      recipe: that they were trained by.
      history: rows of metrics.jsonl.
    """

    path: pathlib.Path
    networks: dict[str, Network]
    recipe: Recipe = dataclasses.field(repr=False)
    history: list[dict[str, Any]] = dataclasses.field(repr=False)

    @property
    def class_names(self) -> tuple[str, ...]:
        """K names, or () where the data set has none."""
        return self.network().class_names

    def network(self, name: str | None = None) -> Network:
        """A network by its name; None: the last one, which has the most channels.

        Raises:
          ValueError: for another name.
        """
        if name is None:
            return list(self.networks.values())[-1]
        if not isinstance(name, str) or name not in self.networks:
            raise ValueError(
                f"`network={name!r}` is none of {', '.join(map(repr, self.networks))}."
            )
        return self.networks[name]

    def scores(self, images: Any, *, network: str | None = None) -> np.ndarray:
        """Logits [B, K], of segmentations [B, H, W, K]; arguments as of `predict`."""
        return self.network(network).scores(images)

    def predict(self, images: Any, *, network: str | None = None) -> np.ndarray:
        """Class indices [B], of segmentations [B, H, W].

        Args:
          images: [B, H, W, C], uint8, uint16, or floats in 0..1.
          network: name of the network; None: the last one.

        Raises:
          TypeError, ValueError: for other images, or another name.
        """
        return self.network(network).predict(images)


def load_run(
    path: str | os.PathLike[str],
    *,
    weights: Literal["last", "best"] | None = None,
    model: Any = None,
) -> TrainedRun:
    """The networks of a finished run (gdjax).

    Args:
      path: of its folder.
      weights: the last ones, or those that did best in validation; None: as its recipe
        evaluates.
      model: Linen module, of runs of `train_recipe` that were given one.

    Raises:
      TypeError: for what is no path, or no module.
      UserError: if it is no folder of a run, is not trained to its end, or a file in it
        is damaged.
    """
    path = checked_path(path, name="path")
    if not (weights is None or (isinstance(weights, str) and weights in WEIGHTS)):
        raise UserError(f'`weights={shown(weights)}`: give "last" or "best"')
    if model is not None:
        give_network(model)
    if os.path.isfile(path / "fit.json"):
        raise UserError(
            f"{path} is a folder of `fit`: call `fit` again as before, which returns"
            " what it trained, and keep that by `.save` for `gdjax.models.load_network`"
        )
    if not os.path.isdir(path):  # also where no name can be so long
        what = "is no folder" if os.path.lexists(path) else "doesn't exist"
        raise UserError(f"`path={path}` {what}: give the folder of a run")
    run, _, recipe = run_folder.open_run(path)
    require_same_types(run)
    candidates = find_candidates(run, recipe, Choices(weights=weights))
    found = {}
    for candidate in candidates:
        name = ", ".join(filter(None, (candidate.trial.name, candidate.network.label)))
        found[name] = _network(candidate, TrainingData(run, recipe))
    return TrainedRun(run.path, found, recipe, run.metrics())


def _network(candidate: Candidate, data: TrainingData) -> Network:
    config, recipe, facts = (
        candidate.network.model, candidate.trial.recipe, candidate.facts
    )  # fmt: skip
    # What the weights say holds wherever the data are by now, and whatever they are.
    if "image_shape" in facts:
        shape, names = facts["image_shape"], tuple(facts.get("class_names", ()))
    else:
        shape = data.facts(candidate.trial)["shape"]
        names = class_names(source(candidate.trial, "train"))
    return Network(
        module=AnyModule.of(candidate.model).module,
        variables=candidate.variables,
        config=None if isinstance(config, OwnNetworkConfig) else config,
        class_names=names if len(names) == config.num_classes else (),
        image_shape=tuple(shape),
        preprocessing=recipe.preprocessing,
        version=gdjax.__version__,
        facts={},
    )
