"""The records of a split, decoded all at once or when they are asked for."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np
import tensorflow_datasets as tfds

from gdjax.data.errors import DataError
from gdjax.data.prepared_sets import check_shards
from gdjax.data.split_names import check_bounds, nothing_in, parse_split


_BLOCK = 200  # Records; their bytes are in memory twice while they are decoded.


class Feature(NamedTuple):
    """What every record of a split has under one name.

    Attributes:
      name: "image" or "label".
      shape: of one record.
      dtype: of its values.
    """

    name: str
    shape: tuple[int, ...]
    dtype: type[np.generic]


class Reader(Protocol):
    """What a `LazyArray` reads from.

    Attributes:
      features: what it reads of every record.
    """

    features: tuple[Feature, ...]

    def __len__(self) -> int:
        """Number of records."""
        ...

    def read(self, rows: Sequence[int] | np.ndarray, /) -> list[np.ndarray]:
        """For each of the features, its values [len(rows), ...]."""
        ...


class SplitReader:
    """Reads features of the records of one split; it keeps none of them.

    It may be used from several threads at once.

    Attributes:
      features: what it reads of every record.
      REMEDY: what helps if the records are damaged, for error messages.

    gdjax.
    """

    REMEDY: ClassVar[str] = "delete that folder: it is then made again at the next use"

    def __init__(
        self,
        builder: tfds.core.DatasetBuilder,
        split: str,
        features: Sequence[Feature],
    ):
        """Opens a split, without reading a record.

        Args:
          builder: of a prepared set.
          split: as in TFDS, such as "train[:10%]".
          features: what is to be read; the others are not decoded.

        Raises:
          DataError: if a slice in `split` is none, or goes beyond what there is; if the
            split can't be opened.
        """
        self._place = f"{split} of the prepared set {builder.data_path}"
        with self._clear_errors():
            split = self._checked(builder, split)
        self.features = tuple(features)
        names = {feature.name for feature in features}
        stored: Any = builder.info.features
        nested = tfds.features.FeaturesDict, tfds.features.Sequence
        skipped = [
            name
            for name, feature in stored.items()
            if name not in names and not isinstance(feature, nested)
        ]
        decoders = {name: tfds.decode.SkipDecoding() for name in skipped}
        with self._clear_errors():
            options: Any = {"split": split, "decoders": decoders or None}
            self._source: Any = builder.as_data_source(**options)

    def __len__(self) -> int:
        return len(self._source)

    def read(self, rows: Sequence[int] | np.ndarray) -> list[np.ndarray]:
        """Decodes records.

        Args:
          rows: their numbers, 0 to `len(self) - 1`, in any order.

        Returns:
          For each of the features, its values [len(rows), ...], in the order of `rows`.

        Raises:
          DataError: if a record can't be read; names the folder to be deleted.
        """
        arrays = [np.empty((len(rows), *f.shape), f.dtype) for f in self.features]
        with self._clear_errors():
            for start in range(0, len(rows), _BLOCK):
                block = [int(row) for row in rows[start : start + _BLOCK]]
                examples = self._source.__getitems__(block)
                for i, example in enumerate(examples, start):
                    for array, feature in zip(arrays, self.features, strict=True):
                        array[i] = self._fitted(example[feature.name], feature)
        return arrays

    def _checked(self, builder: tfds.core.DatasetBuilder, split: str) -> str:
        """The split without spaces, once what it names is there."""
        text, terms = parse_split(split)
        stored, title = builder.info.splits, builder.info.full_name
        sizes = {term.name: stored[term.name].num_examples for term in terms}
        check_bounds(split, terms, sizes, title)
        if stored[text].num_examples < 1:
            raise nothing_in(split, title)
        for name in sizes:
            check_shards(stored[name])
        return text

    def _fitted(self, value: Any, feature: Feature) -> Any:
        """A value in the shape of its feature: masks are stored with a channel."""
        return np.reshape(value, feature.shape)

    @contextlib.contextmanager
    def _clear_errors(self) -> Iterator[None]:
        """Says which folder is damaged."""
        try:
            yield
        except DataError:
            raise
        except Exception as error:
            # TFDS raises what it likes, from AssertionError to KeyError.
            first_line = str(error).partition("\n")[0] or type(error).__name__
            raise DataError(
                f"can't read {self._place} ({first_line}); if it is damaged, "
                f"{self.REMEDY}"
            ) from error


class LazyArray:
    """One feature of a split, as an array whose records are decoded when indexed.

    `x[3]`, `x[5:9]` and `x[rows]` are NumPy arrays with the values that the whole array
    has there; `np.asarray(x)` reads everything. Only the first axis is indexed, and
    nothing can be written. It may be used from several threads at once.

    Attributes:
      shape: as of the whole array, [N, ...].
      dtype: of its values.
      ndim: number of axes.

    gdjax.
    """

    def __init__(self, reader: Reader, *, limit: int | None = None, keep: bool = False):
        """An array of the first feature of a reader.

        Args:
          reader: reads it.
          limit: take only the first records; None takes all.
          keep: read all of it at the first index, and keep it.
        """
        (feature,) = reader.features
        count = len(reader) if limit is None else min(limit, len(reader))
        self.shape = (count, *feature.shape)
        self.dtype = np.dtype(feature.dtype)
        self.ndim = len(self.shape)
        self._reader = reader
        self._keep = keep

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        return f"<LazyArray {self.dtype} {self.shape}>"

    def __iter__(self) -> Iterator[Any]:
        return (self[row] for row in range(len(self)))

    def __getitem__(self, index: Any) -> Any:
        """The values of some records.

        Args:
          index: a whole number (negative ones count from the end), a slice, an array of
            whole numbers in any order, also repeated, or an array of N truth values.

        Returns:
          The values of one record, [...], or of as many as there are in `index`.

        Raises:
          IndexError: if there is no such record, or `index` is none of these.
          DataError: if a record can't be read; names its file or folder.
        """
        rows = self._rows(index)
        flat = rows.ravel()
        values = self._all[flat] if self._keep else self._reader.read(flat)[0]
        return (
            values[0] if not rows.ndim else values.reshape(*rows.shape, *self.shape[1:])
        )

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """The whole array, for `np.asarray`."""
        if copy is False:
            raise ValueError("`copy=False`: what is read when asked for is a copy.")
        values = self[:]
        return values if dtype is None else values.astype(dtype, copy=False)

    @functools.cached_property
    def _all(self) -> np.ndarray:
        return self._reader.read(range(len(self)))[0]

    def _rows(self, index: Any) -> np.ndarray:
        """Whole numbers from 0 on, in the shape that `index` has; [] for one number."""
        count = len(self)
        if isinstance(index, slice):
            return np.arange(*index.indices(count))
        rows = np.asarray(index)
        if rows.dtype == bool and rows.shape == (count,):
            return np.flatnonzero(rows)
        if isinstance(index, tuple) or (rows.dtype.kind not in "iu" and rows.size):
            raise IndexError(
                f"an index of {rows.dtype} {rows.shape} ({type(index).__name__}) does "
                f"not choose among {count:,} examples: take a whole number, a slice or "
                "an array of whole numbers, or index `np.asarray` of the whole"
            )
        rows = rows.astype(np.int64)
        wrong = rows[(rows < -count) | (rows >= count)]
        if wrong.size:
            raise IndexError(f"there is no example {wrong[0]}: there are {count:,}")
        return np.where(rows < 0, rows + count, rows)
