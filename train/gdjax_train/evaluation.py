"""Accuracy at every size factor of every network of a run, as table, JSON and plots."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

import numpy as np
from rich.console import Console
from rich.table import Table

from . import figures, njet, njet_evaluation, predict
from .errors import UserError
from .figures import Candidate
from .loop import final_variables
from .members import build_model, member_recipe, members, networks
from .recipe import Pooling
from .run_folder import RunFolder, versions
from .session import Session
from .splits import factors as test_factors, load_factor


@dataclasses.dataclass(frozen=True)
class Choices:
    """What is evaluated; where empty or None: as the recipe says.

    Attributes:
      factors: size factors of the test images.
      sigmas: base scales in px of the multi-scale nets.
      poolings: over scale channels.
      test_images: the first so many of each factor.
      figures: "curves": accuracies and scale selection; "all": also activation maps
        and effective filters.
      name: of the JSON file, and what the names of the figures begin with.
    """

    factors: tuple[float, ...] = ()
    sigmas: tuple[float, ...] = ()
    poolings: tuple[Pooling, ...] = ()
    test_images: int | None = None
    figures: Literal["curves", "all"] = "curves"
    name: str = "evaluation"


def evaluate(session: Session, choices: Choices, *, command: str) -> dict[str, Any]:
    """Evaluate a finished run and write evaluation.json and the plots.

    Args:
      session: of the run.
      choices: deviations from the recipe.
      command: that asked for it; noted in the file.

    Returns:
      What evaluation.json holds.

    Raises:
      UserError: if a stage is not finished, or data are missing.
    """
    recipe = session.recipe
    if njet.is_njet(recipe.model):
        if choices.factors or choices.sigmas or choices.poolings:
            raise UserError(
                "networks of [njet] have no scale channels, and are tested at the size "
                "that they were trained at: leave factors, sigmas and poolings out"
            )
        return njet_evaluation.evaluate(
            session, test_images=choices.test_images, name=choices.name, command=command
        )
    factors = chosen_factors(session, choices)
    candidates = _candidates(session, choices.sigmas)
    rows = _rows(session, choices, candidates, factors)
    result = {
        "factors": list(factors),
        "rows": rows,
        "command": command,
        "seed": recipe.seed,
        "data": recipe.data.name,
        **versions(recipe.precision),
    }
    session.run.write_json(f"{choices.name}.json", result)
    prefix = "" if choices.name == "evaluation" else f"{choices.name}_"
    write_plots(session.run, result, prefix=prefix)
    if choices.figures == "all":
        figures.write_insight(session, candidates, prefix=prefix)
    return result


def chosen_factors(session: Session, choices: Choices) -> tuple[float, ...]:
    """Size factors to evaluate at, ascending.

    Raises:
      UserError: for what is no size factor.
    """
    from gdjax.data.rescaling import find_factor

    known = test_factors(session.recipe.data) or (1.0,)
    wanted = choices.factors or session.recipe.eval_factors or known
    wrong = [factor for factor in wanted if not 0 < factor < np.inf]
    if wrong:
        raise UserError(f"size factors must be positive numbers, got {wrong}")
    # 2^(k/4) is typed with three decimals, but drawn and written as what it is.
    return tuple(sorted({find_factor(factor, known) or factor for factor in wanted}))


def _rows(
    session: Session,
    choices: Choices,
    candidates: list[Candidate],
    factors: tuple[float, ...],
) -> list[dict[str, Any]]:
    """Rows of evaluation.json; each factor's images are read once for all networks."""
    recipe = session.recipe
    rows: dict[tuple[int, str], dict[str, Any]] = {}
    for number, candidate in enumerate(candidates):
        several = len(candidate.network.sigmas) > 1
        own = member_recipe(recipe, candidate.member)
        poolings = choices.poolings or own.poolings
        for pooling in poolings if several else poolings[:1]:
            rows[number, pooling] = _empty_row(candidate, pooling if several else None)
    limit = choices.test_images or recipe.data.test_images
    session.say(f"evaluating {len(candidates)} networks at {len(factors)} sizes")
    with session.console.status("") as status:
        for factor in factors:
            status.update(f"size factor {factor:.3g}")
            data = load_factor(
                recipe.data, factor, data_dir=recipe.data_dir, limit=limit
            )
            for number, candidate in enumerate(candidates):
                per_scale = predict.per_scale_logits(
                    candidate.model,
                    candidate.variables,
                    data.image,
                    batch_size=recipe.eval_batch_size,
                )
                for (which, pooling), row in rows.items():
                    if which == number:
                        _score(row, per_scale, data.label, pooling)
    return list(rows.values())


def _candidates(session: Session, sigmas: tuple[float, ...]) -> list[Candidate]:
    found = []
    for member in members(session.recipe):
        restored: dict[str, Any] = {}
        for network in networks(session.recipe, member, sigmas=sigmas):
            if network.stage not in restored:
                variables = final_variables(session, member, network.stage)
                restored[network.stage] = variables
            model = build_model(session.recipe, member, network.sigmas)
            found.append(Candidate(member, network, model, restored[network.stage]))
    return found


def _empty_row(candidate: Candidate, pooling: str | None) -> dict[str, Any]:
    member, network = candidate.member, candidate.network
    suffix = f", {pooling}" if pooling else ""
    return {
        "name": f"{member.name}, {network.label}{suffix}",
        "sigmas": list(network.sigmas),
        "pooling": pooling,
        "discretisation": member.discretisation,
        "activation": member.activation,
        "train_size": member.size,
        "stage": network.stage,
        "images": [],
        "accuracy": [],
        "selected": [],
    }


def _score(
    row: dict[str, Any], per_scale: np.ndarray, labels: np.ndarray, pooling: str
) -> None:
    """Add accuracy and selected channels at the next factor to a row."""
    from gdjax.metrics import scale_contributions

    classes = predict.pooled(per_scale, pooling).argmax(-1)
    fractions = scale_contributions(per_scale, pooling=pooling).mean(0)
    row["images"].append(len(labels))
    row["accuracy"].append(float((classes == labels).mean()))
    row["selected"].append([float(fraction) for fraction in fractions])


def print_table(console: Console, result: dict[str, Any]) -> None:
    """The accuracies in per cent, one row a network."""
    if result.get("kind") == "njet":
        njet_evaluation.print_table(console, result)
        return
    table = Table(title="test accuracy in % by size factor", box=None, title_style="")
    table.add_column("", no_wrap=True)
    for factor in result["factors"]:
        table.add_column(f"{factor:.2f}", justify="right", no_wrap=True)
    for row in result["rows"]:
        table.add_row(row["name"], *(f"{100 * a:.1f}" for a in row["accuracy"]))
    # A cut column helps nobody, a wrapped line is still readable: so measure the table.
    needed = table.__rich_measure__(console, console.options.update(max_width=10_000))
    wide = Console(file=console.file, width=max(console.width, needed.maximum))
    wide.print(table)


def write_plots(run: RunFolder, result: dict[str, Any], *, prefix: str = "") -> None:
    """Draw generalisation.png and, for multi-scale nets, scale_selection.png."""
    from gdjax.plots.generalisation import generalisation_curve
    from gdjax.plots.scale_selection import scale_selection_maps

    factors, rows = result["factors"], result["rows"]
    figure = generalisation_curve(factors, rows)
    figures.write(run, f"{prefix}generalisation.png", figure)
    panels = [
        (row["name"], np.array(row["selected"]), row["sigmas"])
        for row in rows
        if len(row["sigmas"]) > 1
    ]
    if panels:
        figure = scale_selection_maps(panels, factors)
        figures.write(run, f"{prefix}scale_selection.png", figure)
