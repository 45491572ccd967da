"""Deformable and dilated convolutions beside plain ones and loops."""

import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gdjax.layers import DeformableConv, dilated_convolution, plain_convolution
from gdjax.models import NJetToy


def noise(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def parameters(layer, channels, spread, seed=0):
    """Random parameters; offsets of about `spread` px."""
    x = jnp.zeros((1, 4, 4, channels))
    params = jax.eval_shape(layer.init, jax.random.key(0), x)["params"]
    leaves, tree = jax.tree.flatten(params)
    arrays = [noise(*leaf.shape, seed=seed + k) for k, leaf in enumerate(leaves)]
    params = jax.tree.unflatten(tree, arrays)
    params["offsets"] = jax.tree.map(lambda a: spread * a, params["offsets"])
    return {"params": params}


def value(image, y, x):
    """Bilinear interpolation of [H, W] at one position, zeros outside."""
    total = 0.0
    for i, j in itertools.product(
        range(math.floor(y), math.floor(y) + 2), range(math.floor(x), math.floor(x) + 2)
    ):
        if 0 <= i < image.shape[0] and 0 <= j < image.shape[1]:
            total += image[i, j] * (1 - abs(y - i)) * (1 - abs(x - j))
    return total


def twin(x, params, size, dilation, groups):
    """The layer by loops over everything; offsets by the same loops without any."""

    def taps(kernel, bias, groups, offsets):
        features, half = kernel.shape[-1], size // 2
        y = np.zeros((*x.shape[:3], features)) + bias
        inner, outer = x.shape[-1] // groups, features // groups
        for b, i, j in np.ndindex(*x.shape[:3]):
            for n, (k, m) in enumerate(np.ndindex(size, size)):
                down, right = offsets[b, i, j, 2 * n : 2 * n + 2]
                place = (
                    i + dilation * (k - half) + down,
                    j + dilation * (m - half) + right,
                )
                for c in range(x.shape[-1]):
                    g = c // inner
                    some = slice(g * outer, (g + 1) * outer)
                    seen = value(x[b, ..., c], *place)
                    y[b, i, j, some] += seen * kernel[k, m, c % inner, some]
        return y

    still = np.zeros((*x.shape[:3], 2 * size**2))
    moved = taps(params["offsets"]["kernel"], params["offsets"]["bias"], 1, still)
    return taps(params["kernel"], params["bias"], groups, moved)


@pytest.mark.parametrize(
    ("size", "dilation", "groups"), [(3, 1, 1), (3, 2, 2), (1, 1, 1), (5, 1, 1)]
)
def test_layers_are_loops(x64, size, dilation, groups):
    layer = DeformableConv(4, size=size, dilation=dilation, groups=groups)
    x, variables = noise(2, 4, 5, 2), parameters(layer, 2, spread=0.3)
    expected = twin(x, variables["params"], size, dilation, groups)
    np.testing.assert_allclose(jax.jit(layer.apply)(variables, x), expected, atol=1e-11)


@pytest.mark.parametrize(("groups", "dilation"), [(1, 1), (2, 3)])
def test_layers_start_as_plain_convolutions(groups, dilation):
    fields = {"size": 3, "groups": groups, "dilation": dilation}
    layer, x = DeformableConv(6, **fields), noise(2, 9, 8, 4).astype(np.float32)
    variables = jax.jit(layer.init)(jax.random.key(0), x)
    rest = {k: v for k, v in variables["params"].items() if k != "offsets"}
    expected = plain_convolution(6, **fields).apply({"params": rest}, x)
    np.testing.assert_allclose(jax.jit(layer.apply)(variables, x), expected, atol=1e-5)


def test_whole_offsets_shift_taps(x64):
    layer, x = DeformableConv(1, use_bias=False), noise(1, 8, 8, 1)
    variables = parameters(layer, 1, spread=0.0)
    shifts = np.random.default_rng(0).integers(-3, 4, (9, 2))
    variables["params"]["offsets"]["bias"] = shifts.reshape(-1).astype(float)
    kernel = variables["params"]["kernel"].reshape(9)
    padded, expected = np.pad(x[0, ..., 0], 4), 0.0
    for (k, m), (down, right), weight in zip(
        np.ndindex(3, 3), shifts, kernel, strict=True
    ):
        i, j = 4 + k - 1 + down, 4 + m - 1 + right
        expected = expected + weight * padded[i : i + 8, j : j + 8]
    np.testing.assert_allclose(
        jax.jit(layer.apply)(variables, x)[0, ..., 0], expected, atol=1e-12
    )


def test_far_offsets_read_zeros():
    layer, x = DeformableConv(2), noise(1, 6, 6, 2).astype(np.float32)
    variables, run = jax.jit(layer.init)(jax.random.key(0), x), jax.jit(layer.apply)
    for far in (1e3, -1e3, 1e30):
        bias = jnp.full(18, far, jnp.float32)
        variables["params"]["offsets"]["bias"] = bias
        assert not run(variables, x).any()


def test_gradients_are_finite_differences(x64):
    layer, x = DeformableConv(2), noise(1, 6, 5, 2)
    variables = parameters(layer, 2, spread=0.2)

    @jax.jit
    def loss(both):
        variables, x = both
        return jnp.sin(layer.apply(variables, x)).sum()

    both = variables, x
    slopes, step = jax.grad(loss)(both), 1e-7
    for path, leaf in jax.tree_util.tree_leaves_with_path(both):
        direction = noise(*leaf.shape, seed=7)

        def moved(size, path=path, direction=direction):
            return jax.tree_util.tree_map_with_path(
                lambda p, v: v + size * direction if p == path else v, both
            )

        found = (loss(moved(step)) - loss(moved(-step))) / (2 * step)
        slope = dict(jax.tree_util.tree_leaves_with_path(slopes))[path]
        np.testing.assert_allclose((slope * direction).sum(), found, rtol=1e-5)


def test_dilated_convolutions_are_plain_ones_with_holes():
    x = noise(1, 9, 9, 2).astype(np.float32)
    layer = dilated_convolution(3, size=3)
    variables = layer.init(jax.random.key(0), x)
    kernel = np.zeros((5, 5, 2, 3), np.float32)
    kernel[::2, ::2] = variables["params"]["kernel"]
    dense = {"params": {**variables["params"], "kernel": kernel}}
    expected = plain_convolution(3, size=5).apply(dense, x)
    np.testing.assert_allclose(layer.apply(variables, x), expected, atol=1e-5)


@pytest.mark.parametrize("factory", [DeformableConv, dilated_convolution])
def test_networks_are_built_from_them(factory):
    net = NJetToy(widths=(3, 4), convolution=factory, kernel_size=5)
    x = jnp.zeros((2, 8, 8, 1))
    (logits, _), variables = jax.eval_shape(
        lambda: net.init_with_output(jax.random.key(0), x)
    )
    assert logits.shape == (2, 10)
    assert variables["params"]["conv_1"]["kernel"].shape == (5, 5, 1, 3)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"features": 0}, "`features=0` must be >= 1"),
        ({"size": 4}, "`size=4` must be odd"),
        ({"dilation": 0}, "`dilation=0` must be >= 1"),
        ({"groups": 3}, "`groups=3` must divide `features=4`"),
        ({"ndim": 3}, "`ndim=3` must be 2"),
    ],
)
def test_bad_fields_are_named(fields, message):
    with pytest.raises(ValueError, match=message):
        DeformableConv(**{"features": 4, **fields})


def test_groups_must_divide_the_input():
    with pytest.raises(ValueError, match="3 channels, which `groups=2` doesn't divide"):
        DeformableConv(4, groups=2).init(jax.random.key(0), jnp.zeros((4, 4, 3)))
