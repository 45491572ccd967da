"""gdjax-evaluate: accuracy of a finished run at every size factor."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence

import tyro

from .command_line import as_typed, run_script
from .recipe import Pooling


@dataclasses.dataclass(frozen=True)
class Request:
    """Evaluate a finished run again; rewrites evaluation.json and the plots in it.

    Attributes:
      run_dir: the run folder.
      factors: size factors of the test images; none: the recipe's.
      sigmas: base scales in px of the multi-scale nets; none: the recipe's.
      poolings: over scale channels; none: the recipe's.
      test_images: the first so many of each factor; None: the recipe's.
      data_dir: where the data sets are, if they have moved.
    """

    run_dir: tyro.conf.Positional[str]
    factors: tuple[float, ...] = ()
    sigmas: tuple[float, ...] = ()
    poolings: tuple[Pooling, ...] = ()
    test_images: int | None = None
    data_dir: str | None = None


def main(argv: Sequence[str] | None = None) -> int:
    """The console script gdjax-evaluate; returns the exit code."""
    return run_script("gdjax-evaluate", _main, argv)


def _main(arguments: list[str]) -> None:
    request = tyro.cli(Request, args=arguments, prog="gdjax-evaluate")

    # Only now: a mistyped flag should not wait for JAX.
    from rich.console import Console

    from . import evaluation, run_folder, session as sessions

    run, _, recipe = run_folder.open_run(request.run_dir)
    if request.data_dir is not None:
        recipe = dataclasses.replace(recipe, data_dir=request.data_dir)
    console = Console()
    session = sessions.open_session(run, recipe, console)
    choices = evaluation.Choices(
        factors=request.factors,
        sigmas=request.sigmas,
        poolings=request.poolings,
        test_images=request.test_images,
    )
    command = as_typed("gdjax-evaluate", arguments)
    result = evaluation.evaluate(session, choices, command=command)
    evaluation.print_table(console, result)


if __name__ == "__main__":
    sys.exit(main())
