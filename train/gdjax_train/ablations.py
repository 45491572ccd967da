"""Ablations of a recipe, named after the flavour of a net: "discrete+relu+separable".

Each of the papers' ablations compares a net with a variation of it, so one command runs
both: `gdjax-train RECIPE --nets discrete+relu discrete+relu+separable`.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Callable
from typing import Any

from gdjax.models import GaussDerNetConfig, NetworkConfig
from gdjax.models.deep_scale_spaces import matched_baseline
from gdjax.models.disco import DISCOConfig
from gdjax.models.families import family_of
from gdjax.models.gaussdernet import LARGE
from gdjax.models.names import unknown
from gdjax.models.s_convnet import SConvNetConfig

from .errors import UserError
from .grey_levels import standardised
from .published_settings import with_settings
from .recipe import Recipe, ScaleSchedule
from .scale_distribution import validate_scales


Ablation = Callable[[Recipe], Recipe]


def _replace(recipe: Recipe, part: str, **values: Any) -> Recipe:
    """The recipe with other fields in one part of it.

    Raises:
      KeyError: if the part has no such field.
    """
    old = {"model": recipe.model, "loss": recipe.loss, "optimizer": recipe.optimizer}
    return dataclasses.replace(recipe, **{part: with_fields(old[part], **values)})


def with_fields(config: Any, **values: Any) -> Any:
    """A frozen dataclass with other fields.

    Raises:
      KeyError: naming the first field that it does not have.
    """
    known = {field.name for field in dataclasses.fields(config)}
    for name in values:
        if name not in known:
            raise KeyError(name)
    return dataclasses.replace(config, **values)


def as_family(model: NetworkConfig, kind: type[NetworkConfig]) -> NetworkConfig:
    """A network of another family, with the fields that both have."""
    own = {field.name for field in dataclasses.fields(kind)}  # pyright: ignore
    shared = {name: value for name, value in vars(model).items() if name in own}
    return kind(**shared)


def zero_order(recipe: Recipe) -> Recipe:
    """The smoothed image is a term of all layers but the first."""
    return _replace(recipe, "model", zero_order=True)


def no_zero_order(recipe: Recipe) -> Recipe:
    """Derivatives only."""
    return _replace(recipe, "model", zero_order=False)


def separable(recipe: Recipe) -> Recipe:
    """Depthwise-separable layers in the second half of the residual blocks.

    On rescaled STL-10 with a rate of 0.005 and 170 epochs. [gaussderresnet] A.2.
    """
    blocks = len(vars(recipe.model)["widths"]) - 1
    return _replace(recipe, "model", separable_from=blocks // 2 + 1)


def hard_labels(recipe: Recipe) -> Recipe:
    """No label smoothing; on rescaled Fashion-MNIST a weight decay of 0.05.

    [gaussderresnet] A.3.
    """
    return _replace(recipe, "loss", label_smoothing=0.0)


def soft_labels(recipe: Recipe) -> Recipe:
    """Label smoothing, where the recipe leaves it out for what else is ablated."""
    return _replace(recipe, "loss", label_smoothing=0.1)


def one_channel(recipe: Recipe) -> Recipe:
    """One scale channel, trained like all of them, for as many epochs in all.

    In batches of 128 on rescaled CIFAR-10, of 64 on STL-10. [gaussderresnet] A.1.
    """
    model = with_fields(recipe.model, sigmas=())
    return dataclasses.replace(
        recipe,
        epochs=recipe.epochs + recipe.multi_epochs,
        single_pyramid=None,
        multi_epochs=0,
        multi_from="single",
        multi_sigmas=(),
        multi_batch_size=None,
        multi_learning_rate=None,
        model=model,
    )


def scratch(recipe: Recipe) -> Recipe:
    """No pre-training in one channel; as many epochs in all, at the full rate."""
    return dataclasses.replace(
        recipe,
        epochs=0,
        single_pyramid=None,
        multi_from="scratch",
        multi_epochs=recipe.epochs + recipe.multi_epochs,
        multi_learning_rate=None,
    )


def plain(recipe: Recipe) -> Recipe:
    """GaussDerNet 16-24-32-48-64, r = 1.25, the larger net of [gaussdernet] Fig. 7."""
    model = as_family(recipe.model, GaussDerNetConfig)
    model = with_fields(model, widths=LARGE.widths, ratio=LARGE.ratio)
    return dataclasses.replace(recipe, model=model)


def dss(recipe: Recipe) -> Recipe:
    """A deep scale-space in the layers of SESN, [scale_learning] Table 5."""
    return _with_layers_of_sesn(recipe, SConvNetConfig)


def disco(recipe: Recipe) -> Recipe:
    """The basis of DISCO in the layers of SESN, [scale_learning] Table 5."""
    return _with_layers_of_sesn(recipe, DISCOConfig)


def _with_layers_of_sesn(recipe: Recipe, kind: type[NetworkConfig]) -> Recipe:
    """Of the fields, those of layers alone: scales are its own, and none is learned."""
    own = vars(recipe.model)
    names = "num_classes", "widths", "hidden", "dropout", "padding"
    model = kind(**{name: own[name] for name in names})
    optimizer = dataclasses.replace(recipe.optimizer, scales=ScaleSchedule())
    return dataclasses.replace(recipe, model=model, optimizer=optimizer)


def _rate(rate: float) -> Ablation:
    words = f"Trained at the learning rate {rate:g}."
    return _part("optimizer", words, learning_rate=rate)


def _part(name: str, words: str, **values: Any) -> Ablation:
    def ablation(recipe: Recipe) -> Recipe:
        return _replace(recipe, name, **values)

    ablation.__doc__ = words
    return ablation


def _batch(size: float) -> Ablation:
    def ablation(recipe: Recipe) -> Recipe:
        if size != int(size) or size < 1:
            raise UserError(f"`batch-{size:g}`: give a whole number of images, from 1")
        return dataclasses.replace(recipe, batch_size=int(size), multi_batch_size=None)

    ablation.__doc__ = f"Trained in batches of {size:g}."
    return ablation


def _njet(words: str, **values: Any) -> Ablation:
    def ablation(recipe: Recipe) -> Recipe:
        njet = with_fields(vars(recipe.model)["njet"], **values)
        return _replace(recipe, "model", njet=njet)

    ablation.__doc__ = words
    return ablation


_model = functools.partial(_part, "model")


def deeper(levels: int) -> Ablation:
    """A U-Net with more levels, half as wide for each. [njet] Fig. 11."""

    def ablation(recipe: Recipe) -> Recipe:
        widths = vars(recipe.model)["widths"]
        more = levels - len(widths)
        if more < 1:
            raise UserError(f"`levels{levels}`: the network has {len(widths)} already")
        first = max(1, widths[0] // 2**more)
        return _replace(
            recipe, "model", widths=tuple(first * 2**k for k in range(levels))
        )

    ablation.__doc__ = f"A U-Net with {levels} levels, half as wide for each more."
    return ablation


def up_to(high: float) -> Ablation:
    """Sizes on the canvas are drawn up to another factor. [scale_learning] 4.1."""

    def ablation(recipe: Recipe) -> Recipe:
        if recipe.data.canvas is None or recipe.data.scales.high is None:
            raise UserError(
                f"`up-to-{high:g}` needs images on a canvas, at sizes with a largest"
                " one: choose another recipe, or give --data.canvas and"
                " --data.scales.high"
            )
        scales = dataclasses.replace(recipe.data.scales, high=high)
        validate_scales(scales)
        data, seen = recipe.data, recipe.preprocessing
        if seen == standardised(recipe.data.canvas, recipe.data.scales):
            seen = standardised(recipe.data.canvas, scales)
        data = dataclasses.replace(data, scales=scales)
        return dataclasses.replace(recipe, data=data, preprocessing=seen)

    ablation.__doc__ = f"Sizes on the canvas are drawn up to {high:g}."
    return ablation


def _pooled_by(pooling: Any, more: str = "") -> Ablation:
    def ablation(recipe: Recipe) -> Recipe:
        recipe = _replace(recipe, "model", scale_pooling=pooling)
        return dataclasses.replace(recipe, poolings=(pooling,))

    words = f"Trained and evaluated with {pooling} pooling over scales"
    ablation.__doc__ = f"{words}{more}."
    return ablation


def _baseline(equal: Any) -> Ablation:
    def ablation(recipe: Recipe) -> Recipe:
        if "levels" not in vars(recipe.model):
            raise KeyError("levels")
        model: Any = recipe.model
        baseline = matched_baseline(model, equal=equal)
        return dataclasses.replace(recipe, model=baseline)

    ablation.__doc__ = f"The plain network, one level, of equal {equal}. [dss] Table 1."
    return ablation


LEARNED = {
    "isr": "The internal scale range is learned.",
    "spacings": "Each spacing of internal scales is learned.",
    "direct": "Each internal scale is learned.",
}
SHARING = {
    "input": "A learned sigma for each input channel.",
    "output": "A learned sigma for each output channel.",
    "group": "A learned sigma for each group of channels.",
}
RATES = ("0.001", "0.003", "0.006", "0.01", "0.1")
LAYERS: dict[str, Ablation] = {
    **{
        f"sigma{sigma}": _njet(f"N-Jets start at {sigma} px.", sigma=float(sigma))
        for sigma in ("0.5", "1", "2", "4")
    },
    "fixed-sigma": _njet("The sigma of N-Jets isn't learned.", learn_sigma=False),
    **{f"per-{name}": _njet(words, sharing=name) for name, words in SHARING.items()},
    "full-size": _njet("No subsampling of feature maps.", subsampling="none"),
    "published": _njet("The network's published subsampling.", subsampling="published"),
    "safe": _njet("Feature maps as small as sigmas allow.", subsampling="safe"),
    **{
        f"r{r}": _njet(f"Safe subsampling with r = {r} px.", r=float(r))
        for r in (2, 4, 6)
    },
}
ABLATIONS: dict[str, Ablation] = {
    "zero-order": zero_order,
    "no-zero-order": no_zero_order,
    "separable": separable,
    "hard-labels": hard_labels,
    "soft-labels": soft_labels,
    "scratch": scratch,
    "one-channel": one_channel,
    "plain": plain,
    "dss": dss,
    "disco": disco,
    **{
        f"order{order}": _model(f"Derivatives up to order {order}.", order=order)
        for order in range(1, 6)
    },
    **{f"levels{levels}": deeper(levels) for levels in (4, 5)},
    **LAYERS,
    **{f"rate{rate}": _rate(float(rate)) for rate in RATES},
    "image-grid": _model(
        "All scale channels run on the images' own grid.", pyramid=None, enlarge=0
    ),
    "no-interaction": _model("No layers that mix levels.", interaction=False),
    "activate-sum": _model(
        "Residual blocks apply the nonlinearity to the sum.", activate="sum"
    ),
    "activate-branch": _model(
        "Residual blocks apply the nonlinearity before the addition.", activate="branch"
    ),
    "untied": _model("Each branch of the head has weights of its own.", tied=False),
    "no-scale-dropout": _model("No dropout of levels or channels.", scale_dropout=0.0),
    "same-parameters": _baseline("parameters"),
    "same-channels": _baseline("channels"),
    "fixed-scales": _model("Internal scales aren't learned.", learned=None),
    "range-form": _model("ISR = 1 + gamma^2, formula (6).", form="range"),
    **{
        f"learned-{name}": _model(words, learned=name)
        for name, words in LEARNED.items()
    },
    "unpruned": _model("No internal scale goes out of use.", prune=False),
    "max": _pooled_by("max"),
    "logsumexp": _pooled_by("logsumexp"),
    "mean": _pooled_by("mean", "; on STL-10 without label smoothing"),
}
# Names that end in a number, as "isr-4.76".
NUMBERED: dict[str, Callable[[float], Ablation]] = {
    "isr-": lambda isr: _model(
        f"Internal scale range {isr:g} (at the start).", isr=isr
    ),
    "sigma-basis-": lambda sigma: _model(
        f"Finest internal scale {sigma:g} px (at the start).", sigma=sigma
    ),
    "up-to-": up_to,
    "batch-": _batch,
    "l2-": lambda l2: _part("loss", f"An L2 of {l2:g} on the weights.", l2=l2),
    "channel-loss-": lambda channels: _part(
        "loss",
        f"{channels:g} times the loss of each scale channel by itself is added.",
        channels=channels,
    ),
    "warmup-": lambda epochs: _part(
        "optimizer", f"{epochs:g} epochs of linear warm-up.", warmup_epochs=epochs
    ),
}


def find(name: str) -> Ablation:
    """The ablation of a name.

    Raises:
      UserError: if there is none, with the nearest name.
    """
    if name in ABLATIONS:
        return ABLATIONS[name]
    for prefix, make in NUMBERED.items():
        number = name.removeprefix(prefix)
        if number != name and re.fullmatch(r"\d+(\.\d+)?", number):
            return make(float(number))
    known = [*ABLATIONS, *(f"{prefix}2" for prefix in NUMBERED)]
    raise unknown("ablation", name, known, error=UserError)


@functools.cache
def apply(recipe: Recipe, names: tuple[str, ...]) -> Recipe:
    """The recipe with ablations applied one after the other.

    What the papers set otherwise along with them comes first (`published_settings`).

    Args:
      recipe: of a run.
      names: of `ABLATIONS` and `NUMBERED`.

    Returns:
      What a trial of the run follows.

    Raises:
      UserError: for an unknown name, with the nearest one, and for networks that have
        not what the ablation changes.
    """
    found = [find(name) for name in names]
    recipe = with_settings(recipe, names)
    for name, ablation in zip(names, found, strict=True):
        try:
            recipe = ablation(recipe)
        except KeyError as error:
            family = family_of(recipe.model)
            raise UserError(
                f"the ablation `{name}` needs a network with `{error.args[0]}`, which "
                f"{family} has not: choose another recipe, or another --model.family"
            ) from None
    return recipe
