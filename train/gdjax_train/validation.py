"""What the types of a recipe cannot say about it."""

from __future__ import annotations

from . import njet, variants
from .augment_config import validate_augment
from .errors import UserError
from .members import SCALE_POOLINGS, parse_net
from .recipe import Recipe


def validate(recipe: Recipe) -> None:
    """Check what the types of the recipe cannot say.

    Raises:
      UserError: naming the field, its value, what is expected and the remedy.
    """
    parsed = [parse_net(net) for net in recipe.nets]
    if not parsed or len(set(parsed)) != len(parsed):
        raise UserError(f"`nets={recipe.nets}`: give at least one net, each once")
    validate_augment(recipe.augment)
    if recipe.data.with_validation and recipe.data.validation_images != 0:
        raise UserError(
            "`with_validation` trains on the validation images: they can't be validated"
            " on, so give --data.validation-images 0"
        )
    for name, least in (
        ("epochs", 0),
        ("multi_epochs", 0),
        ("batch_size", 1),
        ("eval_batch_size", 1),
        ("checkpoint_every", 1),
        ("log_every", 1),
    ):
        if getattr(recipe, name) < least:
            raise UserError(
                f"`{name}={getattr(recipe, name)}`: expected at least {least}"
            )
    for filters, _, names in parsed:
        variant = variants.apply(recipe, names)
        _validate_model(variant)
        _validate_njet(variant, filters)
        _validate_stages(variant)
    sigmas = (recipe.model.single_sigma, *recipe.model.sigmas)
    if not all(0 < sigma < float("inf") for sigma in sigmas):
        raise UserError(f"base scales must be positive numbers of px, got {sigmas}")


def _validate_njet(recipe: Recipe, filters: str) -> None:
    """Networks of [njet] have no scale channels, and only they have fixed filters."""
    model = recipe.model
    if not njet.is_njet(model):
        if filters in (njet.NJET, *njet.FIXED):
            raise UserError(
                f"`nets` has {filters!r}, which networks of [njet] alone know, not"
                f" {model.family}: choose another recipe, or --model.family"
            )
        return
    if model.sigmas or recipe.multi_epochs:
        raise UserError(
            f"{model.family} has no scale channels: leave --model.sigmas empty and "
            "--multi-epochs 0"
        )
    if filters in njet.FIXED and model.njet.subsampling == "safe":
        raise UserError(
            f"`nets` has {filters!r}, but safe subsampling goes by learned sigmas: add"
            ' a variant, as in "plain+relu+published"'
        )
    if not 0 < model.njet.r < float("inf"):
        raise UserError(f"`r={model.njet.r}` must be a positive number of px")


def _validate_model(recipe: Recipe) -> None:
    model = recipe.model
    if model.pyramid is not None and not 0 < model.pyramid < float("inf"):
        raise UserError(f"`pyramid={model.pyramid}` must be a positive number of px")
    if model.family != "gaussderresnet":
        if model.separable_from is not None:
            raise UserError(
                f"`separable_from={model.separable_from}` needs residual blocks: "
                "leave it out, or give --model.family gaussderresnet"
            )
        return
    blocks = len(model.widths) - 1
    if blocks < 1:
        raise UserError(
            f"`widths={model.widths}` of gaussderresnet: give at least two, that of "
            "the first layer and one for each block"
        )
    if model.separable_from is not None and not 1 <= model.separable_from <= blocks:
        raise UserError(
            f"`separable_from={model.separable_from}` must be one of the blocks 1 to "
            f"{blocks}"
        )


def _validate_stages(recipe: Recipe) -> None:
    if recipe.multi_epochs and not recipe.model.sigmas:
        raise UserError(
            f"`multi_epochs={recipe.multi_epochs}` without scale channels: "
            "give --model.sigmas, or --multi-epochs 0"
        )
    from_scratch = recipe.multi_epochs and recipe.multi_from == "scratch"
    if not recipe.epochs and not from_scratch:
        raise UserError(
            "`epochs=0` leaves nothing to train: give --epochs, or train the "
            "multi-scale net with --multi-epochs and --multi-from scratch"
        )
    if not recipe.poolings:
        raise UserError("`poolings` is empty: give one of " + ", ".join(SCALE_POOLINGS))
