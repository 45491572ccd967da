"""Scores of networks at one size factor after the other: rows of evaluation.json."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np

from . import figures, predict
from .batch import IGNORED
from .data import Source, class_names, source
from .figures import Candidate
from .internal_scales import facts
from .placing import canvas_shape
from .progress import EvaluationProgress
from .scale_distribution import describe
from .trials import parse_net


@dataclasses.dataclass
class Row:
    """A row of evaluation.json, and what is drawn beside it.

    Attributes:
      candidate: the network.
      pooling: over its scale channels; None where it has one or none.
      values: for JSON.
      shown: the first test images at factor 1, their labels and the predicted masks;
        of segmentations only.
    """

    candidate: Candidate
    pooling: str | None
    values: dict[str, Any]
    shown: Any = None

    @classmethod
    def empty(cls, candidate: Candidate, pooling: str | None) -> Row:
        """What is known of a network before its scores."""
        trial, network = candidate.trial, candidate.network
        suffix = "".join(f", {part}" for part in (network.label, pooling) if part)
        filters, activation, _ = parse_net(trial.net)
        params = candidate.variables["params"]
        learned = network.model.learned_scales(
            params, batch_stats=candidate.variables.get("batch_stats", {})
        )
        values = {
            "name": trial.name + suffix,
            "group": trial.group + suffix,
            "net": trial.net,
            "sigmas": list(network.sigmas)
            or {layer: sigma.tolist() for layer, sigma in learned.items()},
            "pooling": pooling,
            "discretisation": filters,
            "activation": activation,
            "train_size": trial.size,
            "realisation": trial.realisation,
            "seed": trial.recipe.seed,
            "stage": network.phase,
            "parameters": sum(leaf.size for leaf in jax.tree.leaves(params)),
            "compilations": candidate.compilations,
            "images": [],
            "accuracy": [],
            "selected": [],
        }
        if "receptive_fields" in network.model.figures:
            values["receptive_field"] = network.model.receptive_field(learned)
        scales = facts(network.model, candidate.variables)
        if scales is not None:
            values["internal_scales"] = scales
        return cls(candidate, pooling, values)


def score_all(
    rows: list[Row],
    own: Source,
    data: Any,
    batch_size: int,
    *,
    shown: bool,
    bar: EvaluationProgress,
) -> None:
    """Add what the networks tested on a source say of its images to their rows."""
    for row, found in _tested(rows, own, data, batch_size, bar):
        _score(row, *found, data, shown=shown, own=own)


def score_drawn(
    rows: list[Row], own: Source, data: Any, batch_size: int, *, bar: EvaluationProgress
) -> None:
    """Add the accuracies on a source's images at drawn sizes to the rows.

    Args:
      rows: of all networks.
      own: source of the test images.
      data: these images, with their factors.
      batch_size: images per call, that of the other sizes: nothing is compiled anew.
      bar: to show how far it is.
    """
    labels = np.asarray(data.label)
    for row, (found, _) in _tested(rows, own, data, batch_size, bar):
        row.values["drawn"] = {
            "accuracy": predict.accuracy(found, labels, row.pooling or "max"),
            "images": len(labels),
            "scales": describe(own.scales),
        }


def score_training(
    rows: list[Row], own: Source, data: Any, batch_size: int, *, bar: EvaluationProgress
) -> None:
    """Add the accuracies on images that networks were trained on to their rows.

    Args:
      rows: of all networks.
      own: source of the training images.
      data: these images.
      batch_size: images per call.
      bar: to show how far it is.

    [gaussdernet] 4 and 5.2.
    """
    labels = np.asarray(data.label)
    for row, (found, _) in _tested(rows, own, data, batch_size, bar, kind="train"):
        row.values["training"] = {
            "accuracy": predict.accuracy(found, labels, row.pooling or "max"),
            "images": len(labels),
        }


def _tested(
    rows: list[Row],
    own: Source,
    data: Any,
    batch_size: int,
    bar: EvaluationProgress,
    *,
    kind: str = "test",
) -> Iterator[tuple[Row, Any]]:
    """Rows of networks tested on a source, and what these say of its images."""
    found: dict[int, Any] = {}
    for row in rows:
        candidate = row.candidate
        if source(candidate.trial, kind) != own:
            continue
        if id(candidate) not in found:
            seen = bar.begin(id(candidate), candidate.trial.name)
            found = {id(candidate): _found(candidate, data, batch_size, seen)}
        yield row, found[id(candidate)]


def _found(
    candidate: Candidate, data: Any, batch_size: int, seen: Callable[[float], None]
) -> tuple[np.ndarray, np.ndarray | None]:
    """Scores of images; or classes of pixels, and histograms of their scores."""
    given, recipe = (candidate.model, candidate.variables), candidate.trial.recipe
    options: dict[str, Any] = {
        "batch_size": batch_size,
        "preprocessing": recipe.preprocessing,
        "seen": seen,
    }
    if candidate.network.model.segments:
        labels = np.asarray(data.label)
        return predict.pixels(*given, data.image, labels, **options)
    found = predict.scores(
        *given, data.image, factors=getattr(data, "factor", None),
        canvas=recipe.data.canvas, **options,
    )  # fmt: skip
    return found, None


def _score(
    row: Row,
    found: np.ndarray,
    histograms: np.ndarray | None,
    data: Any,
    *,
    shown: bool,
    own: Source,
) -> None:
    """Add the scores at the next factor to a row."""
    from gdjax.metrics import mean_average_precision, scale_contributions

    values, labels = row.values, np.asarray(data.label)
    pooling = row.pooling or "max"
    values["images"].append(len(labels))
    values["accuracy"].append(predict.accuracy(found, labels, pooling))
    model = row.candidate.network.model
    if model.scale_channels:
        fractions = scale_contributions(found, pooling=pooling).mean(0)
        values["selected"].append([float(fraction) for fraction in fractions])
    if "feature_map_sizes" in model.figures and "sizes" not in values:
        values["sizes"] = feature_maps(row.candidate, data.image.shape[1:])
    if histograms is None:
        return
    _score_pixels(values, labels, found, model.num_classes, background_class(own))
    values.setdefault("mean_average_precision", []).append(
        mean_average_precision(histograms)
    )
    if shown:
        # Copies: views would keep all of the images.
        row.shown = tuple(
            np.array(part[: figures.SEGMENTED]) for part in (data.image, labels, found)
        )


def _score_pixels(
    values: dict[str, Any],
    labels: np.ndarray,
    found: np.ndarray,
    classes: int,
    background: int | None,
) -> None:
    """Add the intersections over unions."""
    from gdjax.metrics import confusion_matrix, intersection_over_union, mean_iou

    confusion = confusion_matrix(
        labels, found, num_classes=classes, ignore_index=IGNORED
    )
    each = intersection_over_union(confusion)
    iou = [None if np.isnan(value) else float(value) for value in each]
    values.setdefault("iou", []).append(iou)
    score = mean_iou(confusion, background=background)
    values.setdefault("mean_iou", []).append(score)


def background_class(own: Source) -> int | None:
    """The class that means over object classes leave out; None: all are objects.

    [njet] experiment 1.1(B) has a background, the streets of Cityscapes have none; that
    of PASCAL VOC counts like its objects, in experiment 2(B), too.
    """
    if not own.folder and own.name.partition("/")[0] == "pascal_voc":
        return None
    return 0 if class_names(own)[:1] == ("background",) else None


def feature_maps(candidate: Candidate, shape: tuple[int, ...]) -> list[list[int]]:
    """(height, width) in px after every layer that says so, for images [H, W, C]."""
    seen: list[tuple[int, ...]] = []

    def look(variables: Any, image: jax.Array) -> jax.Array:
        logits, aux = candidate.model.apply(variables, image, train=False)
        seen.extend(aux.get("sizes", ()))
        return logits

    recipe = candidate.trial.recipe
    shape = recipe.preprocessing.shape(canvas_shape(shape, recipe.data.canvas))
    blank = jax.ShapeDtypeStruct((1, *shape), np.float32)
    jax.eval_shape(look, candidate.variables, blank)
    return [list(size) for size in seen]
