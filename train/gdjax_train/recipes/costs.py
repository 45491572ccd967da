"""What a recipe costs: time and memory where they were measured, and its data."""

from __future__ import annotations

import dataclasses


UNKNOWN = "not measured"


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
        if self.time == self.memory == UNKNOWN:
            return f"time and memory {UNKNOWN}; {self.data}"
        time = f"time {UNKNOWN}" if self.time == UNKNOWN else self.time
        memory = f"memory {UNKNOWN}" if self.memory == UNKNOWN else self.memory
        return f"{time}, {memory}; {self.data}"


# On CPUs, of whole runs (benchmarks/results); other work was beside most of them.
TIMES = {
    "rescaled_digits": "about 4 min on 2 cores",
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
# On 2 cores, of runs with the same networks and batches, but fewer images and epochs.
MEMORY = {
    "rescaled_digits": "1 GB",
    "gaussderresnet_digits": "0.9 GB",
    "gaussdernet_mnist": "0.9 GB",
    "gaussderresnet_fashion_mnist_small": "2.9 GB",
    "dss_textures": "1.3 GB",
    "scale_learning_ranges_small": "2.5 GB",
    "njet_mnist_sizes_small": "0.8 GB",
}
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
}


def cost(name: str, data: str) -> Cost:
    """The cost of a recipe.

    Args:
      name: of the recipe.
      data: its `data.name`.
    """
    known = TIMES.get(name, UNKNOWN), MEMORY.get(name, UNKNOWN)
    return Cost(*known, DATA[data.partition("/")[0]])
