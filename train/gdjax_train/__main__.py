"""gdjax-train: train the networks of a recipe, evaluate them, draw the curves."""

from __future__ import annotations

import dataclasses
import sys
import typing
from collections.abc import Sequence

from gdjax.models import FAMILIES
from gdjax.models.families import family_of
from gdjax.models.names import unknown

from . import recipes, require_packages
from .command_line import as_typed, run_script
from .errors import UserError
from .folders import with_absolute_folder
from .recipe import Recipe


if typing.TYPE_CHECKING:
    from .run_folder import RunFolder


USAGE = """usage: gdjax-train [RECIPE] [--seed S] [--epochs N] [--out DIR] ...
       gdjax-train --resume RUN_DIR

Train the networks of a recipe, evaluate them at every size factor and draw the
curves. The flags of a recipe: gdjax-train RECIPE --help

recipes:"""
FAMILY = f"""Another family of networks, whose fields are then those of --model:
--model.family, one of {", ".join(FAMILIES)}."""


def main(argv: Sequence[str] | None = None) -> int:
    """The console script gdjax-train; returns the exit code."""
    return run_script("gdjax-train", _main, argv)


def _main(arguments: list[str]) -> None:
    rest, resume = split_option(arguments, "--resume", "the folder of a run")
    if resume is None and rest[:1] in (["-h"], ["--help"]):
        print(overview())
        return
    require_packages()
    name, flags = split_name(rest)
    command = as_typed("gdjax-train", arguments)
    if resume is not None:
        _resume(resume, name, flags, command)
        return
    name = name or recipes.DEFAULT
    entry = recipes.find(name)
    recipe = parse(entry.recipe, flags, name=name, description=entry.description)

    # Only now: a mistyped flag should not wait for all of it.
    from . import data, run_folder
    from .validation import validate

    validate(recipe)
    run_folder.require_new(recipe.out)
    data.require(recipe)
    run = run_folder.create(name, recipe, command=command, out=recipe.out)
    _train_and_evaluate(run, recipe, command)


def _resume(path: str, name: str | None, flags: list[str], command: str) -> None:
    from . import run_folder
    from .recipe_files import differences

    run, own_name, recipe = run_folder.open_run(path)
    if name is not None and name != own_name:
        recipes.find(name)  # a typo gets its own message
        raise UserError(
            f"{path} is a run of {own_name!r}, not of {name!r}: "
            "leave the recipe out, or start a new run"
        )
    wanted = parse(recipe, flags, name=own_name, description="")
    if type(wanted.model) is not type(recipe.model):
        raise UserError(
            f"a resumed run keeps its family of networks, {family_of(recipe.model)}: "
            "leave --model.family out, or start a new run"
        )
    # The data may have moved; whether they are the same is checked by digest.
    recipe = dataclasses.replace(recipe, data_dir=wanted.data_dir)
    changed = differences(recipe, wanted)
    if changed:
        raise UserError(
            f"a resumed run keeps its recipe, but {', '.join(changed)}: "
            "leave these flags out, or start a new run"
        )
    for change in run_folder.compare_versions(run, recipe.precision):
        print(f"since the run began: {change}; its bits may come out differently")
    _train_and_evaluate(run, recipe, command)


def _train_and_evaluate(run: RunFolder, recipe: Recipe, command: str) -> None:
    from rich.console import Console

    from . import evaluation, loop, run_folder, scale_table, tables
    from .log import say

    console = Console()
    say(console, f"run folder {run.path}")
    with run_folder.locked(run):
        loop.train(run, recipe, console)
        result = run.read_json("evaluation.json")
        # Older results of networks without scale channels had other fields.
        if result is None or "factors" not in result:
            choices = evaluation.Choices()
            result = evaluation.evaluate(run, recipe, choices, console, command=command)
    tables.print_scores(console, result)
    scale_table.print_ranges(console, result)
    say(console, f"evaluation.json and plots are in {run.path}")


def split_option(
    arguments: list[str], flag: str, value: str
) -> tuple[list[str], str | None]:
    """Take a flag and its value out of the arguments.

    Args:
      arguments: of the command line.
      flag: such as "--resume".
      value: what it needs, in words.

    Raises:
      UserError: if the value is missing.
    """
    rest, found = [], None
    waiting = iter(arguments)
    for argument in waiting:
        name, equals, given = argument.partition("=")
        if name != flag:
            rest.append(argument)
            continue
        found = given if equals else next(waiting, "")
        if not found or found.startswith("-"):
            raise UserError(f"`{flag}` needs {value}")
    return rest, found


def split_name(arguments: list[str]) -> tuple[str | None, list[str]]:
    """The recipe's name, if the first argument is one, and the flags."""
    if arguments and not arguments[0].startswith("-"):
        return arguments[0], arguments[1:]
    return None, arguments


def parse(recipe: Recipe, flags: list[str], *, name: str, description: str) -> Recipe:
    """The recipe with the flags of the command line; tyro prints its own errors.

    The flags of the model are those of its family, so that one comes first.

    Raises:
      UserError: for an unknown family, with the nearest one.
    """
    import tyro

    flags, family = split_option(flags, "--model.family", "a family of networks")
    if family is not None:
        recipe = in_family(recipe, family)
    parsed = tyro.cli(
        Recipe,
        default=recipe,
        args=flags,
        prog=f"gdjax-train {name}",
        description=f"{description}\n\n{FAMILY}",
    )
    return with_absolute_folder(parsed)


def in_family(recipe: Recipe, family: str) -> Recipe:
    """The recipe with a network of another family, and the fields that both have."""
    from .ablations import as_family

    if family not in FAMILIES:
        raise unknown("family in `model.family`", family, FAMILIES, error=UserError)
    model = as_family(recipe.model, FAMILIES[family])
    return dataclasses.replace(recipe, model=model)


def overview() -> str:
    """What `gdjax-train --help` prints."""
    lines = [USAGE]
    for name, entry in recipes.RECIPES.items():
        summary = entry.description.splitlines()[0]
        default = " [default]" if name == recipes.DEFAULT else ""
        lines.append(f"  {name}{default}\n      {summary}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
