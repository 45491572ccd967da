"""What tests of several folders share: double precision, and slow float64 twins.

The twins are written from the formulas, with scipy and dense arrays, and share no code
with the package.
"""

import atexit
import functools
import gc
import itertools
import math
import os
import shutil
import subprocess
import sys
import tempfile

import jax
import numpy as np
import pytest
import scipy.ndimage
from numpy.polynomial import hermite_e, legendre
from scipy.special import ive
from scipy.stats import norm

import gdjax


# JAX makes many objects that stay: looking through them all is a tenth of the time.
gc.set_threshold(100_000, 50, 50)


def known(flags):
    """Whether JAX starts: it does not with flags that it does not know (any more)."""
    command = [sys.executable, "-c", "import jax; jax.devices()"]
    env = os.environ | {"XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}
    return not subprocess.run(command, env=env, capture_output=True).returncode


def compile_quickly():
    """Little optimised: most of the tests' time is compiling, not running.

    Workers and the commands that tests run compile the same thing once.
    """
    flags = os.environ.get("XLA_FLAGS", "")
    if "backend_optimization_level" not in flags:
        # They inherit these, too.
        flags = f"{flags} --xla_backend_optimization_level=0".strip()
    if "host_platform_device_count" not in flags:
        flags += " --xla_force_host_platform_device_count=2"  # for sharded arrays
    os.environ["XLA_FLAGS"] = flags
    if "fusion_emitters" not in flags and "PYTEST_XDIST_WORKER" not in os.environ:
        # Two thirds of the time, and again three quarters of it.
        more = " --xla_cpu_use_fusion_emitters=false"
        other = " --xla_cpu_parallel_codegen_split_count=1"
        choices = (flags + more + other, flags + more, flags + other)
        os.environ["XLA_FLAGS"] = next(filter(known, choices), flags)
    if jax.config.jax_compilation_cache_dir is None:
        folder = tempfile.mkdtemp(prefix="gdjax-tests-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        os.environ["JAX_COMPILATION_CACHE_DIR"] = folder
        os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
        jax.config.update("jax_compilation_cache_dir", folder)
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)


compile_quickly()


def pytest_addoption(parser):
    parser.addoption(
        "--whole-table", action="store_true", help="all of test_transformations.py"
    )


def pytest_collection_modifyitems(items):
    """The longest test first: other workers do the rest meanwhile."""
    items.sort(key=lambda item: "test_killed" not in item.nodeid)


@pytest.fixture
def x64():
    """Double precision, for this test only."""
    with jax.enable_x64(True):
        yield


PAD_MODES = {p: p for p in ("symmetric", "edge", "wrap")} | {"zero": "constant"}

DIFFERENCES = {0: [1], 1: [-1 / 2, 0, 1 / 2], 2: [1, -2, 1]}
DIFFERENCES[3] = [-1 / 2, 1, 0, -1, 1 / 2]
DIFFERENCES[4] = [1, -4, 6, -4, 1]
DIFFERENCES[5] = np.convolve(DIFFERENCES[3], DIFFERENCES[2])
DIFFERENCES[6] = np.convolve(DIFFERENCES[4], DIFFERENCES[2])


def discrete(n, sigma):
    return ive(abs(n), sigma**2)


def sampled(n, sigma):
    return norm.pdf(n, scale=sigma)


def normalized(n, sigma):
    far = np.arange(-math.ceil(12 * sigma) - 4, math.ceil(12 * sigma) + 5)
    return sampled(n, sigma) / sampled(far, sigma).sum()


def integrated(n, sigma):
    # On the side where the distribution function is small, for its relative accuracy.
    return norm.cdf(-abs(n) + 0.5, scale=sigma) - norm.cdf(-abs(n) - 0.5, scale=sigma)


def linearly_integrated(n, sigma):
    def second_integral(x):
        return x * norm.cdf(x, scale=sigma) + sigma**2 * sampled(x, sigma)

    x = -abs(n)
    return second_integral(x - 1) - 2 * second_integral(x) + second_integral(x + 1)


SMOOTHING = {
    gdjax.DiscreteGaussian: discrete,
    gdjax.SampledGaussian: sampled,
    gdjax.NormalizedSampledGaussian: normalized,
    gdjax.IntegratedGaussian: integrated,
    gdjax.LinearlyIntegratedGaussian: linearly_integrated,
}
VARIANCE_OFFSETS = {
    gdjax.IntegratedGaussian: 1 / 12,
    gdjax.LinearlyIntegratedGaussian: 1 / 6,
    gdjax.IntegratedGaussianDerivatives: 1 / 12,
}


def gaussian_derivative(x, sigma, order):
    """d^order g / dx^order."""
    polynomial = hermite_e.hermeval(x / sigma, [0] * order + [1])
    return (-1 / sigma) ** order * polynomial * sampled(x, sigma)


legendre_nodes = functools.lru_cache(legendre.leggauss)


def spectral(n, sigma, order):
    nodes, weights = legendre_nodes(2 * int(abs(n).max()) + 64 + int(16 * sigma))
    w = np.pi * nodes
    spectrum = (1j * w) ** order * np.exp(-(sigma**2) * w**2 / 2)
    return (np.exp(-1j * np.multiply.outer(n, w)) @ (weights * spectrum)).real / 2


@functools.lru_cache(maxsize=1000)
def reference_taps(discretisation, sigma, order, radius, cut=None):
    """Kernel of `order` in correlation form; smoothing (or it) cut at |n| <= cut."""
    kind = type(discretisation)
    reach = len(DIFFERENCES[order]) // 2
    if kind in SMOOTHING:
        n = np.arange(-radius - reach, radius + reach + 1)
        smoothing = SMOOTHING[kind](n, sigma)
    else:
        n = np.arange(-radius, radius + 1)
        if kind is gdjax.SampledGaussianDerivatives:
            taps = gaussian_derivative(-n, sigma, order)
        elif kind is gdjax.NormalizedSampledGaussianDerivatives:
            taps = gaussian_derivative(-n, sigma, order)
            taps = taps * normalized(n, sigma) / sampled(n, sigma)
        elif kind is gdjax.SpectralGaussian:
            taps = spectral(n, sigma, order)
        elif order == 0:
            taps = integrated(n, sigma)
        else:
            low = gaussian_derivative(-n - 0.5, sigma, order - 1)
            taps = gaussian_derivative(-n + 0.5, sigma, order - 1) - low
    if cut is not None:
        smoothing = taps = np.where(
            abs(n) <= cut, smoothing if kind in SMOOTHING else taps, 0
        )
        if kind in (
            gdjax.NormalizedSampledGaussian, gdjax.NormalizedSampledGaussianDerivatives,
        ):  # fmt: skip
            inside = np.arange(-cut, cut + 1)
            smoothing = taps = taps / normalized(inside, sigma).sum()
    if kind in SMOOTHING:
        return np.convolve(smoothing, DIFFERENCES[order])[2 * reach : len(n)]
    return taps


def reference_radius(discretisation, sigma, eps, *, ndim, order):
    """Where the kernels are cut: the smallest radius that keeps the mass."""
    kind = type(discretisation)
    share = eps if kind in SMOOTHING else eps / 2**order
    variance = sigma**2 + VARIANCE_OFFSETS.get(kind, 0)
    mass, radius = ive(0, variance), 0
    while mass < (1 - share) ** (1 / ndim):
        radius += 1
        mass += 2 * ive(radius, variance)
    if kind is gdjax.SpectralGaussian:
        ringing = sigma * np.exp(-(sigma**2) * np.pi**2 / 2) / (np.pi * eps)
        radius += math.ceil(ringing - 1e-3)
    return radius


def reference_orders(order, *, zero_order, ndim):
    """Multi-indices (x first) by total order, then descending x, then y."""
    found = []
    for total in range(0 if zero_order else 1, order + 1):
        every = itertools.product(range(total + 1), repeat=ndim)
        found += sorted((n for n in every if sum(n) == total), reverse=True)
    return found


def reference_njet(
    x, sigma, *, order, zero_order=False, discretisation=None, padding="zero", eps=None,
    ndim=2,
):  # fmt: skip
    """The N-jet of [..., (D,) (H,) W, C] in float64, without 1 / a!, [..., J, C]."""
    discretisation = discretisation or gdjax.DiscreteGaussian()
    x = np.asarray(x, np.float64)
    axes = range(x.ndim - 1 - ndim, x.ndim - 1)
    if eps is None:
        cut, width = None, max(math.ceil(10 * sigma) + 16, *x.shape[axes[0] : -1])
    else:
        cut = reference_radius(discretisation, sigma, eps, ndim=ndim, order=order)
        width = cut + 4
    margin = [(width, width) if axis in axes else (0, 0) for axis in range(x.ndim)]
    extended = np.pad(x, margin, mode=PAD_MODES[padding])
    inner = tuple(
        slice(left, left + n) for (left, _), n in zip(margin, x.shape, strict=True)
    )
    responses = []
    for multi_index in reference_orders(order, zero_order=zero_order, ndim=ndim):
        y = extended
        for axis, n in zip(reversed(axes), multi_index, strict=True):
            taps = reference_taps(discretisation, sigma, n, width, cut)
            y = scipy.ndimage.correlate1d(y, taps * sigma**n, axis, mode="constant")
        responses.append(y[inner])
    return np.stack(responses, axis=-2)


def reference_layer(
    x, kernel, bias, sigma, *, order, zero_order=False, ndim=2, **options
):
    """y_o = b_o + sum_c sum_a w[a, c, o] sigma^|a| / a! d_a (g * x_c), by loops."""
    jet = reference_njet(
        x, sigma, order=order, zero_order=zero_order, ndim=ndim, **options
    )
    orders = reference_orders(order, zero_order=zero_order, ndim=ndim)
    y = np.zeros((*jet.shape[:-2], kernel.shape[-1])) + np.asarray(bias, np.float64)
    for a, multi_index in enumerate(orders):
        for c in range(jet.shape[-1]):
            weights = np.asarray(kernel[a, c], np.float64)
            factorials = math.prod(map(math.factorial, multi_index))
            y += jet[..., a, c, None] * weights / factorials
    return y


def level_variance(k, base, zero_scale=0.5):
    """t_k = s_0^2 (base^(2 k) - 1), what T = A^-1 S_0 A^-T - S_0 is for A = base^-k."""
    return zero_scale**2 * (base ** (2 * k) - 1)


def reference_blur(x, variance, padding):
    """Sums over e^-t I_|n|(t), |n| <= 12 sqrt(t) + 24, [..., H, W, C], per axis."""
    x = np.asarray(x, np.float64)
    for axis, t in zip((-3, -2), np.broadcast_to(variance, 2), strict=True):
        reach = math.ceil(12 * math.sqrt(t)) + 24  # e^-72 of it is beyond
        margin = [(0, 0)] * x.ndim
        margin[axis] = (reach, reach)
        wide, size, y = np.pad(x, margin, mode=PAD_MODES[padding]), x.shape[axis], 0
        for n in range(-reach, reach + 1):
            moved = np.arange(reach - n, reach - n + size)
            y = y + ive(abs(n), t) * np.take(wide, moved, axis)
        x = y
    return x


def reference_read(x, positions, padding, axis):
    """x at real positions: whole ones in the padded axis, others trigonometrically."""
    x, size = np.asarray(x, np.float64), x.shape[axis]
    whole = np.rint(positions).astype(int)
    if np.abs(positions - whole).max() < 1e-9:
        margin = [(0, 0)] * x.ndim
        margin[axis] = (max(0, -whole.min()), max(0, whole.max() - size + 1))
        wide = np.pad(x, margin, mode=PAD_MODES[padding])
        return np.take(wide, whole + margin[axis][0], axis)
    assert padding == "wrap"
    frequency = np.fft.fftfreq(size)
    waves = np.exp(2j * np.pi * np.multiply.outer(positions, frequency))
    spectrum = np.moveaxis(np.fft.fft(x, axis=axis), axis, 0)
    return np.moveaxis(np.tensordot(waves, spectrum, 1).real / size, 0, axis)


def reference_scale_correlation(
    f, psi, *, base, padding, scale_axis="truncate", zero_scale=0.5
):
    """sum_i sum_l sum_y psi_l^io(y) f_(k + l)^i(base^k y + z), [..., K, H, W, C]."""
    f, psi = np.asarray(f, np.float64), np.asarray(psi, np.float64)
    levels, (depth, *taps, _, features) = f.shape[-4], psi.shape

    def fetch(k):
        last = f[..., levels - 1, :, :, :]
        if k < levels:
            return f[..., k, :, :, :]
        if scale_axis == "continue":
            more = level_variance(k, base, zero_scale)
            more -= level_variance(levels - 1, base, zero_scale)
            return reference_blur(last, more, padding)
        return {"truncate": 0 * last, "replicate": last}[scale_axis]

    found = []
    for k in range(levels - depth + 1 if scale_axis == "extend" else levels):
        y = np.zeros((*f.shape[:-4], *f.shape[-3:-1], features))
        for level, u, v in itertools.product(range(depth), *map(range, taps)):
            x = fetch(k + level)
            for axis, tap, size in ((-3, u, taps[0]), (-2, v, taps[1])):
                offset = base**k * (tap - size // 2)
                x = reference_read(x, np.arange(x.shape[axis]) + offset, padding, axis)
            for i, o in np.ndindex(psi.shape[3:]):
                y[..., o] += psi[level, u, v, i, o] * x[..., i]
        found.append(y)
    return np.stack(found, -4)


@pytest.fixture(scope="session")
def blur_oracle():
    return reference_blur


@pytest.fixture(scope="session")
def read_oracle():
    return reference_read


@pytest.fixture(scope="session")
def scale_correlation_oracle():
    return reference_scale_correlation


@pytest.fixture(scope="session")
def taps_oracle():
    return reference_taps


@pytest.fixture(scope="session")
def njet_oracle():
    return reference_njet


@pytest.fixture(scope="session")
def layer_oracle():
    return reference_layer
