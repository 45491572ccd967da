"""N-Jet networks: the published counts, their maps' sizes, and their gradients."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gdjax.layers import njet_convolution, plain_convolution, safe_sizes, subsample_to
from gdjax.models import (
    NJetAllCNN,
    NJetASPP,
    NJetNIN,
    NJetResNet,
    NJetToy,
    NJetUNet,
    njet_resnet32,
    njet_resnet110,
)
from gdjax.models.njet_toy import cell_maxima


PLAIN = {"convolution": plain_convolution}
ORDER_1, ORDER_2, ORDER_4 = (
    {"convolution": functools.partial(njet_convolution, order=n)} for n in (1, 2, 4)
)


def outcome(net, side=32, channels=3):
    """Parameters' number, logits' shape and maps' sizes, without computing anything."""
    x, seen = jnp.zeros((2, side, side, channels)), []

    def run():
        (logits, aux), variables = net.init_with_output(jax.random.key(0), x)
        seen.extend(aux["sizes"])
        return logits, variables["params"]

    logits, params = jax.eval_shape(run)
    return sum(leaf.size for leaf in jax.tree.leaves(params)), logits.shape, seen


@pytest.mark.parametrize(
    ("net", "count"),
    [
        (NJetNIN(), 720_151),
        (NJetNIN(**ORDER_2), 496_663),
        (NJetNIN(**PLAIN), 968_404),
        (NJetAllCNN(num_classes=100), 1_074_829),
        (NJetAllCNN(num_classes=100, **PLAIN), 973_160),
        (njet_resnet32(), 518_185),
        (njet_resnet32(**PLAIN), 466_906),
        # 387,168 pairs of channels more, and 55 sigmas.
        (njet_resnet110(), 6_760_362 + 387_168 + 55),
        (njet_resnet110(**PLAIN), 6_760_362),
    ],
)
def test_parameter_counts(net, count):
    found, shape, sizes = outcome(net, side=8)
    assert found == count
    assert shape == (2, net.num_classes)
    assert set(sizes) == {(8, 8)}


@pytest.mark.parametrize(
    ("net", "channels", "count", "sigmas"),
    [
        (NJetASPP(), 2048, 430_101, 4),
        (NJetASPP(**ORDER_2), 2048, 258_069, 4),
        (NJetASPP(**ORDER_1), 2048, 129_045, 4),
        (NJetASPP(**PLAIN), 2048, 387_093, 0),
        (NJetASPP(**PLAIN, tied=False), 2048, 1_548_372, 0),
        (NJetUNet(**ORDER_2), 1, 1_255_755, 10),
        (NJetUNet(**ORDER_4), 1, 3_136_395, 10),
        (NJetUNet(**PLAIN), 1, 1_882_635, 0),
    ],
)
def test_parameter_counts_of_segmentation(net, channels, count, sigmas):
    x = jnp.zeros((1, 9, 12, channels))
    (logits, _), variables = jax.eval_shape(
        lambda: net.init_with_output(jax.random.key(0), x)
    )
    leaves = jax.tree_util.tree_leaves_with_path(variables["params"])
    learned = [leaf for path, leaf in leaves if path[-1].key == "logit"]
    assert len(learned) == sigmas
    assert sum(leaf.size for _, leaf in leaves) - sigmas == count
    assert logits.shape == (1, 9, 12, net.num_classes)


def test_tied_branches_have_the_same_weights():
    x = np.random.default_rng(0).normal(size=(2, 15, 14, 3)).astype(np.float32)
    for factory, name in ((plain_convolution, "kernel"), (njet_convolution, "kernel")):
        fields = {"convolution": factory, "sigmas": (0.7, 1.5), "dilations": (1, 3)}
        tied = NJetASPP(num_classes=4, **fields)
        params = jax.jit(tied.init)(jax.random.key(0), x)["params"]
        apart = {
            f"branch_{k}": {name: params["branches"][name], "bias": params["bias"] / 2}
            for k in (1, 2)
        }
        rest = {k: v for k, v in params.items() if k.startswith("sigma")}
        untied = tied.clone(tied=False)
        np.testing.assert_allclose(
            tied.apply({"params": params}, x)[0],
            untied.apply({"params": apart | rest}, x)[0],
            atol=1e-5,
        )


@pytest.mark.parametrize(
    ("net", "sides"),
    [
        (NJetNIN, [32] * 3 + [16] * 3 + [8] * 3),
        (NJetAllCNN, [32, 16, 16, 8, 8, 8, 8]),
        (functools.partial(NJetResNet, depth=2), [32] * 3 + [16] * 2 + [8] * 2),
    ],
)
def test_plain_twins_subsample_as_published(net, sides):
    _, _, sizes = outcome(net(subsampling="published", **PLAIN))
    assert sizes == [(n, n) for n in sides]


@pytest.mark.parametrize(
    ("net", "sides"),
    [
        (NJetNIN, (26, 20, 12)),
        (NJetAllCNN, (30, 26, 20, 14, 8)),
        (functools.partial(NJetResNet, depth=2), (20, 10)),
    ],
)
def test_safe_subsampling_has_the_planned_sizes(net, sides):
    _, shape, sizes = outcome(net(subsampling="safe", sizes=sides))
    assert shape == (2, 10)
    assert list(dict.fromkeys(n for n, _ in sizes if n != 32)) == list(sides)


@pytest.mark.parametrize(
    "net",
    [
        NJetToy(widths=(3, 4), **ORDER_2),
        NJetResNet(
            width=2,
            depth=1,
            bottleneck=True,
            subsampling="safe",
            sizes=(6, 4),
            **ORDER_1,
        ),
        NJetUNet(num_classes=3, widths=(2, 3), **ORDER_1),
        NJetASPP(num_classes=3, **ORDER_1),
    ],
)
def test_training_steps_reach_every_parameter(net):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(4, 9, 9, 2)).astype(np.float32)
    shapes = jax.eval_shape(net.init, jax.random.key(0), x)
    variables = jax.tree.map(
        lambda leaf: (0.5 + rng.random(leaf.shape)).astype(np.float32), shapes
    )
    names = [name for name in variables if name != "params"]

    @jax.jit
    def slopes(params):
        def loss(params):
            (logits, _), _ = net.apply(
                variables | {"params": params}, x, train=True, mutable=names
            )
            return jnp.sin(logits).sum()

        return jax.grad(loss)(params)

    for path, leaf in jax.tree_util.tree_leaves_with_path(slopes(variables["params"])):
        assert np.isfinite(leaf).all(), path
        assert np.abs(leaf).max() > 0, path


def test_sizes_fall_as_in_the_paper():
    # s' = s (1/2)^(sigma / r): 32 * 2^(-1/4) = 26.9, then 22.6, then 16.
    assert safe_sizes([1.0, 1.0, 2.0], 32, r=4.0, multiple=1) == (27, 23, 16)
    assert safe_sizes([1.0, 1.0, 2.0], 32, r=4.0) == (26, 22, 16)


def test_small_changes_of_sigma_change_no_size():
    plan = safe_sizes([1.0, 1.5], 32)
    assert safe_sizes([1.05, 1.45], 32, previous=plan) == plan
    assert safe_sizes([2.0, 1.5], 32, previous=plan) != plan


def test_subsampling_keeps_means_and_does_not_alias():
    x = np.cos(np.pi * np.arange(32))[:, None, None] * np.ones((32, 32, 1))
    smaller = subsample_to(jnp.asarray(x, jnp.float32), 12)
    assert smaller.shape == (12, 12, 1)
    assert np.abs(smaller).max() < 0.3
    flat = subsample_to(jnp.ones((2, 16, 16, 3)), (8, 10))
    np.testing.assert_allclose(flat, np.ones((2, 8, 10, 3)), rtol=1e-6)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: safe_sizes([9.0] * 5, 16), "subsampling below 1 px: layer 2"),
        (lambda: safe_sizes([1.0], 16, previous=(3, 2)), "`previous` has 2 sides"),
        (lambda: safe_sizes([-1.0], 16), "`sigmas="),
        (lambda: subsample_to(jnp.ones((4, 4, 1)), 5), "`size=5` must be 1 to 4 x 4"),
        (lambda: subsample_to(jnp.ones((4, 4, 1)), 0), "`size=0` must be"),
        (lambda: NJetNIN(subsampling="safe"), r"`sizes=\(\)` must have 3 sides"),
        (lambda: NJetNIN(sizes=(3, 2, 1)), "must have 0 sides"),
        (lambda: NJetNIN(subsampling="some"), "`subsampling='some'` must be"),
        (lambda: NJetNIN(num_classes=0), "`num_classes=0`"),
        (
            lambda: NJetNIN(kernel_sizes=(5, 5)),
            r"`kernel_sizes=\(5, 5\)` must be a tuple",
        ),
        (lambda: NJetNIN(kernel_sizes=(5, 0, 3)), "`kernel_sizes=0` must be >= 1"),
        (lambda: NJetNIN(dropout=1.0), r"`dropout=1.0` must be in \[0, 1\)"),
        (lambda: NJetToy(widths=(3, 0)), "`widths=0`"),
        (lambda: outcome(NJetToy(), side=0), "the image is empty"),
        (lambda: outcome(NJetToy(grid=9), side=8), "fewer px than `grid=9`"),
        (lambda: NJetToy().init(jax.random.key(0), jnp.zeros((4, 4, 1))), "give .B, H"),
        (lambda: NJetResNet(depth=0), "`depth=0` must be >= 1"),
        (lambda: NJetASPP(dilations=(6, 0)), "`dilations=0` must be >= 1"),
        (lambda: NJetASPP(sigmas=(3.0, 40.0)), "must lie between the bounds"),
        (lambda: NJetASPP(tied=False, sigmas=(3.0,)), "must name the branches"),
        (lambda: plain_convolution(4, size=0), "`size=0` must be >= 1"),
        (lambda: plain_convolution(4, size=3, groups=3), "`groups=3` must divide"),
        (lambda: outcome(NJetUNet(), side=3), "at least 4 px a side for 3 levels"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(("side", "grid"), [(6, 1), (6, 2), (7, 3)])
def test_the_toy_reads_maxima_of_cells(side, grid):
    x = np.random.default_rng(0).random((2, side, side, 3), np.float32)
    edges = {1: [0, 6], 2: [0, 3, 6], 3: [0, 2, 5, 7]}[grid]  # 7 = 2 + 3 + 2
    rows = [slice(*pair) for pair in itertools.pairwise(edges)]
    expected = [[x[:, r, c].max((1, 2)) for c in rows] for r in rows]
    found = np.moveaxis(np.asarray(cell_maxima(x, grid)), 0, 2)
    np.testing.assert_array_equal(found, expected)
