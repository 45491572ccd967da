"""All families of networks: one line each, and what it means is beside its module."""

from gdjax.models.configuration import NetworkConfig
from gdjax.models.deep_scale_spaces import SDenseNetConfig, SResNetConfig
from gdjax.models.disco import DISCOConfig
from gdjax.models.gaussdernet import GaussDerNetConfig
from gdjax.models.gaussderresnet import GaussDerResNetConfig
from gdjax.models.njet_classifiers import NJetAllCNNConfig, NJetNINConfig
from gdjax.models.njet_deeplab import NJetDeepLabConfig
from gdjax.models.njet_efficientnet import NJetEfficientNetConfig
from gdjax.models.njet_resnet import NJetResNet110Config, NJetResNetConfig
from gdjax.models.njet_segmentation import NJetASPPConfig, NJetUNetConfig
from gdjax.models.njet_toy import NJetToyConfig
from gdjax.models.s_convnet import SConvNetConfig
from gdjax.models.sesn import SESNConfig, SESNToyConfig


FAMILIES: dict[str, type[NetworkConfig]] = {
    "gaussdernet": GaussDerNetConfig,
    "gaussderresnet": GaussDerResNetConfig,
    "njet_toy": NJetToyConfig,
    "njet_nin": NJetNINConfig,
    "njet_allcnn": NJetAllCNNConfig,
    "njet_resnet32": NJetResNetConfig,
    "njet_resnet110": NJetResNet110Config,
    "njet_efficientnet": NJetEfficientNetConfig,
    "njet_unet": NJetUNetConfig,
    "njet_aspp": NJetASPPConfig,
    "njet_deeplab": NJetDeepLabConfig,
    "s_resnet": SResNetConfig,
    "s_densenet": SDenseNetConfig,
    "s_convnet": SConvNetConfig,
    "sesn": SESNConfig,
    "sesn_toy": SESNToyConfig,
    "disco": DISCOConfig,
}


def family_of(config: NetworkConfig) -> str:
    """The name of a configuration's family.

    Raises:
      ValueError: if it is in no line of `FAMILIES`.
    """
    for name, kind in FAMILIES.items():
        if type(config) is kind:
            return name
    raise ValueError(f"{type(config).__name__} is no family in `FAMILIES`.")
