"""What all layers and networks have in common."""

from typing import Any

import flax.linen as nn

from gdjax.layers.copies import Copied, comparable
from gdjax.layers.fields import checked_fields


class Module(Copied, nn.Module):
    """A Linen module whose fields are checked, and whose copies are equal to it.

    Raises:
      TypeError, ValueError: at construction, for a field of another type; it is named.

    gdjax.
    """

    def __post_init__(self):
        for name, value in checked_fields(self).items():
            value: Any = comparable(value)
            if value is not getattr(self, name):
                object.__setattr__(self, name, value)
        super().__post_init__()
