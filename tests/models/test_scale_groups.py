"""Which scale channels run in one vmap, and that it is the loop."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gdjax
from gdjax.layers import spatial_max
from gdjax.models import GaussDerNet, GaussDerResNet
from gdjax.models.scale_groups import MOST


# As few channels as have a group on each side, or one and a channel alone.
NETS = {
    "windows": GaussDerNet(widths=(4, 6), sigmas=(0.7, 1.0, 1.02, 1.4)),
    "grids": GaussDerNet(
        widths=(4, 6), sigmas=(0.5, 1.0, 2.8, 4.0), pyramid=1.4, enlarge=2
    ),
    "whole kernels": GaussDerNet(
        widths=(4, 6), sigmas=(0.5, 0.7, 1.4, 2.0), pyramid=1.4, enlarge=1,
        padding="wrap",
        truncated=False, spatial_selection=spatial_max,
        discretisation=gdjax.SpectralGaussian(),
    ),
    "residual": GaussDerResNet(
        widths=(4, 4, 6), sigmas=(0.7, 1.4, 2.0), pyramid=1.4, enlarge=1, ratio=1.2,
    ),
    "depthwise": GaussDerResNet(
        widths=(4, 6), sigmas=(0.5, 0.7, 1.0), separable_from=1, remat=True,
        spatial_selection=spatial_max,
        discretisation=gdjax.IntegratedGaussianDerivatives(),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", NETS)
def test_groups_are_the_loop_in_training(name):
    net = NETS[name].clone(num_classes=3)
    x = jax.random.normal(jax.random.key(0), (3, 24, 19, 2))
    groups = net.groups(x.shape[1:-1], channels=2)
    assert any(len(group.channels) > 1 for group in groups)
    assert sorted(s for g in groups for s in g.channels) == [*range(len(net.sigmas))]
    variables = jax.jit(net.init)(jax.random.key(1), x)

    def step(net):
        def loss(params):
            state = {**variables, "params": params}
            (logits, aux), updated = net.apply(
                state, x, train=True, mutable=["batch_stats"]
            )
            return jnp.sin(logits).sum(), (aux["per_scale"], updated)

        run = jax.jit(jax.value_and_grad(loss, has_aux=True))
        (_, (per_scale, updated)), gradient = run(variables["params"])
        return per_scale, updated, gradient

    found, wanted = step(net), step(net.clone(mapped=False))
    for a, b in zip(found, wanted, strict=True):
        scale = max(float(abs(leaf).max()) for leaf in jax.tree.leaves(b))
        for one, other in zip(*map(jax.tree.leaves, (a, b)), strict=True):
            # Rounding of sums in another order, some of them of thousands of pixels.
            np.testing.assert_allclose(one, other, rtol=0, atol=1e-5 * scale)


@pytest.mark.parametrize(("size", "counts"), [(12, [4]), (400, [1, 2, 1])])
def test_channels_share_what_costs_about_the_same(size, counts):
    net = NETS["windows"]
    groups = net.groups((size, size), channels=1)
    assert [len(group.channels) for group in groups] == counts


def test_no_channel_pays_for_another():
    net = GaussDerNet(sigmas=tuple(2 ** (k / 16) for k in range(8)))
    groups = net.groups((200, 200), channels=1)
    assert 1 < len(groups) < 8
    alone = net.clone(mapped=False).groups((200, 200), channels=1)
    for group in groups:
        for place, channel in enumerate(group.channels):
            for k in range(7):
                pixels = np.prod([axis.length for axis in group.windows[k]])
                own = np.prod([axis.length for axis in alone[channel].windows[k]])
                assert group.of(k, place) == alone[channel].windows[k]
                # Of a layer's pixels; of the layers' cost in all `MOST`.
                assert own <= pixels <= 2 * MOST * own


def test_layers_in_a_subspace_are_in_no_group():
    # Factors of the finest channels' rank would cost the coarsest ones several times.
    net = GaussDerNet(
        widths=(16, 16), sigmas=(1.0, 1.4, 4.0, 6.0), truncated=False,
        spatial_selection=spatial_max,
    )  # fmt: skip
    groups = net.groups((96, 96), channels=1)
    assert {2, 3} <= {g.channels[0] for g in groups if len(g.channels) == 1}
    assert len(net.clone(truncated=True).groups((96, 96), channels=1)) == 1


@pytest.mark.parametrize(
    "activation",
    # Of large values, and of zeros, where its gradient is infinite, too.
    [jnp.exp, lambda x: 1 / x],
    ids=["exp", "inverse"],
)
def test_no_nonlinearity_meets_what_a_channel_alone_has_not(activation):
    net = GaussDerNet(
        widths=(3, 4), sigmas=(1.0, 1.1, 1.2, 1.3), activation=activation,
        discretisation=gdjax.SampledGaussianDerivatives(),
    )  # fmt: skip
    x = jax.random.normal(jax.random.key(0), (2, 40, 40, 1))
    assert len(net.groups((40, 40), channels=1)) < 4
    variables = jax.jit(net.init)(jax.random.key(1), x)

    def step(params):
        state = {**variables, "params": params}
        return jnp.sin(net.apply(state, x)[0]).sum()

    # Finite like the loop, which has nothing else.
    run = jax.jit(jax.value_and_grad(step))
    for leaf in jax.tree.leaves(run(variables["params"])):
        assert np.isfinite(leaf).all()


def test_axes_of_a_mesh_that_cannot_be_raise():
    for fields in (
        {"scale_channel_axis": 3},
        {"scale_channel_axis": "d", "batch_axis": "d"},
        {"scale_channel_axis": "d", "mapped": False},
    ):
        with pytest.raises((TypeError, ValueError), match="`scale_channel_axis="):
            GaussDerNet(**fields)
    net, x = GaussDerNet(widths=(3,), scale_channel_axis="d"), jnp.zeros((1, 8, 8, 1))
    variables = net.init(jax.random.key(0), x)
    with pytest.raises(ValueError, match="no axis of a mesh here.*shard_map"):
        net.apply(variables, x)


def test_long_axes_are_not_stacked():
    # Tiles of a long axis have no matrix of the whole of it.
    net = GaussDerNet(widths=(3,), sigmas=(1.0, 1.1), spatial_selection=spatial_max)
    assert len(net.groups((513, 8), channels=1)) == 2
    assert len(net.groups((512, 8), channels=1)) == 1


def test_maps_are_those_of_the_loop():
    net = NETS["whole kernels"].clone(num_classes=3)
    x = jax.random.normal(jax.random.key(0), (2, 24, 20, 1))
    variables = jax.jit(net.init)(jax.random.key(1), x)

    def maps(net):
        return jax.jit(lambda x: net.apply(variables, x, maps=True)[1]["maps"])(x)

    for a, b in zip(maps(net), maps(net.clone(mapped=False)), strict=True):
        assert a.shape == (2, 24, 20, 3)
        np.testing.assert_allclose(a, b, atol=1e-5 * abs(b).max())
