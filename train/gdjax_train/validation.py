"""What the types of a recipe cannot say about it."""

from __future__ import annotations

import dataclasses
import typing

from .augment_config import validate_augment
from .errors import UserError
from .number_checks import check_numbers, check_rates
from .recipe import Pooling, Recipe, ScaleSchedule
from .scale_distribution import ScaleDistribution, validate_scales
from .trials import parse_net, resolved, single_model


def validate(recipe: Recipe) -> None:
    """Check what the types of the recipe cannot say.

    Raises:
      UserError: naming the field, its value, what is expected and the remedy.
    """
    parsed = [parse_net(net) for net in recipe.nets]
    if not parsed or len(set(parsed)) != len(parsed):
        raise UserError(f"`nets={recipe.nets}`: give at least one net, each once")
    _validate_named_by_nets(recipe)
    validate_augment(recipe.augment)
    check_numbers(recipe)
    _validate_data(recipe)
    if len(set(recipe.seeds)) != len(recipe.seeds) or (recipe.seeds and recipe.seed):
        raise UserError(
            f"`seeds={recipe.seeds}`, `seed={recipe.seed}`: give each seed once, and "
            "not both of them"
        )
    once = {"eval_factors": recipe.eval_factors, "train_sizes": recipe.data.train_sizes}
    for name, values in once.items():
        if len(set(values)) != len(values):
            raise UserError(f"`{name}={values}`: give each once")
    nets = [resolved(recipe, net) for net in recipe.nets]
    for own in nets:
        check_numbers(own)  # with the numbers of its ablations
        check_rates(own)
        _validate_phases(own)
        _validate_model(own)
        _validate_optimizer(own)
        _validate_segmentation(own)
        if own.optimizer.scales != ScaleSchedule() and not own.model.scale_parameters:
            raise UserError("`optimizer.scales`: no net learns scales, so leave it out")


def _validate_named_by_nets(recipe: Recipe) -> None:
    """Kernels and activation have one place, so that none is overruled silently."""
    for field in dataclasses.fields(typing.cast(typing.Any, recipe.model)):
        if field.name in ("discretisation", "activation", "convolution"):
            value = vars(recipe.model)[field.name]
            if value != field.default:
                raise UserError(
                    f"`model.{field.name}={value}`: kernels and activation are named "
                    "by --nets, as in discrete+relu"
                )


def _validate_data(recipe: Recipe) -> None:
    data = recipe.data
    if data.with_validation and data.validation_images != 0:
        raise UserError(
            "`with_validation` trains on the validation images: they can't be validated"
            " on, so give --data.validation-images 0"
        )
    if recipe.evaluated == "best" and data.validation_images == 0:
        raise UserError(
            "`evaluated=best` needs images to validate on: give "
            "--data.validation-images"
        )
    if bool(data.realisations) != ("{realisation}" in data.name):
        raise UserError(
            f"`data.realisations={data.realisations}` and `data.name={data.name}`: a "
            "name with {realisation} needs them, and others have none"
        )
    if len(set(data.realisations)) != len(data.realisations):
        raise UserError(f"`data.realisations={data.realisations}`: give each once")
    if data.folder is not None and recipe.data_dir is not None:
        raise UserError(
            f"`data.folder={data.folder}` and `data_dir={recipe.data_dir}`: give the "
            "folder alone"
        )
    if data.skip_unreadable and data.folder is None:
        raise UserError(
            "`data.skip_unreadable` is for pictures of a folder: give --data.folder, or"
            " leave it out"
        )
    validate_scales(data.scales)
    if data.canvas is None and data.scales != ScaleDistribution():
        raise UserError(
            "`data.scales` are those of images on a canvas: give --data.canvas, too"
        )
    if data.canvas is not None and recipe.model.segments:
        raise UserError(
            f"`data.canvas={data.canvas}`: the classes of pixels are not placed on a "
            "canvas, so leave it out"
        )


def _validate_segmentation(recipe: Recipe) -> None:
    """What only networks that classify pixels, or have a backbone, can have."""
    if recipe.augment.crop and not recipe.model.segments:
        raise UserError(
            f"`augment.crop={recipe.augment.crop}`: crops are for networks that "
            "classify every pixel, so leave it out"
        )
    if recipe.backbone_weights and recipe.initial_weights:
        raise UserError(
            f"`initial_weights={recipe.initial_weights}` has all weights, so leave "
            f"`backbone_weights={recipe.backbone_weights}` out, or the other"
        )
    for field, value, usual in (
        ("optimizer.head_rate", recipe.optimizer.head_rate, 1.0),
        ("backbone_weights", recipe.backbone_weights, None),
    ):
        if value != usual and not hasattr(recipe.model, "backbone"):
            raise UserError(
                f"`{field}={value}`: the network has no backbone, so leave it out, or "
                "take --model.family njet_deeplab"
            )


def _validate_optimizer(recipe: Recipe) -> None:
    config = recipe.optimizer
    epochs = [count for count in (recipe.epochs, recipe.multi_epochs) if count]
    for where, schedule in (("", config), ("scales.", config.scales)):
        warmup, drops = schedule.warmup_epochs, schedule.drops
        if drops and getattr(schedule, "power", 0.0):
            raise UserError(
                f"`optimizer.power={config.power}` and `optimizer.drops={drops}`: the "
                "rate falls by one or the other, so leave one out"
            )
        if not 0 <= warmup < min(epochs):
            raise UserError(
                f"`optimizer.{where}warmup_epochs={warmup:g}` is not shorter than a "
                f"training of {min(epochs)} epochs: give less"
            )
        if list(drops) != sorted(set(drops)) or any(drop <= warmup for drop in drops):
            raise UserError(
                f"`optimizer.{where}drops={drops}`: expected ascending epochs, after "
                f"the warm-up of {warmup:g}"
            )
        if drops and drops[-1] >= max(epochs):
            raise UserError(
                f"`optimizer.{where}drops={drops}`: a training of {max(epochs)} epochs "
                "ends before the last one"
            )
    rate = config.scales.learning_rate
    if rate is not None and config.sigma_rate != 1:
        raise UserError(
            f"`optimizer.sigma_rate={config.sigma_rate}` is relative to the weights' "
            "learning rate, which scales with a `learning_rate` of their own do not "
            "follow: leave one of them out"
        )
    if rate is None and config.scales != ScaleSchedule():
        raise UserError(
            "`optimizer.scales` has a schedule without a learning rate: give "
            "--optimizer.scales.learning-rate"
        )


def _validate_model(recipe: Recipe) -> None:
    """Let the modules of all phases say what they have against their fields."""
    model = recipe.model
    models = [model]
    if model.scale_channels:
        for name, sigmas in (
            ("model.single_sigma", (model.single_sigma,)),
            ("model.sigmas", model.sigmas),
            ("multi_sigmas", recipe.multi_sigmas),
        ):
            positive = all(0 < sigma < float("inf") for sigma in sigmas)
            if not positive or len(set(sigmas)) != len(sigmas):
                given = sigmas if name.endswith("s") else sigmas[0]
                raise UserError(
                    f"`{name}={given}`: base scales must be positive numbers of px, "
                    "each once"
                )
        models = [single_model(recipe)]
        models += [model.at_scales(model.sigmas)] if model.sigmas else []
    try:
        for each in models:
            each.check()
    except (OverflowError, TypeError, ValueError) as error:
        raise UserError(" ".join(str(error).split())) from error


def _validate_phases(recipe: Recipe) -> None:
    if recipe.loss.channels and not recipe.model.scale_channels:
        raise UserError(
            f"`loss.channels={recipe.loss.channels:g}`: the network has no scale"
            " channels, so give --loss.channels 0"
        )
    if not recipe.model.scale_channels and recipe.multi_epochs:
        raise UserError(
            f"`multi_epochs={recipe.multi_epochs}`: the network has no scale channels, "
            "so give --multi-epochs 0"
        )
    if not recipe.model.scale_channels and recipe.multi_sigmas:
        raise UserError(
            f"`multi_sigmas={recipe.multi_sigmas}`: the network has no scale channels,"
            " so leave --multi-sigmas out"
        )
    if not recipe.model.scale_channels and recipe.single_pyramid is not None:
        raise UserError(
            f"`single_pyramid={recipe.single_pyramid:g}`: the network has no scale"
            " channels, so leave --single-pyramid out"
        )
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
    _validate_poolings(recipe)


def _validate_poolings(recipe: Recipe) -> None:
    poolings = recipe.poolings
    if not poolings or len(set(poolings)) != len(poolings):
        known = ", ".join(typing.get_args(Pooling))
        raise UserError(
            f"`poolings={poolings}`: give at least one of {known}, each once"
        )
    channels = len(recipe.model.sigmas) if recipe.model.scale_channels else 0
    if channels < 2 and len(poolings) > 1:
        raise UserError(
            f"`poolings={poolings}` are over scale channels, of which there are "
            f"{channels}: give --model.sigmas, or one pooling"
        )
