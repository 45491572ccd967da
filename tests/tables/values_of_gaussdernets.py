"""What recipes of [gaussdernet] and [gaussderresnet] come to, as the papers say."""

OWN = "discrete+relu"
FASHION, CIFAR, STL = (
    f"gaussderresnet_{name}" for name in ("fashion_mnist", "cifar10", "stl10")
)
SIX = tuple(2.0 ** (k / 2) for k in range(-3, 3))
COLOURS = {"brightness": 0.2, "contrast": 0.2, "saturation": 0.2, "hue": 0.05}
AUGMENT = {f"recipe.augment.{name}": value for name, value in COLOURS.items()}
ADAM = {
    "recipe.optimizer.name": "adam",
    "phases.0.learning_rate": 0.01,
    "recipe.optimizer.min_learning_rate": 0.00005,
    "phases.0.batch_size": 50,
    "recipe.loss.kind": "binary",
    "recipe.data.train_images": 50_000,
    "recipe.model.order": 2,
    "recipe.model.ratio": 1.25,
}
# Of all three data sets: 5.2.
PROTOCOL = {
    "recipe.optimizer.name": "adamw",
    "phases.-1.learning_rate": 0.01,
    "recipe.optimizer.weight_decay": 0.025,
    "recipe.augment.horizontal_flip": 0.5,
    "recipe.data.with_validation": True,
    "recipe.model.sigmas": SIX,
    "recipe.model.order": 2,
}
# A recipe, a net of it, the paper and where in it, and what it says there.
Row = tuple[str, str, str, dict[str, object]]
GAUSSDERNET: list[Row] = [
    (
        "gaussdernet_mnist",
        OWN,
        "[gaussdernet] 4",
        ADAM
        | {
            "phases.0.epochs": 40,
            "recipe.model.widths": (12, 14, 16, 20, 64),
            "phases.0.model.sigmas": (0.9,),
        },
    ),
    (
        "gaussdernet_mnist_large_scale",
        OWN,
        "[gaussdernet] 5, Fig. 7, top",
        ADAM
        | {
            "phases.-1.epochs": 20,
            "recipe.model.widths": (12, 16, 24, 32, 64),
            "phases.-1.model.sigmas": tuple(2.0 ** (k / 2) for k in range(-1, 7)),
            "recipe.data.train_sizes": (1.0, 2.0, 4.0),
        },
    ),
    (
        "gaussdernet_mnist_large_scale_larger",
        OWN,
        "[gaussdernet] 5, Fig. 7, bottom",
        ADAM
        | {
            "phases.-1.epochs": 20,
            "recipe.model.widths": (16, 24, 32, 48, 64),
            "phases.-1.model.sigmas": tuple(2.0 ** (k / 2) for k in range(-1, 7)),
            "recipe.data.train_sizes": (1.0, 2.0, 4.0),
        },
    ),
]
GAUSSDERRESNET: list[Row] = [
    (
        FASHION,
        OWN,
        "[gaussderresnet] 5, Tables 1 and 2",
        PROTOCOL
        | {
            "phases.-1.epochs": 32,
            "phases.-1.batch_size": 64,
            "recipe.optimizer.warmup_epochs": 0,
            "recipe.model.scale_dropout": 0.2,
            "recipe.model.ratio": 1.13,
            "recipe.model.widths": (48, 24, 32, 32, 48, 48, 64, 64, 128),
            "recipe.model.eps": 0.01,
            "recipe.model.zero_order": False,
            "recipe.model.spatial_selection": "centre",
            "recipe.augment.hue": 0.0,
            "recipe.augment.crop_padding": 0,
        },
    ),
    (
        CIFAR,
        OWN,
        "[gaussderresnet] 5, Tables 1 and 2",
        PROTOCOL
        | AUGMENT
        | {
            "phases.-1.epochs": 90,
            "phases.-1.batch_size": 45,
            "recipe.optimizer.warmup_epochs": 8,
            "recipe.optimizer.warmup_fraction": 0.1,
            "recipe.model.scale_dropout": 0.3,
            "recipe.model.ratio": 1.2,
            "recipe.model.widths": (48, 48, 64, 64, 64, 192, 192, 192, 256),
            "recipe.model.eps": 0.005,
            "recipe.model.zero_order": False,
            "recipe.model.spatial_selection": "centre",
            "recipe.augment.crop_padding": 0,
        },
    ),
    (
        STL,
        OWN,
        "[gaussderresnet] 5, Tables 1 and 2",
        PROTOCOL
        | AUGMENT
        | {
            "phases.-1.epochs": 119,
            "phases.-1.batch_size": 17,
            "recipe.optimizer.warmup_epochs": 8,
            "recipe.optimizer.warmup_fraction": 0.1,
            "recipe.model.scale_dropout": 0.3,
            "recipe.model.ratio": 1.32,
            "recipe.model.widths": (48, 48, 64, 64, 128, 128, 192, 192, 256),
            "recipe.model.eps": 0.005,
            "recipe.model.zero_order": True,
            "recipe.model.spatial_selection": "max",
            "recipe.augment.crop_padding": 24,
        },
    ),
]
SMOOTHING = "recipe.loss.label_smoothing"
DECAY, DROPOUT = "recipe.optimizer.weight_decay", "recipe.model.scale_dropout"
RATE, EPOCHS, BATCH = (
    f"phases.-1.{name}" for name in ("learning_rate", "epochs", "batch_size")
)
ABLATIONS: list[Row] = [
    *(
        (recipe, f"{OWN}+mean", "[gaussderresnet] 6.2.1, 6.2.2", {SMOOTHING: 0.1})
        for recipe in (FASHION, CIFAR)
    ),
    (STL, f"{OWN}+mean", "[gaussderresnet] 6.2.3", {SMOOTHING: 0.0}),
    (STL, f"{OWN}+logsumexp", "[gaussderresnet] 6.2.3", {SMOOTHING: 0.1}),
    *(
        (
            STL,
            f"{OWN}+mean{name}",
            "[gaussderresnet] 7.1",
            {
                "recipe.model.scale_pooling": "mean",
                "recipe.poolings": ("mean",),
                "recipe.model.zero_order": not name,
                SMOOTHING: 0.0,
            },
        )
        for name in ("", "+no-zero-order")
    ),
    *(
        (
            recipe,
            f"{OWN}+one-channel",
            "[gaussderresnet] A.1",
            {EPOCHS: epochs, BATCH: batch, RATE: 0.01, "phases.-1.name": "single"}
            | {"phases.-1.model.sigmas": (1.0,), DECAY: 0.025},
        )
        for name, epochs, batch in (
            (FASHION, 32, 64), (CIFAR, 90, 128), (STL, 119, 64),
        )
        for recipe in (name, f"{name}_pretrained")
    ),
    *(
        (
            recipe,
            f"{OWN}+separable",
            "[gaussderresnet] A.2",
            {RATE: rate, EPOCHS: epochs, SMOOTHING: 0.1}
            | {"recipe.model.separable_from": 5},
        )
        for recipe, rate, epochs in (
            (FASHION, 0.01, 32), (CIFAR, 0.01, 90), (STL, 0.005, 170),
        )
    ),
    *(
        (
            recipe,
            f"{OWN}+hard-labels",
            "[gaussderresnet] A.3",
            {SMOOTHING: 0.0, DECAY: decay, DROPOUT: dropout},
        )
        for recipe, decay, dropout in (
            (FASHION, 0.05, 0.2), (CIFAR, 0.025, 0.3), (STL, 0.025, 0.3),
        )
    ),
    (STL, f"{OWN}+mean+soft-labels", "[gaussderresnet] A.3", {SMOOTHING: 0.1}),
    (
        f"{STL}_single",
        OWN,
        "[gaussderresnet] 6.1, Table 3",
        {
            "recipe.data.name": "stl10",
            "recipe.data.with_validation": True,
            "recipe.model.zero_order": True,
            "recipe.model.spatial_selection": "max",
            "recipe.augment.crop_padding": 24,
            "recipe.augment.horizontal_flip": 0.5,
            SMOOTHING: 0.1,
        },
    ),
    (f"{STL}_single", f"{OWN}+hard-labels", "[gaussderresnet] 6.1", {SMOOTHING: 0.0}),
    *(
        (
            f"{recipe}_pretrained",
            OWN,
            "[gaussderresnet] A.4, Table 5",
            {
                "phases.0.epochs": epochs[0],
                "phases.1.epochs": epochs[1],
                "phases.0.batch_size": batches[0],
                "phases.1.batch_size": batches[1],
                "phases.0.learning_rate": 0.01,
                "phases.1.learning_rate": 0.005,
                "phases.1.start": "single",
            },
        )
        for recipe, epochs, batches in (
            (FASHION, (16, 16), (128, 64)),
            (CIFAR, (40, 50), (128, 45)),
            (STL, (50, 70), (64, 17)),
        )
    ),
    *(
        (
            f"{recipe}_pretrained",
            f"{OWN}+scratch",
            "[gaussderresnet] A.4, Table 2",
            {EPOCHS: epochs, BATCH: batch, RATE: 0.01, "phases.-1.start": None},
        )
        for recipe, epochs, batch in (
            (FASHION, 32, 64), (CIFAR, 90, 45), (STL, 119, 17),
        )
    ),
]  # fmt: skip
