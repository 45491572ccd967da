"""A folder of its own for prepared sets, no network, and small true IDX files."""

from __future__ import annotations

import gzip
import socket
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest


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
