"""The console script `gdjax-data`: which data sets there are, and what is in them."""

from __future__ import annotations

import dataclasses
import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro

import gdjax
from gdjax.data.cli_errors import run
from gdjax.data.listing import print_sets, where
from gdjax.data.loading import class_names, load_at_factor, test_factors
from gdjax.data.preparing import prepare
from gdjax.data.sources import expanded
from gdjax.files import write_whole


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
        target = _checked_target(self.out)
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
        content = io.BytesIO()
        figure.savefig(content, format="png", dpi=150)
        write_whole(target, content.getvalue())
        print(target)


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
      Exit code; see `gdjax.data.cli_errors.run`.

    Raises:
      SystemExit: from the parser, with code 2 for wrong arguments and 0 for --help.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    if "--version" in arguments:
        print(f"gdjax-data {gdjax.__version__}")
        return 0
    return run(_run, arguments)


def _run(arguments: Sequence[str]) -> None:
    command = tyro.cli(
        Command,  # type: ignore
        prog="gdjax-data",
        description=f"Rescaled image data sets; {where()}. With --debug, errors have a "
        "traceback.",
        args=arguments,
    )
    command.run()


def _checked_target(path: Path) -> Path:
    """Where a file can be written, "~" expanded, or a clear error."""
    target = expanded(path, "give the whole path")
    if not target.name or target.is_dir():
        raise IsADirectoryError(f"`out={path}` is a folder: give a file such as a.png")
    if not target.parent.is_dir():
        raise FileNotFoundError(f"the folder {target.parent} does not exist")
    if not os.access(target.parent, os.W_OK):
        raise PermissionError(f"nothing can be written in the folder {target.parent}")
    return target


def _grey(masks: np.ndarray, classes: int) -> np.ndarray:
    """Masks [N, H, W] as images [N, H, W, 1]: the higher the class, the lighter."""
    shades = masks * np.uint8(min(20, 240 // max(1, classes - 1)))
    return np.where(masks == 255, np.uint8(255), shades)[..., None]


if __name__ == "__main__":
    sys.exit(main())
