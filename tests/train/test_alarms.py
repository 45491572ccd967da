"""XLA's alarms are left out of stderr, and nothing else is."""

import os
import subprocess
import sys

from gdjax_train.alarms import quiet, without_alarms


ALARM = """\
E1126 11:08:37.258544     646 slow_operation_alarm.cc:73] \n\
********************************
[Compiling module jit_f for CPU] Very slow compile? If you want to file a bug, run \
with envvar XLA_FLAGS=--xla_dump_to=/tmp/foo and attach the results.
********************************
"""
LATER = """\
2026-11-26 11:09:37.258544: E external/xla/xla/service/slow_operation_alarm.cc:140] \
The operation took 2m12.850942799s

********************************
[Compiling module jit_f for CPU] Very slow compile? If you want to file a bug, run \
with envvar XLA_FLAGS=--xla_dump_to=/tmp/foo and attach the results.
********************************
"""
FOLDING = """\
2026-11-26 11:09:37.3: E external/xla/xla/service/slow_operation_alarm.cc:65] \
Constant folding an instruction is taking > 1s:

  %pad.3 = f32[10]{0} pad(%a, %b), padding=0_1

This isn't necessarily a bug; constant-folding is inherently a trade-off.

If you'd like to file a bug, run with envvar XLA_FLAGS=--xla_dump_to=/tmp/foo and \
attach the results.
"""
ERRORS = [
    "E1126 11:10:00.000000     646 cuda_driver.cc:1] out of memory\n",
    "\n",
    "Traceback (most recent call last):\n",
    "MemoryError\n",
]


def lines(text):
    return text.splitlines(keepends=True)


def test_alarms_are_left_out_and_errors_are_not():
    for alarm in (ALARM, LATER, FOLDING, ALARM + LATER):
        text = [*ERRORS, *lines(alarm), *ERRORS]
        assert list(without_alarms(text)) == ERRORS * 2


def test_an_alarm_that_never_ends_hides_little():
    text = [lines(ALARM)[0], *(f"line {k}\n" for k in range(100))]
    assert list(without_alarms(text))[-1] == "line 99\n"
    assert len(list(without_alarms(text))) > 60
    broken = [*lines(ALARM)[:2], *ERRORS]
    assert list(without_alarms(broken)) == ERRORS


def test_stderr_is_filtered_and_then_as_before(capfd):
    with quiet():
        os.write(2, (ALARM + "an error\n").encode())
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "an error\nafter\n"


def test_the_last_words_of_a_crash_arrive():
    code = (
        "import os\n"
        "from gdjax_train.alarms import quiet\n"
        "with quiet():\n"
        "    os.write(2, b'LLVM ERROR: no')\n"
        "    os.abort()\n"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode != 0 and "LLVM ERROR: no" in done.stderr
