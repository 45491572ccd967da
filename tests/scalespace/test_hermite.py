"""Hermite bases beside the formulas of SESN, and mixed jets beside dense filters."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.polynomial.hermite_e import hermeval

from gdjax.scalespace import (
    DiscreteGaussian,
    Filter,
    HermiteA,
    HermiteB,
    SampledGaussianDerivatives,
    hermite,
    hermite_basis_a,
    hermite_basis_b,
)
from gdjax.scalespace.hermite import basis_filter, hermite_norms, mix_hermite


SCALES = (1.5, 2.1, 3.0)


def axis(n, sigma, size, radius):
    """G He_n(x / sigma) with G = exp(-x^2 / (2 sigma^2)) / sigma, cut at `radius`."""
    x = np.arange(size) - size // 2
    g = np.exp(-(x**2) / (2 * sigma**2)) / sigma
    return np.where(abs(x) <= radius, g * hermeval(x / sigma, [0] * n + [1]), 0)


def twin(parts, scales, size, extent, normalised=True):
    """[F, S, size, size], function by function."""
    found = []
    for divisor, orders in parts:
        for n, m in orders:
            filters = []
            for sigma in scales:
                radius = size if extent is None else np.ceil(extent * sigma - 1e-9)
                x, y = (axis(k, sigma / divisor, size, radius) for k in (n, m))
                filters.append(np.outer(y, x))
            norm = np.linalg.norm(filters[0]) if normalised else 1.0
            found.append(np.stack(filters) / norm)
    return np.stack(found)


A = [(1.0, [(n, m) for m in range(5) for n in range(5)])]
B_ORDERS = [(n, m) for m in range(5) for n in range(5 - m)]
B = [(1.4**k, B_ORDERS) for k in range(3)] + [(1.4**3, [(n, 0) for n in range(4)])]


@pytest.mark.parametrize("extent", [None, 2.0, 4.0])
@pytest.mark.parametrize("normalised", [True, False])
def test_both_bases_are_products_of_hermite_functions(extent, normalised):
    options = {"size": 25, "extent": extent, "normalised": normalised}
    for basis, parts in ((hermite_basis_a, A), (hermite_basis_b, B)):
        found = basis(SCALES, **options)
        wanted = twin(parts, SCALES, 25, extent, normalised)
        assert found.shape == wanted.shape
        # Rounding in float32, relative to the largest value, of products of order 8.
        scale = abs(wanted).max((-3, -2, -1), keepdims=True)
        np.testing.assert_allclose(found / scale, wanted / scale, atol=1e-5)


def test_the_supports_of_sesn():
    """7, 9, 11 and 13 px at its four scales."""
    scales = 1.5 * 2 ** (np.arange(4) / 3)
    filters = np.asarray(hermite_basis_a(scales, size=17, extent=2.0))
    widths = [(abs(filters[:, s]).max((0, 1)) > 0).sum() for s in range(4)]
    assert widths == [7, 9, 11, 13]


def test_counts_and_order_of_the_functions():
    assert HermiteA(4).functions == 25 and HermiteB().functions == 49
    assert [len(orders) for _, orders in HermiteB().parts()] == [15, 15, 15, 4]
    assert HermiteB().parts()[-1][1] == ((0, 0), (1, 0), (2, 0), (3, 0))


@pytest.mark.parametrize("frequencies", [False, True], ids=["jets", "frequencies"])
@pytest.mark.parametrize("basis", [HermiteA(3), HermiteB(2, 1.5, 14)], ids=["A", "B"])
def test_mixed_jets_are_correlations_with_the_dense_filters(
    basis, frequencies, x64, monkeypatch
):
    monkeypatch.setattr(hermite, "worth_frequencies", lambda *_: frequencies)
    generator = np.random.default_rng(0)
    x = jnp.asarray(generator.standard_normal((2, 17, 15, 2)))
    kernel = jnp.asarray(generator.standard_normal((basis.functions, 2, 3)))
    filter_ = Filter(SampledGaussianDerivatives(), "zero", None, 2, 6, 3.0)
    norms = hermite_norms(SCALES[0], basis=basis, filter_=filter_, width=16)
    dense = twin(basis.parts(), SCALES, 21, 3.0)
    fields = {"norms": norms, "basis": basis, "filter_": filter_, "lift": True}
    known = mix_hermite(x, kernel, SCALES, **fields)
    traced = jax.jit(lambda scales: mix_hermite(x, kernel, scales, **fields))(
        jnp.asarray(SCALES)
    )
    for k, mixed in enumerate(known):
        filters = np.einsum("fyx,fco->yxco", dense[:, k], kernel)
        wanted = jax.lax.conv_general_dilated(
            x, jnp.asarray(filters), (1, 1), "SAME",
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        )  # fmt: skip
        np.testing.assert_allclose(mixed, wanted, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(traced[k], wanted, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("padding", ["zero", "symmetric"])
def test_high_orders_of_discrete_gaussians_in_float32(x64, padding):
    """All 25 functions at 6 px; differences of a smoothed map had no digit of (4, 4).

    Taps differ by what four differences of float32 lose, 2^4 6^4 eps = 2e-3 at most.
    """
    basis = HermiteA(4)
    filter_ = basis_filter(DiscreteGaussian(), padding, basis, 4.0)
    kernel = np.eye(25)[:, None]
    image = np.random.default_rng(0).uniform(size=(24, 24, 1))

    @jax.jit
    def each(x, sigma):
        norms = hermite_norms(sigma, basis=basis, filter_=filter_, width=24)
        weights = jnp.asarray(kernel, x.dtype)
        fields = {"norms": norms, "basis": basis, "filter_": filter_, "lift": True}
        return mix_hermite(x, weights, sigma[None], **fields)[0]

    wanted, found = (each(image.astype(t), np.asarray(6.0, t)) for t in ("f8", "f4"))
    error = abs(wanted - found).max((0, 1)) / abs(wanted).max((0, 1))
    assert error.max() < 2e-3


def test_gradients_in_the_scales(x64):
    direction = np.random.default_rng(1).standard_normal((25, 3, 13, 13))

    def score(scales):
        # Not cut: where a filter ends jumps.
        return (hermite_basis_a(scales, size=13) * direction).sum()

    scales = jnp.asarray(SCALES)
    found, step = jax.grad(score)(scales), 1e-6
    for k in range(3):
        shift = step * np.eye(3)[k]
        wanted = (score(scales + shift) - score(scales - shift)) / (2 * step)
        np.testing.assert_allclose(found[k], wanted, rtol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scales": ()}, "one or more"),
        ({"scales": (1.0, -1.0)}, "scales"),
        ({"size": 12}, "must be odd"),
        ({"order": -1}, "order"),
    ],
)
def test_bad_bases(options, message):
    options = {"scales": SCALES, "size": 13, "order": 4} | options
    with pytest.raises(ValueError, match=message):
        hermite_basis_a(options.pop("scales"), **options)


def test_a_ratio_that_does_not_shrink():
    with pytest.raises(ValueError, match="`mult=1.0`"):
        HermiteB(mult=1.0)
