"""Networks: one family a file, published sizes as functions beside them."""

from gdjax.models.configuration import NetworkConfig as NetworkConfig
from gdjax.models.deep_scale_spaces import (
    SDenseNet as SDenseNet,
    SResNet as SResNet,
    matched_baseline as matched_baseline,
)
from gdjax.models.disco import DISCO as DISCO
from gdjax.models.families import FAMILIES as FAMILIES
from gdjax.models.gaussdernet import (
    GaussDerNet as GaussDerNet,
    GaussDerNetConfig as GaussDerNetConfig,
    gaussdernet_default as gaussdernet_default,
    gaussdernet_large as gaussdernet_large,
    gaussdernet_mnist_scale as gaussdernet_mnist_scale,
    gaussdernet_small as gaussdernet_small,
)
from gdjax.models.gaussderresnet import (
    SIX_SIGMAS as SIX_SIGMAS,
    GaussDerResNet as GaussDerResNet,
    GaussDerResNetConfig as GaussDerResNetConfig,
    gaussderresnet_cifar10 as gaussderresnet_cifar10,
    gaussderresnet_cifar10_large as gaussderresnet_cifar10_large,
    gaussderresnet_fashion_mnist as gaussderresnet_fashion_mnist,
    gaussderresnet_mnist_scale as gaussderresnet_mnist_scale,
    gaussderresnet_stl10 as gaussderresnet_stl10,
    gaussderresnet_stl10_single as gaussderresnet_stl10_single,
)
from gdjax.models.network_files import save_network as save_network
from gdjax.models.network_loading import (
    Network as Network,
    load_network as load_network,
)
from gdjax.models.njet_classifiers import (
    ConvolutionNet as ConvolutionNet,
    NJetAllCNN as NJetAllCNN,
    NJetNIN as NJetNIN,
)
from gdjax.models.njet_deeplab import (
    DilatedResNet as DilatedResNet,
    NJetDeepLab as NJetDeepLab,
)
from gdjax.models.njet_efficientnet import NJetEfficientNet as NJetEfficientNet
from gdjax.models.njet_resnet import (
    NJetResNet as NJetResNet,
    njet_resnet32 as njet_resnet32,
    njet_resnet110 as njet_resnet110,
)
from gdjax.models.njet_segmentation import (
    NJetASPP as NJetASPP,
    NJetUNet as NJetUNet,
)
from gdjax.models.njet_toy import NJetToy as NJetToy
from gdjax.models.preprocessing import Preprocessing as Preprocessing
from gdjax.models.resnet_weights import load_resnet_weights as load_resnet_weights
from gdjax.models.s_convnet import SConvNet as SConvNet
from gdjax.models.scale_channels import PUBLISHED_SIGMAS as PUBLISHED_SIGMAS
from gdjax.models.scale_pruning import (
    Pruning as Pruning,
    prune_scales as prune_scales,
)
from gdjax.models.sesn import SESN as SESN, SESNToy as SESNToy
