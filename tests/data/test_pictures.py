"""Pictures of every kind that is read, and of those that aren't."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from gdjax.data import DataError
from gdjax.data.pictures import (
    open_picture,
    picture_kind,
    read_class_mask,
    read_picture,
)


GREY = np.arange(48, dtype=np.uint8).reshape(8, 6) * 5
COLOUR = np.stack([GREY, GREY[::-1], 255 - GREY], -1)
DEEP = GREY.astype(np.uint16) * 257 + 3
SUFFIXES = ["png", "jpg", "bmp", "tiff", "webp"]


def save(image, path, **options):
    image = Image.fromarray(image) if isinstance(image, np.ndarray) else image
    image.save(path, **options)
    return path


def check(path, expected, atol=0):
    found, kind = read_picture(path), picture_kind(path)
    assert found.dtype == expected.dtype == kind.dtype
    assert found.shape == kind.shape
    difference = np.squeeze(found).astype(int) - expected.astype(int)
    assert abs(difference).max() <= atol


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("pixels", [GREY, COLOUR], ids=["grey", "colour"])
def test_every_format_is_read(tmp_path, suffix, pixels):
    if suffix == "webp" and pixels is GREY:
        pixels = np.stack([GREY] * 3, -1)  # WebP has no grey
    options = {"webp": {"lossless": True}, "jpg": {"quality": 100, "subsampling": 0}}
    path = save(pixels, tmp_path / f"a.{suffix}", **options.get(suffix, {}))
    check(path, pixels, atol=40 if suffix == "jpg" else 0)


@pytest.mark.parametrize("suffix", ["png", "tiff"])
def test_sixteen_bits_stay(tmp_path, suffix):
    check(save(DEEP, tmp_path / f"a.{suffix}"), DEEP)


def test_big_endian_numbers_are_turned(tmp_path):
    image = Image.frombytes("I;16B", (6, 8), DEEP.astype(">u2").tobytes())
    check(save(image, tmp_path / "a.tiff"), DEEP)


def test_palettes_are_colours_and_bits_are_grey(tmp_path):
    image = Image.fromarray(GREY // 40).convert("P")
    image.putpalette(np.arange(768) % 251)
    check(save(image, tmp_path / "a.png"), np.asarray(image.convert("RGB")))
    bits = Image.fromarray(GREY > 90)
    check(save(bits, tmp_path / "b.png"), np.where(GREY > 90, 255, 0).astype(np.uint8))


@pytest.mark.parametrize("suffix", SUFFIXES[:2] + SUFFIXES[3:])
@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_pictures_are_turned_upright(tmp_path, suffix, orientation):
    if suffix == "tiff":
        options = {"tiffinfo": {274: orientation}}
    else:
        exif = Image.Exif()
        exif[274] = orientation
        options = {"exif": exif, "quality": 100}
        if suffix == "webp":
            options["lossless"] = True
    upright = np.rot90(COLOUR, {3: 2, 6: 3, 8: 1}[orientation])
    path = save(COLOUR, tmp_path / f"a.{suffix}", **options)
    check(path, upright, atol=120 if suffix == "jpg" else 0)


# By the standard: where row 0 and column 0 of the stored image are seen.
UPRIGHT = {
    1: lambda x: x, 2: lambda x: x[:, ::-1], 3: lambda x: x[::-1, ::-1],
    4: lambda x: x[::-1], 5: lambda x: x.T, 6: lambda x: x[::-1].T,
    7: lambda x: x[::-1, ::-1].T, 8: lambda x: x[:, ::-1].T,
}  # fmt: skip


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize("mode", ["L", "P", "I;16", "I;16B"])
def test_uncompressed_tiff_is_turned_upright(tmp_path, mode, orientation):
    stored = np.arange(6).reshape(2, 3)
    kind = {"I;16": "<u2", "I;16B": ">u2"}.get(mode, "u1")
    image = Image.frombytes(mode, (3, 2), stored.astype(kind).tobytes())
    if mode == "P":
        image.putpalette([level for k in range(256) for level in (k, k, k)])
    path = save(image, tmp_path / "a.tiff", tiffinfo={274: orientation})
    expected = UPRIGHT[orientation](stored)
    assert read_picture(path)[..., 0].tolist() == expected.tolist()
    with open_picture(path) as image:
        assert np.asarray(image).tolist() == expected.tolist()
    if mode in ("L", "P"):
        assert read_class_mask(path).tolist() == expected.tolist()
    if (mode, orientation) == ("L", 6):
        assert expected.tolist() == [[3, 0], [4, 1], [5, 2]]


def test_opaque_alpha_is_dropped(tmp_path):
    for number, pixels in enumerate([GREY, COLOUR]):
        image = Image.fromarray(pixels)
        image.putalpha(255)
        check(save(image, tmp_path / f"{number}.png"), pixels)


def test_transparent_pixels_are_refused(tmp_path):
    image = Image.fromarray(COLOUR)
    image.putalpha(254)
    path = save(image, tmp_path / "a.png")
    with pytest.raises(DataError, match=f"{path} has transparent pixels.*without tran"):
        read_picture(path)
    path = save(Image.fromarray(GREY), tmp_path / "b.png", transparency=int(GREY[1, 1]))
    with pytest.raises(DataError, match=f"{path} has transparent pixels"):
        read_picture(path)


@pytest.mark.parametrize("read", [picture_kind, read_picture])
def test_what_is_refused_at_once(tmp_path, read):
    path = save(Image.new("CMYK", (8, 8)), tmp_path / "a.jpg")
    with pytest.raises(DataError, match=f"{path} is of the kind CMYK, not grey, RGB"):
        read(path)
    path = save(Image.fromarray(GREY.astype(np.float32)), tmp_path / "f.tiff")
    with pytest.raises(DataError, match="of the kind F, not .*: convert it"):
        read(path)
    frames = [Image.fromarray(GREY), Image.fromarray(GREY[::-1])]
    path = tmp_path / "b.tiff"
    frames[0].save(path, save_all=True, append_images=frames[1:])
    with pytest.raises(DataError, match=f"{path} holds 2 pictures: give each a file"):
        read(path)
    path = tmp_path / "c.png"
    path.write_text("no picture")
    words = rf"{path} is unreadable: .*\(not PNG, JPEG, BMP, TIFF, WEBP\); get it anew"
    with pytest.raises(DataError, match=words):
        read(path)
    path.write_bytes(b"")
    with pytest.raises(DataError, match=words):
        read(path)
    with pytest.raises(FileNotFoundError, match=r"none\.png"):
        read(tmp_path / "none.png")


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "webp", "tiff"])
def test_files_cut_short_are_named(tmp_path, suffix):
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    path = save(noise, tmp_path / f"a.{suffix}")
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    with pytest.raises(DataError, match=f"{path} is unreadable: .*cut short") as caught:
        read_picture(path)
    assert "\n" not in str(caught.value)


def test_masks_are_numbers(tmp_path):
    mask = np.arange(48, dtype=np.uint8).reshape(8, 6) % 4
    image = Image.fromarray(mask).convert("P")
    image.putdata(mask.ravel().tolist())
    image.putpalette([200, 0, 0, 0, 200, 0, 0, 0, 200, 9, 9, 9])
    paths = [save(mask, tmp_path / "a.png"), save(image, tmp_path / "b.png")]
    paths.append(save(mask, tmp_path / "c.tiff"))
    for path in paths:
        found = read_class_mask(path)
        assert found.dtype == np.uint8 and (found == mask).all()
    path = save(COLOUR, tmp_path / "d.png")
    with pytest.raises(DataError, match=f"{path} is of the kind RGB, not one num"):
        read_class_mask(path)
    path = save(mask, tmp_path / "e.jpg")
    with pytest.raises(DataError, match=r"e\.jpg is unreadable: .*not PNG, BMP, TIFF"):
        read_class_mask(path)
