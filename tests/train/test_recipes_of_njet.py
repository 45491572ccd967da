"""What recipes of [njet] come to, beside what the paper says."""

import pytest


# A recipe, a net of it, the paper and where in it, and what it says there.
Row = tuple[str, str, str, dict[str, object]]
RATE, EPOCHS, BATCH = (
    f"phases.-1.{name}" for name in ("learning_rate", "epochs", "batch_size")
)
NIN, CNN, RESNET, DEEP, EFFICIENT = (
    f"njet_cifar10{name}"
    for name in ("", "_allcnn", "_resnet32", "_resnet110", "_efficientnet")
)
L2 = "recipe.loss.l2"
# Of the authors' code, SilviaLauraPintea/N-JetNet, pytorch_classification/dataset.py.
CODE = {
    "recipe.augment.crop_padding": 4,
    "recipe.augment.horizontal_flip": 0.5,
    "recipe.preprocessing.mean": (0.4914, 0.4822, 0.4465),
    "recipe.preprocessing.std": (0.2023, 0.1994, 0.2010),
}
MOMENTUM = {"recipe.optimizer.name": "sgd", "recipe.optimizer.momentum": 0.9}
NJET: list[Row] = [
    *(
        (
            recipe,
            net,
            "[njet] 4.1, setup",
            CODE | MOMENTUM | {RATE: rate, "recipe.model.order": 3},
        )
        for recipe, net, rate in (
            (NIN, "njet+relu", 0.5), (NIN, "plain", 0.5),
            (CNN, "njet+relu", 0.25), (CNN, "plain", 0.25),
            (RESNET, "njet+relu", 0.1), (RESNET, "plain", 0.1),
            (DEEP, "njet+relu", 0.001), (DEEP, "plain", 0.1),
            (EFFICIENT, "njet+silu", 0.001), (EFFICIENT, "plain", 0.01),
        )
    ),
    *(
        (recipe, "njet", "[njet] 4.1, setup", {L2: l2})
        for recipe, l2 in ((NIN, 0.01), (CNN, 0.001), (RESNET, 0.0001))
    ),
    (DEEP, "njet", "[njet] 4.1, setup", {BATCH: 16}),
    (EFFICIENT, "njet", "[njet] 4.1, setup", {BATCH: 16}),
    (EFFICIENT, "plain", "[njet] 4.1, setup", {BATCH: 32, L2: 0.0}),
    (NIN, "plain", "[njet] 4.1, the authors' code", {BATCH: 128, L2: 0.0005}),
    (
        DEEP,
        "plain",
        "[njet] 4.1 after [He et al. 2016] 4.2",
        {BATCH: 128, L2: 0.0001, "recipe.optimizer.warmup_epochs": 1}
        | {"recipe.optimizer.warmup_fraction": 0.1},
    ),
    (
        "njet_multi_scale_fashion_mnist",
        "njet",
        "[njet] 4.2, experiment 1.1(B)",
        {EPOCHS: 50, BATCH: 1, RATE: 0.0001, "recipe.optimizer.name": "adam"}
        | {"recipe.loss.class_weights": "inverse_frequency"}
        | {"recipe.model.widths": (64, 128, 256)},
    ),
    *(
        (
            "njet_fixed_sigmas",
            f"njet+relu+published+fixed-sigma+sigma{sigma}",
            "[njet] 4.1, experiment 2.1(A)",
            {"recipe.model.njet.sigma": float(sigma), "recipe.model.njet.extent": 2.0},
        )
        for sigma in ("0.5", "1", "2")
    ),
]  # fmt: skip
VOC = "njet_deeplab_voc"
NJET += [
    (
        VOC,
        net,
        "[njet] 4.2, experiment 2(B), with what [Chen et al. 2017] 4.1 trains by",
        MOMENTUM
        | {BATCH: 10, RATE: 0.00025, "recipe.optimizer.power": 0.9, L2: 0.0005}
        | {"recipe.optimizer.head_rate": 10, "recipe.model.backbone.frozen": True}
        | {"recipe.augment.crop": 321, "recipe.augment.scale": (0.5, 1.5)}
        | {"recipe.model.num_classes": 21, "recipe.model.tied": tied}
        | ({"recipe.model.order": order} if order else {}),
    )
    for net, tied, order in (
        ("plain+relu+untied", False, 0),
        ("plain+relu", True, 0),
        *((f"njet+relu+order{order}", True, order) for order in (1, 2, 3)),
    )
]


@pytest.mark.parametrize("row", NJET, ids=lambda row: ", ".join(row[:3]))
def test_values_of_the_paper(row, resolved_values):
    recipe, net, _, expected = row
    assert resolved_values(recipe, net, expected) == expected
