"""Scale channels in one array: what each has in it is what it has alone."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gdjax
from gdjax.layers import GaussianDerivative, SharedBatchNorm
from gdjax.scalespace.combine import mix_njet, mix_njet_stacked
from gdjax.scalespace.derivatives import derivative_orders
from gdjax.scalespace.execution.routines import plain
from gdjax.scalespace.matrices import Filter
from gdjax.scalespace.stacked import (
    crop_stack,
    own_pixels,
    stack,
    stack_windows,
    unstack,
    whole_stack,
)
from gdjax.scalespace.windows import centre_window, crop, full_window, input_window


SIGMAS = (1.0, 1.5, 4.0)
SIZES = (30, 21, 41)
ORDERS = derivative_orders(2)
DISCRETISATIONS = {
    "stencil": gdjax.DiscreteGaussian(),
    "separable": gdjax.SampledGaussianDerivatives(),
    "whole": gdjax.SpectralGaussian(),
}


def planned(filter_):
    """Windows of inputs and outputs, stacked, for channels on grids of their own."""
    chains = []
    for size, sigma in zip(SIZES, SIGMAS, strict=True):
        centre = centre_window(size)
        target = input_window(centre, 2, filter_.padding)
        source = input_window(target, filter_.reach(sigma), filter_.padding)
        chains.append([(window,) * 2 for window in (source, target, centre)])
    sources, targets, centres = zip(*chains, strict=True)
    return stack_windows(sources, centres), stack_windows(targets, centres)


def given(windows, channels):
    generator = np.random.default_rng(0)
    shapes = [[axis.windows[s].length for axis in windows] for s in range(len(SIGMAS))]
    return [generator.normal(size=(2, *shape, channels)) for shape in shapes]


CASES = [
    *itertools.product(
        ["stencil"], ["zero", "symmetric", "edge", "wrap"], [0.005], [False]
    ),
    ("stencil", "zero", None, True), ("separable", "zero", 0.005, True),
    ("separable", "edge", None, False), ("whole", "wrap", None, False),
]  # fmt: skip


@pytest.mark.parametrize(("name", "padding", "eps", "depthwise"), CASES)
def test_the_vmap_is_the_loop(x64, name, padding, eps, depthwise):
    filter_ = Filter(DISCRETISATIONS[name], padding, eps, 2, 2)
    sources, targets = planned(filter_)
    generator = np.random.default_rng(1)
    kernel = generator.normal(size=(len(ORDERS), 3, *([] if depthwise else [4])))
    bias = generator.normal(size=kernel.shape[-1])
    xs = [jnp.asarray(x) for x in given(sources, 3)]
    common = {"filter_": filter_, "orders": ORDERS}

    def loop(xs, kernel, bias):
        return [
            mix_njet(
                x, kernel, np.float64(sigma), **common, bias=bias,
                sources=tuple(axis.windows[s] for axis in sources),
                targets=tuple(axis.windows[s] for axis in targets),
            )
            for s, (x, sigma) in enumerate(zip(xs, SIGMAS, strict=True))
        ]  # fmt: skip

    def mapped(xs, kernel, bias):
        y = mix_njet_stacked(
            stack(xs, sources), kernel, SIGMAS, **common, bias=bias,
            sources=sources, targets=targets,
        )  # fmt: skip
        return unstack(y, targets)

    def values_and_gradients(run):
        def loss(*arguments):
            ys = run(*arguments)
            return sum(jnp.sin(y).sum() for y in ys), ys

        step = jax.value_and_grad(loss, argnums=(0, 1, 2), has_aux=True)
        return jax.jit(step)(xs, jnp.asarray(kernel), jnp.asarray(bias))

    wanted = values_and_gradients(loop)
    with plain():
        mathematics = values_and_gradients(mapped)
    for found in (values_and_gradients(mapped), mathematics):
        for a, b in zip(*map(jax.tree.leaves, (found, wanted)), strict=True):
            np.testing.assert_allclose(a, b, rtol=0, atol=1e-12 * (1 + abs(b).max()))


def test_low_rank_factors_are_filled_up(x64):
    discretisation = gdjax.DiscreteGaussian()
    filter_ = Filter(discretisation, "symmetric", None, 2, 2)
    x = jnp.asarray(np.random.default_rng(0).normal(size=(2, 1, 90, 90, 4)))
    kernel = jnp.asarray(np.random.default_rng(1).normal(size=(5, 4, 4)))
    options = {"filter_": filter_, "orders": ORDERS}
    y = mix_njet_stacked(x, kernel, (6.0, 9.0), **options)
    for s, sigma in enumerate((6.0, 9.0)):
        one = mix_njet(x[s], kernel, np.float64(sigma), **options)
        np.testing.assert_allclose(y[s], one, atol=1e-6 * abs(one).max())


def test_windows_lie_on_their_centres():
    filter_ = Filter(DISCRETISATIONS["stencil"], "zero", 0.005, 2, 2)
    sources, targets = planned(filter_)
    xs = given(sources, 1)
    stacked = stack([jnp.asarray(x, jnp.float32) for x in xs], sources)
    for x, again in zip(xs, unstack(stacked, sources), strict=True):
        np.testing.assert_array_equal(again, x.astype(np.float32))
    cropped = unstack(crop_stack(stacked, sources, targets), targets)
    for s, (x, y) in enumerate(zip(xs, cropped, strict=True)):
        own = [[axis.windows[s] for axis in windows] for windows in (sources, targets)]
        np.testing.assert_array_equal(y, crop(x, *own).astype(np.float32))
    mask = own_pixels(sources)
    assert mask.sum() == sum(x.size // 2 for x in xs)
    assert not np.any(np.asarray(stacked)[:, 0, ..., 0] * ~mask[:, 0, ..., 0])
    centre = (centre_window(30),) * 2
    assert own_pixels(stack_windows([centre] * 2, [centre] * 2)) is None


def test_statistics_count_a_channels_own_pixels():
    filter_ = Filter(DISCRETISATIONS["stencil"], "zero", 0.005, 2, 2)
    sources, _ = planned(filter_)
    xs = [jnp.asarray(x, jnp.float32) for x in given(sources, 3)]
    stacked = stack(xs, sources) + jnp.where(own_pixels(sources), 0, jnp.nan)
    norm = SharedBatchNorm()
    variables = norm.init(jax.random.key(0), xs, train=False)
    run = {"train": True, "mutable": ["batch_stats"]}
    _, wanted = norm.apply(variables, xs, **run)
    _, found = norm.apply(variables, [stacked], pixels=[own_pixels(sources)], **run)
    for name, value in wanted["batch_stats"].items():
        np.testing.assert_allclose(found["batch_stats"][name], value, atol=1e-6)


def test_sigmas_that_do_not_fit_the_channels_raise():
    layer, x = GaussianDerivative(3), jnp.zeros((2, 1, 8, 8, 1))
    for sigmas in ((1.0,), (1.0, 2.0, 3.0)):
        with pytest.raises(ValueError, match=f"`sigma` has {len(sigmas)} entries"):
            layer.init(jax.random.key(0), x, sigma=sigmas)
    with pytest.raises(ValueError, match="`sigma` has 2 entries"):
        layer.init(jax.random.key(0), x[0], sigma=(1.0, 2.0))
    with pytest.raises(ValueError, match="sigma"):
        layer.init(jax.random.key(0), x, sigma=(1.0, -2.0))
    with pytest.raises(ValueError, match="`sigma` has 0 entries"):
        layer.init(jax.random.key(0), x, sigma=())
    variables = layer.init(jax.random.key(0), x, sigma=(1.0, 2.0))
    with pytest.raises(TypeError, match="`sigma` must hold numbers"):
        jax.jit(lambda s: layer.apply(variables, x, sigma=(s, s)))(1.0)
    window = (full_window(8),) * 2
    with pytest.raises(ValueError, match="`sources` must be stacked windows of 2"):
        layer.apply(variables, x, sigma=(1.0, 2.0), sources=window)


def test_all_pixels_are_the_default():
    sources, _ = planned(Filter(DISCRETISATIONS["stencil"], "zero", 0.005, 2, 2))
    layer, xs = GaussianDerivative(2), given(sources, 1)
    x = stack([jnp.asarray(x, jnp.float32) for x in xs], sources)
    variables = layer.init(jax.random.key(0), x, sigma=SIGMAS, sources=sources)
    y = layer.apply(variables, x, sigma=SIGMAS, sources=sources)
    for s, found in enumerate(unstack(y, whole_stack(sources))):
        window = tuple(axis.windows[s] for axis in sources)
        one = jnp.asarray(xs[s], jnp.float32)
        wanted = layer.apply(variables, one, sigma=SIGMAS[s], sources=window)
        assert found.shape[1:3] == (SIZES[s],) * 2
        np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_masks_that_do_not_fit_raise():
    norm, x = SharedBatchNorm(), jnp.ones((2, 1, 4, 4, 3))
    variables = norm.init(jax.random.key(0), [x], train=False)

    def run(pixels):
        return norm.apply(
            variables, [x], pixels=pixels, train=True, mutable=["batch_stats"]
        )

    wrong = np.ones((2, 1, 4, 4, 3), bool), np.ones((4, 4, 1), bool), [[True]]
    for mask in wrong:
        with pytest.raises(ValueError, match="a mask of `pixels` has shape"):
            run([mask])
    for pixels in ([None, None], np.ones((2, 1, 4, 4, 1), bool)):
        with pytest.raises(ValueError, match="`pixels` must be a list"):
            run(pixels)
    mask = np.arange(16).reshape(1, 1, 4, 4, 1) < 5
    on_host = run([np.broadcast_to(mask, (2, 1, 4, 4, 1))])[1]
    on_device = run([jnp.broadcast_to(mask, (2, 1, 4, 4, 1))])[1]
    jax.tree.map(np.testing.assert_array_equal, on_host, on_device)
