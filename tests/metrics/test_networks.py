"""The theorems of scale covariance and invariance, for whole networks.

They hold for continuous images. On pixels they hold to the last digits where nothing
is aliased: for periodic images of few frequencies, the spectral Gaussian, border rule
"wrap" without truncation, and an activation that is a polynomial of degree 2, each of
which doubles the highest frequency. What is left is rounding, in float64: at most the
unit roundoff for each of 49^2 products of a sum over the image, in each of 4 layers.
"""

import functools
import re

import flax.linen as nn
import jax
import numpy as np
import pytest

import gdjax
from gdjax.layers import (
    centre_pixel,
    logsumexp_over_scales,
    max_over_scales,
    mean_over_scales,
    spatial_max,
    spatial_mean,
)
from gdjax.metrics import (
    assert_scale_invariant,
    assert_translation_covariant,
    assert_translation_invariant,
    enlarge,
    scale_channel_error,
    scale_invariance_error,
)
from gdjax.models import GaussDerNet, GaussDerResNet


STEP = 7 / 5  # of the scale channels: 35 px become 49, and the middle stays a pixel
SIGMAS = tuple(0.5 * STEP**k for k in range(8))
ROUNDING = 4 * 49**2 * 1.1e-16


def quadratic(x):
    return x + x * x / 4


EXACT = {
    "num_classes": 5, "sigmas": SIGMAS, "discretisation": gdjax.SpectralGaussian(),
    "activation": quadratic, "padding": "wrap", "eps": None,
}  # fmt: skip
# Two and three activations one after the other: 4 and 8 times the frequencies.
NETS = {
    "GaussDerNet": GaussDerNet(widths=(4, 4), **EXACT),
    "GaussDerResNet": GaussDerResNet(widths=(4, 4), **EXACT),
}


def waves(*shape, highest=2, count=1, seed=0):
    """Periodic images [B, *shape, 1] of the frequencies up to `highest` per image."""
    x = np.random.default_rng(seed).standard_normal((count, *shape))
    axes = range(1, len(shape) + 1)
    frequencies = [np.fft.fftfreq(n, 1 / n) for n in shape]
    radius = np.sqrt(sum(f**2 for f in np.meshgrid(*frequencies, indexing="ij")))
    x = np.fft.ifftn(np.fft.fftn(x, axes=axes) * (radius <= highest), axes=axes).real
    return (x / x.std())[..., None]


def variables_of(net, dtype=np.float64, seed=0):
    """Variables with biases and running statistics that are not 0 and 1."""
    rng = np.random.default_rng(seed)

    def draw(path, leaf):
        value = rng.standard_normal(leaf.shape) / (2 if len(leaf.shape) > 1 else 10)
        near_one = path[-1].key in ("var", "scale")
        return (abs(1 + value) if near_one else value).astype(dtype)

    image = np.zeros((1, *[6] * net.ndim, 1), np.float32)
    shapes = jax.eval_shape(net.init, jax.random.key(0), image)
    return jax.tree_util.tree_map_with_path(draw, shapes)


def close(found, expected, tolerance=ROUNDING):
    """Up to a share of the largest."""
    bound = tolerance * abs(np.asarray(expected)).max()
    np.testing.assert_allclose(found, expected, rtol=0, atol=bound)


@pytest.fixture(scope="module", params=NETS)
def scores(request):
    """Scores [B, S, K] of four images, and of the same enlarged by one step."""
    net = NETS[request.param].clone(mapped=True)  # quick to compile
    small = waves(35, 35, count=4)
    large = np.stack([enlarge(x, STEP, centred=True) for x in small])
    with jax.enable_x64(True):
        run = jax.jit(net.apply)
        variables = variables_of(net)
        return [np.asarray(run(variables, x)[1]["per_scale"]) for x in (small, large)]


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("fields", [
    {}, {"spatial_selection": spatial_mean, "zero_order": True},
])  # fmt: skip
def test_every_scale_channel_is_covariant(x64, name, fields):
    # [gaussdernet] (9), [gaussderresnet] (49).
    net = NETS[name].clone(sigmas=SIGMAS[1:4:2], **fields)
    errors = scale_channel_error(net, variables_of(net), waves(35, 35)[0], factor=STEP)
    assert errors.shape == (2,) and 0 < errors.max() <= ROUNDING


class Halfway(GaussDerNet):
    def levels(self, sigma):
        return [sigma, sigma, 1.0]


def test_a_layer_whose_scale_does_not_follow_is_found(x64):
    net = Halfway(widths=(4, 4), **EXACT | {"sigmas": (1.0,)})
    errors = scale_channel_error(net, variables_of(net), waves(35, 35)[0], factor=STEP)
    assert errors[0] > 0.01


def test_scores_move_by_one_scale_channel_when_images_grow_by_one_step(scores):
    # [gaussdernet] (11)-(12), [gaussderresnet] (49): M' = M.
    small, large = scores
    close(large[:, 1:], small[:, :-1])
    assert abs(large - small).max() > 0.1 * abs(small).max()  # not for another reason


@pytest.mark.parametrize(
    "pooling", [max_over_scales, logsumexp_over_scales, mean_over_scales]
)
def test_any_pooling_is_invariant_with_the_boundary_channels_set_apart(scores, pooling):
    # [gaussdernet] (10), [gaussderresnet] (47)-(48).
    small, large = (np.asarray(x, np.float32) for x in scores)
    close(pooling(large[:, 1:]), pooling(small[:, :-1]), 1e-6)  # float32 here


def test_the_maximum_is_invariant_where_boundary_channels_do_not_decide(scores):
    # [gaussdernet] sec. 3.2: what happens with a finite number of channels.
    small, large = scores
    inside = small[:, :-1].max(1)
    invariant = (large[:, 0] < inside) & (small[:, -1] < inside)
    assert 0.3 < invariant.mean() < 1
    close(large.max(1)[invariant], small.max(1)[invariant])
    change = abs(large.max(1) - small.max(1))
    assert change[~invariant].min() > 1e6 * ROUNDING


def test_the_mean_changes_by_the_boundary_channels_alone(scores):
    small, large = scores
    change = (large[:, 0] - small[:, -1]) / len(SIGMAS)
    close(large.mean(1) - small.mean(1), change)


def test_spatial_maxima_are_invariant_up_to_the_distance_of_pixels(x64):
    # [gaussderresnet] (48). Maps of frequencies up to w rad / px have second
    # derivatives up to w^2 times their largest value (Bernstein), and a pixel is at
    # most half a diagonal from the maximum: w^2 / 4 of the value may be missed.
    net = GaussDerNet(
        widths=(4,), spatial_selection=spatial_max, mapped=True,
        **EXACT | {"sigmas": tuple(1.5**k for k in range(6))},
    )  # fmt: skip
    variables, images = variables_of(net), waves(48, 48, count=4)
    run = jax.jit(functools.partial(net.apply, maps=True))
    w = 2 * np.pi * 2 * 2 / 48
    small, large = (
        run(variables, x)[1]
        for x in (images, np.stack([enlarge(x, 1.5, centred=True) for x in images]))
    )
    largest = np.stack([abs(y).max((1, 2)) for y in small["maps"]], 1)
    missed = (w**2 / 4 * largest)[:, :-1]
    change = large["per_scale"][:, 1:] - small["per_scale"][:, :-1]
    assert (abs(change) <= missed).all() and abs(change).max() > 0


@pytest.mark.parametrize("name", NETS)
def test_spatial_maxima_do_not_change_with_the_place(name):
    # Circular shifts change the order of sums alone: float32, 35^2 products, 4 layers.
    net = NETS[name].clone(
        sigmas=(0.7, 1.0), spatial_selection=spatial_max, activation=nn.relu,
        discretisation=gdjax.DiscreteGaussian(),
    )  # fmt: skip
    images = waves(12, 13, highest=9, count=2).astype(np.float32)
    run = jax.jit(
        functools.partial(net.apply, variables_of(net, np.float32), maps=True)
    )
    tolerance = 4 * 12 * 13 * 6e-8
    assert_translation_invariant(
        lambda x: run(x)[0], images, shift=(5, -3), tolerance=tolerance
    )
    assert_translation_covariant(
        lambda x: run(x[None])[1]["maps"][1][0], images[0], shift=(0, 7),
        tolerance=tolerance,
    )  # fmt: skip


def test_channels_get_covariant_with_sigma():
    # The table at `scale_channel_error`.
    net = GaussDerNet(widths=(4, 4), sigmas=(1.0, 2.0, 4.0), padding="wrap", eps=None)
    image = waves(33, 33, highest=9)[0].astype(np.float32)
    errors = scale_channel_error(net, variables_of(net, np.float32), image, factor=2)
    assert 0.01 < errors[0] < 0.5
    assert errors[1] < errors[0] / 2 and errors[2] < errors[1] / 2


@pytest.mark.parametrize("ndim", [1, 3])
def test_channels_of_other_dimensions_are_covariant(x64, ndim):
    net = GaussDerNet(widths=(3,), ndim=ndim, **EXACT | {"sigmas": (1.0,)})
    # Two frequencies, doubled: 15 px are enough for 4 of them.
    image = waves(*[15] * ndim)[0]
    errors = scale_channel_error(net, variables_of(net), image, factor=STEP)
    assert errors.shape == (1,) and errors[0] <= 4 * 21**ndim * 1.1e-16


def energy(per_scale, keep):
    return (per_scale**2).max(-2)


@pytest.mark.parametrize("name", NETS)
def test_networks_with_channels_enough_are_invariant(x64, name):
    # [gaussdernet] (10), [gaussderresnet] (47): no channel has to be set apart where
    # the first and the last see nothing, neither derivatives at 1/4 px nor waves at
    # 10 px. Without biases, what is constant has the energy 0.
    net = NETS[name].clone(
        sigmas=tuple(0.25 * STEP**k for k in range(12)), mapped=True,
        scale_pooling=energy,
    )  # fmt: skip
    images = waves(25, 25, highest=1 if name == "GaussDerResNet" else 2, count=2)
    one = net.clone(sigmas=(1.0,))  # channels share their variables
    variables = jax.jit(one.init)(jax.random.key(0), images)
    run = jax.jit(lambda images: net.apply(variables, images)[0])
    assert_scale_invariant(run, images, factors=(STEP**2,), tolerance=ROUNDING)


def total(images):
    """Not invariant: the number of bright pixels."""
    return np.maximum(images, 0).sum((1, 2))


def test_assertions_name_the_worst_factor_image_and_error():
    images = waves(8, 8, count=3)
    images[1] *= np.linspace(1, 2, 8)[:, None, None]
    factors = (1, 2, 1.5)
    errors = scale_invariance_error(total, images, factors=factors)
    assert errors.shape == (3, 3)
    np.testing.assert_allclose(errors[0], 0, atol=1e-12)
    worst = errors[1].argmax()
    assert errors.max() == errors[1, worst] > 2
    match = f"change by {errors.max():.2e} at factor 2 (image {worst}), more than"
    with pytest.raises(AssertionError, match=re.escape(match)):
        assert_scale_invariant(total, images, factors=factors, tolerance=1)
    assert_scale_invariant(total, images, factors=factors, tolerance=errors.max())

    def broken(images):
        return np.full((3, 2), np.nan if images.shape[1] > 8 else 1.0)

    with pytest.raises(AssertionError, match="nan at factor 2"):
        assert_scale_invariant(broken, images, factors=(1, 2), tolerance=1)


@pytest.mark.parametrize("factor", [0, -1, np.nan, np.inf, 0.01])
def test_impossible_factors_raise(factor):
    net = NETS["GaussDerNet"]
    with pytest.raises(ValueError, match="`factor="):
        scale_channel_error(net, {}, waves(8, 8)[0], factor=factor)
    with pytest.raises(ValueError, match="`factors?[=`]"):
        scale_invariance_error(total, waves(8, 8), factors=(1, factor))


@pytest.mark.parametrize(("shape", "match"), [
    ((8, 8), r"`image` has shape \(8, 8\), but \[H, W, C\].*x\[\.\.\., None\]"),
    ((1, 8, 8, 1), r"`image` has shape \(1, 8, 8, 1\), but \[H, W, C\]"),
    ((0, 8, 1), "`image` is empty"),
])  # fmt: skip
def test_impossible_images_of_networks_raise(shape, match):
    with pytest.raises(ValueError, match=match):
        scale_channel_error(NETS["GaussDerNet"], {}, np.zeros(shape), factor=2)


def test_what_is_no_network_of_scale_channels_is_refused():
    with pytest.raises(TypeError, match="`net` is of type Dense"):
        scale_channel_error(nn.Dense(3), {}, waves(8, 8)[0], factor=2)


@pytest.mark.parametrize(("shape", "options", "error", "match"), [
    ((8, 8, 1), {}, ValueError, r"`images` has shape .* \[B, H, W, C\]"),
    ((2, 8, 8, 1), {"ndim": 3}, ValueError, r"\[B, D, H, W, C\] .* `ndim=3`"),
    ((2, 8, 8, 1), {"ndim": 4}, ValueError, "`ndim=4`"),
    ((2, 8, 8, 1), {"ndim": np.float16(2)}, TypeError, "`ndim=.*must be an int"),
    ((2, 8, 8, 1), {"ndim": 2j}, TypeError, "`ndim=2j` must be an int"),
    ((0, 8, 8, 1), {}, ValueError, "`images` is empty"),
    ((2, 8, 9, 1), {"factors": (1.2,)}, ValueError, "`factor=1.2` takes 8 x 9 px"),
    ((2, 8, 8, 1), {"factors": ()}, ValueError, "`factors=.*` is empty"),
    ((2, 8, 8, 1), {"predict": lambda x: (x, {})}, ValueError, "returned a tuple for"),
    ((2, 8, 8, 1), {"predict": lambda x: x}, ValueError, r"shape \(2, 8, 8, 1\) for 2"),
    ((2, 8, 8, 1), {"predict": lambda x: x[:1, 0, 0]}, ValueError, r"shape \(1, 1\)"),
])  # fmt: skip
def test_impossible_arguments_of_invariance_raise(shape, options, error, match):
    arguments = {"predict": total, "factors": (2,), **options}
    with pytest.raises(error, match=match):
        scale_invariance_error(images=np.zeros(shape), **arguments)


def test_numbers_of_axes_are_those_of_any_ints():
    images = np.random.default_rng(0).random((2, 4, 4, 1))
    found, expected = (
        scale_invariance_error(total, images, factors=(2,), ndim=ndim)
        for ndim in (np.uint8(2), 2)
    )
    np.testing.assert_array_equal(found, expected)


def test_images_of_integers_are_refused():
    with pytest.raises(TypeError, match="dtype uint8; convert it first"):
        scale_invariance_error(total, np.zeros((1, 8, 8, 1), np.uint8), factors=(2,))


def test_enlargement_about_the_middle_keeps_the_middle():
    for old, new in ((35, 49), (5, 15)):
        image = waves(old, old)[0]
        large = enlarge(image, new / old, centred=True)
        np.testing.assert_allclose(large[new // 2, new // 2], image[old // 2, old // 2])
    image = waves(8, 8, highest=3)[0]
    large = enlarge(image, 2, centred=True)
    reference = enlarge(image, 4)  # pixel 4 i + 1 is at i + 1 / 4, pixel 4 i - 1 before
    np.testing.assert_allclose(large[1::2, 1::2], reference[1::4, 1::4], atol=1e-12)
    np.testing.assert_allclose(
        centre_pixel(enlarge(image, 3, centred=True)[1::3, 1::3]), centre_pixel(image)
    )
