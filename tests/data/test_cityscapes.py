"""Cityscapes from a small folder of the true layout, and from wrong ones."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from gdjax.data import DataError, open_cityscapes


NAMES = {
    "train": ["aachen_000000_000019", "aachen_000001_000019", "bochum_000000_000313"],
    "val": ["munster_000000_000019"],
    "test": ["berlin_000000_000019"],
}
CLASSES = (
    "road sidewalk building wall fence pole traffic-light traffic-sign vegetation"
    " terrain sky person rider car truck bus train motorcycle bicycle"
)


def paths(root, split, name):
    city = name.partition("_")[0]
    image = root / "leftImg8bit" / split / city / f"{name}_leftImg8bit.png"
    return image, root / "gtFine" / split / city / f"{name}_gtFine_labelIds.png"


def pixels(seed):
    return np.random.default_rng(seed).integers(0, 256, (8, 16, 3), dtype=np.uint8)


def labels(seed):
    return np.random.default_rng(seed).integers(0, 34, (8, 16), dtype=np.uint8)


@pytest.fixture
def root(tmp_path):
    """Three cities, with the other files that are beside the masks."""
    for split, names in NAMES.items():
        for seed, name in enumerate(names):
            image, mask = paths(tmp_path, split, name)
            for path in (image, mask):
                path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels(seed)).save(image)
            Image.fromarray(labels(seed)).save(mask)
            other = mask.name.replace("labelIds", "instanceIds")
            Image.fromarray(labels(seed).astype(np.uint16)).save(mask.parent / other)
            (mask.parent / other.replace("instanceIds.png", "polygons.json")).touch()
    return tmp_path


@pytest.mark.parametrize("split", NAMES)
def test_the_set_is_the_files(root, split):
    images = open_cityscapes(root, split)
    assert images.names == tuple(NAMES[split])
    assert images.classes == tuple(c.replace("-", " ") for c in CLASSES.split())
    for seed, (image, mask) in enumerate(images):
        assert (image == pixels(seed)).all()
        assert mask.shape == (8, 16) and mask.dtype == np.uint8


def test_labels_become_the_classes_that_are_evaluated(root):
    # From the table of the published tools: label -> class, and 255.
    table = [255] * 7 + [0, 1, 255, 255, 2, 3, 4, 255, 255, 255, 5, 255, 6, 7, 8, 9, 10]
    table += [11, 12, 13, 14, 15, 255, 255, 16, 17, 18]
    assert len(table) == 34
    _, path = paths(root, "val", NAMES["val"][0])
    Image.fromarray(np.arange(34, dtype=np.uint8).repeat(4).reshape(8, 17)).save(path)
    image, _ = paths(root, "val", NAMES["val"][0])
    Image.fromarray(np.zeros((8, 17, 3), np.uint8)).save(image)
    mask = open_cityscapes(root, "val")[0].mask
    assert mask.ravel()[::4].tolist() == table


def test_unknown_labels_are_refused(root):
    _, path = paths(root, "val", NAMES["val"][0])
    mask = labels(0)
    mask[2, 3] = 34
    Image.fromarray(mask).save(path)
    words = r"label 34 \(row 2, column 3\), but those of Cityscapes are 0\.\.33; take"
    with pytest.raises(DataError, match=f"{path} holds the {words}"):
        open_cityscapes(root, "val")[0]


def test_wrong_masks_are_refused(root):
    image, path = paths(root, "val", NAMES["val"][0])
    Image.fromarray(pixels(0)).save(path)
    with pytest.raises(DataError, match=f"{path} is of the kind RGB, but a mask has"):
        open_cityscapes(root, "val")[0]
    Image.fromarray(labels(0)[:4]).save(path)
    with pytest.raises(DataError, match=f"{path} has 4x16 px, but its image .* 8x16"):
        open_cityscapes(root, "val")[0]
    image.write_bytes(image.read_bytes()[:60])
    with pytest.raises(DataError, match=f"{image} is no image, or cut short"):
        open_cityscapes(root, "val")[0]


@pytest.mark.parametrize("which", [0, 1])
def test_what_lacks_its_other_half_is_named(root, which):
    path = paths(root, "train", NAMES["train"][1])[which]
    path.unlink()
    with pytest.raises(FileNotFoundError, match=rf"lacks {path.name} \(1 of 2 files"):
        open_cityscapes(root, "train")
    other = paths(root, "train", NAMES["train"][2])[which]
    path.touch()
    other.unlink()
    other.parent.rename(root / "elsewhere")
    with pytest.raises(FileNotFoundError, match=f"{other.parent} is missing"):
        open_cityscapes(root, "train")


def test_other_folders_are_refused(root, tmp_path):
    (root / "gtFine").rename(root / "gtCoarse")
    with pytest.raises(FileNotFoundError, match="it lacks gtFine/train; unpack"):
        open_cityscapes(root, "train")
    (root / "gtFine" / "val").mkdir(parents=True)
    (root / "leftImg8bit" / "val").rename(root / "away")
    (root / "leftImg8bit" / "val").mkdir()
    with pytest.raises(FileNotFoundError, match=r"val has no \*/\*_leftImg8bit.png"):
        open_cityscapes(root, "val")
    with pytest.raises(
        ValueError, match="split of Cityscapes 'trian': did you mean tr"
    ):
        open_cityscapes(root, "trian")
    with pytest.raises(FileNotFoundError, match="does not exist"):
        open_cityscapes(tmp_path / "none", "train")
