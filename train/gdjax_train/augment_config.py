"""What `augment` does to the images; imports no JAX, for a quick command line."""

from __future__ import annotations

import dataclasses
import math

from .errors import UserError


@dataclasses.dataclass(frozen=True)
class AugmentConfig:
    """Random changes of the training images; a zero leaves that change out.

    Attributes:
      horizontal_flip: probability that an image is mirrored.
      brightness: b; the grey levels are multiplied by a factor in 1 - b..1 + b.
      contrast: c; so are their deviations from the mean grey level, in 1 - c..1 + c.
      saturation: s; so are their deviations from the grey image, in 1 - s..1 + s.
      hue: h; the hue is turned by -h..h, in turns, at most 0.5.
      crop_padding: black px around the image before a crop of its own size.
      cutout: side in px of the black square that is laid over the image.
    """

    horizontal_flip: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    hue: float = 0.0
    crop_padding: int = 0
    cutout: int = 0


# Ranges of the numbers that need not be whole.
_RANGES = {
    "horizontal_flip": (1.0, "a probability in 0..1"),
    "brightness": (math.inf, "a finite strength >= 0"),
    "contrast": (math.inf, "a finite strength >= 0"),
    "saturation": (math.inf, "a finite strength >= 0"),
    "hue": (0.5, "a part of a turn in 0..0.5"),
}


def validate_augment(config: AugmentConfig) -> None:
    """Refuses values that have no meaning.

    Args:
      config: of the augmentation.

    Raises:
      UserError: for a number that is not finite or out of its range, and for a size in
        px that is not whole.
    """
    for name, (largest, expected) in _RANGES.items():
        value = getattr(config, name)
        if not (math.isfinite(value) and 0 <= value <= largest):
            raise _refusal(name, value, expected)
    for name in ("crop_padding", "cutout"):
        value = getattr(config, name)
        if not (isinstance(value, int) and value >= 0):
            raise _refusal(name, value, "a whole number of px >= 0")


def _refusal(name: str, value: float, expected: str) -> UserError:
    return UserError(f"`{name}={value}`: give {expected}; 0 leaves this change out")
