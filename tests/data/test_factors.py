"""Names of size factors."""

from __future__ import annotations

import pytest

from gdjax.data import BUILDERS, factor_tag, quarter_octaves, test_factors as factors_of
from gdjax.data.rescaling import find_factor


def test_tags_have_three_decimals_and_no_point():
    assert factor_tag(0.5) == "0p500"
    assert factor_tag(2**0.25) == "1p189"
    assert factor_tag(16) == "16p000"


@pytest.mark.parametrize("factor", [0, -1, float("inf"), float("nan")])
def test_what_is_no_factor_has_no_tag(factor):
    with pytest.raises(ValueError, match="positive and finite"):
        factor_tag(factor)


def test_factors_of_the_data_sets():
    nine, seventeen = quarter_octaves(-4, 4), quarter_octaves(-4, 12)
    assert nine[0] == 0.5 and nine[4] == 1 and nine[-1] == 2 and len(nine) == 9
    assert seventeen[-1] == 8 and len(seventeen) == 17
    assert factors_of("rescaled_digits") == nine
    assert factors_of("rescaled_fashion_mnist/tiny") == nine
    assert factors_of("rescaled_cifar10") == factors_of("rescaled_stl10") == nine
    assert factors_of("mnist_large_scale/small") == seventeen
    for plain in ("mnist", "fashion_mnist", "cifar10", "stl10"):
        assert factors_of(plain) == ()


def test_split_names_are_what_tfds_reads():
    for builder in BUILDERS.values():
        for name in builder.SPLITS:
            assert name.replace("_", "").isalnum()


def test_three_decimals_name_a_factor_and_near_ones_do_not():
    factors = quarter_octaves(-4, 4)
    assert find_factor(0.595, factors) == 2**-0.75
    assert find_factor(2**-0.75, factors) == 2**-0.75
    assert find_factor(1.0004, factors) is None
    assert find_factor(3.0, factors) is None
