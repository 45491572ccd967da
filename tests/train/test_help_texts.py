"""Help: recipes by paper with what they cost, common options first, ablations."""

import re

import pytest

from gdjax_train import __main__ as command, help_texts, recipes
from gdjax_train.ablations import ABLATIONS, NUMBERED
from gdjax_train.errors import UserError
from gdjax_train.recipes.costs import DATA, ESTIMATES, TIMES


def test_the_overview_fits_and_names_everything():
    lines = help_texts.overview().splitlines()
    assert max(map(len, lines)) <= 80
    names = [line.split()[0] for line in lines if line.strip()]
    assert set(recipes.RECIPES) <= set(names)
    for group in recipes.GROUPS:
        assert f"{group}:" in lines


def test_a_small_recipe_follows_its_full_one():
    names = list(recipes.RECIPES)
    small = [name for name in names if name.endswith("_small")]
    full = [name.removesuffix("_small") for name in small]
    pairs = [(a, b) for a, b in zip(full, small, strict=True) if a in names]
    assert len(pairs) > 10
    assert all(names.index(b) == names.index(a) + 1 for a, b in pairs)
    groups = [entry.group for entry in recipes.RECIPES.values()]
    assert list(dict.fromkeys(groups)) == list(recipes.GROUPS)


def test_every_recipe_has_its_costs():
    """`benchmarks/recipe_costs.py` estimates those of a new one."""
    assert set(TIMES) <= set(ESTIMATES) == set(recipes.RECIPES)
    used = {entry.recipe.data.name.partition("/")[0] for _, entry in entries()}
    assert used <= set(DATA)
    costs = {name: entry.cost for name, entry in entries()}
    assert costs["rescaled_digits"].time == "about 10 min on 2 cores"
    assert re.fullmatch(
        r"about \d+ days on 2 cores, estimated, \d+ GB; PatchCamelyon, .*",
        str(costs["dss_pcam"]),
    )
    text = help_texts.overview()
    assert all(str(cost) in " ".join(text.split()) for cost in costs.values())


def entries():
    return recipes.RECIPES.items()


@pytest.mark.parametrize("name", recipes.RECIPES)
def test_descriptions_fit_80_columns(name):
    lines = help_texts.description(name).splitlines()
    assert max(map(len, lines)) <= 80
    rules = [
        sum(line.lstrip().startswith("|--") for line in text)
        for text in (lines, recipes.RECIPES[name].description.splitlines())
    ]
    assert rules[0] == rules[1]


def printed_help(capsys, *arguments):
    with pytest.raises(SystemExit) as stopped:
        command.main(arguments)
    assert stopped.value.code == 0
    return capsys.readouterr().out


def test_common_options_come_first(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    short = printed_help(capsys, "gaussdernet_mnist", "--help")
    whole = printed_help(capsys, "gaussdernet_mnist", "--help-all")
    assert len(whole.splitlines()) > 2 * len(short.splitlines())
    for option in ("--epochs", "--data.train-images", "--optimizer.learning-rate"):
        assert option in short and option in whole
    for option in ("--model.order", "--augment.hue", "--optimizer.clip-norm"):
        assert option not in short and option in whole
    for words in ("--help-all", "--list-ablations", "Costs: 80 to 150 min", "MNIST"):
        assert words in short
    assert max(map(len, short.splitlines())) <= 80
    # Its own values, and words of the docstring.
    assert "(default: 40)" in short and "seed of initial weights" in short


def test_help_says_where_data_are_kept(monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", "/a/folder")
    assert "/a/folder" in help_texts.overview() and "TFDS_DATA_DIR" in (
        help_texts.overview()
    )
    monkeypatch.delenv("TFDS_DATA_DIR")
    assert "~/tensorflow_datasets" in help_texts.overview()


def test_ablations_are_listed_with_what_they_do(capsys):
    assert command.main(["--list-ablations"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    described = {line.split()[0]: line.split()[1:] for line in lines if line.strip()}
    for name in (*ABLATIONS, *(f"{prefix}2" for prefix in NUMBERED)):
        assert len(described[name]) > 1, name


def test_a_recipe_lists_those_that_its_networks_have(capsys):
    assert command.main(["gaussdernet_mnist", "--list-ablations"]) == 0
    said = capsys.readouterr().out
    names = {line.split()[0] for line in said.splitlines() if line.strip()}
    assert {"zero-order", "order3"} <= names
    assert not {"order2", "no-interaction", "isr-2", "separable", "dss"} & names
    with pytest.raises(UserError, match="did you mean"):
        help_texts.list_ablations("gaussdernet_mnst")
