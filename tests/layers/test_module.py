"""What all modules have in common: copies, and fields that are checked."""

import copy
import functools
import pickle

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gdjax
from gdjax import layers, models
from gdjax.layers.fields import field_types
from gdjax.models.any_module import AnyModule
from gdjax.scalespace.disco import DiscoBasis
from gdjax.scalespace.hermite import HermiteB
from gdjax.scalespace.matrices import Filter


def copies(value):
    return pickle.loads(pickle.dumps(value)), copy.deepcopy(value), copy.copy(value)


@jax.custom_jvp
def squared(x):
    return x * x


NETWORKS = {name: kind() for name, kind in models.FAMILIES.items()}
OTHERS = {
    "layer": layers.GaussianDerivative(3, sigma=1.0),
    "N-Jet layer": layers.NJetConv(3, bounds=[0.5, 4.0], name="conv"),
    "plain": layers.plain_convolution(3, size=3),
    "deformable": layers.DeformableConv(3),
    "block": layers.ResidualBlock(3, activation=functools.partial(nn.leaky_relu)),
    "correlation": layers.ScaleSpaceCorrelation(3, kernel_size=np.array([3, 1])),
    "scale convolution": layers.ScaleConv(3, (1.0, 2.0), HermiteB()),
    "dense": layers.DenseScaleConv(2, (1.0, 2.0), DiscoBasis()),
    "scales": layers.LearnedScales(learned="isr"),
    "norm": layers.SharedBatchNorm(),
    "active": layers.ActiveScales(3),
    "own activation": models.GaussDerNet(activation=squared),
    "of a tuple": models.NJetToy(
        convolution=functools.partial(
            layers.njet_convolution, bounds=(0.5, 4.0), sharing="input"
        )
    ),
    "any": AnyModule.of(models.GaussDerNet()),
    "filter": Filter(gdjax.SampledGaussian(), "wrap", 0.01, 2, 3),
    **{kind.__name__: kind() for kind in gdjax.Discretisation.__subclasses__()
       if not kind.__name__.startswith("_")},
}  # fmt: skip
EVERYTHING = {
    **NETWORKS,
    **{f"{name} module": config.build() for name, config in NETWORKS.items()},
    **OTHERS,
}


@pytest.mark.parametrize("name", EVERYTHING)
def test_copies_are_equal_and_compile_nothing_anew(name):
    value, traced = EVERYTHING[name], []

    @functools.partial(jax.jit, static_argnums=0)
    def stand_in(module, x):
        traced.append(module)
        return x

    stand_in(value, 1.0)
    for other in copies(value):
        assert other == value and hash(other) == hash(value)
        assert type(other) is type(value)
        stand_in(other, 1.0)
    assert len(traced) == 1


def test_copies_say_the_same():
    net = models.GaussDerNet(widths=[2], num_classes=2)
    x = jnp.ones((1, 5, 5, 1))
    variables = net.init(jax.random.key(0), x)
    scores = [each.apply(variables, x)[0] for each in (net, *copies(net))]
    for each in scores[1:]:
        np.testing.assert_array_equal(each, scores[0])


def test_bound_modules_are_copied_with_their_variables():
    layer = layers.LearnedSigma()
    bound = layer.bind(layer.init(jax.random.key(0)))
    np.testing.assert_array_equal(copy.deepcopy(bound)(), bound())


def test_modules_that_are_built_twice_are_equal():
    for config in NETWORKS.values():
        assert config.build() == config.build()


@pytest.mark.parametrize("name", [n for n in EVERYTHING if n.endswith("module")])
def test_every_field_of_a_network_is_checked_and_named(name):
    module = EVERYTHING[name]
    for field in field_types(type(module)):
        for value in (object(), 1j, {"a": 1}, [[1.0], "b"], np.float64("nan")):
            with pytest.raises((TypeError, ValueError), match=f"`{field}="):
                module.clone(**{field: value})


@pytest.mark.parametrize("name", NETWORKS)
def test_every_field_of_a_configuration_is_checked_and_named(name):
    config = NETWORKS[name]
    for field in field_types(type(config)):
        for value in (object(), 1j, {"a": 1}, [[1.0], "b"], np.float64("nan")):
            other = type(config)(**{**vars(config), field: value})
            with pytest.raises((TypeError, ValueError), match=f"`{field}[`=]"):
                other.check()


def test_lists_and_numbers_of_numpy_are_taken_as_pythons():
    net = models.GaussDerNet(
        widths=np.array([2, 3]), sigmas=np.float32(2.0), eps=np.float32(0.25),
        num_classes=np.int64(3), windowed=np.bool_(True),
    )  # fmt: skip
    assert net == models.GaussDerNet(
        widths=(2, 3), sigmas=(2.0,), eps=0.25, num_classes=3
    )
    assert type(net.num_classes) is int and type(net.eps) is float


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: models.GaussDerNet(widths=3), "`widths=3` must be a tuple of ints"),
        (lambda: models.GaussDerNet(sigmas="a"), "`sigmas='a'` must be a tuple"),
        (lambda: models.SESN(learned="isrr"), "`learned='isrr'` must be one of 'isr',"),
        (lambda: models.SESN(dtype=int), "`dtype=.*floating point type"),
        (lambda: models.NJetNIN(activation="relu"), "`activation='relu'` .* function"),
        (
            lambda: models.SESN(widths=(10**400, 2)),
            "`widths=.* must be a tuple of ints",
        ),
        (lambda: models.NJetUNet(widths=()), "`widths=\\(\\)`"),
        (lambda: layers.SharedBatchNorm(epsilon=-1), "`epsilon=-1.0` must be a finite"),
        (lambda: layers.SharedBatchNorm(momentum=np.nan), "`momentum=nan` must be a"),
        (lambda: layers.SharedBatchNorm(momentum=2), "`momentum=2.0` must be a finite"),
        (lambda: layers.ResidualBlock(3, order=0), "`order=0` must be >= 1"),
    ],
)
def test_what_is_wrong_is_said(make, message):
    with pytest.raises((TypeError, ValueError), match=message):
        make()


def test_a_partial_without_a_hash_of_its_arguments_has_one():
    first, second = (
        models.NJetToy(
            convolution=functools.partial(layers.njet_convolution, bounds=[0.5, 4.0])
        )
        for _ in range(2)
    )
    assert first == second and hash(first) == hash(second)
