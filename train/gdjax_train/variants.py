"""Variants of a recipe, named after the flavour of a net: "discrete+relu+separable".

Each of the papers' ablations compares a net with a variant of it, so one command runs
both: `gdjax-train RECIPE --nets discrete+relu discrete+relu+separable`.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

from .errors import UserError, unknown_name
from .njet import is_njet
from .recipe import Recipe


def _replace(recipe: Recipe, part: str, **values: Any) -> Recipe:
    changed = dataclasses.replace(getattr(recipe, part), **values)
    return dataclasses.replace(recipe, **{part: changed})


def zero_order(recipe: Recipe) -> Recipe:
    """The smoothed image is a term of all layers but the first."""
    return _replace(recipe, "model", zero_order=True)


def no_zero_order(recipe: Recipe) -> Recipe:
    """Derivatives only."""
    return _replace(recipe, "model", zero_order=False)


def separable(recipe: Recipe) -> Recipe:
    """Depthwise-separable layers in the second half of the residual blocks."""
    blocks = len(recipe.model.widths) - 1
    return _replace(recipe, "model", separable_from=blocks // 2 + 1)


def hard_labels(recipe: Recipe) -> Recipe:
    """No label smoothing."""
    return _replace(recipe, "loss", label_smoothing=0.0)


def scratch(recipe: Recipe) -> Recipe:
    """No pre-training in one channel; as many epochs in all, at the full rate."""
    return dataclasses.replace(
        recipe,
        epochs=0,
        multi_from="scratch",
        multi_epochs=recipe.epochs + recipe.multi_epochs,
        multi_learning_rate=None,
    )


def plain(recipe: Recipe) -> Recipe:
    """GaussDerNet 16-24-32-48-64, r = 1.25, the larger net of [gaussdernet] Fig. 7."""
    return _replace(
        recipe, "model", family="gaussdernet", widths=(16, 24, 32, 48, 64), ratio=1.25,
        separable_from=None, remat=False,
    )  # fmt: skip


def _rate(rate: float) -> Callable[[Recipe], Recipe]:
    def variant(recipe: Recipe) -> Recipe:
        return _replace(recipe, "optimizer", learning_rate=rate)

    variant.__doc__ = f"Trained at the learning rate {rate:g}."
    return variant


def _njet(**values: Any) -> Callable[[Recipe], Recipe]:
    def variant(recipe: Recipe) -> Recipe:
        njet = dataclasses.replace(recipe.model.njet, **values)
        return _replace(recipe, "model", njet=njet)

    variant.__doc__ = "N-Jet layers with " + ", ".join(
        f"{name}={value}" for name, value in values.items()
    )
    return variant


def _model(**values: Any) -> Callable[[Recipe], Recipe]:
    def variant(recipe: Recipe) -> Recipe:
        return _replace(recipe, "model", **values)

    variant.__doc__ = ", ".join(f"{name}={value}" for name, value in values.items())
    return variant


def deeper(levels: int) -> Callable[[Recipe], Recipe]:
    """A U-Net with more levels, half as wide for each. [njet] Fig. 11."""

    def variant(recipe: Recipe) -> Recipe:
        widths = recipe.model.widths
        more = levels - len(widths)
        if more < 1:
            raise UserError(f"`levels{levels}`: the network has {len(widths)} already")
        first = max(1, widths[0] // 2**more)
        return _replace(
            recipe, "model", widths=tuple(first * 2**k for k in range(levels))
        )

    variant.__doc__ = f"A U-Net with {levels} levels, half as wide for each more."
    return variant


def _pooled_by(pooling: Any) -> Callable[[Recipe], Recipe]:
    def variant(recipe: Recipe) -> Recipe:
        recipe = _replace(recipe, "model", scale_pooling=pooling)
        return dataclasses.replace(recipe, poolings=(pooling,))

    variant.__doc__ = f"Trained and evaluated with {pooling} pooling over scales."
    return variant


RATES = ("0.001", "0.003", "0.006", "0.01")
NJET_VARIANTS: dict[str, Callable[[Recipe], Recipe]] = {
    **{f"sigma{sigma}": _njet(sigma=float(sigma)) for sigma in ("0.5", "1", "2", "4")},
    "fixed-sigma": _njet(learn_sigma=False),
    **{f"per-{name}": _njet(sharing=name) for name in ("input", "output", "group")},
    "full-size": _njet(subsampling="none"),
    "published": _njet(subsampling="published"),
    "safe": _njet(subsampling="safe"),
    **{f"r{r}": _njet(r=float(r)) for r in (2, 4, 6)},
}
VARIANTS: dict[str, Callable[[Recipe], Recipe]] = {
    "zero-order": zero_order,
    "no-zero-order": no_zero_order,
    "separable": separable,
    "hard-labels": hard_labels,
    "scratch": scratch,
    "plain": plain,
    **{f"order{order}": _model(order=order) for order in range(1, 6)},
    **{f"levels{levels}": deeper(levels) for levels in (4, 5)},
    **NJET_VARIANTS,
    **{f"rate{rate}": _rate(float(rate)) for rate in RATES},
    "max": _pooled_by("max"),
    "logsumexp": _pooled_by("logsumexp"),
    "mean": _pooled_by("mean"),
}


@functools.cache
def apply(recipe: Recipe, names: tuple[str, ...]) -> Recipe:
    """The recipe with variants applied one after the other.

    Args:
      recipe: of a run.
      names: of `VARIANTS`.

    Returns:
      What a member of the run follows.

    Raises:
      UserError: for an unknown name, with the nearest one, for separable layers in
        a network without residual blocks, and for N-Jet layers in one without.
    """
    for name in names:
        if name not in VARIANTS:
            raise unknown_name("variant", name, VARIANTS)
        if name == "separable" and recipe.model.family != "gaussderresnet":
            raise UserError(
                "the variant `separable` needs residual blocks: choose a recipe of "
                "gaussderresnet, or --model.family gaussderresnet"
            )
        if name in NJET_VARIANTS and not is_njet(recipe.model):
            raise UserError(
                f"the variant `{name}` needs a network of [njet], which "
                f"{recipe.model.family} is not"
            )
        recipe = VARIANTS[name](recipe)
    return recipe
