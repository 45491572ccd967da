"""The table of data sets that `gdjax-data list` prints, at any width."""

from __future__ import annotations

import os
import sys
import textwrap

from rich.console import Console
from rich.table import Table

from gdjax.data.builder import ScaleBuilder
from gdjax.data.preparing import BUILDERS, find_prepared, prepared_root


FILE_WIDTH = 150
# Narrower, a table breaks words; each set then has lines of its own.
TABLE_WIDTH = 140
HEADS = "image", "splits", "factors", "source", "prepared"


def print_sets(console: Console | None = None) -> None:
    """Print all data sets, and where prepared ones are; names are never cut.

    Args:
      console: to print on; None: stdout, 150 columns wide where it is a file and
        COLUMNS is not set.
    """
    if console is None:
        narrow = sys.stdout.isatty() or "COLUMNS" in os.environ
        console = Console() if narrow else Console(width=FILE_WIDTH)
    if console.width >= TABLE_WIDTH:
        console.print(_table())
    else:
        console.print(_lines(console.width), soft_wrap=True, highlight=False)
    console.print(where(), soft_wrap=True, highlight=False)


def where() -> str:
    """The folder of prepared sets, and what changes it."""
    return f"prepared sets are in {prepared_root()} (TFDS_DATA_DIR changes that)"


def _table() -> Table:
    longest = max(len(word) for each in BUILDERS for word in (each, *_configs(each)))
    table = Table(show_lines=True)
    table.add_column("name", no_wrap=True)
    for head in HEADS:
        table.add_column(head, overflow="fold")
    for name, builder in BUILDERS.items():
        configs = textwrap.wrap(
            " ".join(_configs(name)), longest, break_on_hyphens=False
        )
        table.add_row("\n".join([name, *configs]), *_cells(builder))
    return table


def _lines(width: int) -> str:
    lines = []
    for name, builder in BUILDERS.items():
        lines.append(name)
        cells = " ".join(_configs(name)), *_cells(builder)
        for head, cell in zip(("configs", *HEADS), cells, strict=True):
            lines += textwrap.wrap(
                ", ".join(cell.splitlines()),
                width=width,
                initial_indent=f"  {head:10}",
                subsequent_indent=" " * 12,
                break_long_words=False,
                break_on_hyphens=False,
            )
        lines.append("")
    return "\n".join(lines)


def _configs(name: str) -> list[str]:
    return [f"/{c}" for c in BUILDERS[name].builder_configs if c != "default"]


def _cells(builder: type[ScaleBuilder]) -> tuple[str, ...]:
    """Image size, splits, factors, source, prepared configs."""
    factors = builder.test_factors()
    plain = [name for name in builder.SPLITS if not name.startswith("test_scale_")]
    if factors:
        plain.append(f"test_scale_* ({len(factors)})")
    ladder = f"{factors[0]:g} ... {factors[-1]:g}" if factors else "1"
    prepared = [c for c in builder.builder_configs if find_prepared(builder, c)]
    ready = ", ".join(prepared) or "no"
    return _image_sizes(builder), ", ".join(plain), ladder, builder.SOURCE, ready


def _image_sizes(builder: type[ScaleBuilder]) -> str:
    """Such as "28x28" or "64x64 RGB"; a line for each size of subsets or configs."""
    colour = " RGB" if builder.CHANNELS == 3 else ""
    subsets = dict.fromkeys(subset for subset, _ in builder.SPLITS.values())
    sizes = {sub: "{}x{}".format(*builder.image_shape(sub)) for sub in subsets}
    if len(set(sizes.values())) == 1:
        subset, *_ = subsets
        configs = builder.builder_configs
        shapes = [builder.image_shape(subset, config=config) for config in configs]
        sides = dict.fromkeys("{}x{}".format(*shape) for shape in shapes)
        return "\n".join(side + colour for side in sides)
    return "\n".join(f"{subset} {size}{colour}" for subset, size in sizes.items())
