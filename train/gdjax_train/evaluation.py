"""All networks of a run at every size factor, as table, JSON and plots."""

from __future__ import annotations

from typing import Any, Literal

import flax.traverse_util
import jax
import numpy as np
from rich.console import Console

from gdjax.models.network_loading import read_arrays

from . import figures, insight, scale_table, tables
from .choices import Choices as Choices, check_choices
from .data import TrainingData, factors as test_factors, load_test, source
from .drawn import has_drawn_sizes, load_drawn
from .errors import UserError
from .figures import Candidate
from .progress import EvaluationProgress, say, waiting
from .recipe import Recipe
from .requirements import check_factors
from .resolution import Plans
from .run_files import RunFolder
from .scoring import Row, score_all, score_drawn, score_training
from .trained_on import load_training, training_sources
from .trials import Trial, build, or_default, trials
from .versions import versions


def evaluate(
    run: RunFolder, recipe: Recipe, choices: Choices, console: Console, *, command: str
) -> dict[str, Any]:
    """Evaluate a finished run and write evaluation.json and the plots.

    Args:
      run: folder of the run.
      recipe: of the run.
      choices: deviations from the recipe.
      console: to say on what happens.
      command: that asked for it; noted in the file.

    Returns:
      What evaluation.json holds.

    Raises:
      UserError: if a phase is not finished, or data are missing.
    """
    check_choices(choices, recipe)
    factors = chosen_factors(recipe, choices)
    candidates = find_candidates(run, recipe, choices)
    for candidate in candidates:
        if shape := candidate.facts.get("image_shape"):
            check_factors(factors, shape[:2])
    rows = _rows(recipe, choices, candidates, factors, console)
    result = {
        "factors": list(factors),
        "rows": [row.values for row in rows],
        "summary": tables.summary([row.values for row in rows]),
        "command": command,
        "seed": recipe.seed,
        "data": recipe.data.folder or recipe.data.name,
        **versions(recipe.precision),
    }
    prefix = "" if choices.name == "evaluation" else f"{choices.name}_"
    all_figures = choices.figures == "all"
    if all_figures and not any(each.network.sigmas for each in candidates):
        say(console, "no activation maps, no filters: there are no scale channels")
    try:
        with waiting(console, "drawing the figures"):
            figures.write_all(run, result, rows, prefix=prefix)
            if all_figures:
                insight.write_all(run, recipe, candidates, prefix=prefix)
        if text := scale_table.markdown(result):
            run.write_bytes(f"{prefix}internal_scales.md", text.encode())
    except Exception as error:
        # What took long isn't lost for a figure.
        run.write_json(f"{choices.name}.json", result)
        raise UserError(
            f"the figures could not be drawn ({type(error).__name__}: {error}); what"
            f" was measured is in {run.path / choices.name}.json; once the cause is"
            f" gone, gdjax-evaluate {run.path} evaluates and draws again"
        ) from error
    # Last: an evaluation that is there is a whole one.
    run.write_json(f"{choices.name}.json", result)
    return result


def show(run: RunFolder, result: dict[str, Any], console: Console) -> None:
    """Print the tables of an evaluation.

    Args:
      run: folder of the run.
      result: what evaluation.json holds.
      console: to print on.

    Raises:
      UserError: if it holds something else.
    """
    try:
        tables.print_scores(console, result)
        scale_table.print_ranges(console, result)
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise run.damaged("evaluation.json", "holds no results") from error


def chosen_factors(recipe: Recipe, choices: Choices) -> tuple[float, ...]:
    """Size factors to evaluate at, ascending.

    Raises:
      UserError: for what is no size factor.
    """
    from gdjax.data.rescaling import find_factor

    known = test_factors(source(trials(recipe)[0], "test")) or (1.0,)
    wanted = choices.factors or recipe.eval_factors or known
    # 2^(k/4) is typed with three decimals, but drawn and written as what it is.
    return tuple(sorted({find_factor(factor, known) or factor for factor in wanted}))


def find_candidates(
    run: RunFolder, recipe: Recipe, choices: Choices
) -> list[Candidate]:
    """The networks of a finished run, with their weights.

    Args:
      run: folder of the run.
      recipe: of the run.
      choices: which base scales, and which weights.

    Raises:
      UserError: if a phase is not finished, or its weights are damaged.
    """
    found = []
    which = choices.weights or recipe.evaluated
    for trial in trials(recipe):
        phases = {phase.name: phase for phase in trial.phases}
        for network in trial.networks(choices.sigmas):
            facts, variables = trained_network(run, trial, network.phase, which)
            # From the weights: the data may be elsewhere by now.
            if (shape := facts.get("image_shape")) is None:
                shape = TrainingData(run, recipe).facts(trial)["shape"]
            shape = recipe.preprocessing.shape(tuple(shape))
            plans = Plans(run, trial, phases[network.phase], side=max(shape[:2]))
            # The best weights are those of an earlier plan.
            plan = tuple(facts["plan"]) if "plan" in facts else plans.now()
            try:
                model = build(network.model, recipe.precision, plan)
            except (TypeError, ValueError) as error:
                raise UserError(" ".join(str(error).split())) from error
            variables = _fitted(model, variables, shape)
            found.append(
                Candidate(trial, network, model, variables, plans.compilations(), facts)
            )
    return found


def trained_network(
    run: RunFolder, trial: Trial, phase: str, which: Literal["last", "best"] = "last"
) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a finished phase ended with, or its best weights.

    Returns:
      What the file of the weights says of them, {} in older runs; the variables.

    Raises:
      UserError: if the phase is not finished, there are no best weights, or the file is
        damaged or another one's.
    """
    last = run.weights(trial.slug, phase)
    if not last.exists():
        raise UserError(
            f"{trial.name} ({phase}) is not trained to its end: continue with "
            f"gdjax-train --resume {run.path}"
        )
    path = run.weights(trial.slug, phase, best=which == "best")
    remedy = f"take it away and continue with gdjax-train --resume {run.path}"
    if which == "best":
        remedy = "evaluate with --weights last"
    if not path.exists():
        raise UserError(
            f"{trial.name} ({phase}) has no best weights, as where nothing was "
            f"validated: {remedy}"
        )
    try:
        described, variables = read_arrays(path)
    except ValueError as error:
        raise UserError(f"{error}; {remedy}") from error
    facts = described.get("facts", {})
    own = {"recipe": run.digest(), "trial": trial.slug, "phase": phase}
    for name, value in own.items():
        if None not in (value, facts.get(name)) and facts[name] != value:
            raise UserError(f"{path} is of another {name}; {remedy}")
    return facts, variables


def _fitted(model: Any, variables: Any, shape: tuple[int, ...]) -> Any:
    """Single numbers as such: files of older versions hold vectors of length 1."""
    blank = jax.ShapeDtypeStruct((1, *shape), np.float32)
    wanted = jax.eval_shape(lambda x: model.init(jax.random.key(0), x), blank)
    flat = flax.traverse_util.flatten_dict(wanted, sep="/")
    found = flax.traverse_util.flatten_dict(variables, sep="/")
    fitted = {
        name: array.reshape(()) if name in flat and flat[name].shape == () else array
        for name, array in found.items()
    }
    return {"batch_stats": {}, **flax.traverse_util.unflatten_dict(fitted, sep="/")}


def _rows(
    recipe: Recipe,
    choices: Choices,
    candidates: list[Candidate],
    factors: tuple[float, ...],
    console: Console,
) -> list[Row]:
    """One for each network and pooling; each image is read once for all networks."""
    rows = []
    for candidate in candidates:
        poolings = choices.poolings or candidate.trial.recipe.poolings
        several = len(candidate.network.sigmas) > 1
        for pooling in poolings if several else (None,):
            rows.append(Row.empty(candidate, pooling))
    limit = or_default(choices.test_images, recipe.data.test_images)
    tested = [source(each.trial, "test") for each in candidates]
    names = [f"{len(candidates)} networks", f"{len(factors)} sizes"]
    title = " at ".join(n.removesuffix("s" * n.startswith("1 ")) for n in names)
    trained = training_sources(recipe, candidates)
    total = len(factors) * len(tested) + sum(map(has_drawn_sizes, tested))
    total += len(candidates) if trained else 0
    # Each once, in order: distributions of sizes have none of their own.
    sources = dict.fromkeys(tested)
    with EvaluationProgress(console, f"evaluating {title}", total=total) as bar:
        for factor in factors:
            for own in sources:
                bar.size = f"size factor {factor:.3g}"
                with bar.during(f"reading images, {bar.size}"):
                    data = load_test(own, factor, data_dir=recipe.data_dir, limit=limit)
                if (found := len(data.label)) < (choices.test_images or 0):
                    raise UserError(
                        f"`test_images={choices.test_images}`: there are {found:,}; "
                        f"give 1 to {found}, or leave it out"
                    )
                score_all(
                    rows, own, data, recipe.eval_batch_size, shown=factor == 1, bar=bar
                )
        for own in filter(has_drawn_sizes, sources):
            bar.size = "drawn size factors"
            data = load_drawn(own, data_dir=recipe.data_dir, limit=limit)
            score_drawn(rows, own, data, recipe.eval_batch_size, bar=bar)
        for own in trained:
            bar.size = "training images"
            data = load_training(own, recipe)
            score_training(rows, own, data, recipe.eval_batch_size, bar=bar)
    return rows
