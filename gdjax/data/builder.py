"""The TFDS builder that all data sets of gdjax share; it needs no TensorFlow."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
import tensorflow_datasets as tfds
from tensorflow_datasets.core.download.checksums import UrlInfo
from tensorflow_datasets.core.utils import Size, classproperty

from gdjax.data import hdf5, sources
from gdjax.data.hdf5 import StoredPart
from gdjax.data.originals import Originals, read_originals
from gdjax.data.prepared_sets import list_files, sync_files
from gdjax.data.releases import Release
from gdjax.data.rescaling import Background, RescaledPart, factor_tag, quarter_octaves
from gdjax.data.sources import Download
from gdjax.files import sync_folder


Splits = dict[str, tuple[str, float]]


class Part(Protocol):
    """Anything that can go through the examples of one split."""

    def examples(self) -> Iterator[tuple[np.ndarray, Any]]:
        """Yields image, uint8 [side, side, C], and label, in source order.

        The label is a whole number, or a mask, uint8 [side, side, 1].
        """
        ...


def scale_splits(subset: str, factors: tuple[float, ...]) -> Splits:
    """Splits such as `test_scale_0p500`, one for each size factor.

    Args:
      subset: "train", "validation" or "test".
      factors: size factors (dimensionless).

    Returns:
      Split name -> (subset, factor).
    """
    return {f"{subset}_scale_{factor_tag(f)}": (subset, f) for f in factors}


PLAIN_SPLITS: Splits = {name: (name, 1.0) for name in ("train", "validation", "test")}

NINE_SIZES: Splits = {
    "train": ("train", 1.0),
    "validation": ("validation", 1.0),
    **scale_splits("test", quarter_octaves(-4, 4)),
}


@dataclasses.dataclass(eq=False)
class ScaleConfig(tfds.core.BuilderConfig):
    """A variant of a data set.

    Attributes:
      limits: subset -> how many of its first images are taken; all if not named.
      stored: take the authors' HDF5 files from the manual folder.
      side: side of the images in px, where it is not that of the builder.
    """

    limits: Mapping[str, int] = dataclasses.field(default_factory=dict)
    stored: bool = False
    side: int | None = None


TINY = ScaleConfig(
    name="tiny",
    description="The first 256 / 64 / 64 images; for tests.",
    limits={"train": 256, "validation": 64, "test": 64},
)

PLAIN_CONFIGS = [ScaleConfig(name="default", description="All images."), TINY]

STORED = ScaleConfig(name="hdf5", description="The authors' HDF5 files.", stored=True)


class ScaleBuilder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """Objects of one published set, at the size factors of its splits.

    Images keep the source's order (no shuffling), so that index i is the same object
    in all splits of a subset. A subclass states the class attributes; a set that is
    not a release of IDX files or of records overrides `originals` as well.

    Attributes:
      SIDE: side of the images in px.
      SUBSET_SIDES: subset -> side of its images in px, where it is not `SIDE`.
      CHANNELS: 1 (grey) or 3 (RGB).
      BACKGROUND: what surrounds the originals on the canvas.
      SPLITS: split name -> (subset, size factor).
      CLASSES: names of the classes.
      MASKS: labels are masks, a class for every pixel; 255 where it is not to count.
      SOURCE: where the data come from, in a few words.
      RELEASE: the published files, or None.
      UNIT: px of the canvas per px of the originals at size factor 1.
    """

    SIDE: ClassVar[int]
    SUBSET_SIDES: ClassVar[Mapping[str, int]] = {}
    CHANNELS: ClassVar[int] = 1
    BACKGROUND: ClassVar[Background] = "black"
    SPLITS: ClassVar[Splits]
    CLASSES: ClassVar[tuple[str, ...]]
    MASKS: ClassVar[bool] = False
    SOURCE: ClassVar[str]
    RELEASE: ClassVar[Release | None] = None
    UNIT: ClassVar[float] = 1.0

    @classproperty
    @classmethod
    def url_infos(cls) -> dict[str, UrlInfo] | None:  # type: ignore
        """Sizes and sums that TFDS holds downloads against."""
        if cls.RELEASE is None:
            return None
        return {
            address: UrlInfo(
                size=Size(remote.size),
                checksum=remote.sha256,
                filename=address.rpartition("/")[2],
            )
            for address, remote in cls.RELEASE.downloads().items()
        }

    @classmethod
    def test_factors(cls) -> tuple[float, ...]:
        """Size factors of the `test_scale_*` splits; () if there are none."""
        return tuple(f for n, (_, f) in cls.SPLITS.items() if n.startswith("test_sc"))

    @classmethod
    def source_files(cls, folder: Path) -> Iterator[Path]:
        """The files in a user's folder that may be read.

        Args:
          folder: the folder.

        Yields:
          Their paths; others may be among them.
        """
        for place in {folder, folder / cls.RELEASE.folder if cls.RELEASE else folder}:
            yield from place.glob("*")

    @classmethod
    def image_shape(cls, subset: str, *, config: str = "") -> tuple[int, int, int]:
        """Height and width in px, and channels, of the images of a subset.

        Args:
          subset: "train", "validation" or "test".
          config: name of the config; "" for those whose sides are the builder's.

        Returns:
          (H, W, C).
        """
        side = cls.SUBSET_SIDES.get(subset, cls.SIDE)
        if config:
            side = cls.config_named(config).side or side
        return side, side, cls.CHANNELS

    @classmethod
    def config_named(cls, name: str) -> ScaleConfig:
        """The config of that name; KeyError if there is none."""
        return cls.builder_configs[name]  # type: ignore

    @property
    def variant(self) -> ScaleConfig:
        """The config of this builder."""
        return self.builder_config  # type: ignore

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes in the config of this builder."""
        return self.CLASSES

    @property
    def provenance(self) -> dict[str, Any]:
        """Of a prepared set: `source` in words, `sha256` of its parts, `digest`."""
        return self.info.metadata  # type: ignore

    def download_and_prepare(
        self, *, file_format: Any = "array_record", **options: Any
    ) -> None:
        """As in TFDS, but with the one format that needs no TensorFlow.

        A set gets its name when all of its files are on the disk.
        """
        write = self.info.write_to_directory

        def write_and_sync(folder: Any, *given: Any, **named: Any) -> None:
            write(folder, *given, **named)
            list_files(Path(folder))
            sync_files(Path(folder))

        # What TFDS writes last before it renames the folder.
        self.info.write_to_directory = write_and_sync  # type: ignore
        try:
            super().download_and_prepare(file_format=file_format, **options)
        finally:
            del self.info.write_to_directory
        sync_folder(Path(self.data_path).parent)

    def downloader(self) -> Download:
        """Downloads into TFDS's folder, refusing files with other sums."""
        config = tfds.download.DownloadConfig(force_checksums_validation=True)
        return self._make_download_manager(None, config).download  # type: ignore

    def originals(self, folder: Path | None, *, download: Download) -> Originals:
        """The images as published, whatever the config.

        Args:
          folder: the user's folder of source files, or None to find them.
          download: fetches {part: address} and returns {part: path}.

        Returns:
          All subsets, whole.

        Raises:
          FileNotFoundError: if files are missing.
          DataError: if files are not what they should be.
        """
        if self.RELEASE is None:
            raise NotImplementedError(f"{self.name} must override `originals`")
        return read_originals(self.RELEASE, folder=folder, download=download)

    def stored_parts(self, folder: Path) -> dict[str, StoredPart]:
        """Where the authors' HDF5 files have every split; see `hdf5.find_parts`."""
        shapes = {sub: self.image_shape(sub) for sub, _ in self.SPLITS.values()}
        classes = len(self.CLASSES)
        return hdf5.find_parts(folder, self.SPLITS, shapes=shapes, classes=classes)

    def part(self, originals: Originals, subset: str, factor: float) -> Part:
        """The examples of one split; here, the originals rescaled."""
        return self.rescaled_part(originals, subset, factor)

    def parameters(self) -> dict[str, Any]:
        """What else than the originals decides the images, for the metadata."""
        return {}

    def rescaled_part(
        self, originals: Originals, subset: str, factor: float
    ) -> RescaledPart:
        """One subset at one size factor, cut to the limit of this config."""
        count = self.variant.limits.get(subset)
        images, labels = originals.images[subset], originals.labels[subset]
        return RescaledPart(
            images=images[:count],
            labels=labels[:count],
            factor=factor * self.UNIT,
            side=self.image_shape(subset, config=self.variant.name)[0],
            background=self.BACKGROUND,
        )

    def _info(self) -> tfds.core.DatasetInfo:
        # TFDS has one shape for all splits; it stores the sides it is not told.
        side = None if self.SUBSET_SIDES else self.variant.side or self.SIDE
        image = _planes(side, self.CHANNELS)
        label = tfds.features.ClassLabel(names=list(self.classes))
        if self.MASKS:
            label = _planes(side, 1)
        return tfds.core.DatasetInfo(
            builder=self,
            description=self.__doc__,
            features=tfds.features.FeaturesDict({"image": image, "label": label}),
            supervised_keys=("image", "label"),
            disable_shuffling=True,
            metadata=tfds.core.MetadataDict(),
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
        parts: dict[str, Part] = {}
        if self.variant.stored:
            stored = self.stored_parts(_manual_folder(dl_manager))
            origin, sha256 = "the authors' HDF5 files", hdf5.fingerprint(stored)
            parts.update(stored)
        else:
            folder = _user_folder(dl_manager)
            originals = self.originals(folder, download=dl_manager.download)
            origin, sha256 = originals.origin, originals.sha256
            for name, (subset, factor) in self.SPLITS.items():
                parts[name] = self.part(originals, subset, factor)
        digest = Originals({}, {}, origin, sha256).digest
        facts = {"source": origin, "sha256": sha256, "digest": digest}
        self.provenance.update(facts | self.parameters())
        return {n: self._generate_examples(part) for n, part in parts.items()}

    def _generate_examples(self, part: Part) -> Iterator[tuple[int, dict[str, Any]]]:
        for i, (image, label) in enumerate(part.examples()):
            yield i, {"image": image, "label": label}


def _planes(side: int | None, channels: int) -> tfds.features.Tensor:
    return tfds.features.Tensor(
        shape=(side, side, channels),
        dtype=np.uint8,
        encoding=tfds.features.Encoding.ZLIB,
    )


def _user_folder(dl_manager: Any) -> Path | None:
    """The manual folder if the user has named one.

    TFDS always has a manual folder, by default inside the download folder. That one
    may hold other data sets' files, and is not asked for ours.
    """
    folder = _manual_folder(dl_manager)
    if folder == Path(dl_manager.download_dir) / "manual":
        return None
    return sources.check_folder(folder)


def _manual_folder(dl_manager: Any) -> Path:
    """TFDS's manual folder, whether it exists or not.

    The public property raises AssertionError if the folder is missing or empty, which
    is no error of the program, and leaves no room for our own words.
    """
    return Path(dl_manager._manual_dir)
