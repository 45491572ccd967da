"""Accuracy of any network at several sizes of anybody's images."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from gdjax.layers.fields import checked_field
from gdjax.models import Preprocessing
from gdjax.models.any_module import AnyModule
from gdjax.models.names import SCALE_POOLINGS
from gdjax.models.preprocessing import as_floats, check_images
from gdjax.scalespace.checks import check_order, real_array, shown

from . import alarms
from .errors import UserError
from .fit_training import check_preprocessing
from .own_data import OwnData, check_classes, check_pair
from .own_networks import traced_network
from .predict import in_batches
from .requirements import check_factors


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
    check_preprocessing(preprocessing)
    batch_size = check_order(batch_size, name="batch_size", lowest=1)
    checked_field("background", background, Literal["black", "mirror"])
    checked_field("name", name, str | None)
    data = check_pair(_bytes(images), labels)
    if data.segmented:
        raise ValueError("`labels` are masks: give one class for each image.")
    sides = tuple(data.image.shape[1:3])
    variables = _checked_variables(
        module, variables, preprocessing.shape(data.image.shape[1:])
    )
    sizes = _checked_factors(factors, sides)
    row: dict[str, Any] = {
        "name": type(module.module).__name__ if name is None else name,
        "sigmas": _sigmas(module),
        "parameters": sum(map(np.size, jax.tree.leaves(variables["params"]))),
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
    check_classes(data, logits.shape[-1], "labels")


def _checked_variables(
    module: AnyModule, variables: Any, shape: tuple[int, ...]
) -> dict[str, Any]:
    """Variables of the module for images (H, W, C), in this machine's byte order."""
    if not isinstance(variables, Mapping) or "params" not in variables:
        raise ValueError(
            '`variables` has no "params": give all of {"params": ..., "batch_stats":'
            " ...}, such as `Fitted.variables`."
        )
    variables = jax.tree.map(_native, dict(variables))
    wanted = jax.tree.map(np.shape, traced_network(module, shape)[0])
    for name, own in wanted.items():
        if jax.tree.map(_shape, variables.get(name, {})) != own:
            raise ValueError(
                f'`variables["{name}"]` are not those of `model` for images of shape'
                f" {list(shape)}: give images of as many channels, and the variables"
                " that were trained with it."
            )
    return variables


def _native(leaf: Any) -> Any:
    if isinstance(leaf, np.ndarray) and not leaf.dtype.isnative:
        return leaf.astype(leaf.dtype.newbyteorder("="))
    return leaf


def _shape(leaf: Any) -> tuple[int, ...] | None:
    """Of numbers that JAX has; None: of anything else."""
    if not isinstance(leaf, np.ndarray | np.generic | jax.Array | int | float):
        return None
    try:
        found = jax.eval_shape(lambda x: x, leaf)
    except TypeError:
        return None
    return found.shape if jnp.issubdtype(found.dtype, jnp.number) else None


def _bytes(images: Any) -> np.ndarray:
    """Images as uint8, which is what is resampled."""
    images = check_images(images)
    if images.dtype == np.uint8:
        return images
    largest = 65535 if images.dtype == np.uint16 else 1
    return np.rint(images * (255 / largest)).astype(np.uint8)


def _checked_factors(factors: Any, sides: Sequence[int]) -> list[float]:
    """Factors in ascending order, of images of sides (H, W) in px."""
    given = list(factors) if isinstance(factors, tuple) else factors
    found = np.atleast_1d(real_array(given, name="factors", unit="size factors"))
    good = np.isfinite(found) & (found > 0)
    if found.ndim != 1 or not found.size or not good.all():
        raise ValueError(
            f"`factors={shown(given)}`: give positive numbers, at least one."
        )
    try:
        check_factors(found.tolist(), sides)
    except UserError as error:
        raise ValueError(f"`factors={shown(given)}`: {error}.") from None
    return sorted(found.tolist())


def _sigmas(module: AnyModule) -> list[float]:
    """Base scales of scale channels; [] where `sigmas` of the module is none."""
    sigmas = getattr(module.module, "sigmas", None)
    try:
        found = real_array(sigmas, name="sigmas", unit="px")
    except (TypeError, ValueError):
        return []
    return found.tolist() if found.ndim == 1 else []


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
