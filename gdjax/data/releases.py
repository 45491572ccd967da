"""The published files of the originals: addresses, sizes, SHA-256 sums.

Addresses, sizes and sums of the packed files are those that TFDS registers for its own
builders. The digests are of the unpacked files, which are the same from any source.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, NamedTuple


class RemoteFile(NamedTuple):
    """What a download must be: size in bytes and SHA-256 of the file there."""

    size: int
    sha256: str


class Layout(NamedTuple):
    """What a record holds: labels of one byte each, then the planes of an image.

    Attributes:
      classes: how many classes each label has; (): there is none.
      first: label of the first class.
      side: of the image, in three colours, in px; 0: there is none.
      by_columns: planes are written column by column, and not row by row.
    """

    classes: tuple[int, ...] = ()
    first: int = 0
    side: int = 0
    by_columns: bool = False

    @property
    def size(self) -> int:
        """Bytes of a record."""
        return len(self.classes) + 3 * self.side**2


class Records(NamedTuple):
    """A file that is nothing but equal records: how many, and what each holds."""

    count: int
    layout: Layout

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return self.count * self.layout.size


@dataclass(frozen=True)
class FilesRelease:
    """A published data set of single files.

    Attributes:
      title: its name for people.
      url: folder of the files.
      remote: name, without `SUFFIX` -> what a download must be.
      digest: `Originals.digest` of the published files.
      subsets: "train" and "test" -> names of their files.
      debian: folder and package name where Debian has them, or None.
      folder: subfolder of the data folder in which they lie; none.
      SUFFIX: what is behind the names where they are published packed.
      VALIDATION: of so many training images, the last one is for validation.
    """

    title: str
    url: str
    remote: Mapping[str, RemoteFile]
    digest: str
    subsets: Mapping[str, tuple[str, ...]]
    debian: tuple[Path, str] | None = None
    folder: ClassVar[str] = ""

    SUFFIX: ClassVar[str] = ""
    VALIDATION: ClassVar[int] = 5

    @property
    def contents(self) -> str:
        """The files, in words."""
        return " and ".join(self.remote)

    def urls(self) -> dict[str, str]:
        """Name -> address."""
        return {name: f"{self.url}{name}{self.SUFFIX}" for name in self.remote}

    def downloads(self) -> dict[str, RemoteFile]:
        """Address -> what a download from there must be."""
        return {url: self.remote[name] for name, url in self.urls().items()}

    def remedies(self) -> str:
        """All the ways to get the files, as the end of an error message."""
        ways = [f"name a folder with {self.contents} (--data-dir, `data_dir=`)"]
        if self.debian:
            ways.append(f"install Debian's package {self.debian[1]}")
        size = sum(file.size for file in self.remote.values())
        ways.append(
            f"let them be downloaded from {self.url} ({size / 1e6:,.0f} MB; needs the "
            "network)"
        )
        return ", or ".join(ways)


_IDX_FILES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}


@dataclass(frozen=True)
class IdxRelease(FilesRelease):
    """A published data set of the four IDX files that MNIST has."""

    subsets: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: _IDX_FILES)

    SUFFIX: ClassVar[str] = ".gz"
    VALIDATION: ClassVar[int] = 6

    @property
    def contents(self) -> str:
        """The files, in words."""
        return f"its four IDX files ({', '.join(self.remote)}; packed or not)"


@dataclass(frozen=True)
class ArchiveRelease:
    """A published data set of files of equal records, packed in one archive.

    Attributes:
      title: its name for people.
      url: address of the archive, a .tar.gz file.
      remote: what a download must be.
      folder: the folder of the files inside the archive.
      files: name -> its records, for the files that are read; the archive may hold
        others.
      subsets: "train" and "test" -> names of their files.
      digest: `Originals.digest` of the published files; None if only the archive's
        sum is published.
      VALIDATION: of so many training images, the last one is for validation.
    """

    title: str
    url: str
    remote: RemoteFile
    folder: str
    files: Mapping[str, Records]
    subsets: Mapping[str, tuple[str, ...]]
    digest: str | None = None

    VALIDATION: ClassVar[int] = 5

    @property
    def archive(self) -> str:
        """Name of the archive."""
        return self.url.rpartition("/")[2]

    def urls(self) -> dict[str, str]:
        """The part "archive" -> address."""
        return {"archive": self.url}

    def downloads(self) -> dict[str, RemoteFile]:
        """Address -> what a download from there must be."""
        return {self.url: self.remote}

    def remedies(self) -> str:
        """All the ways to get the files, as the end of an error message."""
        return (
            f"name a folder with {self.archive} or the files of its {self.folder} "
            f"(--data-dir, `data_dir=`), or let it be downloaded from {self.url} "
            f"({self.remote.size / 1e6:,.0f} MB; needs the network)"
        )


Release = FilesRelease | ArchiveRelease


MNIST = IdxRelease(
    title="MNIST",
    url="https://storage.googleapis.com/cvdf-datasets/mnist/",
    remote={
        "train-images-idx3-ubyte": RemoteFile(
            9912422, "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"
        ),
        "train-labels-idx1-ubyte": RemoteFile(
            28881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"
        ),
        "t10k-images-idx3-ubyte": RemoteFile(
            1648877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"
        ),
        "t10k-labels-idx1-ubyte": RemoteFile(
            4542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"
        ),
    },
    digest="09d9c50106a93c14b1c99b45352fb39f965a05109c94a632c226bc377bfa50e7",
)

FASHION_MNIST = IdxRelease(
    title="Fashion-MNIST",
    url="http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    remote={
        "train-images-idx3-ubyte": RemoteFile(
            26421880, "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"
        ),
        "train-labels-idx1-ubyte": RemoteFile(
            29515, "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"
        ),
        "t10k-images-idx3-ubyte": RemoteFile(
            4422102, "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"
        ),
        "t10k-labels-idx1-ubyte": RemoteFile(
            5148, "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"
        ),
    },
    digest="daf9de4cf12669ecda2c289b235db8654ca1a41e08fab265b0fc64c56f960be8",
    debian=(Path("/usr/share/datasets/fashion-mnist"), "dataset-fashion-mnist"),
)

# The last of the training files has a fifth of the images.
_CIFAR10_TRAINING = tuple(f"data_batch_{i}.bin" for i in range(1, 6))
_CIFAR10_FILE = Records(10_000, Layout(classes=(10,), side=32))

CIFAR10 = ArchiveRelease(
    title="CIFAR-10 (binary version)",
    url="https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
    remote=RemoteFile(
        170052171, "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"
    ),
    folder="cifar-10-batches-bin",
    files=dict.fromkeys((*_CIFAR10_TRAINING, "test_batch.bin"), _CIFAR10_FILE),
    subsets={"train": _CIFAR10_TRAINING, "test": ("test_batch.bin",)},
)

CIFAR100 = ArchiveRelease(
    title="CIFAR-100 (binary version)",
    url="https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz",
    remote=RemoteFile(
        168513733, "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec"
    ),
    folder="cifar-100-binary",
    files={
        "train.bin": Records(50_000, Layout(classes=(20, 100), side=32)),
        "test.bin": Records(10_000, Layout(classes=(20, 100), side=32)),
    },
    subsets={"train": ("train.bin",), "test": ("test.bin",)},
)

STL10 = ArchiveRelease(
    title="STL-10 (binary version)",
    url="http://ai.stanford.edu/~acoates/stl10/stl10_binary.tar.gz",
    remote=RemoteFile(
        2640397119, "f31fd99273a1acb8609c8db427cebb1de3f71de77758cdc0e22956e1289b9866"
    ),
    folder="stl10_binary",
    files={
        "train_X.bin": Records(5_000, Layout(side=96, by_columns=True)),
        "train_y.bin": Records(5_000, Layout(classes=(10,), first=1)),
        "test_X.bin": Records(8_000, Layout(side=96, by_columns=True)),
        "test_y.bin": Records(8_000, Layout(classes=(10,), first=1)),
    },
    subsets={
        "train": ("train_X.bin", "train_y.bin"),
        "test": ("test_X.bin", "test_y.bin"),
    },
)

SVHN = FilesRelease(
    title="SVHN (cropped digits)",
    url="http://ufldl.stanford.edu/housenumbers/",
    remote={
        "train_32x32.mat": RemoteFile(
            182040794,
            "435e94d69a87fde4fd4d7f3dd208dfc32cb6ae8af2240d066de1df7508d083b8",
        ),
        "test_32x32.mat": RemoteFile(
            64275384, "cdce80dfb2a2c4c6160906d0bd7c68ec5a99d7ca4831afa54f09182025b6a75b"
        ),
    },
    subsets={"train": ("train_32x32.mat",), "test": ("test_32x32.mat",)},
    digest="d9cf0cf0b02cf4dd1978aa1706b0a29a62f47c6d1a53a9714b99a05269166a5a",
)
