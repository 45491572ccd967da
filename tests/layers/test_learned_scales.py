"""Internal scales: forms, starts, gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gdjax.layers import LearnedScales
from gdjax.layers.learned_scales import check_scales


def scales(**fields):
    module = LearnedScales(**fields)
    return module, module.init(jax.random.key(0))


@pytest.mark.parametrize("learned", [None, "isr", "spacings", "direct"])
@pytest.mark.parametrize("form", ["per_step", "range"])
def test_all_start_evenly_spaced(learned, form):
    module, variables = scales(count=4, sigma=1.5, isr=2.0, learned=learned, form=form)
    wanted = 1.5 * 2 ** (np.arange(4) / 3)
    np.testing.assert_allclose(module.apply(variables), wanted, rtol=1e-6)


@pytest.mark.parametrize(
    ("learned", "count"), [("isr", 2), ("spacings", 4), ("direct", 4)]
)
def test_numbers_of_parameters(learned, count):
    _, variables = scales(count=4, learned=learned)
    assert sum(leaf.size for leaf in jax.tree.leaves(variables)) == count


def test_formulas():
    """[scale_learning] (3), (6), and the form of its code."""
    sigma = np.log1p(np.exp(0.7))
    given = {"params": {"sigma": jnp.float32(0.7), "gamma": jnp.float32(0.9)}}
    isr = 1 + 0.9**2
    for form, wanted in (("range", isr ** (np.arange(3) / 2)), ("per_step", isr ** np.arange(3))):  # fmt: skip # noqa: E501
        found = LearnedScales(3, learned="isr", form=form).apply(given)
        np.testing.assert_allclose(found, sigma * wanted, rtol=1e-6)
    given["params"]["gamma"] = jnp.array([0.5, -1.0])
    found = LearnedScales(3, learned="spacings").apply(given)
    np.testing.assert_allclose(found, sigma * np.array([1, 1.25, 2.5]), rtol=1e-6)


def test_how_fast_the_range_moves():
    """dISR / dgamma at ISR 3 and three scales: 5.93 per step, 2.83 as a range."""
    for form, wanted in (("per_step", 5.93), ("range", 2.83)):
        module, variables = scales(count=3, isr=3.0, learned="isr", form=form)

        def isr(gamma, module=module, variables=variables):
            params = variables["params"] | {"gamma": gamma}
            found = module.apply({"params": params})
            return found[-1] / found[0]

        slope = jax.grad(isr)(variables["params"]["gamma"])
        np.testing.assert_allclose(slope, wanted, atol=5e-3)


def test_scales_stay_positive_and_a_fixed_sigma_stays():
    module, variables = scales(learned="direct")
    low = jax.tree.map(lambda p: p - 20, variables)
    assert (module.apply(low) > 0).all()
    module, variables = scales(learned="isr", learn_sigma=False)
    assert set(variables["params"]) == {"gamma"}
    assert module.apply(variables)[0] == 2


def test_one_scale():
    module, variables = scales(count=1, learned="isr")
    assert set(variables["params"]) == {"sigma"}
    np.testing.assert_allclose(module.apply(variables), [2.0], rtol=1e-6)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"count": 0}, "`count=0`"),
        ({"isr": 1.0}, "`isr=1.0` must be greater than 1"),
        ({"sigma": 0.0}, "sigma"),
        ({"learned": "direct", "learn_sigma": False}, "`learn_sigma=False`"),
        ({"learned": "ratio"}, "`learned='ratio'`"),
        ({"form": "log"}, "`form='log'`"),
    ],
)
def test_bad_fields(fields, message):
    with pytest.raises(ValueError, match=message):
        LearnedScales(**fields)


def test_scales_that_do_not_increase():
    for wrong in ((1.0, 1.0), (2.0, 1.0)):
        with pytest.raises(ValueError, match="must increase"):
            check_scales(wrong)
    with pytest.raises(ValueError, match="one or more"):
        check_scales(())
