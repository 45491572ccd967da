"""Functions, layers and networks under every transformation of JAX.

Values and gradients are those of the plain mathematics on one device. The default run
has functions, layers and one tiny network of each family; all of the table:

    pytest tests/test_transformations.py --whole-table
"""

import functools
import logging
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding, PartitionSpec as P

import gdjax
import gdjax.models
from gdjax.layers import (
    DenseScaleConv,
    GaussianDerivative,
    NJetConv,
    ResidualBlock,
    ScaleConv,
    ScaleSpaceCorrelation,
    njet_convolution,
    plain_convolution,
)
from gdjax.models import (
    DISCO,
    SESN,
    GaussDerNet,
    GaussDerResNet,
    NJetNIN,
    NJetToy,
    NJetUNet,
    SConvNet,
    SESNToy,
)
from gdjax.scalespace import (
    DiscoBasis,
    HermiteA,
    HermiteB,
    hermite_basis_b,
    plain,
    scale_action,
    scale_space_correlation,
    scale_space_lift,
    semigroup_correlation,
    shift_levels,
)


DEVICES = 2
ANYWHERE = jax.export.DisabledSafetyCheck.platform()  # may run elsewhere


class Case(NamedTuple):
    """`apply(parameters, x)`; `split` says how channels are cut into two, if at all."""

    apply: Any
    make: Any  # key, x -> parameters
    shape: tuple[int, ...] = (2, 6, 5, 4)
    split: tuple[Any, Any, Any] | None = None  # specs of parameters, x and the result


def function(run, sigma, **fields):
    return Case(run, lambda key, x: jnp.asarray(sigma, x.dtype), **fields)


def module(made, pick=lambda y: y, **fields):
    def apply(variables, x):
        return pick(made.apply(variables, x))

    return Case(apply, made.init, **fields)


def network(made, **fields):
    return module(made, lambda found: found[0], **{"shape": (2, 8, 8, 1), **fields})


SPECTRAL = gdjax.SpectralGaussian()
FEATURES = {"params": {"kernel": P(None, None, "d"), "bias": P("d")}}
OUT = P(None, None, None, "d")
CHANNELS = P(), OUT, OUT
LEVELS = P(None, None, None, None, "d")
SEMIGROUP = {"levels": 3, "zero_scale": 0.6}
LIFTED = (2, 3, 6, 5, 2)
SCALES = 0.7, 1.0, 1.3


def scale_conv(layer):
    """The scale axis is behind that of the batch here; scales are parameters, too."""

    def moved(x, source, target):
        return x if layer.lift and source else jnp.moveaxis(x, source, target)

    def apply(parameters, x):
        variables, scales = parameters
        y = layer.apply(variables, moved(x, 1, 0), scales=scales)
        return jnp.moveaxis(y, 0, 1)

    def make(key, x):
        scales = jnp.array(SCALES, x.dtype)
        return layer.init(key, moved(x, 1, 0), scales=scales), scales

    return Case(apply, make, shape=(2, 6, 5, 2) if layer.lift else LIFTED)


DISCO_3 = {"order": 2, "functions": 9, "size": 7}
DENSE = DenseScaleConv(2, (0.8, 1.1, 1.6), DiscoBasis(**DISCO_3))
RES = {"widths": (4, 6), "num_classes": 3, "sigmas": (0.7,)}
REMAT = GaussDerResNet(remat=True, order=1, **RES | {"widths": (4, 4)})
ORDER_1 = functools.partial(njet_convolution, order=1)
FUNCTIONS = {
    "smooth": function(lambda s, x: gdjax.smooth(x, s), 1.2, split=CHANNELS),
    "smooth, sigma per channel": function(
        lambda s, x: gdjax.smooth(x, s, padding="edge"), [0.8, 1.0, 1.2, 1.5],
        split=(P("d"), OUT, OUT),
    ),
    "njet": function(
        lambda s, x: gdjax.njet(x, s, order=1, padding="symmetric", eps=0.01), 1.2,
        split=(P(), OUT, P(None, None, None, None, "d")),
    ),
    "njet, spectral": function(
        lambda s, x: gdjax.njet(x, s, discretisation=SPECTRAL), 0.9
    ),
    "gaussian_filter": function(
        lambda s, x: gdjax.gaussian_filter(x, s, axes=(1, 2), radius=4), 1.2,
        split=CHANNELS,
    ),
    "smooth, sigma per axis": function(
        lambda s, x: gdjax.smooth(x, {"x": s[0], "y": s[1]}), [0.8, 1.3], split=CHANNELS
    ),
    # Linear in images; the number in front is their parameter.
    "scale_space_lift": function(
        lambda s, x: s * scale_space_lift(x, **SEMIGROUP), 1.2, split=(P(), OUT, LEVELS)
    ),
    "scale_action": function(
        lambda s, x: scale_action(s * x, steps=1, shift=(0, 0.5)), 1.2, split=CHANNELS
    ),
    "shift_levels": function(
        lambda s, f: shift_levels(s * f, steps=1, padding="edge"), 1.2, shape=LIFTED,
        split=(P(), LEVELS, LEVELS),
    ),
    "semigroup_correlation": Case(
        lambda psi, x: semigroup_correlation(
            x, psi, act=lambda x: jnp.stack([jnp.roll(x, -s, 1) for s in range(3)], 1)
        ),
        lambda key, x: jax.random.normal(key, x.shape[1:], x.dtype),
    ),
    "scale_space_correlation": Case(
        lambda psi, f: scale_space_correlation(f, psi, scale_axis="continue"),
        lambda key, f: jax.random.normal(key, (2, 2, 2, 2, 4), f.dtype),
        LIFTED, (LEVELS, P(), LEVELS),
    ),
    "scale_space_correlation, real": Case(
        lambda psi, f: scale_space_correlation(f, psi, base=1.5, padding="wrap"),
        lambda key, f: jax.random.normal(key, (1, 2, 3, 2, 3), f.dtype),
        LIFTED,
    ),
    "hermite_basis_b": Case(
        lambda scales, x: jnp.tensordot(
            x, hermite_basis_b(scales, size=5, order=2, functions=8), [[3], [0]]
        ),
        lambda key, x: jnp.array(SCALES, x.dtype),
        shape=(2, 3, 3, 8),
    ),
}  # fmt: skip
LAYERS = {
    "GaussianDerivative": module(
        GaussianDerivative(6, sigma=1.0), split=(FEATURES, P(), OUT)
    ),
    "GaussianDerivative, fewer": module(GaussianDerivative(2, sigma=1.0)),
    "GaussianDerivative, spectral": module(
        GaussianDerivative(6, sigma=1.0, discretisation=SPECTRAL),
        split=(FEATURES, P(), OUT),
    ),
    "GaussianDerivative, depthwise": module(
        GaussianDerivative(4, sigma=1.0, depthwise=True),
        split=({"params": {"kernel": P(None, "d"), "bias": P("d")}}, OUT, OUT),
    ),
    "GaussianDerivative, whole": module(
        GaussianDerivative(4, sigma=8.0, eps=None), shape=(2, 40, 40, 4)
    ),
    "GaussianDerivative, chunks": module(
        GaussianDerivative(28, sigma=1.0, discretisation=SPECTRAL),
        shape=(140, 6, 5, 28),
    ),
    "NJetConv": module(NJetConv(6, order=1)),
    "NJetConv, input": module(NJetConv(4, order=1, sharing="input", groups=2)),
    "NJetConv, output": module(NJetConv(6, order=1, sharing="output")),
    "NJetConv, depthwise": module(NJetConv(4, order=1, sharing="input", groups=4)),
    "NJetConv, chunks": module(
        NJetConv(28, order=1, sharing="input"), shape=(140, 6, 5, 28)
    ),
    "ScaleSpaceCorrelation": module(
        ScaleSpaceCorrelation(4, scale_dim=2),
        shape=LIFTED,
        split=({"params": {"kernel": LEVELS, "bias": P("d")}}, P(), LEVELS),
    ),
    "ScaleConv, lift": scale_conv(ScaleConv(3, basis=HermiteA(1), lift=True)),
    "ScaleConv": scale_conv(
        ScaleConv(2, basis=HermiteB(1, functions=4), scale_dim=2, extent=2.0)
    ),
    # So many images and terms that frequencies are taken (see test_frequencies).
    "ScaleConv, frequencies": scale_conv(ScaleConv(2, basis=HermiteA(3)))._replace(
        shape=(32, 3, 6, 6, 2)
    ),
    "DenseScaleConv": Case(
        lambda v, x: jnp.moveaxis(DENSE.apply(v, jnp.moveaxis(x, 1, 0)), 0, 1),
        lambda key, x: DENSE.init(key, jnp.moveaxis(x, 1, 0)),
        shape=LIFTED,
    ),
    "ResidualBlock": Case(
        lambda v, x: ResidualBlock(6, separable=True).apply(v, [x], sigmas=[0.8])[0],
        lambda key, x: ResidualBlock(6, separable=True).init(key, [x], sigmas=[0.8]),
    ),
}
NETWORKS = {
    "GaussDerNet": network(GaussDerNet(widths=(4,), num_classes=3, sigmas=(0.7, 1.0))),
    "GaussDerResNet": network(GaussDerResNet(separable_from=1, **RES)),
    "GaussDerResNet, remat": network(REMAT),
    "NJetToy": network(NJetToy(num_classes=3, widths=(4,), convolution=ORDER_1)),
    "NJetNIN": network(NJetNIN(num_classes=3, width=0.05, convolution=ORDER_1)),
    "GaussDerNet, one by one": network(
        GaussDerNet(widths=(4, 6), num_classes=3, sigmas=(0.7, 1.0), mapped=False)
    ),
    "GaussDerNet, spectral": network(
        GaussDerNet(widths=(4,), num_classes=3, discretisation=SPECTRAL, pyramid=0.5)
    ),
    "GaussDerNet, enlarge": network(
        GaussDerNet(
            widths=(4,), num_classes=3, sigmas=(0.7, 0.8), pyramid=1.4, enlarge=1
        )
    ),
    "SESNToy": network(
        SESNToy(
            num_classes=3,
            features=3,
            order=1,
            grid=2,
            sigma=0.8,
            extent=2.0,
            learned="isr",
        )
    ),
    "SESN": network(
        SESN(
            num_classes=3,
            widths=(2, 3),
            order=1,
            functions=4,
            sigma=0.8,
            count=2,
            hidden=4,
            learned="spacings",
        )
    ),
    "SConvNet": network(
        SConvNet(num_classes=3, widths=(2, 3), kernel_size=3, hidden=4)
    ),
    "DISCO": network(DISCO(num_classes=3, widths=(2, 3), count=2, hidden=4, **DISCO_3)),
    "NJetUNet": network(NJetUNet(num_classes=3, widths=(4, 6), convolution=ORDER_1)),
}
CASES = FUNCTIONS | LAYERS | NETWORKS
FAMILIES = {"GaussDerNet", "GaussDerResNet, remat", "NJetToy", "SESNToy"}
RARE = {
    "DenseScaleConv",
    "shift_levels",
    "scale_space_correlation",
    "scale_space_correlation, real",
}
USUAL = {*FUNCTIONS, *LAYERS, *FAMILIES} - RARE
# What the default run leaves out, since most of a test is compiling.
SEVERAL = {
    "smooth, sigma per channel", "njet", "GaussianDerivative", "NJetConv, output",
    "GaussianDerivative, fewer", "GaussianDerivative, whole",
    "GaussianDerivative, chunks", "GaussDerResNet, remat", "ScaleSpaceCorrelation",
    "scale_action", "ScaleConv",
}  # fmt: skip
# The first is as per channel, the others are made of "ScaleConv" and "NJetConv".
IMPLIED = {
    "smooth, sigma per axis", "hermite_basis_b", "ScaleConv, lift", "SESNToy",
    "NJetToy",
}  # fmt: skip
OTHERS = USUAL - IMPLIED - {"smooth", "GaussianDerivative, fewer", "NJetConv, input"}
CHOSEN = {
    # That of the jet is "NJetConv, output"; "ScaleConv" mixes such jets.
    "test_all_derivatives_are_those_of_the_mathematics": SEVERAL
    - {"njet", "ScaleConv"},
    "test_sharded_batches": SEVERAL,
    # Loops over chunks, recomputation and tiles: all else is products of matrices.
    "test_batches_that_the_compiler_shards": SEVERAL
    - {"smooth, sigma per channel", "njet", "ScaleConv"},
    "test_vmap_over_images_is_a_loop": USUAL - IMPLIED - FAMILIES,
    "test_vmap_over_parameters_is_a_loop": SEVERAL - FAMILIES - {"njet"}
    | {"NJetConv, depthwise"},
    "test_shard_map_over_the_batch": OTHERS,
    "test_exported_programs": OTHERS,
    # What runs outside of jit is made of what these call.
    "test_nothing_is_compiled_twice_outside_of_jit": OTHERS
    - {
        "njet",
        "NJetConv",
        "NJetConv, chunks",
        "NJetConv, depthwise",
        "ResidualBlock",
        "GaussDerNet",
    },
}


def pytest_generate_tests(metafunc):
    if "name" in metafunc.fixturenames:
        whole = metafunc.config.getoption("--whole-table")
        chosen = CHOSEN.get(metafunc.function.__name__, USUAL)
        metafunc.parametrize("name", [n for n in CASES if whole or n in chosen])
    if "platform" in metafunc.fixturenames:
        whole = metafunc.config.getoption("--whole-table")
        metafunc.parametrize("platform", ["tpu", "cuda", "cpu"] if whole else ["tpu"])


def noise(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


@functools.cache
def given(name):
    """Parameters and input in float64."""
    case = CASES[name]
    x = jnp.asarray(noise(*case.shape))
    parameters = jax.jit(case.make)(jax.random.key(0), x)
    # Biases and statistics that are not 0 and 1, and sigmas apart from each other.
    rng = np.random.default_rng(1)
    return jax.tree.map(
        lambda p: p * (1 + 0.1 * jnp.asarray(rng.random(p.shape))) + 0.05, parameters
    ), x


def loss_of(case):
    return lambda p, x: jnp.sin(case.apply(p, x)).sum()


def value_and_gradients(case):
    return lambda p, x: (case.apply(p, x), *jax.grad(loss_of(case), (0, 1))(p, x))


@functools.cache
def mathematics(name):
    """Value and gradients of the mathematics alone, compiled once."""
    with plain():
        run = jax.jit(value_and_gradients(CASES[name]))
        return run.lower(*given(name)).compile()


@functools.cache
def expected(name):
    return mathematics(name)(*given(name))


def same(found, wanted, rtol=1e-9):
    """To rounding: relative to the largest value, sums of some hundred terms."""
    assert jax.tree.structure(found) == jax.tree.structure(wanted)
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=rtol * np.abs(b).max() + 1e-14)


def test_jit_and_eager_are_the_mathematics(x64, name):
    run = value_and_gradients(CASES[name])
    same(jax.jit(run)(*given(name)), expected(name))
    if name not in FAMILIES - {"GaussDerNet"}:  # these: layers one by one
        same(CASES[name].apply(*given(name)), expected(name)[0])


def test_nothing_is_compiled_twice_outside_of_jit(x64, name, caplog):
    run = value_and_gradients(CASES[name])
    same(run(*given(name)), expected(name))
    caplog.clear()
    with caplog.at_level(logging.WARNING), jax.log_compiles():
        run(*given(name))
    assert not [m for m in caplog.messages if m.startswith("Compiling")]


def derivatives(case):
    """Everything that differentiates, in one program."""
    loss, gradient = loss_of(case), jax.grad(loss_of(case), (0, 1))

    def squares(p, x):
        return sum(jnp.sum(g * g) for g in jax.tree.leaves(gradient(p, x)))

    def run(p, x):
        where = (p, x), jax.tree.map(jnp.cos, (p, x))
        return {
            "grad of grad": jax.grad(squares, (0, 1))(p, x),
            "jvp": jax.jvp(case.apply, *where),
            "forward over reverse": jax.jvp(gradient, *where),
            "checkpoint": jax.grad(jax.checkpoint(loss), (0, 1))(p, x),
            "reverse over forward": jax.grad(
                lambda *a: jax.jvp(loss, a, where[1])[1], (0, 1)
            )(p, x),
        }

    return run


def test_all_derivatives_are_those_of_the_mathematics(x64, name):
    run = derivatives(CASES[name])
    with plain():
        wanted = jax.jit(run)(*given(name))
    same(jax.jit(run)(*given(name)), wanted)


def mapped(case, axes, *arguments):
    return jax.jit(jax.vmap(value_and_gradients(case), axes))(*arguments)


def one_by_one(name, several):
    found = [mathematics(name)(*one) for one in several]
    return jax.tree.map(lambda *y: jnp.stack(y), *found)


def test_vmap_over_images_is_a_loop(x64, name):
    parameters, x = given(name)
    found = mapped(CASES[name], (None, 0), parameters, jnp.stack([x, 1.1 * x]))
    same(found, one_by_one(name, [(parameters, x), (parameters, 1.1 * x)]))


def test_vmap_over_parameters_is_a_loop(x64, name):
    parameters, x = given(name)
    other = jax.tree.map(lambda p: 1.1 * p, parameters)
    both = jax.tree.map(lambda *p: jnp.stack(p), parameters, other)
    found = mapped(CASES[name], (0, None), both, x)
    same(found, one_by_one(name, [(parameters, x), (other, x)]))


@pytest.fixture
def mesh():
    return jax.make_mesh((DEVICES,), ("d",), axis_types=(AxisType.Auto,))


def in_parts(case, mesh, specs, axes="d"):
    """Value, and gradients of the sum over devices, of `jax.shard_map` by default."""
    in_p, in_x, out = specs

    def local(p, x):
        total = lambda p, x: jax.lax.psum(loss_of(case)(p, x), axes)  # noqa: E731
        return case.apply(p, x), *jax.grad(total, (0, 1))(p, x)

    return jax.shard_map(
        local, mesh=mesh, in_specs=(in_p, in_x), out_specs=(out, in_p, in_x)
    )


def test_shard_map_over_the_batch(x64, mesh, name):
    run = in_parts(CASES[name], mesh, (P(), P("d"), P("d")))
    same(jax.jit(run)(*given(name)), expected(name))


@pytest.mark.parametrize("split", [n for n, case in CASES.items() if case.split])
def test_shard_map_over_channels(x64, mesh, split):
    case = CASES[split]
    if split in LAYERS:  # a layer knows its own number of channels
        made = {
            "GaussianDerivative": GaussianDerivative(3, sigma=1.0),
            "GaussianDerivative, spectral": GaussianDerivative(
                3, sigma=1.0, discretisation=SPECTRAL
            ),
            "GaussianDerivative, depthwise": GaussianDerivative(
                2, sigma=1.0, depthwise=True
            ),
            "ScaleSpaceCorrelation": ScaleSpaceCorrelation(2, scale_dim=2),
        }[split]
        case = case._replace(apply=made.apply)
    same(jax.jit(in_parts(case, mesh, case.split))(*given(split)), expected(split))


def test_forward_over_reverse_in_shard_map(x64, mesh):
    name = "GaussianDerivative"
    case, arguments = CASES[name], given(name)

    def directional(p, x):
        return jax.jvp(jax.grad(loss_of(case), (0, 1)), (p, x), (p, x))[1]

    def local(p, x):
        total = lambda p, x: jax.lax.psum(loss_of(case)(p, x), "d")  # noqa: E731
        return jax.jvp(jax.grad(total, (0, 1)), (p, x), (p, x))[1]

    specs = P(), P("d")
    run = jax.shard_map(local, mesh=mesh, in_specs=specs, out_specs=specs)
    same(jax.jit(run)(*arguments), jax.jit(directional)(*arguments))


def of_shards(name, types):
    """Values and gradients of a batch on two devices, checked against one's."""
    mesh = jax.make_mesh((DEVICES,), ("d",), axis_types=(types,))
    run = value_and_gradients(CASES[name])
    with jax.set_mesh(mesh):
        p = jax.device_put(given(name)[0], NamedSharding(mesh, P()))
        x = jax.device_put(given(name)[1], NamedSharding(mesh, P("d")))
        if types == AxisType.Explicit:
            assert jax.eval_shape(CASES[name].apply, p, x).sharding.spec[0] == "d"
        found = jax.jit(run)(p, x)
    same(jax.device_get(found), expected(name))


def test_sharded_batches(x64, name):
    of_shards(name, AxisType.Explicit)


def test_batches_that_the_compiler_shards(x64, name):
    of_shards(name, AxisType.Auto)


def test_exported_programs(x64, name, platform):
    """With any batch; those of TPUs, run on the CPU, are the mathematics."""
    parameters, x = given(name)
    (batch,) = jax.export.symbolic_shape("batch")
    run = jax.export.export(
        jax.jit(value_and_gradients(CASES[name])),
        platforms=[platform],
        disabled_checks=[ANYWHERE],
    )(parameters, jax.ShapeDtypeStruct((batch, *x.shape[1:]), x.dtype))
    text = run.mlir_module()
    if platform != "cuda":  # JAX may call libraries of CUDA, which crashes elsewhere
        same(run.call(parameters, x), expected(name))
    # Loops over chunks of images are marked by it, too.
    assert platform == "cpu" or "inlineable" not in text


@pytest.mark.parametrize("layer", ["GaussianDerivative, chunks", "NJetConv, chunks"])
def test_any_batch_on_cpus(x64, layer):
    # Chunks of images need to know how many there are: nothing is cut here.
    test_exported_programs(None, layer, "cpu")


STATISTICS = {
    "GaussDerNet": GaussDerNet(widths=(4,), num_classes=3, sigmas=(0.7, 1.0)),
    "GaussDerNet, one by one": GaussDerNet(
        widths=(4,), num_classes=3, sigmas=(0.7, 1.0), mapped=False
    ),
    "GaussDerNet, enlarge": GaussDerNet(
        widths=(4,), num_classes=3, sigmas=(0.5, 1.0), pyramid=1.0, enlarge=1
    ),
    "GaussDerResNet, remat": REMAT.clone(sigmas=(0.7, 1.0)),
    "NJetNIN": NJetNIN(
        num_classes=3, width=0.02, dropout=0.0, convolution=plain_convolution
    ),
}


def training(net, reduce, variables, x):
    """Gradients, and the statistics after a step."""

    def loss(variables):
        (logits, _), updated = net.apply(
            variables, x, train=True, mutable=["batch_stats"]
        )
        return reduce(jnp.sin(logits).sum()), updated

    gradient, updated = jax.grad(loss, has_aux=True)(variables)
    return gradient["params"], updated


@functools.cache
def trained(network):
    """Variables, a batch, and what the mathematics makes of them on one device."""
    net, x = STATISTICS[network], jnp.asarray(noise(4, 8, 8, 1))
    variables = jax.jit(net.init)(jax.random.key(0), x)
    variables = jax.tree.map(lambda v: v.astype(x.dtype), variables)
    with plain():
        run = jax.jit(functools.partial(training, net, lambda y: y))
        return variables, x, run(variables, x)


@pytest.mark.parametrize(
    ("network", "way"),
    [*((n, "shard_map") for n in STATISTICS), ("GaussDerNet", "pmap")],
)
def test_batch_statistics_are_those_of_the_whole_batch(x64, mesh, network, way):
    variables, x, wanted = trained(network)
    spread = STATISTICS[network].clone(batch_axis="d")
    if way == "shard_map":
        run = functools.partial(training, spread, lambda y: jax.lax.psum(y, "d"))
        specs = {"mesh": mesh, "in_specs": (P(), P("d")), "out_specs": (P(), P())}
        found = jax.jit(jax.shard_map(run, **specs))(variables, x)
    else:
        # The gradient of what one device adds, so added up afterwards.
        run = functools.partial(training, spread, lambda y: y)
        parts = x.reshape(DEVICES, -1, *x.shape[1:])
        gradient, updated = jax.pmap(run, axis_name="d", in_axes=(None, 0))(
            variables, parts
        )
        added = jax.tree.map(lambda g: g.sum(0), gradient)
        found = added, jax.tree.map(lambda y: y[0], updated)
    same(found, wanted)


@pytest.mark.parametrize(
    "network", ["GaussDerNet", "GaussDerNet, enlarge", "GaussDerResNet, remat"]
)
def test_shard_map_over_scale_channels(x64, mesh, network):
    variables, x, wanted = trained(network)
    spread = STATISTICS[network].clone(scale_channel_axis="d")
    run = functools.partial(training, spread, lambda y: y)
    specs = {"mesh": mesh, "in_specs": (P(), P()), "out_specs": (P(), P())}
    same(jax.jit(jax.shard_map(run, **specs))(variables, x), wanted)


def test_spreading_that_would_be_wrong_raises(mesh):
    variables, x, _ = trained("GaussDerNet")
    net = STATISTICS["GaussDerNet"].clone(scale_channel_axis="d")
    run = functools.partial(training, net, lambda y: y)
    for images, options, words in [
        (P("d"), {}, "the images vary over `scale_channel_axis='d'`"),
        (P(), {"check_vma": False}, "needs `jax.shard_map` with its default"),
    ]:
        specs = {"mesh": mesh, "in_specs": (P(), images), "out_specs": (P(), P())}
        with pytest.raises(ValueError, match=words):
            jax.eval_shape(jax.shard_map(run, **specs, **options), variables, x)


def test_scale_channels_that_cannot_be_spread_raise(mesh):
    net = STATISTICS["GaussDerNet"].clone(sigmas=(0.5, 0.7, 1.0))
    x = jnp.asarray(noise(4, 8, 8, 1))
    variables = jax.eval_shape(net.init, jax.random.key(0), x)
    run = functools.partial(training, net.clone(scale_channel_axis="d"), lambda y: y)
    specs = {"mesh": mesh, "in_specs": (P(), P()), "out_specs": (P(), P())}
    with pytest.raises(ValueError, match="3 scale channels.*2 devices"):
        jax.eval_shape(jax.shard_map(run, **specs), variables, x)


def modules():
    """Every module of layers and models that can be made without arguments."""
    for home in (gdjax.layers, gdjax.models):
        for name, found in sorted(vars(home).items()):
            if isinstance(found, type) and issubclass(found, nn.Module):
                if name not in ("ConvolutionNet", "ScaleChannelNet"):  # bases
                    yield name, found


MADE = {
    "GaussianDerivative": lambda kind: kind(3, sigma=1.0),
    "NJetConv": lambda kind: kind(3),
    "DeformableConv": lambda kind: kind(3),
    "ScaleSpaceCorrelation": lambda kind: kind(3),
    "ScaleConv": lambda kind: kind(3, SCALES, lift=True),
    "DenseScaleConv": lambda kind: DENSE.clone(lift=True),
    "SConvNet": lambda kind: kind(widths=(2, 2), kernel_size=3),
    "DISCO": lambda kind: kind(widths=(2, 2), **DISCO_3),
    "SESN": lambda kind: kind(widths=(2, 2), functions=4, sigma=0.8, count=2),
    "SESNToy": lambda kind: kind(features=2, order=1, sigma=0.8),
    "ResidualBlock": lambda kind: kind(3),
    "GaussDerNet": lambda kind: kind(widths=(3,)),
    "GaussDerResNet": lambda kind: kind(widths=(3, 3)),
    "NJetDeepLab": lambda kind: kind(
        sigmas=(1.0,), dilations=(1,),
        backbone=gdjax.models.DilatedResNet(blocks=(1, 1, 1, 1), width=2),
    ),
    "DilatedResNet": lambda kind: kind(blocks=(1, 1, 1, 1), width=2),
    "NJetResNet": lambda kind: kind(width=2, depth=1),
    "NJetNIN": lambda kind: kind(width=0.05),
    "NJetUNet": lambda kind: kind(widths=(2, 3)),
    "SResNet": lambda kind: kind(widths=(2,), strides=(1,), depth=1, levels=2),
    "SDenseNet": lambda kind: kind(first=2, growth=2, blocks=(1, 1), levels=2),
    "ActiveScales": lambda kind: kind(count=3),
}  # fmt: skip


@pytest.mark.parametrize("kind", dict(modules()).values(), ids=dict(modules()))
def test_every_module_can_be_tabulated(kind):
    name = kind.__name__
    made, x = MADE.get(name, lambda kind: kind())(kind), jnp.zeros((1, 16, 16, 2))
    arguments: tuple[Any, ...] = (x,)
    options = {"depth": 1, "console_kwargs": {"width": 200}}
    if name in ("LearnedSigma", "LearnedScales", "ActiveScales"):
        arguments = ()
    elif name == "SharedBatchNorm":
        arguments, options = ([x],), options | {"train": False}
    elif name == "ResidualBlock":
        arguments, options = ([x],), options | {"sigmas": [1.0]}
    assert name in made.tabulate(jax.random.key(0), *arguments, **options)
