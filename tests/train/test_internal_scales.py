"""Internal scales and drawn sizes in results: rows, means, tables, figures."""

import io
import json
import types

import numpy as np
import pytest
from rich.console import Console

from gdjax.models.sesn import SESNToyConfig
from gdjax_train import predict, scale_figures, scale_table, tables
from gdjax_train.internal_scales import error_of, mean_facts, mean_of, ranged
from gdjax_train.recipe import DataConfig, OptimizerConfig, Recipe, ScaleSchedule
from gdjax_train.scale_distribution import ScaleDistribution
from gdjax_train.trials import trials
from gdjax_train.validation import validate


NET = "sampled_derivatives+relu"
NETS = (
    f"{NET}+up-to-2+learned-isr",
    f"{NET}+up-to-2+isr-1.5+fixed-scales",
    f"{NET}+up-to-2+isr-2+fixed-scales",
    f"{NET}+up-to-2.5+isr-2+fixed-scales",
)


@pytest.fixture
def result(small_digits, open_run):
    """Of a run with learned ranges, and with fixed ones on two distributions."""
    recipe = Recipe(
        nets=NETS,
        epochs=1,
        batch_size=8,
        log_every=1,
        data=DataConfig(
            "mnist_scale/unscaled_{realisation}", canvas=12, train_images=16,
            scales=ScaleDistribution("log_uniform", low=1.0, high=3.0),
            realisations=(0, 1),
        ),
        model=SESNToyConfig(features=2, order=1, sigma=0.8, extent=2.0, grid=2),
        optimizer=OptimizerConfig(scales=ScaleSchedule(learning_rate=0.1)),
        eval_factors=(1.0, 2.0),
        eval_batch_size=5,
    )  # fmt: skip
    validate(recipe)
    session, said = open_run(recipe)
    session.train()
    predict._compiled.cache_clear()
    result = session.evaluate()
    tables.print_scores(session.console, result)
    scale_table.print_ranges(session.console, result)
    return types.SimpleNamespace(session=session, said=said(), values=result)


def test_a_sweep_is_one_run(result):
    values, path = result.values, result.session.run.path
    assert values == json.loads((path / "evaluation.json").read_text())
    assert len(values["rows"]) == 8 and len(values["summary"]) == 4
    by_name = {row["name"]: row for row in values["rows"]}
    fixed = by_name[f"{NETS[3]}, realisation 1"]
    assert fixed["drawn"]["scales"] == "log-uniform [1, 2.5]"
    own = fixed["internal_scales"]
    np.testing.assert_allclose(own["px"], 0.8 * 2 ** np.array([0, 0.5, 1]))
    assert own["isr"] == pytest.approx(2) and not own["learned"]

    learned = by_name[f"{NETS[0]}, realisation 0"]["internal_scales"]
    assert learned["learned"] and learned["isr"] != 3
    assert learned["start"] == {"sigma_basis": 0.8, "isr": pytest.approx(3)}
    lines = result.session.run.metrics()
    slug = trials(result.session.recipe)[0].slug
    last = [line for line in lines if line["member"] == slug][-1]
    assert learned["px"] == pytest.approx(last["scales"]["scales"])

    # Distributions and sizes are numbers to what is compiled, and no shapes: one
    # program for each of the three networks.
    assert predict._compiled.cache_info().misses == 3
    for name in ("error_over_isr", "errors", "scales_over_training", "generalisation"):
        assert (path / f"{name}.png").read_bytes()[:4] == b"\x89PNG"
    text = (path / "internal_scales.md").read_text()
    assert text.count("\n") == 6 and "| log-uniform [1, 2] | 0.8 | 1.5 |" in text

    assert "drawn sizes" in result.said and "internal scales, px" in result.said
    mean = values["summary"][0]
    line = f"{100 * mean['drawn']['accuracy']:.2f} ± {100 * mean['drawn']['std']:.2f}"
    assert line in result.said and "sigma of each layer" not in result.said
    check_lines(result.session)


def check_lines(session):
    """Learned scales over the training begin with their start."""
    rows = [
        types.SimpleNamespace(
            candidate=types.SimpleNamespace(trial=trial, network=network),
            values={"drawn": {"scales": str(trial.recipe.data.scales.high)}},
        )
        for trial in trials(session.recipe)
        for network in trial.networks()
    ]
    colours = {trial.group: "#123456" for trial in trials(session.recipe)}
    lines = scale_figures.training_lines(session.run, rows, colours)
    assert list(lines) == ["2.0"] and len(lines["2.0"]) == 2  # realisations
    for line in lines["2.0"]:
        assert list(line.epochs) == [0, 0.5, 1] and line.colour == "#123456"
        assert (line.isr[0], line.sigma_basis[0]) == pytest.approx((3, 0.8))
        assert line.isr[1] != line.isr[0]


def row(name, isr, *, learned=True, accuracy=0.9, sizes="log-uniform [1, 8]", **more):
    facts = ranged([2.0, 2 * isr**0.5, 2 * isr])
    start = {"sigma_basis": 2.0, "isr": 3.0}
    return {
        "name": name,
        "accuracy": [0.5, 0.6],
        "drawn": {"accuracy": accuracy, "images": 10, "scales": sizes},
        "internal_scales": facts | {"learned": learned, "start": start},
    } | more


def test_means_of_scales_and_of_errors():
    rows = [row("a", 4.0), row("a", 6.0, accuracy=0.8)]
    found = mean_facts(rows)
    assert (found["isr"], found["isr_std"]) == (5.0, 1.0)
    assert found["px"] == pytest.approx([2, 1 * (2 + 6**0.5), 10])
    assert found["spacings_std"] == pytest.approx([(6**0.5 - 2) / 2] * 2)
    assert found["learned"] and found["start"]["isr"] == 3
    drawn = mean_of(rows, "drawn")
    assert drawn["accuracy"] == pytest.approx(0.85)
    assert drawn["std"] == pytest.approx(0.05) and drawn["images"] == 10
    assert error_of({"drawn": drawn}) == pytest.approx((15, 5))


def test_means_of_networks_with_other_numbers_of_scales():
    other = row("a", 6.0)
    other["internal_scales"] |= ranged([1.0, 6.0])
    found = mean_facts([row("a", 4.0), other])
    assert "px" not in found and "spacings" not in found
    assert (found["isr"], found["sigma_basis"]) == (5.0, 1.5)
    mean = {"name": "a", "accuracy": [0.5], "runs": 2, "internal_scales": found}
    (line,) = scale_table.cells({"rows": [], "summary": [mean]})
    assert line[4] == "2.5 ± 0.5"
    assert line[5:] == ["1.500 ± 0.500", "5.000 ± 1.000", "", "", "50.000 ± 0.000"]


def test_scales_are_ascending_though_learned_ones_may_cross():
    found = ranged(np.float32([3.0, 2.0, 8.0]))
    assert found["px"] == [2, 3, 8] and found["isr"] == 4
    assert found["spacings"] == pytest.approx([1.5, 8 / 3])


def test_errors_without_drawn_sizes_are_those_of_the_only_size():
    assert error_of({"accuracy": [0.75]}) == (25, 0)
    assert error_of({"accuracy": [0.75], "std": [0.125]}) == (25, 12.5)
    assert error_of({"accuracy": [0.75, 0.5]}) is None


def test_the_table_has_means_or_single_rows():
    result = {
        "rows": [
            row("a, seed 0", 4.0, group="a"),
            row("b", 3.0, learned=False, group="b"),
            {"name": "plain", "accuracy": [0.5, 0.6], "group": "plain"},
        ],
        "summary": [],
    }
    first, second = scale_table.cells(result)
    assert first[:4] == ["a, seed 0", "log-uniform [1, 8]", "2", "3"]
    assert first[4:8] == ["3", "2.000", "4.000", "2.000, 2.000"]
    assert second[0] == "b" and second[-1] == "10.000"
    assert scale_table.markdown(result).splitlines()[0].startswith("| network | sizes")


def test_results_of_older_versions_are_shown():
    old = {"sigmas": {"scales": [2.0, 3.0]}, "parameters": 7, "compilations": 1}
    result = {
        "factors": [1.0, 2.0],
        "rows": [old | {"name": "a, seed 0", "group": "a", "accuracy": [0.5, 0.25]}],
    }
    output = io.StringIO()
    console = Console(file=output, width=30)
    tables.print_scores(console, result)
    scale_table.print_ranges(console, result)
    text = output.getvalue()
    assert "25.0" in text and "2.50" in text
    assert "drawn" not in text and "internal" not in text
    assert scale_table.markdown(result) == ""
    # Beside rows that have more.
    result["rows"].append(old | row("b", 4.0))
    tables.print_scores(console, result)
    assert "drawn sizes" in output.getvalue()


def test_points_and_names_of_the_figures():
    rows = [
        row(f"{NET}+up-to-8+isr-6", 6.0, learned=False),
        row(f"{NET}+up-to-8+isr-3", 3.0, learned=False, accuracy=0.95),
        row(f"{NET}+up-to-8+learned-isr", 4.0),
        row(f"{NET}+up-to-2", 2.0, sizes="log-uniform [1, 2]"),
    ]
    panels = scale_figures.by_sizes(rows)
    assert list(panels) == ["log-uniform [1, 8]", "log-uniform [1, 2]"]
    names = [[each["name"] for each in panel] for panel in panels.values()]
    assert names == [["isr-3", "learned-isr", "isr-6"], [f"{NET}+up-to-2"]]
    fixed = scale_figures.range_points(rows, learned=False)
    assert list(fixed) == ["log-uniform [1, 8]"]
    assert [point.isr for point in fixed["log-uniform [1, 8]"]] == [6, 3]
    assert scale_figures.best_fixed(rows) == {"log-uniform [1, 8]": 3}


def test_runs_whose_scales_are_all_fixed_have_no_lines():
    assert scale_figures.short_names([]) == []
