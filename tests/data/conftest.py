"""A folder of its own for prepared sets, no network, and small true files."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import io
import socket
import struct
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

from gdjax.data import (
    GdjaxCifar10,
    GdjaxCifar100,
    GdjaxStl10,
    RescaledCifar10,
    RescaledStl10,
)
from gdjax.data.releases import (
    CIFAR10,
    CIFAR100,
    STL10,
    ArchiveRelease,
    Records,
    RemoteFile,
)


DEBIAN = Path("/usr/share/datasets/fashion-mnist")


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every host is unknown, and no connection is made."""

    def unknown_host(host: str, *_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, f"no network in tests ({host})")

    def refuse(self: socket.socket, address: object) -> None:
        raise AssertionError(f"a test wants to connect to {address}")

    monkeypatch.setattr(socket, "getaddrinfo", unknown_host)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture(autouse=True)
def tfds_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Prepared sets of a test lie in its own temporary folder."""
    folder = tmp_path / "tfds"
    monkeypatch.setenv("TFDS_DATA_DIR", str(folder))
    return folder


@pytest.fixture
def fashion_mnist_folder() -> Path:
    """The real Fashion-MNIST, or the test is skipped."""
    if not DEBIAN.is_dir():
        pytest.skip("Debian's package dataset-fashion-mnist is missing")
    return DEBIAN


def _idx_bytes(array: np.ndarray) -> bytes:
    header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    return header + array.astype(np.uint8).tobytes()


@pytest.fixture
def idx_bytes() -> Callable[[np.ndarray], bytes]:
    """Makes an IDX file of 8-bit values, by the letter of the format."""
    return _idx_bytes


@pytest.fixture
def write_idx(tmp_path: Path) -> Callable[..., Path]:
    """Writes a folder of four IDX files with 60 + 20 random images."""

    def write(name: str = "idx", *, packed: bool = True, seed: int = 0) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        rng = np.random.default_rng(seed)
        for stem, count in (("train", 60), ("t10k", 20)):
            arrays = {
                "images-idx3": rng.integers(0, 256, (count, 28, 28)),
                "labels-idx1": rng.integers(0, 10, count),
            }
            for kind, array in arrays.items():
                raw = _idx_bytes(array)
                path = folder / f"{stem}-{kind}-ubyte"
                if packed:
                    path, raw = path.with_name(f"{path.name}.gz"), gzip.compress(raw)
                path.write_bytes(raw)
        return folder

    return write


def _cifar10_arrays(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Images [6, 10, 32, 32, 3] and labels [6, 10] of the six files."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (6, 10, 32, 32, 3), dtype=np.uint8)
    return images, np.stack([rng.permutation(10) for _ in range(6)])


def _cifar10_files(seed: int = 0) -> dict[str, bytes]:
    """The six files: for each image its label, its red plane, its green, its blue."""
    names = [*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"]
    files = {}
    for name, images, labels in zip(names, *_cifar10_arrays(seed), strict=True):
        files[name] = b"".join(
            bytes([label]) + b"".join(image[:, :, c].tobytes() for c in range(3))
            for image, label in zip(images, labels, strict=True)
        )
    return files


# The superclasses of CIFAR-100's classes 0..99, as the published files have them.
_COARSE = [
    4, 1, 14, 8, 0, 6, 7, 7, 18, 3, 3, 14, 9, 18, 7, 11, 3, 9, 7, 11,
    6, 11, 5, 10, 7, 6, 13, 15, 3, 15, 0, 11, 1, 10, 12, 14, 16, 9, 11, 5,
    5, 19, 8, 8, 15, 13, 14, 17, 18, 10, 16, 4, 17, 4, 2, 0, 17, 4, 18, 17,
    10, 3, 2, 12, 12, 16, 12, 1, 9, 19, 2, 10, 0, 1, 16, 12, 9, 13, 15, 13,
    16, 19, 2, 4, 6, 19, 5, 5, 8, 19, 18, 1, 2, 15, 6, 0, 17, 8, 14, 13,
]  # fmt: skip


def _cifar100_arrays() -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Images [N, 32, 32, 3], coarse and fine labels [N], of 100 + 7 images."""
    rng = np.random.default_rng(0)
    arrays = {}
    for subset, count in (("train", 100), ("test", 7)):
        images = rng.integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)
        fine = rng.permutation(100)[:count]
        arrays[subset] = images, np.array(_COARSE)[fine], fine
    return arrays


def _cifar100_files() -> dict[str, bytes]:
    """The two files: for each image two labels, its red plane, its green, its blue."""
    return {
        f"{subset}.bin": b"".join(
            bytes(labels) + b"".join(image[:, :, c].tobytes() for c in range(3))
            for image, *labels in zip(*arrays, strict=True)
        )
        for subset, arrays in _cifar100_arrays().items()
    }


def _stl10_arrays(seed: int = 0) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Images [N, 96, 96, 3] and labels [N], 1..10, of 10 + 13 images."""
    rng = np.random.default_rng(seed)
    return {
        subset: (
            rng.integers(0, 256, (count, 96, 96, 3), dtype=np.uint8),
            np.arange(count) % 10 + 1,
        )
        for subset, count in (("train", 10), ("test", 13))
    }


def _stl10_files(seed: int = 0) -> dict[str, bytes]:
    """The four files: planes of columns from left to right; labels apart."""
    files = {}
    for subset, (images, labels) in _stl10_arrays(seed).items():
        columns = [
            image[:, x, c].tobytes()
            for image in images
            for c in range(3)
            for x in range(96)
        ]
        files[f"{subset}_X.bin"] = b"".join(columns)
        files[f"{subset}_y.bin"] = bytes(labels.tolist())
    return files


def _pack(folder: str, files: Mapping[str, bytes]) -> bytes:
    """A .tar.gz file with the files in a folder, as published ones have them."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        directory = tarfile.TarInfo(folder)
        directory.type = tarfile.DIRTYPE
        archive.addfile(directory)
        for name, raw in files.items():
            member = tarfile.TarInfo(f"{folder}/{name}")
            member.size = len(raw)
            archive.addfile(member, io.BytesIO(raw))
    return stream.getvalue()


def _write_files(
    release: ArchiveRelease, files: Mapping[str, bytes], folder: Path, layout: str
) -> ArchiveRelease:
    """Writes the files in one of three ways; returns the release of just these."""
    packed = _pack(release.folder, files)
    folder.mkdir()
    if layout == "archive":
        (folder / release.archive).write_bytes(packed)
    else:
        place = folder / release.folder if layout == "nested" else folder
        place.mkdir(exist_ok=True)
        for name, raw in files.items():
            (place / name).write_bytes(raw)
    records = {
        name: Records(len(files[name]) // layout.size, layout)
        for name, (_, layout) in release.files.items()
    }
    remote = RemoteFile(len(packed), hashlib.sha256(packed).hexdigest())
    return dataclasses.replace(release, files=records, remote=remote)


@pytest.fixture
def write_cifar10(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Writes a CIFAR-10 of 6 x 10 images, which then counts as the published one."""

    def write(name: str = "cifar10", *, layout: str = "plain", seed: int = 0) -> Path:
        folder = tmp_path / name
        release = _write_files(CIFAR10, _cifar10_files(seed), folder, layout)
        for builder in (GdjaxCifar10, RescaledCifar10):
            monkeypatch.setattr(builder, "RELEASE", release)
        return folder

    return write


@pytest.fixture
def write_cifar100(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Writes a CIFAR-100 of 100 + 7 images, which then counts as the published one."""

    def write(name: str = "cifar100", *, layout: str = "plain") -> Path:
        folder = tmp_path / name
        release = _write_files(CIFAR100, _cifar100_files(), folder, layout)
        monkeypatch.setattr(GdjaxCifar100, "RELEASE", release)
        return folder

    return write


@pytest.fixture
def write_stl10(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Writes an STL-10 of 10 + 13 images, which then counts as the published one."""

    def write(name: str = "stl10", *, layout: str = "plain", seed: int = 0) -> Path:
        folder = tmp_path / name
        release = _write_files(STL10, _stl10_files(seed), folder, layout)
        for builder in (GdjaxStl10, RescaledStl10):
            monkeypatch.setattr(builder, "RELEASE", release)
        return folder

    return write


@pytest.fixture
def cifar10_arrays() -> Callable[..., tuple[np.ndarray, np.ndarray]]:
    """What `write_cifar10` writes, for a seed."""
    return _cifar10_arrays


@pytest.fixture
def cifar100_arrays() -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """What `write_cifar100` writes: images, coarse labels, fine labels."""
    return _cifar100_arrays()


@pytest.fixture
def stl10_arrays() -> Callable[..., dict[str, tuple[np.ndarray, np.ndarray]]]:
    """What `write_stl10` writes, for a seed."""
    return _stl10_arrays


@pytest.fixture
def pack() -> Callable[[str, Mapping[str, bytes]], bytes]:
    """Makes the archive of a release."""
    return _pack
