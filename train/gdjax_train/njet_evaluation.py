"""What networks of [njet] have learned: scores, sigmas, sizes of their feature maps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from rich.console import Console
from rich.table import Table

from . import figures, njet, predict
from .loop import final_variables
from .losses import IGNORED
from .members import members, stages
from .run_folder import RunFolder, versions
from .session import Plan, Session, make_plan
from .splits import load_test


# In the picture of segmentations.
IMAGES = 4


def evaluate(
    session: Session, *, test_images: int | None, name: str, command: str
) -> dict[str, Any]:
    """Evaluate a finished run and write NAME.json and the plots.

    Args:
      session: of the run.
      test_images: the first so many; None: as the recipe says.
      name: of the JSON file.
      command: that asked for it; noted in the file.

    Returns:
      What the file holds.

    Raises:
      UserError: if a stage is not finished, or data are missing.
    """
    recipe = session.recipe
    limit = test_images or recipe.data.test_images
    rows, sheets = [], {}
    for member in members(recipe):
        (stage,) = stages(recipe, member)
        plan = make_plan(session, member, stage)
        variables = final_variables(session, member, stage.name)
        data = load_test(recipe.data, member, data_dir=recipe.data_dir, limit=limit)
        session.say(f"evaluating {member.name} on {len(data.label)} images")
        found = predict.classes(
            plan.model(), variables, data.image, batch_size=recipe.eval_batch_size
        )
        rows.append(_row(plan, variables, found, data))
        if found.ndim > 1:
            sheet = sheets.setdefault(member.size, (data.image, data.label, []))
            sheet[2].append((member.name, found[:IMAGES]))
    result = {
        "kind": "njet",
        "rows": rows,
        "command": command,
        "seed": recipe.seed,
        "data": recipe.data.name,
        **versions(recipe.precision),
    }
    session.run.write_json(f"{name}.json", result)
    prefix = "" if name == "evaluation" else f"{name}_"
    write_plots(session.run, result, prefix=prefix, bounds=recipe.model.njet.bounds)
    for size, (images, labels, predictions) in sheets.items():
        figure = _sheet(recipe.model.num_classes, images, labels, predictions)
        figures.write(session.run, f"{prefix}segmentation_size{size:g}.png", figure)
    return result


def _row(
    plan: Plan, variables: dict[str, Any], found: np.ndarray, data: Any
) -> dict[str, Any]:
    params, member = variables["params"], plan.member
    sigmas = njet.learned_sigmas(params, plan.recipe.model.njet.bounds)
    row = {
        "name": member.name,
        "train_size": member.size,
        "images": len(data.label),
        "accuracy": predict.share_correct(found, data.label),
        "parameters": sum(leaf.size for leaf in jax.tree.leaves(params)),
        "sigmas": {layer: sigma.tolist() for layer, sigma in sigmas.items()},
        "sizes": feature_maps(plan.model(), variables, data.image.shape[1:]),
        "compilations": plan.resolution.compilations(),
    }
    if found.ndim > 1:
        from gdjax.metrics import confusion_matrix, intersection_over_union, mean_iou

        confusion = confusion_matrix(
            data.label, found, num_classes=plan.recipe.model.num_classes,
            ignore_index=IGNORED,
        )  # fmt: skip
        each = intersection_over_union(confusion)
        row["iou"] = [None if np.isnan(value) else float(value) for value in each]
        row["mean_iou"] = mean_iou(confusion)
    return row


def feature_maps(
    model: Any, variables: dict[str, Any], shape: Sequence[int]
) -> list[list[int]]:
    """(height, width) in px after every layer, for images of a shape [H, W, C]."""
    seen: list[tuple[int, ...]] = []

    def look(variables: Any, image: jax.Array) -> jax.Array:
        logits, aux = model.apply(variables, image, train=False)
        seen.extend(aux["sizes"])
        return logits

    blank = jax.ShapeDtypeStruct((1, *shape), np.float32)
    jax.eval_shape(look, variables, blank)
    return [list(size) for size in seen]


def _sheet(classes: int, images: Any, labels: Any, predictions: list) -> Any:
    from gdjax.plots.segmentation import segmentation_sheet

    return segmentation_sheet(
        images[:IMAGES], labels[:IMAGES], predictions, num_classes=classes
    )


def print_table(console: Console, result: dict[str, Any]) -> None:
    """Scores in per cent and sigmas, one row a network."""
    segmented = any("mean_iou" in row for row in result["rows"])
    table = Table(box=None)
    table.add_column("", no_wrap=True)
    heads = ["accuracy %", "parameters", "compilations", "sigma of each layer, px"]
    for head in (["mean IoU %"] if segmented else []) + heads:
        table.add_column(head, justify="right", no_wrap=True)
    for row in result["rows"]:
        cells = [f"{100 * row['mean_iou']:.1f}"] if segmented else []
        cells += [
            f"{100 * row['accuracy']:.2f}",
            f"{row['parameters']:,}",
            str(row["compilations"]),
            " ".join(f"{np.median(sigma):.2f}" for sigma in row["sigmas"].values()),
        ]
        table.add_row(row["name"], *cells)
    needed = table.__rich_measure__(console, console.options.update(max_width=10_000))
    Console(file=console.file, width=max(console.width, needed.maximum)).print(table)


def write_plots(
    run: RunFolder, result: dict[str, Any], *, prefix: str, bounds: tuple[float, float]
) -> None:
    """Draw scores.png, learned_sigmas.png and feature_map_sizes.png."""
    from gdjax.plots.layers import feature_map_sizes, learned_sigmas, scores

    rows = result["rows"]
    kind = "mean_iou" if "mean_iou" in rows[0] else "accuracy"
    titles = {"mean_iou": "mean IoU", "accuracy": "test accuracy"}
    figure = scores([(row["name"], 100 * row[kind]) for row in rows], titles[kind])
    figures.write(run, f"{prefix}scores.png", figure)
    learned = [(row["name"], row["sigmas"]) for row in rows if row["sigmas"]]
    if learned:
        figure = learned_sigmas(learned, bounds=bounds)
        figures.write(run, f"{prefix}learned_sigmas.png", figure)
    figure = feature_map_sizes([(row["name"], row["sizes"]) for row in rows])
    figures.write(run, f"{prefix}feature_map_sizes.png", figure)
