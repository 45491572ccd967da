"""Uniformity of the public interface."""

import inspect

import flax.linen as nn
import pytest

import gdjax
import gdjax.layers
import gdjax.metrics
import gdjax.models
import gdjax.plots
import gdjax.scalespace


MODULES = [
    gdjax, gdjax.scalespace, gdjax.layers, gdjax.models, gdjax.metrics, gdjax.plots,
]  # fmt: skip
PUBLIC = {
    f"{module.__name__}.{name}": value
    for module in MODULES
    for name, value in vars(module).items()
    if not name.startswith("_")
    and callable(value)
    and value.__module__.startswith("gdjax.")
}
# Initialisers have the arguments that Flax calls them with.
FUNCTIONS = {
    n: f
    for n, f in PUBLIC.items()
    if inspect.isfunction(f) and f is not gdjax.layers.he_uniform
}
NETWORKS_AND_LAYERS = {
    n: c for n, c in PUBLIC.items() if inspect.isclass(c) and issubclass(c, nn.Module)
}


# Arrays like those before them, which may be left out: not options.
OPTIONAL_ARRAYS = ("keep",)


def signature(function):
    return inspect.signature(function).parameters


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_has_a_docstring(name):
    doc = inspect.getdoc(PUBLIC[name])
    assert doc and doc.splitlines()[0].rstrip(":").endswith((".", ")", "]", "]."))
    # Flax and dataclasses write a signature where there is no docstring.
    assert not doc.startswith(PUBLIC[name].__name__ + "(")


@pytest.mark.parametrize("name", [n for n in PUBLIC if "metrics" not in n])
def test_every_public_name_names_its_source(name):
    # In its own docstring, or for a whole file in that of the file.
    value = PUBLIC[name]
    doc = inspect.getdoc(value) + inspect.getdoc(inspect.getmodule(value))
    papers = ("gaussdernet", "gaussderresnet", "njet", "dss", "scale_learning")
    papers = [f"[{paper}]" for paper in papers]
    assert any(tag in doc for tag in (*papers, "gdjax"))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_options_are_keyword_only(name):
    for parameter in signature(FUNCTIONS[name]).values():
        if parameter.default is not inspect.Parameter.empty:
            keyword_only = parameter.kind is inspect.Parameter.KEYWORD_ONLY
            assert keyword_only or parameter.name in OPTIONAL_ARRAYS, parameter


@pytest.mark.parametrize("name", FUNCTIONS)
def test_keys_come_first_and_are_called_key(name):
    names = list(signature(FUNCTIONS[name]))
    assert not {"rng", "rngs", "prng", "prng_key", "seed"} & set(names)
    assert "key" not in names[1:]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_argument_is_named_in_the_docstring(name):
    doc = inspect.getdoc(FUNCTIONS[name])
    if "Args:" in doc:
        for parameter in signature(FUNCTIONS[name]):
            assert f"{parameter}:" in doc or f"{parameter}, " in doc, parameter


@pytest.mark.parametrize("name", NETWORKS_AND_LAYERS)
def test_every_field_of_a_module_is_documented(name):
    module = NETWORKS_AND_LAYERS[name]
    # Fields of a base class are described there.
    doc = " ".join(cls.__doc__ or "" for cls in module.__mro__)
    for field in module.__dataclass_fields__:
        if field not in ("name", "parent"):
            assert f"{field}:" in doc, field


def test_the_names_that_others_rely_on_are_there():
    for name in (
        "scaled_bessel discrete_gaussian truncation_radius derivative_orders smooth"
        " njet directional_derivative geometric_scales DiscreteGaussian SampledGaussian"
        " NormalizedSampledGaussian IntegratedGaussian LinearlyIntegratedGaussian"
        " SampledGaussianDerivatives IntegratedGaussianDerivatives"
        " NormalizedSampledGaussianDerivatives SpectralGaussian"
    ).split():
        assert hasattr(gdjax, name)
    assert issubclass(gdjax.layers.GaussianDerivative, nn.Module)
    assert issubclass(gdjax.models.GaussDerNet, nn.Module)


@pytest.mark.parametrize("name", [n for n in vars(gdjax) if "Gaussian" in n])
def test_discretisations_take_no_arguments(name):
    assert isinstance(getattr(gdjax, name)(), gdjax.Discretisation)
