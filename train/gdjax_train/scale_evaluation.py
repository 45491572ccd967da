"""Accuracy of any network at several sizes of anybody's images."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from gdjax.models import Preprocessing
from gdjax.models.any_module import AnyModule
from gdjax.models.names import SCALE_POOLINGS
from gdjax.models.preprocessing import as_floats, check_images

from . import alarms
from .own_data import OwnData, check_classes, check_data
from .own_networks import traced_network
from .predict import in_batches


def evaluate_scales(
    model: Any,
    variables: Any,
    images: Any,
    labels: Any,
    *,
    factors: Sequence[float],
    preprocessing: Preprocessing = Preprocessing(),  # noqa: B008 (frozen)
    background: Literal["black", "mirror"] = "black",
    name: str | None = None,
    batch_size: int = 64,
) -> dict[str, Any]:
    """Accuracy over the size of the objects in images (gdjax).

    Each image is resampled about its centre by exactly each factor, bicubic with
    antialiasing (`gdjax.data.rescale`), on a canvas of its own size; factor 1 leaves it
    as it is.

    Args:
      model: Linen module, as of `fit`.
      variables: of it, such as `Fitted.variables`.
      images: [N, H, W, C], uint8, or uint16 and floats in 0..1, which are rounded to
        256 levels.
      labels: whole numbers [N].
      factors: sizes of the objects over those in `images`, dimensionless.
      preprocessing: of the rescaled images, such as `Fitted.preprocessing`.
      background: what surrounds an image that is made smaller: black, or the image
        mirrored.
      name: of the network in the result; None: the name of its class.
      batch_size: images per call.

    Returns:
      In the shape of evaluation.json, {"factors": [F], "rows": [row], "summary": []},
      where the row has "name", "images" [F] (how many), "accuracy" [F] (0..1),
      "parameters", and of networks with scale channels "sigmas" [S], in px, and
      "selected" [F][S], the share of each channel in the decisions. Draw it with
      `gdjax.plots.generalisation_curve(found["factors"], found["rows"])`.

    Raises:
      TypeError, ValueError: for other images, labels, factors and models.
    """
    from gdjax.data import rescale
    from gdjax.metrics import scale_contributions

    module = AnyModule.of(model)
    data = check_data((_bytes(images), labels), "images, labels")
    if data.segmented:
        raise ValueError("`labels` are masks: give one class for each image.")
    sides = tuple(data.image.shape[1:3])
    _check_variables(module, variables, preprocessing.shape(data.image.shape[1:]))
    sizes = _checked_factors(factors)
    sigmas = list(getattr(model, "sigmas", ()) or ())
    row: dict[str, Any] = {
        "name": type(module.module).__name__ if name is None else name,
        "sigmas": [float(sigma) for sigma in sigmas],
        "parameters": sum(leaf.size for leaf in jax.tree.leaves(variables["params"])),
        "images": [],
        "accuracy": [],
        "selected": [],
    }
    pooling = pooling_of(model)
    with alarms.quiet():
        for factor in sizes:
            small = [
                rescale(x, factor, size=sides, background=background)
                for x in data.image
            ]
            logits, per_scale = scores_of(
                module, variables, np.stack(small), preprocessing, batch_size
            )
            _check_logits(logits, data)
            row["images"].append(len(small))
            row["accuracy"].append(float((logits.argmax(-1) == data.label).mean()))
            if per_scale is not None and pooling:
                shares = scale_contributions(per_scale, pooling=pooling).mean(0)
                row["selected"].append([float(share) for share in shares])
    return {"factors": sizes, "rows": [row], "summary": []}


def _check_logits(logits: np.ndarray, data: OwnData) -> None:
    if logits.ndim != 2:
        raise ValueError(
            f"`model` gives logits of shape {logits.shape}: give a network that has"
            " one class for each image."
        )
    check_classes(data, logits.shape[-1], "images, labels")


def _check_variables(module: AnyModule, variables: Any, shape: tuple[int, ...]) -> None:
    """Refuse variables that are not those of the module for images (H, W, C)."""
    if not isinstance(variables, Mapping) or "params" not in variables:
        raise ValueError(
            '`variables` has no "params": give all of {"params": ..., "batch_stats":'
            " ...}, such as `Fitted.variables`."
        )
    wanted = jax.tree.map(np.shape, traced_network(module, shape)[0])
    for name, own in wanted.items():
        if jax.tree.map(np.shape, variables.get(name, {})) != own:
            raise ValueError(
                f'`variables["{name}"]` are not those of `model` for images of shape'
                f" {list(shape)}: give images of as many channels, and the variables"
                " that were trained with it."
            )


def _bytes(images: Any) -> np.ndarray:
    """Images as uint8, which is what is resampled."""
    images = check_images(images)
    if images.dtype == np.uint8:
        return images
    largest = 65535 if images.dtype == np.uint16 else 1
    return np.rint(images * (255 / largest)).astype(np.uint8)


def _checked_factors(factors: Sequence[float]) -> list[float]:
    found = [float(factor) for factor in np.atleast_1d(np.asarray(factors, float))]
    wrong = [factor for factor in found if not 0 < factor < math.inf]
    if wrong or not found:
        raise ValueError(
            f"`factors={list(factors)}`: give positive numbers, at least one."
        )
    return sorted(found)


def pooling_of(model: Any) -> str | None:
    """The name of the pooling over scale channels; None: none, or one's own."""
    own = getattr(model, "scale_pooling", None)
    return next((name for name, each in SCALE_POOLINGS.items() if each is own), None)


def scores_of(
    module: AnyModule,
    variables: Any,
    images: np.ndarray,
    preprocessing: Preprocessing,
    batch_size: int,
) -> tuple[np.ndarray, np.ndarray | None]:
    """Logits [N, K] of images, and those of scale channels, [N, S, K], if any.

    Of segmentations [N, H, W, K].
    """
    apply = functools.partial(_scores, module, preprocessing)
    parts = in_batches(apply, jax.device_put(variables), images, None, batch_size)
    found = [jax.device_get(part) for part in parts]
    logits, per_scale = zip(*found, strict=True)
    count = len(images)  # the last batch was filled up
    scales = None if per_scale[0] is None else np.concatenate(per_scale)[:count]
    return np.concatenate(logits)[:count], scales


@functools.partial(jax.jit, static_argnums=(0, 1))
def _scores(
    module: AnyModule, preprocessing: Any, variables: Any, images: Any, _: None
) -> Any:
    logits, aux = module.apply(variables, preprocessing(as_floats(images)))
    per_scale = aux.get("per_scale") if isinstance(aux, dict) else None
    found = logits, per_scale
    return jax.tree.map(lambda y: y.astype(jnp.float32), found)
