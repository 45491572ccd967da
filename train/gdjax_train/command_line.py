"""What the console scripts share: one-line errors and exit codes."""

from __future__ import annotations

import errno
import os
import shlex
import sys
from collections.abc import Callable, Sequence

import gdjax

from .errors import UserError


# What the machine refuses, rather than what the program does wrong.
REFUSALS = (
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.ENOTDIR,
)


def run_script(
    name: str, body: Callable[[list[str]], None], argv: Sequence[str] | None
) -> int:
    """Run a script's body.

    Args:
      name: of the console script.
      body: gets the arguments.
      argv: arguments; None: those of the process.

    Returns:
      Exit code: 0, 2 for a user's mistake (after one line on stderr), 130 for Ctrl-C.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    if "--version" in arguments:
        print(f"{name} {gdjax.__version__}")
        return 0
    try:
        body(arguments)
    except UserError as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # the reader of a pipe, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        if error.errno not in REFUSALS:
            raise
        print(f"{name}: {error}", file=sys.stderr)
        return 2
    except ValueError as error:
        if not _of_bad_data(error):
            raise
        print(f"{name}: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as interrupted:
        words = str(interrupted) or "interrupted before there was a result"
        print(f"\n{name}: {words}", file=sys.stderr)
        return 130
    return 0


def _of_bad_data(error: ValueError) -> bool:
    """Whether a file of a data set is at fault; it may be read late in a training."""
    if "gdjax.data" not in sys.modules:
        return False
    from gdjax.data import DataError

    return isinstance(error, DataError)


def as_typed(name: str, arguments: Sequence[str]) -> str:
    """The command as it would be typed in a shell."""
    return shlex.join([name, *arguments])
