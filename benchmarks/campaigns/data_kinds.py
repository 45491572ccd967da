"""Tiny valid data of every kind that `gdjax.data` reads, for `corrupt_data.py`."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import io
import itertools
import os
import pathlib
import struct
import tarfile
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import h5py
import numpy as np
import picture_data as pictures
import scipy.io
from picture_data import Damage, Values

import gdjax.data as data
from gdjax.data import releases
from gdjax.data.releases import Records, RemoteFile


PREPARED = "prepared"  # Beside the data: the folder of prepared sets.


@dataclasses.dataclass(frozen=True)
class Kind:
    """One kind of data.

    Attributes:
      name: for the table.
      build: writes valid data into an empty folder.
      read: their values, by a public entry point.
      targets: patterns of the files that are damaged.
      sealed: patterns of those with sums; of others, values that differ in a file of
        the same form can't be noticed.
      complete: a list says which files there must be.
      free: nothing says of which size and kind the values are, but the file itself.
      swaps: pairs of files that may not change names.
      extra: further damages, by name.
    """

    name: str
    build: Callable[[pathlib.Path], None]
    read: Callable[[pathlib.Path], Values]
    targets: tuple[str, ...] = ("*",)
    sealed: tuple[str, ...] = ()
    complete: bool = True
    free: bool = False
    swaps: tuple[tuple[str, str], ...] = ()
    extra: Mapping[str, Damage] = dataclasses.field(default_factory=dict)


def _rng() -> np.random.Generator:
    return np.random.default_rng(0)


def _loaded(name: str, splits: Iterable[str], **options: Any) -> Values:
    found = {}
    for split in splits:
        examples = data.load(name, split, **options)
        found[f"{split} image"], found[f"{split} label"] = examples
    return found


def _prepared_beside(folder: pathlib.Path) -> None:
    os.environ["TFDS_DATA_DIR"] = str(folder.with_name(PREPARED))


def _load_mnist(folder: pathlib.Path) -> Values:
    _prepared_beside(folder)
    return _loaded("mnist", ("train", "validation", "test"), data_dir=folder)


def _idx(array: np.ndarray) -> bytes:
    head = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    return head + array.astype(np.uint8).tobytes()


def _build_idx(folder: pathlib.Path, *, packed: bool) -> None:
    rng = _rng()
    for stem, count in (("train", 18), ("t10k", 5)):
        arrays = {
            "images-idx3": rng.integers(0, 256, (count, 28, 28)),
            "labels-idx1": rng.integers(0, 10, count),
        }
        for kind, array in arrays.items():
            path = folder / f"{stem}-{kind}-ubyte{'.gz' if packed else ''}"
            raw = _idx(array)
            path.write_bytes(gzip.compress(raw, mtime=0) if packed else raw)


def _idx_bomb(folder: pathlib.Path) -> pathlib.Path:
    path = folder / "train-images-idx3-ubyte.gz"
    head = struct.pack(">HBB3I", 0, 8, 3, 18, 28, 28)
    path.write_bytes(gzip.compress(head + bytes(2**28), 1))
    return path


def _idx_claim(folder: pathlib.Path) -> pathlib.Path:
    path = folder / "train-images-idx3-ubyte"
    raw = path.read_bytes()
    path.write_bytes(struct.pack(">HBB3I", 0, 8, 3, 2**31, 2**31, 4) + raw[16:])
    return path


def _records(release: Any, builder: Any, files: Mapping[str, bytes]) -> Any:
    """The release of just these files, which counts as the published one."""
    kept = {
        name: Records(len(files[name]) // records.layout.size, records.layout)
        for name, records in release.files.items()
    }
    packed = _tar(release.folder, files)
    remote = RemoteFile(len(packed), hashlib.sha256(packed).hexdigest())
    made = dataclasses.replace(release, files=kept, remote=remote)
    builder.RELEASE = made
    return made


def _tar(
    folder: str, files: Mapping[str, bytes], links: Mapping[str, str] = {}
) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, raw in files.items():
            member = tarfile.TarInfo(f"{folder}/{name}")
            member.size = len(raw)
            archive.addfile(member, io.BytesIO(raw))
        for name, target in links.items():
            member = tarfile.TarInfo(f"{folder}/{name}")
            member.type, member.linkname = tarfile.SYMTYPE, target
            archive.addfile(member)
    return gzip.compress(stream.getvalue(), mtime=0)


def _cifar_files() -> dict[str, bytes]:
    rng, files = _rng(), {}
    for name in (*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"):
        rows = rng.integers(0, 256, (4, 3073), np.uint8)
        rows[:, 0] = rng.integers(0, 10, 4)
        files[name] = rows.tobytes()
    return files


def _stl_files() -> dict[str, bytes]:
    rng, files = _rng(), {}
    for subset, count in (("train", 6), ("test", 5)):
        files[f"{subset}_X.bin"] = rng.bytes(count * 3 * 96**2)
        files[f"{subset}_y.bin"] = bytes(rng.integers(1, 11, count).tolist())
    return files


def _build_files(folder: pathlib.Path, files: Mapping[str, bytes]) -> None:
    for name, raw in files.items():
        (folder / name).write_bytes(raw)


def _build_cifar_archive(folder: pathlib.Path) -> None:
    release = releases.CIFAR10
    (folder / release.archive).write_bytes(_tar(release.folder, _cifar_files()))


def _load_cifar(folder: pathlib.Path) -> Values:
    _prepared_beside(folder)
    release = _records(releases.CIFAR10, data.GdjaxCifar10, _cifar_files())
    if (folder / "trusted").exists():  # An archive whose sum is right, but evil.
        raw = (folder / release.archive).read_bytes()
        remote = RemoteFile(len(raw), hashlib.sha256(raw).hexdigest())
        data.GdjaxCifar10.RELEASE = dataclasses.replace(release, remote=remote)
    return _loaded("cifar10", ("train", "validation", "test"), data_dir=folder)


def _load_stl(folder: pathlib.Path) -> Values:
    _prepared_beside(folder)
    _records(releases.STL10, data.GdjaxStl10, _stl_files())
    return _loaded("stl10", ("train", "validation", "test"), data_dir=folder)


def _evil(kind: str) -> Damage:
    def make(folder: pathlib.Path) -> pathlib.Path:
        release, files = releases.CIFAR10, _cifar_files()
        raw, links = files.pop("test_batch.bin"), {}
        if kind == "upwards":
            files["../../../evil.bin"] = raw
        elif kind == "link":
            links["test_batch.bin"] = "../../../../etc/hostname"
        else:
            files["test_batch.bin"] = bytes(2**28)
        path = folder / release.archive
        path.write_bytes(_tar(release.folder, files, links))
        (folder / "trusted").touch()
        return path

    return make


def _build_svhn(folder: pathlib.Path) -> None:
    rng = _rng()
    for subset, count in (("train", 6), ("test", 4)):
        values = {
            "X": rng.integers(0, 256, (32, 32, 3, count), np.uint8),
            "y": rng.integers(1, 11, (count, 1), np.uint8),
        }
        scipy.io.savemat(folder / f"{subset}_32x32.mat", values, do_compression=True)


def _load_svhn(folder: pathlib.Path) -> Values:
    _prepared_beside(folder)
    return _loaded("svhn", ("train", "validation", "test"), data_dir=folder)


def _build_hdf5(folder: pathlib.Path) -> None:
    rng = _rng()
    for factor in data.quarter_octaves(-4, 4):
        name = f"fashionmnist_te3_outsize72-72_scte{data.factor_tag(factor)}.h5"
        subsets = ("train", "val", "test") if factor == 1 else ("test",)
        with h5py.File(folder / name, "w") as file:
            for subset in subsets:
                images = rng.integers(0, 256, (3, 72, 72, 1)).astype(np.float32)
                options = {"compression": 1, "shuffle": True}
                file.create_dataset(f"x_{subset}", data=images, **options)
                file[f"y_{subset}"] = rng.integers(0, 10, 3)


def _load_hdf5(folder: pathlib.Path) -> Values:
    _prepared_beside(folder)
    splits = ("train", "validation", "test_scale_0p500", "test_scale_2p000")
    return _loaded("rescaled_fashion_mnist/hdf5", splits, data_dir=folder)


def _hdf5_claim(name: str, keys: tuple[str, ...], shape: tuple[int, ...]) -> Damage:
    def make(folder: pathlib.Path) -> pathlib.Path:
        path = next(folder.glob(name))
        with h5py.File(path, "a") as file:
            for key in keys:
                del file[key]
                full = (10**9, *shape) if key.startswith("x") else (10**9,)
                chunks = (9, *full[1:])
                file.create_dataset(key, full, "u1", chunks=chunks)
        return path

    return make


def _build_pcam(folder: pathlib.Path) -> None:
    rng = _rng()
    for word in ("train", "valid", "test"):
        stem = folder / f"camelyonpatch_level_2_split_{word}"
        images = rng.integers(0, 256, (4, 96, 96, 3), np.uint8)
        with h5py.File(f"{stem}_x.h5", "w") as file:
            file.create_dataset("x", data=images, chunks=(2, 96, 96, 3), compression=1)
        with h5py.File(f"{stem}_y.h5", "w") as file:
            file["y"] = rng.integers(0, 2, (4, 1, 1, 1), np.uint8)


def _load_pcam(folder: pathlib.Path) -> Values:
    _prepared_beside(folder)
    return _loaded("patch_camelyon", ("train", "validation", "test"), data_dir=folder)


def _build_prepared(folder: pathlib.Path) -> None:
    os.environ["TFDS_DATA_DIR"] = str(folder)
    data.prepare("rescaled_digits/tiny")


def _build_of_tfds(folder: pathlib.Path) -> None:
    _build_prepared(folder)
    # A set that TFDS has made has none of these.
    for path in folder.rglob("files.json"):
        path.unlink()


def _load_prepared(folder: pathlib.Path) -> Values:
    os.environ["TFDS_DATA_DIR"] = str(folder)
    splits = ("train", "test_scale_0p500", "test_scale_2p000")
    return _loaded("rescaled_digits/tiny", splits)


def _load_of_tfds(folder: pathlib.Path) -> Values:
    examples = data.from_tfds("rescaled_digits/tiny", "train", data_dir=folder)
    return {"image": np.asarray(examples.image), "label": np.asarray(examples.label)}


_SHARD = "rescaled_digits/tiny/1.0.0/rescaled_digits-{}.array_record-00000-of-00001"

KINDS = (
    Kind(
        "IDX", lambda folder: _build_idx(folder, packed=False), _load_mnist,
        swaps=(("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
               ("train-labels-idx1-ubyte", "t10k-labels-idx1-ubyte")),
        extra={"claim": _idx_claim},
    ),
    Kind(
        "IDX, gzip", lambda folder: _build_idx(folder, packed=True), _load_mnist,
        sealed=("*.gz",),
        swaps=(("train-images-idx3-ubyte.gz", "t10k-images-idx3-ubyte.gz"),),
        extra={"bomb": _idx_bomb},
    ),
    Kind(
        "CIFAR-10, files", lambda folder: _build_files(folder, _cifar_files()),
        _load_cifar,
    ),
    Kind(
        "CIFAR-10, archive", _build_cifar_archive, _load_cifar, sealed=("*",),
        extra={name: _evil(name) for name in ("upwards", "link", "bomb")},
    ),
    Kind(
        "STL-10, files", lambda folder: _build_files(folder, _stl_files()), _load_stl,
        swaps=(("train_X.bin", "train_y.bin"), ("train_y.bin", "test_y.bin")),
    ),
    Kind(
        "SVHN (MATLAB)", _build_svhn, _load_svhn,
    ),
    Kind(
        "HDF5 of the authors", _build_hdf5, _load_hdf5,
        extra={"claim": _hdf5_claim("*scte1p000.h5", ("x_train", "y_train"),
                                    (72, 72, 1))},
    ),
    Kind(
        "PatchCamelyon (HDF5)", _build_pcam, _load_pcam,
        swaps=(("camelyonpatch_level_2_split_train_x.h5",
                "camelyonpatch_level_2_split_train_y.h5"),),
        extra={"claim": _hdf5_claim("*train_x.h5", ("x",), (96, 96, 3))},
    ),
    Kind(
        "PASCAL VOC", pictures.build_voc,
        lambda folder: pictures.pairs(data.open_pascal_voc(folder, "train")),
        targets=("*/*.jpg", "*/*.png", "*/*/*.txt"), sealed=("*.png",),
        swaps=(("JPEGImages/2007_000032.jpg", "SegmentationClass/2007_000032.png"),
               ("SegmentationClass/2007_000032.png",
                "SegmentationClass/2007_000039.png")),
        extra={"claim": pictures.png_claim("*/*.png")},
    ),
    Kind(
        "SBD (MATLAB)", pictures.build_sbd,
        lambda folder: pictures.pairs(data.open_sbd(folder, "train")),
        targets=("*/*.jpg", "*/*.mat", "*.txt"),
        swaps=(("cls/2008_000002.mat", "cls/2008_000003.mat"),),
    ),
    Kind(
        "Cityscapes", pictures.build_cityscapes,
        lambda folder: pictures.pairs(data.open_cityscapes(folder, "val")),
        targets=("*/*/*/*.png",), sealed=("*",),
        swaps=(("leftImg8bit/val/ulm/ulm_000000_000019_leftImg8bit.png",
                "gtFine/val/ulm/ulm_000000_000019_gtFine_labelIds.png"),),
        extra={"claim": pictures.png_claim("*/*/*/*.png")},
    ),
    Kind(
        "folder of classes", pictures.build_classes, pictures.load_folder,
        targets=("*/*",),
        sealed=("*.png",), complete=False,
        extra={"claim": pictures.png_claim("*/*.png")},
    ),
    Kind(
        "folder with masks", pictures.build_masks, pictures.load_folder,
        targets=("*/*",),
        sealed=("*.png",), complete=False,
        extra={"claim": pictures.png_claim("masks/*.png")},
    ),
    Kind(
        "prepared set", _build_prepared, _load_prepared,
        targets=("*/*/*/*.json", "*/*/*/*-train*", "*/*/*/*-test_scale_0p500*"),
        sealed=("*.array_record-*", "*/dataset_info.json", "*/files.json"),
        swaps=((_SHARD.format("train"), _SHARD.format("test_scale_0p500")),
               (_SHARD.format("test_scale_2p000"), _SHARD.format("test_scale_0p500"))),
    ),
    Kind(
        "prepared set of TFDS", _build_of_tfds, _load_of_tfds,
        targets=("*/*/*/*.json", "*/*/*/*-train*"), sealed=("*.array_record-*",),
        swaps=((_SHARD.format("train"), _SHARD.format("test_scale_0p500")),),
    ),
    Kind(
        "pictures (gdjax-predict)", pictures.build_pictures, pictures.read_pictures,
        sealed=("*.png",),
        free=True,
        extra={"claim": pictures.png_claim("grey.png")},
    ),
)  # fmt: skip


def files_of(kind: Kind, folder: pathlib.Path) -> list[pathlib.Path]:
    """The files that are damaged, sorted."""
    found = itertools.chain(*(folder.glob(pattern) for pattern in kind.targets))
    return sorted(path for path in found if path.is_file())
