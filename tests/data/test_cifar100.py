"""CIFAR-100 from small files of the true format."""

from __future__ import annotations

import numpy as np
import pytest

from gdjax.data import BUILDERS, DataError, GdjaxCifar100, load, load_at_factor
from gdjax.data.cifar import SUPERCLASSES, THINGS
from gdjax.data.releases import CIFAR100


def read(folder):
    return GdjaxCifar100().originals(folder, download=no_download)


def no_download(urls):
    raise AssertionError("nothing is to be downloaded")


@pytest.mark.parametrize("layout", ["plain", "nested", "archive"])
def test_the_set_is_the_files(layout, write_cifar100, cifar100_arrays):
    folder = write_cifar100(layout=layout)
    images, _, fine = cifar100_arrays["train"]
    for split, rows in {"train": slice(80), "validation": slice(80, None)}.items():
        examples = load("cifar100", split, data_dir=folder)
        assert (examples.image == images[rows]).all()
        assert (examples.label == fine[rows]).all() and examples.label.dtype == np.int32
    images, _, fine = cifar100_arrays["test"]
    test = load("gdjax_cifar100", "test", data_dir=folder)
    assert (test.image == images).all() and (test.label == fine).all()


def test_coarse_labels_are_the_first_byte(write_cifar100, cifar100_arrays):
    folder = write_cifar100()
    _, coarse, fine = cifar100_arrays["train"]
    both = load("cifar100/coarse", "train+validation", data_dir=folder)
    assert (both.label == coarse).all()
    assert (load("cifar100/tiny", "train", data_dir=folder).label == fine[:80]).all()


def test_classes_are_named():
    assert len(THINGS) == len(set(THINGS)) == 100 and len(SUPERCLASSES) == 20
    assert THINGS[0] == "apple" and THINGS[39] == "keyboard" and THINGS[99] == "worm"
    assert all(len(names) == 5 for names in SUPERCLASSES.values())
    for config, classes in (("default", THINGS), ("coarse", tuple(SUPERCLASSES))):
        label = GdjaxCifar100(config=config).info.features["label"]
        assert tuple(label.names) == classes
    assert BUILDERS["cifar100"] is GdjaxCifar100


def test_there_are_no_other_sizes(write_cifar100):
    with pytest.raises(ValueError, match="only factor 1, not 2; no set has these im"):
        load_at_factor("cifar100", 2, data_dir=write_cifar100())


def test_published_sizes():
    sizes = {name: records.size for name, records in CIFAR100.files.items()}
    assert sizes == {"train.bin": 153_700_000, "test.bin": 30_740_000}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda raw: raw[:-1], "is cut short: it has 21,517 bytes.*21,518"),
        (lambda raw: raw + b"0", "is too long"),
        (
            lambda raw: b"\x14" + raw[1:],
            r"label 20 \(image 0\), but labels are 0\.\.19",
        ),
        (lambda raw: raw[:1] + b"\x64" + raw[2:], r"label 100 \(image 0\).* 0\.\.99"),
        # As if the two labels were swapped: woman, a member of people (14).
        (lambda raw: b"\x0d\x62" + raw[2:], "coarse label 13 with the fine label 98 "),
    ],
)
def test_wrong_files_are_named(change, words, write_cifar100):
    folder = write_cifar100()
    path = folder / "test.bin"
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(DataError, match=words) as caught:
        read(folder)
    message = str(caught.value)
    assert str(path) in message and "--data-dir" in message and "\n" not in message


def test_a_folder_that_lacks_a_file_names_it(write_cifar100, tmp_path):
    folder = write_cifar100()
    (folder / "train.bin").unlink()
    with pytest.raises(FileNotFoundError, match="lacks train.bin of CIFAR-100"):
        read(folder)
    with pytest.raises(FileNotFoundError, match="neither cifar-100-binary.tar.gz nor"):
        read(tmp_path)
