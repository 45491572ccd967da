"""Crops of Cityscapes: put together again, they are the photographs."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gdjax.data import (
    BUILDERS,
    DataError,
    GdjaxCityscapes,
    LazyArray,
    class_names,
    load,
    load_at_factor,
    open_cityscapes,
    prepare,
)
from gdjax.data.cli import main
from gdjax.metrics import confusion_matrix


NAME = "cityscapes"
# Sorted: by city, then by name.
NAMES = {
    "train": ["aachen_000002_000019", "ulm_000000_000019"],
    "val": ["munster_000000_000019"],
}
PUBLISHED = {"train": "train", "test": "val"}
# Of the labels 7 (road), 23 (sky), 26 (car), 33 (bicycle) and 0 (not evaluated).
LABELS, CLASSES = np.array([7, 23, 26, 33, 0]), np.array([0, 10, 13, 18, 255])


def paths(root, split, name):
    city = name.partition("_")[0]
    image = root / "leftImg8bit" / split / city / f"{name}_leftImg8bit.png"
    return image, root / "gtFine" / split / city / f"{name}_gtFine_labelIds.png"


def photograph(seed, height=1024, width=2048):
    """Image and indices into `LABELS`; no two crops, rows or columns are alike."""
    y, x = np.ogrid[:height, :width]
    planes = [(y * 3 + x) // 5 + seed, (x * 7 + y) // 11, (y // 3) ^ (x // 2)]
    image = np.stack([(p * (p % 2 + 1)) % 256 for p in planes], -1).astype(np.uint8)
    return image, (y * y // 7 + x * 3 + seed) // 4 % len(LABELS)


def write(root, split, name, image, mask):
    for path, array in zip(paths(root, split, name), (image, mask), strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(array.astype(np.uint8)).save(path, compress_level=1)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Photographs of the true size, which are only read."""
    folder = tmp_path_factory.mktemp("cityscapes")
    for split, names in NAMES.items():
        for seed, name in enumerate(names):
            image, index = photograph(seed)
            write(folder, split, name, image, LABELS[index])
    return folder


@pytest.fixture(scope="module")
def shared_dir(tmp_path_factory):
    """Sets prepared from these photographs."""
    return tmp_path_factory.mktemp("tfds")


@pytest.fixture
def shared(shared_dir, monkeypatch):
    """For tests that only read: each config is prepared once for all of them."""
    monkeypatch.setenv("TFDS_DATA_DIR", str(shared_dir))


@pytest.fixture
def own_root(root, tmp_path):
    """Files that a test may spoil; links to the others' as long as it doesn't."""
    for path in root.glob("*/*/*/*.png"):
        link = tmp_path / "own" / path.relative_to(root)
        link.parent.mkdir(parents=True, exist_ok=True)
        os.link(path, link)
    return tmp_path / "own"


def replace(path, array):
    path.unlink()
    Image.fromarray(array).save(path)


def put_together(crops):
    """Two rows of four crops, [8, side, side, ...], as one photograph."""
    rows = [np.concatenate(list(crops[4 * i : 4 * i + 4]), 1) for i in range(2)]
    return np.concatenate(rows, 0)


@pytest.mark.usefixtures("shared")
@pytest.mark.parametrize("split", PUBLISHED)
def test_crops_put_together_are_the_photographs(root, split):
    examples = load(NAME, split, data_dir=root)
    count = len(NAMES[PUBLISHED[split]])
    assert examples.image.shape == (8 * count, 512, 512, 3)
    assert examples.label.shape == (8 * count, 512, 512)
    assert examples.image.dtype == examples.label.dtype == np.uint8
    for i in range(count):
        image, index = photograph(i)
        crops = slice(8 * i, 8 * i + 8)
        assert (put_together(examples.image[crops]) == image).all()
        assert (put_together(examples.label[crops]) == CLASSES[index]).all()


@pytest.mark.usefixtures("shared")
def test_crops_of_halved_photographs(root):
    examples = load(f"{NAME}/half", "train", data_dir=root)
    assert examples.image.shape == (16, 256, 256, 3)
    for i in range(2):
        image, index = photograph(i)
        means = np.mean([image[a::2, b::2] for a in (0, 1) for b in (0, 1)], 0)
        crops = slice(8 * i, 8 * i + 8)
        halved = put_together(examples.image[crops])
        assert (halved == np.floor(means + 0.5)).all()
        assert (means % 1 == 0.5).any()  # Halves are rounded up.
        mask = put_together(examples.label[crops])
        assert (mask == CLASSES[index][::2, ::2]).all()


def test_white_and_black_stay_so_when_halved(own_root):
    image = np.full((1024, 2048, 3), 255, np.uint8)
    image[:, :1024] = 0
    replace(paths(own_root, "val", NAMES["val"][0])[0], image)
    crops = load(f"{NAME}/half", "test", data_dir=own_root).image
    assert (put_together(crops) == image[::2, ::2]).all()


@pytest.mark.usefixtures("shared")
def test_lazy_crops_are_the_eager_ones(root):
    eager, lazy = (
        load(f"{NAME}/half", "train", data_dir=root, lazy=lazy)
        for lazy in (False, True)
    )
    for found, expected in zip(lazy, eager, strict=True):
        assert isinstance(found, LazyArray) and found.shape == expected.shape
        assert (np.asarray(found) == expected).all()
        assert (found[[9, 1]] == expected[[9, 1]]).all()


@pytest.mark.usefixtures("shared")
def test_the_confusion_of_crops_is_that_of_photographs(root):
    labels = load(NAME, "test", data_dir=root).label
    whole = CLASSES[photograph(0)[1]].astype(np.uint8)
    crops, photographs = (
        confusion_matrix(x, np.where(x == 255, 3, (x + 1) % 19), num_classes=19)
        for x in (labels, whole[None])
    )
    assert (crops == photographs).all()
    assert crops.sum() == (whole != 255).sum()


def test_names_splits_and_the_small_config(root, monkeypatch):
    assert BUILDERS[NAME] is GdjaxCityscapes
    assert class_names(NAME) == open_cityscapes(root, "val").classes
    assert len(class_names(NAME)) == 19
    assert GdjaxCityscapes.image_shape("train") == (512, 512, 3)
    for config in ("half", "tiny"):
        assert GdjaxCityscapes.image_shape("test", config=config) == (256, 256, 3)
    with pytest.raises(ValueError, match="'validation': .*known: train, test"):
        load(NAME, "validation", data_dir=root)
    limits = {"train": 10, "test": 3}  # Shorter than these photographs are.
    tiny = GdjaxCityscapes.config_named("tiny")
    assert tiny.limits == {"train": 32, "test": 16}
    monkeypatch.setattr(tiny, "limits", limits)
    for split, count in limits.items():
        found = load(f"gdjax_cityscapes/{tiny.name}", split, data_dir=root)
        half = load(f"{NAME}/half", split, data_dir=root, limit=count)
        assert (found.image == half.image).all() and len(found.image) == count
        assert (found.label == half.label).all()
    at_one = load_at_factor(f"{NAME}/tiny", 1, data_dir=root)
    assert (at_one.label == found.label).all()
    with pytest.raises(ValueError, match="not 2; for other sizes take its other conf"):
        load_at_factor(NAME, 2, data_dir=root)


def test_photographs_are_read_one_by_one(root, monkeypatch):
    opened, open_image = [], Image.open

    def logged(file, *args, **options):
        opened.append(Path(file.name))
        return open_image(file, *args, **options)

    monkeypatch.setattr(Image, "open", logged)
    builder = GdjaxCityscapes(config="half")
    originals = builder.originals(root, download=lambda urls: {})
    examples = builder.part(originals, "train", 1.0).examples()
    assert opened == []
    for i, name in enumerate(NAMES["train"]):
        for _ in range(8):
            image, mask = next(examples)
            assert image.shape == (256, 256, 3) and mask.shape == (256, 256, 1)
            assert tuple(opened[2 * i :]) == paths(root, "train", name)
    assert next(examples, None) is None


def test_the_digest_is_of_names_and_sizes_in_bytes(own_root, tfds_dir):
    name = f"{NAME}/tiny"
    first = prepare(name, data_dir=own_root)
    assert first.provenance["source"] == f"folder {own_root}"
    assert sorted(first.provenance["sha256"]) == ["test", "train"]
    assert first.provenance["side"] == 256 and first.provenance["halved"]
    # Neither the published test images nor files beside the masks count.
    path = paths(own_root, "train", NAMES["train"][1])[1]
    path.with_name("ulm_000000_000019_gtFine_color.png").touch()
    write(own_root, "test", "berlin_000000_000019", *np.zeros((2, 2, 2)))
    assert prepare(name, data_dir=own_root).data_path == first.data_path
    replace(path, np.full((1024, 2048), 26, np.uint8))
    other = prepare(name, data_dir=own_root)
    assert tfds_dir / "by_source" in other.data_path.parents
    assert other.provenance["digest"] != first.provenance["digest"]
    assert (load(name, "train", data_dir=own_root).label[8:16] == 13).all()


def test_photographs_of_other_sizes_are_named(own_root):
    image, mask = paths(own_root, "train", NAMES["train"][1])
    pixels, index = photograph(0, 512, 1024)
    replace(image, pixels)
    replace(mask, LABELS[index].astype(np.uint8))
    words = f"{image} has 512x1024 px, but photographs of .* 1024x2048 px .*take the"
    with pytest.raises(DataError, match=words) as caught:
        prepare(NAME, data_dir=own_root)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("which", [0, 1])
def test_a_broken_file_is_named_and_nothing_is_prepared(own_root, which, tfds_dir):
    path = paths(own_root, "val", NAMES["val"][0])[which]
    raw = path.read_bytes()
    path.unlink()
    path.write_bytes(raw[: len(raw) // 2])
    with pytest.raises(DataError, match=f"{path} is no image, or cut short"):
        prepare(f"{NAME}/half", data_dir=own_root)
    assert not list(tfds_dir.glob("**/dataset_info.json"))


def test_missing_files_are_named_at_every_use(own_root):
    with pytest.raises(
        FileNotFoundError, match="not downloaded: unpack leftImg8bit_tr"
    ):
        load(NAME, "train")
    prepare(f"{NAME}/tiny", data_dir=own_root)
    path = paths(own_root, "val", NAMES["val"][0])[1]
    path.unlink()
    with pytest.raises(FileNotFoundError, match=rf"lacks {path.name} \(1 of 1 files"):
        load(f"{NAME}/tiny", "train", data_dir=own_root)
    (own_root / "gtFine").rename(own_root / "gtCoarse")
    with pytest.raises(FileNotFoundError, match="lacks gtFine/train; unpack leftImg8"):
        load(f"{NAME}/tiny", "train", data_dir=own_root)


def test_the_command_line_lists_prepares_and_draws_them(root, tmp_path, capsys):
    assert main(["prepare", NAME]) == 2
    assert "www.cityscapes-dataset.com" in capsys.readouterr().err
    arguments = ["--data-dir", str(root), "--columns", "3"]
    out = tmp_path / "sheet.png"
    assert main(["show", f"{NAME}/tiny", "--out", str(out), *arguments]) == 0
    height, width = np.asarray(Image.open(out)).shape[:2]
    assert 1.2 < width / height < 2.5  # A row of images, and one of masks.
    main(["list"])
    table = capsys.readouterr().out
    assert "512x512 RGB" in table and "256x256 RGB" in table
