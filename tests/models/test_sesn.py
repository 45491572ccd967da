"""Scale-equivariant steerable networks: counts, stages, configurations."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gdjax.models import SESN, SESNToy
from gdjax.models.sesn import SESNConfig, SESNToyConfig, quarter_maxima


TINY = {"widths": (2, 3), "order": 1, "functions": 4, "sigma": 0.8, "hidden": 4}


def count(net, side):
    image = jax.ShapeDtypeStruct((1, side, side, 1), jnp.float32)
    made = jax.eval_shape(lambda x: net.init(jax.random.key(0), x), image)
    return sum(leaf.size for leaf in jax.tree.leaves(made["params"]))


@pytest.mark.parametrize(
    ("fields", "more"),
    [
        ({}, 0),
        ({"kind": "plain"}, 0),
        ({"learned": "isr"}, 2),
        ({"learned": "spacings"}, 4),
        ({"learned": "direct"}, 4),
    ],
)
def test_published_numbers_of_parameters(fields, more):
    assert count(SESN(**fields), 56) == 494_549 + more
    if fields.get("learned") in (None, "isr"):
        assert count(SESNToy(**fields), 168) == 3_002 + more


def test_the_last_maxima_are_those_of_sesn():
    """8 px from 2 px outside on, of 14; 4 px of 7."""
    for n, side in ((14, 8), (7, 4)):
        x = np.random.default_rng(0).standard_normal((1, n, n, 2))
        padded = np.pad(x, ((0, 0), (2, 2), (2, 2), (0, 0)), constant_values=-np.inf)
        wanted = [
            padded[:, i : i + side, j : j + side].max((1, 2))
            for i in (0, side) for j in (0, side)
        ]  # fmt: skip
        found = quarter_maxima(jnp.asarray(x)).reshape(4, 2)
        np.testing.assert_allclose(found, np.concatenate(wanted), rtol=1e-6)


@pytest.mark.parametrize("net", [SESN(**TINY), SESNToy(order=1, features=2, sigma=0.8)])
def test_scales_are_told_and_dropout_is_for_training(net):
    x = jax.random.uniform(jax.random.key(1), (2, 16, 16, 1))
    variables = jax.jit(net.init)(jax.random.key(0), x)
    logits, aux = jax.jit(net.apply)(variables, x)
    assert logits.shape == (2, 10)
    wanted = net.sigma * net.isr ** (np.arange(net.count) / (net.count - 1))
    np.testing.assert_allclose(aux["scales"], wanted, rtol=1e-6)
    train = functools.partial(
        net.apply, train=True, mutable=["batch_stats"],
        rngs={"dropout": jax.random.key(2)},
    )  # fmt: skip
    (trained, _), updated = jax.eval_shape(train, variables, x)
    assert trained.shape == (2, 10) and set(updated) == {"batch_stats"}


@pytest.mark.parametrize("learned", ["isr", "spacings", "direct"])
def test_all_learned_scales_are_shared_and_reached(learned):
    net = SESN(**TINY, learned=learned, count=3)
    x = jax.random.uniform(jax.random.key(1), (8, 16, 16, 1))
    variables = jax.jit(net.init)(jax.random.key(0), x)

    def loss(params):
        given = {**variables, "params": params}
        return jnp.sin(net.apply(given, x)[0]).sum()

    gradient = jax.jit(jax.grad(loss))(variables["params"])
    for leaf in jax.tree.leaves(gradient["scales"]):
        assert (leaf != 0).all()


def test_configurations():
    config = SESNConfig(learned="isr")
    assert SESNConfig.of(config.build()) == config
    twin = config.with_net("plain", "relu")
    assert twin.kind == "plain" and twin.learned is None
    spectral = config.with_net("spectral", "relu")
    assert type(spectral.build().discretisation).__name__ == "SpectralGaussian"
    toy = SESNToyConfig(learned="isr", sigma=2.0, isr=3.0)
    params = {"scales": {"sigma": jnp.log(jnp.expm1(2.0)), "gamma": jnp.sqrt(2.0)}}
    found = toy.learned_scales(params)["scales"]
    np.testing.assert_allclose(found, 2 * 3.0 ** np.arange(3), rtol=1e-6)
    fixed = dataclasses.replace(toy, learned=None, isr=4.0)
    assert fixed.learned_scales(params) == {}
    np.testing.assert_allclose(fixed.internal_scales(params), [2, 4, 8])
    np.testing.assert_array_equal(toy.internal_scales(params), found)
    start = dataclasses.replace(toy, isr=4.0).internal_scales()
    np.testing.assert_allclose(start, [2, 4, 8])
    assert twin.internal_scales({}) is None


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"kind": "dense"}, "`kind='dense'`"),
        ({"kind": "plain", "learned": "isr"}, "no scales to learn"),
        ({"kind": "plain", "functions": 48}, "square"),
        ({"isr": 0.9}, "`isr=0.9`"),
        ({"count": 0}, "count"),
        ({"widths": (3,)}, "two layers"),
        ({"mult": 1.0}, "mult"),
        ({"dropout": 1.0}, "dropout"),
    ],
)
def test_bad_networks(fields, message):
    with pytest.raises(ValueError, match=message):
        SESN(**fields)


def test_images_smaller_than_the_filters():
    with pytest.raises(ValueError, match="25 px and reach beyond images of 12 x 12"):
        SESN().init(jax.random.key(0), jnp.ones((1, 12, 12, 1)))
