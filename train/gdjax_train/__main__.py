"""gdjax-train: train the networks of a recipe, evaluate them, draw the curves."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence

from . import recipes, require_packages
from .command_line import as_typed, run_script
from .errors import UserError
from .recipe import Recipe, differences
from .validation import validate


USAGE = """usage: gdjax-train [RECIPE] [--seed S] [--epochs N] [--out DIR] ...
       gdjax-train --resume RUN_DIR

Train the networks of a recipe, evaluate them at every size factor and draw the
curves. The flags of a recipe: gdjax-train RECIPE --help

recipes:"""


def main(argv: Sequence[str] | None = None) -> int:
    """The console script gdjax-train; returns the exit code."""
    return run_script("gdjax-train", _main, argv)


def _main(arguments: list[str]) -> None:
    rest, resume = split_resume(arguments)
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
    validate(recipe)

    # Only now: a mistyped flag should not wait for JAX.
    from . import run_folder, splits

    run_folder.require_new(recipe.out)
    splits.require(recipe)
    run = run_folder.create(name, recipe, command=command, out=recipe.out)
    _train_and_evaluate(run, recipe, command)


def _resume(path: str, name: str | None, flags: list[str], command: str) -> None:
    from . import run_folder

    run, own_name, recipe = run_folder.open_run(path)
    if name is not None and name != own_name:
        recipes.find(name)  # a typo gets its own message
        raise UserError(
            f"{path} is a run of {own_name!r}, not of {name!r}: "
            "leave the recipe out, or start a new run"
        )
    wanted = parse(recipe, flags, name=own_name, description="")
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


def _train_and_evaluate(run: object, recipe: Recipe, command: str) -> None:
    from rich.console import Console

    from . import evaluation, loop, run_folder, session as sessions

    assert isinstance(run, run_folder.RunFolder)
    console = Console()
    session = sessions.open_session(run, recipe, console)
    session.say(f"run folder {run.path}")
    with run_folder.locked(run):
        loop.train(session)
        result = run.read_json("evaluation.json")
        if result is None:
            result = evaluation.evaluate(session, evaluation.Choices(), command=command)
    evaluation.print_table(console, result)
    session.say(f"evaluation.json and plots are in {run.path}")


def split_resume(arguments: list[str]) -> tuple[list[str], str | None]:
    """Take `--resume RUN_DIR` out of the arguments.

    Raises:
      UserError: if the folder is missing.
    """
    rest, resume = [], None
    waiting = iter(arguments)
    for argument in waiting:
        flag, equals, value = argument.partition("=")
        if flag != "--resume":
            rest.append(argument)
            continue
        resume = value if equals else next(waiting, "")
        if not resume or resume.startswith("-"):
            raise UserError("`--resume` needs the folder of a run")
    return rest, resume


def split_name(arguments: list[str]) -> tuple[str | None, list[str]]:
    """The recipe's name, if the first argument is one, and the flags."""
    if arguments and not arguments[0].startswith("-"):
        return arguments[0], arguments[1:]
    return None, arguments


def parse(recipe: Recipe, flags: list[str], *, name: str, description: str) -> Recipe:
    """The recipe with the flags of the command line; tyro prints its own errors."""
    import tyro

    return tyro.cli(
        Recipe,
        default=recipe,
        args=flags,
        prog=f"gdjax-train {name}",
        description=description,
    )


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
