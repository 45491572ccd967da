"""Networks in files: what comes back, what is refused, and what is predicted."""

import ast
import copy
import dataclasses
import errno
import functools
import inspect
import json
import os
import pickle
from pathlib import Path
from typing import Any

import flax.linen as nn
import flax.traverse_util
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors
import safetensors.numpy

import gdjax
import gdjax.files
from gdjax.layers import (
    DeformableConv,
    dilated_convolution,
    logsumexp_over_scales,
    mean_over_scales,
    njet_convolution,
    plain_convolution,
    spatial_max,
    spatial_mean,
)
from gdjax.models import (
    FAMILIES,
    DilatedResNet,
    GaussDerNet,
    GaussDerNetConfig,
    GaussDerResNet,
    NetworkConfig,
    NJetASPP,
    NJetDeepLab,
    NJetEfficientNet,
    NJetNIN,
    NJetResNet,
    NJetToy,
    NJetUNet,
    Preprocessing,
    load_network,
    network_loading,
    save_network,
)
from gdjax.models.configuration import configures
from gdjax.models.njet_efficientnet import B0
from gdjax.scalespace import kernels


TOY = NJetToy(widths=(2,), num_classes=3)
NAMES = ("cat", "dog", "owl")


def images(*shape, seed=0):
    return np.random.default_rng(seed).random(shape, np.float32)


def drawn(net, shape=(6, 6, 1), seed=1):
    """Variables with biases and running statistics that are not 0 and 1."""
    blank = jax.ShapeDtypeStruct((1, *shape), jnp.float32)
    wanted = jax.eval_shape(lambda x: net.init(jax.random.key(0), x), blank)
    rng = np.random.default_rng(seed)

    def draw(path, leaf):
        values = rng.standard_normal(leaf.shape) / 2
        if path[-1].key in ("var", "scale"):
            values = 1 + abs(values)
        return np.asarray(values, leaf.dtype)

    return jax.tree_util.tree_map_with_path(draw, wanted)


def scores(net, variables, x):
    return jax.jit(lambda v, x: net.apply(v, x, train=False)[0])(variables, x)


def same_arrays(one, other):
    flat = [flax.traverse_util.flatten_dict(each, sep="/") for each in (one, other)]
    assert flat[0].keys() == flat[1].keys()
    for name, array in flat[0].items():
        np.testing.assert_array_equal(array, flat[1][name])
        assert array.dtype == flat[1][name].dtype


@pytest.fixture(scope="module")
def variables():
    return drawn(TOY)


@pytest.fixture
def path(tmp_path, variables):
    """A file of a small network that can be spoilt."""
    found = tmp_path / "net.safetensors"
    save_network(found, TOY, variables, image_shape=(6, 6, 1), class_names=NAMES)
    return found


def described(path):
    with safetensors.safe_open(path, framework="numpy") as file:
        return json.loads(file.metadata()["gdjax"])


def change(path, description=None, arrays=None):
    """Writes a file again, with another description or other arrays."""
    description = described(path) if description is None else description
    if arrays is not None:
        description = {n: v for n, v in description.items() if n != "sha256"}
    text = json.dumps(description)
    arrays = safetensors.numpy.load_file(path) if arrays is None else arrays
    safetensors.numpy.save_file(arrays, path, {"gdjax": text})


# Networks that come back.


def njets(**fields):
    return functools.partial(njet_convolution, **fields)


scale_channels = functools.partial(GaussDerNet, widths=(2, 3), num_classes=3)
NETS = {
    "channels": scale_channels(
        sigmas=(0.7, 1.0),
        discretisation=kernels.SpectralGaussian(),
        activation=nn.gelu,
        spatial_selection=spatial_max,
        scale_pooling=logsumexp_over_scales,
        zero_order=True,
        order=1,
        ratio=1.5,
        padding="symmetric",
        eps=None,
        scale_dropout=0.3,
    ),
    "mapped": scale_channels(
        sigmas=(0.7, 1.0), mapped=False, windowed=False, scale_pooling=mean_over_scales
    ),
    "pyramid": scale_channels(
        sigmas=(0.3, 2.0),
        pyramid=0.7,
        enlarge=1,
        truncated=False,
        spatial_selection=spatial_mean,
    ),
    "bfloat16": scale_channels(dtype=jnp.bfloat16),
    "one axis": scale_channels(ndim=1),
    "three axes": scale_channels(ndim=3, order=1, activation=nn.softplus),
    "residual": GaussDerResNet(
        widths=(2, 2, 3), num_classes=3, separable_from=2, activate="branch", remat=True
    ),
    "N-Jets": NJetToy(
        widths=(2, 3),
        num_classes=3,
        grid=3,
        convolution=njets(
            order=2,
            sharing="output",
            sigma=0.8,
            bounds=(0.5, 4.0),
            extent=None,
            padding="edge",
            gain=0.5,
            zero_order=False,
            discretisation=kernels.DiscreteGaussian(),
        ),
    ),
    "fixed sigma": NJetToy(widths=(2,), convolution=njets(learn_sigma=False)),
    "plain": NJetToy(widths=(2,), convolution=plain_convolution, kernel_size=5),
    "dilated": NJetToy(widths=(2,), convolution=dilated_convolution),
    "deformable": NJetToy(widths=(2,), convolution=DeformableConv),
    "safe": NJetNIN(
        num_classes=3,
        width=0.02,
        dropout=0.1,
        activation=nn.silu,
        convolution=njets(order=1),
        subsampling="safe",
        sizes=(5, 4, 3),
    ),
    "bottleneck": NJetResNet(
        width=2,
        depth=1,
        bottleneck=True,
        subsampling="published",
        convolution=plain_convolution,
    ),
    "U-Net": NJetUNet(num_classes=3, widths=(2, 3), convolution=njets(order=1)),
    "ASPP": NJetASPP(
        num_classes=3,
        tied=False,
        sigmas=(0.7, 1.5),
        dilations=(1, 2),
        bounds=(0.3, 5.0),
    ),
    "DeepLab": NJetDeepLab(
        num_classes=3,
        sigmas=(0.7,),
        dilations=(1,),
        bounds=(0.3, 5.0),
        convolution=njets(order=1),
        backbone=DilatedResNet(blocks=(1, 1, 1, 1), width=2, stride=16, frozen=False),
    ),
}


# Of the others the fields and the variables say it all.
SCORED = {
    "channels", "bfloat16", "residual", "N-Jets", "plain", "dilated", "deformable",
    "bottleneck",
}  # fmt: skip


@pytest.mark.parametrize("name", NETS)
def test_networks_come_back_with_their_fields_and_scores(name, tmp_path):
    net, path = NETS[name], tmp_path / "net.safetensors"
    shape = (*[16 if name == "DeepLab" else 6] * getattr(net, "ndim", 2), 1)
    variables = drawn(net, shape)
    save_network(path, net, variables, image_shape=shape)
    found = load_network(path)
    assert type(found.module) is type(net)
    for field in dataclasses.fields(net):
        if field.name not in ("parent", "name", "convolution"):
            assert getattr(found.module, field.name) == getattr(net, field.name)
    if hasattr(net, "convolution"):
        one, other = (n.convolution(4, size=3) for n in (found.module, net))
        assert type(one) is type(other)
        if name not in ("plain", "dilated", "bottleneck"):  # holds functions
            assert one == other
    same_arrays(found.variables, variables)
    if name not in SCORED:
        return
    x = images(2, *shape)
    wanted = scores(net, variables, x)
    # bfloat16 is rounded at other places where programs are fused otherwise.
    tolerance = 0.05 if name == "bfloat16" else 1e-6
    np.testing.assert_allclose(found.scores(x), wanted, rtol=tolerance, atol=tolerance)


def test_the_axis_of_a_spread_batch_is_not_the_network_s(tmp_path):
    net = scale_channels(batch_axis="devices")
    alone = net.clone(batch_axis=None)
    variables = drawn(alone)
    save_network(tmp_path / "net", net, variables)
    found = load_network(tmp_path / "net")
    assert found.module == alone
    x = images(2, 6, 6, 1)
    np.testing.assert_allclose(
        found.scores(x), scores(alone, variables, x), rtol=1e-6, atol=1e-6
    )


class Doubled(kernels.SampledGaussian):
    """A discretisation of one's own."""


class Taller(GaussDerNet):
    """A network of one's own."""


@pytest.mark.parametrize(
    ("net", "name"),
    [
        (GaussDerNet(activation=lambda x: x), "`activation="),
        (GaussDerNet(spatial_selection=lambda x, ndim: x), "`spatial_selection="),
        (GaussDerNet(scale_pooling=lambda x, keep: x), "`scale_pooling="),
        (GaussDerNet(discretisation=Doubled()), "`discretisation="),
        (NJetToy(convolution=njets(discretisation=Doubled())), "`discretisation="),
        (NJetToy(convolution=lambda features, **rest: None), "`convolution="),  # pyright: ignore
        (NJetToy(convolution=njets(groups=1)), "`convolution=.*groups=1"),
        (NJetToy(convolution=njets(dtype=jnp.bfloat16)), "`convolution=.*dtype="),
        (
            NJetToy(convolution=functools.partial(plain_convolution, dilation=2)),
            "`convolution=.*dilation=2",
        ),
        (NJetEfficientNet(stages=B0[:2]), "`stages="),
        (NJetEfficientNet(stem=njet_convolution), "`stem="),
        (NJetDeepLab(backbone=DilatedResNet(dtype=jnp.bfloat16)), "`backbone`"),
        (NJetDeepLab(backbone=nn.Dense(3)), "`backbone`"),  # pyright: ignore
        (Taller(), "Taller, of which nothing is known.*GaussDerNet"),
        (nn.Dense(3), "Dense, of which nothing is known"),
    ],
)
def test_what_has_no_name_is_asked_for_by_the_name_of_its_field(net, name, tmp_path):
    save_network(tmp_path / "net", net, {"params": {"bias": np.zeros(3)}})
    with pytest.raises(ValueError, match=f"{name}(?s:.*)load_network.*model="):
        load_network(tmp_path / "net")
    assert load_network(tmp_path / "net", model=net).module == net


class Linear(nn.Module):
    """The mean grey levels, weighed.

    Attributes:
      num_classes: K.
      gain: of the logits.
      activation: of the logits.
    """

    num_classes: int = 3
    gain: float = 1.0
    activation: Any = nn.tanh

    @nn.compact
    def __call__(self, x, train: bool = False):
        del train
        x = nn.Dense(self.num_classes, name="readout")(x.mean((1, 2)))
        return self.activation(self.gain * x), {}


@configures(Linear)
class LinearConfig(NetworkConfig):
    """The mean grey levels, weighed."""


def test_a_new_family_is_a_class_and_a_line(monkeypatch, tmp_path):
    monkeypatch.setitem(FAMILIES, "linear", LinearConfig)
    path, net = tmp_path / "net", LinearConfig(gain=3.0).build(activation=nn.elu)
    assert LinearConfig.of(net) == LinearConfig(gain=3.0, activation="elu")
    variables = drawn(net, (4, 4, 2))
    facts = {"class_names": NAMES, "image_shape": (4, 4, 2)}
    for model in (net, LinearConfig(gain=3.0, activation="elu")):
        save_network(path, model, variables, **facts)
        network = load_network(path)
        assert network.module == net and network.class_names == NAMES
        x = images(5, 4, 4, 2)
        kernel, bias = (variables["params"]["readout"][n] for n in ("kernel", "bias"))
        wanted = 3 * (x.mean((1, 2)) @ kernel + bias)
        wanted = np.where(wanted > 0, wanted, np.expm1(wanted))
        np.testing.assert_allclose(network.scores(x), wanted, rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(network.predict(x), wanted.argmax(-1))


# What is said of a network.


def test_facts_come_back(tmp_path, variables):
    preprocessing = Preprocessing(mean=(0.3,), std=(0.2,), padding=1)
    save_network(
        tmp_path / "net",
        TOY,
        variables,
        class_names=list(NAMES),
        image_shape=np.array([6, 6, 1]),
        preprocessing=preprocessing,
        accuracy=np.float32(0.5),
        per_class=jnp.array([0.25, 1.0]),
        data={"name": "animals", "seeds": (1, np.int64(2))},
        note=None,
    )
    network = load_network(tmp_path / "net")
    assert network.class_names == NAMES
    assert network.image_shape == (6, 6, 1)
    assert network.preprocessing == preprocessing
    assert network.version == gdjax.__version__
    assert network.facts == {
        "accuracy": 0.5,
        "per_class": [0.25, 1.0],
        "data": {"name": "animals", "seeds": [1, 2]},
        "note": None,
    }
    assert network.config.build().widths == TOY.widths
    assert "variables" not in repr(network)


def test_without_facts_there_are_none(tmp_path, variables):
    nothing = {"class_names": (), "image_shape": None, "preprocessing": None}
    for facts in ({}, nothing, nothing | {"class_names": None}):
        save_network(tmp_path / "net", TOY, variables, **facts)
        network = load_network(tmp_path / "net")
        assert (network.class_names, network.image_shape) == ((), None)
        assert network.preprocessing == Preprocessing() and network.facts == {}


@pytest.mark.parametrize(
    ("facts", "error", "message"),
    [
        ({"class_names": ("a", "b")}, ValueError, "`class_names` must be 3 strings"),
        ({"class_names": "abc"}, ValueError, "`class_names` must be 3 strings"),
        ({"class_names": (1, 2, 3)}, ValueError, "`class_names` must be 3 strings"),
        ({"image_shape": (6, 6)}, ValueError, "`image_shape=.* must be 3 sizes in px"),
        ({"image_shape": (6, 6, 0)}, ValueError, "`image_shape="),
        ({"image_shape": (6.5, 6, 1)}, ValueError, "`image_shape="),
        ({"preprocessing": {"mean": 1}}, TypeError, "must be a `Preprocessing`"),
        (
            {"image_shape": (6, 6, 1), "preprocessing": Preprocessing(mean=(0.1, 0.2))},
            ValueError,
            "give one number",
        ),
        ({"made_by": object()}, ValueError, "`facts.made_by=<object"),
        ({"loss": float("nan")}, ValueError, "must be finite"),
    ],
)
def test_facts_that_do_not_fit_are_refused(facts, error, message, tmp_path, variables):
    with pytest.raises(error, match=message):
        save_network(tmp_path / "net", TOY, variables, **facts)
    assert not list(tmp_path.iterdir())


def test_parameters_without_their_collection_are_refused(tmp_path, variables):
    with pytest.raises(ValueError, match='has conv_1, readout, no "params"'):
        save_network(tmp_path / "net", TOY, variables["params"])


def test_files_can_be_read_without_gdjax(path, variables):
    with safetensors.safe_open(path, framework="numpy") as file:
        metadata = file.metadata()
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    assert list(metadata) == ["gdjax"]
    description = json.loads(metadata["gdjax"])
    assert set(description) == {
            "format", "sha256", "version", "network", "dtype", "facts",
        }  # fmt: skip
    for key in description:
        assert f"\n  {key}: " in str(inspect.getdoc(save_network))
    assert description["format"] == 1 and description["dtype"] is None
    assert description["network"]["family"] == "njet_toy"
    assert description["network"]["widths"] == [2]
    assert description["network"]["njet"]["discretisation"] == (
        "normalized_sampled_derivatives"
    )
    assert description["facts"] == {"class_names": [*NAMES], "image_shape": [6, 6, 1]}
    kernel = variables["params"]["conv_1"]["kernel"]
    np.testing.assert_array_equal(arrays["params/conv_1/kernel"], kernel)
    assert arrays["params/conv_1/sigma/logit"].shape == ()


def test_the_type_of_the_activations_is_written(tmp_path):
    net = NETS["bfloat16"]
    path, config = tmp_path / "net", FAMILIES["gaussdernet"].of(net)
    for model, given in ((net, None), (config, jnp.bfloat16), (config, "bfloat16")):
        save_network(path, model, drawn(net), dtype=given)
        assert described(path)["dtype"] == "bfloat16"
        assert load_network(path).module == net


# Writing is whole.


def fails(*args, **kwargs):
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(
    ("place", "name", "failing"),
    [(os, "replace", fails), (gdjax.files, "sync", fails)],
)
def test_a_failed_write_leaves_what_was_there(
    place, name, failing, path, variables, monkeypatch
):
    before = path.read_bytes()
    monkeypatch.setattr(place, name, failing)
    with pytest.raises(OSError, match="No space left"):
        save_network(path, TOY, variables)
    monkeypatch.undo()
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_a_second_write_takes_the_place_of_the_first(path, variables):
    save_network(str(path), TOY, variables, note="second")
    assert load_network(str(path)).facts == {"note": "second"}
    assert list(path.parent.iterdir()) == [path]


# Files that can't be read.


def test_a_missing_file_is_said_to_be_missing(tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing.safetensors"):
        load_network(tmp_path / "nothing.safetensors")


@pytest.mark.parametrize("content", [b"", b"hello, these are no weights", None])
def test_what_is_no_safetensors_file_is_refused(content, path):
    path.write_bytes(path.read_bytes()[:-3] if content is None else content)
    with pytest.raises(ValueError, match=r"net.safetensors is no safetensors file"):
        load_network(path)


def test_weights_without_a_description_are_refused(path):
    safetensors.numpy.save_file(safetensors.numpy.load_file(path), path)
    with pytest.raises(ValueError, match="doesn't say which network"):
        load_network(path)
    safetensors.numpy.save_file({}, path, {"format": "pt"})
    with pytest.raises(ValueError, match="doesn't say which network"):
        load_network(path)


@pytest.mark.parametrize("text", ["[1, 2]", '{"model": "resnet"}', "3", "null", '"x"'])
def test_foreign_descriptions_are_refused(text, path):
    safetensors.numpy.save_file({}, path, {"gdjax": text})
    with pytest.raises(ValueError, match="is none of gdjax's"):
        load_network(path)


def test_descriptions_that_are_no_json_are_refused(path):
    safetensors.numpy.save_file({}, path, {"gdjax": "{'format': 1}"})
    with pytest.raises(ValueError, match="the description in .* can't be read"):
        load_network(path)


def test_what_json_cannot_nest_is_refused(path):
    safetensors.numpy.save_file({"a": np.ones(1)}, path, {"gdjax": "[" * 100_000})
    with pytest.raises(ValueError, match="net.safetensors can't be read"):
        load_network(path)


@pytest.mark.parametrize("version", [None, 1, ["0.1.0"]])
def test_versions_are_strings(version, path):
    change(path, described(path) | {"version": version})
    with pytest.raises(ValueError, match="net.safetensors has version"):
        load_network(path)


@pytest.mark.parametrize(
    "arrays, message",
    [
        ({"params": np.ones(1)}, "has an array 'params', and others within it"),
        ({"params/more": np.ones(1)}, "has not the arrays .* params/more"),
        ({"params/readout/bias": np.ones(3, np.int32)}, "has not .* int32, expected"),
    ],
)
def test_other_arrays_are_refused(arrays, message, path):
    change(path, arrays=safetensors.numpy.load_file(path) | arrays)
    with pytest.raises(ValueError, match=f"net.safetensors {message}"):
        load_network(path)


def test_folders_and_what_is_no_path_are_refused(tmp_path, variables):
    for call in (load_network, lambda path: save_network(path, TOY, variables)):
        with pytest.raises(ValueError, match="`path`: .* is a folder"):
            call(tmp_path)
        for path in (None, "", 3, b"net"):
            with pytest.raises(TypeError, match="`path=.*` must be the path of a file"):
                call(path)


def test_other_formats_ask_for_another_version(path):
    change(path, {"format": 2, "version": "9.1", "nets": []})
    with pytest.raises(ValueError, match="format 2 of gdjax 9.1; .*update gdjax"):
        load_network(path)
    change(path, {"format": 1, "version": "0.1", "network": {}})
    with pytest.raises(ValueError, match="has no dtype, facts"):
        load_network(path)


@pytest.mark.parametrize(
    ("keys", "value", "message"),
    [
        (("network", "family"), "njet_toi", "'njet_toi': did you mean 'njet_toy'"),
        (("network", "wdths"), [2], "'network.wdths': did you mean 'network.widths'"),
        (("network", "njet", "sigmma"), 1, "did you mean 'network.njet.sigma'"),
        (("network", "widths"), [0], "`widths=0` must be >= 1"),
        (("network", "widths"), "2", "`network.widths='2'`: expected a list"),
        (("network", "convolution"), "plane", "did you mean 'plain'"),
        (("network",), 3, "`network` must have fields"),
        (("dtype",), "float23", "float23"),
        (("facts",), 3, "can't be built"),
        (("facts", "image_shape"), 3, "`image_shape=3` must be 3 sizes"),
        (("facts",), [], "`facts=\\[\\]` must be a mapping"),
        (("facts", "image_shape"), [10**9, 10**9, 1], "can't be built"),
        (("facts", "image_shape"), [1, 1, 1], "fewer px"),
        (("facts", "preprocessing"), {"enlarge": 10**30}, "`enlarge=1e\\+30` must be"),
        (("network", "njet", "gain"), 1e308, "can't be built"),
        (("facts", "class_names"), ["cat"], "`class_names` must be 3 strings"),
        (("facts", "preprocessing"), {"men": []}, "did you mean 'preprocessing.mean'"),
        (("facts", "preprocessing"), {"padding": -1}, "`padding=-1`"),
        (("facts", "preprocessing"), {"mean": [0.1, 0.2]}, "give one number"),
    ],
)
def test_descriptions_of_no_network_are_refused(keys, value, message, path):
    description = described(path)
    inner = description
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = value
    change(path, description)
    with pytest.raises(ValueError, match=message) as caught:
        load_network(path)
    assert "net.safetensors" in str(caught.value)
    assert f"written by gdjax {gdjax.__version__}" in str(caught.value)


def test_arrays_that_changed_on_disk_are_noticed(path):
    content = bytearray(path.read_bytes())
    content[-1] ^= 255
    path.write_bytes(content)
    with pytest.raises(ValueError, match="is damaged: its arrays changed"):
        load_network(path)


def test_arrays_that_do_not_fit_are_named(path):
    arrays = safetensors.numpy.load_file(path)
    name = "params/readout/bias"
    for other, message in (
        ({name: np.zeros(4, np.float32)}, rf"{name} is \(4,\), expected \(3,\)"),
        ({name: None}, rf"{name} is missing, expected \(3,\)"),
        ({"params/more": np.zeros(2)}, r"params/more is \(2,\), expected none"),
    ):
        spoilt = {n: a for n, a in (arrays | other).items() if a is not None}
        change(path, arrays=spoilt)
        with pytest.raises(ValueError, match=f"has not the arrays .*: {message}"):
            load_network(path)


def test_files_are_never_run():
    for name in (
        "network_files",
        "network_loading",
        "values",
        "configuration",
        "preprocessing",
    ):
        source = Path(gdjax.__file__).parent / "models" / f"{name}.py"
        for node in ast.walk(ast.parse(source.read_text())):
            if isinstance(node, ast.Name):
                assert node.id not in ("eval", "exec", "pickle", "__import__")
            if isinstance(node, ast.keyword):
                assert node.arg != "allow_pickle"


# Predictions.


def test_stored_images_have_the_scores_of_their_floats(path, variables):
    network = load_network(path)
    rng = np.random.default_rng(5)
    for kind, largest in ((np.uint8, 255), (np.uint16, 65535)):
        stored = rng.integers(0, largest + 1, (3, 6, 6, 1)).astype(kind)
        floats = stored / largest
        found = network.scores(stored)
        assert found.dtype == np.float32 and found.shape == (3, 3)
        np.testing.assert_allclose(found, network.scores(floats), rtol=1e-5, atol=1e-6)
        wanted = scores(TOY, variables, floats.astype(np.float32))
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (np.zeros((6, 6, 1)), ValueError, r"give \[B, H, W, C\]"),
        (np.zeros((2, 6, 6, 3)), ValueError, "have 3 channels, the network has 1"),
        (np.full((1, 6, 6, 1), 1.5), ValueError, "from 1.5 to 1.5"),
        (np.zeros((1, 6, 6, 1), int), TypeError, "give uint8, uint16 or floats"),
        (np.zeros((0, 6, 6, 1)), ValueError, "at least one image"),
    ],
)
def test_images_that_the_network_does_not_know_are_refused(given, error, message, path):
    network = load_network(path)
    for method in (network.scores, network.predict):
        with pytest.raises(error, match=message):
            method(given)


@pytest.mark.parametrize("count", [1, 3, 4, 8, 9])
def test_batches_do_not_change_scores(count, path, variables, monkeypatch):
    monkeypatch.setattr(network_loading, "BATCH", 4)
    x = images(count, 6, 6, 1)
    network = load_network(path)
    found = network.scores(x)
    assert found.shape == (count, 3)
    wanted = scores(TOY, variables, x)
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(network.predict(x), np.argmax(wanted, -1))


def test_batches_are_of_one_size(path, monkeypatch):
    monkeypatch.setattr(network_loading, "BATCH", 4)
    seen = []

    def note(module, preprocessing, variables, batch):
        seen.append(batch.shape)
        return np.zeros((len(batch), 3))

    monkeypatch.setattr(network_loading, "_scores", note)
    load_network(path).scores(np.zeros((9, 6, 6, 1), np.uint8))
    assert seen == [(4, 6, 6, 1)] * 3


def test_images_are_preprocessed_once(tmp_path, variables):
    preprocessing = Preprocessing(
        mean=(0.4,), std=(0.5,), enlarge=2, method="nearest", padding=1
    )
    save_network(
        tmp_path / "net",
        TOY,
        variables,
        preprocessing=preprocessing,
        image_shape=(4, 3, 1),
    )
    x = images(2, 4, 3, 1)
    ready = np.repeat(np.repeat((x - 0.4) / 0.5, 2, 1), 2, 2)
    ready = np.pad(ready, ((0, 0), (1, 1), (1, 1), (0, 0))).astype(np.float32)
    found = load_network(tmp_path / "net").scores(x)
    np.testing.assert_allclose(
        found, scores(TOY, variables, ready), rtol=1e-5, atol=1e-5
    )


def test_segmentations_have_scores_and_classes_of_pixels(tmp_path):
    net = NJetUNet(num_classes=3, widths=(2,), convolution=plain_convolution)
    variables = drawn(net)
    save_network(tmp_path / "net", net, variables, image_shape=(6, 6, 1))
    network = load_network(tmp_path / "net")
    x = images(2, 5, 7, 1)  # also of other sizes
    wanted = scores(net, variables, x)
    assert network.scores(x).shape == (2, 5, 7, 3)
    np.testing.assert_allclose(network.scores(x), wanted, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(network.predict(x), np.argmax(wanted, -1))


def test_copies_predict_the_same_and_compile_nothing_anew(path):
    network, x = load_network(path), images(2, 6, 6, 1)
    expected = network.scores(x)
    programs = network_loading._scores._cache_size()
    for other in (pickle.loads(pickle.dumps(network)), copy.deepcopy(network)):
        np.testing.assert_array_equal(other.scores(x), expected)
        assert other.module == network.module and other.config == network.config
    assert network_loading._scores._cache_size() == programs


def test_a_configuration_alone_says_the_same_as_its_module(tmp_path):
    config = GaussDerNetConfig(widths=(2,), num_classes=3, single_sigma=0.8)
    net = config.build()
    variables = drawn(net)
    for model in (config, net):
        save_network(tmp_path / "net", model, variables)
        assert load_network(tmp_path / "net").module == net
