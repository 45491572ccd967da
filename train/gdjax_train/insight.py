"""Figures that look into trained networks: activation maps, effective filters."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import numpy as np

from gdjax.models.preprocessing import as_floats

from .data import load_test, source
from .figures import Candidate, write
from .placing import on_canvas
from .recipe import Recipe
from .run_files import RunFolder


# Enough to see a trend, few enough to look at.
IMAGES, FILTERS = 5, 12


def write_all(
    run: RunFolder, recipe: Recipe, candidates: list[Candidate], *, prefix: str = ""
) -> None:
    """Activation maps and effective filters of every network with scale channels.

    Writes `activation_maps_<net>.png` (`draw_maps`: the last layer, every channel) and
    `effective_filters_<net>.png` (`draw_filters`: every layer, three channels).

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

    The last layer in every scale channel; the one that the class comes from is marked.

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
    # Of one channel there is no choice.
    selected = np.asarray(aux["selected_scale"]) if len(maps) > 1 else None
    title = "last layer's response for the predicted class, in every scale channel"
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
