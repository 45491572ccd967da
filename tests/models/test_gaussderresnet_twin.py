"""GaussDerResNet against a NumPy twin of the whole network."""

import functools

import jax
import numpy as np
import pytest
from scipy.ndimage import correlate1d
from scipy.special import ive

from gdjax.models import GaussDerResNet


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


# The twin: float64, full evaluation, written from the paper's equations.


def jet(x, sigma, eps):
    """sigma^|a| / a! d_a (T * x), a = 00, 10, 01, 20, 11, 02; [B, H, W, 6, C].

    (56)-(60), truncated to the smallest square that keeps 1 - eps of the kernel; 0
    outside the image.
    """
    radius, mass = 0, ive(0, sigma**2)
    while mass < (1 - eps) ** (1 / 2):
        radius += 1
        mass += 2 * ive(radius, sigma**2)
    taps = ive(abs(np.arange(-radius, radius + 1)), sigma**2)
    far = radius + 1  # differences look one pixel further
    smooth = np.pad(x, [(0, 0), (far, far), (far, far), (0, 0)])
    for axis in (1, 2):
        smooth = correlate1d(smooth, taps, axis, mode="constant")

    def at(right, down):
        shifted = np.roll(smooth, (-down, -right), (1, 2))
        return shifted[:, far:-far, far:-far]

    lx = (at(1, 0) - at(-1, 0)) / 2
    ly = (at(0, 1) - at(0, -1)) / 2
    lxx = at(1, 0) - 2 * at(0, 0) + at(-1, 0)
    lyy = at(0, 1) - 2 * at(0, 0) + at(0, -1)
    lxy = (at(1, 1) - at(-1, 1) - at(1, -1) + at(-1, -1)) / 4
    second = [lxx / 2, lxy, lyy / 2]
    terms = [at(0, 0), sigma * lx, sigma * ly, *(sigma**2 * t for t in second)]
    return np.stack(terms, axis=-2)


def derivative_layer(x, sigma, params, point, eps):
    """(30)-(31), or with weights `point` (53)-(55)."""
    kernel = params["kernel"]
    terms = jet(x, sigma, eps)[..., -len(kernel) :, :]  # with or without order 0
    if point is None:
        return np.einsum("bhwac,aco->bhwo", terms, kernel) + params["bias"]
    y = np.einsum("bhwac,ac->bhwc", terms, kernel) + params["bias"]
    return y @ point["kernel"] + point["bias"]


def twin(net, variables, x, windows=None):
    """(30)-(38): per-scale logits [B, S, K], and the batch statistics.

    Args:
      net: of which sizes, scales and choices are taken.
      variables: of `net`.
      x: [B, H, W, C].
      windows: of every scale channel and layer: the pixels over which batch
        statistics are pooled; None: running statistics are used.
    """
    params, running = variables["params"], variables["batch_stats"]
    statistics = {}

    def normalize(xs, path, k):
        """BN over all scale channels, after layer k."""
        norm = functools.reduce(lambda tree, key: tree[key], path, params)
        if windows is None:
            known = functools.reduce(lambda tree, key: tree[key], path, running)
            mean, var = known["mean"], known["var"]
        else:
            seen = [
                y[:, rows.start : rows.stop, columns.start : columns.stop]
                for y, plan in zip(xs, windows, strict=True)
                for rows, columns in [plan[k]]
            ]
            pooled = np.concatenate([y.reshape(-1, y.shape[-1]) for y in seen])
            mean, var = pooled.mean(0), pooled.var(0)
            statistics[path] = mean, var
        gain = norm["scale"] / np.sqrt(var + 1e-5)
        return [(y - mean) * gain + norm["bias"] for y in xs]

    def layer(xs, k, params, name, point=None):
        e = k // 2 + 1
        return [
            derivative_layer(
                y, net.ratio ** (e - 1) * sigma_0, params[name], params.get(point),
                net.eps,
            )
            for y, sigma_0 in zip(xs, net.sigmas, strict=True)
        ]  # fmt: skip

    def relu(xs):
        return [np.maximum(y, 0) for y in xs]

    xs = layer([np.asarray(x, np.float64)] * len(net.sigmas), 1, params, "layer_1")
    xs = relu(normalize(xs, ("norm_1",), 1))
    blocks = len(net.widths) - 1
    for number in range(1, blocks + 1):
        name, k = f"block_{number}", 2 * number
        block = params[name]
        ys = layer(xs, k, block, "layer_1", "pointwise_1")
        ys = relu(normalize(ys, (name, "norm_1"), k))
        ys = layer(ys, k + 1, block, "layer_2", "pointwise_2")
        ys = normalize(ys, (name, "norm_2"), k + 1)
        if net.activate == "branch":
            ys = relu(ys)
        if net.widths[number] != net.widths[number - 1]:
            project = block["projection"]
            xs = [y @ project["kernel"] + project["bias"] for y in xs]
            xs = normalize(xs, (name, "projection_norm"), k + 1)
        xs = [skip + y for skip, y in zip(xs, ys, strict=True)]
        if net.activate == "sum":
            xs = relu(xs)
    last = 2 * blocks + 2
    xs = layer(xs, last, params, f"layer_{last}")
    middle = [slice((n - 1) // 2, n // 2 + 1) for n in x.shape[1:3]]
    return np.stack([y[:, *middle].mean((1, 2)) for y in xs], axis=1), statistics


TWINS = [
    (1, (16, 15), {}),
    (3, (12, 14), {"zero_order": True, "widths": (3, 4, 4), "ratio": 1.32}),
    (1, (11, 12), {"activate": "branch", "separable_from": 1, "eps": 0.05}),
    (1, (10, 11), {"separable_from": None, "widths": (4, 3), "sigmas": (1.5,)}),
]


@pytest.mark.parametrize(("channels", "shape", "fields"), TWINS, ids=str)
def test_the_network_is_the_papers_in_float64(x64, channels, shape, fields):
    net = small(**fields)
    x = noise(2, *shape, channels).astype(np.float64)
    variables = variables_of(net, channels)
    variables = jax.tree.map(lambda leaf: leaf.astype(np.float64), variables)
    expected, _ = twin(net, variables, x)
    found = per_scale_of(net.clone(windowed=False), variables, x)
    assert found.shape == (2, len(net.sigmas), 3) and found.dtype == np.float64
    close(found, expected, 1e-10)


def test_the_windowed_network_is_the_papers_in_float32():
    channels, shape, fields = TWINS[1]
    net, x = small(**fields), noise(2, *shape, channels)
    variables = variables_of(net, channels)
    expected, _ = twin(net, variables, x)
    found = per_scale_of(net, variables, x)
    assert found.dtype == np.float32
    assert abs(found - expected).max() <= 1e-4 * abs(expected).max()


@pytest.mark.parametrize(
    "fields",
    [{}, {"mapped": False, "remat": True}, {"windowed": False, "remat": True}],
    ids=str,
)
def test_batch_statistics_are_pooled_and_updated_once_in_a_step(variables, fields):
    x, net = noise(2, 20, 19, 1), small(**fields)
    train = jit(lambda v, x: net.apply(v, x, train=True, mutable=["batch_stats"]))
    (_, aux), updated = train(variables, x)
    windows = [net.windows(sigma, (20, 19)) for sigma in SIGMAS]
    per_scale, statistics = twin(net, variables, x, windows)
    close(aux["per_scale"], per_scale, 1e-4)
    assert len(statistics) == 6  # two a block, one after layer 1, one projection
    for path, (mean, variance) in statistics.items():
        before, after = variables["batch_stats"], updated["batch_stats"]
        for key in path:
            before, after = before[key], after[key]
        for name, value in [("mean", mean), ("var", variance)]:
            # One step of the running average, whatever the number of channels.
            close(after[name], 0.9 * before[name] + 0.1 * value, 1e-5)
