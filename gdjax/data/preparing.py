"""Prepared data sets: their names, their place on disk, and their making."""

from __future__ import annotations

import contextlib
import functools
import io
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import tensorflow_datasets as tfds

from gdjax.data import hdf5, sources
from gdjax.data.builder import ScaleBuilder
from gdjax.data.cifar import GdjaxCifar10, GdjaxCifar100, RescaledCifar10
from gdjax.data.cityscapes import GdjaxCityscapes
from gdjax.data.digits import GdjaxMnist, MnistLargeScale, RescaledDigits
from gdjax.data.errors import unknown
from gdjax.data.fashion_mnist import GdjaxFashionMnist, RescaledFashionMnist
from gdjax.data.garments import GarmentsOnTextures
from gdjax.data.mnist_scale import MnistScale
from gdjax.data.multi_scale_fashion_mnist import MultiScaleFashionMnist
from gdjax.data.originals import Originals
from gdjax.data.pascal_voc import GdjaxPascalVoc
from gdjax.data.patch_camelyon import GdjaxPatchCamelyon
from gdjax.data.prepared_sets import (
    clear_lack_of_room,
    open_builder,
    without_empty_folders,
)
from gdjax.data.stl10 import GdjaxStl10, RescaledStl10
from gdjax.data.svhn import GdjaxSvhn
from gdjax.data.textures import Textures


BUILDERS: dict[str, type[ScaleBuilder]] = {
    "rescaled_digits": RescaledDigits,
    "mnist": GdjaxMnist,
    "fashion_mnist": GdjaxFashionMnist,
    "rescaled_fashion_mnist": RescaledFashionMnist,
    "mnist_large_scale": MnistLargeScale,
    "mnist_scale": MnistScale,
    "multi_scale_fashion_mnist": MultiScaleFashionMnist,
    "cifar10": GdjaxCifar10,
    "cifar100": GdjaxCifar100,
    "rescaled_cifar10": RescaledCifar10,
    "stl10": GdjaxStl10,
    "rescaled_stl10": RescaledStl10,
    "svhn": GdjaxSvhn,
    "patch_camelyon": GdjaxPatchCamelyon,
    "cityscapes": GdjaxCityscapes,
    "pascal_voc": GdjaxPascalVoc,
    "garments_on_textures": GarmentsOnTextures,
    "textures": Textures,
}


def prepared_root() -> Path:
    """TFDS's folder: $TFDS_DATA_DIR, or ~/tensorflow_datasets.

    The variable is read at every call; TFDS itself reads it only once, when imported.

    Raises:
      DataError: if there is neither that variable nor a home folder.
    """
    folder = os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets"
    return sources.expanded(folder, "set TFDS_DATA_DIR to a folder for prepared sets")


def parse_name(name: str) -> tuple[type[ScaleBuilder], str]:
    """Builder class and config of a name such as "mnist_large_scale/small".

    Args:
      name: a key of `BUILDERS`, or the name TFDS knows it by, with or without "/" and
        a config.

    Returns:
      The class, and the config ("default" if there is none in the name).

    Raises:
      ValueError: if there is no such data set or config; names the nearest.
    """
    stem, _, config = name.partition("/")
    known = BUILDERS | {builder.name: builder for builder in BUILDERS.values()}
    if stem not in known:
        raise unknown("data set", stem, BUILDERS)
    configs = list(known[stem].builder_configs)
    if config and config not in configs:
        raise unknown(f"config of {stem}", config, configs)
    return known[stem], config or configs[0]


def find_builder(name: str, *, data_dir: str | Path | None = None) -> ScaleBuilder:
    """The builder of a data set, in the folder where it is or is to be prepared.

    Files in `data_dir` are checked at every call, so that a folder that has become
    incomplete is never hidden by what was prepared from it. Sets made from other files
    than the published ones lie in a folder of their own, named by their SHA-256:
    `mnist` without a `data_dir` is always MNIST. Where the SHA-256 of the published
    files is not known (CIFAR and STL-10, whose sizes are checked, PatchCamelyon,
    Cityscapes, and the authors' HDF5 files), those seen first count as the published
    ones.

    Args:
      name: the data set; see `parse_name`.
      data_dir: folder with the source files, or None to find them when needed.

    Returns:
      The builder; `builder.data_path` exists if it is prepared.

    Raises:
      ValueError: if the name is unknown, or a file is not what it should be.
      OSError: if `data_dir` or a file in it is missing.
    """
    cls, config = parse_name(name)
    root = prepared_root()
    builder = open_builder(cls, root, config)
    if data_dir is None:
        return builder
    folder = sources.check_folder(data_dir)
    digest = _digest(cls, config, folder, _signature(cls, folder))
    stored = builder.variant.stored
    known = cls.RELEASE.digest if cls.RELEASE and not stored else None
    published = known is None or digest == known
    prepared = builder.data_path.exists()
    same = digest == builder.provenance.get("digest") if prepared else published
    if same:
        return builder
    return open_builder(cls, root / "by_source" / digest[:16], config)


def find_prepared(cls: type[ScaleBuilder], config: str) -> list[Path]:
    """Folders of the prepared sets of one config, from any source files.

    Args:
      cls: the builder class.
      config: the config.

    Returns:
      The folders; empty if the set is not prepared.
    """
    tail = Path(cls.name, config, str(cls.VERSION))
    root = prepared_root()
    places = [root / tail, *root.glob(f"by_source/*/{tail}")]
    return [place for place in places if place.is_dir()]


def prepare(name: str, *, data_dir: str | Path | None = None) -> ScaleBuilder:
    """Makes a data set ready for reading, unless it is already.

    TFDS writes to a folder of another name and renames it in the end: a set that was
    interrupted does not exist.

    Args:
      name: the data set; see `parse_name`.
      data_dir: folder with the source files, or None to find them.

    Returns:
      The builder of the prepared set.

    Raises:
      ValueError: if the name is unknown, or a file is not what it should be.
      OSError: if files are missing, no source works, or the disk is full.
    """
    builder = find_builder(name, data_dir=data_dir)
    if builder.data_path.exists():
        return builder
    print(f"gdjax: preparing {name} in {builder.data_path} ...", file=sys.stderr)
    start = time.monotonic()
    folder = None if data_dir is None else sources.check_folder(data_dir)
    # TFDS prints its own two lines on stdout, which belongs to the caller.
    quiet = contextlib.redirect_stdout(io.StringIO())
    tidy, room = without_empty_folders(builder), clear_lack_of_room(builder)
    with tidy, _forgiving(builder), room, _bars_on_terminals_only(), quiet:
        builder.download_and_prepare(
            download_config=tfds.download.DownloadConfig(
                manual_dir=folder,
                force_checksums_validation=True,
                try_download_gcs=False,
            )
        )
    # Read back from the disk, as it may be another process that has made the set.
    root = Path(builder.data_dir_root)
    builder = open_builder(type(builder), root, builder.variant.name)
    seconds = time.monotonic() - start
    source = builder.provenance["source"]
    print(f"gdjax: {name} is ready ({seconds:.0f} s; {source})", file=sys.stderr)
    return builder


def _signature(
    cls: type[ScaleBuilder], folder: Path
) -> tuple[tuple[str, int, int], ...]:
    """Name, size in bytes and time of change of all files that may be read."""
    paths = sorted(path for path in cls.source_files(folder) if path.exists())
    stats = [(str(path), path.stat()) for path in paths]
    return tuple((name, stat.st_size, stat.st_mtime_ns) for name, stat in stats)


@functools.lru_cache(maxsize=32)
def _digest(
    cls: type[ScaleBuilder], config: str, folder: Path, signature: tuple
) -> str:
    """Checks the source files in a folder, again whenever `signature` changes.

    An evaluation loads a dozen splits in a row, and checking takes half a second.
    """
    del signature  # Only a key of the cache.
    builder = open_builder(cls, prepared_root(), config)
    if builder.variant.stored:
        sha256 = hdf5.fingerprint(builder.stored_parts(folder))
        return Originals({}, {}, "", sha256).digest
    return builder.originals(folder, download=_no_download).digest


@contextlib.contextmanager
def _forgiving(builder: ScaleBuilder) -> Iterator[None]:
    """Forgives a lost race: the set that another process has finished is as good."""
    try:
        yield
    except (OSError, RuntimeError):
        if not builder.data_path.exists():
            raise


@contextlib.contextmanager
def _bars_on_terminals_only() -> Iterator[None]:
    """TFDS's progress bars fill log files, and so are for terminals."""
    if sys.stderr.isatty():
        yield
        return
    tfds.disable_progress_bar()
    try:
        yield
    finally:
        tfds.enable_progress_bar()


def _no_download(urls: dict[str, str]) -> dict[str, Path]:
    raise AssertionError(f"a user's folder never leads to a download: {urls}")
