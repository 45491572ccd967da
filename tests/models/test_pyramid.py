"""Scale channels on subsampled images: about the same function, on fewer pixels."""

from pathlib import Path

import flax.linen as nn
import jax
import numpy as np
import pytest

import gdjax
from gdjax.layers import spatial_max
from gdjax.metrics import scale_channel_error
from gdjax.metrics.enlargement import fourier_resample
from gdjax.models import GaussDerNet, GaussDerResNet, load_network


FIELDS = {
    "widths": (6, 8), "num_classes": 4, "activation": nn.silu, "pyramid": 0.7,
    "discretisation": gdjax.SpectralGaussian(),
}  # fmt: skip


def blobs(size, seed=0):
    """Smooth blobs of 3 to 5 px on black, away from the border."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size]
    image = np.zeros((2, size, size, 1), np.float32)
    for b in range(2):
        for _ in range(4):
            cy, cx = size / 2 + rng.uniform(-size / 5, size / 5, 2)
            scale, height = rng.uniform(3, 5), rng.uniform(-1, 1)
            distance = ((y - cy) ** 2 + (x - cx) ** 2) / (2 * scale**2)
            image[b, ..., 0] += height * np.exp(-distance)
    return image


@pytest.mark.parametrize("family", [GaussDerNet, GaussDerResNet])
@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"sigmas": (1.0, 1e30)}, "`sigmas=.*must be at most 100000 px"),
        ({"sigmas": (1.0, 1e30), "pyramid": 1.4}, "`sigmas=.*must be at most 100000"),
        ({"sigmas": (1.0, 9e4), "ratio": 1.25}, "`sigmas=.*make .* px of a layer"),
        ({"pyramid": 1e30}, "`pyramid=1e.30` must be at most 100000 px"),
    ],
)
def test_scales_without_kernels_are_refused_at_once(family, fields, message):
    with pytest.raises(ValueError, match=message):
        family(widths=(2, 2), **fields)


def test_grids_make_large_scales_small():
    net = GaussDerNet(widths=(2, 2), sigmas=(0.0, 1e5), pyramid=1.4, enlarge=1)
    grids = [net.grids(sigma, (8, 8))[0].octaves for sigma in net.sigmas]
    assert grids == [-1, 16]  # 1e5 / 2^16 is 1.5 px


@pytest.mark.parametrize(("family", "size"), [(GaussDerNet, 48), (GaussDerResNet, 49)])
def test_coarse_channels_answer_as_on_the_full_grid(family, size):
    x, net = blobs(size), family(**FIELDS, sigmas=(1.0, 2.0))
    full = net.clone(pyramid=None)
    variables = jax.jit(full.init)(jax.random.key(0), x)
    exact = np.asarray(jax.jit(full.apply)(variables, x)[1]["per_scale"])
    coarse = np.asarray(jax.jit(net.apply)(variables, x)[1]["per_scale"])
    # In a group of its own or with others: rounding.
    scale = abs(exact[:, 0]).max()
    np.testing.assert_allclose(coarse[:, 0], exact[:, 0], rtol=0, atol=1e-6 * scale)
    error = np.linalg.norm(coarse[:, 1] - exact[:, 1]) / np.linalg.norm(exact[:, 1])
    # Lanczos' passband: some per cent near the images' finest details.
    assert 0 < error <= 0.05


def test_maps_come_back_on_the_grid_of_the_images():
    """From smaller and larger ones; about what the images' own grid gives."""
    sigmas = (0.7, 1.4, 2.8)
    net = GaussDerNet(**FIELDS | {"pyramid": 1.4}, sigmas=sigmas, enlarge=1)
    net, x = net.clone(spatial_selection=spatial_max), blobs(48)
    assert [net.grids(s, (48, 48))[0].size for s in sigmas] == [97, 48, 25]
    variables = jax.jit(net.init)(jax.random.key(0), x)

    def maps_of(net):
        run = jax.jit(lambda v, x: net.apply(v, x, maps=True)[1]["maps"])
        return np.array(run(variables, x))

    maps = maps_of(net)
    assert maps.shape == (3, 2, 48, 48, 4)
    plain = net.clone(pyramid=None, enlarge=0)
    same = maps_of(plain)
    inside = (..., slice(12, -12), slice(12, -12), slice(None))
    error = np.linalg.norm((maps - same)[inside]) / np.linalg.norm(same[inside])
    assert error <= 0.05


@pytest.mark.parametrize(
    ("family", "shape", "activation"),
    [
        (GaussDerNet, (9, 9), nn.relu),
        (GaussDerResNet, (10, 10), nn.silu),
        (GaussDerNet, (11,), nn.silu),
        (GaussDerNet, (4, 6, 5), nn.silu),
    ],
)
def test_a_factor_of_two_is_an_identity_of_grids(family, shape, activation):
    """At twice the scale, on an image enlarged twice, the same numbers."""
    fields = FIELDS | {"pyramid": 1.0, "activation": activation}
    net = family(
        **fields, enlarge=2, sigmas=(0.25, 0.5), padding="wrap", eps=None,
        spatial_selection=spatial_max, ndim=len(shape),
    )  # fmt: skip
    x = np.random.default_rng(0).standard_normal((2, *shape, 1)).astype(np.float32)
    large = x
    for axis, size in enumerate(shape, start=1):
        large = fourier_resample(large, 2 * size, axis=axis)
    variables = jax.jit(net.init)(jax.random.key(0), x)
    small = jax.jit(net.apply)(variables, x)[1]["per_scale"]
    twice = net.clone(sigmas=(0.5, 1.0), enlarge=1)
    large = large.astype(np.float32)
    found = jax.jit(twice.apply)(variables, large)[1]["per_scale"]
    np.testing.assert_allclose(small, found, atol=1e-5 * abs(np.asarray(found)).max())


@pytest.mark.parametrize(
    ("size", "padding"),
    [(20, "zero"), (21, "symmetric"), (20, "edge"), (21, "wrap")],
)
def test_enlarged_windows_are_those_of_whole_maps(size, padding):
    net = GaussDerNet(
        widths=(3,), num_classes=2, sigmas=(0.4, 0.8), pyramid=0.8, enlarge=1,
        padding=padding,
    )  # fmt: skip
    x = np.random.default_rng(0).standard_normal((2, size, size, 1)).astype(np.float32)
    variables = jax.jit(net.init)(jax.random.key(0), x)
    windows = net.windows(0.8, net.grids(0.4, (size, size)))
    assert windows[0][0].length < 2 * size and windows[-1][0].length == 1
    whole = net.clone(windowed=False)
    found, expected = (
        jax.jit(each.apply)(variables, x)[1]["per_scale"] for each in (net, whole)
    )
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_fine_grids_alias_less():
    """Errors of scale covariance, of random weights on noise; factor 3 / 2."""
    fields = FIELDS | {"pyramid": None, "padding": "wrap", "eps": None}
    net = GaussDerNet(**fields, sigmas=(0.7,))
    x = np.random.default_rng(0).standard_normal((1, 26, 26, 1))
    x = fourier_resample(fourier_resample(x, 34, axis=1), 34, axis=2)[0]
    x = x[:, :, :].astype(np.float32)
    variables = jax.jit(net.init)(jax.random.key(0), x[None])
    errors = [
        scale_channel_error(each, variables, x, factor=1.5)[0]
        for each in (net, net.clone(pyramid=1.4, enlarge=1))
    ]
    assert errors[1] < errors[0] / 5


def test_batch_statistics_and_gradients_are_finite():
    fields = FIELDS | {"enlarge": 1}
    net, x = GaussDerResNet(**fields, sigmas=(0.5, 1.0, 2.0)), blobs(24)
    variables = jax.jit(net.init)(jax.random.key(0), x)

    @jax.jit
    def slopes(params):
        def loss(params):
            state = {**variables, "params": params}
            (logits, _), _ = net.apply(state, x, train=True, mutable=["batch_stats"])
            return (logits**2).sum()

        return jax.grad(loss)(params)

    for leaf in jax.tree.leaves(slopes(variables["params"])):
        assert np.isfinite(leaf).all()


def test_impossible_pyramids_raise():
    with pytest.raises(ValueError, match="pyramid"):
        GaussDerNet(pyramid=-1.0)
    with pytest.raises(ValueError, match="`enlarge=1` needs `pyramid`"):
        GaussDerNet(enlarge=1)
    with pytest.raises(ValueError, match="`enlarge=-1`"):
        GaussDerNet(pyramid=1.0, enlarge=-1)
    with pytest.raises(ValueError, match="`enlarge=17` must be at most 16"):
        GaussDerNet(pyramid=1.0, enlarge=17)
    net = GaussDerNet(pyramid=2.0**14, enlarge=14, spatial_selection=spatial_max)
    with pytest.raises(
        ValueError, match="`enlarge=14` takes .* GiB for interp.* a layer"
    ):
        jax.eval_shape(net.init, jax.random.key(0), blobs(24))


def test_images_are_enlarged_as_often_as_is_allowed():
    net = GaussDerNet(widths=(2,), sigmas=(0.0,), pyramid=1.0, enlarge=16)
    x = blobs(24)
    variables = net.init(jax.random.key(0), x)
    assert np.isfinite(net.apply(variables, x)[0]).all()


def test_networks_of_before_there_were_grids_have_their_scores():
    # Written at 83036d6, before `enlarge` and `mapped`, with what it scored.
    net = load_network(Path(__file__).with_name("pyramid_of_83036d6.safetensors"))
    assert (net.module.pyramid, net.module.enlarge) == (0.7, 0)
    x = np.random.default_rng(0).random((2, 24, 24, 1), dtype=np.float32)
    _, details = net.module.apply(net.variables, x)
    expected = np.asarray(net.facts["per_scale"])
    # float32's rounding, through three layers and in other orders.
    np.testing.assert_allclose(
        details["per_scale"], expected, atol=1e-5 * abs(expected).max()
    )
