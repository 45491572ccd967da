"""What a benchmark leaves: JSON, a table in Markdown, and a plot made from the JSON."""

from __future__ import annotations

import io
import pathlib
from collections.abc import Callable
from typing import Any

import matplotlib.pyplot as plt

from gdjax_train.run_files import RunFolder


def write(
    out: pathlib.Path,
    name: str,
    result: dict[str, Any],
    table: str,
    **figures: Callable[[dict[str, Any]], Any],
) -> None:
    """Write `name`.json, `name`.md and a PNG for each of `figures`, each file whole.

    To be called whenever something has been measured: a benchmark that is stopped at
    its time limit leaves what it has.

    Args:
      out: folder; made if there is none.
      name: of JSON and table.
      result: what was measured.
      table: in Markdown.
      **figures: file name without ending -> function from `result` as read again.
    """
    out.mkdir(parents=True, exist_ok=True)
    folder = RunFolder(out)
    folder.write_json(f"{name}.json", result)
    folder.write_bytes(f"{name}.md", table.encode())
    for title, draw in figures.items():
        figure, content = draw(folder.read_json(f"{name}.json")), io.BytesIO()
        figure.savefig(content, format="png", dpi=110, bbox_inches="tight")
        folder.write_bytes(f"{title}.png", content.getvalue())
        plt.close(figure)
