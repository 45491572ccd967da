"""What is left on the disk when preparing is cut short."""

from __future__ import annotations

import errno
import subprocess
import sys
import textwrap

import pytest

from gdjax.data import load, prepare
from gdjax.data.builder import ScaleBuilder
from gdjax.data.rescaling import RescaledPart


def break_after(count, error, monkeypatch):
    """Raises `error` at example `count` of every split."""
    whole = RescaledPart.examples

    def examples(self):
        for i, example in enumerate(whole(self)):
            if i == count:
                raise error
            yield example

    monkeypatch.setattr(RescaledPart, "examples", examples)


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        RuntimeError("write() failed: No space left on device; writing x; at byte 9"),
    ],
)
def test_a_full_disk_gives_one_clear_line_and_leaves_nothing(
    error, monkeypatch, tfds_dir
):
    with monkeypatch.context() as patch:
        break_after(10, error, patch)
        with pytest.raises(OSError, match="too full for rescaled_digits") as caught:
            load("rescaled_digits/tiny", "train")
    assert caught.value.errno == errno.ENOSPC
    assert "TFDS_DATA_DIR" in str(caught.value) and "\n" not in str(caught.value)
    assert not tfds_dir.exists()
    assert len(load("rescaled_digits/tiny", "train").label) == 64


def test_an_interruption_leaves_nothing(monkeypatch, tfds_dir):
    with monkeypatch.context() as patch:
        break_after(10, KeyboardInterrupt(), patch)
        with pytest.raises(KeyboardInterrupt):
            prepare("rescaled_digits/tiny")
    assert not tfds_dir.exists()


def test_a_killed_preparation_is_not_taken_for_a_whole_one(tfds_dir):
    program = """
        import os, signal
        from gdjax.data import prepare
        from gdjax.data.rescaling import RescaledPart

        whole = RescaledPart.examples

        def examples(self):
            if self.factor > 2:
                os.kill(os.getpid(), signal.SIGKILL)
            return whole(self)

        RescaledPart.examples = examples
        prepare("rescaled_digits/tiny")
    """
    command = [sys.executable, "-c", textwrap.dedent(program)]
    killed = subprocess.run(command, capture_output=True, text=True, check=False)
    assert killed.returncode == -9, killed.stderr
    left = [path.name for path in (tfds_dir / "rescaled_digits" / "tiny").iterdir()]
    assert len(left) == 1 and left[0].startswith("incomplete.")
    assert len(load("rescaled_digits/tiny", "test_scale_2p000").label) == 32


def test_the_loser_of_a_race_takes_the_winners_set(monkeypatch):
    whole = ScaleBuilder.download_and_prepare

    def lose(self, **options):
        whole(type(self)(data_dir=self.data_dir_root, config="tiny"), **options)
        raise OSError(errno.ENOTEMPTY, "Directory not empty")

    monkeypatch.setattr(ScaleBuilder, "download_and_prepare", lose)
    assert len(load("rescaled_digits/tiny", "train").label) == 64
