"""Figures of an evaluation."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Callable
from typing import Any

import numpy as np

from . import scale_figures
from .run_files import RunFolder
from .trials import TrainedNetwork, Trial


# Few enough to look at.
SEGMENTED = 4


@dataclasses.dataclass(frozen=True)
class Candidate:
    """A network with its weights.

    Attributes:
      trial: that trained it.
      network: which of the trial's.
      model: Flax module.
      variables: its parameters and statistics.
      compilations: of its training step.
      facts: what the file of its weights says of it; {} in older runs.
    """

    trial: Trial
    network: TrainedNetwork
    model: Any
    variables: dict[str, Any]
    compilations: int = 1
    facts: dict[str, Any] = dataclasses.field(default_factory=dict)


def write(run: RunFolder, name: str, figure: Any) -> None:
    """Write a figure as PNG into the folder of the run, whole."""
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=160)
    run.write_bytes(name, content.getvalue())


def write_all(
    run: RunFolder, result: dict[str, Any], rows: list[Any], *, prefix: str = ""
) -> None:
    """Draw what the families of the networks ask for.

    Args:
      run: folder of the run.
      result: what evaluation.json holds.
      rows: `scoring.Row`s of it.
      prefix: of the file names.
    """
    models = [row.candidate.network.model for row in rows]
    names = dict.fromkeys(name for model in models for name in model.figures)
    if len(result["factors"]) > 1:  # of one factor, where a family asks for its bars
        names["generalisation"] = None
    for name in names:
        FIGURES[name](run, result, rows, prefix)


def _generalisation(
    run: RunFolder, result: dict[str, Any], rows: list[Any], prefix: str
) -> None:
    from gdjax.plots.generalisation import generalisation_curve

    del rows
    score = _score(result)
    figure = generalisation_curve(result["factors"], result["rows"], score=score)
    write(run, f"{prefix}generalisation.png", figure)


def _score(result: dict[str, Any]) -> str:
    return "mean_iou" if "mean_iou" in result["rows"][0] else "accuracy"


def _colours(result: dict[str, Any]) -> dict[str, str]:
    """One for each network, the same in all figures, by the names of its rows."""
    from gdjax.plots.colours import net_colours

    return net_colours(result["rows"])


def _scale_selection(
    run: RunFolder, result: dict[str, Any], rows: list[Any], prefix: str
) -> None:
    from gdjax.plots.scale_selection import scale_selection_maps

    del rows
    panels = [
        (row["name"], np.array(row["selected"]), row["sigmas"])
        for row in result["rows"]
        if len(row["sigmas"]) > 1
    ]
    if panels:
        colours = _colours(result)
        figure = scale_selection_maps(panels, result["factors"], colours=colours)
        write(run, f"{prefix}scale_selection.png", figure)


def _scores(
    run: RunFolder, result: dict[str, Any], rows: list[Any], prefix: str
) -> None:
    from gdjax.plots.layers import scores

    del rows
    kind = _score(result)
    title = {"mean_iou": "mean IoU", "accuracy": "test accuracy"}[kind]
    bars = [
        (row["name"], 100 * float(np.mean(row[kind])))
        for row in (*result["rows"], *result.get("summary", ()))
    ]
    figure = scores(bars, title, colours=_colours(result))
    write(run, f"{prefix}scores.png", figure)


def _learned_sigmas(
    run: RunFolder, result: dict[str, Any], rows: list[Any], prefix: str
) -> None:
    from gdjax.plots.layers import learned_sigmas

    learned = [
        (row.values["name"], row.values["sigmas"])
        for row in rows
        if isinstance(row.values["sigmas"], dict) and row.values["sigmas"]
    ]
    if learned:
        bounds = rows[0].candidate.network.model.scale_bounds
        figure = learned_sigmas(learned, bounds=bounds, colours=_colours(result))
        write(run, f"{prefix}learned_sigmas.png", figure)


def _internal_scales(
    run: RunFolder, result: dict[str, Any], rows: list[Any], prefix: str
) -> None:
    for name, figure in scale_figures.draw_all(run, result, rows, _colours(result)):
        write(run, f"{prefix}{name}.png", figure)


def _feature_map_sizes(
    run: RunFolder, result: dict[str, Any], rows: list[Any], prefix: str
) -> None:
    from gdjax.plots.layers import feature_map_sizes

    del rows
    sizes = [(row["name"], row["sizes"]) for row in result["rows"] if "sizes" in row]
    if sizes:
        figure = feature_map_sizes(sizes, colours=_colours(result))
        write(run, f"{prefix}feature_map_sizes.png", figure)


def _segmentation(
    run: RunFolder, result: dict[str, Any], rows: list[Any], prefix: str
) -> None:
    """One sheet a training size, the networks side by side."""
    from gdjax.plots.segmentation import segmentation_sheet

    del result
    sheets: dict[float, list[Any]] = {}
    for row in rows:
        if row.shown is not None:
            sheets.setdefault(row.candidate.trial.size, []).append(row)
    for size, same in sheets.items():
        images, labels, _ = same[0].shown
        figure = segmentation_sheet(
            images,
            labels,
            [(row.values["name"], row.shown[2]) for row in same],
            num_classes=same[0].candidate.network.model.num_classes,
        )
        write(run, f"{prefix}segmentation_size{size:g}.png", figure)


def _receptive_fields(
    run: RunFolder, result: dict[str, Any], rows: list[Any], prefix: str
) -> None:
    """A point for each network, its seeds and realisations together."""
    from gdjax.plots.receptive_fields import FieldPoint, score_over_parameters

    del rows
    kind, colours, groups = _score(result), _colours(result), {}
    for row in result["rows"]:
        if row.get("receptive_field") is not None:
            groups.setdefault(row["group"], []).append(row)
    points = []
    for name, same in groups.items():
        found = [100 * float(np.mean(row[kind])) for row in same]
        fields = [row["receptive_field"] for row in same]
        learned = isinstance(same[0]["sigmas"], dict) and bool(same[0]["sigmas"])
        point = FieldPoint(
            name, same[0]["parameters"], float(np.mean(fields)),
            float(np.mean(found)), float(np.std(found)), learned,
        )  # fmt: skip
        points.append(point)
    if points:
        title = {"mean_iou": "mean IoU", "accuracy": "test accuracy"}[kind]
        own = {name: colours[same[0]["name"]] for name, same in groups.items()}
        figure = score_over_parameters(points, title, colours=own)
        write(run, f"{prefix}receptive_fields.png", figure)


# What `NetworkConfig.figures` names.
FIGURES: dict[str, Callable[[RunFolder, dict[str, Any], list[Any], str], None]] = {
    "generalisation": _generalisation,
    "scale_selection": _scale_selection,
    "scores": _scores,
    "learned_sigmas": _learned_sigmas,
    "internal_scales": _internal_scales,
    "feature_map_sizes": _feature_map_sizes,
    "segmentation": _segmentation,
    "receptive_fields": _receptive_fields,
}
