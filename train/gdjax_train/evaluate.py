"""gdjax-evaluate: accuracy of a finished run at every size factor."""

from __future__ import annotations

import dataclasses
import math
import sys
from collections.abc import Sequence
from typing import Literal

import gdjax
from gdjax.scalespace.checks import LARGEST_SIGMA

from . import require_packages
from .command_line import as_typed, run_script
from .errors import UserError
from .recipe import Pooling
from .trials import or_default


@dataclasses.dataclass(frozen=True)
class Request:
    """Evaluate a finished run again; rewrites evaluation.json and the plots in it.

    Attributes:
      run_dir: the run folder.
      factors: size factors of the test images; none: the recipe's.
      sigmas: base scales in px of the multi-scale nets; none: the recipe's.
      per_octave: as many scale channels per octave as this, from the finest of the
        recipe on: dense-scale transfer.
      up_to: the coarsest of them in px; None: that of the recipe.
      poolings: over scale channels; none: the recipe's.
      weights: the last ones of each phase, or those that did best on the validation
        images; None: as the recipe says.
      test_images: the first so many of each factor; None: the recipe's.
      data_dir: where the data sets are, if they have moved.
      figures: "all" also draws, of networks in scale channels, the last layer's
        activation maps in every channel, and the effective filters of every layer in
        the finest, the middle and the coarsest one.
      name: write NAME.json in place of evaluation.json, and figures with that prefix.
    """

    run_dir: str
    factors: tuple[float, ...] = ()
    sigmas: tuple[float, ...] = ()
    per_octave: int | None = None
    up_to: float | None = None
    poolings: tuple[Pooling, ...] = ()
    weights: Literal["last", "best"] | None = None
    test_images: int | None = None
    data_dir: str | None = None
    figures: Literal["curves", "all"] = "curves"
    name: str = "evaluation"


# Channels per octave; the tolerance of one is a twentieth of an octave and more.
DENSEST = 64


def dense_sigmas(request: Request, trained: tuple[float, ...]) -> tuple[float, ...]:
    """The scale channels to evaluate, px; () for the recipe's.

    Args:
      request: of the user.
      trained: base scales of the recipe.

    Raises:
      UserError: for a density or an end that leave no channels.

    [gaussderresnet] A.5: trained sqrt 2 apart, tested 2^(1/4) apart.
    """
    if request.per_octave is None and request.up_to is None:
        return request.sigmas
    if request.sigmas or not trained:
        raise UserError(
            "`per_octave` and `up_to` go from the recipe's scale channels: leave"
            " --sigmas out, and use a recipe that has several"
        )
    per_octave = request.per_octave if request.per_octave is not None else 2
    first, last = min(trained), or_default(request.up_to, max(trained))
    if not 1 <= per_octave <= DENSEST or not first <= last <= LARGEST_SIGMA:
        raise UserError(
            f"`per_octave={per_octave}`, `up_to={last}`: give 1 to {DENSEST}, and an"
            f" end of {first:g} to {LARGEST_SIGMA:g} px"
        )
    # Rounded: 2.83 is typed where 2 sqrt 2 is meant.
    count = round(per_octave * math.log2(last / first))
    return tuple(first * 2 ** (k / per_octave) for k in range(count + 1))


def main(argv: Sequence[str] | None = None) -> int:
    """The console script gdjax-evaluate; returns the exit code."""
    return run_script("gdjax-evaluate", _main, argv)


def _main(arguments: list[str]) -> None:
    require_packages()
    import tyro

    request = tyro.cli(
        Request,
        args=arguments,
        prog="gdjax-evaluate",
        config=(tyro.conf.PositionalRequiredArgs,),
    )

    # Only now: a mistyped flag should not wait for all of it.
    from . import alarms, evaluation, run_folder, versions
    from .choices import check_choices
    from .folders import with_whole_paths
    from .progress import open_console, say

    run, _, recipe = run_folder.open_run(request.run_dir)
    if request.data_dir is not None:
        recipe = dataclasses.replace(recipe, data_dir=request.data_dir)
        recipe = with_whole_paths(recipe)
    versions.require_same_types(run)
    console = open_console()
    say(console, f"gdjax {gdjax.__version__} on {versions.devices()}")
    trained = recipe.model.sigmas if recipe.model.scale_channels else ()
    choices = evaluation.Choices(
        factors=request.factors,
        sigmas=dense_sigmas(request, trained),
        poolings=request.poolings,
        weights=request.weights,
        test_images=request.test_images,
        figures=request.figures,
        name=request.name,
    )
    check_choices(choices, recipe)
    command = as_typed("gdjax-evaluate", arguments)
    with alarms.quiet():
        result = evaluation.evaluate(run, recipe, choices, console, command=command)
    evaluation.show(run, result, console)
    say(console, f"written in {run.path}:")
    for name in dict.fromkeys(run.written):
        say(console, f"  {name}")


if __name__ == "__main__":
    sys.exit(main())
