"""The command as users run it: killed at a bad moment, then resumed."""

import json
import signal
import subprocess
import sys
import time

import pytest

FLAGS = [
    *("rescaled_digits", "--epochs", "2", "--batch-size", "16"),
    *("--nets", "discrete+relu", "--multi-epochs", "1", "--model.widths", "4"),
    *("--model.sigmas", "1", "2", "--data.train-images", "96"),
    *("--data.test-images", "8", "--eval-factors", "1", "--checkpoint-every", "2"),
    *("--log-every", "1"),
]
COMMAND = [sys.executable, "-P", "-m", "train"]


def run(*arguments):
    done = subprocess.run(
        [*COMMAND, *arguments], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def rows(path):
    file = path / "metrics.jsonl"
    return len(file.read_text().splitlines()) if file.exists() else 0


def kill_after(count, path):
    """Start the run and kill it as soon as it has written so many rows."""
    process = subprocess.Popen(
        [*COMMAND, *FLAGS, "--out", str(path)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 120
    while rows(path) < count and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "the run ended before it was killed"


def results(path):
    return {file.name: file.read_bytes() for file in (path / "weights").iterdir()}


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    path = tmp_path_factory.mktemp("unbroken") / "run"
    text = run(*FLAGS, "--out", str(path))
    assert "discrete+relu, 2 channels, max" in text
    return path


# In the first stage before and after its first checkpoint; in the second stage.
@pytest.mark.parametrize("count", [1, 7, 15])
def test_a_killed_run_resumes_to_the_same_bits(count, unbroken, tmp_path):
    path = tmp_path / "run"
    kill_after(count, path)
    run("--resume", str(path))
    assert results(path) == results(unbroken)
    accuracies = [
        [row["accuracy"] for row in json.loads(text)["rows"]]
        for text in (
            (folder / "evaluation.json").read_text() for folder in (path, unbroken)
        )
    ]
    assert accuracies[0] == accuracies[1]
    metrics = (path / "metrics.jsonl").read_text().splitlines()
    steps = [(row["stage"], row["step"]) for row in map(json.loads, metrics)]
    expected = [("single", s) for s in range(1, 13)]
    assert steps == expected + [("multi", s) for s in range(1, 7)]
