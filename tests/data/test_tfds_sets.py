"""Sets that TFDS has prepared, as others prepare them, and those that aren't."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from gdjax.data import DataError, LazyArray, from_tfds, load, prepare


CLASSES = ["cat", "dog"]


def picture(i, size=(8, 6)):
    return np.random.default_rng(i).integers(0, 256, (*size, 3), np.uint8)


@pytest.fixture
def build(tmp_path, monkeypatch):
    """Prepares a set of seven records; returns the folder of the sets."""
    (tmp_path / "files").mkdir()

    def make(features, record, name="pets"):
        def info(self):
            return tfds.core.DatasetInfo(
                builder=self, features=features, disable_shuffling=True
            )

        def generate(self):
            yield from ((i, record(i)) for i in range(7))

        body = {
            "VERSION": tfds.core.Version("1.0.0"),
            "_info": info,
            "_split_generators": lambda self, _: {"train": self._generate_examples()},
            "_generate_examples": generate,
            "name": name,
            "__module__": __name__,
        }
        base = tfds.core.GeneratorBasedBuilder
        kind = type(base)(name.title(), (base,), body, skip_registration=True)
        root = tmp_path / "sets"
        kind(data_dir=root, file_format="array_record").download_and_prepare()
        return root

    return make


def stored(path, array):
    Image.fromarray(array).save(path)
    return str(path)


@pytest.fixture
def pets(build, tmp_path):
    """As most sets are: encoded pictures, whose size the builder doesn't say."""
    return with_sizes(build, tmp_path, [(8, 6)] * 7)


def with_sizes(build, tmp_path, sizes, declared=(None, None, 3)):
    features = tfds.features.FeaturesDict(
        {
            "image": tfds.features.Image(shape=declared),
            "label": tfds.features.ClassLabel(names=CLASSES),
            "name": tfds.features.Text(),
        }
    )

    def record(i):
        path = stored(tmp_path / "files" / f"{i}.png", picture(i, sizes[i]))
        return {"image": path, "label": i % 2, "name": f"number {i}"}

    return build(features, record)


def test_encoded_pictures_are_read_when_indexed(pets):
    examples = from_tfds("pets", "train", data_dir=pets)
    assert isinstance(examples.image, LazyArray)
    assert examples.image.shape == (7, 8, 6, 3) and examples.image.dtype == np.uint8
    assert (np.asarray(examples.image)[5] == picture(5)).all()
    assert (examples.image[[3, 1]] == np.stack([picture(3), picture(1)])).all()
    assert examples.label.dtype == np.int32
    assert np.asarray(examples.label).tolist() == [0, 1, 0, 1, 0, 1, 0]
    assert examples.classes == ("cat", "dog")
    assert repr(examples) == (
        "<Examples: image uint8 (7, 8, 6, 3), label int32 (7,), 2 classes: cat, dog>"
    )


def test_parts_limits_and_versions(pets):
    for name in ("pets", "pets:1.0.0"):
        part = from_tfds(name, "train[2:4]", data_dir=pets)
        assert (part.image[0] == picture(2)).all() and len(part.label) == 2
    few = from_tfds("pets", "train", data_dir=str(pets), limit=3)
    assert few.image.shape[0] == len(few.label) == 3
    with pytest.raises(ValueError, match="limit=0"):
        from_tfds("pets", "train", data_dir=pets, limit=0)


def test_sets_of_gdjax_are_sets_of_tfds():
    prepare("rescaled_digits/tiny")
    found = from_tfds("rescaled_digits/tiny", "train")  # in $TFDS_DATA_DIR
    expected = load("rescaled_digits/tiny", "train")
    assert (np.asarray(found.image) == expected.image).all()
    assert (np.asarray(found.label) == expected.label).all()
    assert found.classes == expected.classes


def test_sixteen_bits_and_labels_without_names(build):
    images = np.random.default_rng(0).integers(0, 60_000, (7, 4, 5, 1), np.uint16)
    features = tfds.features.FeaturesDict(
        {
            "image": tfds.features.Tensor(shape=(4, 5, 1), dtype=np.uint16),
            "label": tfds.features.Scalar(np.int64),
        }
    )
    root = build(features, lambda i: {"image": images[i], "label": i})
    examples = from_tfds("pets", "train", data_dir=root)
    assert examples.classes == () and examples.label[6] == 6
    assert (np.asarray(examples.image) == images).all()
    assert examples.image.dtype == np.uint16


def refused(words, name="pets", split="train", **options):
    with pytest.raises(DataError, match=words) as caught:
        examples = from_tfds(name, split, **options)
        np.asarray(examples.image)
    assert "\n" not in str(caught.value)


def test_images_of_several_sizes(build, tmp_path):
    sizes = [(8, 6)] * 4 + [(6, 8)] * 3
    root = with_sizes(build, tmp_path, sizes)
    words = r"several sizes, \(8, 6, 3\) and \(6, 8, 3\): .*take `from_folder`"
    refused(words, data_dir=root)
    assert from_tfds("pets", "train[4:]", data_dir=root).image[0].shape == (6, 8, 3)


def test_sets_that_are_not_there(pets, tfds_dir):
    words = r"`name=petz`: Dataset petz not found; .*`data_dir` \(sets in .*: pets\)"
    refused(words, name="petz", data_dir=pets)
    words = f"`name=mnist` is not prepared in {pets} .*: pets.*: `tfds build mnist --f"
    refused(words, name="mnist", data_dir=pets)
    refused(f"not prepared in {tfds_dir} .*: none.*: `tfds build", name="mnist")
    refused("take `gdjax.data.load`, which prepares it", name="rescaled_digits")
    refused("`name=pets/none`: .*; name one that is prep", name="pets/none")
    refused("`name=a:b`: give NAME, NAME/CONFIG or", name="a:b")


def test_splits_that_are_not_there(pets):
    words = r"split='trian'` of pets: Unknown split 'trian'.* \['train'\]; take one"
    refused(words, split="trian", data_dir=pets)
    refused("split='train.:x.'` of pets: Error pars", split="train[:x]", data_dir=pets)


def test_sets_in_files_that_need_tensorflow(pets):
    info = pets / "pets" / "1.0.0" / "dataset_info.json"
    info.write_text(info.read_text().replace("array_record", "tfrecord"))
    words = "`name=pets`: .*TFRECORD is not supported.*; prepare it with --f"
    refused(words, data_dir=pets)


def test_damaged_sets(pets):
    path = next(pets.rglob("*train.array_record*"))
    path.write_bytes(path.read_bytes()[:100])
    refused(r"can't read|`name=pets`: .*prepare it", data_dir=pets)


@pytest.mark.parametrize(
    ("features", "words"),
    [
        ({"image": (4, 4, 1)}, r"has no 'label' \(but image\): sets for the class"),
        ({"label": ()}, r"has no 'image' \(but label\)"),
        ({"image": (4, 4), "label": ()}, r"has images of uint8 \(4, 4\): expected u"),
        (
            {"image": (4, 4, 1), "label": (2,)},
            r"has labels of uint8 \(2,\): exp",
        ),
    ],
)
def test_sets_of_other_features(build, features, words):
    tensors = {
        name: tfds.features.Tensor(shape=shape, dtype=np.uint8)
        for name, shape in features.items()
    }
    values = {name: np.zeros(shape, np.uint8) for name, shape in features.items()}
    root = build(tfds.features.FeaturesDict(tensors), lambda _: values)
    refused(f"`name=pets` {words}", data_dir=root)


def test_labels_of_several_parts(build):
    image = tfds.features.Tensor(shape=(4, 4, 1), dtype=np.uint8)
    label = {"a": tfds.features.Scalar(np.int64)}
    features = tfds.features.FeaturesDict({"image": image, "label": label})
    blank = np.zeros((4, 4, 1), np.uint8)
    root = build(features, lambda _: {"image": blank, "label": {"a": 1}})
    refused("has labels of several .*: expected a whole number", data_dir=root)
