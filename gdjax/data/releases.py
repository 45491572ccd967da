"""The published files of MNIST and Fashion-MNIST: addresses, sizes, SHA-256 sums.

Addresses, sizes and sums of the packed files are those that TFDS registers for its own
builders. The digests are of the unpacked files, which are the same from any source.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple


FILES = {
    "train_images": "train-images-idx3-ubyte",
    "train_labels": "train-labels-idx1-ubyte",
    "test_images": "t10k-images-idx3-ubyte",
    "test_labels": "t10k-labels-idx1-ubyte",
}


class RemoteFile(NamedTuple):
    """What a download must be: size in bytes and SHA-256 of the packed file."""

    size: int
    sha256: str


@dataclass(frozen=True)
class IdxRelease:
    """A published data set of four IDX files.

    Attributes:
      title: its name for people.
      url: folder of the packed files.
      remote: name without .gz -> what a download must be.
      digest: `Originals.digest` of the published files.
      debian: folder and package name where Debian has them, or None.
    """

    title: str
    url: str
    remote: Mapping[str, RemoteFile]
    digest: str
    debian: tuple[Path, str] | None = None

    def urls(self) -> dict[str, str]:
        """Part -> address of the packed file."""
        return {part: f"{self.url}{name}.gz" for part, name in FILES.items()}

    def remedies(self) -> str:
        """All the ways to get the files, as the end of an error message."""
        ways = ["name a folder with its four IDX files (--data-dir, `data_dir=`)"]
        if self.debian:
            ways.append(f"install Debian's package {self.debian[1]}")
        ways.append(f"let it be downloaded from {self.url} (needs the network)")
        return ", or ".join(ways)


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
