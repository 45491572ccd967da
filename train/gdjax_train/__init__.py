"""Training and evaluation: `fit`, `load_run`, `evaluate_scales`, and the commands."""

from __future__ import annotations

import importlib
import typing


if typing.TYPE_CHECKING:
    from .fitted import Fitted as Fitted
    from .fitting import fit as fit
    from .own_recipes import train_recipe as train_recipe
    from .recipe import Recipe as Recipe
    from .scale_evaluation import evaluate_scales as evaluate_scales
    from .trained_run import TrainedRun as TrainedRun, load_run as load_run

# Where they are; imported when they are asked for, since `--help` has no use for them.
_PLACES = {
    "Fitted": "fitted",
    "Recipe": "recipe",
    "TrainedRun": "trained_run",
    "evaluate_scales": "scale_evaluation",
    "fit": "fitting",
    "load_run": "trained_run",
    "train_recipe": "own_recipes",
}
__all__ = sorted(_PLACES)


def __getattr__(name: str) -> typing.Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    require_packages()
    return getattr(importlib.import_module(f".{_PLACES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


# What a run needs of the extra `train`, by the names in `import`.
PACKAGES = (
    "optax",
    "orbax",
    "grain",
    "rich",
    "tyro",
    "tensorflow_datasets",
    "importlib_resources",
    "array_record",
    "h5py",
    "PIL",
    "skimage",
    "sklearn",
    "matplotlib",
)


def require_packages() -> None:
    """Check that the packages of the extra are installed; imports none of them.

    Raises:
      UserError: if one isn't; the message has the remedy.
    """
    from importlib.util import find_spec

    if any(find_spec(package) is None for package in PACKAGES):
        from gdjax import extras

        from .errors import UserError

        missing = extras.absent(PACKAGES)
        raise UserError(extras.message("gdjax_train", "train", missing))
