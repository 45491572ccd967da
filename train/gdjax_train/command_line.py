"""What the console scripts share: one-line errors and exit codes."""

from __future__ import annotations

import io
import os
import shlex
import sys
from collections.abc import Callable, Sequence

import gdjax

from .errors import UserError, out_of_memory


def run_script(
    name: str, body: Callable[[list[str]], None], argv: Sequence[str] | None
) -> int:
    """Run a script's body.

    Args:
      name: of the console script.
      body: gets the arguments.
      argv: arguments; None: those of the process.

    Returns:
      Exit code: 0; after one line on stderr, 2 for what the user can mend, 1 for what
      nobody foresaw; 130 for Ctrl-C. With `--debug` errors are raised.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in arguments
    arguments = [each for each in arguments if each != "--debug"]
    _print_anything()
    if "--version" in arguments:
        print(f"{name} {gdjax.__version__}")
        return 0
    try:
        body(arguments)
    except BrokenPipeError:  # the reader of a pipe, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt as interrupted:
        words = str(interrupted) or "interrupted before there was a result"
        print(f"\n{name}: {words}", file=sys.stderr)
        return 130
    except Exception as error:
        if debug:
            raise
        words, code = explained(error)
        print(f"{name}: {words}", file=sys.stderr)
        return code
    return 0


def explained(error: Exception) -> tuple[str, int]:
    """An error as one line for the user, and the exit code."""
    text = " ".join(str(error).split())
    if isinstance(error, UserError) or _of_bad_data(error):
        return (str(error) if isinstance(error, UserError) else text), 2
    if out_of_memory(error):
        return (
            "there is not enough memory: give a smaller --batch-size, or --eval-factors"
            f" and --eval-batch-size of an evaluation ({text[:200]})"
        ), 2
    if isinstance(error, OSError):  # what the machine refuses
        return text, 2
    return (
        f"unexpected {type(error).__name__}: {text[:500] or 'without a message'}; this "
        "is a fault of gdjax, and --debug shows where"
    ), 1


def _of_bad_data(error: Exception) -> bool:
    """Whether a file of a data set is at fault; it may be read late in a training."""
    if "gdjax.data" not in sys.modules:
        return False
    from gdjax.data import DataError

    return isinstance(error, DataError)


def _print_anything() -> None:
    """A name that the terminal has no letters for is no reason to stop."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by the shell
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def as_typed(name: str, arguments: Sequence[str]) -> str:
    """The command as it would be typed in a shell."""
    return shlex.join([name, *arguments])
