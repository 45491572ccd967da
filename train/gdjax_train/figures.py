"""Figures that look into trained networks: activation maps and effective filters."""

from __future__ import annotations

import dataclasses
import io
from typing import Any

import numpy as np

from .members import Member, Network
from .run_folder import RunFolder
from .session import Session
from .splits import load_factor
from .step import as_floats


# Enough to see a trend, few enough to look at.
IMAGES = 5
FILTERS = 12


@dataclasses.dataclass(frozen=True)
class Candidate:
    """A network with its weights."""

    member: Member
    network: Network
    model: Any
    variables: dict[str, Any]


def write(run: RunFolder, name: str, figure: Any) -> None:
    """Write a figure as PNG into the folder of the run, whole."""
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=160)
    run.write_bytes(name, content.getvalue())


def write_insight(
    session: Session, candidates: list[Candidate], *, prefix: str = ""
) -> None:
    """Activation maps and effective filters of every network of a run.

    Writes `activation_maps_<net>.png` and `effective_filters_<net>.png`.

    Args:
      session: of the run; its test images at size factor 1 are shown.
      candidates: the networks.
      prefix: of the file names.
    """
    recipe = session.recipe
    data = load_factor(recipe.data, 1.0, data_dir=recipe.data_dir, limit=20 * IMAGES)
    shown = _one_of_each_class(data.label)
    for candidate in candidates:
        name = f"{candidate.member.slug}-{len(candidate.network.sigmas)}.png"
        figure = draw_maps(candidate, data.image[shown], data.label[shown])
        write(session.run, f"{prefix}activation_maps_{name}", figure)
        figure = draw_filters(candidate)
        write(session.run, f"{prefix}effective_filters_{name}", figure)


def _one_of_each_class(labels: np.ndarray) -> np.ndarray:
    """Indices of the first image of each class, as many as are shown."""
    _, first = np.unique(labels, return_index=True)
    return np.sort(first)[:IMAGES]


def draw_maps(candidate: Candidate, images: np.ndarray, labels: np.ndarray) -> Any:
    """Activation maps of the predicted class, [gaussderresnet] Fig. 13.

    Args:
      candidate: the network.
      images: uint8 [N, H, W, C].
      labels: int [N].

    Returns:
      The matplotlib figure.
    """
    import jax

    from gdjax.plots.activation_maps import activation_maps

    # The readout's windows would leave the centre pixel alone, a pyramid other grids.
    model = candidate.model.clone(windowed=False, pyramid=None)
    logits, aux = jax.jit(lambda v, x: model.apply(v, as_floats(x), maps=True))(
        candidate.variables, images
    )
    classes = np.asarray(logits).argmax(-1)
    maps = [np.asarray(y)[np.arange(len(images)), ..., classes] for y in aux["maps"]]
    pairs = zip(labels, classes, strict=True)
    texts = [f"class {label},\nseen as {found}" for label, found in pairs]
    return activation_maps(images, maps, candidate.network.sigmas, labels=texts)


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
