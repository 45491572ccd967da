"""gdjax-train: train the networks of a recipe, evaluate them, draw the curves."""

from __future__ import annotations

import dataclasses
import sys
import typing
from collections.abc import Sequence
from typing import Any

import gdjax
from gdjax.models import FAMILIES
from gdjax.models.families import family_of
from gdjax.models.names import unknown

from . import help_texts, recipes, require_packages
from .command_line import as_typed, run_script
from .errors import UserError
from .folders import with_whole_paths
from .recipe import Recipe


if typing.TYPE_CHECKING:
    from .run_files import RunFolder


def main(argv: Sequence[str] | None = None) -> int:
    """The console script gdjax-train; returns the exit code."""
    return run_script("gdjax-train", _main, argv)


def _main(arguments: list[str]) -> None:
    rest, resume = split_option(arguments, "--resume", "the folder of a run")
    if resume is None and rest[:1] in (["-h"], ["--help"]):
        print(help_texts.overview())
        return
    if "--list-ablations" in rest:
        print(help_texts.list_ablations(split_name(rest)[0]))
        return
    require_packages()
    name, flags = split_name(rest)
    command = as_typed("gdjax-train", arguments)
    if resume is not None:
        _resume(resume, name, flags, command)
        return
    name = name or recipes.DEFAULT
    entry = recipes.find(name)
    description = help_texts.description(name)
    recipe = parse(entry.recipe, flags, name=name, description=description)

    # Only now: a mistyped flag should not wait for all of it.
    from . import interruption, run_folder, versions
    from .idle import check_idle
    from .requirements import require
    from .validation import validate

    validate(recipe)
    check_idle(recipe, entry.recipe)
    run_folder.require_new(recipe.out)
    versions.devices()
    require(recipe, usual=entry.recipe)
    run = run_folder.create(name, recipe, command=command, out=recipe.out)
    with interruption.resumable(run, recipe), run_folder.kept_if_begun(run):
        train_and_evaluate(run, recipe, command)


def _resume(path: str, name: str | None, flags: list[str], command: str) -> None:
    from . import interruption, run_folder, versions
    from .recipe_files import differences

    run, own_name, recipe = run_folder.open_run(path)
    if name is not None and name != own_name:
        recipes.find(name)  # a typo gets its own message
        raise UserError(
            f"{path} is a run of {own_name!r}, not of {name!r}: "
            "leave the recipe out, or start a new run"
        )
    description = help_texts.description(own_name)
    wanted = parse(recipe, flags, name=own_name, description=description)
    if type(wanted.model) is not type(recipe.model):
        raise UserError(
            f"a resumed run keeps its family of networks, {family_of(recipe.model)}: "
            "leave --model.family out, or start a new run"
        )
    # The data may have moved; whether they are the same is checked by digest.
    moved = wanted.data_dir if wanted.data_dir != recipe.data_dir else None
    recipe = dataclasses.replace(recipe, data_dir=wanted.data_dir)
    changed = differences(recipe, wanted)
    if changed:
        raise UserError(
            f"a resumed run keeps its recipe, but {', '.join(changed)}: "
            "leave these flags out, or start a new run"
        )
    versions.devices()
    versions.require_same_types(run)
    for change in versions.compare_versions(run, recipe.precision):
        print(f"since the run began: {change}; its bits may come out differently")
    with interruption.resumable(run, recipe, data_dir=moved):
        train_and_evaluate(run, recipe, command)


def train_and_evaluate(run: RunFolder, recipe: Recipe, command: str) -> None:
    """Do what is not done yet of a run, and say what came out."""
    from . import alarms, evaluation, loop, run_folder
    from .progress import open_console, say
    from .trials import trials
    from .versions import devices

    console = open_console()
    say(console, f"gdjax {gdjax.__version__} on {devices()}")
    phases = sum(len(trial.phases) for trial in trials(recipe))
    count = f"{phases} training{'' if phases == 1 else 's'} and the evaluation"
    say(console, f"run folder {run.path}: {count}")
    with run_folder.locked(run), alarms.quiet():
        loop.train(run, recipe, console)
        result = run.read_json("evaluation.json")
        # Older results of networks without scale channels had other fields.
        if result is None or "factors" not in result:
            choices = evaluation.Choices()
            result = evaluation.evaluate(run, recipe, choices, console, command=command)
    evaluation.show(run, result, console)
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
    prog = f"gdjax-train {name}"
    if {"-h", "--help"} & set(flags):
        common = help_texts.common_options(recipe)
        kind: Any = type(common)
        tyro.cli(
            kind, default=common, args=["--help"], prog=prog, description=description
        )
    flags = ["--help" if flag == "--help-all" else flag for flag in flags]
    parsed = tyro.cli(
        Recipe, default=recipe, args=flags, prog=prog, description=description
    )
    return with_whole_paths(parsed)


def in_family(recipe: Recipe, family: str) -> Recipe:
    """The recipe with a network of another family, and the fields that both have."""
    from .ablations import as_family

    if family not in FAMILIES:
        raise unknown("family in `model.family`", family, FAMILIES, error=UserError)
    model = as_family(recipe.model, FAMILIES[family])
    return dataclasses.replace(recipe, model=model)


if __name__ == "__main__":
    sys.exit(main())
