"""Networks that SESN is compared with: counts, layers, configurations."""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gdjax.layers import DenseScaleConv, ScaleSpaceCorrelation
from gdjax.models import DISCO, SConvNet, matched_baseline
from gdjax.models.disco import DISCOConfig, quarter_means
from gdjax.models.s_convnet import SConvNetConfig
from gdjax.models.sesn import quarter_maxima
from gdjax.scalespace import DiscoBasis, scale_space_lift


TINY = {
    SConvNet: SConvNet(widths=(2, 3), kernel_size=3, hidden=4),
    DISCO: DISCO(widths=(2, 3), order=2, functions=9, size=7, hidden=4),
}
every_network = pytest.mark.parametrize("kind", TINY)


def images(side=16, count=4):
    return jax.random.uniform(jax.random.key(1), (count, side, side, 1))


@pytest.mark.parametrize(("kind", "wanted"), [(SConvNet, 494_359), (DISCO, 494_549)])
def test_published_numbers_of_parameters(kind, wanted):
    image = jax.ShapeDtypeStruct((1, 56, 56, 1), jnp.float32)
    made = jax.eval_shape(lambda x: kind().init(jax.random.key(0), x), image)
    assert sum(leaf.size for leaf in jax.tree.leaves(made["params"])) == wanted


@every_network
def test_training_reaches_every_parameter_and_statistic(kind):
    net, x = TINY[kind], images()
    variables = jax.jit(net.init)(jax.random.key(0), x)

    @jax.jit
    def step(params):
        def loss(params):
            (logits, _), updated = net.apply(
                variables | {"params": params}, x, train=True, mutable=["batch_stats"],
                rngs={"dropout": jax.random.key(2)},
            )  # fmt: skip
            return jnp.square(logits - 1).mean(), updated["batch_stats"]

        return jax.grad(loss, has_aux=True)(params)

    gradient, statistics = step(variables["params"])
    for path, leaf in jax.tree_util.tree_leaves_with_path(gradient):
        assert np.all(np.isfinite(leaf)) and np.any(leaf), path
    for old, new in zip(
        jax.tree.leaves(variables["batch_stats"]), jax.tree.leaves(statistics),
        strict=True,
    ):  # fmt: skip
        assert np.any(old != new)
    found = jax.jit(net.apply)(variables, x)[0]
    assert found.shape == (4, 10) and found.dtype == jnp.float32
    np.testing.assert_allclose(found, net.apply(variables, x)[0], atol=1e-5)


def head(params, y):
    """Dense, (fresh) normalisation, ReLU, readout."""
    y = nn.relu(y.reshape(len(y), -1) @ params["dense"]["kernel"] / np.sqrt(1 + 1e-5))
    return y @ params["readout"]["kernel"] + params["readout"]["bias"]


def test_layers_of_the_deep_scale_space():
    net, x = TINY[SConvNet], images()
    variables = net.init(jax.random.key(0), x)
    params, y = variables["params"], scale_space_lift(x, levels=2, zero_scale=0.25)
    for number, width in ((1, 2), (2, 3)):
        conv = ScaleSpaceCorrelation(width, use_bias=False)
        y = nn.relu(conv.apply({"params": params[f"conv_{number}"]}, y))
        if number == 1:
            y = y.reshape(4, 2, 8, 2, 8, 2, -1).max((3, 5))
        else:
            y = jnp.stack([quarter_maxima(y[:, level]) for level in (0, 1)], axis=1)
        y = y / np.sqrt(1 + 1e-5)
    wanted = head(params, y.max(1))
    np.testing.assert_allclose(net.apply(variables, x)[0], wanted, atol=1e-5)


def test_layers_of_disco():
    net, x = TINY[DISCO], images()
    variables = net.init(jax.random.key(0), x)
    params, y = variables["params"], x
    scales = 1.9 * 2 ** (np.arange(4) / 3)
    for number, width in ((1, 2), (2, 3)):
        conv = DenseScaleConv(
            width, tuple(scales), DiscoBasis(2, 1.5, 9, 7), lift=number == 1
        )
        y = conv.apply({"params": params[f"conv_{number}"]}, y)
        if number == 1:
            y = nn.relu(y).reshape(4, 4, 8, 2, 8, 2, -1).mean((3, 5))
        else:
            y = quarter_means(nn.relu(y.max(0)))
        y = y / np.sqrt(1 + 1e-5)
    logits, aux = net.apply(variables, x)
    np.testing.assert_allclose(logits, head(params, y), atol=1e-5)
    np.testing.assert_allclose(aux["scales"], scales, rtol=1e-6)


def test_the_last_means_are_those_of_disco():
    """Of maxima of 7 px, with a stride of 1; then of 2 px, with a stride of 4."""
    x = np.random.default_rng(0).standard_normal((1, 14, 14, 2))
    windows = np.lib.stride_tricks.sliding_window_view(x, (7, 7), (1, 2))
    maxima = windows.max((-2, -1))
    wanted = [
        maxima[:, i : i + 2, j : j + 2].mean((1, 2)) for i in (0, 4) for j in (0, 4)
    ]
    found = quarter_means(jnp.asarray(x)).reshape(4, 2)
    np.testing.assert_allclose(found, np.concatenate(wanted), rtol=1e-5, atol=1e-6)
    for n in range(3, 20):
        assert quarter_means(jnp.ones((1, n, n, 1))).shape == (1, 2, 2, 1)


def test_configurations():
    config = SConvNetConfig()
    assert SConvNetConfig.of(config.build()) == config
    assert config.with_net("spectral", "relu").discretisation == "spectral"
    same = matched_baseline(config, equal="parameters", channels=1)
    assert same.levels == 1 and same.widths == config.widths
    mixed = dataclasses.replace(config, interaction=True).build()
    made = jax.eval_shape(mixed.init, jax.random.key(0), images(56, 1))
    assert made["params"]["conv_1"]["kernel"].shape == (2, 7, 7, 1, 32)
    own = DISCOConfig()
    assert own.with_net("sampled_derivatives", "relu") == own
    assert own.with_net("discrete", "relu").build() != own.build()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SConvNet(kernel_size=0), "kernel_size"),
        (lambda: SConvNet(widths=(3,)), "two layers"),
        (lambda: SConvNet(levels=1, interaction=True), "nothing to mix"),
        (lambda: SConvNet(zero_scale=0.0), "zero_scale"),
        (lambda: DISCO(widths=(3,)), "two layers"),
        (lambda: DISCO(dropout=1.0), "dropout"),
        (lambda: DISCO(size=11), "at least 13"),
        (lambda: DISCO(isr=3.0), "at least 19"),
        (lambda: DISCO(functions=48), "`functions=48`"),
        (lambda: DISCO(sigma=-1.0), "must be finite"),
        (lambda: DISCO(isr=1.0), "must be greater than 1"),
        (lambda: DISCO(hidden=0), "hidden"),
    ],
)
def test_bad_networks(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_images_smaller_than_the_filters():
    with pytest.raises(ValueError, match="15 px reach beyond images of 6 x 6"):
        jax.eval_shape(DISCO().init, jax.random.key(0), images(12))
    with pytest.raises(ValueError, match="too small for a filter"):
        jax.eval_shape(SConvNet().init, jax.random.key(0), images(12))
