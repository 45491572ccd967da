"""Public functions of `gdjax.scalespace` under whatever users pass."""

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st
from strategies import (
    all_finite,
    bad_images,
    images,
    integers,
    obeys,
    pixel_values,
    scalars,
    sigmas,
)

import gdjax
from gdjax import scalespace


DISCRETISATIONS = st.sampled_from(
    [
        gdjax.DiscreteGaussian(), gdjax.SampledGaussian(),
        gdjax.NormalizedSampledGaussian(), gdjax.IntegratedGaussian(),
        gdjax.LinearlyIntegratedGaussian(), gdjax.SampledGaussianDerivatives(),
        gdjax.IntegratedGaussianDerivatives(),
        gdjax.NormalizedSampledGaussianDerivatives(), gdjax.SpectralGaussian(),
    ]
)  # fmt: skip
PADDINGS = st.sampled_from(["zero", "symmetric", "edge", "wrap"])
EPS = st.sampled_from([None, 0.005, np.float32(0.005), 0.3])
FLAGS = st.sampled_from([False, True, np.True_])
LIFTED = images(shapes=((3, 4, 4, 1),))
BASES = st.sampled_from([2.0, 2, np.float32(1.5)])
SCALES = st.sampled_from([[1.0, 2.0], (1.5,), np.float32([1, 1.5])])
ONE = pixel_values((3,), "float32")


def several(*shapes):
    return st.builds(pixel_values, st.sampled_from(shapes), st.just("float32"))


def numbers_of(*values):
    return st.sampled_from(values)


KERNEL = {"order": integers(0, 3), "radius": integers(0, 6)}
OPERATOR = {
    "discretisation": DISCRETISATIONS, "padding": PADDINGS, "eps": EPS,
}  # fmt: skip
LIFT = {"base": BASES, "padding": PADDINGS}
# Of each function: what it must be given, and what it may be given.
FUNCTIONS = {
    "smooth": (
        {"x": images(), "sigma": sigmas()}, {**OPERATOR, "ndim": integers(1, 2)},
    ),
    "njet": (
        {"x": images(), "sigma": sigmas()},
        {**OPERATOR, "order": integers(1, 2), "zero_order": FLAGS},
    ),
    "gaussian_filter": (
        {"x": images(), "sigma": sigmas()},
        {
            "order": integers(0, 4), "axes": integers(0, 1), "truncate": sigmas(),
            "mode": numbers_of("reflect", "nearest"), "radius": integers(0, 3),
        },
    ),
    "scaled_bessel": ({"s": sigmas(), "max_order": integers(0, 5)}, {}),
    "discrete_gaussian": ({"sigma": sigmas(), "radius": integers(0, 5)}, {}),
    "truncation_radius": ({"sigma": sigmas()}, {"eps": EPS, "ndim": integers(1, 3)}),
    "derivative_orders": (
        {"order": integers(1, 3)}, {"zero_order": FLAGS, "ndim": integers(1, 3)},
    ),
    "central_difference": ({"order": integers(0, 5)}, {}),
    "directional_derivative": (
        {
            "jet": several((3, 4, 5, 2)), "angle": sigmas(), "order": integers(1, 2),
            "orders": st.just(gdjax.derivative_orders(2)),
        },
        {},
    ),
    "geometric_scales": (
        {
            "sigma_0": sigmas(), "ratio": numbers_of(1, 2, 1.5, np.float32(2)),
            "count": integers(1, 4),
        },
        {},
    ),
    "effective_filters": (
        {"kernel": several((5, 2, 3), (5, 2)), "sigma": sigmas(), **KERNEL},
        {
            "order": integers(2, 2), "ndim": integers(2, 2), "zero_order": FLAGS,
            "discretisation": DISCRETISATIONS, "taylor": FLAGS,
        },
    ),
    "fit_njet": (
        {
            "patch": several((7, 7), (5, 5, 2)), "order": integers(0, 2),
            "sigma": sigmas(),
        },
        {"margin": integers(0, 1), "discretisation": DISCRETISATIONS},
    ),
    "hermite_basis_a": (
        {"scales": SCALES, "size": numbers_of(3, 5)},
        {"order": integers(0, 2), "extent": sigmas(), "normalised": FLAGS},
    ),
    "hermite_basis_b": (
        {"scales": SCALES, "size": numbers_of(3, 5)},
        {
            "order": integers(0, 2), "extent": sigmas(), "normalised": FLAGS,
            "mult": numbers_of(1.4, 2, np.float32(1.5)), "functions": integers(1, 4),
        },
    ),
    "disco_basis": (
        {"scales": SCALES, "size": numbers_of(5), "functions": numbers_of(9)},
        {
            "order": integers(1, 3), "normalised": FLAGS,
            "mult": numbers_of(1.4, 2), "discretisation": DISCRETISATIONS,
        },
    ),
    "equivariance_loss": (
        {"filters": several((2, 3, 3)), "scales": numbers_of([1.0, 2.0], (1.0, 1.5))},
        {},
    ),
    "scale_space_lift": (
        {"x": images()},
        {
            **LIFT, "levels": integers(1, 3), "zero_scale": sigmas(),
            "discretisation": DISCRETISATIONS, "anisotropic": numbers_of((1, 2), None),
        },
    ),
    "scale_action": (
        {"x": images(shapes=((4, 4, 1),)), "steps": integers(0, 2)},
        {
            **LIFT, "shift": numbers_of((0, 0), (1.5, 0)), "zero_scale": sigmas(),
            "discretisation": DISCRETISATIONS,
        },
    ),
    "shift_levels": (
        {"f": LIFTED, "steps": integers(0, 2)},
        {**LIFT, "shift": numbers_of((0, 0), (1.5, 0))},
    ),
    "extend_scale_axis": (
        {"f": LIFTED, "count": integers(0, 2), "rule": numbers_of("replicate")},
        {**LIFT, "zero_scale": sigmas(), "discretisation": DISCRETISATIONS},
    ),
    "scale_space_correlation": (
        {"f": LIFTED, "kernel": several((2, 1, 1, 1, 2))},
        {
            **LIFT, "scale_axis": numbers_of("truncate", "continue"),
            "zero_scale": sigmas(), "discretisation": DISCRETISATIONS,
        },
    ),
    "semigroup_correlation": (
        {"f": several((3,)), "psi": several((3,)), "act": st.just(lambda f: f)}, {},
    ),
    "full_window": ({"size": integers(1, 9)}, {}),
    "centre_window": ({"size": integers(1, 9)}, {}),
    "plan_windows": (
        {
            "readout": st.just(scalespace.centre_window(9)),
            "reaches": numbers_of([1, 2], (None, 0)), "padding": PADDINGS,
        },
        {},
    ),
    "DiscoBasis": ({}, {"order": integers(0, 3), "mult": numbers_of(1.5, 2)}),
    "HermiteA": ({}, {"order": integers(0, 3)}),
    "HermiteB": (
        {},
        {
            "order": integers(0, 3), "mult": numbers_of(1.5, 2),
            "functions": integers(1, 9),
        },
    ),
    "Filter": (
        {**OPERATOR, "ndim": integers(1, 3), "max_order": integers(0, 3)},
        {"extent": sigmas()},
    ),
}  # fmt: skip
ARRAYS = ("x", "f", "jet", "patch", "kernel", "filters", "psi")
# As of [..., H, W, C], if it is returned.
SHAPES = {
    "smooth": lambda x, **_: np.shape(x),
    "gaussian_filter": lambda x, **_: np.shape(x),
    "scaled_bessel": lambda max_order, **_: (max_order + 1,),
    "discrete_gaussian": lambda radius, **_: (2 * int(radius) + 1,),
    "fit_njet": lambda patch, **_: np.shape(patch),
}


@st.composite
def calls(draw, needed, optional):
    """Arguments: good ones, with garbage in place of none to two of them."""
    chosen = [n for n in optional if n not in needed and draw(st.booleans())]
    arguments = {n: draw(s) for n, s in needed.items()}
    arguments |= {n: draw(optional[n]) for n in chosen}
    for _ in range(draw(st.sampled_from([0, 1, 1, 2]))):
        name = draw(st.sampled_from(sorted(arguments))) if arguments else None
        if name is None:
            break
        garbage = draw(bad_images() if name in ARRAYS else scalars())
        # What a function of the user's raises is not ours.
        hypothesis.assume(name != "act" or not callable(garbage))
        arguments[name] = garbage
    return arguments


def test_every_function_is_tried():
    names = {n for n, v in vars(scalespace).items() if callable(v)}
    classes = {n for n in names if "Gaussian" in n}
    others = {"Discretisation", "JetFit", "Window", "plain", "mix_njet"}
    assert names - classes - others == set(FUNCTIONS)


@pytest.mark.parametrize("name", FUNCTIONS)
@hypothesis.given(data=st.data())
def test_functions_return_what_they_say_or_name_the_argument(name, data):
    arguments = data.draw(calls(*FUNCTIONS[name]))
    # Of NaN in an image comes NaN.
    finite = all(all_finite(v) for n, v in arguments.items() if n in ARRAYS)
    result = obeys(getattr(scalespace, name), finite=finite, **arguments)
    if result is not None and name in SHAPES:
        found = result.approximation if name == "fit_njet" else result
        assert found.shape == SHAPES[name](**arguments)


@hypothesis.given(data=st.data())
def test_kernels_are_finite_or_name_the_argument(data):
    discretisation = data.draw(DISCRETISATIONS)
    arguments = data.draw(calls({"sigma": sigmas(), **KERNEL}, {}))
    taps = obeys(discretisation.kernel, **arguments)
    if taps is not None:
        assert taps.shape == (2 * int(arguments["radius"]) + 1,)
