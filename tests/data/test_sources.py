"""Where the IDX files come from, and what is refused."""

from __future__ import annotations

import dataclasses
import gzip
import importlib.resources

import numpy as np
import pytest

from gdjax.data import (
    DataError,
    GdjaxCifar10,
    GdjaxCifar100,
    GdjaxFashionMnist,
    GdjaxMnist,
    GdjaxStl10,
    GdjaxSvhn,
)
from gdjax.data.originals import read_originals
from gdjax.data.releases import FASHION_MNIST, MNIST, SVHN
from gdjax.data.sources import check_folder


def no_download(urls):
    raise AssertionError("nothing is to be downloaded")


def read(folder, release=MNIST):
    return read_originals(release, folder=folder, download=no_download)


def test_validation_is_the_last_sixth(write_idx):
    originals = read(write_idx())
    counts = {name: len(images) for name, images in originals.images.items()}
    assert counts == {"train": 50, "validation": 10, "test": 20}
    assert {n: len(x) for n, x in originals.labels.items()} == counts


def test_packed_and_plain_folders_are_the_same_data(write_idx):
    packed, plain = read(write_idx("a")), read(write_idx("b", packed=False))
    assert packed.digest == plain.digest and len(packed.sha256) == 4
    assert (packed.images["test"] == plain.images["test"]).all()
    assert read(write_idx("c", seed=1)).digest != packed.digest


@pytest.mark.parametrize("name", MNIST.remote)
def test_a_folder_that_lacks_a_file_never_falls_back(write_idx, name):
    folder = write_idx()
    (folder / f"{name}.gz").unlink()
    for release in (MNIST, FASHION_MNIST):
        with pytest.raises(FileNotFoundError, match=f"lacks {name}"):
            read(folder, release)


def test_more_images_than_labels_is_refused(write_idx, idx_bytes):
    folder = write_idx()
    path = folder / "t10k-labels-idx1-ubyte.gz"
    path.write_bytes(gzip.compress(idx_bytes(np.zeros(19))))
    with pytest.raises(DataError, match="holds 20 images, but .* 19 labels") as caught:
        read(folder)
    assert MNIST.url in str(caught.value)


def test_too_few_images_for_a_validation_subset_are_refused(write_idx, idx_bytes):
    folder = write_idx()
    arrays = {"images-idx3": np.zeros((5, 28, 28)), "labels-idx1": np.zeros(5)}
    for kind, array in arrays.items():
        path = folder / f"train-{kind}-ubyte.gz"
        path.write_bytes(gzip.compress(idx_bytes(array)))
    with pytest.raises(DataError, match="train-images.* holds 5 images; at least 6"):
        read(folder)


def test_a_release_of_other_files_needs_a_parser(tmp_path):
    for name in SVHN.remote:
        (tmp_path / name).touch()
    with pytest.raises(NotImplementedError, match="`parse=None`: the files of SVHN"):
        read(tmp_path, SVHN)


def test_images_of_another_size_are_refused(write_idx, idx_bytes):
    folder = write_idx()
    path = folder / "t10k-images-idx3-ubyte.gz"
    path.write_bytes(gzip.compress(idx_bytes(np.zeros((20, 32, 32)))))
    with pytest.raises(DataError, match="images of 32x32 px, expected 28x28"):
        read(folder)


def test_a_label_file_under_the_name_of_images_is_refused(write_idx):
    folder = write_idx()
    labels = (folder / "train-labels-idx1-ubyte.gz").read_bytes()
    (folder / "train-images-idx3-ubyte.gz").write_bytes(labels)
    with pytest.raises(DataError, match="holds labels"):
        read(folder)


@pytest.mark.usefixtures("fashion_mnist_folder")
def test_debian_has_the_published_fashion_mnist():
    originals = read(None, FASHION_MNIST)
    assert originals.digest == FASHION_MNIST.digest
    assert "Debian" in originals.origin
    assert originals.images["train"].shape == (50_000, 28, 28, 1)


def test_fashion_mnist_is_not_taken_for_mnist(fashion_mnist_folder):
    with pytest.raises(DataError, match="those of Fashion-MNIST, not of MNIST"):
        read(fashion_mnist_folder)


def test_without_any_source_all_ways_are_named():
    offline = dataclasses.replace(FASHION_MNIST, debian=None)
    with pytest.raises(FileNotFoundError, match="can't reach fashion-mnist") as caught:
        read(None, offline)
    assert "--data-dir" in str(caught.value) and "network" in str(caught.value)
    assert "dataset-fashion-mnist" in FASHION_MNIST.remedies()
    assert "Debian" not in MNIST.remedies()


@pytest.mark.parametrize(
    ("builder", "sums"),
    [
        (GdjaxMnist, "url_checksums/mnist.txt"),
        (GdjaxFashionMnist, "url_checksums/fashion_mnist.txt"),
        (GdjaxCifar10, "url_checksums/cifar10.txt"),
        (GdjaxCifar100, "url_checksums/cifar100.txt"),
        (GdjaxStl10, "datasets/stl10/checksums.tsv"),
        (GdjaxSvhn, "datasets/svhn_cropped/checksums.tsv"),
    ],
)
def test_downloads_are_held_against_the_sums_that_tfds_registers(builder, sums):
    package = importlib.resources.files("tensorflow_datasets")
    lines = package.joinpath(sums).read_text().splitlines()
    registered = {line.split()[0]: line.split()[1:3] for line in lines}
    ours = {u: [str(int(i.size)), i.checksum] for u, i in builder.url_infos.items()}
    # SVHN's extra images are registered, too, and not wanted.
    assert ours.items() <= registered.items()
    assert set(builder.RELEASE.urls().values()) == set(ours)
    assert builder is GdjaxSvhn or len(ours) == len(registered)


def test_a_wrong_download_is_refused(tfds_dir, write_idx, monkeypatch):
    # TFDS holds files in its download folder's `manual` against the same sums.
    write_idx().rename(tfds_dir.parent / "manual")
    (tfds_dir / "downloads").mkdir(parents=True)
    (tfds_dir.parent / "manual").rename(tfds_dir / "downloads" / "manual")
    monkeypatch.setattr("gdjax.data.sources._check_reachable", lambda url: None)
    builder = GdjaxMnist(data_dir=tfds_dir)
    with pytest.raises(FileNotFoundError, match="(?i)checksum|sha256|wrong"):
        builder.originals(None, download=builder.downloader())


def test_data_folders_must_be_folders(tmp_path):
    with pytest.raises(FileNotFoundError, match="does not exist"):
        check_folder(tmp_path / "none")
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError, match="not a folder"):
        check_folder(tmp_path / "file")
    assert check_folder(str(tmp_path)) == tmp_path
