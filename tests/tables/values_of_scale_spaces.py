"""What recipes of [dss] and [scale_learning] come to, as the papers say."""

from values_of_gaussdernets import BATCH, EPOCHS, OWN, RATE, Row


DSS: list[Row] = [
    (
        "dss_pcam",
        OWN,
        "[dss] 4, Patch Camelyon",
        {EPOCHS: 100, BATCH: 512, RATE: 0.1, "recipe.optimizer.drops": (40, 80)}
        | {"recipe.optimizer.name": "sgd", "recipe.optimizer.momentum": 0.9}
        | {"recipe.model.levels": 4, "recipe.augment.brightness_shift": 64 / 255}
        | {"recipe.augment.saturation": 0.25, "recipe.augment.hue": 0.04}
        | {"recipe.augment.contrast": 0.75, "recipe.augment.crop_padding": 8},
    ),
    (
        "dss_cityscapes",
        OWN,
        "[dss] 4, Cityscapes",
        {EPOCHS: 100, BATCH: 8, RATE: 0.001, "recipe.optimizer.drops": (40, 80)}
        | {"recipe.optimizer.name": "adam", "recipe.model.levels": 4},
    ),
]
DIGITS = {
    EPOCHS: 60,
    BATCH: 128,
    RATE: 0.01,
    "recipe.optimizer.name": "adam",
    "recipe.optimizer.drops": (20, 40),
    "recipe.optimizer.drop_factor": 0.1,
}
SCALES: list[Row] = [
    (
        "scale_learning_mnist_scale",
        "sampled_derivatives",
        "[scale_learning] 4.3 and B",
        DIGITS
        | {
            "recipe.optimizer.scales.learning_rate": 0.005,
            "recipe.optimizer.scales.warmup_epochs": 10,
            "recipe.model.sigma": 1.5,
            "recipe.model.isr": 2.0,
            "recipe.model.count": 4,
            "recipe.preprocessing.mean": (0.0607,),
            "recipe.preprocessing.std": (0.2161,),
        },
    ),
    *(
        (
            f"scale_learning_{recipe}",
            f"sampled_derivatives+relu+up-to-{high:g}{own}",
            "[scale_learning] 4.1, 4.2 and B",
            DIGITS
            | {
                "recipe.optimizer.scales.learning_rate": 0.01,
                "recipe.data.canvas": 168,
                "recipe.data.scales.low": 1.0,
                "recipe.data.scales.high": high,
                "recipe.model.count": 3,
                "recipe.model.sigma": sigma,
                "recipe.model.isr": isr,
                "recipe.model.learned": learned,
            },
        )
        for recipe, own, high, sigma, isr, learned in (
            ("ranges", "", 2.83, 2.0, 3.0, "isr"),
            ("ranges", "", 4.76, 2.0, 3.0, "isr"),
            ("sweep", "+isr-1.5", 8.0, 2.0, 1.5, None),
            ("initialisation", "+sigma-basis-4+isr-6", 8.0, 4.0, 6.0, "isr"),
            ("parameterisations", "+learned-spacings", 8.0, 2.0, 3.0, "spacings"),
            ("parameterisations", "+learned-direct", 8.0, 2.0, 3.0, "direct"),
        )
    ),
]  # fmt: skip
