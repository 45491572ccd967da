"""Keeps XLA's alarms about slow compilation away from the user.

Where compiling takes minutes, XLA logs as an error that this is slow and how to file a
bug. No flag of its own turns that off: the level of its log would hide real errors,
too. So stderr goes through a small process that leaves these records out. It is one of
its own because what is written last before a crash must arrive.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator


# A record of XLA's log: "E1126 10:56:58.123456 ..." or "2026-11-26 10:56:58.1: E ...".
RECORD = re.compile(r"(\d{4}-\d\d-\d\d \S+: )?[IWEF](\d{4})? ")
ALARM = "slow_operation_alarm.cc"
STARS = "****************"
# What the text of every alarm ends with.
END = "attach the results"
# An alarm is shorter: after so many lines it can't be one.
LONGEST = 30


def without_alarms(lines: Iterable[str]) -> Iterator[str]:
    """The lines of a log but for those of alarms."""
    left = 0  # lines that may still belong to an alarm
    for line in lines:
        if RECORD.match(line):
            left = LONGEST if ALARM in line else 0
            if left:
                continue
        if not left:
            yield line
            continue
        left -= 1
        if END in line:
            left = 1  # for the stars
        elif left == 0 and not line.startswith(STARS) and line.strip():
            yield line


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Leave alarms out of what this process writes to stderr."""
    try:
        filtering = subprocess.Popen(
            [sys.executable, "-I", "-S", __file__],
            stdin=subprocess.PIPE,
            stdout=2,
            start_new_session=True,  # Ctrl-C is not for it
        )
    except OSError:  # no more processes: then there are alarms
        yield
        return
    assert filtering.stdin is not None
    sys.stderr.flush()
    own = os.dup(2)
    os.dup2(filtering.stdin.fileno(), 2)
    filtering.stdin.close()
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(own, 2)
        os.close(own)
        # Processes that this one has started may still write there.
        with contextlib.suppress(subprocess.TimeoutExpired):
            filtering.wait(timeout=5)


def _filter() -> None:
    """What the process does: copy stdin, at once."""
    sys.stdin.reconfigure(errors="surrogateescape")  # type: ignore
    sys.stdout.reconfigure(errors="surrogateescape", line_buffering=True)  # type: ignore
    sys.stdout.writelines(without_alarms(sys.stdin))


if __name__ == "__main__":
    _filter()
