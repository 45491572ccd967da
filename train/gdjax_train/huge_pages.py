"""Large pages of memory for training on CPUs under Linux."""

from __future__ import annotations

import os
import pathlib
import sys
from collections.abc import Mapping


TUNABLES = "GLIBC_TUNABLES"
ASKED = "glibc.malloc.hugetlb=1"
SETTING = "/sys/kernel/mm/transparent_hugepage/enabled"


def restart(script: str) -> None:
    """Runs the console script that this process is once more, with large pages.

    A step on CPUs asks for its buffers anew, hundreds of MB, and Linux hands them out
    in pages of 4 KiB at the first touch, which took a seventh of the time
    (benchmarks/results/speed). The C library asks for pages of 2 MiB if a variable
    says so when a process starts: hence the restart, within the same process, in its
    first moments. Nothing is done where the variable is set already, whatever it says,
    where Linux gives such pages to all or to none, or where `script` was called by
    another program.

    Args:
      script: its name.
    """
    path = sys.argv[0]
    own = pathlib.Path(path).name == script and path in sys.orig_argv
    if not own or not sys.executable or not asked_for(os.environ):
        return
    environment = {**os.environ, TUNABLES: ASKED}
    try:
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)
    except OSError:
        return  # a matter of speed only


def asked_for(environment: Mapping[str, str]) -> bool:
    """Whether a restart brings large pages: only those who ask get them, nobody did."""
    if TUNABLES in environment:
        return False
    try:
        return "[madvise]" in pathlib.Path(SETTING).read_text()
    except OSError:
        return False
