"""What is distributed: dependencies, extras, the wheel and its files."""

import ast
import os
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml

import gdjax
import gdjax_train
from gdjax import extras


ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CORE = [Path("gdjax", n) for n in ("scalespace", "layers", "models", "metrics")]
# Benchmarks import one another by their stems, and tests import them.
STEMS = (
    p.stem
    for glob in ("benchmarks/**", "tests/fuzz", "tests/tables")
    for p in ROOT.glob(f"{glob}/*.py")
)
OURS = {"gdjax", "gdjax_train", *STEMS}


def normal(distribution):
    return distribution.lower().replace("_", "-")


def declared(extra=None):
    """Names of the distributions that come with an extra, or without any."""
    found = set()
    lines = PROJECT["dependencies"]
    if extra is not None:
        found |= declared()
        lines = PROJECT["optional-dependencies"][extra]
    for line in lines:
        name, _, inner = line.split(">")[0].partition("[")
        if name == "gdjax":
            found |= {n for other in inner[:-1].split(",") for n in declared(other)}
        else:
            found.add(normal(name))
    return found


def brought(modules):
    """Distributions that hold the modules."""
    homes = packages_distributions()
    return {normal(homes[module][0]) for module in modules}


def imported(folder):
    """Top-level modules of other distributions that the files of a folder import."""
    names = set()
    for path in folder.glob("**/*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names.add(node.module)
    return {n.split(".")[0] for n in names} - sys.stdlib_module_names - OURS


@pytest.mark.parametrize(
    ("folder", "extra"),
    [
        *((folder, None) for folder in CORE),
        ("gdjax/data", "data"),
        ("gdjax/plots", "plots"),
        ("train/gdjax_train", "train"),
        ("tests", "test"),
        ("notebooks", "notebooks"),
    ],
)
def test_what_is_imported_is_declared(folder, extra):
    # Some come with Flax today, which need not stay so; TensorBoard is its own extra,
    # and notebooks alone, which bring it, need IPython.
    modules = imported(ROOT / folder) - {"tensorboardX", "IPython"}
    assert {m for m in modules if not brought([m]) <= declared(extra)} == set()


def test_extras_are_checked_for_all_of_their_packages():
    for extra, modules in extras.PACKAGES.items():
        assert brought(modules) == declared(extra) - declared()
    assert brought(gdjax_train.PACKAGES) == declared("train") - declared()


# All extras' packages but those that Flax itself needs on import.
EXTRAS = [name for name in gdjax_train.PACKAGES if name != "rich"]


def without(names, code):
    """Runs code in a process as if some packages were not installed."""
    hidden = f"import sys; sys.modules.update(dict.fromkeys({list(names)}))\n"
    command = [sys.executable, "-c", hidden + code]
    return subprocess.run(command, capture_output=True, text=True)


def test_functions_layers_and_networks_need_no_extra():
    modules = ("gdjax", *(f"gdjax.{folder.name}" for folder in CORE))
    done = without(EXTRAS, f"import {', '.join(modules)}")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("module", "extra", "names"),
    [
        ("gdjax.data", "data", ["h5py"]),
        ("gdjax.data", "data", EXTRAS),
        ("gdjax.plots", "plots", ["matplotlib"]),
    ],
)
def test_without_its_extra_a_package_says_what_is_missing(module, extra, names):
    code = f"try: import {module}\nexcept ImportError as error: print(error)"
    (line,) = without(names, code).stdout.splitlines()
    assert line.startswith(f"{module} needs") and "missing" in line
    assert line.endswith(f'pip install "gdjax[{extra}]"')
    assert (f"({names[0]} is missing)" in line) == (len(names) == 1)


@pytest.mark.parametrize(
    ("script", "arguments", "extra", "names"),
    [
        ("gdjax-train", [], "train", EXTRAS),
        ("gdjax-train", ["rescaled_digits", "--help"], "train", ["tyro"]),
        ("gdjax-evaluate", ["--help"], "train", ["tyro"]),
        ("gdjax-evaluate", ["runs/RUN"], "train", ["optax"]),
        ("gdjax-data", ["list"], "data", ["tyro"]),
        (
            "gdjax-data",
            ["show", "rescaled_digits", "--out", "x"],
            "plots",
            ["matplotlib"],
        ),
    ],
)
def test_without_its_extra_a_script_stops_after_one_line(
    script, arguments, extra, names, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    module, function = PROJECT["scripts"][script].split(":")
    code = f"from {module} import {function}\n"
    code += f"sys.argv[:] = {[script, *arguments]}\nsys.exit({function}())"
    done = without(names, code)
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"{script}: ")
    assert line.endswith(f'pip install "gdjax[{extra}]"')
    assert done.returncode == 2 and not done.stdout and not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """A folder with what the wheel installs."""
    pytest.importorskip("hatchling", reason='needs hatchling: pip install -e ".[test]"')
    built, installed = (tmp_path_factory.mktemp(n) for n in ("built", "installed"))
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", built]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (path,) = built.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        archive.extractall(installed)
    return installed


def test_the_wheel_claims_two_names(wheel):
    information = f"gdjax-{gdjax.__version__}.dist-info"
    names = {path.name for path in wheel.iterdir()}
    assert names == {"gdjax", "gdjax_train", information}
    for file in ("gdjax/py.typed", "gdjax_train/py.typed"):
        assert (wheel / file).is_file()
    licence = wheel / information / "licenses" / "LICENSE"
    assert licence.read_text() == (ROOT / "LICENSE").read_text()


def test_the_wheel_trains_far_from_any_checkout(wheel, tmp_path):
    environment = os.environ | {
        "PYTHONPATH": str(wheel),
        "TFDS_DATA_DIR": str(tmp_path / "prepared"),
    }

    def run(*arguments):
        command = [sys.executable, *arguments]
        kept = {"capture_output": True, "text": True}
        done = subprocess.run(command, cwd=tmp_path, env=environment, **kept)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    # A train.py of the user's once hid the package.
    (tmp_path / "train.py").write_text("raise RuntimeError('not gdjax')")
    place = run("-c", "import gdjax_train; print(gdjax_train.__file__)")
    assert Path(place).is_relative_to(wheel)
    flags = ["--epochs", "1", "--data.train-images", "64", "--data.test-images", "8"]
    flags += ["--nets", "discrete+relu", "--eval-factors", "1", "--out", "run"]
    flags += ["--model.widths", "4", "--model.sigmas", "1", "2"]
    run("-m", "gdjax_train", *flags)
    assert (tmp_path / "run" / "evaluation.json").is_file()


def test_the_citation_is_of_this_version_and_of_the_papers():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["cff-version"] == "1.2.0" and citation["type"] == "software"
    assert citation["message"] and citation["title"] and citation["authors"]
    assert citation["version"] == PROJECT["version"] == gdjax.__version__
    assert citation["license"] == PROJECT["license"]
    papers = citation["references"]
    assert all(p["title"] and p["authors"] and p["year"] for p in papers)
    text = (ROOT / "README.md").read_text()
    links = {paper["url"] for paper in papers if "url" in paper}
    assert len(papers) == 5 and all(link in text for link in links)
