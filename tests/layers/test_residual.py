"""Residual blocks: the paper's formula, identity, separable layers, windows."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gdjax
from gdjax.layers import GaussianDerivative, ResidualBlock
from gdjax.scalespace import centre_window, derivative_orders, plan_windows


both = pytest.mark.parametrize(
    "discretisation",
    [gdjax.DiscreteGaussian(), gdjax.SpectralGaussian()],
    ids=lambda d: type(d).__name__,
)
# Compiling takes most of the time here.
jit = functools.partial(
    jax.jit, compiler_options={"xla_backend_optimization_level": "0"}
)


def noise(*shape, seed=0, dtype=np.float32):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def identity(x):
    return x


def variables_of(block, channels, *, dtype=np.float32, seed=3):
    """Variables with biases and running statistics that are not 0 and 1."""
    image = np.zeros((1, *[4] * block.ndim, channels), np.float32)
    init = functools.partial(block.init, sigmas=[1.0])
    shapes = jax.eval_shape(init, jax.random.key(0), [image])
    rng = np.random.default_rng(seed)

    def draw(path, leaf):
        values = rng.standard_normal(leaf.shape) / 2
        if path[-1].key in ("var", "scale"):
            values = 1 + abs(values)
        return values.astype(dtype)

    return jax.tree_util.tree_map_with_path(draw, shapes)


def run(block, variables, x, sigma=1.2, **options):
    return block.apply(variables, [x], sigmas=[sigma], **options)[0]


def normalize(x, variables, name):
    norm = variables["params"][name]
    running = variables["batch_stats"][name]
    x = (x - running["mean"]) / np.sqrt(running["var"] + 1e-5)
    return x * norm["scale"] + norm["bias"]


def by_hand(block, variables, x, sigma, layer_oracle):
    """y = relu(P x + BN(D_2(relu(BN(D_1 x))))) in float64, with the slow layer."""
    params, y = variables["params"], x
    for k in (1, 2):
        layer = params[f"layer_{k}"]
        options = {
            "order": block.order, "zero_order": block.zero_order, "ndim": block.ndim,
            "discretisation": block.discretisation, "padding": block.padding,
            "eps": block.eps,
        }  # fmt: skip
        if block.separable:
            mixed = [
                layer_oracle(
                    y[..., c, None], layer["kernel"][:, c, None, None],
                    layer["bias"][c], sigma, **options,
                )
                for c in range(y.shape[-1])
            ]  # fmt: skip
            point = params[f"pointwise_{k}"]
            y = np.concatenate(mixed, axis=-1) @ point["kernel"] + point["bias"]
        else:
            y = layer_oracle(y, layer["kernel"], layer["bias"], sigma, **options)
        if block.normalized:
            y = normalize(y, variables, f"norm_{k}")
        if k == 1 or block.activate == "branch":
            y = np.maximum(y, 0)
    if x.shape[-1] != block.features:
        x = x @ params["projection"]["kernel"] + params["projection"]["bias"]
        x = normalize(x, variables, "projection_norm") if block.normalized else x
    return x + y if block.activate == "branch" else np.maximum(x + y, 0)


@pytest.mark.parametrize(
    ("channels", "fields"),
    [
        (3, {}),
        (2, {"zero_order": True, "padding": "symmetric"}),
        (3, {"activate": "branch", "order": 3, "normalized": False}),
        (2, {"activate": "branch", "discretisation": gdjax.SpectralGaussian()}),
        (3, {"separable": True, "zero_order": True}),
        (2, {"separable": True, "discretisation": gdjax.SpectralGaussian()}),
        (2, {"separable": True, "normalized": False, "activate": "branch"}),
        (2, {"ndim": 1, "separable": True, "order": 4}),
        (2, {"ndim": 3, "order": 1}),
    ],
    ids=str,
)
def test_a_block_is_the_papers_formula(x64, layer_oracle, channels, fields):
    block = ResidualBlock(3, **fields)
    variables = variables_of(block, channels, dtype=np.float64)
    x = noise(2, *(8, 7, 6)[: block.ndim], channels, dtype=np.float64)
    expected = by_hand(block, variables, x, 1.2, layer_oracle)
    y = run(block, variables, x)
    assert y.dtype == np.float64
    np.testing.assert_allclose(y, expected, rtol=0, atol=1e-10 * abs(expected).max())


@pytest.mark.parametrize("separable", [False, True])
def test_all_initial_weights_are_hes_uniform_ones(separable):
    # [gaussderresnet] 5.2; a unit adds up J terms of each channel that it sees.
    block, image = ResidualBlock(48, separable=separable), noise(1, 3, 3, 32)
    init = functools.partial(block.init, sigmas=[1.0])
    params = jit(init)(jax.random.key(0), [image])["params"]
    seen = {"projection": 32, "layer_1": 5 * 32, "layer_2": 5 * 48}
    if separable:
        seen |= {"layer_1": 5, "layer_2": 5, "pointwise_1": 32, "pointwise_2": 48}
    assert seen.keys() == {name for name in params if "norm" not in name}
    for name, count in seen.items():
        weights, bound = params[name]["kernel"], math.sqrt(6 / count)
        assert abs(weights).max() <= bound, name
        # The square of a uniform number has a relative deviation of sqrt(4 / 5).
        tolerance = 4 * math.sqrt(4 / 5 / weights.size)
        assert (weights**2).mean() == pytest.approx(bound**2 / 3, rel=tolerance), name
        assert not params[name]["bias"].any()


@pytest.mark.parametrize("train", [False, True])
@pytest.mark.parametrize("separable", [False, True])
def test_a_block_without_weights_passes_its_input_on(train, separable):
    x, channels = noise(2, 7, 6, 3), 3
    block = ResidualBlock(3, separable=separable)
    variables = variables_of(block, channels)
    last = "pointwise_2" if separable else "layer_2"
    for name in ("norm_1", "norm_2"):
        # Zeros stay zeros only with a running mean of 0.
        running = variables["batch_stats"][name]
        running["mean"] = np.zeros_like(running["mean"])
    variables["params"]["norm_2"]["bias"] = np.zeros(3, np.float32)
    variables["params"][last] = jax.tree.map(np.zeros_like, variables["params"][last])
    options = {"train": train, "mutable": ["batch_stats"]}
    for activate, expected in [("sum", np.maximum(x, 0)), ("branch", x)]:
        net = block.clone(activate=activate)
        ys, _ = net.apply(variables, [x], sigmas=[1.0], **options)
        np.testing.assert_array_equal(ys[0], expected)
        ys, _ = net.apply(variables, [abs(x)], sigmas=[1.0], **options)
        np.testing.assert_array_equal(ys[0], abs(x))


def test_a_block_without_weights_projects_where_the_widths_differ():
    x, block = noise(2, 7, 6, 2), ResidualBlock(3, normalized=False)
    variables = variables_of(block, 2)
    variables["params"]["layer_2"] = jax.tree.map(
        np.zeros_like, variables["params"]["layer_2"]
    )
    projection = variables["params"]["projection"]
    expected = np.maximum(x @ projection["kernel"] + projection["bias"], 0)
    np.testing.assert_allclose(run(block, variables, x), expected, atol=1e-6)


SEPARABLE = [(4, False, 1), (1, True, 2), (3, False, 2), (2, True, 3)]
BOTH = [gdjax.DiscreteGaussian(), gdjax.SpectralGaussian()]


@pytest.mark.parametrize(
    ("discretisation", "order", "zero_order", "ndim"),
    [(kind, *case) for kind, case in zip(2 * BOTH, SEPARABLE, strict=True)],
    ids=str,
)
def test_a_separable_block_is_a_dense_block_of_outer_products(
    discretisation, order, zero_order, ndim
):
    # (53)-(55).
    block = ResidualBlock(
        3, separable=True, order=order, zero_order=zero_order, ndim=ndim,
        discretisation=discretisation,
    )  # fmt: skip
    x = noise(2, *(7, 6, 5)[:ndim], 2)
    variables = variables_of(block, 2)
    terms = len(derivative_orders(order, zero_order=zero_order, ndim=ndim))
    params = dict(variables["params"])
    for k, channels in [(1, 2), (2, 3)]:
        depth, point = params[f"layer_{k}"], params.pop(f"pointwise_{k}")
        assert depth["kernel"].shape == (terms, channels)
        params[f"layer_{k}"] = {
            "kernel": np.einsum("ac,co->aco", depth["kernel"], point["kernel"]),
            "bias": point["kernel"].T @ depth["bias"] + point["bias"],
        }
    dense = block.clone(separable=False)
    expected = run(dense, {**variables, "params": params}, x)
    y = run(block, variables, x)
    atol = 1e-5 * max(1, abs(np.asarray(expected)).max())
    np.testing.assert_allclose(y, expected, rtol=0, atol=atol)


@both
@pytest.mark.parametrize(("separable", "shape"), [(False, (20, 17)), (True, (15, 18))])
def test_windows_of_a_block_equal_full_evaluation(discretisation, separable, shape):
    block = ResidualBlock(
        2, separable=separable, discretisation=discretisation, padding="symmetric"
    )
    variables = variables_of(block, 3)
    layer = GaussianDerivative(2, discretisation=discretisation)
    xs, sigmas, plans = [noise(1, *shape, 3), noise(1, *shape, 3, seed=1)], [0.6, 1], []
    for sigma in sigmas:
        reaches = [layer.filter().reach(sigma)] * 2
        axes = [plan_windows(centre_window(n), reaches, "symmetric") for n in shape]
        plans.append(tuple(zip(*axes, strict=True)))
    cut = [
        x[:, *[slice(w.start, w.stop) for w in plan[0]]]
        for x, plan in zip(xs, plans, strict=True)
    ]
    full = jit(lambda xs: block.apply(variables, xs, sigmas=sigmas))(xs)
    found = jit(lambda xs: block.apply(variables, xs, sigmas=sigmas, windows=plans))(
        cut
    )
    for y, whole, plan in zip(found, full, plans, strict=True):
        kept = [slice(w.start, w.stop) for w in plan[2]]
        atol = 1e-5 * max(1, abs(np.asarray(whole)).max())
        np.testing.assert_allclose(y, whole[:, *kept], rtol=0, atol=atol)


def test_scale_channels_share_weights_and_batch_statistics():
    xs = [noise(2, 7, 6, 2), noise(2, 5, 9, 2, seed=1)]
    block = ResidualBlock(3)
    variables = variables_of(block, 2)
    ys = block.apply(variables, xs, sigmas=[0.7, 1.3])
    for x, y, sigma in zip(xs, ys, (0.7, 1.3), strict=True):
        np.testing.assert_allclose(y, run(block, variables, x, sigma), atol=1e-5)
    _, updated = block.apply(
        variables, xs, sigmas=[0.7, 1.3], train=True, mutable=["batch_stats"]
    )
    projection = variables["params"]["projection"]
    pooled = np.concatenate([x.reshape(-1, 2) for x in xs])
    pooled = pooled @ projection["kernel"] + projection["bias"]
    before = variables["batch_stats"]["projection_norm"]
    after = updated["batch_stats"]["projection_norm"]
    for name, value in [("mean", pooled.mean(0)), ("var", pooled.var(0))]:
        expected = 0.9 * before[name] + 0.1 * value  # one update, not one a channel
        np.testing.assert_allclose(after[name], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("separable", [False, True])
def test_parameters_have_the_documented_names_and_shapes(separable):
    block = ResidualBlock(3, separable=separable)
    for channels in (2, 3):
        variables = variables_of(block, channels)
        shapes = jax.tree.map(np.shape, variables["params"])
        norm = {"bias": (3,), "scale": (3,)}
        expected = {"norm_1": norm, "norm_2": norm}
        if separable:
            for k, inputs in [(1, channels), (2, 3)]:
                expected[f"layer_{k}"] = {"kernel": (5, inputs), "bias": (inputs,)}
                expected[f"pointwise_{k}"] = {"kernel": (inputs, 3), "bias": (3,)}
        else:
            for k, inputs in [(1, channels), (2, 3)]:
                expected[f"layer_{k}"] = {"kernel": (5, inputs, 3), "bias": (3,)}
        if channels != 3:
            expected["projection"] = {"kernel": (channels, 3), "bias": (3,)}
            expected["projection_norm"] = norm
        assert shapes == expected
        count = sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(variables))
        bare = variables_of(block.clone(normalized=False), channels)
        assert set(bare) == {"params"}
        norms = 3 if channels != 3 else 2
        assert sum(leaf.size for leaf in jax.tree.leaves(bare)) == count - 12 * norms


@pytest.mark.parametrize("separable", [False, True])
def test_gradients_are_finite_for_all_parameters(separable):
    x = noise(3, 6, 6, 2)
    block = ResidualBlock(3, separable=separable, zero_order=True)
    variables = variables_of(block, 2)

    @jit
    @jax.grad
    def slopes(params):
        ys, _ = block.apply(
            {**variables, "params": params}, [x], sigmas=[1.0], train=True,
            mutable=["batch_stats"],
        )  # fmt: skip
        return (ys[0] ** 3).sum()

    for path, leaf in jax.tree_util.tree_leaves_with_path(slopes(variables["params"])):
        assert np.isfinite(leaf).all(), path
        # A bias before batch normalisation has no effect.
        idle = path[-1].key == "bias" and not path[0].key.startswith(("norm", "proj"))
        idle |= jax.tree_util.keystr(path) == "['projection']['bias']"
        assert idle or abs(np.asarray(leaf)).max() > 0, path


@both
@pytest.mark.parametrize(("separable", "channels"), [(False, 3), (True, 2)])
def test_bfloat16_stays_close_to_float32(discretisation, separable, channels):
    block = ResidualBlock(3, separable=separable, discretisation=discretisation)
    variables = variables_of(block, channels)
    x = noise(2, 8, 8, channels)
    exact = run(block, variables, x)
    assert exact.dtype == jnp.float32
    for dtype, inputs in [(jnp.bfloat16, x), (None, jnp.asarray(x, jnp.bfloat16))]:
        y = run(block.clone(dtype=dtype), variables, inputs)
        assert y.dtype == jnp.bfloat16
        error = np.linalg.norm(y.astype(jnp.float32) - exact) / np.linalg.norm(exact)
        # bfloat16 rounds to 2^-9 = 0.2 %, some times in a row.
        assert error <= 0.03


@pytest.mark.parametrize("separable", [False, True])
@pytest.mark.parametrize("channels", [2, 3])
def test_blocks_accept_strict_promotion(separable, channels):
    block = ResidualBlock(3, separable=separable)
    variables = variables_of(block, channels)

    def step(x):
        options = {"train": True, "mutable": ["batch_stats"]}
        return block.apply(variables, [x], sigmas=[1.0], **options)[0][0]

    with jax.numpy_dtype_promotion("strict"):
        y = jax.eval_shape(step, noise(1, 6, 7, channels))
    assert y.shape == (1, 6, 7, 3) and y.dtype == jnp.float32


def test_jit_equals_eager_and_any_batch_shape_will_do():
    x, block = noise(2, 8, 7, 2), ResidualBlock(3)
    variables = variables_of(block, 2)
    eager = run(block, variables, x)
    compiled = jax.jit(functools.partial(run, block))(variables, x)
    np.testing.assert_allclose(compiled, eager, atol=1e-5)
    np.testing.assert_allclose(run(block, variables, x[0]), eager[0], atol=1e-5)


def test_blocks_are_hashable_and_compare_by_their_fields():
    one, same, other = (ResidualBlock(3, separable=s) for s in (False, False, True))
    assert one == same and hash(one) == hash(same) and one != other


@pytest.mark.parametrize(
    ("fields", "error", "message"),
    [
        (
            {"activate": "before"},
            ValueError,
            "`activate='before'` must be one of 'sum'",
        ),
        ({"activate": None}, TypeError, "`activate=None`"),
        ({"features": 0}, ValueError, "features"),
        ({"features": 0, "separable": True}, ValueError, "features"),
        ({"order": 0}, ValueError, "order"),
        ({"padding": "same"}, ValueError, "padding"),
        ({"eps": 2.0}, ValueError, "eps"),
        ({"ndim": 4}, ValueError, "ndim"),
    ],
)
def test_impossible_fields_raise(fields, error, message):
    with pytest.raises(error, match=message):
        variables_of(ResidualBlock(**{"features": 2, **fields}), 2)


@pytest.mark.parametrize("separable", [False, True])
def test_images_of_other_channels_than_the_variables_raise(separable):
    block = ResidualBlock(3, separable=separable)
    with pytest.raises(ValueError, match="has 4 channels.* were made for 2"):
        run(block, variables_of(block, 2), noise(1, 6, 6, 4))


def test_other_numbers_of_sigmas_than_channels_raise():
    block = ResidualBlock(3)
    with pytest.raises(ValueError):
        block.apply(variables_of(block, 2), [noise(1, 6, 6, 2)], sigmas=[1.0, 2.0])
