"""Public functions of `gdjax.scalespace` under whatever users pass."""

import hypothesis
from strategies import obeys, sigmas

import gdjax


@hypothesis.given(sigma=sigmas())
def test_truncation_radius(sigma):
    radius = obeys(gdjax.truncation_radius, sigma=sigma)
    assert radius is None or (type(radius) is int and radius >= 0)
