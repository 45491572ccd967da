"""What `augment` does to the images; imports no JAX, for a quick command line."""

from __future__ import annotations

import dataclasses
import math

from .errors import UserError


@dataclasses.dataclass(frozen=True)
class AugmentConfig:
    """Random changes of the training images; a field's default leaves its change out.

    Attributes:
      horizontal_flip: probability that an image is mirrored left to right.
      brightness: b; the grey levels are multiplied by a factor in 1 - b..1 + b.
      contrast: c; so are their deviations from the mean grey level, in 1 - c..1 + c.
      saturation: s; so are their deviations from the grey image, in 1 - s..1 + s.
      hue: h; the hue is turned by -h..h, in turns, at most 0.5.
      crop_padding: black px around the image before a crop of its own size.
      cutout: side in px of the black square that is laid over the image.
      vertical_flip: probability that an image is mirrored top to bottom.
      quarter_turns: whether an image is turned by 0, 1, 2 or 3 times 90 degrees, all
        equally likely; for square images.
      scale: least and largest factor by which an image is resized about its centre, on
        a canvas of the same size; uniform in its logarithm.
      brightness_shift: b; a grey level in -b..b is added to the image.
      crop: side in px of a square that is cut out of the image at a random place, and
        trained on in its stead; for networks that classify every pixel.
    """

    horizontal_flip: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    hue: float = 0.0
    crop_padding: int = 0
    cutout: int = 0
    vertical_flip: float = 0.0
    quarter_turns: bool = False
    scale: tuple[float, float] = (1.0, 1.0)
    brightness_shift: float = 0.0
    crop: int = 0


# px, of what surrounds or covers an image.
LARGEST = 2**14
# Ranges of the numbers that need not be whole.
_RANGES = {
    "horizontal_flip": (1.0, "a probability in 0..1"),
    "vertical_flip": (1.0, "a probability in 0..1"),
    "brightness": (math.inf, "a finite strength >= 0"),
    "contrast": (math.inf, "a finite strength >= 0"),
    "saturation": (math.inf, "a finite strength >= 0"),
    "hue": (0.5, "a part of a turn in 0..0.5"),
    "brightness_shift": (1.0, "a grey level in 0..1"),
}


def validate_augment(config: AugmentConfig) -> None:
    """Refuses values that have no meaning.

    Args:
      config: of the augmentation.

    Raises:
      UserError: for a number that is not finite or out of its range, for a size in px
        that is not whole, and for a `scale` that is not a range of factors.
    """
    for name, (largest, expected) in _RANGES.items():
        value = getattr(config, name)
        if not (math.isfinite(value) and 0 <= value <= largest):
            raise _refusal(name, value, expected)
    for name in ("crop_padding", "cutout", "crop"):
        value = getattr(config, name)
        if not (isinstance(value, int) and 0 <= value <= LARGEST):
            raise _refusal(name, value, f"a whole number of px in 0..{LARGEST}")
    if not isinstance(config.quarter_turns, bool):
        raise _refusal("quarter_turns", config.quarter_turns, "True or False", "False")
    if not _is_range(config.scale):
        expected = "two finite factors, 0 < least <= largest"
        raise _refusal("scale", config.scale, expected, "(1.0, 1.0)")


def _is_range(scale: tuple[float, float]) -> bool:
    if not isinstance(scale, tuple | list) or len(scale) != 2:
        return False
    low, high = scale
    return 0 < low <= high < math.inf


def _refusal(name: str, value: object, expected: str, none: str = "0") -> UserError:
    return UserError(
        f"`{name}={value}`: give {expected}; {none} leaves this change out"
    )
