"""What recipes of [njet] come to, as the paper says."""

from values_of_gaussdernets import BATCH, EPOCHS, RATE, Row


NIN, CNN, RESNET, DEEP, EFFICIENT = (
    f"njet_cifar10{name}"
    for name in ("", "_allcnn", "_resnet32", "_resnet110", "_efficientnet")
)
L2, SIZES = "recipe.loss.l2", "recipe.data.train_sizes"
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
        for recipe, l2 in ((NIN, 0.01), (CNN, 0.001), (RESNET, 0.0001), (DEEP, 0.0001))
    ),
    (NIN, "njet", "[njet] 4.1, experiment 2.2(A)", {"recipe.model.njet.r": 4.0}),
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
    *(
        (
            "njet_safe_subsampling",
            f"njet+relu+r{r:g}",
            "[njet] 4.1, experiment 2.2(A)",
            {"recipe.model.njet.r": r, "recipe.model.njet.subsampling": "safe"},
        )
        for r in (2.0, 4.0, 6.0)
    ),
    *(
        (
            "njet_filter_sizes",
            f"{size}x{size}+relu+full-size",
            "[njet] 4.1, experiment 1.1(A)",
            {"recipe.model.kernel_sizes": (size, size, size)}
            | {"recipe.model.njet.subsampling": "none"},
        )
        for size in (3, 5, 7, 9)
    ),
    (
        "njet_mnist_sizes",
        "njet",
        "[njet] 4.1, experiment 1.2(A)",
        {SIZES: (1.0, 1.5, 2.0), "recipe.model.order": 3},
    ),
    (
        "njet_mnist_4x",
        "njet",
        "[njet] 4.1, experiment 4(A)",
        {SIZES: (1.0, 4.0), "recipe.model.order": 3, "recipe.data.name": "mnist"},
    ),
    *(
        (
            "njet_receptive_fields",
            net,
            "[njet] 4.2, experiment 1.2(B)",
            {SIZES: (4.0,), EPOCHS: 50, BATCH: 1, RATE: 0.0001} | own,
        )
        for net, own in (
            ("njet+relu+order2", {"recipe.model.order": 2}),
            ("njet+relu+order4", {"recipe.model.order": 4}),
            ("5x5+relu", {"recipe.model.kernel_size": 5}),
        )
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
