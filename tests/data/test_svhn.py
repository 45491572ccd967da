"""SVHN from small MATLAB files of the true layout, and from wrong ones."""

from __future__ import annotations

import dataclasses

import h5py
import numpy as np
import pytest
import scipy.io

from gdjax.data import DataError, GdjaxSvhn, load, load_at_factor, prepare
from gdjax.data.formats import unpack
from gdjax.data.originals import Originals
from gdjax.data.releases import SVHN, RemoteFile


def arrays():
    """Images [32, 32, 3, N] and labels [N, 1], 1..10, of 20 + 7 images."""
    rng = np.random.default_rng(0)
    return {
        subset: {
            "X": rng.integers(0, 256, (32, 32, 3, count), dtype=np.uint8),
            "y": (np.arange(count, dtype=np.uint8)[:, None] % 10) + np.uint8(1),
        }
        for subset, count in (("train", 20), ("test", 7))
    }


@pytest.fixture
def folder(tmp_path):
    """The two files, packed as the published ones are."""
    place = tmp_path / "svhn"
    place.mkdir()
    for subset, variables in arrays().items():
        write(place / f"{subset}_32x32.mat", variables)
    return place


def write(path, variables, **options):
    scipy.io.savemat(path, variables, do_compression=True, **options)


def no_download(urls):
    raise AssertionError("nothing is to be downloaded")


def read(place):
    return GdjaxSvhn().originals(place, download=no_download)


def refuse(place, words):
    with pytest.raises(DataError, match=words) as caught:
        read(place)
    message = str(caught.value)
    assert "train_32x32.mat" in message and "\n" not in message
    assert "--data-dir" in message and SVHN.url in message


def test_the_set_is_the_files(folder):
    train, test = arrays().values()
    for split, variables, rows in (
        ("train", train, range(16)),
        ("validation", train, range(16, 20)),
        ("test", test, range(7)),
    ):
        examples = load("svhn", split, data_dir=folder)
        assert examples.image.shape == (len(rows), 32, 32, 3)
        for row, image, label in zip(rows, *examples, strict=True):
            assert (image == variables["X"][..., row]).all()
            # The digit 0 is the label 10.
            assert label == (variables["y"][row, 0] if row % 10 < 9 else 0)
    assert len(load("gdjax_svhn/tiny", "test", data_dir=folder).label) == 7
    with pytest.raises(ValueError, match="only factor 1, not 2; no set has these im"):
        load_at_factor("svhn", 2, data_dir=folder)


def test_other_files_than_the_published_lie_apart(folder, tfds_dir):
    prepared = prepare("svhn/tiny", data_dir=folder)
    assert (tfds_dir / "by_source") in prepared.data_path.parents
    assert sorted(prepared.provenance["sha256"]) == [
        "test_32x32.mat",
        "train_32x32.mat",
    ]
    sums = {name: file.sha256 for name, file in SVHN.remote.items()}
    assert Originals({}, {}, "", sums).digest == SVHN.digest


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.float64])
def test_labels_may_be_of_any_number_type(folder, dtype):
    variables = arrays()["train"]
    labels = np.concatenate([read(folder).labels[s] for s in ("train", "validation")])
    variables["y"] = variables["y"].astype(dtype)
    write(folder / "train_32x32.mat", variables)
    found = read(folder).labels
    assert (np.concatenate([found["train"], found["validation"]]) == labels).all()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"X": None}, "lacks the variable X; it has y"),
        ({"y": None}, "lacks the variable y; it has X"),
        ({"X": np.zeros((32, 32, 3, 20))}, r"X of float64 \(32, 32, 3, 20\), expected"),
        ({"X": np.zeros((20, 32, 32, 3), np.uint8)}, r"X of uint8 \(20, 32, 32, 3\)"),
        ({"X": np.zeros((32, 32, 3), np.uint8)}, r"X of uint8 \(32, 32, 3\)"),
        ({"X": "house"}, "holds X of <U5"),
        ({"y": np.ones((19, 1))}, r"20 images in X, and y of the shape \(19, 1\)"),
        ({"y": np.ones((4, 5))}, r"y of the shape \(4, 5\)"),
        ({"y": np.arange(20.0)[:, None]}, r"label 0.0 \(image 0\), but labels are 1"),
        ({"y": np.full((20, 1), 11)}, r"label 11 \(image 0\), but labels are 1\.\.10"),
        ({"y": np.full((20, 1), 1.5)}, "no whole numbers"),
        ({"y": np.full((20, 1), np.nan)}, "no whole numbers"),
        ({"y": np.full((20, 1), np.inf)}, "label inf"),
        ({"y": np.full((20, 1), 1j)}, "complex128 that are no whole numbers"),
        (
            {"X": np.zeros((32, 32, 3, 4), np.uint8), "y": np.ones((4, 1))},
            "holds 4 images; at least 5",
        ),
    ],
)
def test_wrong_variables_are_named(folder, change, words):
    variables = arrays()["train"] | change
    variables = {k: v for k, v in variables.items() if v is not None}
    write(folder / "train_32x32.mat", variables)
    refuse(folder, words)


@pytest.mark.parametrize(
    "change",
    [
        lambda raw: b"",
        lambda raw: b"no MATLAB file at all" * 20,
        lambda raw: raw[:100],
        lambda raw: raw[: len(raw) // 2],
        lambda raw: raw[:-1],
        lambda raw: raw[:1000] + bytes(500) + raw[1500:],
    ],
)
def test_damaged_files_are_named(folder, change):
    path = folder / "train_32x32.mat"
    path.write_bytes(change(path.read_bytes()))
    refuse(folder, "is no MATLAB file, or cut short or damaged|lacks the variable")


def test_a_wrong_byte_is_an_error_of_the_data_or_other_data(folder):
    path = folder / "train_32x32.mat"
    write(path, {"X": np.zeros((32, 32, 3, 20), np.uint8), "y": np.ones((20, 1))})
    raw = path.read_bytes()
    rng = np.random.default_rng(0)
    for place in rng.integers(116, len(raw), 200):
        broken = bytearray(raw)
        broken[place] ^= 1 << rng.integers(8)
        path.write_bytes(broken)
        try:
            read(folder)
        except DataError as error:
            assert "train_32x32.mat" in str(error)


def test_matlab_7_3_is_named(folder):
    path = folder / "train_32x32.mat"
    with h5py.File(path, "w", userblock_size=512) as file:
        file["y"] = np.ones((1, 20))
    header = b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM"
    with path.open("r+b") as file:
        file.write(header)
    refuse(folder, 'MATLAB 7.3, which is not read here; save it with "-v7"')


def test_missing_files_are_named(folder, tmp_path):
    (folder / "test_32x32.mat").unlink()
    with pytest.raises(FileNotFoundError, match="lacks test_32x32.mat of SVHN"):
        read(folder)
    with pytest.raises(FileNotFoundError, match=r"can't reach ufldl.* \(246 MB; needs"):
        read(None)
    with pytest.raises(FileNotFoundError, match="no such file: .*none.mat; get it"):
        unpack(tmp_path / "none.mat", remedy="get it")


def test_a_download_is_held_against_its_sum(folder, tfds_dir, monkeypatch):
    # TFDS holds files in its download folder's `manual` against the same sums.
    (tfds_dir / "downloads").mkdir(parents=True)
    folder.rename(tfds_dir / "downloads" / "manual")
    monkeypatch.setattr("gdjax.data.sources._check_reachable", lambda url: None)
    builder = GdjaxSvhn(data_dir=tfds_dir)
    with pytest.raises(FileNotFoundError, match="(?i)checksum|sha256|wrong"):
        builder.originals(None, download=builder.downloader())


def test_a_file_of_the_published_size_must_have_the_published_sum(folder, monkeypatch):
    path = folder / "test_32x32.mat"
    remote = SVHN.remote | {path.name: RemoteFile(path.stat().st_size, "0" * 64)}
    release = dataclasses.replace(SVHN, remote=remote)
    monkeypatch.setattr(GdjaxSvhn, "RELEASE", release)
    with pytest.raises(DataError, match=f"{path} is damaged: .* and not 000"):
        read(folder)
