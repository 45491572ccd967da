"""How many scales a network needs: the criterion, the mask, the network without it."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gdjax.models import Pruning, prune_scales
from gdjax.models.sesn import SESNConfig, SESNToyConfig


EVEN = np.full(4, 0.25)
OCTAVES = 2.0 ** np.arange(4)
ALL = np.ones(4, bool)


def gone(scales, contributions, active=ALL, **options):
    kept = prune_scales(scales, active, contributions, **options)
    assert not (kept & ~np.asarray(active)).any()
    return np.flatnonzero(np.asarray(active) & ~kept).tolist()


def test_of_two_near_scales_the_one_that_gives_less_goes():
    scales = [1.0, 2.0, 2.2, 4.0]
    assert gone(scales, [0.1, 0.2, 0.3, 0.4]) == [1]
    assert gone(scales, [0.1, 0.3, 0.2, 0.4]) == [2]
    assert gone(scales, EVEN) == [2]  # of equals the coarser
    assert gone(scales, EVEN, merge_octaves=0.1) == []
    assert gone([2.2, 4.0, 1.0, 2.0], EVEN) == [0]  # in any order


def test_the_nearest_pair_is_first_and_one_goes_at_a_time():
    scales, active = [1.0, 1.1, 2.0, 2.1], ALL
    for wanted in (3, 1):
        kept = prune_scales(scales, active, EVEN)
        assert np.flatnonzero(active & ~kept).tolist() == [wanted]
        active = kept
    assert gone(scales, EVEN, active) == []


def test_neighbours_are_those_in_use():
    active = np.array([True, False, True, True])
    scales = [1.0, 1.01, 1.02, 4.0]
    assert gone(scales, [0.3, 0.0, 0.2, 0.5], active) == [2]
    assert gone([1.0, 1.01, 2.0, 4.0], [0.3, 0.0, 0.2, 0.5], active) == []


def test_what_is_not_missed_goes():
    assert gone(OCTAVES, [0.1, 0.019, 0.2, 0.4]) == [1]
    assert gone(OCTAVES, [0.1, 0.021, 0.2, 0.4]) == []
    assert gone(OCTAVES, [0.0, 0.01, 0.0, 0.4]) == [2]  # of equals the coarser
    assert gone(OCTAVES, [0.1, 0.1, 0.0, 0.4], least=0.0) == []
    # What is near goes before what is not missed.
    assert gone([1.0, 2.0, 2.1, 8.0], [0.0, 0.2, 0.3, 0.4]) == [1]


def test_the_last_scale_stays():
    last = np.array([False, True, False, False])
    assert gone(OCTAVES, np.zeros(4), last) == []
    active = ALL
    for _ in range(6):
        active = prune_scales(np.ones(4), active, np.zeros(4))
    assert active.tolist() == [True, False, False, False]


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((OCTAVES, ALL[:3], EVEN), {}, r"shapes \(4,\), \(3,\), \(4,\): give one"),
        (([[1.0]], [[True]], [[1.0]]), {}, "give one number per scale"),
        ((OCTAVES, ~ALL, EVEN), {}, "`active` has no scale in use"),
        ((OCTAVES, ALL, -EVEN), {}, "`contributions=.* must be finite and >= 0"),
        ((OCTAVES, ALL, EVEN * np.nan), {}, "`contributions=.* must be finite"),
        ((OCTAVES * 0, ALL, EVEN), {}, "scales"),
        ((OCTAVES, ALL, EVEN), {"merge_octaves": -1.0}, "merge_octaves"),
        ((OCTAVES, ALL, EVEN), {"least": 1.0}, "least"),
    ],
)
def test_bad_arguments(arguments, options, message):
    with pytest.raises(ValueError, match=message):
        prune_scales(*arguments, **options)
    with pytest.raises(TypeError, match="`active` has dtype float64: give bools"):
        prune_scales(OCTAVES, ALL * 1.0, EVEN)


def test_when():
    pruning = Pruning(start=4, stop=9, every=2)
    assert [n for n in range(20) if pruning.due(n)] == [4, 6, 8]
    assert [n for n in range(9) if Pruning(start=6).due(n)] == [6, 7, 8]
    for wrong, message in (
        ({"start": 0}, "`start=0`"), ({"every": 0}, "`every=0`"),
        ({"stop": 3}, "`stop=3`"), ({"least": -0.1}, "least"),
    ):  # fmt: skip
        config = SESNToyConfig(prune=True, pruning=Pruning(**wrong))
        with pytest.raises(ValueError, match=message):
            config.check()


NETS = {
    "toy": SESNToyConfig(
        order=1, features=3, sigma=0.6, isr=2.5, count=4, learned="spacings", grid=2
    ),
    "sesn": SESNConfig(
        widths=(2, 3), order=1, functions=4, sigma=0.6, isr=2.5, count=4, hidden=4,
        learned="direct", dropout=0.0,
    ),
}  # fmt: skip
# The finest one is out of use: the others' filters are not normalised by it.
ACTIVE = jnp.array([False, True, False, True])


def images(seed=1):
    return jax.random.uniform(jax.random.key(seed), (4, 16, 16, 1))


def masked(config):
    config = dataclasses.replace(config, prune=True)
    variables = jax.jit(config.build().init)(jax.random.key(0), images())
    stats = variables["batch_stats"]
    state = stats["active_scales"] | {"active": ACTIVE}
    return config, variables | {"batch_stats": stats | {"active_scales": state}}


def applied(config, variables, x, **options):
    net = config.build()
    mutable = ["batch_stats"] if options.get("train") else False
    return jax.jit(lambda v, x: net.apply(v, x, mutable=mutable, **options))(
        variables, x
    )


@pytest.mark.parametrize("name", NETS)
def test_a_network_without_the_scales_out_of_use_is_the_same(name):
    config, variables = masked(NETS[name])
    small, fewer = config.compacted(variables)
    assert (small.count, small.learned, small.prune) == (2, "direct", False)
    assert "active_scales" not in fewer["batch_stats"]
    scales = config.learned_scales(
        variables["params"], batch_stats=variables["batch_stats"]
    )
    for key, value in small.learned_scales(fewer["params"]).items():
        np.testing.assert_allclose(value, scales[key], rtol=1e-6)
    x = images(2)
    wanted, found = applied(config, variables, x), applied(small, fewer, x)
    np.testing.assert_allclose(found[0], wanted[0], atol=1e-5)
    # Statistics are those of the scales in use; those of 4 images magnify rounding.
    wanted, stats = applied(config, variables, x, train=True)
    found, other = applied(small, fewer, x, train=True)
    np.testing.assert_allclose(found[0], wanted[0], atol=1e-4)
    del stats["batch_stats"]["active_scales"]
    for a, b in zip(jax.tree.leaves(stats), jax.tree.leaves(other), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


@pytest.mark.parametrize("name", NETS)
def test_with_all_scales_in_use_it_is_the_network_without_the_state(name):
    config = dataclasses.replace(NETS[name], prune=True)
    variables = jax.jit(config.build().init)(jax.random.key(0), images())
    plain = jax.jit(NETS[name].build().init)(jax.random.key(0), images())
    jax.tree.map(np.testing.assert_array_equal, variables["params"], plain["params"])
    assert "active_scales" not in plain["batch_stats"]
    for options in ({}, {"train": True}):
        wanted = applied(NETS[name], plain, images(2), **options)
        found = applied(config, variables, images(2), **options)
        if options:
            wanted, found = wanted[0], found[0]
        np.testing.assert_allclose(found[0], wanted[0], atol=1e-5)
        assert found[1]["active"].all() and set(wanted[1]) == {"scales"}


@pytest.mark.parametrize("name", NETS)
def test_scales_out_of_use_are_not_moved(name):
    """But spacings move all coarser scales, whether their own is in use or not."""
    config, variables = masked(NETS[name])
    net, x = config.build(), images(2)

    def loss(params):
        logits, _ = net.apply({**variables, "params": params}, x)
        return jnp.sin(logits).sum()

    found = jax.jit(jax.grad(loss))(variables["params"])["scales"]
    if name == "sesn":
        assert (np.asarray(found["scales"] != 0) == np.asarray(ACTIVE)).all()
    else:  # sigma, and gammas up to the coarsest in use
        assert found["sigma"] != 0 and (found["gamma"] != 0).all()
        last = jnp.array([True, True, False, False])
        state = variables["batch_stats"]["active_scales"]
        state["active"] = last
        found = jax.jit(jax.grad(loss))(variables["params"])["scales"]
        assert (found["gamma"] != 0).tolist() == [True, False, False]


def test_contributions_are_what_would_be_lost():
    config = dataclasses.replace(NETS["toy"], prune=True)
    variables = jax.jit(config.build().init)(jax.random.key(0), images())
    state = variables["batch_stats"]["active_scales"]
    np.testing.assert_array_equal(state["contributions"], np.ones(4))
    _, updated = applied(config, variables, images(2), train=True)
    once = updated["batch_stats"]["active_scales"]["contributions"]
    now = (once - 0.9) / 0.1
    assert (now >= -1e-5).all() and 0 < now.sum() <= 1
    kept, others = masked(NETS["toy"])
    _, updated = applied(kept, others, images(2), train=True)
    now = (updated["batch_stats"]["active_scales"]["contributions"] - 0.9) / 0.1
    np.testing.assert_allclose(now[~ACTIVE], 0, atol=1e-5)


def test_the_configuration_takes_scales_out_of_use_when_it_is_due():
    pruning = Pruning(start=2, merge_octaves=0.0, least=0.1)
    config = dataclasses.replace(NETS["toy"], prune=True, pruning=pruning)
    variables = jax.jit(config.build().init)(jax.random.key(0), images())
    state = {
        "active": jnp.ones(4, bool),
        "contributions": jnp.array([0.2, 0.3, 0.05, 0.4]),
    }  # noqa: E501
    variables["batch_stats"]["active_scales"] = state
    assert config.between_epochs(variables, 1) is variables
    after = config.between_epochs(variables, 2)
    found = config.scale_use(after["batch_stats"])
    assert found["active"].tolist() == [True, True, False, True]
    assert variables["batch_stats"]["active_scales"]["active"].all()
    shape = jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), variables)
    assert shape == jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), after)
    scales = config.learned_scales(after["params"], batch_stats=after["batch_stats"])
    assert len(scales["scales"]) == 3
    unpruned = dataclasses.replace(config, prune=False)
    assert unpruned.between_epochs(variables, 2) is variables
    assert unpruned.scale_use(variables["batch_stats"]) == {}


def test_plain_filters_have_no_scales_to_prune():
    with pytest.raises(ValueError, match="`prune=True`: plain filters have no scales"):
        SESNToyConfig(kind="plain", prune=True).check()
    twin = dataclasses.replace(NETS["toy"], prune=True).with_net("plain", "relu")
    assert not twin.prune
    with pytest.raises(ValueError, match="no scales to leave out"):
        twin.compacted({})
