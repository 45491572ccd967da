import jax
import numpy as np
import pytest
import scipy.special

import gdjax


# sigma: half-widths for eps = .01 and .005 in 2-D, as pyscsp cuts them.
TABLE = {
    0.354: (1, 2), 0.5: (2, 2), 0.707: (2, 3), 1: (3, 3), 1.414: (4, 5), 2: (6, 6),
    2.83: (8, 9), 4: (11, 12), 8: (23, 24), 12.2: (34, 37), 24.4: (68, 74),
}  # fmt: skip


def first_radius(sigma, eps, ndim):
    """The definition, read aloud."""
    mass, radius = scipy.special.ive(0, sigma**2), 0
    while mass < (1 - eps) ** (1 / ndim):
        radius += 1
        mass += 2 * scipy.special.ive(radius, sigma**2)
    return radius


@pytest.mark.parametrize("sigma", TABLE)
def test_radii_are_those_of_the_table(sigma):
    radii = tuple(gdjax.truncation_radius(sigma, eps=eps) for eps in (0.01, 0.005))
    assert radii == TABLE[sigma]
    assert all(type(radius) is int for radius in radii)


@pytest.mark.parametrize("ndim", [1, 2, 3])
@pytest.mark.parametrize("eps", [0.5, 0.01, 1e-4, 1e-8])
@pytest.mark.parametrize("sigma", [0, 0.1, 0.5, 1, 3.3, 20])
def test_radius_is_the_smallest_that_keeps_the_mass(sigma, eps, ndim):
    expected = first_radius(sigma, eps, ndim)
    assert gdjax.truncation_radius(sigma, eps=eps, ndim=ndim) == expected


@pytest.mark.parametrize(("sigma", "length"), [(1, 17), (4, 49)])
def test_small_eps_in_one_dimension(sigma, length):
    assert 2 * gdjax.truncation_radius(sigma, eps=1e-8, ndim=1) + 1 == length


def test_radius_grows_with_sigma_and_shrinks_with_eps():
    sigmas = np.linspace(0, 30, 61)
    radii = [gdjax.truncation_radius(s) for s in sigmas]
    assert radii == sorted(radii)
    by_eps = [gdjax.truncation_radius(3, eps=e) for e in (1e-10, 1e-6, 1e-3, 0.1)]
    assert by_eps == sorted(by_eps, reverse=True)


def test_a_traced_sigma_has_no_radius():
    with pytest.raises(TypeError, match="outside jit"):
        jax.jit(lambda s: gdjax.truncation_radius(s))(1.0)


@pytest.mark.parametrize(
    ("sigma", "options", "error", "message"),
    [
        (-1, {}, ValueError, "finite and >= 0"),
        (np.nan, {}, ValueError, "finite and >= 0"),
        (np.inf, {}, ValueError, "finite and >= 0"),
        (None, {}, TypeError, "not a number"),
        ("2", {}, TypeError, "not a number"),
        (1, {"eps": 0}, ValueError, "eps"),
        (1, {"eps": 1}, ValueError, "eps"),
        (1, {"eps": np.nan}, ValueError, "eps"),
        (1, {"ndim": 0}, ValueError, "ndim"),
    ],
)
def test_impossible_arguments_raise(sigma, options, error, message):
    with pytest.raises(error, match=message):
        gdjax.truncation_radius(sigma, **options)


@pytest.mark.parametrize("options", [{"eps": None}, {"sigma": [1.0, 2.0]}])
def test_arguments_of_the_wrong_kind_raise_one_of_the_two(options):
    with pytest.raises((TypeError, ValueError)):
        gdjax.truncation_radius(**{"sigma": 1.0, **options})
