"""Configurations: the networks that they build, and what they say of a family."""

import dataclasses
import functools
import json
import math
from typing import Any, ClassVar, Literal, get_type_hints

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gdjax.layers import (
    DeformableConv,
    dilated_convolution,
    njet_convolution,
    plain_convolution,
    safe_sizes,
)
from gdjax.models import (
    FAMILIES,
    DilatedResNet,
    GaussDerNetConfig,
    GaussDerResNetConfig,
    NJetDeepLab,
    Preprocessing,
)
from gdjax.models.configuration import (
    ACTIVATIONS,
    DISCRETISATIONS,
    ModuleConfig,
    NetworkConfig,
    configures,
    is_scale,
    name_of,
    unknown,
)
from gdjax.models.families import family_of
from gdjax.models.njet_classifiers import (
    NINLayers,
    NJetAllCNNConfig,
    NJetNINConfig,
)
from gdjax.models.njet_configuration import NJetLayers, SubsampledLayers
from gdjax.models.njet_efficientnet import NJetEfficientNetConfig
from gdjax.models.njet_resnet import NJetResNet110Config, NJetResNetConfig
from gdjax.models.njet_segmentation import NJetASPPConfig, NJetUNetConfig
from gdjax.models.njet_toy import NJetToyConfig
from gdjax.models.values import from_values, to_values
from gdjax_train.recipe import Recipe


every_family = pytest.mark.parametrize("family", FAMILIES)
# Fields that configurations have elsewhere, or not at all.
NOT_FIELDS = {
    "njet_nin": {"subsampling", "width"},
    "njet_allcnn": {"subsampling"},
    "njet_resnet32": {"subsampling"},
    "njet_resnet110": {"subsampling"},
    "njet_efficientnet": {"subsampling", "stages", "stem"},
}
# Fields whose defaults are a family's own.
OWN_DEFAULTS = {
    "gaussdernet": {"sigmas": ()},
    "gaussderresnet": {"sigmas": ()},
    "njet_resnet110": {"width": 32, "depth": 18, "bottleneck": True},
}
EXECUTION = {"parent", "name", "dtype", "batch_axis", "scale_channel_axis"}
NAMES = {  # of defaults that are objects
    "discretisation": "discrete",
    "spatial_selection": "centre",
    "scale_pooling": "max",
    "convolution": "njet",
}


def shapes(net, side=8):
    """Of its variables, without computing anything."""
    x = jax.ShapeDtypeStruct((1, side, side, 2), jnp.float32)
    found = jax.eval_shape(lambda x: net.init(jax.random.key(0), x), x)
    return jax.tree.map(lambda leaf: leaf.shape, found)


def program(net, side=8):
    """All that a network computes, with its constants, without computing it."""
    x = np.zeros((1, side, side, 2), np.float32)
    variables = jax.eval_shape(net.init, jax.random.key(0), x)
    traced = jax.make_jaxpr(lambda v, x: net.apply(v, x, train=False))(variables, x)
    return str(traced), [np.asarray(c) for c in traced.consts if np.ndim(c)]


def same_program(one, other, side=8):
    (text, constants), (text_2, constants_2) = (program(n, side) for n in (one, other))
    assert text == text_2
    for a, b in zip(constants, constants_2, strict=True):
        np.testing.assert_array_equal(a, b)


@every_family
def test_a_configuration_found_for_a_network_builds_the_same_network(family):
    kind = FAMILIES[family]
    net = kind().build()
    again = kind.of(net).build()
    assert type(again) is type(net) is kind.module
    if hasattr(net, "convolution"):  # partials are never equal, what they make is
        assert again.convolution(3, size=3) == net.convolution(3, size=3)
        net = net.clone(convolution=again.convolution)
    assert again == net
    if family == "njet_unet":
        assert shapes(again) == shapes(kind().build())
    elif family not in (
        "njet_resnet32",
        "njet_resnet110",
        "njet_efficientnet",
        "njet_deeplab",
        "s_densenet",
        "sesn",  # layers of sesn_toy
    ):
        # Of dilated filters, of coarse ones.
        sides = {"s_resnet": 16, "s_convnet": 28, "disco": 32}
        side = 28 if family == "sesn_toy" else sides.get(family, 8)
        same_program(kind().build(), again, side=side)


@every_family
def test_every_field_of_a_module_is_a_documented_field_of_its_configuration(family):
    kind = FAMILIES[family]
    fields = {field.name: field.default for field in dataclasses.fields(kind)}
    for field in dataclasses.fields(kind.module):
        name = field.name
        if name in EXECUTION | NOT_FIELDS.get(family, set()):
            assert name not in fields
            continue
        wanted = OWN_DEFAULTS.get(family, {}).get(name, field.default)
        if name == "activation":
            wanted = "silu" if family == "njet_efficientnet" else "relu"
        elif name == "backbone":
            assert fields[name].build() == DilatedResNet()
            continue
        if name == "discretisation" and family in ("sesn", "sesn_toy", "disco"):
            wanted = "sampled_derivatives"
        else:
            wanted = NAMES.get(name, wanted)
        assert fields[name] == wanted, name
    for name in fields:
        assert f"\n  {name}: " in kind.__doc__, name
    assert kind.__doc__.count("Attributes:") == 1


@pytest.mark.parametrize("family", FAMILIES)
def test_configurations_are_frozen_hashable_and_named_by_the_registry(family):
    config = FAMILIES[family]()
    assert hash(config) == hash(FAMILIES[family]())
    assert family_of(config) == family
    config.check()
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.order = 1
    with pytest.raises(ValueError, match="NetworkConfig is no family"):
        family_of(NetworkConfig())


def test_families_say_what_they_are():
    assert {n for n, kind in FAMILIES.items() if kind.scale_channels} == {
        "gaussdernet",
        "gaussderresnet",
    }
    assert {n for n, kind in FAMILIES.items() if kind.segments} == {
        "njet_unet",
        "njet_aspp",
        "njet_deeplab",
        "s_resnet",
    }
    for name, kind in FAMILIES.items():
        learned = is_scale(kind.scale_parameters, "block/conv_1/sigma/logit")
        assert learned == name.startswith("njet")
        assert not is_scale(kind.scale_parameters, "conv_1/kernel")
        assert ("segmentation" in kind.figures) == kind.segments
        assert ("scale_selection" in kind.figures) == kind.scale_channels


def test_layers_of_networks_that_can_be_subsampled_have_two_fields_more():
    of_layers = [field.name for field in dataclasses.fields(NJetLayers)]
    assert of_layers == [
        "sigma", "learn_sigma", "bounds", "sharing", "zero_order", "discretisation",
        "extent", "padding", "gain",
    ]  # fmt: skip
    of_subsampled = [field.name for field in dataclasses.fields(SubsampledLayers)]
    assert of_subsampled == [*of_layers, "subsampling", "r"]
    for kind in (NJetLayers, SubsampledLayers, NINLayers):
        hints = get_type_hints(kind)
        for field in dataclasses.fields(kind):
            assert field.name in hints and f"\n  {field.name}: " in kind.__doc__


# What the halves of a net's name mean.


@every_family
def test_every_net_that_a_family_names_can_be_built(family):
    config = FAMILIES[family]()
    for filters in config.filters():
        for activation in config.activations():
            net = config.with_net(filters, activation).build()
            if len(config.activations()) > 1:
                assert net.activation is ACTIVATIONS[activation]
            if filters in DISCRETISATIONS and hasattr(net, "discretisation"):
                assert net.discretisation == DISCRETISATIONS[filters]
            elif filters in DISCRETISATIONS:
                made = net.convolution(1, size=3)
                assert made.discretisation == DISCRETISATIONS[filters]


@every_family
def test_nets_of_other_families_are_refused_with_the_nearest_name(family):
    config = FAMILIES[family]()
    with pytest.raises(ValueError, match="'discrte': did you mean 'discrete'"):
        config.with_net("discrte", "relu")
    with pytest.raises(ValueError, match="'rely': did you mean 'relu'"):
        config.with_net("discrete", "rely")
    if config.scale_channels:
        with pytest.raises(ValueError, match="unknown first half of a net '3x3'"):
            config.with_net("3x3", "relu")


def test_fixed_filters_have_the_sizes_in_their_names():
    def built(config, filters):
        net = config.with_net(filters, "relu").build()
        return net.convolution, getattr(net, "kernel_size", None) or net.kernel_sizes

    assert built(NJetToyConfig(), "5x5") == (plain_convolution, 5)
    assert built(NJetUNetConfig(), "11x11") == (plain_convolution, 11)
    assert built(NJetToyConfig(), "dilated") == (dilated_convolution, 3)
    assert built(NJetNINConfig(), "plain") == (plain_convolution, (5, 5, 3))
    assert built(NJetNINConfig(), "7x7") == (plain_convolution, (7, 7, 7))
    assert built(NJetNINConfig(), "deformable") == (DeformableConv, (3, 3, 3))
    assert "5x5" not in NJetResNetConfig.filters()
    assert not {"3x3", "5x5"} & set(NJetEfficientNetConfig.filters())


def test_sizes_that_a_net_does_not_name_stay_as_they_were_set():
    assert NJetToyConfig(kernel_size=7).with_net("plain", "relu").kernel_size == 7
    assert NJetUNetConfig(kernel_size=5).with_net("plain", "relu").kernel_size == 5
    nin = NJetNINConfig(kernel_sizes=(7, 3, 3)).with_net("plain", "silu")
    assert nin.kernel_sizes == (7, 3, 3) and nin.activation == "silu"


# Scale channels and learned scales.


@pytest.mark.parametrize("kind", [GaussDerNetConfig, GaussDerResNetConfig])
def test_without_scale_channels_there_is_the_single_one(kind):
    config = kind(single_sigma=1.5, scale_dropout=0.3)
    assert config.build().sigmas == (1.5,)
    several = config.at_scales((1.0, 2.0))
    assert several.build().sigmas == (1.0, 2.0)
    assert several.build().scale_dropout == 0.3
    assert several.at_scales((2.0,)).build().scale_dropout == 0


def test_scale_channels_given_to_build_keep_their_dropout():
    net = GaussDerNetConfig(scale_dropout=0.3).build(sigmas=(1.0, 2.0))
    assert net.scale_dropout == 0.3


@every_family
def test_families_without_scale_channels_have_none_to_choose(family):
    config = FAMILIES[family]()
    if not config.scale_channels:
        assert config.at_scales((1.0, 2.0)) == config
        return
    assert config.scale_bounds is None
    assert config.learned_scales({"layer_1": {"kernel": np.zeros(3)}}) == {}


def test_learned_scales_are_in_px_and_in_the_order_of_the_layers():
    q = {"conv_10": 0.5, "conv_2": [-1.0, 2.0], "block_1/conv_1": 0.0}
    params: dict[str, Any] = {
        "conv_10": {"kernel": np.ones(3), "sigma": {"logit": np.array(q["conv_10"])}},
        "conv_2": {"sigma": {"logit": np.array(q["conv_2"])}},
        "block_1": {"conv_1": {"sigma": {"logit": np.array(q["block_1/conv_1"])}}},
    }
    config = NJetToyConfig(njet=NJetLayers(bounds=(0.5, 8.0)))
    assert config.scale_bounds == (0.5, 8.0)
    found = config.learned_scales(params)
    assert list(found) == ["block_1/conv_1", "conv_2", "conv_10"]
    for name, sigma in found.items():
        share = 1 / (1 + np.exp(-np.array(q[name])))
        np.testing.assert_allclose(sigma, 0.5 * 16**share, rtol=1e-6)


def test_learned_scales_of_a_segmentation_start_where_the_network_does():
    config = NJetASPPConfig(sigmas=(2.0, 5.0), bounds=(0.5, 40.0))
    x = np.zeros((1, 4, 4, 1), np.float32)
    params = jax.jit(config.build().init)(jax.random.key(0), x)["params"]
    found = config.learned_scales(params)
    assert list(found) == ["sigma_1", "sigma_2"]
    np.testing.assert_allclose(list(found.values()), [2, 5], rtol=1e-5)
    assert config.scale_bounds == (0.5, 40.0)


# Plans.


SAFE = NJetAllCNNConfig(njet=SubsampledLayers(subsampling="safe", r=3.0, sigma=1.2))


@every_family
def test_networks_that_are_not_subsampled_have_nothing_to_plan(family):
    config = FAMILIES[family]()
    assert config.plan(None, side=32, previous=None) == ()
    if not hasattr(config, "sizes"):
        assert config.planned((4, 2)) == config


def test_safe_plans_go_by_the_finest_learned_sigma_of_every_layer():
    first = SAFE.plan(None, side=40, previous=None)
    assert first == safe_sizes([1.2] * 5, 40, r=3.0)
    low, high = map(math.log2, SAFE.njet.bounds)
    wanted = {"conv_2": [4.0, 2.5], "conv_4": 3.0}
    params = {}
    for name, sigma in wanted.items():
        share = (np.log2(sigma) - low) / (high - low)
        params[name] = {"sigma": {"logit": np.log(share / (1 - share))}}
    plan = SAFE.plan(params, side=40, previous=None)
    assert plan == safe_sizes([1.2, 2.5, 1.2, 3.0, 1.2], 40, r=3.0)
    assert plan != first
    kept = SAFE.plan(params, side=40, previous=first)
    assert kept == safe_sizes([1.2, 2.5, 1.2, 3.0, 1.2], 40, r=3.0, previous=first)


def test_a_planned_network_has_the_sizes_of_the_plan():
    planned = SAFE.planned((9, 8, 7, 6, 5))
    net = planned.build()
    assert net.sizes == (9, 8, 7, 6, 5) and net.subsampling == "safe"
    assert planned.plan(None, side=40, previous=None) == (9, 8, 7, 6, 5)
    assert NJetAllCNNConfig.of(net).build().sizes == net.sizes
    SAFE.check()
    with pytest.raises(ValueError, match="must have 5 sides"):
        SAFE.build()


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (dataclasses.replace(SAFE, convolution="plain"), "learned sigmas, which plain"),
        (dataclasses.replace(SAFE, njet=SubsampledLayers(r=0.0)), "`r="),
        (SAFE.planned((3, 2)), "must have 5 sides"),
        (NJetToyConfig(convolution="plian"), "'plian': did you mean 'plain'"),
        (GaussDerNetConfig(activation="rellu"), "'rellu': did you mean 'relu'"),
        (NJetAllCNNConfig(activation=nn.relu), "unknown value of `activation`"),
        (
            NJetToyConfig(njet=NJetLayers(discretisation="spectrl")),
            "`discretisation` 'spectrl': did you mean 'spectral'",
        ),
    ],
)
def test_what_no_network_can_have_is_refused(config, message):
    with pytest.raises(ValueError, match=message):
        config.check()


# Making configurations.


class Blocks(nn.Module):
    """Blocks.

    Attributes:
      depth: how many
        there are.
      rates: of them.
      mode: of all.
      activation: pointwise.
    """

    depth: "int" = 2
    rates: Any = dataclasses.field(default_factory=lambda: [0.5])
    mode: 'Literal["up", "down"]' = "up"
    activation: Any = nn.silu


@configures(Blocks)
class BlocksConfig(NetworkConfig):
    """Many blocks."""

    table: ClassVar[dict[str, int]] = {}

    depth = 3
    extra: int = 7


def test_a_configuration_has_the_fields_and_the_documentation_of_its_module():
    fields = {field.name: field.default for field in dataclasses.fields(BlocksConfig)}
    assert fields == {
        "extra": 7,
        "depth": 3,
        "rates": (0.5,),
        "mode": "up",
        "activation": "silu",
    }
    assert BlocksConfig.__doc__.startswith("Many blocks.\n\nAttributes:\n")
    assert "\n  depth: how many there are.\n" in BlocksConfig.__doc__
    net = BlocksConfig(rates=(1.0,)).build(depth=5)
    assert (net.depth, net.rates, net.activation) == (5, (1.0,), nn.silu)
    assert BlocksConfig.of(Blocks(activation=nn.gelu)).activation == "gelu"
    assert BlocksConfig.activations() == tuple(ACTIVATIONS)


def test_types_that_a_module_writes_as_strings_are_those_of_its_file():
    fields: dict[str, Any] = {"__module__": "gdjax.models.families", "__doc__": "Far."}
    far = configures(Blocks)(type("FarConfig", (ModuleConfig,), fields))
    assert get_type_hints(far)["mode"] == Literal["up", "down"]


def test_a_field_without_a_default_must_be_left_out():
    class Wide(nn.Module):
        width: int

    with pytest.raises(TypeError, match="`width` of Wide has no default"):
        configures(Wide)(type("WideConfig", (ModuleConfig,), {}))
    left = configures(Wide, without=("width",))(type("Left", (ModuleConfig,), {}))
    assert left().build(width=3).width == 3


def test_other_modules_and_values_without_a_name_are_refused():
    with pytest.raises(ValueError, match="Dense can't be written by BlocksConfig"):
        BlocksConfig.of(nn.Dense(3))
    with pytest.raises(ValueError, match="`activation=<.*has no name.*relu, silu"):
        name_of("activation", lambda x: x)
    assert name_of("widths", (1, 2)) == (1, 2)


def test_two_families_of_one_module_differ_in_their_defaults():
    assert NJetResNet110Config.of(NJetResNetConfig().build()) == NJetResNet110Config(
        width=16, depth=5, bottleneck=False
    )


def test_parts_of_convolutions_are_read_from_partials():
    made = functools.partial(
        njet_convolution, order=1, sharing="input", extent=None, sigma=0.7
    )
    config = NJetToyConfig.of(NJetToyConfig().build(convolution=made))
    assert config.order == 1 and config.convolution == "njet"
    assert config.njet == NJetLayers(sharing="input", extent=None, sigma=0.7)


def test_what_a_backbone_has_beside_its_fields_is_refused():
    for backbone in (nn.Dense(3), DilatedResNet(dtype=jnp.bfloat16)):
        with pytest.raises(ValueError, match="`backbone`, a .* can't be written"):
            FAMILIES["njet_deeplab"].of(NJetDeepLab(backbone=backbone))  # pyright: ignore


# Plain values.


@every_family
def test_configurations_survive_json(family):
    config = FAMILIES[family]()
    text = json.dumps(to_values(config))
    assert json.loads(text)["family"] == family
    assert from_values(json.loads(text), NetworkConfig) == config


@every_family
def test_recipes_survive_json(family):
    recipe = Recipe(
        seeds=(1, 2),
        model=FAMILIES[family](),
        preprocessing=Preprocessing(mean=(0.5,), enlarge=2),
    )
    again = from_values(json.loads(json.dumps(to_values(recipe))), Recipe)
    assert again == recipe and hash(again) == hash(recipe)


def test_numbers_are_read_as_the_types_that_are_declared():
    values = {
        "family": "gaussdernet",
        "widths": [3],
        "ratio": 2,
        "sigmas": [1, 2],
        "eps": None,
        "pyramid": 1,
    }
    config = from_values(values, NetworkConfig)
    assert config == GaussDerNetConfig(
        widths=(3,), ratio=2.0, sigmas=(1.0, 2.0), eps=None, pyramid=1.0
    )
    for number in (config.ratio, *config.sigmas, config.pyramid):
        assert type(number) is float
    assert type(config.widths[0]) is int


def test_numbers_of_numpy_are_written_as_numbers():
    config = GaussDerNetConfig(widths=(np.int64(3),), ratio=np.float32(1.5))
    assert json.loads(json.dumps(to_values(config)))["widths"] == [3]
    assert from_values(to_values(config), NetworkConfig).ratio == 1.5


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "unknown family in `family` 'None'"),
        ({"family": "gausdernet"}, "did you mean 'gaussdernet'"),
        ({"family": ["gaussdernet"]}, "unknown family"),
        ({"family": "njet_toy", "wdths": [1]}, "'wdths': did you mean 'widths'"),
        ({"family": "njet_toy", "njet": {"sgma": 1}}, "did you mean 'njet.sigma'"),
        ({"family": "njet_toy", "njet": 3}, "`njet` must have fields, but is 3"),
        ({"family": "njet_toy", "widths": 3}, "`widths=3`: expected a list"),
        ({"family": "njet_toy", "widths": [1.5]}, "`widths=1.5`: expected int"),
        ({"family": "njet_toy", "grid": [2]}, r"`grid=\[2\]`: expected int"),
        ({"family": "njet_toy", "grid": True}, "`grid=True`: expected int"),
        ({"family": "gaussdernet", "eps": "1"}, "expected NoneType or float"),
        ({"family": "njet_nin", "activation": "sil"}, "did you mean 'silu'"),
        ([], r"must have fields, but is \[\]"),
    ],
)
def test_values_of_no_configuration_are_refused_by_name(values, message):
    with pytest.raises(ValueError, match=message):
        from_values(values, NetworkConfig)


def test_what_is_no_plain_value_is_not_written():
    with pytest.raises(ValueError, match="`ratio=.*can't be written"):
        to_values(GaussDerNetConfig(ratio=object()))


def test_unknown_names_come_with_the_nearest_known_one():
    error = unknown("colour", "gren", ["green", "blue"], error=KeyError)
    assert isinstance(error, KeyError)
    assert "did you mean 'green'? known are blue, green" in str(error)
    assert "did you mean" not in str(unknown("colour", "xyz", ["green"]))


def test_receptive_fields_of_u_nets():
    # Two layers a level, 2 x 2 maxima: 14 px for two levels of 3 x 3, 32 for three.
    def plain(levels, size):
        return NJetUNetConfig(widths=(4,) * levels, kernel_size=size).with_net(
            "plain", "relu"
        )

    assert [plain(n, 3).receptive_field({}) for n in (1, 2, 3)] == [5, 14, 32]
    assert plain(3, 4).receptive_field({}) == 32 + 2 * (1 + 2 + 4)
    # N-jets end at ceil(2 sigma) px: 5 px for sigma 1, 11 for 2.3.
    net = NJetUNetConfig(widths=(4, 4))
    assert net.receptive_field({}) == 1 + 8 + 1 + 2 * 8
    learned = {"down_1_1": np.array(2.3), "down_2_2": np.array([0.4, 1.0])}
    assert net.receptive_field(learned) == 1 + (10 + 4) + 1 + 2 * (4 + 4)
    assert net.with_net("dilated", "relu").receptive_field({}) == 1 + 8 + 1 + 2 * 8
    assert net.with_net("deformable", "relu").receptive_field({}) is None
