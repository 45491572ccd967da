"""The command as users run it: killed at a bad moment, then resumed."""

import json
import signal
import subprocess
import sys
import time


FLAGS = [
    *("rescaled_digits", "--epochs", "2", "--batch-size", "16"),
    *("--nets", "discrete+relu", "--multi-epochs", "1", "--model.widths", "4"),
    *("--model.sigmas", "1", "2", "--data.train-images", "96"),
    *("--data.test-images", "8", "--eval-factors", "1", "--checkpoint-every", "2"),
    *("--log-every", "1"),
]
COMMAND = [sys.executable, "-m", "gdjax_train"]


def run(*arguments):
    done = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def rows(path):
    file = path / "metrics.jsonl"
    return len(file.read_text().splitlines()) if file.exists() else 0


def kill_after(count, path, *arguments):
    """Run, and kill as soon as so many rows are written."""
    process = subprocess.Popen(
        [*COMMAND, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    # No limit of time: other work may take most of the machine.
    while rows(path) < count and process.poll() is None:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "the run ended before it was killed"


def results(path):
    return {file.name: file.read_bytes() for file in (path / "weights").iterdir()}


def accuracies(path):
    rows = json.loads((path / "evaluation.json").read_text())["rows"]
    return [row["accuracy"] for row in rows]


def test_a_run_killed_three_times_ends_with_the_same_bits(tmp_path, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "prepared"))
    # Five processes compile the same steps.
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path / "compiled"))
    unbroken, killed = tmp_path / "unbroken", tmp_path / "killed"
    text = run(*FLAGS, "--out", str(unbroken))
    assert "discrete+relu, 2 channels, max" in text

    # Before the first checkpoint; in the first stage; in the second.
    kill_after(1, killed, *FLAGS, "--out", str(killed))
    kill_after(7, killed, "--resume", str(killed))
    kill_after(15, killed, "--resume", str(killed))
    run("--resume", str(killed))

    assert results(killed) == results(unbroken)
    assert accuracies(killed) == accuracies(unbroken)
    metrics = (killed / "metrics.jsonl").read_text().splitlines()
    steps = [(row["stage"], row["step"]) for row in map(json.loads, metrics)]
    expected = [("single", s) for s in range(1, 13)]
    assert steps == expected + [("multi", s) for s in range(1, 7)]
