"""Lift, action, shift and correlation of the semigroup, against sums by loops."""

import functools
import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.ndimage
import scipy.signal
from jax.test_util import check_grads

import gdjax
from gdjax.scalespace import (
    scale_action,
    scale_space_lift,
    semigroup_correlation,
    shift_levels,
)
from gdjax.scalespace.semigroup_grids import level_sigma, sample_matrix


PADDINGS = ["zero", "symmetric", "edge", "wrap"]
SPECTRAL = gdjax.SpectralGaussian()
# Sums of positive weights with sum 1: float32 is off by some 2^-24 of the largest
# pixel; kernels in float64 are good to 1e-14.
TOLERANCES = {np.float32: 1e-5, np.float64: 1e-12}


def noise(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def band_limited(*shape, limit=math.pi, seed=0):
    """Periodic [H, W, C], frequencies below `limit` rad / px."""
    spectrum = np.fft.fft2(noise(*shape, seed=seed), axes=(0, 1))
    for axis in (0, 1):
        w = 2 * math.pi * np.abs(np.fft.fftfreq(shape[axis]))
        spectrum *= np.expand_dims(w < limit - 1e-9, [a for a in range(3) if a != axis])
    return np.fft.ifft2(spectrum, axes=(0, 1)).real


def close(found, wanted, tolerance):
    """Relative to the largest value."""
    assert found.shape == wanted.shape
    largest = np.abs(wanted).max()
    np.testing.assert_allclose(found, wanted, rtol=0, atol=tolerance * largest)


def in_both_precisions(run, wanted, *arrays):
    for dtype, tolerance in TOLERANCES.items():
        with jax.enable_x64(dtype == np.float64):
            found = jax.jit(run)(*(a.astype(dtype) for a in arrays))
            assert found.dtype == dtype
            close(np.asarray(found, np.float64), wanted, tolerance)


# ------------------------------------------------------------------------------- lift


@pytest.mark.parametrize(
    ("base", "padding"),
    [*[(2, p) for p in PADDINGS], (3, "symmetric"), (math.sqrt(2), "wrap")],
)
def test_levels_are_blurred_by_what_makes_the_image_smaller(blur_oracle, base, padding):
    x, zero_scale = noise(6, 5, 2), 0.6
    wanted = [
        blur_oracle(x, zero_scale**2 * base ** (2 * k) - zero_scale**2, padding)
        for k in range(3)
    ]
    in_both_precisions(
        lambda x: scale_space_lift(
            x, base=base, levels=3, zero_scale=zero_scale, padding=padding
        ),
        np.stack(wanted), x,
    )  # fmt: skip


def test_the_published_scale_space_has_the_scales_of_dilations_1_2_4_8(blur_oracle):
    # Zero-scale 1/4 as a variance, 4 levels: variances 0, 3/4, 15/4, 63/4.
    x = noise(7, 8, 1)
    wanted = np.stack([blur_oracle(x, t, "zero") for t in (0, 3 / 4, 15 / 4, 63 / 4)])
    in_both_precisions(scale_space_lift, wanted, x)


def test_level_0_is_the_image_itself():
    x = noise(4, 5, 2).astype(np.float32)
    np.testing.assert_array_equal(scale_space_lift(x)[0], x)
    np.testing.assert_array_equal(scale_space_lift(x, levels=1), x[None])


@pytest.mark.parametrize("bases", [(2, 1), (1, 3), (2, 1.5), (2, 2)])
def test_bases_of_two_axes_give_a_diagonal_matrix_of_scales(blur_oracle, bases):
    x, s = noise(6, 5, 2), 0.5
    wanted = []
    for k in range(3):
        inverse = np.diag(np.power(bases, float(k)))  # A^-1
        matrix = inverse @ (s**2 * np.eye(2)) @ inverse.T - s**2 * np.eye(2)
        wanted.append(blur_oracle(x, np.diag(matrix), "edge"))
    in_both_precisions(
        lambda x: scale_space_lift(x, levels=3, anisotropic=bases, padding="edge"),
        np.stack(wanted), x,
    )  # fmt: skip


def fourier_blur(x, variance):
    """Multiplies the spectrum of [H, W, C] by exp(-t w^2 / 2)."""
    w = [2 * np.pi * np.fft.fftfreq(n) for n in x.shape[:2]]
    factor = np.exp(-variance * (w[0][:, None] ** 2 + w[1] ** 2) / 2)[..., None]
    return np.fft.ifft2(np.fft.fft2(x, axes=(0, 1)) * factor, axes=(0, 1)).real


def test_spectral_levels_are_gaussians_of_the_spectrum():
    x = band_limited(9, 8, 2)
    wanted = np.stack([fourier_blur(x, (4**k - 1) / 4) for k in range(3)])
    in_both_precisions(
        lambda x: scale_space_lift(
            x, levels=3, discretisation=SPECTRAL, padding="wrap"
        ),
        wanted, x,
    )  # fmt: skip


def two_blurs(discretisation, s, t):
    """Relative differences of two blurs after each other to one. [dss] (3)."""
    x = noise(16, 15, 1).astype(np.float32)
    smooth = functools.partial(
        gdjax.smooth, discretisation=discretisation, padding="wrap"
    )
    once = smooth(x, math.sqrt(s + t))
    twice = smooth(smooth(x, math.sqrt(t)), math.sqrt(s))
    return np.abs(once - twice).max() / np.abs(once).max()


@pytest.mark.parametrize("discretisation", [gdjax.DiscreteGaussian(), SPECTRAL])
@pytest.mark.parametrize("s", [3 / 4, 12 / 4])
def test_variances_of_the_blur_add_up(discretisation, s):
    # From a level of base 2 to the next but in float32.
    assert two_blurs(discretisation, s, 3 / 4) <= 1e-5


@pytest.mark.parametrize(
    "discretisation", [gdjax.SampledGaussian(), gdjax.IntegratedGaussian()]
)
def test_other_discretisations_are_no_semigroup(discretisation):
    assert two_blurs(discretisation, 0.3, 0.3) > 1e-3


# ----------------------------------------------------------------------------- action


def acted(x, n, shift, base, padding, read_oracle):
    """x(base^n i + z), [..., H, W, C], by reading positions of each axis."""
    factor = base**n
    for axis, z in zip((-3, -2), shift, strict=True):
        size = x.shape[axis]
        count = math.ceil(size / factor - 1e-9)
        if padding == "wrap":
            count = round(size / factor)
            factor_of_axis = size / count
        else:
            factor_of_axis = factor
        x = read_oracle(x, np.arange(count) * factor_of_axis + z, padding, axis)
    return x


WHOLE = [(2, 1, (1, -3), p) for p in PADDINGS]
WHOLE += [(2, 2, (0, 0), "zero"), (3, 1, (5, 1), "wrap")]
REAL = [(math.sqrt(2), 1, (0, 0)), (2, 1, (0.5, -0.25)), (1.5, 2, (1, 0.3))]


@pytest.mark.parametrize(("base", "n", "shift", "padding"), WHOLE)
def test_the_action_blurs_and_takes_pixels(
    blur_oracle, read_oracle, base, n, shift, padding
):
    shape = (12, 24, 2) if padding == "wrap" else (7, 10, 2)
    x = noise(*shape)
    blurred = blur_oracle(x, 0.25 * (base ** (2 * n) - 1), padding)
    wanted = acted(blurred, n, shift, base, padding, read_oracle)
    in_both_precisions(
        lambda x: scale_action(x, steps=n, shift=shift, base=base, padding=padding),
        wanted, x,
    )  # fmt: skip


@pytest.mark.parametrize(("base", "n", "shift"), REAL)
def test_the_action_of_real_bases_reads_between_pixels(
    blur_oracle, read_oracle, base, n, shift
):
    x = band_limited(14, 18, 2)
    blurred = blur_oracle(x, 0.25 * (base ** (2 * n) - 1), "wrap")
    wanted = acted(blurred, n, shift, base, "wrap", read_oracle)
    in_both_precisions(
        lambda x: scale_action(x, steps=n, shift=shift, base=base, padding="wrap"),
        wanted, x,
    )  # fmt: skip


@pytest.mark.parametrize(("base", "n", "shift", "padding"), WHOLE)
def test_shifting_levels_fetches_coarser_ones(read_oracle, base, n, shift, padding):
    shape = (3, 12, 24, 2) if padding == "wrap" else (3, 7, 10, 2)
    f = noise(*shape)
    wanted = acted(f[n:], n, shift, base, padding, read_oracle)
    in_both_precisions(
        lambda f: shift_levels(f, steps=n, shift=shift, base=base, padding=padding),
        wanted, f,
    )  # fmt: skip


@pytest.mark.parametrize(("base", "n", "shift"), REAL)
def test_shifting_levels_of_real_bases_reads_between_pixels(
    read_oracle, base, n, shift
):
    f = np.stack([band_limited(14, 18, 2, seed=k) for k in range(3)])
    wanted = acted(f[n:], n, shift, base, "wrap", read_oracle)
    in_both_precisions(
        lambda f: shift_levels(f, steps=n, shift=shift, base=base, padding="wrap"),
        wanted, f,
    )  # fmt: skip


def composed(first, second, shift):
    """Relative differences of S_{A,z} S_{B,y} to one action with `shift`."""
    (n, z), (m, y) = first, second
    # Twice as small by B without aliases: below pi / b with b = 2.
    x = band_limited(32, 32, 2, limit=math.pi / 2).astype(np.float32)
    act = functools.partial(scale_action, discretisation=SPECTRAL, padding="wrap")
    two = act(act(x, steps=m, shift=y), steps=n, shift=z)
    one = act(x, steps=n + m, shift=shift)
    return np.linalg.norm(two - one) / np.linalg.norm(one)


def test_actions_compose_as_they_do_in_the_definition():
    # z is px of the image that is left: B^-1 z = 2 z of the image before. Exact but for
    # float32: two products of 32 terms each.
    z, y = np.array([1, -2]), np.array([3, 1])
    assert composed((1, z), (1, y), 2 * z + y) <= 1e-5


def test_the_printed_composition_is_another_shift():
    # A y + z = y / 2 + z.
    z, y = np.array([1, -2]), np.array([3, 1])
    assert composed((1, z), (1, y), y / 2 + z) > 0.5


@pytest.mark.parametrize(("base", "n"), [(2, 1), (2, 2), (3, 1), (math.sqrt(2), 2)])
def test_lifting_a_smaller_image_is_shifting_a_lifted_one(base, n):
    # Spectral kernels of band-limited images: exact but for float32.
    z = (2, -1)
    x = band_limited(36, 36, 1, limit=math.pi / base**n).astype(np.float32)
    options = {"base": base, "discretisation": SPECTRAL, "padding": "wrap"}
    small = scale_action(x, steps=n, shift=z, **options)
    found = scale_space_lift(small, levels=2, **options)
    lifted = scale_space_lift(x, levels=n + 2, **options)
    wanted = shift_levels(lifted, steps=n, shift=z, base=base, padding="wrap")
    assert np.linalg.norm(found - wanted) <= 1e-5 * np.linalg.norm(wanted)


@pytest.mark.parametrize("nu", [jax.nn.relu, jnp.tanh, jnp.abs, lambda f: f > 0.3])
@pytest.mark.parametrize("padding", ["symmetric", "edge", "wrap"])
def test_nonlinearities_commute_with_shifts_of_levels_exactly(nu, padding):
    f = noise(3, 8, 12, 2).astype(np.float32)
    shift = functools.partial(shift_levels, steps=1, shift=(1, -3), padding=padding)
    there = nu(shift(f))
    np.testing.assert_array_equal(
        there, shift(nu(f).astype(f.dtype)).astype(there.dtype)
    )


# ------------------------------------------------------------- between pixels, by loops


def test_symmetric_axes_are_mirrored_periods(read_oracle):
    x, positions = noise(7), np.array([-3.3, 0.25, 2.0, 5.5, 9.1])
    wanted = read_oracle(np.concatenate([x, x[::-1]]), positions, "wrap", 0)
    np.testing.assert_allclose(
        sample_matrix(positions, 7, "symmetric") @ x, wanted, atol=1e-13
    )


def test_zero_axes_are_sums_of_sincs():
    x, positions = noise(6), [-1.5, 0.25, 3.0, 7.25]
    wanted = [
        sum(x[n] * (math.sin(math.pi * (p - n)) / (math.pi * (p - n)) if p != n else 1)
            for n in range(6))
        for p in positions
    ]  # fmt: skip
    np.testing.assert_allclose(
        sample_matrix(np.array(positions), 6, "zero") @ x, wanted, atol=1e-13
    )


def test_edges_are_read_by_lanczos_windows_of_16_px():
    def sinc(t):
        return math.sin(math.pi * t) / (math.pi * t) if t else 1

    x, positions = noise(6), [-1.5, 0.25, 3.0, 7.25]
    wanted = []
    for p in positions:
        taps = range(math.floor(p) - 15, math.floor(p) + 17)
        weights = [sinc(p - n) * sinc((p - n) / 16) for n in taps]
        values = [x[min(max(n, 0), 5)] for n in taps]
        wanted.append(np.dot(weights, values) / sum(weights))
    np.testing.assert_allclose(
        sample_matrix(np.array(positions), 6, "edge") @ x, wanted, atol=1e-13
    )


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("size", [5, 6])
def test_whole_positions_are_pixels(padding, size):
    matrix = sample_matrix(np.arange(size), size, padding)
    np.testing.assert_allclose(matrix, np.eye(size), atol=1e-14)


def test_variances_of_levels():
    assert level_sigma(0, base=2, zero_scale=0.5) == 0
    for k in range(1, 5):
        sigma = level_sigma(k, base=2, zero_scale=0.5)
        np.testing.assert_allclose(sigma**2, (4**k - 1) / 4, rtol=1e-14)


# ------------------------------------------------------------------------ correlation


def by_loops(f, psi, act_s, elements):
    """sum_x psi(x) L_s[f](x), one element of the semigroup after the other."""
    found = []
    for s in elements:
        moved, total = act_s(f, s), 0.0
        for x in np.ndindex(psi.shape):
            total += psi[x] * moved[x]
        found.append(total)
    return np.array(found)


def test_actions_of_semigroups_are_summed_over_the_domain():
    # Cyclic sums of neighbours: s -> (1 + T)^s, which has no inverse on even lengths.
    def act_s(f, s):
        for _ in range(s):
            f = f + np.roll(f, -1)
        return f

    def act(f):
        found = [f]
        for _ in range(3):
            found.append(found[-1] + jnp.roll(found[-1], -1))
        return jnp.stack(found)

    f, psi = noise(8), noise(8, seed=1)
    wanted = by_loops(f, psi, act_s, range(4))
    in_both_precisions(
        lambda f, psi: semigroup_correlation(f, psi, act=act), wanted, f, psi
    )
    # Equivariant (15): acting on f is a shift on the semigroup.
    with jax.enable_x64(True):
        moved = semigroup_correlation(act_s(f, 1), psi, act=act)
    np.testing.assert_allclose(moved[:3], wanted[1:], rtol=1e-12)


def translations(f, height, width):
    """f(x + s), s on the torus, x on the filter: [H, W, h, w]."""
    rolled = [
        jnp.stack([jnp.roll(f, (-i, -j), (0, 1)) for j in range(f.shape[1])])
        for i in range(f.shape[0])
    ]
    return jnp.stack(rolled)[:, :, :height, :width]


def test_translations_give_the_correlation_of_convolutional_networks():
    f, psi = noise(5, 6), noise(3, 2, seed=1)
    loops = np.zeros(f.shape)
    for s, t in np.ndindex(f.shape):
        for x, y in np.ndindex(psi.shape):
            loops[s, t] += psi[x, y] * f[(s + x) % 5, (t + y) % 6]
    origin = (-(3 // 2), -(2 // 2))  # of the filter: its first pixel
    ndimage = scipy.ndimage.correlate(f, psi, mode="wrap", origin=origin)
    np.testing.assert_allclose(loops, ndimage, atol=1e-13)
    signal = scipy.signal.correlate2d(
        np.pad(f, ((0, 2), (0, 1)), mode="wrap"), psi, "valid"
    )
    np.testing.assert_allclose(loops, signal, atol=1e-13)
    in_both_precisions(
        lambda f, psi: semigroup_correlation(
            f, psi, act=lambda f: translations(f, *psi.shape)
        ),
        loops, f, psi,
    )  # fmt: skip


def test_rotations_of_the_plane_give_the_group_correlation():
    # The domain is moved, f(R_s x), by quarter turns; the other side of (17) moves psi.
    f, psi = noise(5, 5), noise(5, 5, seed=1)
    c = 2
    first, second = np.zeros(4), np.zeros(4)
    for s in range(4):
        turn = np.linalg.matrix_power(np.array([[0, -1], [1, 0]]), s)
        for x in itertools.product(range(-c, c + 1), repeat=2):
            forth, back = turn @ x + c, turn.T @ x + c
            first[s] += psi[x[0] + c, x[1] + c] * f[tuple(forth)]
            second[s] += psi[tuple(back)] * f[x[0] + c, x[1] + c]
    np.testing.assert_allclose(first, second, atol=1e-13)

    def act(f):
        # [[0, -1], [1, 0]] (y, x) = (-x, y): pixel (y, x) of it is f(-x, y).
        return jnp.stack([f, f[::-1].T, f[::-1, ::-1], f.T[::-1]])

    in_both_precisions(
        lambda f, psi: semigroup_correlation(f, psi, act=act), first, f, psi
    )


def test_a_cyclic_group_as_its_own_domain():
    f, psi = noise(6), noise(6, seed=1)
    wanted = by_loops(f, psi, lambda f, s: np.roll(f, -s), range(6))
    run = functools.partial(
        semigroup_correlation,
        act=lambda f: jnp.stack([jnp.roll(f, -s) for s in range(6)]),
    )
    in_both_precisions(run, wanted, f, psi)


def test_the_scale_correlation_is_a_semigroup_correlation(scale_correlation_oracle):
    # (19): the elements (A_k, z) act on lifted functions by `shift_levels`; the filter
    # lives on levels and pixels.
    f, psi = noise(3, 8, 8, 1), noise(2, 3, 3, 1, 1, seed=1)
    padded = np.concatenate([f, np.zeros((1, 8, 8, 1))])

    def act(f):
        found = []
        for k, i, j in np.ndindex(3, 8, 8):
            # From the first pixel of the filter, which is dilated with the level.
            z = np.array([i, j]) - 2**k
            moved = shift_levels(f, steps=k, shift=z, padding="wrap")
            whole = jnp.stack([
                moved[:2, u % moved.shape[1], v % moved.shape[2], 0]
                for u, v in np.ndindex(3, 3)
            ], 1)  # fmt: skip
            found.append(whole.reshape(2, 3, 3))
        return jnp.stack(found).reshape(3, 8, 8, 2, 3, 3)

    with jax.enable_x64(True):
        found = semigroup_correlation(padded, psi[..., 0, 0], act=act)
    wanted = scale_correlation_oracle(f, psi, base=2, padding="wrap")
    close(np.asarray(found), wanted[..., 0], 1e-12)


# --------------------------------------------------------------- under JAX's functions


def made(run, shape, **options):
    return functools.partial(run, **options), shape


SMALL, LIFTED = (4, 6, 2), (3, 4, 6, 2)
RUNS = {
    "lift": made(scale_space_lift, SMALL, levels=2, base=1.4, padding="edge"),
    "lift, two bases": made(scale_space_lift, SMALL, levels=2, anisotropic=(2, 1)),
    "action, real": made(scale_action, SMALL, steps=1, base=1.5, padding="symmetric"),
    "shift": made(shift_levels, LIFTED, steps=1, shift=(0, -1)),
    "shift, real": made(shift_levels, LIFTED, steps=1, shift=(0.5, 0), padding="wrap"),
}
every = pytest.mark.parametrize("name", RUNS)


@every
def test_gradients_are_finite_differences(x64, name):
    run, shape = RUNS[name]
    # Linear: finite differences are exact but for rounding.
    check_grads(
        jax.jit(run), (noise(*shape),), order=1, modes=("rev",), atol=1e-6, rtol=1e-6
    )


@every
def test_jit_vmap_and_leading_axes_are_a_loop(x64, name):
    run, shape = RUNS[name]
    x = noise(2, 3, *shape)
    alone = jax.jit(run)
    wanted = np.stack([[alone(one) for one in row] for row in x])
    close(np.asarray(run(x)), wanted, 1e-13)
    close(np.asarray(jax.jit(run)(x)), wanted, 1e-13)
    close(np.asarray(jax.vmap(run)(x)), wanted, 1e-13)


@pytest.mark.parametrize("name", ["lift", "action, real", "shift, real"])
def test_bfloat16_stays(name):
    run, shape = RUNS[name]
    x = jnp.asarray(noise(*shape), jnp.bfloat16)
    found = jax.jit(run)(x)
    assert found.dtype == jnp.bfloat16
    # Images, weights and sums are rounded to 2^-9, some times in a row.
    close(np.asarray(found, np.float32), np.asarray(run(x.astype(jnp.float32))), 0.02)


def test_semigroup_correlations_are_bilinear(x64):
    f, psi = noise(6), noise(6, seed=1)

    def run(f, psi):
        return semigroup_correlation(
            f, psi, act=lambda f: jnp.stack([jnp.roll(f, -s) for s in range(6)])
        )

    check_grads(jax.jit(run), (f, psi), order=1, modes=("rev",), atol=1e-6, rtol=1e-6)
    close(np.asarray(jax.jit(run)(f, psi)), np.asarray(run(f, psi)), 1e-14)
    several = noise(3, 6)
    found = jax.vmap(run, (0, None))(several, psi)
    close(np.asarray(found), np.stack([run(one, psi) for one in several]), 1e-14)
    low = run(jnp.asarray(f, jnp.bfloat16), jnp.asarray(psi, jnp.bfloat16))
    assert low.dtype == jnp.bfloat16


# -------------------------------------------------------------------------- bad input


IMAGE, FUNCTION = np.zeros((6, 6, 1), np.float32), np.zeros((3, 6, 6, 1), np.float32)
INTEGERS = IMAGE.astype(np.int32)


def lift(x=IMAGE, **options):
    return lambda: scale_space_lift(x, **options)


def action(x=IMAGE, steps=1, **options):
    return lambda: scale_action(x, steps=steps, **options)


def moved(f=FUNCTION, steps=1, **options):
    return lambda: shift_levels(f, steps=steps, **options)


def correlated(act, psi):
    return lambda: semigroup_correlation(np.ones(3), psi, act=act)


@pytest.mark.parametrize(
    ("run", "message"),
    [
        (lift(base=1), "`base=1` must be a number above 1: each level stands for a"),
        (lift(base=0.5), "`base=0.5` must be a number above 1"),
        (lift(base=math.nan), "`base=nan` must be a number above 1"),
        (lift(base=math.inf), "`base=inf` must be a number above 1"),
        (lift(base="2"), "`base='2'` must be a number above 1"),
        (lift(levels=0), "`levels=0` must be >= 1"),
        (lift(zero_scale=0), "`zero_scale=0`"),
        (lift(zero_scale=math.nan), "`zero_scale=nan` must be finite"),
        (lift(padding="reflect"), "`padding='reflect'` must be one of"),
        (lift(levels=1, padding="no"), "`padding='no'` must be one of"),
        (lift(IMAGE[0]), "add the channel axis"),
        (lift(anisotropic=(2, 0.5)), r"`anisotropic=\(2, 0.5\)` must .* at least 1"),
        (lift(anisotropic=(2, math.nan)), r"`anisotropic=\(2, nan\)` must be"),
        (lift(anisotropic=(2,)), r"`anisotropic=\(2,\)` must be a base for y and one"),
        (action(steps=-1), "`steps=-1` must be >= 0"),
        (action(base=1), "`base=1` must be a number above 1"),
        (action(zero_scale=0), "`zero_scale=0`"),
        (action(shift=(1,)), r"`shift=\(1,\)` must be two numbers"),
        (action(shift=(1, math.nan)), r"`shift=\(1, nan\)` must be two numbers"),
        (action(steps=0, padding="no"), "`padding='no'` must be one of"),
        (
            action(steps=2, padding="wrap"),
            "6 px can't be made smaller by 4: .*multiple of it, or another `padding`",
        ),
        (action(steps=4, base=math.sqrt(2), padding="wrap"), "6 px can't .* by 4"),
        (action(steps=3, base=2.5, padding="wrap"), "6 px can't .* by 15.6"),
        (moved(IMAGE), r"`f` of shape \(6, 6, 1\) must be \[..., K, H, W, C\]"),
        (moved(steps=3), "with more levels K than `steps=3`"),
        (moved(steps=-1), "`steps=-1` must be >= 0"),
        (moved(base=1), "`base=1` must be a number above 1"),
        (moved(padding="no"), "`padding='no'` must be one of"),
        (moved(shift=3), "`shift=3` must be two numbers"),
        (moved(steps=2, padding="wrap"), "6 px can't be made smaller by 4"),
        (correlated(lambda f: f, np.ones(2)), r"\(3,\), whose .* `psi`, \(2,\)"),
        (correlated(lambda f: f, np.ones((1, 3))), r"\(3,\), whose .* \(1, 3\)"),
    ],
)
def test_bad_values_are_named(run, message):
    with pytest.raises(ValueError, match=message):
        run()


@pytest.mark.parametrize(
    ("run", "message"),
    [
        (lift(levels=2.0), "`levels=2.0` must be an int"),
        (lift(INTEGERS), "dtype int32; convert it first"),
        (action(INTEGERS), "dtype int32; convert it first"),
        (action(steps=0.5), "`steps=0.5` must be an int"),
        (moved(FUNCTION.astype(np.int32)), "dtype int32; convert it first"),
    ],
)
def test_bad_types_are_named(run, message):
    with pytest.raises(TypeError, match=message):
        run()
