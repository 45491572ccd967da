"""Images with their labels, as all data sets are handed out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Generic, NamedTuple, Self, TypeVar

import numpy as np

from gdjax.data.lazy import LazyArray


Array = TypeVar("Array", bound=np.ndarray | LazyArray)

# Names of classes in the one line that is printed.
_SHOWN = 5


class _Pair(NamedTuple, Generic[Array]):
    """Unpacks as `image, label = ...`."""

    image: Array
    label: Array


class Examples(_Pair[Array]):
    """Images with their labels; unpacks as `image, label = ...`.

    Attributes:
      image: uint8 [N, H, W, C]; of 16-bit pictures in folders uint16.
      label: int32 [N]; in sets for segmentation uint8 [N, H, W], the class of every
        pixel, 255 where it is not to count.
      classes: names of the classes 0, 1, ...; () where they are not known.

    gdjax.
    """

    classes: tuple[str, ...] = ()

    def __new__(
        cls, image: Array, label: Array, *, classes: Sequence[str] = ()
    ) -> Self:
        """Two arrays of one length, and what the labels mean."""
        self = super().__new__(cls, image, label)
        self.classes = tuple(classes)
        return self

    def __repr__(self) -> str:
        """One line, whatever there is: shapes and types, no pixels."""
        arrays = [f"{name} {_described(getattr(self, name))}" for name in self._fields]
        names = ", ".join(self.classes[:_SHOWN])
        more = ", ..." if len(self.classes) > _SHOWN else ""
        count = len(self.classes)
        plural = "class" if count == 1 else "classes"
        classes = f", {count} {plural}: {names}{more}" if count else ""
        return f"<Examples: {', '.join(arrays)}{classes}>"

    def _replace(self, **fields: Any) -> Self:
        """As of named tuples; the classes stay."""
        replaced = super()._replace(**fields)
        replaced.classes = self.classes
        return replaced


def _described(array: Any) -> str:
    return f"{getattr(array, 'dtype', type(array).__name__)} {np.shape(array)}"
