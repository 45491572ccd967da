import numpy as np
import pytest

import gdjax


def test_levels_are_a_geometric_series():
    scales = gdjax.geometric_scales(0.5, 2**0.5, 5)
    assert isinstance(scales, tuple)
    np.testing.assert_allclose(scales, [0.5, 0.5**0.5, 1, 2**0.5, 2], rtol=1e-15)


def test_one_level_and_ratio_one():
    assert gdjax.geometric_scales(3, 1.25, 1) == (3.0,)
    assert gdjax.geometric_scales(3, 1, 2) == (3.0, 3.0)


@pytest.mark.parametrize(
    "arguments", [(0, 2, 3), (-1, 2, 3), (1, 0.9, 3), (1, np.nan, 3), (1, 2, 0)]
)
def test_impossible_series_raise(arguments):
    with pytest.raises(ValueError):
        gdjax.geometric_scales(*arguments)
