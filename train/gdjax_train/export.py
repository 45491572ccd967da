"""Final weights as .safetensors: flat names, readable without gdjax."""

from __future__ import annotations

import pathlib
from typing import Any

import numpy as np

from .run_folder import RunFolder


def write(run: RunFolder, path: pathlib.Path, variables: dict[str, Any]) -> None:
    """Write params and batch_stats, named such as "params/layer_0/kernel".

    Args:
      run: folder of the run.
      path: file in it.
      variables: nested mapping of arrays.
    """
    import flax.traverse_util
    import safetensors.numpy

    flat = flax.traverse_util.flatten_dict(variables, sep="/")
    arrays = {name: np.ascontiguousarray(array) for name, array in flat.items()}
    content = safetensors.numpy.save(arrays)
    run.write_bytes(str(path.relative_to(run.path)), content)


def read(path: pathlib.Path) -> dict[str, Any]:
    """The inverse of `write`."""
    import flax.traverse_util
    import safetensors.numpy

    flat = safetensors.numpy.load_file(path)
    return flax.traverse_util.unflatten_dict(flat, sep="/")
