"""Large pages of memory for the console scripts."""

import os
import subprocess
import sys

import pytest

from gdjax_train import huge_pages


SCRIPT = """
import os, sys
from gdjax_train import huge_pages
huge_pages.SETTING = sys.argv[1]
print(os.getpid(), flush=True)
huge_pages.restart("gdjax-x")
print(os.environ.get(huge_pages.TUNABLES), sys.argv[2:], flush=True)
"""


@pytest.fixture
def setting(tmp_path):
    """A file such as Linux's, for programs that ask."""
    path = tmp_path / "enabled"
    path.write_text("always [madvise] never\n")
    return path


def run(script, setting, environment):
    command = [sys.executable, script, setting, "--out", "a b"]
    clean = {k: v for k, v in os.environ.items() if k != huge_pages.TUNABLES}
    done = subprocess.run(
        command, env=clean | environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_a_script_starts_once_more_in_the_same_process(tmp_path, setting):
    script = tmp_path / "gdjax-x"
    script.write_text(SCRIPT)
    first, second, last = run(script, setting, {})
    assert first == second
    assert last == f"{huge_pages.ASKED} ['--out', 'a b']"


def test_what_the_user_says_of_memory_stays(tmp_path, setting):
    script = tmp_path / "gdjax-x"
    script.write_text(SCRIPT)
    own = {huge_pages.TUNABLES: "glibc.malloc.hugetlb=0"}
    assert run(script, setting, own)[1:] == ["glibc.malloc.hugetlb=0 ['--out', 'a b']"]


def test_another_program_is_not_started_again(tmp_path, setting):
    program = tmp_path / "other.py"
    program.write_text(SCRIPT)
    assert run(program, setting, {})[1:] == ["None ['--out', 'a b']"]


@pytest.mark.parametrize("chosen", ["[always] madvise never", "always madvise [never]"])
def test_where_asking_changes_nothing_nobody_asks(chosen, setting, monkeypatch):
    monkeypatch.setattr(huge_pages, "SETTING", str(setting))
    assert huge_pages.asked_for({})
    setting.write_text(chosen)
    assert not huge_pages.asked_for({})


def test_without_such_a_setting_nobody_asks(tmp_path, monkeypatch):
    monkeypatch.setattr(huge_pages, "SETTING", str(tmp_path / "missing"))
    assert not huge_pages.asked_for({})
