"""GaussDerNet: sizes, windows, shared statistics, weight transfer, dropout."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import gdjax
from gdjax.layers import (
    GaussianDerivative,
    logsumexp_over_scales,
    max_over_scales,
    mean_over_scales,
    spatial_max,
    spatial_mean,
)
from gdjax.models import (
    GaussDerNet,
    gaussdernet_default,
    gaussdernet_large,
    gaussdernet_mnist_scale,
    gaussdernet_small,
)


SIGMAS = (0.7, 1.0, 1.5)
POOLINGS = [max_over_scales, logsumexp_over_scales, mean_over_scales]


def noise(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def small(**fields):
    return GaussDerNet(
        **{"widths": (4, 5), "num_classes": 3, "sigmas": SIGMAS, **fields}
    )


def variables_of(net, channels=1, seed=3):
    """Variables with biases and running statistics that are not 0 and 1."""
    size = [8] * net.ndim
    image = np.zeros((1, *size, channels), np.float32)
    shapes = jax.eval_shape(net.init, jax.random.key(0), image)
    rng = np.random.default_rng(seed)

    def draw(path, leaf):
        values = rng.standard_normal(leaf.shape) / 2
        if path[-1].key in ("var", "scale"):
            values = 1 + abs(values)
        return values.astype(np.float32)

    return jax.tree_util.tree_map_with_path(draw, shapes)


@pytest.fixture(scope="module")
def variables():
    return variables_of(small())


@pytest.mark.parametrize(
    ("make", "count"),
    [
        (gaussdernet_small, 13_608),
        (gaussdernet_default, 20_674),
        (gaussdernet_large, 32_642),
        (gaussdernet_mnist_scale, 495_070),
    ],
)
def test_published_networks_have_the_published_number_of_parameters(make, count):
    shapes = jax.eval_shape(
        make().init, jax.random.key(0), np.zeros((1, 8, 8, 1), np.float32)
    )
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes["params"])) == count


def test_published_networks_take_other_fields():
    assert gaussdernet_large(sigmas=(1.0,), num_classes=7).num_classes == 7
    assert len(gaussdernet_default().sigmas) == 8
    octaves = [2**-0.5, 2**0.5, 2**1.5, 2**2.5]
    np.testing.assert_allclose(gaussdernet_default().sigmas[::2], octaves)


@pytest.mark.parametrize(
    ("size", "fields"),
    [
        (17, {"padding": "symmetric"}),
        (20, {"discretisation": gdjax.SpectralGaussian(), "activation": nn.silu}),
        (
            24,
            {
                "padding": "wrap",
                "zero_order": True,
                "discretisation": gdjax.IntegratedGaussianDerivatives(),
            },
        ),
    ],
    ids=["symmetric", "spectral", "integrated"],
)
def test_windowed_and_mapped_networks_equal_full_evaluation(size, fields):
    x, net = noise(2, size, size + 3, 1), small(sigmas=(0.6, 1.1), **fields)
    variables = variables_of(net)
    full = jax.jit(net.clone(windowed=False).apply)(variables, x)[1]["per_scale"]
    assert full.shape == (2, 2, 3)
    scale = abs(np.asarray(full)).max()
    for options in ({}, {"mapped": False}):
        per_scale = jax.jit(net.clone(**options).apply)(variables, x)[1]["per_scale"]
        np.testing.assert_allclose(per_scale, full, rtol=0, atol=1e-5 * max(scale, 1))


def test_windows_shrink_to_the_centre():
    net = small(sigmas=(1.0,))
    windows = net.windows(1.0, (101, 100))
    assert len(windows) == 4
    heights = [plan[0].length for plan in windows]
    # r = 1.25: radii of eps = .005 for sigma 1, 1.25, 1.5625, and 1 px of differences.
    radii = [gdjax.truncation_radius(1.25**k) + 1 for k in range(3)]
    assert heights == [1 + 2 * sum(radii[k:]) for k in range(4)]
    assert [plan[1].length for plan in windows] == [n + 1 for n in heights]
    full = net.clone(spatial_selection=spatial_max).windows(1.0, (101, 100))
    assert all(plan[0].length == 101 for plan in full)


def by_hand(net, variables, x):
    """Training-mode cascade in NumPy: full layers, statistics over the windows' pixels.

    Returns pooled mean and variance of every normalised layer, and the logits of
    each scale channel at the centre.
    """
    channels = [x] * len(net.sigmas)
    statistics = []
    windows = [net.windows(s, x.shape[1:3]) for s in net.sigmas]
    for k in range(len(net.widths) + 1):
        width = (*net.widths, net.num_classes)[k]
        layer = GaussianDerivative(width, discretisation=net.discretisation)
        parameters = {"params": variables["params"][f"layer_{k + 1}"]}
        channels = [
            np.asarray(
                layer.apply(
                    parameters, y.astype(np.float32), sigma=sigma * net.ratio**k
                ),
                np.float64,
            )
            for y, sigma in zip(channels, net.sigmas, strict=True)
        ]
        if k == len(net.widths):
            break
        seen = [
            y[:, rows.start : rows.stop, columns.start : columns.stop]
            for y, plan in zip(channels, windows, strict=True)
            for rows, columns in [plan[k + 1]]
        ]
        pooled = np.concatenate([y.reshape(-1, width) for y in seen])
        mean, variance = pooled.mean(0), pooled.var(0)
        statistics.append((mean, variance))
        norm = variables["params"][f"norm_{k + 1}"]
        gain = norm["scale"] / np.sqrt(variance + 1e-5)
        channels = [np.maximum((y - mean) * gain + norm["bias"], 0) for y in channels]
    middle = [slice((n - 1) // 2, n // 2 + 1) for n in x.shape[1:3]]
    logits = [y[:, middle[0], middle[1]].mean((1, 2)) for y in channels]
    return statistics, np.stack(logits, 1)


@pytest.mark.parametrize(
    "fields", [{}, {"mapped": False}, {"windowed": False}], ids=str
)
def test_batch_statistics_are_pooled_over_scale_batch_and_computed_pixels(
    variables, fields
):
    x, net = noise(2, 40, 37, 1), small(**fields)
    if not fields.get("windowed", True):
        assert net.windows(1.0, (40, 37))[2][0].length == 40
    train = jax.jit(lambda v, x: net.apply(v, x, train=True, mutable=["batch_stats"]))
    (_, aux), updated = train(variables, x)
    statistics, per_scale = by_hand(net, variables, x)
    np.testing.assert_allclose(aux["per_scale"], per_scale, rtol=0, atol=1e-4)
    for k, (mean, variance) in enumerate(statistics):
        before = variables["batch_stats"][f"norm_{k + 1}"]
        after = updated["batch_stats"][f"norm_{k + 1}"]
        # One step of the running average, whatever the number of channels; the
        # difference of float32 layers is what is left.
        expected = 0.9 * before["mean"] + 0.1 * mean
        np.testing.assert_allclose(after["mean"], expected, rtol=1e-4, atol=1e-5)
        expected = 0.9 * before["var"] + 0.1 * variance
        np.testing.assert_allclose(after["var"], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("pooling", "mapped"), [(max_over_scales, False), (logsumexp_over_scales, True)]
)
def test_the_order_of_scale_channels_does_not_matter(variables, pooling, mapped):
    x, net = noise(3, 10, 10, 1), small(scale_pooling=pooling, mapped=mapped)
    turned = net.clone(sigmas=(1.5, 0.7, 1.0))
    logits, aux = jax.jit(net.apply)(variables, x)
    other, other_aux = jax.jit(turned.apply)(variables, x)
    atol = 1e-6 * max(1, abs(logits).max())
    np.testing.assert_allclose(other, logits, rtol=0, atol=atol)
    sigmas = np.array(net.sigmas)[aux["selected_scale"]]
    others = np.array(turned.sigmas)[other_aux["selected_scale"]]
    np.testing.assert_array_equal(others, sigmas)


def test_clones_with_other_channels_share_the_variables(variables):
    x, net = noise(2, 10, 10, 1), small(windowed=False)
    per_scale = jax.jit(net.apply)(variables, x)[1]["per_scale"]
    denser = net.clone(sigmas=(0.5, 0.7, 1.0, 1.2, 1.5))
    found = jax.jit(denser.apply)(variables, x)[1]["per_scale"][:, [1, 2, 4]]
    np.testing.assert_allclose(found, per_scale, atol=1e-5)
    for s, sigma, mapped in [(0, 0.7, False), (2, 1.5, True)]:
        alone = net.clone(sigmas=(sigma,), mapped=mapped)
        logits, aux = jax.jit(alone.apply)(variables, x)
        np.testing.assert_allclose(logits, per_scale[:, s], atol=1e-5)
        np.testing.assert_array_equal(aux["selected_scale"], 0)
    assert small(sigmas=1.0).sigmas == (1.0,)
    assert small(sigmas=[1, 2]).sigmas == (1.0, 2.0)
    assert hash(small(sigmas=[1, 2])) == hash(small(sigmas=(1.0, 2.0)))


@pytest.mark.parametrize("pooling", POOLINGS)
def test_pooled_logits_and_selected_scales(variables, pooling):
    net = small(scale_pooling=pooling, windowed=False)
    logits, aux = net.apply(variables, noise(5, 10, 10, 1))
    per_scale = np.asarray(aux["per_scale"])
    assert per_scale.shape == (5, 3, 3) and aux["keep"].all()
    expected = pooling(per_scale, np.ones((5, 3), bool))
    np.testing.assert_allclose(logits, expected, atol=1e-6)
    winner = np.asarray(logits).argmax(-1)
    for b in range(5):
        assert aux["selected_scale"][b] == per_scale[b, :, winner[b]].argmax()


def test_a_network_is_the_pooled_cascade_of_its_layers(variables):
    # Inference, one channel, by hand.
    x, net = noise(2, 12, 12, 1), small(sigmas=(1.0,))
    y = x
    for k, width in enumerate((4, 5, 3)):
        y = GaussianDerivative(width, sigma=1.25**k).apply(
            {"params": variables["params"][f"layer_{k + 1}"]}, y
        )
        if k < 2:
            norm = variables["params"][f"norm_{k + 1}"]
            running = variables["batch_stats"][f"norm_{k + 1}"]
            y = (y - running["mean"]) / np.sqrt(running["var"] + 1e-5)
            y = jnp.maximum(y * norm["scale"] + norm["bias"], 0)
    expected = y[:, 5:7, 5:7].mean((1, 2))
    np.testing.assert_allclose(net.apply(variables, x)[0], expected, atol=1e-5)
    whole = net.clone(spatial_selection=spatial_max).apply(variables, x)[0]
    np.testing.assert_allclose(whole, y.max((1, 2)), atol=1e-5)
    whole = net.clone(spatial_selection=spatial_mean).apply(variables, x)[0]
    np.testing.assert_allclose(whole, y.mean((1, 2)), atol=1e-5)


@pytest.mark.parametrize(
    ("ndim", "shape", "channels", "mapped"),
    [
        (1, (17,), 3, False), (1, (17,), 1, True), (2, (9, 12), 3, True),
        (3, (6, 7, 5), 1, False),
    ],
)  # fmt: skip
def test_one_to_three_dimensions_and_colour(ndim, shape, channels, mapped):
    net = small(ndim=ndim, sigmas=(0.5, 0.7), widths=(3,), mapped=mapped)
    x = noise(2, *shape, channels)
    variables = variables_of(net, channels)
    logits, aux = jax.jit(net.apply)(variables, x)
    assert logits.shape == (2, 3) and aux["per_scale"].shape == (2, 2, 3)
    full = jax.jit(net.clone(windowed=False).apply)(variables, x)[0]
    np.testing.assert_allclose(logits, full, atol=1e-5)


def test_dropped_scale_channels_take_no_part(variables):
    x, net = noise(4, 12, 12, 1), small(scale_dropout=0.6, mapped=False)
    step = jax.jit(
        lambda key: net.apply(
            variables, x, train=True, mutable=["batch_stats"], rngs={"dropout": key}
        )[0]
    )
    keeps = []
    for seed in range(20):
        logits, aux = step(jax.random.key(seed))
        keep = np.asarray(aux["keep"])
        keeps.append(keep)
        assert keep.any(-1).all()
        kept = np.where(keep[..., None], aux["per_scale"], -np.inf)
        np.testing.assert_allclose(logits, kept.max(1), atol=1e-6)
        selected = np.asarray(aux["selected_scale"])
        assert keep[np.arange(4), selected].all()
    # rate - rate^S / S = 0.53 of 240 draws, four standard deviations.
    assert 0.53 - 0.13 <= 1 - np.mean(keeps) <= 0.53 + 0.13
    assert net.apply(variables, x)[1]["keep"].all()


@pytest.mark.parametrize("mapped", [False, True])
def test_gradients_are_finite_for_all_parameters(mapped):
    x, labels = noise(4, 14, 14, 1), np.array([0, 1, 2, 0])
    net = small(mapped=mapped, scale_dropout=0.3, sigmas=(0.7, 1.0))
    variables = jax.jit(net.init)(jax.random.key(0), x)

    @jax.jit
    def loss(params):
        (logits, _), _ = net.apply(
            {**variables, "params": params}, x, train=True, mutable=["batch_stats"],
            rngs={"dropout": jax.random.key(1)},
        )  # fmt: skip
        return -jnp.take_along_axis(nn.log_softmax(logits), labels[:, None], 1).mean()

    slopes = jax.grad(loss)(variables["params"])
    for path, leaf in jax.tree_util.tree_leaves_with_path(slopes):
        assert np.isfinite(leaf).all(), path
        # A bias before batch normalisation has no effect.
        idle = path[-1].key == "bias" and path[0].key in ("layer_1", "layer_2")
        assert idle or abs(np.asarray(leaf)).max() > 0, path


@pytest.mark.parametrize("mapped", [False, True])
def test_bfloat16_stays_close_to_float32(variables, mapped):
    x, net = noise(4, 10, 10, 1), small(mapped=mapped)
    exact = jax.jit(net.apply)(variables, x)[1]["per_scale"]
    low = jax.jit(net.clone(dtype=jnp.bfloat16).apply)(variables, x)[1]["per_scale"]
    assert low.dtype == jnp.float32
    # 0.2 % per rounding, some of them over three layers.
    assert np.linalg.norm(low - exact) <= 0.05 * np.linalg.norm(exact)


def test_a_model_runs_through_the_bridge_to_nnx(variables):
    x, net = noise(2, 12, 12, 1), small()
    wrapped = nnx.bridge.ToNNX(net, rngs=nnx.Rngs(0))
    wrapped.lazy_init(x)
    logits, aux = wrapped(x)
    assert logits.shape == (2, 3) and np.isfinite(logits).all()
    assert aux["per_scale"].shape == (2, 3, 3)


def test_initialisation_does_not_depend_on_the_scale_channels():
    x, key = noise(1, 8, 8, 1), jax.random.key(0)
    net = small(widths=(2,), windowed=False)
    reference = jax.jit(net.init)(key, x)
    for fields in ({"sigmas": (1.0,)}, {"mapped": False}):
        other = jax.jit(net.clone(**fields).init)(key, x)
        assert jax.tree.structure(other) == jax.tree.structure(reference)
        # Fused multiplications may round otherwise.
        jax.tree.map(
            lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), other, reference
        )


def test_networks_accept_strict_promotion(variables):
    x, key = noise(2, 8, 8, 1), jax.random.key(0)
    for mapped in (False, True):
        net = small(mapped=mapped, scale_dropout=0.2)

        def step(variables, x, net=net):
            options = {"mutable": ["batch_stats"], "rngs": {"dropout": key}}
            return net.apply(variables, x, train=True, **options)

        with jax.numpy_dtype_promotion("strict"):
            (logits, _), _ = jax.eval_shape(step, variables, x)
        assert logits.shape == (2, 3) and logits.dtype == jnp.float32


@pytest.mark.parametrize(
    ("fields", "error", "message"),
    [
        ({"sigmas": ()}, ValueError, "sigmas"),
        ({"sigmas": (1.0, -1.0)}, ValueError, "sigmas"),
        ({"sigmas": (1.0, np.nan)}, ValueError, "sigmas"),
        ({"widths": (4, 0)}, ValueError, "widths"),
        ({"num_classes": 0}, ValueError, "num_classes"),
        ({"order": 0}, ValueError, "order"),
        ({"ratio": 0.5}, ValueError, "ratio"),
        ({"scale_dropout": 1.0}, ValueError, "scale_dropout"),
        ({"scale_dropout": -0.1}, ValueError, "scale_dropout"),
        ({"padding": "same"}, ValueError, "padding"),
        ({"eps": 0}, ValueError, "eps"),
        (
            {"sigmas": (0, 1), "discretisation": gdjax.SampledGaussian()},
            ValueError, "sigma > 0",
        ),
    ],
)  # fmt: skip
def test_impossible_fields_raise(fields, error, message):
    with pytest.raises(error, match=message):
        net = small(**fields)
        jax.eval_shape(net.init, jax.random.key(0), noise(1, 6, 6, 1))


@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        (np.zeros((1, 6, 6, 1), np.uint8), TypeError, "astype"),
        (np.zeros((6, 6), np.float32), ValueError, "channel"),
        (np.zeros((6, 6, 1), np.float32), ValueError, "batch"),
        (np.zeros((0, 6, 6, 1), np.float32), ValueError, "empty"),
    ],
)
@pytest.mark.parametrize("mapped", [False, True])
def test_impossible_images_raise(variables, x, error, message, mapped):
    with pytest.raises(error, match=message):
        small(mapped=mapped).apply(variables, x)
