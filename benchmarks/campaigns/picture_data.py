"""Tiny pictures and masks in every layout that `gdjax.data` reads."""

from __future__ import annotations

import pathlib
import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.io
from PIL import Image

import gdjax.data as data


Values = dict[str, np.ndarray]
Damage = Callable[[pathlib.Path], pathlib.Path]  # Of a folder; the file to be named.


def _rng() -> np.random.Generator:
    return np.random.default_rng(0)


def _save(path: pathlib.Path, array: np.ndarray, **options: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)


def _pixels(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.integers(0, 256, shape, np.uint8)


def _voc_palette() -> list[int]:
    return [
        sum((index >> 3 * i + channel & 1) << 7 - i for i in range(3))
        for index in range(256)
        for channel in range(3)
    ]


def build_voc(folder: pathlib.Path) -> None:
    """Two images of VOC, with their masks and list."""
    rng = _rng()
    names = ["2007_000032", "2007_000039"]
    lists = folder / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("".join(f"{name}\n" for name in names))
    for i, name in enumerate(names):
        _save(folder / "JPEGImages" / f"{name}.jpg", _pixels(rng, 11 + i, 13, 3))
        mask = Image.fromarray(rng.integers(0, 21, (11 + i, 13), np.uint8), "L")
        palette = Image.new("P", mask.size)
        palette.putpalette(_voc_palette())
        palette.putdata(mask.tobytes())
        path = folder / "SegmentationClass" / f"{name}.png"
        path.parent.mkdir(exist_ok=True)
        palette.save(path)


def build_sbd(folder: pathlib.Path) -> None:
    """Two images of SBD."""
    rng = _rng()
    (folder / "cls").mkdir()
    (folder / "train.txt").write_text("2008_000002\n2008_000003\n")
    for i, name in enumerate(("2008_000002", "2008_000003")):
        _save(folder / "img" / f"{name}.jpg", _pixels(rng, 12, 14 + i, 3))
        mask = rng.integers(0, 21, (12, 14 + i), np.uint8)
        values = {"GTcls": {"Segmentation": mask}}
        scipy.io.savemat(folder / "cls" / f"{name}.mat", values, do_compression=True)


def build_cityscapes(folder: pathlib.Path) -> None:
    """Two photographs with masks of labels."""
    rng = _rng()
    for i, name in enumerate(("ulm_000000_000019", "bonn_000001_000019")):
        place = pathlib.Path("val", name.partition("_")[0])
        image = folder / "leftImg8bit" / place / f"{name}_leftImg8bit.png"
        mask = folder / "gtFine" / place / f"{name}_gtFine_labelIds.png"
        _save(image, _pixels(rng, 8 + i, 16, 3))
        _save(mask, rng.integers(0, 34, (8 + i, 16), np.uint8))


def pairs(images: data.MaskedImages) -> Values:
    """Images and masks, whatever their sizes."""
    return {
        f"{name} {field}": getattr(pair, field)
        for name, pair in zip(images.names, images, strict=True)
        for field in ("image", "mask")
    }


def build_classes(folder: pathlib.Path) -> None:
    """Two pictures of each format."""
    rng = _rng()
    options = {"webp": {"lossless": True}, "jpg": {"quality": 90}}
    for suffix in ("png", "jpg", "bmp", "tif", "webp"):
        for i in range(2):
            path = folder / f"class {suffix}" / f"{i}.{suffix}"
            _save(path, _pixels(rng, 12, 10, 3), **options.get(suffix, {}))


def load_folder(folder: pathlib.Path) -> Values:
    """All of a folder, classes included."""
    examples = data.from_folder(folder)
    images, labels = np.asarray(examples.image), np.asarray(examples.label)
    return {"image": images, "label": labels, "classes": np.array(examples.classes)}


def build_masks(folder: pathlib.Path) -> None:
    """Three pictures with masks."""
    rng = _rng()
    for i in range(3):
        _save(folder / "images" / f"{i}.png", _pixels(rng, 9, 12))
        _save(folder / "masks" / f"{i}.png", rng.integers(0, 5, (9, 12), np.uint8))


def png_claim(pattern: str) -> Damage:
    """Makes the first PNG of a pattern claim 10^9 pixels."""

    def make(folder: pathlib.Path) -> pathlib.Path:
        path = next(iter(sorted(folder.glob(pattern))))
        raw = bytearray(path.read_bytes())
        raw[16:24] = struct.pack(">2I", 50_000, 20_000)
        raw[29:33] = struct.pack(">I", zlib.crc32(bytes(raw[12:29])))
        path.write_bytes(raw)
        return path

    return make


def build_pictures(folder: pathlib.Path) -> None:
    """A picture of each kind that a network may be shown."""
    rng = _rng()
    for name, image in {
        "grey.png": _pixels(rng, 9, 7),
        "alpha.png": _pixels(rng, 9, 7, 4),
        "deep.png": rng.integers(0, 2**16, (9, 7), np.uint16),
        "colour.jpg": _pixels(rng, 9, 7, 3),
        "colour.webp": _pixels(rng, 9, 7, 3),
        "deep.tif": rng.integers(0, 2**16, (9, 7), np.uint16),
    }.items():
        _save(folder / name, image)


def read_pictures(folder: pathlib.Path) -> Values:
    """As `gdjax-predict` reads them."""
    from gdjax_train.pictures import read_any

    names = ("grey.png", "alpha.png", "deep.png", "colour.jpg", "colour.webp")
    return {name: read_any(folder / name) for name in (*names, "deep.tif")}
