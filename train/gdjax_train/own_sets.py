"""Images that were given in Python, by the name that a recipe has for them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .errors import UserError
from .own_data import OwnData


class OwnSet(NamedTuple):
    """The splits of a data set that is in memory, or is read by its own code.

    Attributes:
      splits: "train", "test" and perhaps "validation".
      classes: names, or ().
    """

    splits: dict[str, OwnData]
    classes: tuple[str, ...]


# What this process was given; names hold a digest of images and labels.
SETS: dict[str, OwnSet] = {}
PREFIX = "own-"


def is_own(name: str) -> bool:
    """Whether a data set is one that was given in Python."""
    return name.startswith(PREFIX)


def load_own(name: str, split: str, *, limit: int | None, lazy: bool) -> OwnData:
    """Images and labels of a split.

    Raises:
      UserError: if this process wasn't given them.
    """
    if name not in SETS:
        raise UserError(
            f"the images of {name!r} were given in Python: go on by"
            " `gdjax_train.train_recipe` with the same images"
        )
    data = SETS[name].splits[split]
    if lazy and limit is None:
        return data
    rows = slice(None) if limit is None else slice(limit)
    return data._replace(image=np.asarray(data.image[rows]), label=data.label[rows])


def own_classes(name: str) -> tuple[str, ...]:
    """Names of the classes; () where they are not known."""
    return SETS[name].classes if name in SETS else ()


def load_own_at(name: str, factor: float, *, limit: int | None) -> Any:
    """Test images, rescaled about their centres on canvases of their own side."""
    from .folders import rescaled

    data = load_own(name, "test", limit=limit, lazy=False)
    return rescaled(data, factor, what=f"the set {name!r}")
