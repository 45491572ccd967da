"""DeepLab: counts, weights from files, and a ResNet written with loops."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy

from gdjax.layers import plain_convolution
from gdjax.models import DilatedResNet, NJetDeepLab, load_resnet_weights
from gdjax.models.njet_deeplab import enlarged


SMALL = DilatedResNet(blocks=(1, 2, 2, 2), width=4)


def noise(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def shapes(net, side=32):
    x = jnp.zeros((1, side, side + 5, 3))
    return jax.eval_shape(lambda: net.init_with_output(jax.random.key(0), x))


def variables_of(net, x):
    """Random parameters, by size as those at the start, without compiling anything."""
    shapes = jax.eval_shape(net.init, jax.random.key(0), x)

    def fill(path, leaf):
        kind = path[-1].key
        if kind == "kernel":
            fan_in = leaf.size / leaf.shape[-1]
            return noise(*leaf.shape, seed=leaf.size) / np.float32(np.sqrt(fan_in))
        return np.full(leaf.shape, kind in ("scale", "var"), leaf.dtype)

    return jax.tree_util.tree_map_with_path(fill, shapes)


def count(params):
    return sum(leaf.size for leaf in jax.tree.leaves(params))


def stored(blocks, width, seed=0):
    """A state dict as torchvision writes it, of random values."""
    rng, tensors = np.random.default_rng(seed), {}

    def conv(name, *shape):
        fan_in = np.prod(shape[1:])
        tensors[f"{name}.weight"] = rng.normal(size=shape) / np.sqrt(fan_in)

    def norm(name, channels):
        for kind in ("weight", "bias", "running_mean", "running_var"):
            tensors[f"{name}.{kind}"] = rng.uniform(0.3, 1.0, channels)
        tensors[f"{name}.num_batches_tracked"] = np.zeros((), np.int64)

    conv("conv1", width, 3, 7, 7)
    norm("bn1", width)
    inputs = width
    for stage, number in enumerate(blocks):
        inner = width * 2**stage
        for block in range(number):
            name = f"layer{stage + 1}.{block}"
            conv(f"{name}.conv1", inner, inputs, 1, 1)
            conv(f"{name}.conv2", inner, inner, 3, 3)
            conv(f"{name}.conv3", 4 * inner, inner, 1, 1)
            for k, channels in ((1, inner), (2, inner), (3, 4 * inner)):
                norm(f"{name}.bn{k}", channels)
            if block == 0:
                conv(f"{name}.downsample.0", 4 * inner, inputs, 1, 1)
                norm(f"{name}.downsample.1", 4 * inner)
            inputs = 4 * inner
    tensors["fc.weight"], tensors["fc.bias"] = rng.normal(size=(7, inputs)), np.zeros(7)
    kinds = {np.dtype(np.float64): np.float32}
    return {k: v.astype(kinds.get(v.dtype, v.dtype)) for k, v in tensors.items()}


def written(folder, tensors):
    path = folder / "resnet.safetensors"
    safetensors.numpy.save_file(tensors, path)
    return path


def convolved(x, weight, stride=1, dilation=1):
    """[C, H, W] in float64; zeros outside, tap by tap."""
    size, margin = weight.shape[-1], dilation * (weight.shape[-1] // 2)
    x = np.pad(x, ((0, 0), (margin, margin), (margin, margin)))
    ends = [n - dilation * (size - 1) for n in x.shape[1:]]
    y = 0.0
    for i, j in itertools.product(range(size), repeat=2):
        top, left = dilation * i, dilation * j
        part = x[:, top : top + ends[0] : stride, left : left + ends[1] : stride]
        y = y + np.einsum("oc,chw->ohw", weight[:, :, i, j], part)
    return y


def twin(x, tensors, blocks, dilations):
    """Features [C, h, w] of one image [C, H, W], stage 2 with stride 2, no other."""

    def get(name):
        return tensors[name].astype(np.float64)

    def norm(y, name):
        w, b, m, v = (
            get(f"{name}.{kind}")[:, None, None]
            for kind in ("weight", "bias", "running_mean", "running_var")
        )
        return (y - m) / np.sqrt(v + 1e-5) * w + b

    def step(y, conv, bn, **where):
        return norm(convolved(y, get(f"{conv}.weight"), **where), bn)

    x = np.maximum(step(x, "conv1", "bn1", stride=2), 0)
    padded = np.pad(x, ((0, 0), (1, 2), (1, 2)), constant_values=-np.inf)
    ends = [2 * ((n + 1) // 2) for n in x.shape[1:]]
    x = np.max(
        [
            padded[:, i : i + ends[0] : 2, j : j + ends[1] : 2]
            for i, j in itertools.product(range(3), repeat=2)
        ],
        0,
    )
    for stage, number in enumerate(blocks):
        for block in range(number):
            p, stride = (
                f"layer{stage + 1}.{block}",
                2 if (stage, block) == (1, 0) else 1,
            )
            dilation = dilations[stage][min(block, 1)]
            y = np.maximum(step(x, f"{p}.conv1", f"{p}.bn1"), 0)
            y = step(y, f"{p}.conv2", f"{p}.bn2", stride=stride, dilation=dilation)
            y = step(np.maximum(y, 0), f"{p}.conv3", f"{p}.bn3")
            if block == 0:
                x = step(x, f"{p}.downsample.0", f"{p}.downsample.1", stride=stride)
            x = np.maximum(x + y, 0)
    return x


def test_parameter_counts():
    (features, variables) = shapes(DilatedResNet(), side=65)
    # torchvision's resnet101 has 44,549,160, of which 2,049,000 in `fc`.
    assert count(variables["params"]) == 44_549_160 - 2_049_000
    assert features.shape == (1, 9, 9, 2048)
    (logits, _), variables = shapes(NJetDeepLab(), side=33)
    assert count(variables["params"]["head"]) == 430_101 + 4
    assert count(variables["params"]["backbone"]) == 42_500_160
    assert logits.shape == (1, 33, 38, 21)
    plain = NJetDeepLab(convolution=plain_convolution, tied=False)
    _, variables = shapes(plain, side=33)
    assert count(variables["params"]["head"]) == 1_548_372


def test_weights_of_a_file_make_the_network_of_the_file(tmp_path):
    tensors = stored(SMALL.blocks, SMALL.width)
    x = noise(2, 37, 42, 3, seed=1)
    variables = jax.eval_shape(SMALL.init, jax.random.key(0), x)
    path = written(tmp_path, tensors)
    variables = load_resnet_weights(path, variables, scope=None)
    y = jax.jit(SMALL.apply)(variables, x)
    dilations = [(1, 1), (1, 1), (1, 2), (2, 4)]
    for image, found in zip(x, y, strict=True):
        expected = twin(image.transpose(2, 0, 1), tensors, SMALL.blocks, dilations)
        expected = expected.transpose(1, 2, 0)
        assert found.shape == expected.shape == (5, 6, 128)
        np.testing.assert_allclose(found, expected, atol=1e-4 * expected.max())


def test_dilated_stages_compute_what_strides_would_have(tmp_path):
    x = noise(1, 50, 43, 3)
    path = written(tmp_path, stored(SMALL.blocks, SMALL.width))
    found = {}
    for stride in (8, 16, 32):
        net = SMALL.clone(stride=stride)
        variables = jax.eval_shape(net.init, jax.random.key(0), x)
        variables = load_resnet_weights(path, variables, scope=None)
        found[stride] = jax.jit(net.apply)(variables, x)
    assert found[32].shape[1:3] == (2, 2)
    tolerance = {"atol": 1e-5 * np.abs(found[32]).max()}
    np.testing.assert_allclose(found[8][:, ::2, ::2], found[16], **tolerance)
    np.testing.assert_allclose(found[8][:, ::4, ::4], found[32], **tolerance)


def test_frozen_normalisation_is_not_trained_and_all_else_is():
    net = NJetDeepLab(
        num_classes=3, sigmas=(0.7, 1.5), backbone=SMALL.clone(blocks=(1, 1, 1, 1))
    )
    x = noise(2, 20, 17, 3)
    variables = variables_of(net, x)

    @jax.jit
    def slopes(params):
        def loss(params):
            (logits, _), updated = net.apply(
                variables | {"params": params}, x, train=True, mutable=["batch_stats"]
            )
            return jnp.sin(logits).sum(), (updated, logits)

        return jax.grad(loss, has_aux=True)(params)

    gradient, (updated, logits) = slopes(variables["params"])
    assert logits.shape == (2, 20, 17, 3)
    for new, old in zip(
        jax.tree.leaves(updated), jax.tree.leaves(variables["batch_stats"]), strict=True
    ):
        np.testing.assert_array_equal(new, old)
    for path, leaf in jax.tree_util.tree_leaves_with_path(gradient):
        frozen = any("bn" in part.key or "downsample_1" in part.key for part in path)
        assert np.isfinite(leaf).all() and (np.abs(leaf).max() == 0) == frozen, path


def test_features_lie_where_the_image_has_them():
    ramp = (8 * np.arange(5.0))[None, :, None, None] * np.ones((1, 5, 3, 2))
    run = jax.jit(enlarged, static_argnums=(1, 2))
    large = np.asarray(run(jnp.asarray(ramp, jnp.float32), (35, 17), 8))
    assert large.shape == (1, 35, 17, 2)
    expected = np.minimum(np.arange(35), 32)[None, :, None, None]
    np.testing.assert_allclose(large, np.broadcast_to(expected, large.shape), atol=1e-4)


def spoiled(tensors, how):
    tensors = dict(tensors)
    if how == "missing":
        del tensors["layer3.1.bn2.running_var"]
    elif how == "extra":
        tensors["layer3.2.conv1.weight"] = np.zeros((16, 64, 1, 1), np.float32)
    elif how == "shape":
        tensors["conv1.weight"] = np.zeros((4, 3, 3, 3), np.float32)
    elif how == "dtype":
        tensors["bn1.bias"] = np.zeros(4, np.int32)
    elif how == "nan":
        tensors["bn1.bias"] = np.full(4, np.nan, np.float32)
    elif how == "all":
        tensors = {"weight": np.zeros(3, np.float32)}
    return tensors


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("missing", r"`layer3.1.bn2.running_var` is missing, its shape is \(16,\)"),
        ("extra", r"`layer3.2.conv1.weight` of shape \(16, 64, 1, 1\) is none"),
        ("shape", r"`conv1.weight` has shape \(4, 3, 3, 3\) instead of \(4, 3, 7, 7\)"),
        ("dtype", "`bn1.bias` has dtype I32 instead of"),
        ("nan", "`bn1.bias` of .* has values that aren't finite"),
        ("all", "`bn1.running_mean` is missing.*and 127 more"),
    ],
)
def test_weights_that_do_not_fit_are_named(tmp_path, how, message):
    path = written(tmp_path, spoiled(stored(SMALL.blocks, SMALL.width), how))
    _, variables = shapes(SMALL)
    with pytest.raises(ValueError, match=message):
        load_resnet_weights(path, variables, scope=None)


def test_broken_files_are_named(tmp_path):
    path = written(tmp_path, stored(SMALL.blocks, SMALL.width))
    _, variables = shapes(SMALL)
    for content in (b"", path.read_bytes()[:-9], b"\x80\x02" * 50):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="not a safetensors file, or is damaged"):
            load_resnet_weights(path, variables, scope=None)
    with pytest.raises(FileNotFoundError):
        load_resnet_weights(tmp_path / "none", variables, scope=None)
    with pytest.raises(ValueError, match="nothing under `scope='backbone'`"):
        load_resnet_weights(path, variables)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: DilatedResNet(blocks=(3, 4, 23)), "must be a tuple of 4 ints"),
        (lambda: DilatedResNet(blocks=(3, 4, 0, 3)), "`blocks=0` must be >= 1"),
        (lambda: DilatedResNet(width=0), "`width=0` must be >= 1"),
        (lambda: DilatedResNet(stride=4), "`stride=4` must be 8, 16 or 32 px"),
        (lambda: NJetDeepLab(num_classes=0), "`num_classes=0` must be >= 1"),
        (lambda: NJetDeepLab(sigmas=[3.0, 40.0]), "must lie between the bounds"),
        (
            lambda: SMALL.init(jax.random.key(0), jnp.zeros((8, 8, 3))),
            r"\[B, H, W, C\]",
        ),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
