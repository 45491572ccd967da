"""Figures of an evaluation, and those that look into trained networks."""

from __future__ import annotations

import dataclasses
import functools
import io
from collections.abc import Callable
from typing import Any

import numpy as np

from gdjax.models.preprocessing import as_floats

from . import scale_figures
from .data import load_test, source
from .placing import on_canvas
from .recipe import Recipe
from .run_folder import RunFolder
from .tables import averaged
from .trials import TrainedNetwork, Trial


# Enough to see a trend, few enough to look at.
IMAGES, SEGMENTED, FILTERS = 5, 4, 12


@dataclasses.dataclass(frozen=True)
class Candidate:
    """A network with its weights.

    Attributes:
      trial: that trained it.
      network: which of the trial's.
      model: Flax module.
      variables: its parameters and statistics.
      compilations: of its training step.
    """

    trial: Trial
    network: TrainedNetwork
    model: Any
    variables: dict[str, Any]
    compilations: int = 1


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
    if len(result["factors"]) > 1:
        names["generalisation"] = None
    for name in names:
        FIGURES[name](run, result, rows, prefix)


def _generalisation(
    run: RunFolder, result: dict[str, Any], rows: list[Any], prefix: str
) -> None:
    from gdjax.plots.generalisation import generalisation_curve

    del rows
    # What is called sigmas of learned scales are no channels.
    shown = [
        row | {"sigmas": row["sigmas"] if isinstance(row["sigmas"], list) else []}
        for row in averaged(result)
    ]
    label = "test accuracy (%)"
    if shown and "mean_iou" in shown[0]:
        label = "mean IoU (%)"
        shown = [_by_mean_iou(row) for row in shown]
    figure = generalisation_curve(result["factors"], shown, label=label)
    write(run, f"{prefix}generalisation.png", figure)


def _by_mean_iou(row: dict[str, Any]) -> dict[str, Any]:
    """A row whose mean IoU takes the place of its accuracy."""
    spread = {"std": row["mean_iou_std"]} if "mean_iou_std" in row else {}
    return row | {"accuracy": row["mean_iou"]} | spread


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
        figure = scale_selection_maps(panels, result["factors"])
        write(run, f"{prefix}scale_selection.png", figure)


def _scores(
    run: RunFolder, result: dict[str, Any], rows: list[Any], prefix: str
) -> None:
    from gdjax.plots.layers import scores

    del rows
    kind = "mean_iou" if "mean_iou" in result["rows"][0] else "accuracy"
    title = {"mean_iou": "mean IoU", "accuracy": "test accuracy"}[kind]
    bars = [
        (row["name"], 100 * float(np.mean(row[kind])))
        for row in (*result["rows"], *result.get("summary", ()))
    ]
    write(run, f"{prefix}scores.png", scores(bars, title))


def _learned_sigmas(
    run: RunFolder, result: dict[str, Any], rows: list[Any], prefix: str
) -> None:
    from gdjax.plots.layers import learned_sigmas

    del result
    learned = [
        (row.values["name"], row.values["sigmas"])
        for row in rows
        if isinstance(row.values["sigmas"], dict) and row.values["sigmas"]
    ]
    if learned:
        bounds = rows[0].candidate.network.model.scale_bounds
        figure = learned_sigmas(learned, bounds=bounds)
        write(run, f"{prefix}learned_sigmas.png", figure)


def _internal_scales(
    run: RunFolder, result: dict[str, Any], rows: list[Any], prefix: str
) -> None:
    for name, figure in scale_figures.draw_all(run, result, rows):
        write(run, f"{prefix}{name}.png", figure)


def _feature_map_sizes(
    run: RunFolder, result: dict[str, Any], rows: list[Any], prefix: str
) -> None:
    from gdjax.plots.layers import feature_map_sizes

    del rows
    sizes = [(row["name"], row["sizes"]) for row in result["rows"] if "sizes" in row]
    if sizes:
        write(run, f"{prefix}feature_map_sizes.png", feature_map_sizes(sizes))


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


# What `NetworkConfig.figures` names.
FIGURES: dict[str, Callable[[RunFolder, dict[str, Any], list[Any], str], None]] = {
    "generalisation": _generalisation,
    "scale_selection": _scale_selection,
    "scores": _scores,
    "learned_sigmas": _learned_sigmas,
    "internal_scales": _internal_scales,
    "feature_map_sizes": _feature_map_sizes,
    "segmentation": _segmentation,
}


def write_insight(
    run: RunFolder, recipe: Recipe, candidates: list[Candidate], *, prefix: str = ""
) -> None:
    """Activation maps and effective filters of every network with scale channels.

    Writes `activation_maps_<net>.png` and `effective_filters_<net>.png`.

    Args:
      run: folder of the run.
      recipe: of the run; its test images at size factor 1 are shown.
      candidates: the networks.
      prefix: of the file names.
    """
    candidates = [each for each in candidates if each.network.sigmas]
    load = functools.lru_cache(maxsize=1)(load_test)
    for candidate in candidates:
        own = source(candidate.trial, "test")
        data = load(own, 1.0, data_dir=recipe.data_dir, limit=20 * IMAGES)
        shown = _one_of_each_class(data.label)
        name = f"{candidate.trial.slug}-{len(candidate.network.sigmas)}.png"
        images, factors = as_floats(data.image[shown]), np.ones(len(shown), np.float32)
        images = np.asarray(on_canvas(images, factors, own.canvas))
        figure = draw_maps(candidate, images, data.label[shown])
        write(run, f"{prefix}activation_maps_{name}", figure)
        figure = draw_filters(candidate)
        write(run, f"{prefix}effective_filters_{name}", figure)


def _one_of_each_class(labels: np.ndarray) -> np.ndarray:
    """Indices of the first image of each class, as many as are shown."""
    _, first = np.unique(labels, return_index=True)
    return np.sort(first)[:IMAGES]


def draw_maps(candidate: Candidate, images: np.ndarray, labels: np.ndarray) -> Any:
    """Activation maps of the predicted class, [gaussderresnet] Fig. 13.

    Args:
      candidate: the network.
      images: uint8, or floats in 0..1, [N, H, W, C].
      labels: int [N].

    Returns:
      The matplotlib figure.
    """
    import jax

    from gdjax.plots.activation_maps import activation_maps

    # The readout's windows would leave the centre pixel alone, a pyramid other grids.
    model = candidate.model.clone(windowed=False, pyramid=None)
    preprocess = candidate.trial.recipe.preprocessing
    logits, aux = jax.jit(
        lambda v, x: model.apply(v, preprocess(as_floats(x)), maps=True)
    )(candidate.variables, images)
    classes = np.asarray(logits).argmax(-1)
    maps = [np.asarray(y)[np.arange(len(images)), ..., classes] for y in aux["maps"]]
    pairs = zip(labels, classes, strict=True)
    texts = [f"class {label},\nseen as {found}" for label, found in pairs]
    # As the network sees them, but for the normalisation, which leaves 0..1.
    seen = dataclasses.replace(preprocess, mean=(), std=())(as_floats(images))
    shown = np.clip(np.asarray(seen), 0.0, 1.0)
    return activation_maps(shown, maps, candidate.network.sigmas, labels=texts)


def draw_filters(candidate: Candidate) -> Any:
    """Effective filters per layer and scale channel, [gaussderresnet] Fig. 23.

    The first input and output channels of every layer, in the finest, the middle and
    the coarsest scale channel.
    """
    from gdjax.plots.effective_filters import filter_sheet

    sigmas = candidate.network.sigmas
    chosen = sorted({0, len(sigmas) // 2, len(sigmas) - 1})
    rows = {}
    for k, name in enumerate(candidate.model.layer_names()):
        kernel = candidate.variables["params"]
        for part in name.split("/"):
            kernel = kernel[part]
        for s in chosen:
            label = rf"{name}, $\sigma_0$ = {sigmas[s]:.3g}"
            level = candidate.model.levels(sigmas[s])[k]
            rows[label] = _filters(candidate.model, np.asarray(kernel["kernel"]), level)
    return filter_sheet(rows)


def _filters(model: Any, kernel: np.ndarray, sigma: float) -> list[np.ndarray]:
    """The first filters of a layer, [h, w] each."""
    from gdjax.scalespace import derivative_orders, effective_filters

    without = derivative_orders(model.order, ndim=model.ndim)
    dense = effective_filters(
        kernel[:, :FILTERS] if kernel.ndim == 2 else kernel[:, :1, :FILTERS],
        sigma,
        radius=int(np.ceil(3 * sigma)) + 1,
        order=model.order,
        zero_order=len(kernel) > len(without),
        discretisation=model.discretisation,
    )
    flat = np.asarray(dense).reshape(*dense.shape[:2], -1)
    return list(np.moveaxis(flat, -1, 0))
