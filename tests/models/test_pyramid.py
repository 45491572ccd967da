"""Scale channels on subsampled images: about the same function, on fewer pixels."""

import flax.linen as nn
import jax
import numpy as np
import pytest

import gdjax
from gdjax.models import GaussDerNet, GaussDerResNet


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


@pytest.mark.parametrize(("family", "size"), [(GaussDerNet, 48), (GaussDerResNet, 49)])
def test_coarse_channels_answer_as_on_the_full_grid(family, size):
    x, net = blobs(size), family(**FIELDS, sigmas=(1.0, 2.0))
    full = net.clone(pyramid=None)
    variables = jax.jit(full.init)(jax.random.key(0), x)
    exact = np.asarray(jax.jit(full.apply)(variables, x)[1]["per_scale"])
    coarse = np.asarray(jax.jit(net.apply)(variables, x)[1]["per_scale"])
    np.testing.assert_array_equal(coarse[:, 0], exact[:, 0])
    error = np.linalg.norm(coarse[:, 1] - exact[:, 1]) / np.linalg.norm(exact[:, 1])
    # Lanczos' passband: some per cent near the images' finest details.
    assert 0 < error <= 0.05


def test_coarse_channels_have_smaller_maps():
    net = GaussDerNet(**FIELDS, sigmas=(1.0, 2.0, 4.0), windowed=False)
    x = blobs(48)
    variables = jax.jit(net.init)(jax.random.key(0), x)
    maps = jax.jit(lambda v, x: net.apply(v, x, maps=True))(variables, x)[1]["maps"]
    assert [y.shape[1] for y in maps] == [48, 25, 13]


def test_batch_statistics_and_gradients_are_finite():
    net, x = GaussDerResNet(**FIELDS, sigmas=(1.0, 2.0)), blobs(24)
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
    with pytest.raises(ValueError, match="mapped"):
        GaussDerNet(pyramid=0.7, mapped=True)
    with pytest.raises(ValueError, match="pyramid"):
        GaussDerNet(pyramid=-1.0)
