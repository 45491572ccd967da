"""How `gdjax-data` ends: one line on stderr, and a traceback only on request."""

from __future__ import annotations

import contextlib
import os
import sys
import traceback
from collections.abc import Callable, Sequence

from gdjax.extras import MissingExtra


NAME = "gdjax-data"
DEBUG = "--debug"


def run(body: Callable[[Sequence[str]], None], argv: Sequence[str]) -> int:
    """Runs the body of the script.

    Args:
      body: gets the arguments without `--debug`.
      argv: the arguments; `--debug` anywhere among them asks for tracebacks.

    Returns:
      Exit code: 0; 2 after one line on stderr if the user can mend it (a mistake,
      files, a full disk, a missing extra, too little memory); 1 after one if nobody has
      foreseen it; 130 if interrupted.
    """
    _print_any_letter()
    debug = DEBUG in argv
    try:
        body([word for word in argv if word != DEBUG])
    except BrokenPipeError:  # The reader of a pipe, such as `head`, has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        return _end("interrupted; nothing half made is kept", 130, debug)
    except (MissingExtra, OSError, ValueError) as error:
        return _end(_one_line(error), 2, debug)
    except MemoryError as error:
        words = f"the memory is too small ({_one_line(error) or 'out of memory'})"
        return _end(words, 2, debug)
    except Exception as error:
        what = f"{type(error).__name__}: {_one_line(error)}"
        return _end(f"unforeseen {what} ({DEBUG} shows where)", 1, debug)
    return 0


def _end(words: str, code: int, debug: bool) -> int:
    if debug:
        traceback.print_exc()
    print(f"{NAME}: {words}", file=sys.stderr)
    return code


def _one_line(error: BaseException) -> str:
    """The message, without "[Errno 28]" before a sentence of our own."""
    ours = isinstance(error, OSError) and error.errno and not error.filename
    return " ".join(str(error.strerror if ours else error).split())  # type: ignore


def _print_any_letter() -> None:
    """Letters that a terminal has not are escaped, not an error when all is done."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, ValueError):
            stream.reconfigure(errors="backslashreplace")  # type: ignore
