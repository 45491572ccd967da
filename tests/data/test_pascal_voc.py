"""PASCAL VOC and SBD from small folders of the true layout, and from wrong ones."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import scipy.io
from PIL import Image

from gdjax.data import (
    DataError,
    class_names,
    load,
    load_at_factor,
    open_pascal_voc,
    open_sbd,
    open_trainaug,
)
from gdjax.data.segmentation_folders import OBJECTS


# VOC: 0 and 1 for training, 2 for validation. SBD: 1 and 3 for training, 2 and 4.
NAMES = [f"2007_00{i:04}" for i in range(5)]
VOC = {"train": [1, 0], "val": [2], "trainval": [0, 1, 2]}
SBD = {"train": [3, 1], "val": [2, 4]}


def size(i):
    return 12 + i, 17 - i


def mask_of(i, outlines):
    mask = np.random.default_rng(i).integers(0, 21, size(i), dtype=np.uint8)
    mask[0, :3] = 255 if outlines else 0
    return mask


def write_image(path, i):
    path.parent.mkdir(parents=True, exist_ok=True)
    rows, columns = np.mgrid[: size(i)[0], : size(i)[1]]
    pixels = np.stack([10 * rows, 10 * columns, 50 * i + 0 * rows], axis=-1)
    Image.fromarray(pixels.astype(np.uint8)).save(path, quality=95)


def write_palette(path, mask):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(mask)
    image.putpalette(np.random.default_rng(9).integers(0, 256, 768).tolist())
    assert image.mode == "P"
    image.save(path)


def write_struct(path, mask, field="Segmentation"):
    path.parent.mkdir(parents=True, exist_ok=True)
    struct = {"Boundaries": np.zeros((2, 2)), field: mask, "CategoriesPresent": 3.0}
    scipy.io.savemat(path, {"GTcls": struct}, do_compression=True)


def write_lists(folder, lists, end="\n"):
    folder.mkdir(parents=True, exist_ok=True)
    for split, rows in lists.items():
        text = "".join(NAMES[i] + end for i in rows)
        (folder / f"{split}.txt").write_text(text)


@pytest.fixture
def voc(tmp_path):
    """A VOC2012 of three images with masks, and one without."""
    root = tmp_path / "voc" / "VOCdevkit" / "VOC2012"
    write_lists(root / "ImageSets" / "Segmentation", VOC)
    for i in range(4):
        write_image(root / "JPEGImages" / f"{NAMES[i]}.jpg", i)
    for i in range(3):
        write_palette(root / "SegmentationClass" / f"{NAMES[i]}.png", mask_of(i, True))
    return root


@pytest.fixture
def sbd(tmp_path):
    """The folder "dataset" of an SBD of four images."""
    root = tmp_path / "sbd" / "benchmark_RELEASE" / "dataset"
    write_lists(root, SBD)
    for i in range(1, 5):
        write_image(root / "img" / f"{NAMES[i]}.jpg", i)
        write_struct(root / "cls" / f"{NAMES[i]}.mat", mask_of(i, False))
    return root


def check(images, rows, outlines):
    assert images.names == tuple(NAMES[i] for i in rows) and len(images) == len(rows)
    assert images.classes == OBJECTS and len(OBJECTS) == 21
    for i, outline, (image, mask) in zip(rows, outlines, images, strict=True):
        assert image.dtype == mask.dtype == np.uint8
        assert image.shape == (*size(i), 3) and (mask == mask_of(i, outline)).all()
        # JPEG is not exact.
        assert abs(image[4, 6].astype(int) - [40, 60, 50 * i]).max() < 25


@pytest.mark.parametrize("split", VOC)
@pytest.mark.parametrize("above", [0, 1, 2])
def test_voc_is_the_files_wherever_they_are(voc, split, above):
    folder = [voc, *voc.parents][above]
    images = open_pascal_voc(folder, split)
    check(images, VOC[split], [True] * len(images))


@pytest.mark.parametrize("split", SBD)
@pytest.mark.parametrize("above", [0, 1, 2])
def test_sbd_is_the_files_wherever_they_are(sbd, split, above):
    folder = [sbd, *sbd.parents][above]
    images = open_sbd(str(folder), split)
    check(images, SBD[split], [False] * len(images))


def test_trainaug_is_both_without_the_validation_images(voc, sbd):
    images = open_trainaug(voc, sbd)
    check(images, [1, 0, 3, 4], [True, True, False, False])


def test_images_are_read_when_asked_for(voc):
    images = open_pascal_voc(voc, "trainval")
    assert (images[-1].mask == mask_of(2, True)).all()
    assert (images[np.int64(1)].mask == images[1].mask).all()
    fewer = images[1:]
    assert fewer.names == images.names[1:] and (fewer[0].mask == images[1].mask).all()
    assert len(images[:0]) == 0 and list(images[:0]) == []
    for row in (3, -4):
        with pytest.raises(IndexError, match=f"no image {row}: there are 3"):
            images[row]
    with pytest.raises(TypeError):
        images["0"]
    with ThreadPoolExecutor(3) as threads:
        for row, (image, _) in enumerate(threads.map(images.__getitem__, range(3))):
            assert (image == images[row].image).all()
    images.images[0].unlink()
    with pytest.raises(FileNotFoundError, match=NAMES[0]):
        images[0]


def test_grey_files_are_good(voc):
    Image.fromarray(mask_of(1, True)).save(
        voc / "SegmentationClass" / f"{NAMES[1]}.png"
    )
    Image.new("L", size(1)[::-1], 77).save(voc / "JPEGImages" / f"{NAMES[1]}.jpg")
    image, mask = open_pascal_voc(voc, "train")[0]
    assert (mask == mask_of(1, True)).all() and (image == 77).all()


def test_windows_line_ends_are_good(voc):
    write_lists(voc / "ImageSets" / "Segmentation", VOC, end="\r\n")
    check(open_pascal_voc(voc, "train"), VOC["train"], [True, True])


@pytest.mark.parametrize(
    ("kind", "mode"), [("RGB", "RGB"), ("RGBA", "RGBA"), ("I;16", "I;16"), ("1", "1")]
)
def test_masks_in_colour_are_refused(voc, kind, mode):
    path = voc / "SegmentationClass" / f"{NAMES[2]}.png"
    Image.new(kind, size(2)[::-1]).save(path)
    with pytest.raises(
        DataError, match=f"{path} is of the kind {mode}, but a mask has"
    ):
        open_pascal_voc(voc, "val")[0]


def test_images_of_another_kind_are_refused(voc):
    path = voc / "JPEGImages" / f"{NAMES[2]}.jpg"
    Image.new("CMYK", size(2)[::-1]).save(path)
    with pytest.raises(DataError, match=f"{path} is of the kind CMYK, but an image is"):
        open_pascal_voc(voc, "val")[0]


def test_masks_of_another_size_are_refused(voc, sbd):
    path = voc / "SegmentationClass" / f"{NAMES[2]}.png"
    write_palette(path, np.zeros((14, 16), np.uint8))
    with pytest.raises(DataError, match=f"{path} has 14x16 px, but .*jpg 14x15 px"):
        open_pascal_voc(voc, "val")[0]
    write_struct(sbd / "cls" / f"{NAMES[4]}.mat", np.zeros((5, 6), np.uint8))
    with pytest.raises(DataError, match=r"0004.mat has 5x6 px, but .* 16x13 px"):
        open_sbd(sbd, "val")[1]


@pytest.mark.parametrize("label", [21, 254])
def test_unknown_classes_are_refused(voc, sbd, label):
    mask = mask_of(2, True)
    mask[5, 7] = label
    words = rf"holds the label {label} \(row 5, column 7\), but labels are 0\.\.20, and"
    write_palette(voc / "SegmentationClass" / f"{NAMES[2]}.png", mask)
    with pytest.raises(DataError, match=f"0002.png {words}"):
        open_pascal_voc(voc, "val")[0]
    write_struct(sbd / "cls" / f"{NAMES[2]}.mat", mask)
    with pytest.raises(DataError, match=f"0002.mat {words}"):
        open_sbd(sbd, "val")[0]


@pytest.mark.parametrize("place", ["JPEGImages", "SegmentationClass"])
@pytest.mark.parametrize(
    "change",
    [
        lambda raw: b"",
        lambda raw: b"GIF89a" + raw[6:],
        lambda raw: raw[: len(raw) // 2],
        lambda raw: b"no image at all",
    ],
)
def test_broken_files_are_named(voc, place, change):
    (path,) = (voc / place).glob(f"{NAMES[2]}.*")
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(DataError, match=f"{path} is no image, or cut short or damaged"):
        open_pascal_voc(voc, "val")[0]


@pytest.mark.parametrize("place", ["JPEGImages", "SegmentationClass"])
def test_a_wrong_byte_is_an_error_of_the_data_or_other_data(voc, place):
    images = open_pascal_voc(voc, "val")
    (path,) = (voc / place).glob(f"{NAMES[2]}.*")
    raw = path.read_bytes()
    rng = np.random.default_rng(0)
    for byte in rng.integers(0, len(raw), 200):
        broken = bytearray(raw)
        broken[byte] ^= 1 << rng.integers(8)
        path.write_bytes(broken)
        try:
            images[0]
        except DataError as error:
            assert str(path) in str(error) and "\n" not in str(error)


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"GTinst": 1}, "lacks the variable GTcls; it has GTinst"),
        ({"GTcls": np.zeros((4, 4), np.uint8)}, "has no GTcls.Segmentation"),
        ({"GTcls": {"Boundaries": 1}}, "has no GTcls.Segmentation"),
        ({"GTcls": {"Segmentation": np.zeros((4, 4))}}, "Segmentation of float64"),
        (
            {"GTcls": {"Segmentation": np.zeros((4, 4, 3), np.uint8)}},
            r"Segmentation of uint8 \(4, 4, 3\), expected",
        ),
        ({"GTcls": {"Segmentation": {"a": 1}}}, "Segmentation of "),
    ],
)
def test_wrong_structs_are_named(sbd, variables, words):
    path = sbd / "cls" / f"{NAMES[4]}.mat"
    scipy.io.savemat(path, variables)
    with pytest.raises(DataError, match=f"{path} .*{words}"):
        open_sbd(sbd, "val")[1]
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(
        DataError, match=f"{path} is no MATLAB file, or cut short|lacks"
    ):
        open_sbd(sbd, "val")[1]


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        ("JPEGImages/{}.jpg", r"JPEGImages lacks .*0001.jpg \(1 of 2 files"),
        ("SegmentationClass/{}.png", r"Class lacks .*0001.png \(1 of 2 files"),
        ("ImageSets/Segmentation/train.txt", "train.txt is missing"),
    ],
)
def test_missing_files_are_named_at_once(voc, missing, words):
    (voc / missing.format(NAMES[1])).unlink()
    with pytest.raises(FileNotFoundError, match=words):
        open_pascal_voc(voc, "train")


def test_missing_folders_are_named(voc, sbd, tmp_path):
    (voc / "SegmentationClass").rename(tmp_path / "elsewhere")
    with pytest.raises(
        FileNotFoundError, match="folder .*SegmentationClass is missing"
    ):
        open_pascal_voc(voc, "train")
    with pytest.raises(FileNotFoundError, match="is not that of PASCAL VOC 2012"):
        open_pascal_voc(sbd, "train")
    with pytest.raises(FileNotFoundError, match=r"is not that of SBD .* a folder cls"):
        open_sbd(voc, "train")
    with pytest.raises(FileNotFoundError, match="is not that of SBD"):
        open_trainaug(voc, voc)
    with pytest.raises(FileNotFoundError, match="does not exist"):
        open_sbd(tmp_path / "none", "train")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        ("\n \n", "is empty"),
        (f"{NAMES[0]} 1\n", r"'2007_000000 1', which is no name"),
        ("../../secret\n", "which is no name"),
        (f"{NAMES[0]}\n{NAMES[1]}\n{NAMES[0]}\n", f"{NAMES[0]} twice"),
        ("\xff\xfe\n", "which is no name"),
    ],
)
def test_wrong_lists_are_refused(voc, text, words):
    path = voc / "ImageSets" / "Segmentation" / "train.txt"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(DataError, match=f"{path} .*{words}"):
        open_pascal_voc(voc, "train")


def test_unknown_splits_are_answered_with_the_nearest(voc, sbd):
    with pytest.raises(
        ValueError, match="split of PASCAL VOC 'vall': did you mean val"
    ):
        open_pascal_voc(voc, "vall")
    with pytest.raises(ValueError, match="unknown split of SBD 'test'.*known: train"):
        open_sbd(sbd, "test")


@pytest.fixture
def both(voc, sbd, tmp_path, monkeypatch):
    """One folder with both, as for --data-dir."""
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "tfds"))
    folder = tmp_path / "both"
    folder.mkdir()
    (folder / "VOCdevkit").symlink_to(voc.parent)
    (folder / "benchmark_RELEASE").symlink_to(sbd.parent)
    return folder


@pytest.mark.parametrize(
    ("name", "train"), [("pascal_voc", [1, 0, 3, 4]), ("pascal_voc/voc", [1, 0])]
)
def test_the_set_has_photographs_on_canvases(both, name, train):
    found = load(name, "train", data_dir=both)
    assert found.image.shape == (len(train), 513, 513, 3)
    assert found.label.shape == (len(train), 513, 513)
    assert class_names(name) == OBJECTS
    for i, image, mask in zip(train, found.image, found.label, strict=True):
        height, width = size(i)
        np.testing.assert_array_equal(mask[:height, :width], mask_of(i, i < 2))
        assert abs(image[4, 6].astype(int) - [40, 60, 50 * i]).max() < 25
        around = np.ones((513, 513), bool)
        around[:height, :width] = False
        assert (mask[around] == 255).all() and (image[around] == (124, 116, 104)).all()
    (mask,) = load(name, "test", data_dir=both).label
    np.testing.assert_array_equal(mask[: size(2)[0], : size(2)[1]], mask_of(2, True))


def test_what_the_set_needs_is_said(both, voc):
    with pytest.raises(ValueError, match="has only factor 1"):
        load_at_factor("pascal_voc", 2.0, data_dir=both)
    (both / "benchmark_RELEASE").unlink()
    with pytest.raises(FileNotFoundError, match="not that of SBD"):
        load("pascal_voc", "train", data_dir=both)
    large = np.zeros((514, 30), np.uint8)
    write_palette(voc / "SegmentationClass" / f"{NAMES[1]}.png", large)
    Image.fromarray(np.stack([large] * 3, -1)).save(
        voc / "JPEGImages" / f"{NAMES[1]}.jpg"
    )
    with pytest.raises(DataError, match="514x30 px, but photographs"):
        load("pascal_voc/voc", "train", data_dir=both)
