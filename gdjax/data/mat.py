"""Reader of MATLAB's files, for the few data sets that come in them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gdjax.data.errors import DataError


def read_mat(path: Path, names: Sequence[str], *, remedy: str) -> dict[str, np.ndarray]:
    """Variables of a MATLAB file of version 4 to 7.2.

    Args:
      path: the file.
      names: of the variables; others are not read.
      remedy: where to get the file right; the end of the error message.

    Returns:
      Name -> array; a struct has named fields, [1, 1].

    Raises:
      FileNotFoundError: if there is no such file.
      DataError: if it is no such file, is damaged, or lacks a variable.
    """
    # Half a second, and only few sets need it.
    import scipy.io

    if not path.is_file():
        raise FileNotFoundError(f"no such file: {path}; {remedy}")
    try:
        with path.open("rb") as file:
            known = [name for name, *_ in scipy.io.whosmat(file)]
            file.seek(0)
            found = scipy.io.loadmat(file, variable_names=list(names))
    except NotImplementedError as error:
        raise DataError(
            f"{path} is a file of MATLAB 7.3, which is not read here; save it with "
            f'"-v7", or {remedy}'
        ) from error
    except Exception as error:
        # Whatever a few wrong bytes make scipy raise: there are a dozen types.
        first_line = str(error).partition("\n")[0] or type(error).__name__
        raise DataError(
            f"{path} is no MATLAB file, or cut short or damaged ({first_line}); "
            f"{remedy}"
        ) from error
    for name in names:
        if name not in found:
            raise DataError(
                f"{path} lacks the variable {name}; it has "
                f"{', '.join(known) or 'none at all'}; {remedy}"
            )
    return {name: found[name] for name in names}
