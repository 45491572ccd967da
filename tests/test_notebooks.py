"""Notebooks: their sources run, and what is committed was made from them."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest


FOLDER = Path(__file__).parents[1] / "notebooks"
# In the place of the cell with the tag "parameters".
TINY = {
    "own_images": """
DIGITS = "rescaled_digits/tiny"
WIDTHS = (4,)
EPOCHS = 1
FACTORS = (0.5, 1.0, 2.0)
""",
    "equivariant_layers": """
SIZE = 32
NET_SIZE = 35
SIGMAS = (2.0,)
CHANNELS = tuple(0.5 * 1.4**k for k in range(11))
FACTORS = (1.4,)
WIDTHS = (4,)
""",
}
NAMES = sorted(path.stem for path in FOLDER.glob("*.py"))


def cells(name):
    """Those of a source: (kind, tags, text)."""
    parts = re.split(r"^# %%(.*)\n", (FOLDER / f"{name}.py").read_text(), flags=re.M)
    assert "jupytext" in parts[0]
    found = []
    for head, text in zip(parts[1::2], parts[2::2], strict=True):
        kind = "markdown" if "[markdown]" in head else "code"
        if kind == "markdown":
            text = re.sub(r"^# ?", "", text, flags=re.M)
        found.append((kind, re.findall(r'"(\w+)"', head), text.strip()))
    return found


def written(name):
    return json.loads((FOLDER / f"{name}.ipynb").read_text())["cells"]


def text_of(cell):
    """What the outputs of a cell say."""
    return "".join("".join(out.get("text", "")) for out in cell["outputs"])


def test_each_notebook_has_a_source_and_a_tiny_setting():
    assert NAMES == sorted(TINY)
    assert NAMES == sorted(path.stem for path in FOLDER.glob("*.ipynb"))


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_has_the_cells_of_its_source(name):
    found = [(c["cell_type"], "".join(c["source"]).strip()) for c in written(name)]
    assert found == [(kind, text) for kind, _, text in cells(name)]


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_was_run_once_from_top_to_bottom_without_complaints(name):
    code = [cell for cell in written(name) if cell["cell_type"] == "code"]
    assert [c["execution_count"] for c in code] == list(range(1, len(code) + 1))
    for cell in code:
        for out in cell["outputs"]:
            assert out["output_type"] != "error" and out.get("name") != "stderr"
        assert not re.search(r"warning|(^|[\s'\"])[/~]\w|:\\", text_of(cell), re.I)
    assert (FOLDER / f"{name}.ipynb").stat().st_size < 400_000
    assert any("image/png" in out.get("data", ()) for c in code for out in c["outputs"])


def numbers(name, row):
    """Those behind a name, in the last table that has it."""
    text = "\n".join(text_of(c) for c in written(name) if c["cell_type"] == "code")
    (*_, line) = re.findall(rf"^{row}[ :](.*)$", text, re.M)
    return [float(x) for x in re.findall(r"\d[\d.]*(?:e-?\d+)?", line)]


def test_the_text_on_own_images_says_what_was_measured():
    one, five, plain = (
        numbers("own_images", name)
        for name in ("one channel", "5 channels", "plain CNN")
    )
    assert min(one[4], five[4], plain[4]) > 98
    assert max(one[0], one[-1], plain[0], plain[-1]) < 50 and min(five) > 98


def test_the_text_on_layers_says_what_was_measured():
    # Columns: 0.5, 0.71, 1, 1.41, 2, 2.83 and 4 px.
    table = {
        name: numbers("equivariant_layers", name)
        for name in (
            "as above", "two layers", "zeros outside", "sampled derivatives",
            "discrete Gaussian", "kernels truncated", "ReLU between them",
            "SiLU between them", "then stride 2", "image bilinear", "sigma is ignored",
        )
    }  # fmt: skip
    assert max(table["as above"] + table["two layers"]) < 1e-5
    assert table["zeros outside"][0::4] == [0.2, 0.04]
    assert table["sampled derivatives"][0] > 0.5
    assert max(table["sampled derivatives"][3:]) < 1e-5
    assert table["discrete Gaussian"][2::2] == [0.08, 0.02, 0.005]
    assert max(table["kernels truncated"][2:]) < 0.01
    assert table["ReLU between them"][2:5:2] == [0.02, 0.003]
    assert table["SiLU between them"][2] == 0.002
    assert max(table["SiLU between them"][4:]) < 1e-5
    assert table["then stride 2"][2] == 0.3 and max(table["then stride 2"][5:]) < 1e-4
    assert table["image bilinear"][2] == 0.07
    assert set(table["sigma is ignored"]) == {0.5}
    spectral = numbers("equivariant_layers", "spectral, SiLU")[::2]
    discrete = numbers("equivariant_layers", "discrete, ReLU")[::2]
    assert 1e-4 < spectral[0] < 2.5e-4 and max(spectral[1:]) < 1e-5
    assert discrete[0] > 0.1 and discrete == sorted(discrete, reverse=True)
    one, ten = (
        numbers("equivariant_layers", f"{name} channel{s}, change of the scores")[::2]
        for name, s in (("one", ""), ("all", "s"))
    )
    assert min(one) > 0.4 and ten == pytest.approx([0.001, 0.01], rel=0.5)


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_runs(name, tmp_path):
    parameters = [text for _, tags, text in cells(name) if "parameters" in tags]
    assert len(parameters) == 1
    names = {re.match(r"\w+", line)[0] for line in parameters[0].splitlines()}
    assert names == set(re.findall(r"^\w+", TINY[name], re.M))
    source = "\n".join(
        TINY[name] if "parameters" in tags else text
        for kind, tags, text in cells(name)
        if kind == "code"
    )
    (tmp_path / "notebook.py").write_text(source)
    environment = os.environ | {
        "MPLBACKEND": "agg",
        "TFDS_DATA_DIR": str(tmp_path / "prepared"),
    }
    done = subprocess.run(
        [sys.executable, "-W", "error", "notebook.py"],
        cwd=tmp_path, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
