"""EfficientNet: the published difference, a block beside a twin, and its switches."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.ndimage import correlate
from scipy.special import expit

from gdjax.layers import njet_convolution, plain_convolution
from gdjax.models import NJetEfficientNet
from gdjax.models.njet_efficientnet import InvertedBottleneck


PLAIN = {"convolution": plain_convolution}
STAGES = ((1, 3, 3, 1, False), (1, 4, 5, 2, True))


def noise(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def outcome(net, side=32):
    """Parameters, logits' shape and maps' sizes, without computing anything."""
    seen = []

    def run():
        x = jnp.zeros((2, side, side, 3))
        (logits, aux), variables = net.init_with_output(jax.random.key(0), x)
        seen.extend(aux["sizes"])
        return logits, variables["params"]

    logits, params = jax.eval_shape(run)
    return params, logits.shape, seen


def count(params):
    """Weights, and sigmas."""
    leaves = jax.tree_util.tree_leaves_with_path(params)
    learned = [leaf.size for path, leaf in leaves if path[-1].key == "logit"]
    return sum(leaf.size for _, leaf in leaves) - sum(learned), sum(learned)


def test_parameter_counts():
    # With 1,000 classes 5,288,548: the count of the published network.
    assert (
        count(outcome(NJetEfficientNet(num_classes=1000, **PLAIN))[0])[0] == 5_288_548
    )
    plain, sigmas = count(outcome(NJetEfficientNet(**PLAIN))[0])
    assert (plain, sigmas) == (4_020_358, 0)
    params, shape, sizes = outcome(NJetEfficientNet())
    assert count(params) == (plain - 92_416, 16)
    assert shape == (2, 10)
    assert set(sizes) == {(32, 32)}
    depthwise = [v["conv_2"]["kernel"].size for k, v in params.items() if "block" in k]
    assert sum(depthwise) == 89_600
    first = count(outcome(NJetEfficientNet(stem=njet_convolution))[0])
    assert first == (plain - 92_416 + 32 * 3, 17)


@pytest.mark.parametrize(
    ("fields", "sides"),
    [
        ({"subsampling": "published", **PLAIN}, (32, 16, 8, 4, 2)),
        ({"subsampling": "safe", "sizes": (50, 40, 30, 20, 10)}, (50, 40, 30, 20, 10)),
    ],
)
def test_first_layer_and_four_stages_subsample(fields, sides):
    _, _, sizes = outcome(NJetEfficientNet(**fields), side=64)
    each = np.repeat(sides, (2, 2, 2, 6, 6))
    assert sizes == [(n, n) for n in each]


def twin(x, params, stats, size):
    """A block with the shortcut, by loops and scipy."""

    def norm(y, k):
        p, s = params[f"norm_{k}"], stats[f"norm_{k}"]
        factor = p["scale"] / np.sqrt(s["var"] + 1e-5)
        return (y - s["mean"]) * factor + p["bias"]

    def swish(y):
        return y * expit(y)

    def dense(y, name):
        return y @ params[name]["kernel"] + params[name].get("bias", 0)

    y = swish(norm(dense(x, "conv_1"), 1))
    kernel = params["conv_2"]["kernel"]
    assert kernel.shape == (size, size, 1, y.shape[-1])
    for b in range(len(y)):
        for c in range(y.shape[-1]):
            y[b, ..., c] = correlate(y[b, ..., c], kernel[:, :, 0, c], mode="constant")
    y = swish(norm(y, 2))
    weights = expit(dense(swish(dense(y.mean((1, 2)), "squeeze")), "excite"))
    return x + norm(dense(y * weights[:, None, None], "conv_3"), 3)


def test_blocks_are_their_formula(x64):
    block = InvertedBottleneck(4, size=5, expansion=3, **PLAIN)
    x = noise(2, 7, 8, 4).astype(float)
    variables = jax.eval_shape(block.init, jax.random.key(0), x)
    leaves, tree = jax.tree.flatten(variables)
    arrays = [0.5 + abs(noise(*leaf.shape, seed=k)) for k, leaf in enumerate(leaves)]
    arrays = [a.astype(float) * (-1) ** k for k, a in enumerate(arrays)]
    variables = jax.tree.unflatten(tree, arrays)
    variables["batch_stats"] = jax.tree.map(abs, variables["batch_stats"])
    y = jax.jit(block.apply)(variables, x)
    expected = twin(x, variables["params"], variables["batch_stats"], 5)
    np.testing.assert_allclose(y, expected, rtol=1e-9, atol=1e-9)


def test_drop_connect_leaves_out_the_block_of_an_image_or_none_of_it():
    block = InvertedBottleneck(4, expansion=1, **PLAIN)
    x = noise(16, 6, 6, 4)
    variables = jax.jit(block.init)(jax.random.key(0), x)

    def run(rate):
        y, _ = block.clone(drop=rate).apply(
            variables, x, train=True, mutable=["batch_stats"],
            rngs={"dropout": jax.random.key(1)},
        )  # fmt: skip
        return y - x

    whole, some = run(0.0), run(0.5)
    out = np.abs(some).max((1, 2, 3)) == 0
    assert 0 < out.sum() < 16
    np.testing.assert_allclose(some[~out], 2 * whole[~out], rtol=1e-4, atol=1e-5)


def test_training_steps_reach_every_parameter():
    net = NJetEfficientNet(
        stages=STAGES, first=3, last=6, num_classes=4, subsampling="safe",
        sizes=(8, 6), dropout=0.0, drop_connect=0.0,
    )  # fmt: skip
    x = noise(4, 9, 9, 2)
    shapes = jax.eval_shape(net.init, jax.random.key(0), x)
    variables = jax.tree.map(lambda leaf: 0.5 + abs(noise(*leaf.shape)), shapes)

    @jax.jit
    def slopes(params):
        def loss(params):
            (logits, _), _ = net.apply(
                variables | {"params": params}, x, train=True, mutable=["batch_stats"]
            )
            return jnp.sin(logits).sum()

        return jax.grad(loss)(params)

    for path, leaf in jax.tree_util.tree_leaves_with_path(slopes(variables["params"])):
        assert np.isfinite(leaf).all(), path
        assert np.abs(leaf).max() > 0, path


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"drop_connect": 1.0}, r"`drop_connect=1.0` must be in \[0, 1\)"),
        ({"dropout": -0.1}, "`dropout=-0.1` must be in"),
        ({"last": 0}, "`last=0` must be >= 1"),
        ({"stages": ((0, 3, 3, 1, False),)}, "`blocks=0` must be >= 1"),
        ({"stages": ((1, 3, 0, 1, False),)}, "`size=0` must be >= 1"),
        ({"subsampling": "safe"}, r"`sizes=\(\)` must have 5 sides"),
        ({"stages": STAGES, "sizes": (3,)}, "must have 0 sides"),
    ],
)
def test_bad_fields_are_named(fields, message):
    with pytest.raises(ValueError, match=message):
        NJetEfficientNet(**fields)
