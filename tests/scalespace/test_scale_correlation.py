"""The scale-space correlation and the border of the scale axis, against loops."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from gdjax.scalespace import (
    extend_scale_axis,
    scale_space_correlation,
    scale_space_lift,
    shift_levels,
)


PADDINGS = ["zero", "symmetric", "edge", "wrap"]
RULES = ["truncate", "replicate", "continue", "extend"]
# Sums of up to 54 products: float32 is off by less than 54 x 2^-24 = 3e-6 of them.
TOLERANCES = {np.float32: 1e-5, np.float64: 1e-12}


def noise(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def band_limited(*shape):
    """Periodic [K, H, W, C] without what is at Nyquist."""
    spectrum = np.fft.fft2(noise(*shape), axes=(1, 2))
    for axis in (1, 2):
        inside = np.abs(np.fft.fftfreq(shape[axis])) < 0.5
        spectrum *= np.expand_dims(inside, [a for a in range(4) if a != axis])
    return np.fft.ifft2(spectrum, axes=(1, 2)).real


def close(found, wanted, tolerance):
    """Relative to the largest value."""
    assert found.shape == wanted.shape
    largest = np.abs(wanted).max()
    np.testing.assert_allclose(found, wanted, rtol=0, atol=tolerance * largest)


def in_both_precisions(run, wanted, *arrays, dtypes=(np.float32, np.float64)):
    for dtype in dtypes:
        tolerance = TOLERANCES[dtype]
        with jax.enable_x64(dtype == np.float64):
            found = jax.jit(run)(*(a.astype(dtype) for a in arrays))
            assert found.dtype == dtype
            close(np.asarray(found, np.float64), wanted, tolerance)


def is_the_oracle(oracle, f, psi, *, dtypes=(np.float64,), **options):
    wanted = oracle(f, psi, **options)
    run = functools.partial(scale_space_correlation, **options)
    in_both_precisions(run, wanted, f, psi, dtypes=dtypes)


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("scale_axis", RULES)
def test_every_border_rule_is_the_sum_over_levels_pixels_and_channels(
    scale_correlation_oracle, padding, scale_axis
):
    is_the_oracle(
        scale_correlation_oracle, noise(3, 6, 7, 3), noise(2, 3, 3, 3, 2, seed=1),
        base=2, padding=padding, scale_axis=scale_axis, zero_scale=0.6,
        dtypes=[np.float64] + [np.float32] * (padding in ("zero", "wrap")),
    )  # fmt: skip


@pytest.mark.parametrize(("depth", "base"), [(1, 2), (1, 3), (2, 3), (3, 2), (3, 3)])
def test_scale_dimensions_and_bases(scale_correlation_oracle, depth, base):
    is_the_oracle(
        scale_correlation_oracle, noise(3, 10, 11, 2),
        noise(depth, 3, 3, 2, 2, seed=1), base=base, padding="zero",
        scale_axis="continue",
    )  # fmt: skip


@pytest.mark.parametrize("padding", ["zero", "symmetric"])
@pytest.mark.parametrize("taps", [(2, 4), (4, 1), (1, 1)])
def test_even_filters_have_their_centre_after_the_middle(
    scale_correlation_oracle, taps, padding
):
    is_the_oracle(
        scale_correlation_oracle, noise(3, 9, 10, 2), noise(2, *taps, 2, 2, seed=1),
        base=2, padding=padding,
    )  # fmt: skip


def test_one_pixel_of_the_filter_reads_one_pixel_of_one_level():
    # (20): psi_1 at y = (1, -1) reads f_(k + 1) at 2^k (1, -1) + z.
    f, psi = noise(3, 12, 12, 1), np.zeros((2, 3, 3, 1, 1))
    psi[1, 2, 0] = 1
    run = jax.jit(functools.partial(scale_space_correlation, padding="wrap"))
    found = run(f.astype(np.float32), psi)
    for k in (0, 1):
        wanted = np.roll(f[k + 1], (-(2**k), 2**k), (0, 1))
        np.testing.assert_allclose(found[k], wanted, rtol=1e-6)
    np.testing.assert_array_equal(found[2], 0)


@pytest.mark.parametrize(("base", "taps"), [(math.sqrt(2), (3, 3)), (1.5, (2, 3))])
def test_real_bases_read_between_pixels(scale_correlation_oracle, base, taps):
    is_the_oracle(
        scale_correlation_oracle, band_limited(3, 8, 9, 2),
        noise(2, *taps, 2, 2, seed=1), base=base, padding="wrap",
        scale_axis="replicate", dtypes=TOLERANCES,
    )  # fmt: skip


@pytest.mark.parametrize("padding", ["symmetric", "edge", "zero"])
def test_real_bases_read_constant_images_between_pixels(padding):
    f, psi = np.full((2, 24, 24, 1), 3.0), noise(1, 3, 3, 1, 1)
    run = functools.partial(scale_space_correlation, base=math.sqrt(2), padding=padding)
    with jax.enable_x64(True):
        found = jax.jit(run)(f, psi)
    if padding == "zero":  # ringing of the sinc at the border falls as 1 / distance
        np.testing.assert_allclose(found[:, 12, 12], 3 * psi.sum(), atol=0.2)
    else:
        np.testing.assert_allclose(found, 3 * psi.sum(), atol=1e-12)


# ------------------------------------------------------------------------ equivariance


@pytest.mark.parametrize(
    ("base", "steps", "size", "shift", "scale_axis"),
    [
        (2, 1, (8, 12), (1, -2), "truncate"),
        (2, 2, (8, 12), (0, 0), "replicate"),
        (2, 1, (8, 12), (0, 0), "continue"),
        (2, 2, (8, 12), (1, -2), "extend"),
        (3, 1, (9, 18), (-1, 2), "truncate"),
    ],
)
def test_shifts_of_levels_commute_with_it_at_integer_bases(
    base, steps, size, shift, scale_axis
):
    # Of any function, lifted or not: (15) with (19). Sums of 36 products in one order
    # or another: 36 x 2^-24 = 2e-6 of the largest, and much less as a rule.
    f = noise(4, *size, 2).astype(np.float32)
    psi = noise(2, 3, 3, 2, 2, seed=1).astype(np.float32)
    options = {"base": base, "padding": "wrap"}
    run = jax.jit(functools.partial(
        scale_space_correlation, kernel=psi, scale_axis=scale_axis, **options
    ))  # fmt: skip
    act = functools.partial(shift_levels, steps=steps, shift=shift, **options)
    found, wanted = run(act(f)), act(run(f))
    assert found.shape == wanted.shape
    inside = slice(None) if scale_axis in ("truncate", "extend") else slice(-1)
    close(found[inside], wanted[inside], 1e-6)


def test_zeros_around_images_commute_with_downscaling_too(base=3):
    f = noise(3, 13, 10, 2).astype(np.float32)
    psi = noise(1, 3, 3, 2, 2, seed=1).astype(np.float32)
    small = shift_levels(f, steps=1, base=base)
    run = jax.jit(functools.partial(scale_space_correlation, kernel=psi, base=base))
    close(run(small), shift_levels(run(f), steps=1, base=base), 1e-6)


# -------------------------------------------------------------------------- scale axis


@pytest.mark.parametrize("padding", ["zero", "edge"])
def test_levels_beyond_the_coarsest(blur_oracle, padding):
    f = noise(2, 5, 6, 2)
    options = {"base": 3, "zero_scale": 0.6, "padding": padding}
    # Variances of levels 1, 2, 3: 0.36 (9^k - 1).
    on = [blur_oracle(f[1], 0.36 * (9**k - 9), padding) for k in (2, 3)]
    last = f[1]
    beyond = {"truncate": [0 * last] * 2, "replicate": [last] * 2}
    for rule, more in (beyond | {"continue": on, "extend": []}).items():
        wanted = np.stack([*f, *more])
        run = functools.partial(extend_scale_axis, count=2, rule=rule, **options)
        in_both_precisions(run, wanted, f)


def test_to_continue_is_to_lift_to_more_levels():
    # Discrete Gaussians add up (3), exactly where there is no border.
    x = noise(10, 9, 1).astype(np.float32)
    lifted = scale_space_lift(x, levels=4, padding="wrap")
    found = extend_scale_axis(lifted[:2], 2, rule="continue", padding="wrap")
    close(found, lifted, 1e-5)


@pytest.mark.parametrize("rule", RULES)
def test_no_levels_are_added_where_none_are_wanted(rule):
    f = noise(2, 3, 3, 1).astype(np.float32)
    np.testing.assert_array_equal(extend_scale_axis(f, 0, rule=rule), f)


# ---------------------------------------------------------------- under JAX's functions


KINDS = {
    "continue": {"padding": "edge", "scale_axis": "continue"},
    "real": {"base": 1.5, "padding": "symmetric", "scale_axis": "replicate"},
}
kinds = pytest.mark.parametrize("kind", KINDS)


@kinds
def test_gradients_in_input_and_filter_are_finite_differences(x64, kind):
    run = functools.partial(scale_space_correlation, **KINDS[kind])
    # Bilinear: finite differences are exact but for rounding.
    check_grads(
        jax.jit(run), (noise(3, 5, 6, 2), noise(2, 3, 2, 2, 2, seed=1)), order=1,
        modes=("rev",), atol=1e-6, rtol=1e-6,
    )  # fmt: skip


@kinds
def test_jit_vmap_and_leading_axes_are_a_loop(x64, kind):
    run = jax.jit(functools.partial(scale_space_correlation, **KINDS[kind]))
    f, psi = noise(2, 2, 3, 5, 6, 2), noise(2, 3, 2, 2, 2, seed=1)
    wanted = np.stack([[run(one, psi) for one in row] for row in f])
    close(np.asarray(run(f, psi)), wanted, 1e-13)
    eager = scale_space_correlation(f[0, 0], psi, **KINDS[kind])
    close(np.asarray(eager), wanted[0, 0], 1e-13)
    close(np.asarray(jax.jit(jax.vmap(run, (0, None)))(f, psi)), wanted, 1e-13)
    filters = np.stack([psi, -2 * psi])
    found = jax.jit(jax.vmap(run, (None, 0)))(f[0, 0], filters)
    close(np.asarray(found), np.stack([wanted[0, 0], -2 * wanted[0, 0]]), 1e-13)


@kinds
def test_bfloat16_stays(kind):
    f, psi = noise(3, 5, 6, 2), noise(2, 3, 2, 2, 2, seed=1).astype(np.float32)
    run = jax.jit(functools.partial(scale_space_correlation, **KINDS[kind]))
    found = run(jnp.asarray(f, jnp.bfloat16), psi)
    assert found.dtype == jnp.bfloat16
    # Images, weights and sums are rounded to 2^-9 = 0.2 %, some times in a row.
    wanted = np.asarray(run(f.astype(np.float32), psi))
    close(np.asarray(found, np.float32), wanted, 0.02)


# -------------------------------------------------------------------------- bad input


F, PSI = np.zeros((2, 4, 6, 1), np.float32), np.zeros((1, 3, 3, 1, 2), np.float32)


def correlate(f=F, psi=PSI, **options):
    return lambda: scale_space_correlation(f, psi, **options)


def extended(f=F, count=1, rule="replicate", **options):
    return lambda: extend_scale_axis(f, count, rule=rule, **options)


@pytest.mark.parametrize(
    ("run", "message"),
    [
        (correlate(base=1), "`base=1` must be a number above 1"),
        (correlate(base=-2.0), "`base=-2.0` must be a number above 1"),
        (correlate(base=math.nan), "`base=nan` must be a number above 1"),
        (correlate(base=None), "`base=None` must be a number above 1"),
        (correlate(padding="reflect"), "`padding='reflect'` must be one of"),
        (correlate(scale_axis="no"), "`scale_axis='no'` must be one of"),
        (correlate(scale_axis=None), "`scale_axis=None` must be one of"),
        (correlate(f=F[0]), r"`f` of shape \(4, 6, 1\) must be lifted"),
        (correlate(psi=PSI[0]), r"`kernel` of shape \(3, 3, 1, 2\) must be \[N, h"),
        (correlate(psi=np.zeros((1, 3, 3, 2, 2))), "C_in = 1, the channels of `f`"),
        (correlate(psi=np.zeros((1, 0, 3, 1, 2))), "`kernel` of shape"),
        (
            correlate(psi=np.zeros((3, 1, 1, 1, 2))),
            "scale dimension 3 of `kernel` is larger than the 2 levels .* take fewer",
        ),
        (
            correlate(f=np.zeros((3, 4, 6, 1))),
            '4 x 6 px are too small .* dilated by 4 px .* or `padding="wrap"`',
        ),
        (correlate(psi=np.zeros((1, 1, 6, 1, 2))), "4 x 6 px are too small"),
        (extended(rule="no"), "`rule='no'` must be one of"),
        (extended(count=-1), "`count=-1` must be >= 0"),
        (extended(f=F[0]), r"`f` of shape \(4, 6, 1\) must be lifted"),
        (extended(rule="continue", base=1), "`base=1` must be a number above 1"),
        (extended(rule="continue", padding="no"), "`padding='no'` must be one of"),
    ],
)
def test_bad_values_are_named(run, message):
    with pytest.raises(ValueError, match=message):
        run()


@pytest.mark.parametrize(
    ("run", "message"),
    [
        (correlate(f=F.astype(np.int32)), "dtype int32; convert it first"),
        (extended(f=F.astype(np.int32)), "dtype int32; convert it first"),
        (extended(count=1.5), "`count=1.5` must be an int"),
    ],
)
def test_bad_types_are_named(run, message):
    with pytest.raises(TypeError, match=message):
        run()


def test_only_the_coarsest_level_that_is_worked_out_must_fit():
    f, psi = np.zeros((3, 4, 4, 1), np.float32), np.zeros((2, 3, 3, 1, 1))
    for options, levels in (({"scale_axis": "extend"}, 2), ({"padding": "wrap"}, 3)):
        run = functools.partial(scale_space_correlation, **options)
        assert jax.eval_shape(run, f, psi).shape == (levels, 4, 4, 1)
