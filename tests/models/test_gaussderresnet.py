"""GaussDerResNet: published sizes, windows, scale channels, recomputation, errors."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gdjax
from gdjax.layers import spatial_max, spatial_mean
from gdjax.metrics import scale_covariance_error
from gdjax.models import (
    SIX_SIGMAS,
    GaussDerResNet,
    gaussderresnet_cifar10,
    gaussderresnet_cifar10_large,
    gaussderresnet_fashion_mnist,
    gaussderresnet_mnist_scale,
    gaussderresnet_stl10,
    gaussderresnet_stl10_single,
)
from gdjax.scalespace.execution import chunks


SIGMAS = (0.7, 1.0)
# Compiling takes most of the time here.
jit = functools.partial(
    jax.jit, compiler_options={"xla_backend_optimization_level": "0"}
)


def noise(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def small(**fields):
    """A dense block whose widths agree, then a separable one with a projection."""
    defaults = {"widths": (3, 3, 4), "separable_from": 2, "sigmas": SIGMAS}
    return GaussDerResNet(**{"num_classes": 3, **defaults, **fields})


def shapes_of(net, channels=1):
    image = np.zeros((1, *[6] * net.ndim, channels), np.float32)
    return jax.eval_shape(net.init, jax.random.key(0), image)


def variables_of(net, channels=1, seed=3):
    """Variables with biases and running statistics that are not 0 and 1."""
    rng = np.random.default_rng(seed)

    def draw(path, leaf):
        values = rng.standard_normal(leaf.shape) / 2
        if path[-1].key in ("var", "scale"):
            values = 1 + abs(values)
        return values.astype(np.float32)

    return jax.tree_util.tree_map_with_path(draw, shapes_of(net, channels))


@pytest.fixture(scope="module")
def variables():
    return variables_of(small())


def per_scale_of(net, variables, x):
    return jit(net.apply)(variables, x)[1]["per_scale"]


def close(found, expected, tolerance):
    """Up to `tolerance` times the largest value, or times 1 where all are smaller."""
    scale = max(1, abs(np.asarray(expected)).max())
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * scale)


@pytest.mark.parametrize(
    ("make", "channels", "separable", "count"),
    [
        (gaussderresnet_fashion_mnist, 1, False, 294_802),
        (gaussderresnet_fashion_mnist, 1, True, 119_794),
        (gaussderresnet_cifar10, 3, False, 1_783_434),
        (gaussderresnet_cifar10, 3, True, 547_082),
        (gaussderresnet_stl10, 3, False, 2_072_586),
        (gaussderresnet_stl10, 3, True, 669_322),
        (gaussderresnet_stl10_single, 3, False, 2_072_586),
        (gaussderresnet_stl10_single, 3, True, 669_322),
        (gaussderresnet_mnist_scale, 1, False, 496_722),
    ],
)
def test_published_networks_have_the_published_number_of_parameters(
    make, channels, separable, count
):
    # One scale channel: they share their parameters.
    shapes = shapes_of(make(separable=separable, sigmas=(1.0,)), channels)
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes["params"])) == count


def test_the_large_network_has_about_ten_million_parameters():
    shapes = shapes_of(gaussderresnet_cifar10_large(), 3)
    count = sum(leaf.size for leaf in jax.tree.leaves(shapes["params"]))
    assert 9.5e6 < count < 10.5e6


def test_published_networks_have_the_published_fields():
    fashion, cifar, stl = (
        make()
        for make in (
            gaussderresnet_fashion_mnist, gaussderresnet_cifar10, gaussderresnet_stl10,
        )
    )  # fmt: skip
    for net in (fashion, cifar, stl):
        assert len(net.levels(1.0)) == 18 and net.sigmas == SIX_SIGMAS
        assert not net.remat and net.separable_from is None and net.activate == "sum"
    octaves = [8**-0.5, 2**-1, 2**-0.5, 1, 2**0.5, 2]
    np.testing.assert_allclose(SIX_SIGMAS, octaves)
    assert [n.ratio for n in (fashion, cifar, stl)] == [1.13, 1.2, 1.32]
    assert [n.eps for n in (fashion, cifar, stl)] == [0.01, 0.005, 0.005]
    assert [n.scale_dropout for n in (fashion, cifar, stl)] == [0.2, 0.3, 0.3]
    assert [n.zero_order for n in (fashion, cifar, stl)] == [False, False, True]
    assert stl.spatial_selection is spatial_max
    for make in (gaussderresnet_stl10_single, gaussderresnet_cifar10_large):
        assert make().sigmas == (1.0,) and make().scale_dropout == 0
    single = stl.clone(sigmas=(1.0,), scale_dropout=0.0)
    assert gaussderresnet_stl10_single() == single
    other = gaussderresnet_cifar10(
        separable=True, num_classes=7, sigmas=(1.0,), eps=0.01
    )
    assert (other.num_classes, other.sigmas, other.eps) == (7, (1.0,), 0.01)
    assert other.separable_from == 5


def test_both_layers_of_a_block_share_their_scale():
    # (28) and (29): e = floor(k / 2) + 1 = 1, 2, 2, 3, 3, ..., 9, 9, 10.
    levels = gaussderresnet_fashion_mnist().levels(0.5)
    effective = [1, *np.repeat(np.arange(2, 10), 2), 10]
    np.testing.assert_allclose(levels, [0.5 * 1.13 ** (e - 1) for e in effective])
    assert small().levels(1.0) == [1, 1.13, 1.13, 1.13**2, 1.13**2, 1.13**3]


def test_the_names_of_the_layers_are_where_their_parameters_are(variables):
    def has_kernel(name):
        tree = variables["params"]
        for key in name.split("/"):
            tree = tree[key]
        return "kernel" in tree

    names = small().layer_names()
    assert len(names) == len(small().levels(1.0))
    assert all(map(has_kernel, names))
    assert names[0] == "layer_1" and names[-1] == "layer_6"


# Below 0.8 px the spectral kernels are wider than such images: they ring.
SPECTRAL = {"discretisation": gdjax.SpectralGaussian(), "sigmas": (0.8, 1.0)}


@pytest.mark.parametrize(
    ("shape", "mapped", "fields"),
    [
        ((20, 23), False, {"padding": "symmetric"}),
        ((21,), True, {"padding": "symmetric"} | SPECTRAL),
        ((20,), True, {"zero_order": True}),
    ],
    ids=["even-odd", "1-D-spectral", "1-D"],
)
def test_windowed_and_mapped_networks_equal_full_evaluation(shape, mapped, fields):
    net = small(**{"sigmas": (0.4, 0.7), "ndim": len(shape), **fields})
    x = noise(2, *shape, 1)
    plan = net.windows(net.sigmas[0], shape)
    assert len(plan) == 7 and plan[-1][0].length == 1 + (shape[0] + 1) % 2
    assert plan[5][0].length < shape[0]
    variables = variables_of(net)
    full = per_scale_of(net.clone(windowed=False), variables, x)
    close(per_scale_of(net, variables, x), full, 1e-5)
    if mapped:
        close(per_scale_of(net.clone(mapped=False), variables, x), full, 1e-5)


@pytest.fixture(scope="module")
def reference(variables):
    """An image batch, and the logits and extras of the small network."""
    x, net = noise(3, 10, 11, 1), small()
    logits, aux = jit(functools.partial(net.apply, maps=True))(variables, x)
    return x, logits, aux


def test_the_order_of_scale_channels_does_not_matter(variables, reference):
    x, logits, aux = reference
    turned = small(sigmas=SIGMAS[::-1])
    other, other_aux = jit(turned.apply)(variables, x)
    close(other, logits, 1e-6)
    close(other_aux["per_scale"][:, ::-1], aux["per_scale"], 1e-6)
    np.testing.assert_array_equal(
        1 - other_aux["selected_scale"], aux["selected_scale"]
    )


def test_single_channels_share_the_variables(variables, reference):
    x, _, aux = reference
    for s, mapped in [(0, False), (1, True)]:
        alone = small().clone(sigmas=SIGMAS[s : s + 1], mapped=mapped)
        logits, alone_aux = jit(alone.apply)(variables, x)
        close(logits, aux["per_scale"][:, s], 1e-5)
        close(alone_aux["per_scale"][:, 0], logits, 0)
        np.testing.assert_array_equal(alone_aux["selected_scale"], 0)
    # A denser sampling of the scales takes the same variables as well.
    dense = small().clone(sigmas=(0.7, 0.85, 1.0))
    shapes = jax.eval_shape(dense.apply, variables, x)[1]
    assert shapes["per_scale"].shape == (3, 3, 3)


def test_eager_evaluation_is_the_same():
    net = small(ndim=1, sigmas=(1.0,), windowed=False, widths=(3, 4), separable_from=1)
    x = noise(2, 9, 1)
    variables = variables_of(net)
    close(net.apply(variables, x)[0], jax.jit(net.apply)(variables, x)[0], 1e-5)


def test_logits_are_the_maximum_over_the_scale_channels(reference):
    _, logits, aux = reference
    per_scale = np.asarray(aux["per_scale"])
    assert per_scale.shape == (3, 2, 3) and aux["keep"].shape == (3, 2)
    np.testing.assert_array_equal(logits, per_scale.max(1))
    winner = np.asarray(logits).argmax(-1)
    expected = per_scale[np.arange(3), :, winner].argmax(-1)
    np.testing.assert_array_equal(aux["selected_scale"], expected)


def test_maps_are_those_that_are_read_out(variables, reference):
    x, _, aux = reference
    assert [y.shape for y in aux["maps"]] == [(3, 2, 1, 3)] * 2  # the centre alone
    centres = np.stack([y.mean((1, 2)) for y in aux["maps"]], axis=1)
    close(aux["per_scale"], centres, 1e-6)
    net = small(spatial_selection=spatial_max)
    _, whole = jit(functools.partial(net.apply, maps=True))(variables, x)
    assert [y.shape for y in whole["maps"]] == [(3, 10, 11, 3)] * 2
    assert isinstance(whole["maps"], list)
    largest = np.stack([y.max((1, 2)) for y in whole["maps"]], axis=1)
    np.testing.assert_array_equal(whole["per_scale"], largest)
    for y, centre in zip(whole["maps"], aux["maps"], strict=True):
        close(y[:, 4:6, 5:6], centre, 1e-5)
    assert "maps" not in jax.eval_shape(net.apply, variables, x)[1]


@pytest.mark.parametrize(
    ("ndim", "shape", "channels", "fields"),
    [
        (1, (17,), 3, {"zero_order": True}),
        (1, (16,), 1, {"spatial_selection": spatial_mean}),
        (2, (7, 8), 3, {"spatial_selection": spatial_max, "zero_order": True}),
        (3, (5, 6, 5), 2, {"sigmas": (0.5,)}),
    ],
    ids=["1-D-colour", "1-D", "2-D-colour", "3-D"],
)
def test_one_to_three_dimensions_and_colour(ndim, shape, channels, fields):
    net, x = small(ndim=ndim, **fields), noise(2, *shape, channels)
    variables = variables_of(net, channels)
    logits, aux = jit(net.apply)(variables, x)
    assert logits.shape == (2, 3) and np.isfinite(logits).all()
    assert aux["per_scale"].shape == (2, len(net.sigmas), 3)
    # No term of order zero in the first layer, sec. 3.8.1.
    terms = {1: 2, 2: 5, 3: 9}[ndim]
    params = variables["params"]
    assert params["layer_1"]["kernel"].shape == (terms, channels, 3)
    more = terms + net.zero_order
    assert params["block_1"]["layer_1"]["kernel"].shape == (more, 3, 3)
    assert params["block_2"]["layer_2"]["kernel"].shape == (more, 4)
    assert params["layer_6"]["kernel"].shape == (more, 4, 3)


def test_logits_do_not_change_with_a_constant_added_to_the_image(variables):
    # Also with terms of order zero: layer 1 has none. Away from zeros outside.
    net = small(padding="symmetric", zero_order=True, sigmas=(0.7,))
    variables, x = variables_of(net), noise(2, 8, 8, 1)
    apply = jit(net.apply)
    close(apply(variables, x + 3)[0], apply(variables, x)[0], 1e-5)


def band_limited(size):
    """A periodic image, 1/f spectrum below a third of the sampling rate, variance 1."""
    f = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.fftfreq(size))
    weight = np.where((f > 0) & (f < 1 / 3), 1 / np.maximum(f, 1 / size), 0)
    image = np.fft.ifft2(np.fft.fft2(noise(size, size)) * weight).real
    return (image / image.std()).astype(np.float32)


def test_maps_at_twice_the_scale_are_the_enlarged_maps():
    # (41): the scale channel at 2 sigma_0 of the enlarged image. Without nonlinearity
    # it stays band-limited: what is left is float32.
    net = small(
        discretisation=gdjax.SpectralGaussian(), padding="wrap", eps=None,
        spatial_selection=spatial_max, activation=lambda x: x,
    )  # fmt: skip
    variables = variables_of(net)

    def maps(image, sigma):
        channel = net.clone(sigmas=(sigma,))
        run = jit(functools.partial(channel.apply, maps=True))
        return run(variables, image[None, ..., None])[1]["maps"][0][0]

    errors = scale_covariance_error(maps, band_limited(12), sigma=1.0, factor=2)
    assert errors.shape == (3,) and errors.max() <= 2e-5


def step(net, variables, x):
    """Gradients, updated statistics and logits of a step in training mode."""

    def loss(params):
        (logits, aux), updated = net.apply(
            {**variables, "params": params}, x, train=True, mutable=["batch_stats"],
            rngs={"dropout": jax.random.key(1)},
        )  # fmt: skip
        labels = np.arange(len(x)) % 3
        scores = jnp.take_along_axis(nn.log_softmax(logits), labels[:, None], 1)
        return -scores.mean(), (updated, aux["per_scale"])

    return jax.grad(loss, has_aux=True)(variables["params"])


def test_recomputed_blocks_change_nothing_and_all_gradients_are_finite(x64):
    x, net = noise(4, 9, 8, 1), small(scale_dropout=0.3, zero_order=True)
    x, variables = jax.tree.map(np.float64, (x, variables_of(net)))
    kept = jit(functools.partial(step, net))(variables, x)
    again = jit(functools.partial(step, net.clone(remat=True)))(variables, x)
    jax.tree.map(lambda a, b: close(b, a, 1e-12), kept, again)
    for path, leaf in jax.tree_util.tree_leaves_with_path(kept[0]):
        assert np.isfinite(leaf).all(), path
        # A bias before batch normalisation has no effect.
        idle = path[-1].key == "bias" and path[-2].key.startswith(
            ("layer_1", "layer_2", "pointwise", "projection")
        )
        assert idle or abs(np.asarray(leaf)).max() > 0, path
    mapped = functools.partial(step, net.clone(remat=True, mapped=True))
    shapes = jax.eval_shape(mapped, variables, x)
    assert jax.tree.map(np.shape, shapes) == jax.tree.map(np.shape, kept)


def test_every_block_is_recomputed_and_has_the_same_parameters(variables):
    net, x = small(), noise(1, 6, 6, 1)
    for remat in (False, True):
        made = net.clone(remat=remat)
        shapes = shapes_of(made)
        assert jax.tree.map(np.shape, shapes) == jax.tree.map(np.shape, variables)
        program = jax.make_jaxpr(lambda v, net=made: net.apply(v, x)[0])(variables)
        routines = [e.params.get("routine") for e in program.eqns]
        count = sum("_Recomputed" in str(routine) for routine in routines)
        assert count == 2 * remat


@pytest.mark.parametrize("map_values", [chunks.MAP_VALUES, 1 << 14])
def test_recomputation_saves_memory(monkeypatch, map_values):
    # XLA on CPUs undoes `jax.checkpoint`, so that what it compiles is looked at; and it
    # makes the buffers of loops over chunks of images at the start, if it can.
    monkeypatch.setattr(chunks, "MAP_VALUES", map_values)
    net = small(sigmas=(1.0,), widths=(8,) * 6, eps=None, windowed=False)
    variables, x = variables_of(net), noise(8, 24, 24, 1)

    def needed(**fields):
        run = jit(functools.partial(step, net.clone(**fields)))
        return run.lower(variables, x).compile().memory_analysis().temp_size_in_bytes

    # On CPUs 0.30 to 0.31; 0.36 where buffers of all loops are made at the start.
    most = 1 / 3 if jax.default_backend() == "cpu" else 0.8
    assert needed(remat=True) <= most * needed()


def test_initialisation_does_not_depend_on_recomputation():
    x, key = noise(1, 6, 1), jax.random.key(0)
    fields = {"widths": (3, 4), "separable_from": 1, "ndim": 1}
    net = small(windowed=False, sigmas=(1.0,), **fields)
    expected = jit(net.init)(key, x)
    found = jit(net.clone(remat=True).init)(key, x)
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    jax.tree.map(lambda a, b: close(a, b, 1e-6), found, expected)


def test_bfloat16_stays_close_to_float32(variables, reference):
    x, _, aux = reference
    image = jnp.asarray(x, jnp.bfloat16)
    low = jit(functools.partial(small().apply, maps=True))(variables, image)[1]
    given = functools.partial(small(dtype=jnp.bfloat16).apply, maps=True)
    for extras in (low, jax.eval_shape(given, variables, x)[1]):
        assert extras["per_scale"].dtype == jnp.float32
        assert {y.dtype for y in extras["maps"]} == {jnp.dtype(jnp.bfloat16)}
    # 0.2 % per rounding, some of them over six layers.
    error = np.linalg.norm(low["per_scale"] - aux["per_scale"])
    assert error <= 0.05 * np.linalg.norm(aux["per_scale"])


@pytest.mark.parametrize("fields", [{}, {"mapped": False}, {"remat": True}], ids=str)
def test_networks_accept_strict_promotion(variables, fields):
    x, net = noise(2, 6, 6, 1), small(scale_dropout=0.2, **fields)

    def train(variables, x):
        options = {"mutable": ["batch_stats"], "rngs": {"dropout": jax.random.key(0)}}
        return net.apply(variables, x, train=True, **options)

    with jax.numpy_dtype_promotion("strict"):
        (logits, _), _ = jax.eval_shape(train, variables, x)
    assert logits.shape == (2, 3) and logits.dtype == jnp.float32


def test_networks_are_hashable_and_compare_by_their_fields():
    assert small(widths=[3, 3, 4]) == small() and hash(small()) == hash(small())
    assert small() != small(remat=True)


@pytest.mark.parametrize(
    ("fields", "error", "message"),
    [
        ({"widths": (4,)}, ValueError, "`widths=.*two entries"),
        ({"widths": ()}, ValueError, "`widths=.*two entries"),
        ({"widths": (4, 0)}, ValueError, "widths"),
        ({"separable_from": 0}, ValueError, "`separable_from=0`.*blocks 1 to 2"),
        ({"separable_from": 3}, ValueError, "`separable_from=3`.*blocks 1 to 2"),
        ({"separable_from": -1}, ValueError, "`separable_from=-1`"),
        ({"separable_from": True}, TypeError, "`separable_from=True`"),
        ({"separable_from": 1.5}, TypeError, "`separable_from=1.5`"),
        ({"activate": "both"}, ValueError, "`activate='both'` must be one of"),
        ({"sigmas": ()}, ValueError, "sigmas"),
        ({"ratio": 0.5}, ValueError, "ratio"),
        ({"order": 0}, ValueError, "order"),
        ({"num_classes": 0}, ValueError, "num_classes"),
        ({"scale_dropout": 1.0}, ValueError, "scale_dropout"),
        ({"padding": "same"}, ValueError, "padding"),
    ],
    ids=str,
)
def test_impossible_fields_raise(fields, error, message):
    with pytest.raises(error, match=message):
        shapes_of(small(**fields))


def test_too_few_blocks_for_the_separable_ones_of_a_preset_raise():
    with pytest.raises(ValueError, match="`separable_from=5`.*blocks 1 to 2"):
        gaussderresnet_fashion_mnist(separable=True, widths=(3, 3, 4))


@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        (np.zeros((1, 6, 6, 1), np.uint8), TypeError, "astype"),
        (np.zeros((6, 6, 1), np.float32), ValueError, "batch"),
        (np.zeros((0, 6, 6, 1), np.float32), ValueError, "empty"),
        (np.zeros((1, 6, 6, 3), np.float32), ValueError, "has 3 channels.* for 1"),
    ],
)
@pytest.mark.parametrize("fields", [{}, {"mapped": False}, {"remat": True}], ids=str)
def test_impossible_images_raise(variables, x, error, message, fields):
    with pytest.raises(error, match=message):
        small(**fields).apply(variables, x)


def test_images_without_colours_for_variables_with_them_raise():
    with pytest.raises(ValueError, match="has 1 channels.* for 3"):
        small().apply(variables_of(small(), 3), np.zeros((1, 6, 6, 1), np.float32))
