import dataclasses
import io
import json

import numpy as np
import pytest
from rich.console import Console

from gdjax.plots.generalisation import generalisation_curve
from gdjax.plots.scale_selection import scale_selection_map, scale_selection_maps
from gdjax_train import evaluation, predict, tables
from gdjax_train.errors import UserError
from gdjax_train.evaluation import Choices, trained_network
from gdjax_train.trials import trials


@pytest.fixture
def finished(stand_in, recipe, open_run):
    recipe = dataclasses.replace(recipe, poolings=("max", "mean"), eval_batch_size=5)
    session, _ = open_run(recipe)
    session.train()
    return session


def test_evaluation_has_a_row_for_every_network_and_pooling(finished):
    result = finished.evaluate(Choices(), command="gdjax-train x")
    assert result == finished.run.read_json("evaluation.json")
    assert result["factors"] == [0.5, 1.0, 2.0]
    names = [row["name"] for row in result["rows"]]
    assert names[:3] == [
        "discrete+relu, one channel",
        "discrete+relu, 2 channels, max",
        "discrete+relu, 2 channels, mean",
    ]
    assert len(names) == 6
    assert {"command", "seed", "commit", "jax", "device", "precision"} <= set(result)
    for row in result["rows"]:
        assert len(row["accuracy"]) == 3 and row["images"] == [13] * 3
        assert np.shape(row["selected"]) == (3, len(row["sigmas"]))
        np.testing.assert_allclose(np.sum(row["selected"], axis=1), 1)
        assert row["name"].startswith(row["net"] + ", ")
    for name in ("generalisation.png", "scale_selection.png"):
        assert (finished.run.path / name).read_bytes()[:4] == b"\x89PNG"
    text = (finished.run.path / "evaluation.json").read_text()
    assert "NaN" not in text and json.loads(text)
    # The table is never cut.
    output = io.StringIO()
    tables.print_scores(Console(file=output, width=30), result)
    assert all(name in output.getvalue() for name in names)


def test_accuracies_equal_an_unbatched_evaluation(finished, random_examples):
    result = finished.evaluate(Choices(), command="")
    images, labels = random_examples(13, 1)
    trial = trials(finished.recipe)[0]
    variables = trained_network(finished.run, trial, "multi")[1]
    model = evaluation.build(finished.recipe.model, "float32")
    logits, aux = model.apply(variables, images.astype(np.float32) / 255)
    expected = (logits.argmax(-1) == labels).mean()
    assert result["rows"][1]["accuracy"][0] == pytest.approx(expected)
    per_scale = predict.scores(model, variables, images, batch_size=5)
    np.testing.assert_allclose(per_scale, aux["per_scale"], atol=1e-5)


def test_training_images_are_scored_beside_the_test_images(
    stand_in, recipe, open_run, random_examples
):
    # 15 are asked for, of which 11 are trained on.
    own = dataclasses.replace(recipe.data, train_images=11)
    recipe = dataclasses.replace(
        recipe, data=own, eval_training_images=15, poolings=("max", "mean"),
        seeds=(0, 1), nets=recipe.nets[:1],
    )  # fmt: skip
    session, _ = open_run(recipe)
    session.train()
    result = session.evaluate(Choices(), command="")
    images, labels = random_examples(11)
    model = evaluation.build(recipe.model, "float32")
    means = []
    for trial in trials(recipe):
        variables = trained_network(session.run, trial, "multi")[1]
        logits, _ = model.apply(variables, images.astype(np.float32) / 255)
        means.append((logits.argmax(-1) == labels).mean())
    rows = {row["name"]: row["training"] for row in result["rows"]}
    found = rows["discrete+relu, seed 0, 2 channels, max"]
    assert found == {"accuracy": pytest.approx(means[0]), "images": 11}
    assert len(rows) == 6
    (mean,) = (
        row["training"]
        for row in result["summary"]
        if row["name"] == "discrete+relu, 2 channels, max"
    )
    assert mean["accuracy"] == pytest.approx(np.mean(means))
    console = Console(file=io.StringIO(), width=200)
    tables.print_scores(console, result)
    lines = [line.split() for line in console.file.getvalue().splitlines() if line]
    assert any(line[-1] == "training" for line in lines)
    assert any(line[-1] == f"{100 * means[0]:.2f}" for line in lines)


def test_choices_replace_what_the_recipe_says(finished):
    choices = Choices(factors=(2.0,), sigmas=(1.0, 3.0, 9.0), poolings=("mean",))
    result = finished.evaluate(choices, command="")
    assert result["factors"] == [2.0]
    assert [len(row["sigmas"]) for row in result["rows"]] == [1, 3, 1, 3]
    assert result["rows"][1]["pooling"] == "mean"


def test_a_factor_is_named_by_three_decimals(finished, monkeypatch):
    monkeypatch.setattr(evaluation, "test_factors", lambda _: (2**-0.75, 1.0))
    found = evaluation.chosen_factors(
        finished.recipe, Choices(factors=(1.0, 0.595, 3.0))
    )
    assert found == (2**-0.75, 1.0, 3.0)
    with pytest.raises(UserError, match="`factors=-1.0`"):
        finished.evaluate(Choices(factors=(-1.0,)))


def test_an_unfinished_run_is_not_evaluated(stand_in, recipe, open_run):
    session, _ = open_run(recipe)
    with pytest.raises(UserError, match="not trained to its end.*--resume"):
        session.evaluate(Choices(), command="")


def test_logits_are_pooled_over_the_channels():
    per_scale = np.array([[[0.0, 5.0], [4.0, 1.0], [3.0, 2.0]]], np.float32)
    np.testing.assert_allclose(predict.pooled(per_scale, "mean"), [[7 / 3, 8 / 3]])
    np.testing.assert_allclose(predict.pooled(per_scale, "max"), [[4, 5]])


ROWS = [
    {"name": "a", "sigmas": [1.0], "accuracy": [0.1, 0.9, 0.2]},
    {"name": "b", "sigmas": [1.0, 2.0], "accuracy": [0.8, 0.9, 0.7]},
]


def test_generalisation_curve_draws_the_numbers():
    figure = generalisation_curve((0.5, 1.0, 2.0), ROWS)
    lines = figure.axes[0].get_lines()
    assert [line.get_label() for line in lines] == ["a", "b"]
    np.testing.assert_allclose(lines[0].get_xdata(), [-1, 0, 1])
    np.testing.assert_allclose(lines[1].get_ydata(), [80, 90, 70])
    assert lines[0].get_linestyle() == "--"


def test_networks_without_scale_channels_have_a_colour_each():
    shared = {"discretisation": "discrete", "activation": "relu"}
    shared["accuracy"] = [0.5, 0.6]
    rows = [shared | {"name": name, "sigmas": []} for name in ("one", "other")]
    (axes,) = generalisation_curve((1.0, 2.0), rows, label="mean IoU (%)").axes
    assert len({line.get_color() for line in axes.lines}) == 2
    assert axes.get_ylabel() == "mean IoU (%)"


def test_generalisation_curve_refuses_rows_that_do_not_fit():
    with pytest.raises(ValueError, match="'a' has 3 accuracies for 2 factors"):
        generalisation_curve((0.5, 1.0), ROWS)


def test_scale_selection_map_draws_the_histogram():
    histogram = np.array([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]])
    figure = scale_selection_map(histogram, (0.5, 1.0, 2.0), (1.0, 2.0), title="net")
    (image,) = figure.axes[0].get_images()
    np.testing.assert_allclose(image.get_array(), histogram.T)
    assert figure.axes[0].get_title() == "net"
    panels = [("x", histogram, (1.0, 2.0))] * 3
    shown = scale_selection_maps(panels, (0.5, 1.0, 2.0)).axes
    assert sum(bool(axes.get_images()) and axes.get_visible() for axes in shown) >= 3


def test_the_choice_of_scale_channels_at_one_size_is_drawn_as_bars():
    figure = scale_selection_map([[0.25, 0.75]], (2.0,), (1.0, 4.0))
    (axes,) = figure.axes  # no bar of colours
    assert [bar.get_width() for bar in axes.patches] == [0.25, 0.75]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["1", "4"]
    assert "size factor 2" in axes.get_xlabel() and axes.get_xlim() == (0, 1)
    panels = [("net", [[0.25, 0.75]], (1.0, 4.0))]
    (axes,) = scale_selection_maps(panels, (2.0,), colours={"net": "red"}).axes
    assert axes.patches[0].get_facecolor() == (1, 0, 0, 1)


def test_scale_selection_map_refuses_another_shape():
    with pytest.raises(ValueError, match="at least one"):
        scale_selection_maps([], (0.5, 1.0, 2.0))
    with pytest.raises(ValueError, match=r"\(2, 3\).*\[factors, sigmas\]"):
        scale_selection_map(np.zeros((2, 3)), (0.5, 1.0, 2.0), (1.0, 2.0))


def test_an_error_in_a_figure_loses_no_number(finished, monkeypatch):
    def broken(*_, **__):
        raise KeyError("a colour")

    monkeypatch.setattr(evaluation.figures, "write_all", broken)
    with pytest.raises(UserError, match="not be drawn.*evaluation.json.*gdjax-evalu"):
        finished.evaluate(Choices(), command="")
    assert finished.run.read_json("evaluation.json")["rows"]
