"""Deep scale-spaces: shapes, matched baselines, equivariance of whole networks."""

import dataclasses
import functools
import itertools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gdjax
from gdjax.models import SDenseNet, SResNet, matched_baseline
from gdjax.models.deep_scale_spaces import SDenseNetConfig
from gdjax.scalespace import scale_action, shift_levels


RULES = ["truncate", "replicate", "continue", "extend"]
TINY = {
    "s_resnet": functools.partial(
        SResNet, num_classes=3, widths=(2, 3), strides=(1, 2), depth=1, levels=3
    ),
    "s_densenet": functools.partial(
        SDenseNet, num_classes=3, first=4, growth=2, blocks=(2, 1), levels=3
    ),
}
every_network = pytest.mark.parametrize("make", TINY.values(), ids=TINY)


def images(side=24, count=2, channels=3):
    generator = np.random.default_rng(0)
    return jnp.asarray(generator.random((count, side, side, channels)), jnp.float32)


@every_network
@pytest.mark.parametrize("rule", RULES)
def test_every_level_can_be_read_out_by_itself(make, rule):
    net, x = make(scale_axis=rule), images()
    run = functools.partial(net.init_with_output, jax.random.key(0))
    (logits, aux), _ = jax.eval_shape(run, x)
    if make is TINY["s_resnet"]:
        assert logits.shape == (2, 24, 24, 3)
        assert aux["per_level"].shape == (2, 3, 12, 12, 3)
    else:
        assert logits.shape == (2, 3) and aux["per_level"].shape == (2, 3, 3)


def read_out(net, variables, x, **options):
    """What the readout was given: features of the levels, and their maximum."""

    @jax.jit
    def run(variables, x):
        given = []

        def look(call, args, kwargs, context):
            if context.module.name == "readout":
                given.append(args[0])
            return call(*args, **kwargs)

        with nn.intercept_methods(look):
            out = net.apply(variables, x, **options)
        return given, out

    return run(variables, x)


@every_network
def test_the_maximum_of_each_feature_over_levels_is_read_out(make):
    net, x = make(), images()
    variables = jax.jit(net.init)(jax.random.key(0), x)
    (levels, pooled), (logits, _) = read_out(net, variables, x)
    np.testing.assert_array_equal(pooled, np.asarray(levels).max(1))
    readout = variables["params"]["readout"]
    expected = pooled @ readout["kernel"] + readout["bias"]
    kept = logits[:, ::2, ::2] if make is TINY["s_resnet"] else logits
    np.testing.assert_allclose(kept, expected, atol=1e-5)


def test_levels_are_left_out_in_training_alone():
    net, x = TINY["s_densenet"](scale_dropout=0.6), images(count=16)
    variables = jax.jit(net.init)(jax.random.key(0), x)
    options = {"train": True, "mutable": ["batch_stats"]}
    rngs = {"dropout": jax.random.key(3)}
    (levels, pooled), _ = read_out(net, variables, x, rngs=rngs, **options)
    levels, pooled = np.asarray(levels), np.asarray(pooled)
    # Of each image, the maximum over one of the choices of levels, not always of all.
    choices = [
        np.where(np.array(keep)[:, None], levels, -np.inf).max(1)
        for keep in itertools.product([False, True], repeat=3) if any(keep)
    ]  # fmt: skip
    fits = np.array([(choice == pooled).all(-1) for choice in choices])
    assert fits.any(0).all() and not fits[-1].all()
    (levels, pooled), _ = read_out(net, variables, x)
    np.testing.assert_array_equal(pooled, np.asarray(levels).max(1))
    with pytest.raises(ValueError, match="scale_dropout"):
        TINY["s_densenet"](scale_dropout=1.0)


@every_network
def test_training_reaches_every_parameter_and_statistic(make):
    net, x = make(), images()
    variables = jax.jit(net.init)(jax.random.key(0), x)

    @jax.jit
    def step(params):
        def loss(params):
            (logits, _), updated = net.apply(
                variables | {"params": params}, x, train=True, mutable=["batch_stats"]
            )
            return jnp.square(logits - 1).mean(), updated["batch_stats"]

        return jax.grad(loss, has_aux=True)(params)

    gradient, statistics = step(variables["params"])
    for path, leaf in jax.tree_util.tree_leaves_with_path(gradient):
        assert np.all(np.isfinite(leaf)) and np.any(leaf), path
    before = jax.tree.leaves(variables["batch_stats"])
    for old, new in zip(before, jax.tree.leaves(statistics), strict=True):
        assert np.any(old != new)


def band_limited(side, limit):
    """Real noise [side, side, 1] without frequencies of `limit` and more."""
    noise = np.random.default_rng(1).normal(size=(side, side))
    frequency = 2 * np.pi * np.abs(np.fft.fftfreq(side))
    keep = (frequency[:, None] < limit) & (frequency < limit)
    return np.fft.ifft2(np.fft.fft2(noise) * keep).real[..., None]


@pytest.mark.parametrize("strides", [(1, 2)])
def test_logits_of_a_smaller_image_are_those_of_the_next_level(strides):
    # Wrapped, spectral, band-limited to pi / 2: rounding in float32 is all there is,
    # but at the coarsest level, whose filters reach beyond the scale axis.
    net = SResNet(
        num_classes=3, widths=(3, 4), strides=strides, depth=1, levels=4,
        padding="wrap", discretisation=gdjax.SpectralGaussian(),
    )  # fmt: skip
    image = jnp.asarray(band_limited(64, np.pi / 2)[None], jnp.float32)
    variables = jax.jit(net.init)(jax.random.key(0), image)
    small = scale_action(
        image, steps=1, padding="wrap", discretisation=gdjax.SpectralGaussian()
    )
    apply = jax.jit(lambda x: net.apply(variables, x)[1]["per_level"])
    per_level = [apply(x) for x in (image, small)]
    expected = shift_levels(per_level[0], steps=1, padding="wrap")
    # Two layers mix: each lets the border in by one level.
    found, expected = per_level[1][:, :1], expected[:, :1]
    error = np.linalg.norm(found - expected) / np.linalg.norm(expected)
    assert error < 1e-5
    wrong = np.linalg.norm(per_level[1][:, 1:3] - shift_levels(
        per_level[0], steps=1, padding="wrap")[:, 1:3])  # fmt: skip
    assert wrong > 1e-2 * np.linalg.norm(per_level[1][:, 1:3])


def test_with_one_level_the_layers_are_plain_convolutions():
    net = SResNet(
        num_classes=3, widths=(2,), strides=(1,), depth=1, levels=1, interaction=False
    )
    x = images(10)
    variables = net.init(jax.random.key(0), x)
    params = jax.tree.map(np.asarray, variables["params"])

    def convolved(y, name):
        kernel = params[name]["kernel"][0]
        conv = nn.Conv(kernel.shape[-1], kernel.shape[:2], use_bias=False)
        return conv.apply({"params": {"kernel": kernel}}, y)

    scale = 1 / np.sqrt(1 + 1e-5)  # fresh statistics: mean 0, variance 1
    y = nn.relu(scale * convolved(x, "conv_first"))
    z = nn.relu(scale * convolved(y, "stage_1_block_1_conv_1"))
    z = scale * convolved(z, "stage_1_block_1_conv_2")
    expected = nn.relu(y + z) @ params["readout"]["kernel"] + params["readout"]["bias"]
    np.testing.assert_allclose(net.apply(variables, x)[0], expected, atol=1e-5)


def count(config, channels=3):
    module = config.build(padding="wrap")
    x = jnp.zeros((1, 32, 32, channels))
    params = jax.eval_shape(lambda: module.init(jax.random.key(0), x))["params"]
    return sum(leaf.size for leaf in jax.tree.leaves(params))


def test_baselines_are_matched_within_two_per_cent():
    config = SDenseNetConfig()  # those of s_resnet: tests/train/test_ablations.py
    same = matched_baseline(config, equal="parameters")
    assert abs(count(same) / count(config) - 1) < 0.02
    assert same.levels == 1 and not same.interaction
    narrow = matched_baseline(config, equal="channels")
    assert narrow == dataclasses.replace(config, levels=1, interaction=False)
    assert count(narrow) < count(config)
    with pytest.raises(ValueError, match="equal='time'"):
        matched_baseline(config, equal="time")


def test_without_interaction_levels_are_the_same_function_of_their_blur():
    net = SDenseNet(
        num_classes=3, first=4, growth=2, blocks=(1, 1), levels=2, interaction=False,
        padding="wrap",
    )  # fmt: skip
    x = images(16)
    variables = jax.jit(net.init)(jax.random.key(0), x)
    shapes = {
        leaf.shape[0]
        for path, leaf in jax.tree_util.tree_leaves_with_path(variables["params"])
        if leaf.ndim == 5
    }
    assert shapes == {1}
    finest, found = (
        jax.jit(each.apply)(variables, x)[1]["per_level"][:, 0]
        for each in (net.clone(levels=1), net)
    )
    np.testing.assert_allclose(found, finest, atol=1e-5)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: SResNet(levels=0), "levels=0"),
        (lambda: SResNet(levels=1), "nothing to mix"),
        (lambda: SResNet(base=1.0), "base=1.0"),
        (lambda: SResNet(widths=(4,), strides=(1, 1)), "one of each"),
        (lambda: SResNet(scale_axis="mirror"), "scale_axis='mirror'"),
        (lambda: SDenseNet(blocks=()), "at least one block"),
        (lambda: SDenseNet(growth=0), "growth=0"),
        (lambda: SDenseNet(start="xavier"), "start='xavier'"),
    ],
)
def test_fields_without_a_meaning_are_refused(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_images_that_the_coarsest_filter_does_not_fit_are_refused():
    net = SDenseNet(blocks=(1, 1), levels=4)
    with pytest.raises(ValueError, match="8 x 8 px are too small.*dilated by 8 px"):
        jax.eval_shape(net.init, jax.random.key(0), images(16))
