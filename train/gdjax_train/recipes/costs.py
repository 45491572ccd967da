"""What a recipe costs: time, memory and data."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Cost:
    """What a user should know before the start.

    Attributes:
      time: of the whole command, and on what.
      memory: largest use of the process.
      data: set, and where it comes from.
    """

    time: str
    memory: str
    data: str

    def __str__(self) -> str:
        return f"{self.time}, {self.memory}; {self.data}"


# On CPUs, of whole runs (benchmarks/results); other work was beside most of them.
TIMES = {
    "rescaled_digits": "about 10 min on 2 cores",
    "gaussdernet_mnist": "80 to 150 min on 2 cores",
    "gaussdernet_mnist_large_scale_small": "17 min on 2 cores",
    "gaussderresnet_fashion_mnist_small": "23 min on 2 cores",
    "dss_textures": "about 20 min on 2 cores",
    "dss_garments": "about 15 min on 2 cores",
    "scale_learning_ranges_small": "about 70 min on 2 cores",
    "njet_mnist_sizes_small": "3 min on 2 cores",
    "njet_mnist_4x_small": "about 50 min on 1 core",
    "njet_multi_scale_fashion_mnist_small": "7 min on 2 cores",
}
# Of an idle machine, from single steps, and memory (benchmarks/recipe_costs.py).
ESTIMATES = {
    "rescaled_digits": ("8.3 min", "1.2 GB"),
    "gaussdernet_mnist": ("38 min", "0.99 GB"),
    "gaussdernet_mnist_large_scale": ("7.7 days", "12 GB"),
    "gaussdernet_mnist_large_scale_larger": ("12 days", "15 GB"),
    "gaussdernet_mnist_large_scale_short": ("6.6 h", "4 GB"),
    "gaussdernet_mnist_large_scale_small": ("8.6 min", "2.1 GB"),
    "gaussdernet_fashion_mnist": ("1.9 h", "3.7 GB"),
    "gaussderresnet_fashion_mnist": ("30 days", "23 GB"),
    "gaussderresnet_fashion_mnist_small": ("13 min", "3.7 GB"),
    "gaussderresnet_fashion_mnist_pretrained": ("18 days", "23 GB"),
    "gaussderresnet_fashion_mnist_short": ("5.2 h", "5.8 GB"),
    "gaussderresnet_cifar10": ("260 days", "32 GB"),
    "gaussderresnet_cifar10_pretrained": ("170 days", "32 GB"),
    "gaussderresnet_stl10": ("220 days", "44 GB"),
    "gaussderresnet_stl10_pretrained": ("88 days", "34 GB"),
    "gaussderresnet_stl10_single": ("20 days", "21 GB"),
    "gaussderresnet_digits": ("1.4 min", "0.88 GB"),
    "dss_pcam": ("260 days", "59 GB"),
    "dss_textures": ("15 min", "1.4 GB"),
    "dss_cityscapes": ("9.5 days", "2.5 GB"),
    "dss_garments": ("16 min", "0.96 GB"),
    "scale_learning_mnist_scale": ("16 days", "6.9 GB"),
    "scale_learning_mnist_scale_small": ("6.2 h", "3.3 GB"),
    "scale_learning_mnist_scale_gaussdernet": ("18 days", "14 GB"),
    "scale_learning_mnist_scale_gaussdernet_small": ("3 h", "2.9 GB"),
    "scale_learning_mnist_scale_gaussderresnet": ("54 days", "34 GB"),
    "scale_learning_mnist_scale_gaussderresnet_small": ("12 h", "6.8 GB"),
    "scale_learning_sweep": ("25 days", "5.9 GB"),
    "scale_learning_sweep_small": ("35 min", "1 GB"),
    "scale_learning_ranges": ("8 days", "7.1 GB"),
    "scale_learning_ranges_small": ("48 min", "1.4 GB"),
    "scale_learning_initialisation": ("35 days", "7.1 GB"),
    "scale_learning_initialisation_small": ("33 min", "1.4 GB"),
    "scale_learning_parameterisations": ("17 days", "7.1 GB"),
    "scale_learning_parameterisations_small": ("31 min", "1.4 GB"),
    "scale_learning_number": ("12 days", "14 GB"),
    "scale_learning_number_small": ("77 min", "1.3 GB"),
    "njet_mnist_sizes": ("1.9 h", "1.6 GB"),
    "njet_mnist_sizes_small": ("1.7 min", "0.89 GB"),
    "njet_mnist_4x": ("1.6 days", "3.7 GB"),
    "njet_mnist_4x_small": ("35 min", "1.3 GB"),
    "njet_multi_scale_fashion_mnist": ("190 days", "4.3 GB"),
    "njet_multi_scale_fashion_mnist_small": ("5.4 min", "0.85 GB"),
    "njet_receptive_fields": ("150 days", "4.2 GB"),
    "njet_receptive_fields_small": ("21 min", "0.87 GB"),
    "njet_filter_sizes": ("27 h", "1.4 GB"),
    "njet_filter_sizes_small": ("2.6 min", "0.7 GB"),
    "njet_fixed_sigmas": ("19 h", "1.8 GB"),
    "njet_fixed_sigmas_small": ("1.9 min", "0.83 GB"),
    "njet_safe_subsampling": ("15 h", "2 GB"),
    "njet_safe_subsampling_small": ("1.6 min", "1 GB"),
    "njet_cifar10": ("5.4 days", "3 GB"),
    "njet_cifar10_allcnn": ("17 days", "2.4 GB"),
    "njet_cifar10_resnet32": ("10 days", "4.6 GB"),
    "njet_cifar10_resnet110": ("200 days", "7.7 GB"),
    "njet_cifar10_efficientnet": ("150 days", "9.4 GB"),
    "njet_deeplab_voc": ("160 days", "13 GB"),
}  # fmt: skip
MNIST, FASHION = "MNIST", "Fashion-MNIST"
# By the name of the data set up to "/".
DATA = {
    "rescaled_digits": "digits that scikit-learn brings",
    "mnist": f"{MNIST}, downloaded",
    "mnist_large_scale": f"{MNIST}, downloaded",
    "mnist_scale": f"{MNIST}, downloaded",
    "fashion_mnist": f"{FASHION}, downloaded",
    "rescaled_fashion_mnist": f"{FASHION}, downloaded",
    "multi_scale_fashion_mnist": f"{FASHION}, downloaded",
    "garments_on_textures": f"{FASHION}, downloaded",
    "textures": "photographs that scikit-image brings",
    "cifar10": "CIFAR-10, downloaded (170 MB)",
    "rescaled_cifar10": "CIFAR-10, downloaded (170 MB), 1 GB prepared",
    "stl10": "STL-10, downloaded (2.6 GB)",
    "rescaled_stl10": "STL-10, downloaded (2.6 GB), 2.5 GB prepared",
    "patch_camelyon": "PatchCamelyon, 7 GB, in --data-dir",
    "cityscapes": "Cityscapes, in --data-dir",
    "pascal_voc": "PASCAL VOC 2012 and SBD, in --data-dir",
}


def cost(name: str, data: str) -> Cost:
    """The cost of a recipe.

    Args:
      name: of the recipe.
      data: its `data.name`.
    """
    time, memory = ESTIMATES[name]
    time = TIMES.get(name, f"about {time} on 2 cores, estimated")
    return Cost(time, memory, DATA[data.partition("/")[0]])
