"""Numbers and arrays of every type: taken for what they are, or named."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gdjax
from gdjax.scalespace import Filter, HermiteB, disco_basis, plan_windows
from gdjax.scalespace.windows import full_window


X = np.random.default_rng(0).uniform(size=(5, 6, 2)).astype(np.float32)


@pytest.mark.parametrize("eps", [np.float32(0.005), np.float64(0.005), np.array(0.005)])
def test_eps_may_be_a_number_of_numpys(eps):
    found = gdjax.smooth(X, 1.0, eps=eps)
    np.testing.assert_allclose(found, gdjax.smooth(X, 1.0, eps=0.005), atol=1e-6)
    filter_ = Filter(gdjax.DiscreteGaussian(), "zero", eps, 2, 2)
    assert type(filter_.eps) is float and hash(filter_) is not None
    assert gdjax.truncation_radius(2.0, eps=eps) == 6


@pytest.mark.parametrize("wrong", [2.0, True, np.float32(2), jnp.float32(2), "2", None])
@pytest.mark.parametrize("name", ["order", "ndim"])
def test_what_is_no_int_is_refused_whatever_was_called_before(name, wrong):
    # To a cache that is looked up by equality, 2.0 is 2.
    for right in (1, 2):
        gdjax.derivative_orders(**{"order": 2, "ndim": 2, name: right})
    arguments = {"order": 2, "ndim": 2, name: wrong}
    for function in (gdjax.derivative_orders, lambda **o: gdjax.njet(X, 1.0, **o)):
        with pytest.raises(TypeError, match=f"`{name}="):
            function(**arguments)


def test_ints_of_a_few_bits_are_ints():
    # -np.uint8(2) is 254.
    two, one = np.uint8(2), np.uint8(1)
    jet = gdjax.njet(X, 1.0, order=two, ndim=two, eps=0.005)
    np.testing.assert_array_equal(jet, gdjax.njet(X, 1.0, order=2, eps=0.005))
    smoothed = gdjax.smooth(X, 1.0, ndim=one)
    np.testing.assert_array_equal(smoothed, gdjax.smooth(X, 1.0, ndim=1))
    kernel = gdjax.DiscreteGaussian().kernel(1.0, two, radius=two)
    assert kernel.shape == (5,)
    assert HermiteB(functions=np.uint8(40)).parts() == HermiteB(functions=40).parts()
    basis = disco_basis([1.0, 2.0], size=np.uint8(7), order=one, functions=np.uint8(9))
    np.testing.assert_array_equal(
        basis, disco_basis([1.0, 2.0], size=7, order=1, functions=9)
    )
    window = full_window(9)
    assert plan_windows(window, [np.uint8(3)], "zero") == (window, window)


@pytest.mark.parametrize("dtype", [">f4", ">f8", ">f2"])
def test_arrays_of_the_other_byte_order(dtype):
    native = np.dtype(dtype).newbyteorder("=")
    x, sigma = X.astype(dtype), np.array([1.0, 2.0]).astype(dtype)
    wanted = gdjax.smooth(X.astype(native), [1.0, 2.0])
    found = gdjax.smooth(x, sigma)
    assert found.dtype == wanted.dtype
    np.testing.assert_array_equal(found, wanted)
    found = gdjax.gaussian_filter(x[..., 0], 1.0)
    wanted = gdjax.gaussian_filter(X[..., 0].astype(native), 1.0)
    np.testing.assert_array_equal(found, wanted)


def test_arrays_that_jax_does_not_have():
    if np.dtype(np.longdouble).itemsize == 8:
        pytest.skip("longdouble is float64 here")
    for call in (gdjax.smooth, gdjax.gaussian_filter):
        with pytest.raises(TypeError, match="which JAX does not have; convert it"):
            call(X.astype(np.longdouble), 1.0)
    # A number is only read.
    assert gdjax.truncation_radius(np.longdouble(2)) == 6
    np.testing.assert_array_equal(
        gdjax.smooth(X, np.longdouble(1)), gdjax.smooth(X, 1.0)
    )


@pytest.mark.parametrize(
    ("call", "error", "name"),
    [
        (lambda: gdjax.smooth(X, 10**400), ValueError, "sigma"),
        (lambda: gdjax.smooth(X, 10**5000), ValueError, "sigma"),
        (lambda: gdjax.smooth(X, 1e30), ValueError, "sigma"),
        (lambda: gdjax.smooth(X, [None]), TypeError, "sigma"),
        (lambda: gdjax.smooth(X, 1j), TypeError, "sigma"),
        (lambda: gdjax.smooth(X, np.array(["1"])), TypeError, "sigma"),
        (lambda: gdjax.smooth(X, 1.0, eps="1"), TypeError, "eps"),
        (lambda: gdjax.smooth(X, 1.0, padding=["zero"]), ValueError, "padding"),
        (lambda: gdjax.truncation_radius(None), TypeError, "sigma"),
        (lambda: gdjax.truncation_radius(1.0, eps=[0.1]), ValueError, "eps"),
        (lambda: gdjax.njet(X, 1.0, order=21), ValueError, "order"),
        (lambda: gdjax.derivative_orders(10**400), ValueError, "order"),
        (lambda: gdjax.geometric_scales([1.0], 2, 3), ValueError, "sigma_0"),
        (lambda: gdjax.geometric_scales(1.0, None, 3), TypeError, "ratio"),
        (lambda: gdjax.geometric_scales(1.0, 1e30, 99), ValueError, "count"),
        (lambda: gdjax.geometric_scales(1.0, 2, 3.0), TypeError, "count"),
        (lambda: gdjax.fit_njet(X[:, :5], 1, "1"), TypeError, "sigma"),
        (lambda: gdjax.fit_njet(None, 1, 1.0), TypeError, "patch"),
        (lambda: gdjax.fit_njet(X[:, :5], 1, 1e-30), ValueError, "sigma"),
        (
            lambda: gdjax.effective_filters(
                np.ones((5, 1), np.float32), 1.0, radius=2, discretisation="discrete"
            ),
            TypeError, "discretisation",
        ),
        (
            lambda: gdjax.effective_filters(np.ones((5, 1), int), 1.0, radius=2),
            TypeError, "kernel",
        ),
    ],
)  # fmt: skip
def test_what_can_not_be_is_named(call, error, name):
    with pytest.raises(error, match=f"`{name}[`=]"):
        call()


def test_a_traced_sigma_of_half_precision_makes_the_same_kernels():
    dtype = jnp.bfloat16
    sigma = 1.5  # the same in half precision
    kinds = [v for n, v in vars(gdjax).items() if n.endswith(("Gaussian", "ivatives"))]

    @jax.jit
    def kernels(sigma):
        taps = [kind().kernel(sigma, 2, radius=5) for kind in kinds]
        return [*taps, gdjax.scaled_bessel(sigma, max_order=4)]

    # In float32, then rounded once.
    half = float(jnp.finfo(dtype).eps) / 2
    for found, wanted in zip(
        kernels(dtype(sigma)), kernels(jnp.float32(sigma)), strict=True
    ):
        assert found.dtype == dtype
        bound = half * abs(np.asarray(wanted)) + 1e-6
        assert np.all(abs(np.asarray(found, np.float32) - wanted) <= bound)
    linear = gdjax.LinearlyIntegratedGaussian()
    smooth = jax.jit(lambda s: gdjax.smooth(X, s, eps=0.005, discretisation=linear))
    np.testing.assert_allclose(
        smooth(dtype(sigma)), smooth(jnp.float32(sigma)), atol=1e-6
    )
