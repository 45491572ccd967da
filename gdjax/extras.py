"""The extras of the distribution: one line on what is missing, and the remedy."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from importlib.util import find_spec


# By their names in `import`; pyproject.toml has their versions.
PACKAGES = {
    "data": (
        "tensorflow_datasets",
        "importlib_resources",
        "array_record",
        "h5py",
        "PIL",
        "skimage",
        "sklearn",
        "rich",
        "tyro",
    ),
    "plots": ("matplotlib",),
}


class MissingExtra(ImportError):
    """Packages of an extra are not installed."""


def absent(packages: Iterable[str]) -> list[str]:
    """Those of the packages that are not installed; imports none of them."""
    return [package for package in packages if find_spec(package) is None]


def message(user: str, extra: str, missing: list[str]) -> str:
    """One line: what is missing, and the command that installs it.

    Args:
      user: the package that needs the extra.
      extra: its name.
      missing: at least one of its packages.
    """
    first, *more = missing
    what = f"{first} and {len(more)} more are" if more else f"{first} is"
    remedy = f'pip install "gdjax[{extra}]"'
    return f"{user} needs the packages of an extra ({what} missing): {remedy}"


def require(user: str, extra: str) -> None:
    """Check that the packages of an extra are installed; imports none of them.

    Args:
      user: the package that needs them.
      extra: the name of the extra.

    Raises:
      MissingExtra: if one isn't.
    """
    if missing := absent(PACKAGES[extra]):
        raise MissingExtra(message(user, extra, missing))


def data_script() -> int:
    """The console script gdjax-data.

    It begins here, because nothing of `gdjax.data` can be imported without the extra.

    Returns:
      Exit code: 2 after one line on stderr without the extra; else see the script.
    """
    try:
        from gdjax.data.cli import main
    except MissingExtra as error:
        print(f"gdjax-data: {error}", file=sys.stderr)
        return 2
    return main()
