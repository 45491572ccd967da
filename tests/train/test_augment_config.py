import subprocess
import sys

import pytest

from gdjax_train.augment_config import AugmentConfig, validate_augment
from gdjax_train.errors import UserError


@pytest.mark.parametrize(
    "field, value",
    [
        ("horizontal_flip", 1.5),
        ("horizontal_flip", -0.1),
        ("horizontal_flip", float("nan")),
        ("brightness", -0.2),
        ("brightness", float("inf")),
        ("contrast", float("nan")),
        ("saturation", -1.0),
        ("hue", 0.6),
        ("hue", -0.1),
        ("crop_padding", -1),
        ("crop_padding", 1.5),
        ("cutout", -32),
        ("vertical_flip", 1.1),
        ("vertical_flip", float("nan")),
        ("brightness_shift", -0.1),
        ("brightness_shift", 1.5),
    ],
)
def test_values_without_a_meaning_are_refused(field, value):
    config = AugmentConfig(**{field: value})
    with pytest.raises(UserError, match=f"`{field}={value}`: give .*0 leaves"):
        validate_augment(config)


@pytest.mark.parametrize(
    "scale",
    [(2.0, 0.5), (0.0, 1.0), (-1.0, 1.0), (1.0, float("inf")), (float("nan"), 1.0)]
    + [(1.0,), (1.0, 2.0, 3.0), 2.0],
)
def test_what_is_not_a_range_of_factors_is_refused(scale):
    with pytest.raises(UserError, match=r"`scale=.*`: give two .*\(1.0, 1.0\) leaves"):
        validate_augment(AugmentConfig(scale=scale))


def test_a_number_of_quarter_turns_is_refused():
    with pytest.raises(UserError, match="`quarter_turns=3`: give True or False"):
        validate_augment(AugmentConfig(quarter_turns=3))


@pytest.mark.parametrize(
    "config",
    [
        AugmentConfig(0.5, 0.2, 0.2, 0.2, 0.05, 3, 4),
        AugmentConfig(),
        AugmentConfig(1.0, 3.0, 1.0, 2.0, 0.5, 0, 99, 1.0, True, (0.1, 0.1), 1.0),
        AugmentConfig(scale=(1, 2)),
    ],
)
def test_meaningful_values_are_accepted(config):
    validate_augment(config)


def test_config_does_not_import_jax():
    code = "import sys, gdjax_train.augment_config; sys.exit('jax' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
