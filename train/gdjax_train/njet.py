"""Networks of [njet] by name: families, the convolutions they are made of, sizes."""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING, Any, Literal

import numpy as np


if TYPE_CHECKING:
    from .members import Member
    from .recipe import ModelConfig


Sharing = Literal["layer", "input", "output", "group"]
Subsampling = Literal["none", "published", "safe"]

# Names, so that `--help` need not import JAX. Published sizes are functions.
FAMILIES = {
    "njet_toy": "NJetToy",
    "njet_nin": "NJetNIN",
    "njet_allcnn": "NJetAllCNN",
    "njet_resnet32": "njet_resnet32",
    "njet_resnet110": "njet_resnet110",
    "njet_efficientnet": "NJetEfficientNet",
    "njet_unet": "NJetUNet",
}
# What may stand in place of a discretisation: the paper's N-Jet, and fixed filters.
NJET = "njet"
FIXED: dict[str, int | None] = {
    "plain": None,  # filters of the published sizes
    **{f"{size}x{size}": size for size in (3, 4, 5, 7, 9, 11)},
    "dilated": 3,
    "deformable": 3,
}
SEGMENTATION = ("njet_unet",)
# Families that can be subsampled.
CLASSIFIERS = tuple(FAMILIES)[1:-1]


@dataclasses.dataclass(frozen=True)
class NJetConfig:
    """N-Jet layers; only networks of [njet] have them.

    Attributes:
      sigma: px, at the start.
      learn_sigma: whether it is learned.
      bounds: lowest and highest sigma, px.
      sharing: which channels of a layer have one sigma.
      extent: kernels end at so many sigma; None: they cover the image.
      subsampling: "none": full size everywhere; "published": where the plain network
        has it; "safe": as much as the learned sigmas allow, decided before every epoch.
      r: px of sigma that halve a side, for "safe".
      width: of njet_nin, relative to the published channels.
      gain: of the initial weights of N-Jet layers, relative to He's.
    """

    sigma: float = 1.0
    learn_sigma: bool = True
    bounds: tuple[float, float] = (0.25, 16.0)
    sharing: Sharing = "layer"
    extent: float | None = 2.0
    subsampling: Subsampling = "none"
    r: float = 4.0
    width: float = 1.0
    gain: float = 1.0


def is_njet(model: ModelConfig) -> bool:
    """Whether the network is one of [njet]."""
    return model.family in FAMILIES


def build(
    model: ModelConfig, member: Member, *, sizes: tuple[int, ...] = (), dtype: Any
) -> Any:
    """The Flax module of a member.

    Args:
      model: of the recipe, with the member's variants.
      member: names the convolution.
      sizes: sides of the feature maps in px, for safe subsampling (`plan_sizes`).
      dtype: of the activations; None: float32.
    """
    import flax.linen as nn

    import gdjax.models

    kind = getattr(gdjax.models, FAMILIES[model.family])
    fields: dict[str, Any] = {"num_classes": model.num_classes, "dtype": dtype}
    fields["convolution"] = _convolution(model, member)
    size = FIXED.get(member.discretisation)
    if model.family in ("njet_toy", "njet_unet"):
        fields |= {"widths": model.widths, "kernel_size": size or 3}
        return kind(**fields)
    fields |= {
        "subsampling": model.njet.subsampling,
        "sizes": sizes,
        "activation": getattr(nn, member.activation),
    }
    if model.family == "njet_nin":
        fields["width"] = model.njet.width
        if size is not None:
            fields["kernel_sizes"] = (size,) * 3
    return kind(**fields)


def _convolution(model: ModelConfig, member: Member) -> Any:
    import gdjax.layers
    import gdjax.scalespace

    from .members import DISCRETISATIONS

    name = member.discretisation
    if name == "deformable":
        return gdjax.layers.DeformableConv
    if name == "dilated":
        return gdjax.layers.dilated_convolution
    if name in FIXED:
        return gdjax.layers.plain_convolution
    published = DISCRETISATIONS["normalized_sampled_derivatives"]
    discretisation = DISCRETISATIONS.get(name, published)
    njet = model.njet
    return functools.partial(
        gdjax.layers.njet_convolution,
        order=model.order,
        sigma=njet.sigma,
        learn_sigma=njet.learn_sigma,
        bounds=njet.bounds,
        sharing=njet.sharing,
        extent=njet.extent,
        gain=njet.gain,
        discretisation=getattr(gdjax.scalespace, discretisation)(),
    )


def learned_sigmas(params: Any, bounds: tuple[float, float]) -> dict[str, np.ndarray]:
    """Sigma in px of every N-Jet layer, in the order of their names.

    Args:
      params: of a network.
      bounds: of its sigmas, px.

    Returns:
      {layer: sigma}, such as {"conv_1": array(1.3)}; arrays where a layer has several.
    """
    import flax.traverse_util

    from gdjax.layers import sigma_of

    flat = flax.traverse_util.flatten_dict(params)
    found = {
        "/".join(name for name in path[:-1] if name != "sigma"): value
        for path, value in flat.items()
        if path[-1] == "logit"
    }
    return {name: np.asarray(sigma_of(found[name], bounds)) for name in _sorted(found)}


def _sorted(names: Any) -> list[str]:
    """conv_2 before conv_10."""

    def key(name: str) -> list[tuple[bool, int, str]]:
        parts = name.replace("/", "_").split("_")
        return [
            (part.isdigit(), int(part) if part.isdigit() else 0, part) for part in parts
        ]

    return sorted(names, key=key)


def plan_sizes(
    model: ModelConfig,
    member: Member,
    params: Any,
    side: int,
    previous: tuple[int, ...] | None,
) -> tuple[int, ...]:
    """Sides of the feature maps for the next epoch; () without safe subsampling.

    Args:
      model: of the recipe, with the member's variants.
      member: whose network it is.
      params: its parameters now; None: those of the first step.
      side: of the images, px.
      previous: the plan of the last epoch.

    Raises:
      UserError: if a side would fall below 1 px.

    [njet] sec. 4.1.
    """
    if model.njet.subsampling != "safe":
        return ()
    from gdjax.layers import safe_sizes

    from .errors import UserError

    full = dataclasses.replace(model.njet, subsampling="none")
    network = build(dataclasses.replace(model, njet=full), member, dtype=None)
    learned = learned_sigmas(params or {}, model.njet.bounds)
    # Of several sigmas in a layer the finest: its channels hold the most detail.
    sigmas = [
        float(np.min(learned[name])) if name in learned else model.njet.sigma
        for name in network.spot_layers()
    ]
    try:
        return safe_sizes(sigmas, side, r=model.njet.r, previous=previous)
    except ValueError as error:
        raise UserError(f"safe subsampling: {error}") from error
