"""Figures that look into trained networks: activation maps, effective filters."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import numpy as np

from gdjax.models.preprocessing import as_floats

from . import predict
from .data import Source, factors as test_factors, load_test, source
from .figures import Candidate, write
from .placing import on_canvas
from .recipe import Recipe
from .run_files import RunFolder


# Enough to see a trend, few enough to look at.
IMAGES, FILTERS = 5, 12
# Of the images under activation maps: objects fill the image.
FACTOR = 2.0


def write_all(
    run: RunFolder, recipe: Recipe, candidates: list[Candidate], *, prefix: str = ""
) -> None:
    """Activation maps and effective filters of every network with scale channels.

    Writes `activation_maps_<net>.png` (`draw_maps`: the last layer, every channel) and
    `effective_filters_<net>.png` (`draw_filters`: every layer, three channels).

    Args:
      run: folder of the run.
      recipe: of the run; of its test images those at size factor 2 are shown, where
        there are any, and at 1 elsewhere: the first of each class that the network
        knows.
      candidates: the networks.
      prefix: of the file names.
    """
    candidates = [each for each in candidates if each.network.sigmas]
    load = functools.lru_cache(maxsize=1)(load_test)
    for candidate in candidates:
        own = source(candidate.trial, "test")
        factor = shown_factor(own)
        data = load(own, factor, data_dir=recipe.data_dir, limit=20 * IMAGES)
        shown = known_images(candidate, data, recipe.eval_batch_size)
        name = f"{candidate.trial.slug}-{len(candidate.network.sigmas)}.png"
        images = as_floats(data.image[shown])
        factors = np.full(len(shown), factor, np.float32)
        images = np.asarray(on_canvas(images, factors, own.canvas))
        figure = draw_maps(candidate, images, data.label[shown])
        write(run, f"{prefix}activation_maps_{name}", figure)
        figure = draw_filters(candidate)
        write(run, f"{prefix}effective_filters_{name}", figure)


def shown_factor(own: Source) -> float:
    """At which size factor a source's test images are shown."""
    known = test_factors(own)
    return FACTOR if FACTOR in known or own.canvas is not None else 1.0


def known_images(candidate: Candidate, data: Any, batch_size: int) -> np.ndarray:
    """Indices of the first image of each class that is classified correctly.

    Args:
      candidate: the network.
      data: test images, and their factors where they are on a canvas.
      batch_size: images per call.

    Returns:
      As many as are shown, ascending; where none is classified correctly, of the first
      image of each class.
    """
    recipe, labels = candidate.trial.recipe, np.asarray(data.label)
    found = predict.scores(
        candidate.model, candidate.variables, data.image, batch_size=batch_size,
        preprocessing=recipe.preprocessing, factors=getattr(data, "factor", None),
        canvas=recipe.data.canvas,
    )  # fmt: skip
    pooling = getattr(candidate.network.model, "scale_pooling", "max")
    correct = np.flatnonzero(predict.classes(found, pooling) == labels)
    if not len(correct):
        correct = np.arange(len(labels))
    _, first = np.unique(labels[correct], return_index=True)
    return correct[np.sort(first)[:IMAGES]]


def draw_maps(candidate: Candidate, images: np.ndarray, labels: np.ndarray) -> Any:
    """Activation maps of the true class, [gaussderresnet] Fig. 13.

    The last layer in every scale channel; the one that responds most is marked.

    Args:
      candidate: the network.
      images: uint8, or floats in 0..1, [N, H, W, C].
      labels: int [N].

    Returns:
      The matplotlib figure.
    """
    import jax

    from gdjax.plots.activation_maps import activation_maps

    # The readout's windows would leave the centre pixel alone.
    model = candidate.model.clone(windowed=False)
    preprocess = candidate.trial.recipe.preprocessing
    logits, aux = jax.jit(
        lambda v, x: model.apply(v, preprocess(as_floats(x)), maps=True)
    )(candidate.variables, images)
    classes, labels = np.asarray(logits).argmax(-1), np.asarray(labels, int)
    rows = np.arange(len(images))
    maps = [np.asarray(y)[rows, ..., labels] for y in aux["maps"]]
    pairs = zip(labels, classes, strict=True)
    texts = [
        f"class {label}" + (f",\nseen as {found}" if found != label else "")
        for label, found in pairs
    ]
    # As the network sees them, but for the normalisation, which leaves 0..1.
    seen = dataclasses.replace(preprocess, mean=(), std=())(as_floats(images))
    # Of one channel there is no choice.
    responses = np.asarray(aux["per_scale"])[rows, :, labels]
    selected = responses.argmax(-1) if len(maps) > 1 else None
    title = "last layer's response for the true class, in every scale channel"
    return activation_maps(
        np.clip(np.asarray(seen), 0.0, 1.0), maps, candidate.network.sigmas,
        labels=texts, selected=selected, title=title,
    )  # fmt: skip


def draw_filters(candidate: Candidate) -> Any:
    """Effective filters per layer and scale channel, [gaussderresnet] Fig. 23.

    The first input and output channels of every layer, in the finest, the middle and
    the coarsest scale channel: the others have the same filters at sizes in between.
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
    title = f"first {FILTERS} filters of every layer"
    if len(sigmas) > 1:
        title += f", in {len(chosen)} of {len(sigmas)} scale channels"
    return filter_sheet(rows, title=title)


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
