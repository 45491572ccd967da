"""Ctrl-C: the step that was reached is kept, and the message says how to go on."""

import signal
import threading

import pytest

from gdjax_train import command_line, interruption, loop
from gdjax_train.checkpoints import whole_steps
from gdjax_train.interruption import between_steps, place, resumable


@pytest.fixture(autouse=True)
def listening():
    """Python's own handler: what a shell starts in the background has none."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def press():
    signal.raise_signal(signal.SIGINT)


def test_ctrl_c_is_a_wish_until_the_end():
    heard = []
    with pytest.raises(KeyboardInterrupt):
        with between_steps(lambda: heard.append(1)) as wish:
            assert not wish.made
            press()
            assert wish.made and heard == [1]
            finished = True
    assert finished and signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_second_ctrl_c_stops_at_once():
    with pytest.raises(KeyboardInterrupt):
        with between_steps(lambda: None):
            press()
            press()
            raise AssertionError("too late")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_other_listeners_and_threads_are_left_alone():
    def listen(*_):
        raise AssertionError

    before = signal.signal(signal.SIGINT, listen)
    try:
        with between_steps(lambda: None):
            assert signal.getsignal(signal.SIGINT) is listen
    finally:
        signal.signal(signal.SIGINT, before)

    def enter():
        with between_steps(lambda: None) as wish:
            done.append(wish.made)

    done = []
    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert done == [False]


@pytest.fixture
def press_at(monkeypatch):
    """Ctrl-C while the step of a number is being reported."""

    def patch(step):
        report = loop._Watcher.report

        def reporting(watcher, done, state):
            if done == step:
                press()
            report(watcher, done, state)

        monkeypatch.setattr(loop._Watcher, "report", reporting)
        return lambda: monkeypatch.setattr(loop._Watcher, "report", report)

    return patch


# Rows are written after every second step, checkpoints after every third one.
@pytest.mark.parametrize(("pressed", "kept"), [(2, 3), (4, 5), (6, 7), (8, 8)], ids=str)
def test_a_stopped_run_ends_with_the_same_bits(
    pressed, kept, stand_in, one_net, open_run, press_at
):
    unbroken, _ = open_run(one_net, "unbroken")
    unbroken.train()
    session, text = open_run(one_net)
    run, undo = session.run, press_at(pressed)
    with pytest.raises(KeyboardInterrupt):
        session.train()
    undo()
    assert whole_steps(run.checkpoints("discrete-relu", "single"))[-1] == kept
    assert place(run, one_net) == f"after step {kept} of discrete+relu (single)"
    rows = [row["step"] for row in run.metrics()]
    assert rows[-1] == kept

    session, text = open_run(one_net)
    session.train()
    said = "finished before" if kept == 8 else f"continues after step {kept} of 8"
    assert said in text()
    for path in sorted((unbroken.run.path / "weights").iterdir()):
        assert path.read_bytes() == (run.path / "weights" / path.name).read_bytes()
    assert place(run, one_net) == "with the evaluation"


def test_the_message_has_the_whole_command(one_net, open_run, capsys):
    session, _ = open_run(one_net, "my run")
    run = session.run

    def stopped(data_dir):
        def body(_):
            with resumable(run, one_net, data_dir=data_dir):
                raise KeyboardInterrupt

        assert command_line.run_script("gdjax-train", body, []) == 130
        return capsys.readouterr().err.strip().splitlines()

    first, second = stopped(None)
    assert first.endswith("interrupted; to go on with discrete+relu (single):")
    assert second == f"  gdjax-train --resume '{run.path}'"
    assert stopped("elsewhere")[1].endswith(" --data-dir elsewhere")


def test_before_a_run_begins_there_is_nothing_to_resume(capsys):
    def body(_):
        raise KeyboardInterrupt

    assert command_line.run_script("gdjax-train", body, []) == 130
    assert (
        capsys.readouterr()
        .err.strip()
        .endswith("interrupted before there was a result")
    )


def test_only_ctrl_c_is_translated(one_net, open_run):
    session, _ = open_run(one_net)
    with pytest.raises(ValueError, match="no"):
        with resumable(session.run, one_net):
            raise ValueError("no")
    assert issubclass(interruption.Interrupted, KeyboardInterrupt)


def test_ctrl_c_within_a_callback_is_heard_afterwards(monkeypatch, capsys):
    import gc
    import sys
    import time
    import types

    from gdjax_train import scripts

    def press_once(*_):
        gc.callbacks.remove(press_once)
        press()

    def body(_):
        gc.callbacks.append(press_once)
        gc.collect()
        time.sleep(5)
        raise AssertionError("not heard")

    module = types.ModuleType("script")
    module.main = lambda: command_line.run_script("gdjax-x", body, [])
    monkeypatch.setitem(sys.modules, "script", module)
    monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)
    assert scripts._run("gdjax-x", "script", "main") == 130
    assert "interrupted" in capsys.readouterr().err
