"""Folders of pictures, laid out well and not."""

from __future__ import annotations

import pickle
import re

import numpy as np
import pytest
from PIL import Image

from gdjax.data import DataError, LazyArray, folder_classes, from_folder
from gdjax.data.folder_layout import has_split


def pixels(seed, size=(8, 8), channels=3):
    shape = (*size, 3) if channels == 3 else size
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def save(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)
    return path


def write_classes(root, counts):
    """Pictures 00.png, ... in folders; the seed of each is 100 * class + number."""
    for label, (name, count) in enumerate(counts.items()):
        for i in range(count):
            save(root / name / f"{i:02}.png", pixels(100 * label + i))
    return root


@pytest.fixture
def pets(tmp_path):
    return write_classes(tmp_path / "pets", {"cat": 3, "dog": 2, "eel": 1})


@pytest.fixture
def masked(tmp_path):
    root = tmp_path / "masked"
    for i in range(3):
        save(root / "images" / f"{i}.png", pixels(i))
        save(root / "masks" / f"{i}.png", pixels(50 + i, channels=1) % 4)
    return root


def test_class_folders(pets):
    examples = from_folder(pets)
    assert isinstance(examples.image, LazyArray)
    assert examples.image.shape == (6, 8, 8, 3) and examples.image.dtype == np.uint8
    assert examples.label.dtype == np.int32
    assert examples.classes == folder_classes(pets) == ("cat", "dog", "eel")
    # The first of each class, then the second, and so on.
    assert examples.label.tolist() == [0, 1, 2, 0, 1, 0]
    seeds = [0, 100, 200, 1, 101, 2]
    expected = np.stack([pixels(seed) for seed in seeds])
    assert (np.asarray(examples.image) == expected).all()
    assert (examples.image[[4, 0]] == expected[[4, 0]]).all()
    assert (examples.image[-1] == expected[-1]).all()
    assert (pickle.loads(pickle.dumps(examples)).image[2] == expected[2]).all()
    assert repr(examples) == (
        "<Examples: image uint8 (6, 8, 8, 3), label int32 (6,), "
        "3 classes: cat, dog, eel>"
    )


def test_paths_may_be_strings_of_home(pets, monkeypatch):
    monkeypatch.setenv("HOME", str(pets.parent))
    assert len(from_folder("~/pets").label) == 6


def test_a_limit_takes_of_all_classes(pets):
    assert from_folder(pets, limit=4).label.tolist() == [0, 1, 2, 0]
    assert len(from_folder(pets, limit=99).label) == 6
    with pytest.raises(ValueError, match="limit=0"):
        from_folder(pets, limit=0)


def test_hidden_files_and_others_are_left_out(pets):
    for place in (pets, pets / "cat"):
        (place / ".DS_Store").write_text("x")
        (place / "notes.txt").write_text("x")
    (pets / "cat" / "._00.png").write_text("x")
    (pets / ".cache").mkdir()
    assert from_folder(pets).image.shape[0] == 6


def test_suffixes_are_written_as_one_likes(pets):
    (pets / "eel" / "00.png").rename(pets / "eel" / "00.PNG")
    assert from_folder(pets).image.shape[0] == 6


def test_one_class_is_enough(tmp_path):
    examples = from_folder(write_classes(tmp_path / "one", {"only": 2}))
    assert examples.classes == ("only",) and examples.label.tolist() == [0, 0]


@pytest.mark.parametrize("kind", ["grey", "deep"])
def test_grey_pictures_have_one_channel(tmp_path, kind):
    array = pixels(1, channels=1)
    array = array.astype(np.uint16) * 250 if kind == "deep" else array
    save(tmp_path / "pets" / "cat" / "a.png", array)
    image = from_folder(tmp_path / "pets").image
    assert image.shape == (1, 8, 8, 1) and image.dtype == array.dtype
    assert (image[0][..., 0] == array).all()


def test_pictures_are_upright(tmp_path):
    exif = Image.Exif()
    exif[274] = 6
    path = save(tmp_path / "pets" / "cat" / "a.png", pixels(0, (8, 5)))
    Image.fromarray(pixels(1, (5, 8))).save(path.with_name("b.png"), exif=exif)
    image = from_folder(tmp_path / "pets").image
    assert (image[1] == np.rot90(pixels(1, (5, 8)), 3)).all()


def test_masks(masked):
    examples = from_folder(masked)
    assert examples.image.shape == (3, 8, 8, 3) and examples.classes == ()
    assert isinstance(examples.label, LazyArray)
    assert examples.label.shape == (3, 8, 8) and examples.label.dtype == np.uint8
    for i in range(3):
        assert (examples.image[i] == pixels(i)).all()
        assert (examples.label[i] == pixels(50 + i, channels=1) % 4).all()
    assert folder_classes(masked) == ()


def test_splits_have_the_classes_of_training(tmp_path):
    root = tmp_path / "pets"
    write_classes(root / "train", {"cat": 2, "dog": 1, "eel": 1})
    write_classes(root / "val", {"dog": 1})
    write_classes(root / "test", {"eel": 2})
    (root / "test" / "cat").mkdir()
    assert from_folder(root, split="train").label.tolist() == [0, 1, 2, 0]
    for split in ("validation", "val"):
        assert from_folder(root, split=split).label.tolist() == [1]
        assert has_split(root, split)
    test = from_folder(root, split="test")
    assert test.label.tolist() == [2, 2] and test.classes == ("cat", "dog", "eel")
    both = from_folder(root, split="train+validation")
    assert both.label.tolist() == [0, 1, 2, 0, 1] and len(both.image) == 5
    assert not has_split(root, "extra")
    with pytest.raises(DataError, match="has the splits test, train, val: name one"):
        from_folder(root)
    words = r" .* has no folder trian/ \(it has test, train, val\): make it"
    for split in ("trian", "train+trian"):
        with pytest.raises(DataError, match=re.escape(f"`split='{split}'`:") + words):
            from_folder(root, split=split)
    with pytest.raises(DataError, match=r"has no folder \.\./"):
        from_folder(root / "train", split="..")
    write_classes(root / "test", {"fox": 1})
    words = r"test/fox is a class without training images \(there are cat, dog, eel\)"
    with pytest.raises(DataError, match=words):
        from_folder(root, split="test")


def test_a_class_may_be_called_train(tmp_path):
    root = write_classes(tmp_path / "vehicles", {"bus": 1, "train": 1})
    assert from_folder(root).classes == ("bus", "train")


def test_every_tenth_picture_can_be_set_apart(tmp_path):
    root = write_classes(tmp_path / "pets", {"cat": 21, "dog": 12})
    rest = from_folder(root, part="training")
    apart = from_folder(root, part="validation")
    assert apart.label.tolist() == [0, 1, 0] and len(rest.label) == 30
    for row, seed in enumerate((9, 109, 19)):
        assert (apart.image[row] == pixels(seed)).all()
    seen = {image.tobytes() for part in (rest, apart) for image in part.image}
    assert len(seen) == 33
    with pytest.raises(ValueError, match="unknown `part` 'tests'.*known: all, train"):
        from_folder(root, part="tests")
    few = write_classes(tmp_path / "few", {"cat": 9})
    with pytest.raises(DataError, match=r"part='validation'`: no class in .* has 10"):
        from_folder(few, part="validation")


def test_masks_and_classes_are_not_joined(tmp_path, masked):
    root = tmp_path / "both"
    root.mkdir()
    write_classes(root / "validation", {"cat": 1})
    masked.rename(root / "extra")
    with pytest.raises(DataError, match="split='extra.validation'` joins classes"):
        from_folder(root, split="extra+validation")


def refused(words, path, **options):
    with pytest.raises(DataError, match=words) as caught:
        from_folder(path, **options)
    assert "\n" not in str(caught.value)


def test_missing_folders(tmp_path):
    path = tmp_path / "none"
    words = re.escape(f"`path={path}` does not exist: give a folder that has")
    refused(words, path)
    path.write_text("x")
    refused(re.escape(f"`path={path}` is a file: give"), path)


def test_folders_without_pictures(tmp_path, pets):
    refused(f"{tmp_path}/empty has no pictures: put", _made(tmp_path / "empty"))
    (pets / "ant").mkdir()
    refused(r"pets/ant has no pictures: put files \.png, .* directly in it", pets)
    (pets / "ant" / "a.gif").write_text("x")
    refused(r"pets/ant has no pictures, only a\.gif: put", pets)
    _made(tmp_path / "m" / "images"), _made(tmp_path / "m" / "masks")
    refused("m/images has no pictures", tmp_path / "m")


def _made(path):
    path.mkdir(parents=True)
    return path


def test_pictures_in_no_class_folder(pets):
    save(pets / "a.png", pixels(0))
    refused(r"pets/a\.png is in no class folder: .*pets must have a folder for", pets)


def test_differing_sizes_and_modes(pets):
    path = save(pets / "dog" / "01.png", pixels(0, (8, 6)))
    words = rf"cat/00\.png is 8x8 px, RGB, but {path} is 8x6 px, RGB: .* resize or"
    refused(words, pets)
    save(path, pixels(0, channels=1))
    refused(rf"cat/00\.png is 8x8 px, RGB, but {path} is 8x8 px, grey: all", pets)
    # What is not asked for is not looked at.
    assert len(from_folder(pets, limit=4).label) == 4


def test_unreadable_files_are_named(pets):
    path = pets / "dog" / "00.png"
    path.write_bytes(b"nothing")
    refused(f"{path} is unreadable: .* get it anew, or take it away", pets)


def test_files_cut_short_are_named_when_indexed(pets):
    path = save(pets / "dog" / "00.png", pixels(0))
    path.write_bytes(path.read_bytes()[:150])
    image = from_folder(pets).image
    assert image[0].shape == (8, 8, 3)
    with pytest.raises(DataError, match=f"{path} is unreadable: .*cut short"):
        image[:]


def test_unreadable_files_are_skipped_on_request(pets):
    path = save(pets / "dog" / "00.png", pixels(0))
    path.write_bytes(path.read_bytes()[:150])
    (pets / "eel" / "00.png").write_text("x")
    with pytest.warns(UserWarning) as warned:
        examples = from_folder(pets, skip_unreadable=True)
    said = [str(warning.message) for warning in warned]
    assert [re.search(r"left out: .*/(\w+/\d+\.png)", text)[1] for text in said] == [
        "dog/00.png",
        "eel/00.png",
    ]
    assert examples.label.tolist() == [0, 0, 1, 0]
    assert len(examples.classes) == 3 and np.asarray(examples.image).shape[0] == 4
    with pytest.warns(UserWarning, match="left out"):
        assert len(from_folder(pets, skip_unreadable=True, limit=3).label) == 3


def test_a_folder_of_which_nothing_is_readable(tmp_path):
    path = save(tmp_path / "pets" / "cat" / "a.png", pixels(0))
    path.write_text("x")
    words = f"`path={tmp_path}/pets`: none of its pictures is readable"
    with pytest.warns(UserWarning), pytest.raises(DataError, match=words):
        from_folder(tmp_path / "pets", skip_unreadable=True)


def test_files_that_change_meanwhile(pets):
    image = from_folder(pets).image
    path = save(pets / "cat" / "00.png", pixels(0, (9, 8)))
    with pytest.raises(DataError, match=rf"{path} is uint8 \(9, 8, 3\), but the first"):
        image[0]
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r"cat/00\.png"):
        image[0]


def test_masks_that_do_not_fit(masked):
    path = save(masked / "masks" / "1.png", pixels(0, (8, 6), channels=1))
    words = rf"{path} has 8x6 px, but its picture .*images/1\.png has 8x8: make both"
    refused(words, masked)
    save(path, pixels(0))
    refused(rf"{path} is of the kind RGB, not one number of 8 bits", masked)
    path.unlink()
    words = r"images/1\.png has no mask .*masks/1\.png \(1 of 3 are missing\): add it"
    refused(words, masked)
    save(masked / "masks" / "1.png", pixels(0, channels=1))
    save(masked / "images" / "1.bmp", pixels(0))
    refused(r"images/1\.bmp and 1\.png have the same name", masked)


def test_masks_are_skipped_with_their_pictures(masked):
    (masked / "masks" / "1.png").write_text("x")
    with pytest.warns(UserWarning, match=r"left out: .*masks/1\.png"):
        examples = from_folder(masked, skip_unreadable=True)
    assert (np.asarray(examples.image)[1] == pixels(2)).all()
    assert len(examples.label) == 2


@pytest.mark.parametrize("kept", ["images", "masks"])
def test_images_without_masks_and_masks_without_images(masked, kept):
    other = {"images": "masks", "masks": "images"}[kept]
    (masked / other).rename(masked.parent / other)
    refused(f"masked has {kept}/ but no {other}/: add it", masked)
