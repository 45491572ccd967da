"""Rescaled image data sets, as TFDS builders that need no TensorFlow.

Importing this package registers the builders with TFDS. `load` is all that most users
need.
"""

from gdjax import extras


extras.require("gdjax.data", "data")

from gdjax.data.cifar import GdjaxCifar10, GdjaxCifar100, RescaledCifar10
from gdjax.data.cityscapes import GdjaxCityscapes
from gdjax.data.digits import GdjaxMnist, MnistLargeScale, RescaledDigits
from gdjax.data.errors import DataError
from gdjax.data.examples import Examples
from gdjax.data.fashion_mnist import GdjaxFashionMnist, RescaledFashionMnist
from gdjax.data.folders import folder_classes, from_folder
from gdjax.data.formats import read_images, read_labels
from gdjax.data.garments import GarmentsOnTextures
from gdjax.data.lazy import LazyArray
from gdjax.data.loading import (
    class_names,
    load,
    load_at_factor,
    test_factors,
)
from gdjax.data.masked_images import MaskedImage, MaskedImages
from gdjax.data.mnist_scale import MnistScale, mnist_scale_factors
from gdjax.data.multi_scale_fashion_mnist import MultiScaleFashionMnist
from gdjax.data.pascal_voc import GdjaxPascalVoc
from gdjax.data.patch_camelyon import GdjaxPatchCamelyon
from gdjax.data.preparing import BUILDERS, prepare
from gdjax.data.rescaling import factor_tag, quarter_octaves, rescale
from gdjax.data.segmentation_folders import (
    open_cityscapes,
    open_pascal_voc,
    open_sbd,
    open_trainaug,
)
from gdjax.data.stl10 import GdjaxStl10, RescaledStl10
from gdjax.data.svhn import GdjaxSvhn
from gdjax.data.textures import Textures
from gdjax.data.tfds_sets import from_tfds


__all__ = [
    "BUILDERS",
    "DataError",
    "Examples",
    "GarmentsOnTextures",
    "GdjaxCifar10",
    "GdjaxCifar100",
    "GdjaxCityscapes",
    "GdjaxPascalVoc",
    "GdjaxFashionMnist",
    "GdjaxMnist",
    "GdjaxPatchCamelyon",
    "GdjaxStl10",
    "GdjaxSvhn",
    "LazyArray",
    "MaskedImage",
    "MaskedImages",
    "MnistLargeScale",
    "MnistScale",
    "MultiScaleFashionMnist",
    "RescaledCifar10",
    "RescaledDigits",
    "RescaledFashionMnist",
    "RescaledStl10",
    "Textures",
    "class_names",
    "factor_tag",
    "folder_classes",
    "from_folder",
    "from_tfds",
    "load",
    "load_at_factor",
    "mnist_scale_factors",
    "open_cityscapes",
    "open_pascal_voc",
    "open_sbd",
    "open_trainaug",
    "prepare",
    "quarter_octaves",
    "read_images",
    "read_labels",
    "rescale",
    "test_factors",
]
