"""What --help and --list-ablations print: common things first, 80 columns wide."""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
import os
import textwrap
from collections.abc import Mapping
from typing import Any

from gdjax.models import FAMILIES

from . import ablations, recipes
from .errors import UserError
from .recipe import Recipe


WIDTH = 80
USAGE = """usage: gdjax-train [RECIPE] [--seed S] [--epochs N] [--out DIR] ...
       gdjax-train --resume RUN_DIR

Train the networks of a recipe, evaluate them at every size factor and draw the
curves. `gdjax-train` alone trains rescaled_digits; runs are in runs/ unless
--out says where. Pictures of your own, in a folder for each class:
gdjax-train RECIPE --data.folder PICTURES --model.num-classes N.

  gdjax-train RECIPE --help             its common options
  gdjax-train RECIPE --help-all         all options
  gdjax-train RECIPE --list-ablations   what may follow the names of its nets,
                                        as in --nets discrete+relu+separable
  gdjax-train --list-ablations          all of these
  gdjax-train --version
"""
FAMILY = f"""Another family of networks, whose fields are then those of --model:
--model.family, one of {", ".join(FAMILIES)}."""
# Options that most users need; names of fields, or of parts with some of theirs.
COMMON: dict[str, Any] = {
    name: None
    for name in (
        *("seed", "seeds", "epochs", "batch_size", "out", "data_dir", "nets"),
        *("multi_epochs", "precision", "poolings", "eval_factors", "tensorboard"),
    )
}
COMMON["data"] = dict.fromkeys(
    ("folder", "train_images", "validation_images", "test_images")
)
COMMON["model"] = {"num_classes": None}
COMMON["optimizer"] = {"name": None, "learning_rate": None}


def where_data_are() -> str:
    """The folder of prepared data sets, and what changes it."""
    # As gdjax.data has it, whose import takes seconds.
    folder = os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets"
    return (
        f"Data sets are downloaded at their first use and kept, prepared, in {folder}; "
        "the variable TFDS_DATA_DIR changes that. --data-dir is a folder of source "
        "files that you have. See `gdjax-data list`."
    )


def overview() -> str:
    """What `gdjax-train --help` prints: recipes by paper, with what they cost."""
    lines, group = [USAGE], ""
    for name, entry in recipes.RECIPES.items():
        if entry.group != group:
            group = entry.group
            lines += [f"{group}:", ""]
        indent = "    " if name.endswith("_small") else "  "
        default = " [default]" if name == recipes.DEFAULT else ""
        lines.append(f"{indent}{name}{default}")
        for text in (entry.description.splitlines()[0], str(entry.cost)):
            lines.append(_wrapped(text, indent + "    "))
        lines.append("")
    debug = "With --debug, any of the commands shows where an error comes from."
    return "\n".join([*lines, _wrapped(where_data_are()), "", debug])


def description(name: str) -> str:
    """What `gdjax-train RECIPE --help` says of a recipe above its options."""
    entry = recipes.RECIPES.get(name)
    if entry is None:
        return _wrapped(FAMILY)
    parts = [
        *inspect.cleandoc(entry.description).split("\n\n"),
        f"Costs: {entry.cost}.",
        FAMILY,
        f"All options: gdjax-train {name} --help-all",
        f"Ablations: gdjax-train {name} --list-ablations",
        where_data_are(),
    ]
    indent = "  "  # tyro joins other lines
    return "\n\n".join(
        textwrap.indent(part, indent) if "|--" in part else _wrapped(part, indent)
        for part in parts
    )


def list_ablations(name: str | None) -> str:
    """All ablations, or those that a recipe's networks have, and what they do."""
    numbered = {f"{prefix}2": make(2.0) for prefix, make in ablations.NUMBERED.items()}
    known = ablations.ABLATIONS | numbered
    recipe = None if name is None else recipes.find(name).recipe
    lines = ["ablations, after the name of a net: --nets discrete+relu+ABLATION", ""]
    for key, ablation in known.items():
        if recipe is not None and not _applies(recipe, key):
            continue
        words = " ".join((ablation.__doc__ or "").split())
        words += " Or another number." if key in numbered else ""
        lines.append(
            textwrap.fill(
                words, WIDTH,
                initial_indent=f"  {key:19} ", subsequent_indent=" " * 22,
            )
        )  # fmt: skip
    return "\n".join(lines)


def _applies(recipe: Recipe, name: str) -> bool:
    """Whether an ablation changes something that the recipe's networks have."""
    with contextlib.suppress(UserError, TypeError, ValueError):
        return ablations.apply(recipe, (name,)) != recipe
    return False


def common_options(recipe: Recipe) -> Any:
    """A dataclass with the common options of a recipe alone, for a short --help."""
    return _reduced(recipe, COMMON)


def _reduced(config: Any, names: Mapping[str, Any]) -> Any:
    fields = []
    for field in dataclasses.fields(config):
        if field.name not in names:
            continue
        value, kind = getattr(config, field.name), _hints(type(config))[field.name]
        if names[field.name] is not None:
            value = _reduced(value, names[field.name])
            kind = type(value)
        fields.append((field.name, kind, dataclasses.field(default=value)))
    kind = dataclasses.make_dataclass(
        type(config).__name__,
        fields,
        frozen=True,
        namespace={"__doc__": type(config).__doc__},
    )
    return kind()


def _hints(kind: type) -> dict[str, Any]:
    import typing

    return typing.get_type_hints(kind, include_extras=True)


def _wrapped(text: str, indent: str = "") -> str:
    return textwrap.fill(
        text, WIDTH, initial_indent=indent, subsequent_indent=indent,
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip
