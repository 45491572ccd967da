"""The binary files of CIFAR-10 and STL-10: where they are, and what is refused."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import io
import tarfile

import numpy as np
import pytest

from gdjax.data import DataError, GdjaxCifar10, GdjaxStl10
from gdjax.data.originals import read_originals
from gdjax.data.releases import CIFAR10, STL10, RemoteFile
from gdjax.data.sources import read_files


def no_download(urls):
    raise AssertionError("nothing is to be downloaded")


def read(folder, builder=GdjaxCifar10):
    """The originals of a builder whose release has been made small."""
    return read_originals(builder.RELEASE, folder=folder, download=no_download)


def refuse(folder, words, builder=GdjaxCifar10, error=DataError):
    """Reading fails with these words in one line, which ends with a remedy."""
    with pytest.raises(error, match=words) as caught:
        read(folder, builder)
    message = str(caught.value)
    assert "\n" not in message
    assert "--data-dir" in message or "it must hold" in message
    return message


@pytest.mark.parametrize("layout", ["plain", "nested", "archive"])
def test_all_layouts_are_the_same_data(layout, write_cifar10, write_stl10):
    first, second = read(write_cifar10("a")), read(write_cifar10("b", layout=layout))
    assert first.digest == second.digest and len(first.sha256) == 6
    assert read(write_cifar10("c", seed=1)).digest != first.digest
    first = read(write_stl10("d"), GdjaxStl10)
    second = read(write_stl10("e", layout=layout), GdjaxStl10)
    assert first.digest == second.digest and len(first.sha256) == 4


def test_published_sizes():
    sizes = {name: records.size for name, records in CIFAR10.files.items()}
    assert len(sizes) == 6 and set(sizes.values()) == {30_730_000}
    sizes = {name: records.size for name, records in STL10.files.items()}
    assert sizes["train_X.bin"] == 138_240_000 and sizes["test_X.bin"] == 221_184_000
    assert sizes["train_y.bin"] == 5_000 and sizes["test_y.bin"] == 8_000


@pytest.mark.parametrize("layout", ["plain", "nested"])
def test_a_folder_that_lacks_a_file_never_falls_back(layout, write_cifar10, pack):
    folder = write_cifar10(layout=layout)
    next(folder.glob("**/data_batch_3.bin")).unlink()
    (folder / CIFAR10.archive).write_bytes(b"an archive that is not looked at")
    refuse(folder, "lacks data_batch_3.bin of CIFAR-10", error=FileNotFoundError)


def test_a_folder_with_other_files_names_what_is_wanted(tmp_path):
    (tmp_path / "cifar-10-python.tar.gz").touch()
    message = refuse(tmp_path, "lacks CIFAR-10", error=FileNotFoundError)
    assert "cifar-10-binary.tar.gz" in message and "data_batch_1.bin" in message
    message = refuse(tmp_path, "lacks STL-10", GdjaxStl10, FileNotFoundError)
    assert "train_X.bin" in message and "unlabeled" not in message


@pytest.mark.parametrize("layout", ["plain", "nested"])
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda raw: raw[:-1], "is cut short: it has 30,729 bytes.*30,730"),
        (lambda raw: raw[:-3073], "is cut short"),
        (lambda raw: raw + raw[:3073], "is too long: it has 33,803 bytes"),
        (lambda raw: b"", "is cut short: it has 0 bytes"),
        (lambda raw: b"\x0a" + raw[1:], r"label 10 \(image 0\), but labels are 0\.\.9"),
        (
            lambda raw: raw[:3073] + b"\xff" + raw[3074:],
            r"label 255 \(image 1\), but labels are 0\.\.9",
        ),
    ],
)
def test_wrong_cifar10_files_are_named(layout, change, words, write_cifar10):
    folder = write_cifar10(layout=layout)
    path = next(folder.glob("**/test_batch.bin"))
    path.write_bytes(change(path.read_bytes()))
    assert str(path) in refuse(folder, words)


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("train_X.bin", lambda raw: raw[:-1], "is cut short: it has 276,479 bytes"),
        ("test_X.bin", lambda raw: raw[: -3 * 96**2], "is cut short"),
        ("test_X.bin", lambda raw: raw + b"0", "is too long"),
        ("test_y.bin", lambda raw: raw[:-1], "is cut short: it has 12 bytes"),
        ("train_y.bin", lambda raw: b"\0" + raw[1:], r"label 0 .* are 1\.\.10"),
        ("test_y.bin", lambda raw: raw[:-1] + b"\x0b", r"label 11 \(image 12\)"),
    ],
)
def test_wrong_stl10_files_are_named(name, change, words, write_stl10):
    folder = write_stl10()
    path = folder / name
    path.write_bytes(change(path.read_bytes()))
    assert str(path) in refuse(folder, words, GdjaxStl10)


def test_files_of_the_published_names_must_have_the_published_sizes(write_cifar10):
    with pytest.raises(DataError, match="30,730 bytes.*30,730,000"):
        read_files(CIFAR10, folder=write_cifar10(), download=no_download)


def test_an_archive_cut_short_is_refused(write_cifar10, monkeypatch):
    folder = write_cifar10(layout="archive")
    path = folder / CIFAR10.archive
    raw = path.read_bytes()
    path.write_bytes(raw[: len(raw) // 2])
    assert str(path) in refuse(folder, f"is cut short: it has {len(raw) // 2:,} bytes")
    publish(monkeypatch, path)
    refuse(folder, "is cut short or damaged")


def publish(monkeypatch, path, builder=GdjaxCifar10):
    """Lets the archive count as the published one, whatever is in it."""
    raw = path.read_bytes()
    remote = RemoteFile(len(raw), hashlib.sha256(raw).hexdigest())
    release = dataclasses.replace(builder.RELEASE, remote=remote)
    monkeypatch.setattr(builder, "RELEASE", release)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"no archive at all",
        gzip.compress(b"no tar file", mtime=0),
        gzip.compress(b"", mtime=0),
    ],
)
def test_what_is_no_archive_is_refused(raw, write_cifar10, monkeypatch):
    path = write_cifar10(layout="archive") / CIFAR10.archive
    path.write_bytes(raw)
    publish(monkeypatch, path)
    refuse(path.parent, "is cut short or damaged|lacks data_batch_1.bin")


def test_damaged_bytes_in_an_archive_are_refused(write_cifar10):
    folder = write_cifar10(layout="archive")
    path = folder / CIFAR10.archive
    raw = bytearray(path.read_bytes())
    raw[2000:2400] = bytes(400)
    path.write_bytes(raw)
    refuse(folder, "is damaged or another file: its SHA-256 is")


def test_an_archive_that_lacks_a_member_is_refused(write_cifar10, monkeypatch, pack):
    files = {path.name: path.read_bytes() for path in write_cifar10("a").iterdir()}
    folder = write_cifar10(layout="archive")
    del files["data_batch_5.bin"]
    # Names from the root, from above or from another folder are not those wanted.
    for prefix in ("..", "/cifar-10-batches-bin", "x/cifar-10-batches-bin"):
        files[f"../{prefix}/data_batch_5.bin"] = bytes(30_730)
    (folder / CIFAR10.archive).write_bytes(pack(CIFAR10.folder, files))
    publish(monkeypatch, folder / CIFAR10.archive)
    refuse(folder, "lacks data_batch_5.bin in its folder cifar-10-batches-bin")
    assert [path.name for path in folder.iterdir()] == [CIFAR10.archive]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_members_that_are_no_files_are_not_followed(kind, write_cifar10, monkeypatch):
    folder = write_cifar10(layout="archive")
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        member = tarfile.TarInfo(f"{CIFAR10.folder}/data_batch_1.bin")
        member.type, member.linkname = kind, "/etc/hostname"
        archive.addfile(member)
    (folder / CIFAR10.archive).write_bytes(stream.getvalue())
    publish(monkeypatch, folder / CIFAR10.archive)
    refuse(folder, "lacks data_batch_1.bin")


def test_a_member_of_another_size_is_refused(write_cifar10, monkeypatch, pack):
    files = {path.name: path.read_bytes() for path in write_cifar10("a").iterdir()}
    folder = write_cifar10(layout="archive")
    files["data_batch_2.bin"] = bytes(3073 * 9)
    (folder / CIFAR10.archive).write_bytes(pack(CIFAR10.folder, files))
    publish(monkeypatch, folder / CIFAR10.archive)
    refuse(folder, r"\(cifar-10-batches-bin/data_batch_2.bin\) is cut short")


def test_members_after_the_last_wanted_one_are_not_read(write_stl10, pack, monkeypatch):
    files = {path.name: path.read_bytes() for path in write_stl10("a").iterdir()}
    files["unlabeled_X.bin"] = np.random.default_rng(2).bytes(100_000)
    folder = write_stl10(layout="archive")
    (folder / STL10.archive).write_bytes(pack(STL10.folder, files)[:-50_000])
    publish(monkeypatch, folder / STL10.archive, GdjaxStl10)
    assert len(read(folder, GdjaxStl10).labels["test"]) == 13


def test_a_download_is_held_against_its_sum(write_cifar10, tfds_dir, monkeypatch):
    # TFDS holds files in its download folder's `manual` against the same sums.
    folder = write_cifar10(layout="archive")
    (tfds_dir / "downloads").mkdir(parents=True)
    manual = folder.rename(tfds_dir / "downloads" / "manual")
    monkeypatch.setattr("gdjax.data.sources._check_reachable", lambda url: None)
    builder = GdjaxCifar10(data_dir=tfds_dir)
    originals = builder.originals(None, download=builder.downloader())
    assert originals.origin == f"download {CIFAR10.url}"
    assert len(originals.labels["train"]) == 40
    (manual / CIFAR10.archive).write_bytes(b"another file")
    builder = GdjaxCifar10(data_dir=tfds_dir)
    with pytest.raises(FileNotFoundError, match="(?i)checksum|sha256|wrong"):
        builder.originals(None, download=builder.downloader())


@pytest.mark.parametrize("builder", [GdjaxCifar10, GdjaxStl10])
def test_without_any_source_all_ways_are_named(builder):
    message = refuse(None, "can't reach", builder, FileNotFoundError)
    assert "network" in message and builder.RELEASE.archive in message
