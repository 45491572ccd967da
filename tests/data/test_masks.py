"""What the file of a mask says of its values, in PNGs written byte by byte."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from gdjax.data import DataError, from_folder
from gdjax.data.class_masks import mask_header
from gdjax.data.masked_images import MaskedImages, read_image, read_indices
from gdjax.data.pictures import (
    open_picture,
    picture_orientation,
    read_class_mask,
    read_picture,
)
from gdjax.data.segmentation_folders import OBJECTS, read_voc_mask


SAMPLES = {1: [0, 1, 1, 0], 2: [0, 1, 3, 2], 4: [0, 1, 15, 7], 8: [0, 1, 15, 200]}
GREY, RGB, INDEX = 0, 2, 3
COLOURS = bytes(np.random.default_rng(3).integers(0, 256, 3 * 256).tolist())


def chunk(kind, content):
    check = struct.pack(">I", zlib.crc32(kind + content))
    return struct.pack(">I", len(content)) + kind + content + check


def png(path, rows, bits=8, colour=GREY, before=(), after=()):
    """The samples of each row, packed from the highest bit on."""
    packed = b"\0".join(
        np.packbits([[s >> b & 1 for b in range(bits)][::-1] for s in row]).tobytes()
        for row in rows
    )
    width = len(rows[0]) // (3 if colour == RGB else 1)
    head = struct.pack(">2I5B", width, len(rows), bits, colour, 0, 0, 0)
    chunks = [(b"IHDR", head), *before, (b"IDAT", zlib.compress(b"\0" + packed))]
    content = b"".join(chunk(*each) for each in [*chunks, *after, (b"IEND", b"")])
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + content)
    return path


def exif(orientation):
    return b"eXIf", struct.pack(
        "<2sHIHHHIHHI", b"II", 42, 8, 1, 274, 3, 1, orientation, 0, 0
    )


def palette(*colours):
    return b"PLTE", bytes(sum(colours, ()))


@pytest.mark.parametrize("bits", SAMPLES)
@pytest.mark.parametrize("colour", [GREY, INDEX])
def test_stored_samples_are_the_classes(tmp_path, bits, colour):
    rows = [SAMPLES[bits], SAMPLES[bits][::-1], SAMPLES[bits]]
    before = [(b"PLTE", COLOURS[: 3 * 2**bits])] if colour == INDEX else []
    path = png(tmp_path / "a.png", rows, bits, colour, before)
    found = read_class_mask(path)
    assert found.dtype == np.uint8 and found.tolist() == rows
    if bits > 1:
        assert read_indices(path).tolist() == rows
    if colour == GREY:  # As intensities, the largest sample is white.
        levels = np.array(rows) * 255 // (2**bits - 1)
        assert read_picture(path)[..., 0].tolist() == levels.tolist()


@pytest.mark.parametrize("place", ["before", "after"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_masks_are_turned_like_pictures(tmp_path, orientation, place):
    rows = [[0, 1, 2], [3, 4, 5]]
    path = png(tmp_path / "a.png", rows, **{place: [exif(orientation)]})
    stored = np.array(rows)
    # By the standard: where row 0 and column 0 of the stored image are seen.
    upright = {
        1: stored, 2: stored[:, ::-1], 3: stored[::-1, ::-1], 4: stored[::-1],
        5: stored.T, 6: stored.T[:, ::-1], 7: stored[::-1, ::-1].T,
        8: stored.T[::-1],
    }[orientation]  # fmt: skip
    assert read_class_mask(path).tolist() == upright.tolist()
    assert read_picture(path)[..., 0].tolist() == upright.tolist()
    assert read_image(path)[..., 1].tolist() == upright.tolist()
    assert picture_orientation(path) == orientation


@pytest.mark.parametrize(
    ("bits", "colour", "before"),
    [
        (8, INDEX, [(b"PLTE", COLOURS), (b"tRNS", b"\xff\x00")]),
        (4, INDEX, [(b"PLTE", COLOURS[:48]), (b"tRNS", b"\xff\xfe")]),
        (8, GREY, [(b"tRNS", b"\0\1")]),
        (4, GREY, [(b"tRNS", b"\0\1")]),
        (2, GREY, [(b"tRNS", b"\0\1")]),
        (1, GREY, [(b"tRNS", b"\0\1")]),
    ],
)
def test_transparent_pixels_are_refused(tmp_path, bits, colour, before):
    path = png(tmp_path / "a.png", [SAMPLES[bits]] * 2, bits, colour, before)
    with pytest.raises(DataError, match=f"{path} has transparent pixels, and nothing"):
        read_class_mask(path)
    with pytest.raises(DataError, match=f"{path} has transparent pixels, whose"):
        read_picture(path)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_transparency_that_no_pixel_has_is_none(tmp_path, bits):
    row = [0] * 4
    path = png(tmp_path / "a.png", [row], bits, before=[(b"tRNS", b"\0\1")])
    assert read_class_mask(path).tolist() == [row]
    assert read_picture(path)[..., 0].tolist() == [row]


def test_what_is_transparent_with_sixteen_bits_is_refused(tmp_path):
    key = [(b"tRNS", bytes(6))]
    for colour, before in ((GREY, [(b"tRNS", b"\0\1")]), (RGB, key)):
        path = png(tmp_path / "a.png", [[0, 1, 2]], 16, colour, before)
        with pytest.raises(DataError, match="transparent colour of 16 bits"):
            read_picture(path)
    path = png(tmp_path / "b.png", [[0, 1, 2]], 8, RGB, key)
    with pytest.raises(DataError, match="has a transparent colour, but photographs"):
        read_image(path)


def test_palettes_of_greys_are_doubtful(tmp_path):
    greys = palette((0, 0, 0), (1, 1, 1), (15, 15, 15))
    path = png(tmp_path / "a.png", [[0, 1, 2]], 8, INDEX, [greys])
    with pytest.raises(DataError, match=r"its index \(2\) or its grey \(15\): save it"):
        read_class_mask(path)
    path = png(tmp_path / "b.png", [[0, 1, 1]], 8, INDEX, [greys])
    assert read_class_mask(path).tolist() == [[0, 1, 1]]  # Both are the same.
    Image.fromarray(np.eye(4) > 0).save(tmp_path / "c.bmp")
    with pytest.raises(DataError, match=r"its index \(1\) or its grey \(255\)"):
        read_class_mask(tmp_path / "c.bmp")


@pytest.mark.parametrize("tag", [(262, 0), (339, 2)])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_tiff_whose_values_mean_something_else_is_refused(tmp_path, tag, kind):
    path = tmp_path / "a.tiff"
    Image.fromarray(np.arange(12, dtype=kind).reshape(3, 4)).save(
        path, tiffinfo={tag[0]: tag[1]}
    )
    with pytest.raises(DataError, match=f"{path} "):
        read_class_mask(path)
    if kind is np.uint16 or tag[0] == 339:
        with pytest.raises(DataError, match=f"{path} (has|is of the kind) "):
            read_picture(path)
    else:  # Pillow writes it the other way round, and turns it again.
        assert read_picture(path)[..., 0].ravel().tolist() == list(range(12))


def _folder(tmp_path, masks, images=None):
    for name in ("images", "masks"):
        (tmp_path / name).mkdir()
    for i, before in enumerate(masks):
        colour = INDEX if any(kind == b"PLTE" for kind, _ in before) else GREY
        rows = [[0, 1, 2], [2, 1, 0]]
        png(tmp_path / "masks" / f"{i}.png", rows, 8, colour, before)
        given = images[i] if images else []
        png(tmp_path / "images" / f"{i}.png", rows, 8, GREY, given)
    return tmp_path


def test_indices_of_other_colours_are_other_classes(tmp_path):
    red, green, blue = (200, 0, 0), (0, 200, 0), (0, 0, 200)
    root = _folder(tmp_path, [[palette(red, green, blue)], [palette(red, blue, green)]])
    words = r"masks/0\.png and .*masks/1\.png have different colours for the index 1"
    with pytest.raises(DataError, match=words):
        from_folder(root)


@pytest.mark.parametrize("suffix", ["png", "bmp", "tiff"])
def test_palettes_are_those_of_the_file(tmp_path, suffix):
    colours = [(200, 1, 2), (3, 210, 5), (6, 7, 220), (9, 8, 77)]
    image = Image.new("P", (4, 2))
    image.putdata([0, 1, 2, 3] * 2)
    image.putpalette(sum(colours, ()))
    path = tmp_path / f"a.{suffix}"
    image.save(path)
    assert list(mask_header(path).palette[:4]) == colours
    assert read_class_mask(path).tolist() == [[0, 1, 2, 3]] * 2


@pytest.mark.parametrize("before", [[], [palette((9, 9, 9), (1, 2, 3))]])
def test_pixels_without_a_colour_are_refused(tmp_path, before):
    path = png(tmp_path / "a.png", [[0, 1, 2]], colour=INDEX, before=before)
    for read in (read_picture, lambda path: open_picture(path).__enter__()):
        with pytest.raises(DataError, match=f"{path} has .*palette"):
            read(path)
    if before:  # Classes need no colours.
        assert read_indices(path).tolist() == [[0, 1, 2]]
    else:
        with pytest.raises(DataError, match=f"{path} has .*palette"):
            read_indices(path)


def test_colours_that_no_pixel_has_may_differ(tmp_path):
    root = _folder(
        tmp_path,
        [
            [palette((200, 0, 0), (0, 200, 0), (0, 0, 200), (1, 2, 3))],
            [palette((200, 0, 0), (0, 200, 0), (0, 0, 200), (3, 2, 1))],
        ],
    )
    assert np.asarray(from_folder(root).label)[1].tolist() == [[0, 1, 2], [2, 1, 0]]


@pytest.mark.parametrize("place", ["before", "after"])
def test_a_picture_lies_on_its_mask_or_is_refused(tmp_path, place):
    root = _folder(tmp_path, [[], [exif(3)]], [[], [exif(3)]])
    examples = from_folder(root)
    for row in range(2):
        image, mask = examples.image[row][..., 0], examples.label[row]
        assert image.tolist() == mask.tolist()
    path = png(root / "images" / "0.png", [[0, 1, 2]] * 2, **{place: [exif(3)]})
    words = rf"{path} has the EXIF orientation 3, but its mask .*0\.png 1, so that"
    with pytest.raises(DataError, match=words):
        from_folder(root)


def test_photographs_lie_on_their_masks_or_are_refused(tmp_path):
    image = png(tmp_path / "i.png", [[9, 8, 7]] * 2, before=[exif(3)])
    mask = png(tmp_path / "m.png", [[0, 1, 2], [2, 1, 1]], before=[exif(3)])
    pairs = MaskedImages(("a",), (image,), (mask,), tuple("abc"), read_indices)
    assert pairs[0].mask.tolist() == [[1, 1, 2], [2, 1, 0]]
    assert pairs[0].image[..., 0].tolist() == [[7, 8, 9]] * 2
    png(mask, [[0, 1, 2], [2, 1, 1]])
    with pytest.raises(DataError, match="EXIF orientation 3, but its mask"):
        _ = pairs[0]


def test_masks_of_voc_with_reordered_palettes_are_refused(tmp_path):
    # Those of the development kit: aeroplane, bicycle, void.
    colours = (0, 0, 0), (128, 0, 0), (0, 128, 0)
    path = png(tmp_path / "a.png", [[0, 1, 2]], 8, INDEX, [palette(*colours)])
    assert read_voc_mask(path).tolist() == [[0, 1, 2]]
    for index, others in ((255, (224, 224, 192)), (20, (0, 64, 128)), (1, (128, 0, 0))):
        before = [palette((0, 0, 0), (7, 8, 9), others)]
        path = png(tmp_path / "a.png", [[0, 1, 2]], 8, INDEX, before)
        words = f"gives the index 2 the colour of the class {index}: its palette"
        with pytest.raises(DataError, match=words):
            read_voc_mask(path)
    assert len(OBJECTS) == 21


def test_channels_without_a_meaning_are_refused(tmp_path):
    path = tmp_path / "a.tiff"
    image = Image.fromarray(np.zeros((3, 4, 4), np.uint8), "RGBX")
    image.save(path)
    with pytest.raises(DataError, match=f"{path} has a channel that nothing says"):
        read_picture(path)


def test_pictures_that_claim_too_many_pixels_are_refused(tmp_path):
    path = png(tmp_path / "a.png", [[0, 1, 2]])
    raw = bytearray(path.read_bytes())
    raw[16:24] = struct.pack(">2I", 50_000, 20_000)
    raw[29:33] = struct.pack(">I", zlib.crc32(bytes(raw[12:29])))
    path.write_bytes(raw)
    for read in (read_picture, read_class_mask, read_indices, picture_orientation):
        with pytest.raises(DataError, match=f"{path} claims to have more than"):
            read(path)


def test_wrong_sums_of_png_are_noticed(tmp_path):
    path = png(tmp_path / "a.png", [[0, 1, 2, 3]] * 9)
    raw = path.read_bytes()
    for place in range(8, len(raw) - 12):
        path.write_bytes(raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :])
        for read in (read_picture, read_class_mask, read_image):
            with pytest.raises(DataError, match=str(path)):
                read(path)


@pytest.mark.parametrize("suffix", ["tiff", "bmp"])
@pytest.mark.parametrize("shape", [(9, 7), (9, 7, 3), (300, 301)])
def test_sizes_that_do_not_fit_the_bytes_are_noticed(tmp_path, suffix, shape):
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(pixels).save(path)
    raw = path.read_bytes()
    assert (read_picture(path).squeeze() == pixels).all()
    if suffix == "bmp":
        place = 22
    else:  # The entry of the tag ImageLength: type and count are before the value.
        place = raw.index(struct.pack("<2H", 257, 4)) + 8
    for rows in (shape[0] - 1, shape[0] + 2, 10 * shape[0]):
        path.write_bytes(raw[:place] + struct.pack("<I", rows) + raw[place + 4 :])
        with pytest.raises(DataError, match=f"{path} "):
            read_picture(path)
