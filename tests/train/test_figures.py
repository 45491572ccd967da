"""Figures that look into a network, drawn from random weights."""

import dataclasses
import types

import jax
import numpy as np
import pytest
from matplotlib.colors import to_hex

from gdjax.models import FAMILIES, Preprocessing
from gdjax.plots.activation_maps import activation_maps
from gdjax.plots.colours import COLOURS
from gdjax.plots.effective_filters import filter_sheet
from gdjax_train import figures, insight
from gdjax_train.choices import check_name
from gdjax_train.data import Source
from gdjax_train.errors import UserError
from gdjax_train.evaluate import Request, dense_sigmas
from gdjax_train.recipe import Recipe
from gdjax_train.tables import summary
from gdjax_train.trials import TrainedNetwork, build, trials


SIGMAS = (0.7, 1.0, 1.4)
# What figures of N-Jet networks ask a row's network for.
ASKED = "scores", "learned_sigmas", "feature_map_sizes"
MODEL = types.SimpleNamespace(figures=ASKED, scale_bounds=(0.25, 16.0))
CANDIDATE = types.SimpleNamespace(network=types.SimpleNamespace(model=MODEL))


@pytest.fixture(params=["gaussdernet", "gaussderresnet"])
def candidate(request):
    return random_candidate(FAMILIES[request.param](widths=(3, 4), sigmas=SIGMAS))


def random_candidate(model):
    (trial,) = trials(Recipe(model=model))
    net = build(trial.recipe.model, "float32")
    variables = jax.jit(net.init)(jax.random.key(0), np.zeros((1, 12, 12, 1)))
    network = TrainedNetwork("3 channels", "single", trial.recipe.model)
    return figures.Candidate(trial, network, net, variables)


def test_maps_of_every_image_and_channel_are_drawn(candidate):
    images = np.random.default_rng(0).integers(0, 256, (2, 12, 12, 1), np.uint8)
    figure = insight.draw_maps(candidate, images, np.array([3, 5]))
    pictures = [axes for axes in figure.axes if axes.images]
    # An image and three maps over it (grey below) in each of two rows.
    assert sum(len(axes.images) for axes in pictures) == 2 * (1 + 2 * 3)
    assert "class 3" in pictures[0].get_ylabel()
    assert sum(axes.get_xlabel() == "selected" for axes in pictures) == 2
    assert "last layer" in figure.get_suptitle()


def test_maps_of_channels_on_grids_are_those_of_the_network_on_the_images_pixels():
    """Enlarged, on the images' own pixels, and reduced."""
    fields = {"sigmas": (0.7, 1.4, 2.8), "pyramid": 1.4, "enlarge": 1}
    candidate = random_candidate(FAMILIES["gaussdernet"](widths=(3, 4), **fields))
    images = np.random.default_rng(0).integers(0, 256, (2, 12, 12, 1), np.uint8)
    figure = insight.draw_maps(candidate, images, np.array([3, 5]))
    pictures = [axes for axes in figure.axes if len(axes.images) == 2]
    maps = [np.asarray(axes.images[1].get_array()) for axes in pictures]
    assert [y.shape for y in maps] == [(12, 12)] * 6
    _, aux = candidate.model.apply(candidate.variables, images.astype(np.float32) / 255)
    wanted = np.asarray(aux["per_scale"])[[0, 1], :, [3, 5]]
    # Scores are read out at the four centre pixels, in float32.
    read_out = np.stack([y[5:7, 5:7].mean() for y in maps]).reshape(2, 3)
    np.testing.assert_allclose(read_out[:, 1], wanted[:, 1], rtol=1e-4)
    marked = [axes.get_xlabel() == "selected" for axes in pictures]
    np.testing.assert_array_equal(
        np.reshape(marked, (2, 3)).argmax(1), wanted.argmax(1)
    )


def test_maps_are_of_the_true_class_of_images_that_are_known(candidate):
    images = np.random.default_rng(0).integers(0, 256, (30, 12, 12, 1), np.uint8)
    model, variables = candidate.model, candidate.variables
    logits, aux = jax.jit(model.apply)(variables, images.astype(np.float32) / 255)
    classes = np.asarray(logits).argmax(-1)
    # Right for every third image; of each class the first one of these is shown.
    labels = np.where(np.arange(30) % 3 == 1, classes, (classes + 1) % 10)
    data = types.SimpleNamespace(image=images, label=labels)
    shown = insight.known_images(candidate, data, 8)
    expected = {}
    for index in range(1, 30, 3):
        expected.setdefault(int(labels[index]), index)
    assert list(shown) == sorted(expected.values())[:5]
    # Of none: the first of each class, and maps of the true one.
    data.label = (classes + 1) % 10
    shown = insight.known_images(candidate, data, 8)
    assert shown[0] == 0 and (np.diff(shown) > 0).all()
    figure = insight.draw_maps(candidate, images[:1], data.label[:1])
    pictures = [axes for axes in figure.axes if axes.images]
    assert pictures[0].get_ylabel() == f"class {data.label[0]},\nseen as {classes[0]}"
    marked = [axes.get_xlabel() == "selected" for axes in pictures[1:4]]
    assert (
        marked.index(True) == np.asarray(aux["per_scale"])[0, :, data.label[0]].argmax()
    )


def test_images_are_shown_at_factor_2_where_there_are_any():
    def factor(name, canvas=None):
        return insight.shown_factor(Source(name, "test", canvas=canvas))

    assert factor("rescaled_digits") == factor("mnist", canvas=84) == 2
    assert factor("mnist") == 1


def test_maps_are_those_of_the_preprocessed_images(candidate):
    recipe = dataclasses.replace(
        candidate.trial.recipe,
        preprocessing=Preprocessing(mean=(0.5,), std=(0.1,), enlarge=1.5, padding=2),
    )
    trial = dataclasses.replace(candidate.trial, recipe=recipe)
    images = np.random.default_rng(0).integers(0, 256, (1, 12, 12, 1), np.uint8)
    shown = insight.draw_maps(
        dataclasses.replace(candidate, trial=trial), images, np.array([3])
    )
    picture = next(axes for axes in shown.axes if axes.images).images[0].get_array()
    assert picture.shape[:2] == (22, 22) and picture.min() >= 0


def test_filters_of_every_layer_are_drawn(candidate):
    figure = insight.draw_filters(candidate)
    texts = [text.get_text() for axes in figure.axes for text in axes.texts]
    names = candidate.model.layer_names()
    assert len(texts) == 3 * len(names)
    assert all(any(text.startswith(name) for text in texts) for name in names)
    levels = candidate.model.levels(1.0)
    assert len(levels) == len(names)
    assert figure.get_suptitle().endswith("in 3 of 3 scale channels")


def test_both_are_written_into_the_run(
    candidate, tmp_path, monkeypatch, random_examples
):
    class Run:
        def write_bytes(self, name, content):
            (tmp_path / name).write_bytes(content)

    monkeypatch.setattr(insight, "load_test", lambda *_, **__: random_examples(30))
    insight.write_all(Run(), Recipe(), [candidate], prefix="x_")
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == [
        "x_activation_maps_discrete-relu-3.png",
        "x_effective_filters_discrete-relu-3.png",
    ]
    assert all(path.read_bytes()[:4] == b"\x89PNG" for path in tmp_path.iterdir())


def test_colour_and_float_images_can_be_shown():
    images = np.random.default_rng(0).random((1, 5, 6, 3))
    figure = activation_maps(images, [np.zeros((1, 5, 6))], [1.0])
    assert len(figure.axes) == 3


def test_channels_share_a_range_of_colours_and_the_selected_one_is_marked():
    images = np.zeros((2, 5, 6, 1))
    maps = [np.full((2, 5, 6), k) + np.array([0, 10])[:, None, None] for k in range(3)]
    figure = activation_maps(images, maps, SIGMAS, selected=[2, 0])
    grid = [axes for axes in figure.axes if len(axes.images) == 2]
    limits = [axes.images[1].get_clim() for axes in grid]
    assert limits == [(0, 2)] * 3 + [(10, 12)] * 3
    assert [axes.get_xlabel() == "selected" for axes in grid] == [
        False, False, True, True, False, False,
    ]  # fmt: skip
    frames = [axes.spines["left"].get_linewidth() for axes in grid]
    assert frames[2] == frames[3] > frames[0]


@pytest.mark.parametrize("selected", [[0], [0.0, 1.0], [0, 3], [-1, 0]])
def test_selections_of_other_channels_are_refused(selected):
    maps = [np.zeros((2, 5, 6))] * 3
    with pytest.raises((TypeError, ValueError), match="`selected`"):
        activation_maps(np.zeros((2, 5, 6, 1)), maps, SIGMAS, selected=selected)


def test_arrays_that_do_not_fit_are_refused():
    images, maps = np.zeros((1, 5, 6, 1)), np.zeros((1, 5, 6))
    with pytest.raises(ValueError, match="one map per sigma"):
        activation_maps(images, [maps], [1.0, 2.0])
    with pytest.raises(ValueError, match="windowed=False"):
        activation_maps(images, [maps[:, :2]], [1.0])
    with pytest.raises(ValueError, match="N, H, W"):
        activation_maps(images[0], [maps], [1.0])
    with pytest.raises(ValueError, match="empty"):
        filter_sheet({})
    with pytest.raises(ValueError, match="2-D"):
        filter_sheet({"a": [np.zeros(3)]})


def test_a_network_has_one_colour_in_all_figures_of_a_run(monkeypatch):
    shared = {"discretisation": "njet", "train_size": 1.0, "accuracy": [0.5, 0.6]}
    shared["sizes"] = [[8, 8], [4, 4]]
    rows = [
        shared | {"name": f"{net}, seed {k}", "group": net, "net": net}
        for k in (0, 1)
        for net in ("njet+relu", "njet+relu+order2")
    ]
    for row in rows:
        row["sigmas"] = {"conv_1": 1.0, "conv_2": 2.0}
    result = {"factors": [1.0, 2.0], "rows": rows, "summary": summary(rows)}
    given = [types.SimpleNamespace(values=row, candidate=CANDIDATE) for row in rows]
    drawn = {}
    monkeypatch.setattr(
        figures, "write", lambda _, name, each: drawn.update({name: each})
    )
    figures.write_all(None, result, given)
    assert len(drawn) == 4
    for name, figure in drawn.items():
        (axes,) = figure.axes
        if name == "scores.png":
            texts = [text.get_text() for text in axes.get_yticklabels()]
            colours = [bar.get_facecolor() for bar in axes.patches]
        else:
            handles, texts = axes.get_legend_handles_labels()
            lines = [getattr(handle, "lines", [handle])[0] for handle in handles]
            colours = [line.get_color() for line in lines]
        assert len(texts) >= 2
        for text, colour in zip(texts, colours, strict=True):
            expected = COLOURS[int("order2" in text)]
            assert to_hex(colour).upper() == expected, (name, text)


def test_dense_transfer_halves_the_spacing():
    trained = tuple(2 ** (k / 2) for k in range(-3, 3))
    found = dense_sigmas(Request("run", per_octave=4, up_to=2.83), trained)
    np.testing.assert_allclose(found, [2 ** (k / 4) for k in range(-6, 7)])
    extended = dense_sigmas(Request("run", up_to=2.83), trained)
    np.testing.assert_allclose(extended, [*trained, 2**1.5])
    assert dense_sigmas(Request("run"), trained) == ()
    assert dense_sigmas(Request("run", sigmas=(1.0,)), trained) == (1.0,)


@pytest.mark.parametrize(
    "request_",
    [
        Request("run", per_octave=0),
        Request("run", up_to=0.1),
        Request("run", up_to=float("nan")),
        Request("run", per_octave=2, sigmas=(1.0,)),
    ],
)
def test_impossible_densities_are_refused(request_):
    with pytest.raises(UserError, match="per_octave"):
        dense_sigmas(request_, (1.0, 2.0))


def test_results_have_plain_names():
    check_name("dense-2_x")
    for name in ("", "../x", "a/b", "a.b", "a" * 65, "\u00b2"):
        with pytest.raises(UserError, match="letters"):
            check_name(name)
    for name in ("recipe", "Recipe", "data", "versions", "checkpoints", "weights"):
        with pytest.raises(UserError, match="of the run"):
            check_name(name)
