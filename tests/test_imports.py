"""Who may import whom: arrows point downward only."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest


ROOT = Path(__file__).parents[1]
FILES = sorted([*ROOT.glob("gdjax/**/*.py"), *ROOT.glob("train/gdjax_train/**/*.py")])

# What each package must not import, directly.
FORBIDDEN = {
    "gdjax/scalespace": (
        "flax", "optax", "gdjax.layers", "gdjax.models", "gdjax.data", "gdjax.metrics",
        "gdjax.plots",
    ),
    "gdjax/layers": (
        "optax", "gdjax.models", "gdjax.data", "gdjax.metrics", "gdjax.plots",
    ),
    "gdjax/models": ("optax", "gdjax.data", "gdjax.metrics", "gdjax.plots"),
    "gdjax/data": ("flax", "gdjax.layers", "gdjax.models", "gdjax.metrics"),
    "gdjax/metrics": ("flax", "gdjax.layers", "gdjax.models", "gdjax.data"),
    "gdjax/plots": ("flax", "gdjax.layers", "gdjax.models", "gdjax.data"),
    "gdjax": ("gdjax_train",),
}  # fmt: skip


def imported(path):
    """Dotted names of everything that a file imports, at any depth."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            package = path.relative_to(ROOT).parts[: -node.level] if node.level else ()
            module = [*package, *([node.module] if node.module else [])]
            names |= {".".join([*module, alias.name]) for alias in node.names}
    return names


def within(name, packages):
    return any(name == p or name.startswith(p + ".") for p in packages)


def place(path):
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", FILES, ids=place)
def test_imports_point_downward(path):
    for folder, forbidden in FORBIDDEN.items():
        if place(path).startswith(folder + "/"):
            assert not {n for n in imported(path) if within(n, forbidden)}


@pytest.mark.parametrize("path", FILES, ids=place)
def test_heavy_packages_are_imported_in_one_place_only(path):
    names = imported(path)
    if not place(path).startswith("gdjax/plots/"):
        assert not {n for n in names if within(n, ["matplotlib"])}
    if not place(path).startswith("gdjax/data/"):
        assert not {n for n in names if within(n, ["tensorflow_datasets"])}
    assert not {n for n in names if within(n, ["tensorflow", "torch", "pyscsp"])}


@pytest.mark.parametrize("path", FILES, ids=place)
def test_nothing_executes_data(path):
    unsafe = ["pickle", "cPickle", "dill", "cloudpickle", "marshal", "shelve"]
    assert not {n for n in imported(path) if within(n, unsafe)}
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in ("eval", "exec", "compile", "__import__")
        if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
            assert isinstance(node.value, ast.Constant) and node.value.value is False


def mentions(path, owner, name):
    return any(
        isinstance(node, ast.Attribute)
        and node.attr == name
        and isinstance(node.value, ast.Name)
        and node.value.id == owner
        for node in ast.walk(ast.parse(path.read_text()))
    )


@pytest.mark.parametrize(
    ("owner", "name", "homes"),
    [
        # Batch statistics are pooled over scale channels, as no layer of Flax does, and
        # which of them are in use is no matter of one channel.
        ("self", "variable", {"gdjax/layers/norm.py", "gdjax/layers/active_scales.py"}),
        ("nn", "BatchNorm", set()),
    ],
)
def test_sharing_over_scales_is_declared_in_one_file(owner, name, homes):
    users = {place(p) for p in FILES if mentions(p, owner, name)}
    assert {user for user in users if user.startswith("gdjax/")} == homes


def test_importing_gdjax_takes_little():
    # scipy alone takes longer than all of gdjax.
    code = "import sys, gdjax; print([m for m in sys.modules if 'scipy' in m])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "'scipy" not in run.stdout and run.returncode == 0, run


SPEED = ["jax.interpreters", "jax.extend", "jax.experimental"]


@pytest.mark.parametrize("path", FILES, ids=place)
def test_what_changes_only_speed_sits_in_one_place(path):
    if not place(path).startswith("gdjax/scalespace/execution/"):
        assert not {n for n in imported(path) if within(n, SPEED)}
        platforms = "platform_dependent", "default_backend"
        if place(path).startswith("gdjax/"):
            assert not [n for n in platforms if n in path.read_text()]
