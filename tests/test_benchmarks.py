"""What the benchmarks measure with: images, enlargements and errors."""

import json
import pathlib
import sys

import numpy as np
import pytest

import gdjax
from gdjax.metrics import enlarge, scale_covariance_error, scale_covariance_maps


BENCHMARKS = pathlib.Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def benchmarks(monkeypatch):
    """The folder's modules can be imported."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if (BENCHMARKS / f"{name}.py").exists():
            del sys.modules[name]


def test_photographs_are_windowed_and_band_limited(benchmarks):
    import photographs

    images = photographs.photographs(48)
    assert images.shape == (48, 48, len(photographs.NAMES))
    for image in np.moveaxis(images, -1, 0):
        edge = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
        # The band limit lets a little through the window's zeros.
        assert np.abs(edge).max() < 0.15 < 0.9 < image.std() <= 1
        np.testing.assert_allclose(photographs.band_limited(image), image, atol=1e-12)


@pytest.mark.parametrize("factor", [1.25, 2, 4])
def test_bicubic_puts_pixels_where_fourier_does(benchmarks, factor):
    import photographs

    n = 48
    wave = np.cos(2 * np.pi * 2 * np.arange(n) / n)
    images = (wave[:, None] * np.roll(wave, 5))[..., None]
    difference = photographs.bicubic(images, factor) - enlarge(images, factor)
    inner = slice(n // 4, -n // 4)
    # Cubic convolution errs by O(h^3) here: h = 2 pi 2 / 48 = 0.26.
    assert 1e-6 < np.abs(difference[inner, inner]).max() < 0.26**3 / 4


def test_errors_of_known_maps(benchmarks):
    import covariance

    expected = np.ones((8, 8, 2))
    found = expected.copy()
    found[2:6, 2:6, 0] += 0.5
    found[0, 0, 1] += np.sqrt(48)
    errors = covariance.errors(found, expected)
    np.testing.assert_allclose(errors["interior"], [0.5, 0])
    np.testing.assert_allclose(errors["border"], [0, 1])
    assert errors["sesn"] == pytest.approx(0.25 / 2)
    assert covariance.medians(errors)["interior"] == pytest.approx(0.25)


def test_spectral_derivatives_are_covariant_under_reduction_too(benchmarks):
    import covariance
    import photographs

    def run(images, sigma):
        kind = gdjax.SpectralGaussian()
        return gdjax.njet(images, sigma, discretisation=kind).reshape(
            *images.shape[:2], -1
        )

    images = photographs.photographs(64).astype(np.float32)
    errors = [covariance.reduced_error(run, images, sigma=s) for s in (1, 2, 4)]
    # Blur by 3/4 px^2 is a relative change of 3 / (16 sigma^2) of the variance, which
    # changes derivatives of order up to 2 at their own scale by about as much.
    for error, sigma in zip(errors, (1, 2, 4), strict=True):
        assert error < 3 / (16 * sigma**2) * 3


def test_maps_are_what_the_error_is_made_of():
    image = np.random.default_rng(0).normal(size=(12, 12, 1)).astype(np.float32)

    def run(x, sigma):
        return gdjax.smooth(x, sigma, padding="wrap")

    found, expected = scale_covariance_maps(run, image, sigma=1.0, factor=2)
    error = scale_covariance_error(run, image, sigma=1.0, factor=2)
    norms = [np.linalg.norm(y) for y in (found - expected, expected)]
    np.testing.assert_allclose(error, norms[0] / norms[1])


def test_tables_have_a_row_per_case(benchmarks):
    import equivariance_report

    rows = [
        {"kind": kind, "sigma": sigma, "interior": sigma}
        for kind in "ab"
        for sigma in (0.5, 1.0)
    ]
    lines = equivariance_report.table(rows, "sigma", "interior", "kind")
    assert lines == [
        "| kind | sigma 0.5 | sigma 1 |", "|---|---|---|",
        "| a | 5.0e-01 | 1.0e+00 |", "| b | 5.0e-01 | 1.0e+00 |", "",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "order", "where"),
    [
        ("replicate", 1, "border"), ("extend", 1, "clear"),
        # Smoothing on is what derivatives of order 0 need, but not higher ones.
        ("continue", 1, "border"), ("continue", 0, "border"),
    ],
)  # fmt: skip
def test_only_the_border_of_the_scale_axis_errs(
    benchmarks, monkeypatch, rule, order, where
):
    import photographs
    import steerable_equivariance as steerable

    images = photographs.photographs(32)[..., :2].astype(np.float32)
    monkeypatch.setitem(steerable.LAYERS, "small", steerable.HermiteA(order))
    monkeypatch.setitem(steerable.RANGES, "three", (2.0, 1.25, 3))
    rows = list(
        steerable.rows_of(
            images, "three", "small", "spectral", depth=2, padding="wrap",
            scale_dim=2, scale_axis=rule, features=2,
        )
    )  # fmt: skip
    assert [row["levels"] for row in rows] == ["2, 2.5 px", "2.5, 3.12 px"]
    assert [row["where"] for row in rows] == ["clear", where]
    # Linear, wrapped and band-limited: exact but for rounding, elsewhere.
    assert rows[0]["error"] < 1e-5
    assert (rows[1]["error"] < 1e-5) == (where == "clear" or order == 0)
    lines = steerable.markdown({"stacks": rows}).splitlines()
    assert "## The last pair of levels by the border rule, linear, wrapped" in lines
    assert lines[-1].startswith("| small, spectral | ")


def test_dense_filters_are_the_same_network(benchmarks):
    import steerable_speed as speed

    nets = {
        "ScaleConv": speed.SESN(**speed.SMALL, learned="isr"),
        "dense": speed.DenseSESN(**speed.SMALL, learned="isr", size=13),
    }
    assert speed.largest_difference(nets, 16) < 1e-5
    result = {
        "batch": 2, "side": 16, "filters": 13, "ratio": 4.0, "difference": 1e-7,
        "step_s": {"ScaleConv": 0.5, "dense": 2.0},
        "compile_s": dict.fromkeys(nets, 3.0),
        "device": "cpu", "jax": "0", "precision": "float32", "commit": "c",
    }  # fmt: skip
    lines = speed.markdown(result).splitlines()
    assert "| ScaleConv | 500 | 4.0 | 3 |" in lines
    assert lines[-1] == "ScaleConv is 4.0 times as fast."


def test_njet_tables_and_plots_are_made_from_what_was_measured(benchmarks):
    import njet

    row = {"name": "a", "step_s": 0.5, "ratio": 1.0, "compile_s": 3.0}
    epoch = {"epoch": 0, "sigmas": [1.0, 1.26], "sizes": None, "count": 1}
    result = {
        "shape": "2 images of 8 x 8 px",
        "sharing": [[row, row | {"name": "b", "ratio": 1.25}], [row]],
        "twins": [row],
        "training": [epoch],
        "training_safe": [epoch | {"sizes": [6, 4]}],
    }
    lines = njet.markdown(result).splitlines()
    assert "| b | 500 | 1.25 | 3 |" in lines
    assert "| 0 | 1.00, 1.26 | 6, 4 | 1 |" in lines
    titles = [axes.get_title() for axes in njet.figure(result).axes]
    assert titles[1:] == ["beside the plain 3 x 3 twin", "safe subsampling"]
    njet.plt.close("all")


def test_speed_is_written_part_by_part(benchmarks, tmp_path):
    import speed_report
    from outputs import write

    seconds = {"3x3 convolution": 0.5, "gdjax discrete, sigma 1": 0.6}
    layer = {"what": "One layer", "step_s": seconds, "compile_s": {}}
    seconds = {"gdjax, 6 channels": 2.0, "PyTorch twin": 7.0}
    network = {"what": "A network", "step_s": seconds}
    network["compile_s"] = {"gdjax, 6 channels": 30.0}
    result = {"torch": None, "parts": {"layers": layer}}
    for part in ({}, {"gaussderresnet": network}):
        result["parts"] |= part
        table = speed_report.markdown(result)
        write(tmp_path, "speed", result, table, speed=speed_report.figure)
    assert json.loads((tmp_path / "speed.json").read_text()) == result
    lines = (tmp_path / "speed.md").read_text().splitlines()
    assert lines[0] == speed_report.NO_TORCH
    assert "| gdjax discrete, sigma 1 | 600.0 | 1.20 |  |" in lines
    assert "| gdjax, 6 channels | 2000.0 | 1.00 | 30 |" in lines
    assert "| PyTorch twin | 7000.0 | 3.50 |  |" in lines
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["speed.json", "speed.md", "speed.png"]


def test_scores_of_trained_networks_at_another_size(benchmarks):
    """Scores that move by a channel for each sqrt 2: matched ones are equal."""
    import trained_invariance

    sigmas = tuple(2 ** (k / 2) for k in range(5))
    for octaves, steps in ((0.25, None), (0.5, 1), (-1, -2)):
        assert trained_invariance.steps_between(2**octaves, sigmas) == steps
    every = np.random.default_rng(0).uniform(size=(50, 9, 4))
    wanted = every[:, 2:7]
    for steps in (-2, 1):
        found = every[:, 2 - steps : 7 - steps]
        row = trained_invariance.compare(found, wanted, steps)
        assert row["channels"] == row["matched"] == 0 and row["matched_kept"] == 100
        assert row["pooled"] > 0 and row["pooled_kept"] < 100
    # By one channel, what is in the interior of both is in both.
    assert row["interior_kept"] == 100
    assert "matched" not in trained_invariance.compare(every[:, :5], wanted, None)


def test_images_are_moved_unless_something_leaves(benchmarks):
    import trained_invariance

    images = np.zeros((1, 6, 6, 1))
    images[0, 3, 2] = 1
    assert trained_invariance.moved(images, 3)[0, 0, 5, 0] == 1
    assert trained_invariance.moved(images, 4) is None
