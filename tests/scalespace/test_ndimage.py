"""`gaussian_filter` against SciPy's."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.ndimage

import gdjax


MODES = ("reflect", "nearest", "wrap", "constant")


def noise(*shape):
    return np.random.default_rng(0).standard_normal(shape)


@pytest.mark.parametrize("mode", MODES)
def test_values_are_scipys(x64, mode):
    # Kernels longer than the axes, too; both sum in float64.
    x = noise(3, 17, 23)
    for order, sigma in itertools.product(range(5), (0.3, 2.7, 9.0)):
        options = {"order": order, "mode": mode}
        expected = scipy.ndimage.gaussian_filter(x, sigma, **options)
        actual = gdjax.gaussian_filter(x, sigma, **options)
        assert abs(actual - expected).max() <= 1e-11 * abs(expected).max()


@pytest.mark.parametrize(
    "options",
    [
        {"sigma": (0.5, 1.5), "axes": (0, -1)},
        {"sigma": 1.5, "axes": (2,), "order": 1},
        {"sigma": 2.0, "axes": 1, "mode": "nearest"},
        {"sigma": (0, 1, 2), "mode": ("wrap", "reflect", "constant")},
        {"sigma": 1.0, "order": (0, 1, 2), "truncate": 2.5},
        {"sigma": 1.0, "radius": (1, 2, 40)},
        {"sigma": np.array([1.0, 0.7, 2.0])},
    ],
)
def test_every_axis_has_its_own(x64, options):
    x, given = noise(6, 17, 23), dict(options)
    if not isinstance(given.get("axes", ()), tuple):  # older versions of SciPy
        given["axes"] = (given["axes"],)
    expected = scipy.ndimage.gaussian_filter(x, **given)
    np.testing.assert_allclose(
        gdjax.gaussian_filter(x, **options), expected, atol=1e-12
    )


def test_long_axes_in_single_precision():
    x = noise(3, 2000).astype(np.float32)
    actual = gdjax.gaussian_filter(x, 5.0, axes=(1,))
    assert actual.dtype == jnp.float32
    expected = scipy.ndimage.gaussian_filter(x.astype(float), 5.0, axes=(1,))
    # 40 products, rounded.
    np.testing.assert_allclose(actual, expected, atol=40 * 6e-8 * abs(x).max())


def test_sigma_is_learnable(x64):
    x, weights = noise(17, 23), noise(17, 23)

    @jax.jit
    def loss(sigma):
        y = gdjax.gaussian_filter(x, sigma, order=(1, 0), radius=12)
        return (weights * y).sum()

    sigma, step = jnp.array([1.3, 2.1]), 1e-5
    expected = scipy.ndimage.gaussian_filter(x, (1.3, 2.1), order=(1, 0), radius=12)
    assert float(loss(sigma)) == pytest.approx((weights * expected).sum(), rel=1e-12)
    gradient = jax.grad(loss)(sigma)
    for axis, unit in enumerate(np.eye(2)):
        around = [loss(sigma + sign * step * unit) for sign in (1, -1)]
        expected = float(around[0] - around[1]) / (2 * step)
        assert float(gradient[axis]) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"x": np.zeros((4, 4), int)}, TypeError, "int64; convert it first"),
        ({"x": np.zeros((0, 4))}, ValueError, "is empty"),
        ({"sigma": -1.0}, ValueError, "sigma=-1.0"),
        ({"sigma": "1"}, TypeError, "is not a number"),
        ({"sigma": (1.0, 1.0, 1.0)}, ValueError, "has 3 values, but 2 axes"),
        ({"order": 5}, ValueError, "order=5"),
        ({"order": 1.0}, TypeError, "order=1.0"),
        ({"mode": "mirror"}, ValueError, "mode='mirror'.*nearest"),
        ({"axes": (0, 2)}, ValueError, r"axes=\(0, 2\)"),
        ({"axes": (1, -1)}, ValueError, "each once"),
        ({"truncate": -1.0}, ValueError, "truncate=-1.0"),
        ({"radius": -1}, ValueError, "radius=-1"),
    ],
)  # fmt: skip
def test_bad_input(change, error, message):
    given = {"x": np.zeros((4, 4)), "sigma": 1.0} | change
    with pytest.raises(error, match=message):
        gdjax.gaussian_filter(given.pop("x"), **given)


def test_axes_with_a_traced_0_are_left_alone(x64):
    x, options = noise(9, 8), {"order": 1, "mode": "wrap", "radius": 6}

    @jax.jit
    def run(sigma):
        return gdjax.gaussian_filter(x, sigma, **options)

    expected = scipy.ndimage.gaussian_filter(x, (0, 1.2), **options)
    np.testing.assert_allclose(run(jnp.array([0.0, 1.2])), expected, atol=1e-13)
    gradient = jax.grad(lambda s: (run(s) ** 2).sum())(jnp.array([0.0, 1.2]))
    assert np.isfinite(gradient).all() and gradient[0] == 0
    assert np.isnan(run(jnp.array([jnp.nan, 1.2]))).all()


def test_a_traced_sigma_needs_a_radius():
    x = np.zeros((4, 4), np.float32)
    with pytest.raises(TypeError, match="give `radius`"):
        jax.jit(lambda sigma: gdjax.gaussian_filter(x, sigma))(1.0)
