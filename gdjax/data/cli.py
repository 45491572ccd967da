"""The console script `gdjax-data`: which data sets there are, and what is in them."""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro

import gdjax
from gdjax.data.listing import print_sets, where
from gdjax.data.loading import class_names, load_at_factor, test_factors
from gdjax.data.preparing import prepare
from gdjax.extras import MissingExtra


Name = Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="NAME")]
Folder = Annotated[Path | None, tyro.conf.arg(metavar="DIR")]


@dataclasses.dataclass(frozen=True)
class List:
    """Show the data sets, where their data come from, and what is prepared."""

    def run(self) -> None:
        """Prints the table."""
        print_sets()


@dataclasses.dataclass(frozen=True)
class Prepare:
    """Make a data set ready for reading (otherwise done at its first use).

    Attributes:
      name: the data set, with or without a config, such as mnist_large_scale/small.
      data_dir: folder with its source files; without it they are found or downloaded.
    """

    name: Name
    data_dir: Folder = None

    def run(self) -> None:
        """Prepares, and prints where."""
        print(prepare(self.name, data_dir=self.data_dir).data_path)


@dataclasses.dataclass(frozen=True)
class Show:
    """Draw the same test objects at several size factors, one row for each factor.

    Attributes:
      name: the data set, with or without a config, such as rescaled_fashion_mnist.
      out: the PNG file to write.
      data_dir: folder with its source files; without it they are found or downloaded.
      factors: size factors; without them those of the data set.
      columns: number of objects.
    """

    name: Name
    out: Annotated[Path, tyro.conf.arg(metavar="PNG")]
    data_dir: Folder = None
    factors: tuple[float, ...] = ()
    columns: int = 10

    def run(self) -> None:
        """Writes the sheet."""
        if not self.out.parent.is_dir():
            raise FileNotFoundError(f"the folder {self.out.parent} does not exist")
        # matplotlib takes half a second, and only this command needs it; where it is
        # missing, nothing should be downloaded first.
        from gdjax.plots.contact_sheet import contact_sheet

        factors = self.factors or test_factors(self.name) or (1.0,)
        rows, texts = [], []
        for factor in factors:
            examples = load_at_factor(
                self.name, factor, data_dir=self.data_dir, limit=self.columns
            )
            rows.append(examples.image)
            texts.append(f"{factor:.3f}")
            if examples.label.ndim == 3:
                rows.append(_grey(examples.label, len(class_names(self.name))))
                texts.append("classes")
        figure = contact_sheet(rows, texts)
        # Renamed at the end: a sheet that exists is a whole one.
        temporary = self.out.with_name(f".{self.out.name}.{os.getpid()}.tmp")
        try:
            figure.savefig(temporary, format="png", dpi=150)
            temporary.replace(self.out)
        finally:
            temporary.unlink(missing_ok=True)
        print(self.out)


Command = (
    Annotated[List, tyro.conf.subcommand("list")]
    | Annotated[Prepare, tyro.conf.subcommand("prepare")]
    | Annotated[Show, tyro.conf.subcommand("show")]
)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs `gdjax-data`.

    Args:
      argv: the arguments; those of the process if None.

    Returns:
      Exit code: 0; 2 after one line on stderr if the input is at fault or an extra is
      missing; 130 if interrupted.

    Raises:
      SystemExit: from the parser, with code 2 for wrong arguments and 0 for --help.
    """
    if "--version" in (sys.argv[1:] if argv is None else argv):
        print(f"gdjax-data {gdjax.__version__}")
        return 0
    command = tyro.cli(
        Command,  # type: ignore
        prog="gdjax-data",
        description=f"Rescaled image data sets; {where()}.",
        args=argv,
    )
    try:
        command.run()
    except (MissingExtra, OSError, ValueError) as error:
        print(f"gdjax-data: {_one_line(error)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("gdjax-data: interrupted; nothing half made is kept", file=sys.stderr)
        return 130
    return 0


def _one_line(error: Exception) -> str:
    """The message, without "[Errno 28]" before a sentence of our own."""
    ours = isinstance(error, OSError) and error.errno and not error.filename
    return " ".join(str(error.strerror if ours else error).split())  # type: ignore


def _grey(masks: np.ndarray, classes: int) -> np.ndarray:
    """Masks [N, H, W] as images [N, H, W, 1]: the higher the class, the lighter."""
    shades = masks * np.uint8(min(20, 240 // max(1, classes - 1)))
    return np.where(masks == 255, np.uint8(255), shades)[..., None]


if __name__ == "__main__":
    sys.exit(main())
